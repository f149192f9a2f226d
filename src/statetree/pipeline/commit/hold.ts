/** Bytes of waiting artifacts, kept here before their commit so that the next proposer has them. */
import type { Hex } from 'viem'
import type { IoOptions } from '../../../internal/deadline.js'
import type { ArtifactRef } from '../delta.js'
import type { CommitPipeline } from '../pipeline.js'
import { refKey } from '../queue/queue.js'
import { type FetchLimits, fetchWaiting } from './fetchBytes.js'

/** What is held after a pass. `backpressure`: the limit was reached before the end of the queue. */
export type HeldBytes = {
  artifacts: number
  bytes: number
  missing: readonly Hex[]
  backpressure: boolean
}

/**
 * Fetches the bytes of queued and quarantined artifacts, several at a time, until
 * `maxDeferQueueBytes` are held or the time is over; what was omitted before is tried later. Past the
 * limit nothing is lost: the queue is the chain's, and the bytes stay where they are.
 *
 * Sets `policy_commit_defer_queue_bytes` and reports backpressure through the pipeline's events.
 *
 * @param options.timeout - Milliseconds for each artifact. Default 10,000.
 * @param options.fetchBudget - Milliseconds for the pass. Default 60,000.
 * @throws {StoreWriteError} when bytes cannot be stored.
 */
export async function holdQueueBytes(
  pipeline: CommitPipeline,
  options: IoOptions & Omit<FetchLimits, 'fetchTimeout'> = {},
): Promise<HeldBytes> {
  const { tree, parameters } = pipeline
  const limit = parameters.maxDeferQueueBytes
  const { queue, quarantine } = pipeline.state()
  const waiting = onePerHash([...queue, ...quarantine])
  let fetching = 0
  const sizes = await fetchWaiting(
    pipeline,
    {
      refs: onePerHash([...[...queue].sort((a, b) => a.omissions - b.omissions), ...quarantine]),
      locators: (ref, io) => pipeline.locators({ ref }, io),
      wanted: () => fetching <= limit,
      async keep({ hash }, bytes) {
        fetching += bytes.length
        // Whole and here already, it is only compared.
        await tree.store.bytes.put(hash, bytes, { checked: true })
        return bytes.length
      },
    },
    { ...options, fetchTimeout: options.timeout },
  )
  const held = count(waiting, { limit, sizeOf: (ref) => sizeIn(sizes.get(refKey(ref))) })
  pipeline.metrics?.bytes(held.bytes)
  if (held.backpressure) {
    pipeline.metrics?.deferred('backpressure')
    pipeline.emit({ type: 'statetree.backpressure', queueBytes: held.bytes, limit })
  }
  return held
}

function sizeIn(
  result: { status: 'here'; kept: number } | { status: string } | undefined,
): number | undefined {
  return result !== undefined && 'kept' in result ? result.kept : undefined
}

function count(
  waiting: readonly ArtifactRef[],
  { limit, sizeOf }: { limit: number; sizeOf: (ref: ArtifactRef) => number | undefined },
): HeldBytes {
  const missing: Hex[] = []
  let artifacts = 0
  let bytes = 0
  for (const ref of waiting) {
    if (bytes > limit) return { artifacts, bytes, missing, backpressure: true }
    const size = sizeOf(ref)
    if (size === undefined) missing.push(ref.hash)
    else {
      artifacts++
      bytes += size
    }
  }
  return { artifacts, bytes, missing, backpressure: false }
}

// The same bytes may wait under two namespaces.
function onePerHash(refs: readonly ArtifactRef[]): ArtifactRef[] {
  const seen = new Map<Hex, ArtifactRef>()
  for (const { namespace, hash } of refs) if (!seen.has(hash)) seen.set(hash, { namespace, hash })
  return [...seen.values()]
}
