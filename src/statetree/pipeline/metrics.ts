/** Metrics of the defer queue, under the names operators already scrape. */
import type { MetricsRegistry } from '../../core/metrics.js'

/** Recorders of one chain's queue. */
export type QueueMetrics = {
  depth(entries: number): void
  bytes(bytes: number): void
  deferred(reason: 'cap_hit' | 'backpressure' | 'unavailable'): void
}

/** Registers `policy_commit_defer_queue_depth`, `…_bytes` and `policy_commit_deferrals_total`. */
export function queueMetrics(metrics: MetricsRegistry, chainId: bigint): QueueMetrics {
  const labels = { chain_id: String(chainId) }
  const depth = metrics.gauge(
    'policy_commit_defer_queue_depth',
    'Artifacts that wait for a commit.',
  )
  const bytes = metrics.gauge('policy_commit_defer_queue_bytes', 'Bytes that wait for a commit.')
  const deferrals = metrics.counter(
    'policy_commit_deferrals_total',
    'Artifacts put off to a later commit.',
  )
  return {
    depth: (entries) => depth.set(entries, labels),
    bytes: (size) => bytes.set(size, labels),
    deferred: (reason) => deferrals.inc({ ...labels, reason }),
  }
}
