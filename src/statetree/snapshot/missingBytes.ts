/** Bytes of public artifacts that a tree names and its store does not have. */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../core/artifact.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import {
  BytesCorruptError,
  BytesMissingError,
  BytesNotFoundError,
  StoreWriteError,
} from '../errors.js'
import type { StateTree } from '../stateTree.js'
import type { NodeStore, StoreCommit } from '../store/store.js'
import type { SnapshotClient } from './client.js'
import { createPace } from './pace.js'

/** How far a bootstrap is. */
export type BootstrapProgress =
  | { step: 'leaves'; done: number; total: number }
  | { step: 'bytes'; done: number; total: number }
  | { step: 'finished'; root: Hex }

const recordName = 'bootstrap/bytes'

/** Stands in a store from when its tree is there until its bytes are, too. */
export const missingBytesRecord: StoreCommit['records'][number] = [recordName, new Uint8Array(1)]

/** Whether bytes of a bootstrapped tree were not all fetched yet. */
export function lacksBytes(store: NodeStore): boolean {
  return store.record(recordName) !== undefined
}

/** Failures in a row after which a peer is not asked for more. That it does not have something is none. */
const MOST_FAILURES = 3
/** What an artifact counts for beside its bytes, and what has to come each second on average. */
const PACE = 4_096

/**
 * Fetches the bytes of public artifacts that are not here yet, or were damaged. Again after an
 * interruption, and with another peer for what the first one lacks: whatever can be had is had before this
 * ends.
 *
 * @throws {BytesMissingError} naming what could not be had.
 * @example
 * ```ts
 * import { createStateTree, fetchMissingBytes, snapshotClient } from '@newton/policy-sdk/statetree'
 * import { lmdbStore } from '@newton/policy-sdk/statetree/node'
 *
 * const tree = createStateTree({ store: await lmdbStore({ path: './state' }) })
 * await fetchMissingBytes(tree, { client: snapshotClient({ url: 'https://bootnode.example' }) })
 * ```
 */
export async function fetchMissingBytes(
  tree: StateTree,
  {
    client,
    onProgress,
  }: { client: SnapshotClient; onProgress?: ((progress: BootstrapProgress) => void) | undefined },
  io: IoOptions = {},
): Promise<void> {
  const { store } = tree
  const wanted = publicHashes(tree)
  const missing: Hex[] = []
  const ask = askerOf(client, io)
  let failure: unknown
  let done = 0
  for (const hash of wanted) {
    try {
      if (!(await isWhole(tree, hash))) await store.bytes.put(hash, await ask(hash))
    } catch (error) {
      io.signal?.throwIfAborted()
      if (error instanceof StoreWriteError) throw error
      failure ??= error
      missing.push(hash)
      continue
    }
    done++
    onProgress?.({ step: 'bytes', done, total: wanted.size })
  }
  if (missing.length > 0) throw new BytesMissingError({ missing }, { cause: failure })
  if (lacksBytes(store)) await store.writeRecords([[recordName, null]])
}

/** Asks a peer until it is away or too slow; its last error is then that of all later calls. */
function askerOf(client: SnapshotClient, io: IoOptions): (hash: Hex) => Promise<Uint8Array> {
  const pace = createPace({ what: 'its bytes come', least: PACE })
  let failures = 0
  let last: unknown
  return async (hash) => {
    if (failures >= MOST_FAILURES) throw last
    let bytes: Uint8Array
    try {
      bytes = await client.bytes(hash, io)
    } catch (error) {
      last = error
      const isAnswer = error instanceof BytesNotFoundError || error instanceof BytesCorruptError
      failures = isAnswer ? 0 : failures + 1
      throw error
    }
    failures = 0
    try {
      pace(PACE + bytes.length)
    } catch (error) {
      last = error
      failures = MOST_FAILURES
    }
    return bytes
  }
}

function publicHashes(tree: StateTree): Set<Hex> {
  const wanted = new Set<Hex>()
  for (const { keyHash, valueHash } of tree.entries()) {
    const [key, hash] = [toHex(keyHash), toHex(valueHash)]
    // A public leaf is named by its own value; others belong to the private-data layer.
    if ([4, 5, 6, 7, 8].some((namespace) => computeKeyHash(namespace, hash) === key))
      wanted.add(hash)
  }
  return wanted
}

/** A file that is there may hold other bytes. */
async function isWhole({ store }: StateTree, hash: Hex): Promise<boolean> {
  try {
    return (await store.bytes.get(hash)) !== undefined
  } catch (error) {
    if (error instanceof BytesCorruptError) return false
    throw error
  }
}
