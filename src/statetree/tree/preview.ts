/** The root a commit would have, without writing it. */
import type { Hex } from 'viem'
import { toHex } from '../../internal/bytes.js'
import { applyRun, placeRoot } from './apply.js'
import { discard, hashOf, release } from './arena.js'
import type { ReadableTree } from './readable.js'
import { collectWritten, listedIds, noneWritten, rehash } from './rehash.js'
import { prepareWrites, type TreeWrite } from './writes.js'

/** Versions from here on are never committed: they mark records of previews. */
export const previewVersion: number = 2 ** 52

/**
 * Computes the root that `writes` would give on top of the newest version. Nothing is stored.
 *
 * @throws {InvalidInputError} naming the malformed `writes[i]`.
 */
export function previewRoot(tree: ReadableTree, writes: Iterable<TreeWrite>): Hex {
  const view = tree.view()
  const { arena } = view
  const state = { arena, version: previewVersion, stale: [], staleLeaves: 0, load: view.load }
  let written = noneWritten()
  let root = view.root
  const runs = prepareWrites(writes, tree.hasher)
  try {
    for (const run of runs) root = placeRoot(state, applyRun(state, root, run))
  } catch (error) {
    // What is stored cannot be read.
    discard(arena, previewVersion)
    throw error
  }
  if (root !== view.root) {
    written = collectWritten(arena, root, previewVersion)
    rehash(arena, written, tree.hasher)
  }
  const hash = toHex(hashOf(arena, root))
  for (const id of listedIds(written)) release(arena, id)
  return hash
}
