/** A full replica: follows chain and deltas, re-derives everything, and reports what is wrong. */
import type { Hex } from 'viem'
import { type ArtifactNamespace, computeKeyHash } from '../../core/artifact.js'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import { type DaLocator, decodeLocator } from '../../core/locator.js'
import { isPolicySdkError } from '../../errors/base.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { defaultHasher } from '../hash/hasher.js'
import { previewRoot } from '../tree/preview.js'
import { type Anomaly, anomaly } from './anomalies.js'
import { committedTree } from './committed.js'
import { type Delta, decodeDelta } from './delta.js'
import type { RefusalReason } from './errors.js'
import { type CommitPipeline, deltaWrites } from './pipeline.js'
import { applySelection } from './queue.js'
import { checkDelta } from './validate.js'

/** Gives an encoded delta that hashes to `deltaHash`, or fails. */
export type DeltaSource = (
  request: { sequenceNo: bigint; deltaHash: Hex; locators: readonly DaLocator[] },
  options?: IoOptions,
) => Promise<Uint8Array>

/** Where a replica stands after a step. */
export type ReplicaStatus = {
  sequenceNo: bigint
  root: Hex
  /** The commit that could not be followed yet: its announcement, delta or cutoff is not there. */
  waitingFor: bigint | undefined
}

/** A replica of one chain's tree. */
export type Replica = {
  readonly pipeline: CommitPipeline
  /** Follows all commits that landed, in order, as far as their deltas can be had. */
  follow(io?: IoOptions): Promise<ReplicaStatus>
  /**
   * Checks that all artifacts a response names are under the root committed at its reference
   * block, and reports 0x13 where one is not.
   */
  checkBinding(
    response: {
      taskId: Hex
      referenceBlock: bigint
      artifacts: readonly { namespace: ArtifactNamespace; hash: Hex }[]
    },
    io?: IoOptions,
  ): Promise<boolean>
  /** Checks bytes that somebody served for a leaf, and reports 0x12 where they are others. */
  checkBytes(served: { namespace: number; hash: Hex; bytes: Uint8Array }): boolean
}

/**
 * Creates a replica on a pipeline, whose tree it keeps whole: it never prunes.
 *
 * A commit that breaks a rule is reported and followed all the same, so that later ones are judged
 * by what they do themselves. An operator is never named: a commit is the quorum's.
 *
 * @example
 * ```ts
 * import { createReplica } from '@newton/policy-sdk/statetree'
 *
 * const replica = createReplica({ pipeline, events, deltas, onAnomaly: (found) => alert(found) })
 * await replica.follow()
 * ```
 */
