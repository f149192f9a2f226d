/** Restores a version from chunks: resumable, and invisible until its root is checked. */
import type { Hex } from 'viem'
import { bytesEqual, concat, fixedFromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { SnapshotError } from '../errors.js'
import { defaultHasher, type TreeHasher } from '../hash/hasher.js'
import { assertRangeProof } from '../proof/rangeProof.js'
import { createStateTree, type StateTree } from '../stateTree.js'
import type { NodeStore, StoreCommit } from '../store/store.js'
import {
  decodeChunk,
  decodeEntries,
  encodeEntries,
  highestKey,
  keyAfter,
  lowestKey,
  type SnapshotChunk,
} from './chunk.js'

/** A restore under way. */
export type Restore = {
  /** First key of the next chunk; `undefined` when all are there. */
  next(): Uint8Array | undefined
  /** Leaves so far. */
  leaves(): number
  /**
   * Checks a chunk against the root and keeps it durably. Every chunk but the last must end at a leaf, so
   * that there are no more of them than leaves. A refused chunk changes nothing: ask for it again, also
   * elsewhere.
   *
   * @throws {SnapshotError | InvalidProofError | MalformedEncodingError} for a wrong chunk.
   */
  addChunk(chunk: SnapshotChunk | Uint8Array): Promise<void>
  /**
   * Builds the tree, compares its root, and makes it visible in one step.
   *
   * @throws {SnapshotError} while chunks are missing, or when the root is another.
   */
  finish(options?: { records?: StoreCommit['records'] | undefined }): Promise<StateTree>
}

const headRecord = 'restore/head'
const chunkPrefix = 'restore/chunk/'

/**
 * Starts, or resumes, the restore of a version into an empty store.
 *
 * @param options.root - A trusted root, such as one committed on chain.
 * @throws {SnapshotError} when the store has versions, or holds part of another restore that
 * `discard` does not allow to drop.
 * @example
 * ```ts
 * import { createStateTree, memoryStore, restoreSnapshot, snapshotChunk } from '@newton/policy-sdk/statetree'
 *
 * const source = createStateTree({ store: memoryStore() })
 * const { root } = await source.commit([{ keyHash: new Uint8Array(32), value: new Uint8Array(1) }], { version: 1 })
 * const restore = await restoreSnapshot({ store: memoryStore(), version: 1, root })
 * for (let from = restore.next(); from !== undefined; from = restore.next()) {
 *   await restore.addChunk(snapshotChunk(source, { version: 1, from }))
 * }
 * const tree = await restore.finish()
 * ```
 */
export async function restoreSnapshot(options: {
  store: NodeStore
  version: number
  root: Hex
  hasher?: TreeHasher | undefined
  /** Drops what an earlier restore of another root left. */
  discard?: boolean | undefined
}): Promise<Restore> {
  assertOptions(
    options,
    {
      ...{ store: 'object', version: { least: 0 }, root: 'text' },
      ...{ hasher: 'object', discard: 'flag' },
    },
    { required: ['store', 'version', 'root'] },
  )
  const { store, version, hasher = defaultHasher() } = options
  const root = fixedFromHex(options.root, 32, 'root')
  if (store.range() !== undefined)
    throw new SnapshotError({ reason: 'the store has versions already' })
  const identity = concat(uintToBytes(version, 8), root)
  let head = store.record(headRecord)
  if (head !== undefined && !bytesEqual(head.slice(0, 40), identity)) {
    if (options.discard !== true) {
      throw new SnapshotError({
        reason: `the store holds part of a restore of ${toHex(head.slice(8, 40))}`,
      })
    }
    await store.writeRecords(staged(store).map((name) => [name, null]))
    head = undefined
  }
  let chunks = staged(store).filter((name) => name.startsWith(chunkPrefix)).length
  let next: Uint8Array | undefined =
    head === undefined ? lowestKey : head.length > 48 ? head.slice(48) : undefined
  let leaves =
    head === undefined ? 0 : Number(new DataView(head.slice(40, 48).buffer).getBigUint64(0))
  // One at a time: each chunk starts where the one before it ends.
  let tail: Promise<unknown> = Promise.resolve()

  const add = async (given: SnapshotChunk | Uint8Array): Promise<void> => {
    const chunk = given instanceof Uint8Array ? decodeChunk(given) : given
    const { from, to, entries, proof } = chunk
    if (next === undefined) throw new SnapshotError({ reason: 'it is complete already' })
    if (!bytesEqual(from, next)) {
      throw new SnapshotError({
        reason: `a chunk starts at ${toHex(from)}, expected ${toHex(next)}`,
      })
    }
    assertRangeProof({ root, range: { from, to }, entries, proof, hasher })
    assertProgress(chunk)
    const after = bytesEqual(to, highestKey) ? undefined : keyAfter(to)
    const total = leaves + entries.length
    const position = concat(identity, uintToBytes(total, 8), after ?? new Uint8Array(0))
    const name = `${chunkPrefix}${String(chunks).padStart(10, '0')}`
    await store.writeRecords([
      [name, encodeEntries(entries)],
      [headRecord, position],
    ])
    chunks++
    next = after
    leaves = total
  }
  return {
    next: () => next,
    leaves: () => leaves,
    addChunk(chunk) {
      const result = tail.then(() => add(chunk))
      tail = result.catch(() => {})
      return result
    },
    async finish({ records = [] } = {}) {
      await tail
      if (next !== undefined)
        throw new SnapshotError({ reason: `chunks from ${toHex(next)} on are missing` })
      const names = staged(store)
      const entries = names
        .filter((name) => name.startsWith(chunkPrefix))
        .flatMap((name) => decodeEntries(store.record(name) ?? new Uint8Array(4)))
      const tree = createStateTree({ store, hasher })
      await tree.restore(entries, {
        version,
        root: toHex(root),
        records: [...records, ...names.map((name): [string, null] => [name, null])],
      })
      return tree
    },
  }
}

/** Ranges without leaves prove well, and there are 2^256 of them: each but the last ends at a leaf. */
function assertProgress({ to, entries }: SnapshotChunk): void {
  const last = entries.at(-1)
  if (bytesEqual(to, highestKey) || (last !== undefined && bytesEqual(last.keyHash, to))) return
  throw new SnapshotError({ reason: `a chunk ends at ${toHex(to)}, where there is no leaf` })
}

function staged(store: NodeStore): string[] {
  return [...store.recordNames('restore/')]
}
