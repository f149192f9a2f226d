/** Metrics of the defer queue, under the names operators already scrape. */
import type { MetricsRegistry } from '../../core/metrics.js'

/** Recorders of one chain's queue. */
export type QueueMetrics = {
  depth(entries: number): void
  bytes(bytes: number): void
  /** `rejected_oversize` is what fits no window, `cap_hit` what does not fit this one. */
  deferred(reason: 'cap_hit' | 'rejected_oversize' | 'backpressure' | 'unavailable'): void
  /** Artifacts that a commit deleted, because nothing lives that names them. */
  pruned(count: number): void
}

/**
 * Registers `policy_commit_defer_queue_depth`, `…_bytes`, `policy_commit_deferrals_total` and
 * `policy_artifact_pruned_total`.
 */
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
  const pruned = metrics.counter(
    'policy_artifact_pruned_total',
    'Artifacts deleted from the tree by a commit.',
  )
  return {
    pruned: (count) => pruned.inc(labels, count),
    depth: (entries) => depth.set(entries, labels),
    bytes: (size) => bytes.set(size, labels),
    deferred: (reason) => deferrals.inc({ ...labels, reason }),
  }
}
