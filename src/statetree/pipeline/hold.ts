/** Bytes of waiting artifacts, kept here before their commit so that the next proposer has them. */
import type { Hex } from 'viem'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import type { CommitPipeline } from './pipeline.js'

/** What is held after a pass. `backpressure`: the limit was reached before the end of the queue. */
export type HeldBytes = {
  artifacts: number
  bytes: number
  missing: readonly Hex[]
  backpressure: boolean
}

/**
 * Fetches the bytes of queued and quarantined artifacts, in order, until `maxDeferQueueBytes` are
 * held. Past it nothing is lost: the queue is the chain's, and the bytes stay where they are.
 *
 * Sets `policy_commit_defer_queue_bytes` and reports backpressure through the pipeline's events.
 *
 * @param options.timeout - Milliseconds for each artifact. Default 10,000.
 */
export async function holdQueueBytes(
  pipeline: CommitPipeline,
  options: IoOptions = {},
): Promise<HeldBytes> {
  const { artifacts, tree, parameters } = pipeline
  const { queue, quarantine } = pipeline.state()
  const missing: Hex[] = []
  const held = new Map<Hex, number>()
  let total = 0
  let backpressure = false
  for (const { namespace, hash } of [...queue, ...quarantine]) {
    options.signal?.throwIfAborted()
    if (held.has(hash)) continue
    if (total > parameters.maxDeferQueueBytes) {
      backpressure = true
      break
    }
    let bytes = await tree.store.bytes.get(hash)
    if (bytes === undefined && artifacts !== undefined) {
      const io = { signal: options.signal, timeout: options.timeout ?? 10_000 }
      bytes = await withDeadline(`Fetching artifact ${hash}`, io, async (signal) => {
        const locators = await pipeline.locators({ ref: { namespace, hash } }, { signal })
        return artifacts.getArtifact({ namespace, hash, locators }, { signal })
      }).catch(() => {
        options.signal?.throwIfAborted()
        return undefined
      })
      if (bytes !== undefined) await tree.store.bytes.put(hash, bytes)
    }
    if (bytes === undefined) missing.push(hash)
    else {
      held.set(hash, bytes.length)
      total += bytes.length
    }
  }
  pipeline.metrics?.bytes(total)
  if (backpressure) {
    pipeline.metrics?.deferred('backpressure')
    pipeline.emit({
      type: 'statetree.backpressure',
      queueBytes: total,
      limit: parameters.maxDeferQueueBytes,
    })
  }
  return { artifacts: held.size, bytes: total, missing, backpressure }
}
