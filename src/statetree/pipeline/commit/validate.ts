/** Checks a delta against what this operator derives itself. */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../../core/artifact.js'
import { toHex } from '../../../internal/bytes.js'
import { defaultHasher } from '../../hash/hasher.js'
import { previewRoot } from '../../tree/preview.js'
import type { ArtifactRef, Delta } from '../delta.js'
import type { RefusalReason } from '../errors.js'
import { type CommitPipeline, deltaWrites, type PreparedWindow } from '../pipeline.js'
import { applySelection, computeQueueHash, type QueueState, refKey } from '../queue/queue.js'

/** A rule that a delta breaks. */
export type DeltaFault = { reason: RefusalReason; detail: string }

/** Outcome of a check. `root` and `next` are what this operator derives. */
export type DeltaVerdict =
  | { status: 'valid'; root: Hex; next: QueueState }
  | { status: 'invalid'; fault: DeltaFault }

/**
 * Re-derives a commit from a prepared window and compares. Why the walk over the queue ended, and
 * why entries were omitted, is never judged: that depends on who could fetch what.
 */
export function checkDelta(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  delta: Delta,
): DeltaVerdict {
  const fault =
    checkHeader(pipeline, window, delta) ??
    checkWalk(pipeline, window, delta) ??
    checkSize(pipeline, delta) ??
    checkBytes(delta) ??
    checkLists(window, delta) ??
    checkForeign(window, delta)
  if (fault !== undefined) return { status: 'invalid', fault }
  const { state: next, quarantined } = applySelection(window.state, delta)
  if (!sameRefs(quarantined, delta.quarantined)) {
    return invalid(
      'WRONG_COUNTERS',
      `${delta.quarantined.length} entries quarantined, expected ${quarantined.length}`,
    )
  }
  if (computeQueueHash(next) !== delta.queueHash) {
    return invalid(
      'WRONG_COUNTERS',
      `queueHash is ${delta.queueHash}, expected ${computeQueueHash(next)}`,
    )
  }
  return { status: 'valid', root: previewRoot(pipeline.tree, deltaWrites(delta)), next }
}

function invalid(reason: RefusalReason, detail: string): DeltaVerdict {
  return { status: 'invalid', fault: { reason, detail } }
}

function checkHeader(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  delta: Delta,
): DeltaFault | undefined {
  const head = pipeline.head()
  if (delta.chainId !== pipeline.chainId) {
    return { reason: 'WRONG_CHAIN', detail: `it is for chain ${delta.chainId}` }
  }
  if (delta.sequenceNo !== head.sequenceNo + 1n) {
    return {
      reason: 'DOES_NOT_EXTEND',
      detail: `number ${delta.sequenceNo} does not follow ${head.sequenceNo}`,
    }
  }
  if (delta.prevDeltaHash !== head.deltaHash) {
    return {
      reason: 'DOES_NOT_EXTEND',
      detail: `it extends ${delta.prevDeltaHash}, the last delta is ${head.deltaHash}`,
    }
  }
  if (delta.cutoffBlock !== window.cutoff.number || delta.cutoffBlockHash !== window.cutoff.hash) {
    return {
      reason: 'WRONG_CUTOFF',
      detail: `block ${delta.cutoffBlock}, expected ${window.cutoff.number}`,
    }
  }
  return undefined
}

