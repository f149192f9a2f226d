/** A new operator: from an empty store to the last committed root, without trust in the peer. */
import type { Hex } from 'viem'
import { fromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { SnapshotError } from '../errors.js'
import { decodeDelta } from '../pipeline/delta.js'
import { pipelineRecords } from '../pipeline/pipeline.js'
import { computeQueueHash, decodeQueueState } from '../pipeline/queue/queue.js'
import { createStateTree, type StateTree } from '../stateTree.js'
import type { NodeStore } from '../store/store.js'
import type { SnapshotClient } from './client.js'
import { type BootstrapProgress, fetchMissingBytes, missingBytesRecord } from './missingBytes.js'
import { createPace } from './pace.js'
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

/** Leaves a second that a peer has to give on average: a chunk may be of one leaf, a minute each. */
const LEAST_LEAVES = 16

/**
 * Fills an empty store from a peer's snapshot, checked against a committed root and the queue hash
 * of its delta. Interrupted, it goes on where it was, with the same peer or another one, also where the
 * tree is there and bytes are missing. Open a pipeline on the result: it counts references from the
 * chain's logs, and goes on with later deltas.
 *
 * @param options.bytes - Whether to fetch the bytes of public artifacts too. Default true.
 * @throws {SnapshotError} when the peer's snapshot is not that of the commit, or
 * comes too slowly.
 * @throws {BytesMissingError} when the tree is there, and the peer lacks bytes of it.
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
  const finish = async (tree: StateTree): Promise<StateTree> => {
    if (options.bytes !== false) await fetchMissingBytes(tree, { client, onProgress }, io)
    onProgress?.({ step: 'finished', root: tree.root() })
    return tree
  }
  const root = store.range()?.latest === version ? store.rootHash(version) : undefined
  if (root !== undefined && toHex(root) === commit.root) return finish(createStateTree({ store }))
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
  const pace = createPace({ what: 'its leaves come', least: LEAST_LEAVES })
  for (let from = restore.next(); from !== undefined; from = restore.next()) {
    const before = restore.leaves()
    await restore.addChunk(await client.chunk({ version, from }, io))
    pace(restore.leaves() - before)
    onProgress?.({ step: 'leaves', done: restore.leaves(), total: manifest.leaves })
  }
  const { deltaHash, timestamp } = commit
  const records = pipelineRecords({ deltaHash, cutoffBlock: delta.cutoffBlock, timestamp }, queue)
  // With the tree it is said that its bytes are not there yet.
  const bytes = options.bytes === false ? [] : [missingBytesRecord]
  return finish(await restore.finish({ records: [...records, ...bytes] }))
}
