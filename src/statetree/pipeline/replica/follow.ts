/** Following a commit that landed: re-derived, judged, and applied whatever was wrong with it. */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../../core/artifact.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { defaultHasher } from '../../hash/hasher.js'
import { previewRoot } from '../../tree/preview.js'
import { checkDelta } from '../commit/validate.js'
import { type Delta, decodeDelta } from '../delta.js'
import type { RefusalReason } from '../errors.js'
import { type CommitPipeline, deltaWrites, type PreparedWindow } from '../pipeline.js'
import { applySelection, type QueueState } from '../queue/queue.js'
import { type Anomaly, anomaly } from './anomalies.js'
import type { LandedCommit } from './landed.js'

/** A delta judged against the commit it was announced for. Nothing is stored yet. */
export type JudgedCommit = {
  /** Whether it leads to the committed root. */
  derives: boolean
  anomalies: readonly Anomaly[]
  window: PreparedWindow
  delta: Delta
  deltaHash: Hex
  next: QueueState
}

/** `unreadable`: no delta that could be applied. `waiting`: its cutoff is not final here yet. */
export type Judgement =
  | { status: 'judged'; commit: JudgedCommit }
  | { status: 'unreadable'; anomaly: Anomaly }
  | { status: 'waiting' }

/**
 * Re-derives a landed commit from one delta.
 *
 * Its timestamp is taken as it is: one that is no multiple of the window is reported, and its cutoff
 * is the last block before it all the same.
 */
export async function judgeCommit(
  pipeline: CommitPipeline,
  { commit, bytes, deltaHash }: { commit: LandedCommit; bytes: Uint8Array; deltaHash: Hex },
  io: IoOptions,
): Promise<Judgement> {
  const { sequenceNo } = commit
  let given: Delta
  try {
    given = decodeDelta(bytes)
  } catch (error) {
    const detail = isPolicySdkError(error) ? error.shortMessage : 'its delta cannot be decoded'
    return {
      status: 'unreadable',
      anomaly: anomaly('policy_commit_defer_queue_divergence', { sequenceNo, detail }),
    }
  }
  let window: PreparedWindow
  try {
    window = await pipeline.prepare(commit.timestamp, { ...io, landed: true })
  } catch (error) {
    io.signal?.throwIfAborted()
    if (isPolicySdkError(error) && error.retryable) return { status: 'waiting' }
    throw error
  }
  const anomalies: Anomaly[] = []
  const { window: seconds } = pipeline.parameters
  if (commit.timestamp % seconds !== 0n) {
    const detail = `WRONG_COMMIT: timestamp ${commit.timestamp} is no multiple of ${seconds}`
    anomalies.push(anomaly('policy_commit_defer_queue_divergence', { sequenceNo, detail }))
  }
  const verdict = checkDelta(pipeline, window, given)
  if (verdict.status === 'invalid') {
    const { reason, detail } = verdict.fault
    anomalies.push(anomaly(anomalyOf(reason), { sequenceNo, detail: `${reason}: ${detail}` }))
  }
  const delta = withoutCorrupt(given)
  const valid = verdict.status === 'valid'
  const root = valid ? verdict.root : previewRoot(pipeline.tree, deltaWrites(delta))
  const derives = root === commit.newStateRoot
  if (!derives) {
    const detail = `committed ${commit.newStateRoot}, derived ${root}`
    anomalies.push(anomaly('policy_commit_state_root_mismatch', { sequenceNo, detail }))
  }
  const next = valid ? verdict.next : applySelection(window.state, given).state
  return { status: 'judged', commit: { derives, anomalies, window, delta, deltaHash, next } }
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