// The queue is walked from its head; quarantined entries may follow in their own order.
function checkWalk(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  delta: Delta,
): DeltaFault | undefined {
  const seen = new Set<string>()
  for (const ref of [...delta.included, ...delta.omitted]) {
    const key = refKey(ref)
    if (seen.has(key)) return { reason: 'DUPLICATE', detail: `${key} is listed twice` }
    seen.add(key)
    if (pipeline.inTree(ref)) return { reason: 'DUPLICATE', detail: `${key} is in the tree` }
    if (!window.index.isRegistered(ref))
      return { reason: 'UNREGISTERED', detail: `no template names ${key}` }
  }
  let included = 0
  let omitted = 0
  for (const entry of window.state.queue) {
    const key = refKey(entry)
    if (keyAt(delta.included, included) === key) included++
    else if (keyAt(delta.omitted, omitted) === key) omitted++
    else break
  }
  if (omitted < delta.omitted.length) {
    return {
      reason: 'OUT_OF_ORDER',
      detail: `omitted entry ${keyAt(delta.omitted, omitted)} is not next in the queue`,
    }
  }
  for (const entry of window.state.quarantine) {
    if (keyAt(delta.included, included) === refKey(entry)) included++
  }
  if (included < delta.included.length) {
    return {
      reason: 'OUT_OF_ORDER',
      detail: `included entry ${keyAt(delta.included, included)} is not next in the queue`,
    }
  }
  return undefined
}

function keyAt(list: readonly ArtifactRef[], index: number): string | undefined {
  const ref = list[index]
  return ref === undefined ? undefined : refKey(ref)
}

function checkSize(pipeline: CommitPipeline, delta: Delta): DeltaFault | undefined {
  const size = delta.included.reduce(
    (sum, { bytes }) => sum + bytes.length,
    64 * delta.foreign.length,
  )
  const cap = pipeline.parameters.maxCommitBytesPerWindow
  return size <= cap ? undefined : { reason: 'OVER_CAP', detail: `${size} bytes, at most ${cap}` }
}

function checkBytes(delta: Delta): DeltaFault | undefined {
  for (const { namespace, hash, bytes } of delta.included) {
    const actual = toHex(defaultHasher().hash(bytes))
    if (actual === hash) continue
    return {
      reason: 'BYTES_MISMATCH',
      detail: `bytes of ${refKey({ namespace, hash })} hash to ${actual}`,
    }
  }
  return undefined
}

function checkLists(window: PreparedWindow, delta: Delta): DeltaFault | undefined {
  if (sameRefs(window.deletions, delta.deleted)) return undefined
  const detail = `${delta.deleted.length} deletions, expected ${window.deletions.map(refKey).join(' ') || 'none'}`
  return { reason: 'WRONG_DELETIONS', detail }
}

function checkForeign(window: PreparedWindow, delta: Delta): DeltaFault | undefined {
  const { accepts } = window
  const stranger =
    accepts === undefined ? undefined : delta.foreign.find((write) => !accepts(write))
  if (stranger !== undefined)
    return { reason: 'WRONG_FOREIGN', detail: `no valid write of ${stranger.keyHash} is held here` }
  if (accepts === undefined && !sameWrites(window.foreign, delta.foreign))
    return { reason: 'WRONG_FOREIGN', detail: 'the foreign writes are not those of the source' }
  const keys = new Set<string>()
  for (const { keyHash } of delta.foreign) {
    if (keys.has(keyHash)) return { reason: 'WRONG_FOREIGN', detail: `${keyHash} is written twice` }
    keys.add(keyHash)
  }
  if (keys.size === 0) return undefined
  for (const ref of window.index.artifacts()) {
    const keyHash = computeKeyHash(ref.namespace, ref.hash)
    if (keys.has(keyHash))
      return { reason: 'FOREIGN_KEY_TAKEN', detail: `${keyHash} is that of ${refKey(ref)}` }
  }
  return undefined
}

function sameWrites(own: Delta['foreign'], given: Delta['foreign']): boolean {
  return (
    own.length === given.length &&
    own.every((write, i) => {
      const other = given[i]
      return (
        other !== undefined &&
        write.namespace === other.namespace &&
        write.keyHash.toLowerCase() === other.keyHash &&
        (write.valueHash?.toLowerCase() ?? null) === other.valueHash
      )
    })
  )
}

function sameRefs(a: readonly ArtifactRef[], b: readonly ArtifactRef[]): boolean {
  return a.length === b.length && a.every((ref, i) => refKey(ref) === refKey(b[i] as ArtifactRef))
}
