/** What proofs need of a tree, so that they do not know how one is written or stored. */
import type { Hex } from 'viem'
import type { TreeHasher } from '../hash/hasher.js'
import type { View } from './descend.js'

/** Which version to read. Default: the newest. */
export type AtVersion = { version?: number | undefined }

/** A tree as its proofs see it. */
export type ReadableTree = {
  readonly hasher: TreeHasher
  /** Root of a version; that of the empty tree where there is no version yet. */
  root(at?: AtVersion): Hex
  /** @internal Access for proofs made in other modules. */
  view(at?: AtVersion): View
}