export function createReplica(options: {
  pipeline: CommitPipeline
  events: ChainEvents
  deltas: DeltaSource
  startBlock?: bigint | undefined
  onAnomaly: (anomaly: Anomaly) => void
}): Replica {
  const { pipeline, events, deltas, startBlock = 0n, onAnomaly } = options
  const landed = new Map<bigint, Extract<ChainEvent, { type: 'StateRootCommitted' }>>()
  const announced = new Map<bigint, Extract<ChainEvent, { type: 'CommitAnnounced' }>>()
  const reported = new Set<string>()
  let read = startBlock - 1n

  const report = (found: Anomaly): void => {
    // A step that is repeated says nothing twice.
    const key = `${found.code} ${found.sequenceNo} ${found.detail}`
    if (reported.has(key)) return
    reported.add(key)
    onAnomaly(found)
  }
  const readEvents = async (io: IoOptions): Promise<void> => {
    const { number: toBlock, hash: blockHash } = await events.getFinalizedBlock(io)
    if (toBlock <= read) return
    const types = ['StateRootCommitted', 'CommitAnnounced'] as const
    const range = { fromBlock: read + 1n, toBlock, blockHash }
    for (const event of await events.getEvents({ ...range, types }, io)) {
      if (event.type === 'StateRootCommitted') landed.set(event.sequenceNo, event)
      if (event.type === 'CommitAnnounced' && !announced.has(event.sequenceNo)) {
        announced.set(event.sequenceNo, event)
      }
    }
    read = toBlock
  }
  const fetchDelta = async (sequenceNo: bigint, io: IoOptions): Promise<Uint8Array | undefined> => {
    const announcement = announced.get(sequenceNo)
    if (announcement === undefined) return undefined
    const { deltaHash } = announcement
    let bytes: Uint8Array
    try {
      bytes = await deltas(
        { sequenceNo, deltaHash, locators: readLocators(announcement.locators) },
        io,
      )
    } catch {
      io.signal?.throwIfAborted()
      return undefined
    }
    const actual = toHex(defaultHasher().hash(bytes))
    if (actual === deltaHash) return bytes
    const detail = `a delta served as ${deltaHash} hashes to ${actual}`
    report(anomaly('policy_artifact_bytes_corruption', { sequenceNo, detail }))
    return undefined
  }
  const followOne = async (sequenceNo: bigint, io: IoOptions): Promise<boolean> => {
    const commit = landed.get(sequenceNo) as Extract<ChainEvent, { type: 'StateRootCommitted' }>
    const bytes = await fetchDelta(sequenceNo, io)
    if (bytes === undefined) return false
    let delta: Delta
    try {
      delta = decodeDelta(bytes)
    } catch (error) {
      const detail = isPolicySdkError(error) ? error.shortMessage : 'its delta cannot be decoded'
      report(anomaly('policy_commit_defer_queue_divergence', { sequenceNo, detail }))
      return false
    }
    let window: Awaited<ReturnType<CommitPipeline['prepare']>>
    try {
      window = await pipeline.prepare(commit.timestamp, io)
    } catch (error) {
      if (isPolicySdkError(error) && error.retryable) return false
      throw error
    }
    const verdict = checkDelta(pipeline, window, delta)
    if (verdict.status === 'invalid') {
      const { reason, detail } = verdict.fault
      report(anomaly(anomalyOf(reason), { sequenceNo, detail: `${reason}: ${detail}` }))
    }
    const root =
      verdict.status === 'valid'
        ? verdict.root
        : previewRoot(pipeline.tree, deltaWrites(withoutCorrupt(delta)))
    if (root !== commit.newStateRoot) {
      const detail = `committed ${commit.newStateRoot}, derived ${root}`
      report(anomaly('policy_commit_state_root_mismatch', { sequenceNo, detail }))
    }
    const next =
      verdict.status === 'valid' ? verdict.next : applySelection(window.state, delta).state
    const { deltaHash } = announced.get(sequenceNo) as { deltaHash: Hex }
    await pipeline.apply(window, { delta: withoutCorrupt(delta), deltaHash, next })
    return true
  }
  return {
    pipeline,
    async follow(io = {}) {
      await readEvents(io)
      let waitingFor: bigint | undefined
      for (;;) {
        const sequenceNo = pipeline.head().sequenceNo + 1n
        if (!landed.has(sequenceNo)) break
        if (await followOne(sequenceNo, io)) continue
        waitingFor = sequenceNo
        break
      }
      const { sequenceNo, root } = pipeline.head()
      return { sequenceNo, root, waitingFor }
    },
    async checkBinding({ taskId, referenceBlock, artifacts }, io = {}) {
      const committed = committedTree({ tree: pipeline.tree, events, startBlock })
      let bound = true
      for (const { namespace, hash } of artifacts) {
        if (await committed.isCommittedAt({ namespace, hash, block: referenceBlock }, io)) continue
        bound = false
        const detail = `response to ${taskId} names ${namespace}:${hash}, not under the root at block ${referenceBlock}`
        report(anomaly('policy_attestation_wrong_artifact_binding', { detail }))
      }
      return bound
    },
    checkBytes({ namespace, hash, bytes }) {
      const actual = toHex(defaultHasher().hash(bytes))
      if (actual === hash.toLowerCase()) return true
      const detail = `bytes served for ${namespace}:${hash} hash to ${actual}`
      report(anomaly('policy_artifact_bytes_corruption', { detail }))
      return false
    },
  }
}

// Corrupt bytes are never stored. Their leaf is, as committed: a foreign write has the same form.
function withoutCorrupt(delta: Delta): Delta {
  const corrupt = delta.included.filter(
    ({ hash, bytes }) => toHex(defaultHasher().hash(bytes)) !== hash,
  )
  if (corrupt.length === 0) return delta
  const bare = corrupt.map(({ namespace, hash }) => ({
    namespace: 1 as const,
    keyHash: computeKeyHash(namespace, hash),
    valueHash: hash,
  }))
  const included = delta.included.filter((entry) => !corrupt.includes(entry))
  return { ...delta, included, foreign: [...delta.foreign, ...bare] }
}

function anomalyOf(reason: RefusalReason): Parameters<typeof anomaly>[0] {
  if (reason === 'BYTES_MISMATCH') return 'policy_artifact_bytes_corruption'
  if (reason === 'WRONG_DELETIONS') return 'policy_ref_count_inconsistency'
  return 'policy_commit_defer_queue_divergence'
}

function readLocators(locators: readonly Hex[]): DaLocator[] {
  return locators.flatMap((locator) => {
    try {
      return [decodeLocator(locator)]
    } catch {
      // A hint that cannot be read: the delta may still be had by its hash.
      return []
    }
  })
}
