/** A new operator: from an empty store to the last committed root, without trust in the peer. */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../core/artifact.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { SnapshotError } from '../errors.js'
import { decodeDelta } from '../pipeline/delta.js'
import { pipelineRecords } from '../pipeline/pipeline.js'
import { computeQueueHash, decodeQueueState } from '../pipeline/queue/queue.js'
import type { StateTree } from '../stateTree.js'
import type { NodeStore } from '../store/store.js'
import type { SnapshotClient } from './client.js'
import { restoreSnapshot } from './restore.js'

/** A commit that is trusted because the chain has it. */
export type TrustedCommit = {
  sequenceNo: bigint
  /** `newStateRoot` of the commit. */
  root: Hex
  /** From its announcement. */
  deltaHash: Hex
  timestamp: bigint
}

/** How far a bootstrap is. */
export type BootstrapProgress =
  | { step: 'leaves'; done: number; total: number }
  | { step: 'bytes'; done: number; total: number }
  | { step: 'finished'; root: Hex }

/**
 * Fills an empty store from a peer's snapshot, checked against a committed root and the queue hash
 * of its delta. Interrupted, it goes on where it was. Open a pipeline on the result: it counts
 * references from the chain's logs, and goes on with later deltas.
 *
 * @param options.bytes - Whether to fetch the bytes of public artifacts too. Default true.
 * @throws {SnapshotError} when the peer's snapshot is not that of the commit.
 */
export async function bootstrapTree(
  options: {
    store: NodeStore
    client: SnapshotClient
    commit: TrustedCommit
    bytes?: boolean | undefined
    onProgress?: ((progress: BootstrapProgress) => void) | undefined
  },
  io: IoOptions = {},
): Promise<StateTree> {
  assertOptions(
    options,
    {
      ...{ store: 'object', client: 'object', commit: 'object' },
      ...{ bytes: 'flag', onProgress: 'function' },
    },
    { required: ['store', 'client', 'commit'] },
  )
  assertMembers('options.commit', options.commit, ['sequenceNo', 'root', 'deltaHash', 'timestamp'])
  const { store, client, commit, onProgress } = options
  const version = Number(commit.sequenceNo)
  const manifest = await client.manifest(version, io)
  if (manifest.root !== commit.root) {
    throw new SnapshotError({
      reason: `the peer has ${manifest.root} at ${version}, the chain ${commit.root}`,
    })
  }
  if (manifest.queueState === undefined)
    throw new SnapshotError({ reason: 'the peer gives no queue' })
  const queue = decodeQueueState(fromHex(manifest.queueState))
  const delta = decodeDelta(await client.delta(commit.deltaHash, io))
  if (delta.sequenceNo !== commit.sequenceNo || computeQueueHash(queue) !== delta.queueHash) {
    throw new SnapshotError({ reason: 'the queue of the peer is not that of the commit' })
  }
  const restore = await restoreSnapshot({ store, version, root: commit.root, discard: true })
  for (let from = restore.next(); from !== undefined; from = restore.next()) {
    await restore.addChunk(await client.chunk({ version, from }, io))
    onProgress?.({ step: 'leaves', done: restore.leaves(), total: manifest.leaves })
  }
  const { deltaHash, timestamp } = commit
  const tree = await restore.finish({
    records: pipelineRecords({ deltaHash, cutoffBlock: delta.cutoffBlock, timestamp }, queue),
  })
  if (options.bytes !== false) await fetchMissingBytes(tree, { client, onProgress }, io)
  onProgress?.({ step: 'finished', root: tree.root() })
  return tree
}

/** Fetches the bytes of public artifacts that are not here yet. Again after an interruption. */
export async function fetchMissingBytes(
  tree: StateTree,
  {
    client,
    onProgress,
  }: { client: SnapshotClient; onProgress?: ((progress: BootstrapProgress) => void) | undefined },
  io: IoOptions = {},
): Promise<void> {
  const wanted = new Set<Hex>()
  for (const { keyHash, valueHash } of tree.entries()) {
    const [key, hash] = [toHex(keyHash), toHex(valueHash)]
    // A public leaf is named by its own value; others belong to the private-data layer.
    if ([4, 5, 6, 7, 8].some((namespace) => computeKeyHash(namespace, hash) === key))
      wanted.add(hash)
  }
  let done = 0
  for (const hash of wanted) {
    if (!(await tree.store.bytes.has(hash)))
      await tree.store.bytes.put(hash, await client.bytes(hash, io))
    done++
    onProgress?.({ step: 'bytes', done, total: wanted.size })
  }
}
