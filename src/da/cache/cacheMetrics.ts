import type { MetricsRegistry } from '../../core/metrics.js'
import type { ArtifactEvent } from '../artifactSource.js'
import type { CacheEvent } from './events.js'

/**
 * Makes hooks that record the cache's and the sources' events in a registry of metrics.
 *
 * All of them are `artifact_*`: `wasm_module_*` are the plugin runtime's, which alone knows what is
 * a compiled plugin.
 *
 * @example
 * ```ts
 * import { createMetricsRegistry } from '@newton/policy-sdk'
 * import { createLayeredArtifactCache, recordCacheMetrics } from '@newton/policy-sdk/da'
 *
 * const metrics = createMetricsRegistry()
 * createLayeredArtifactCache({ onEvent: recordCacheMetrics(metrics).onCacheEvent })
 * metrics.text()
 * ```
 */
export function recordCacheMetrics(metrics: MetricsRegistry): {
  onCacheEvent: (event: CacheEvent) => void
  onArtifactEvent: (event: ArtifactEvent) => void
} {
  const entries = metrics.gauge('artifact_cache_entries', 'Entries in memory, by form.')
  const ram = metrics.gauge('artifact_cache_ram_bytes', 'Bytes charged to memory, by form.')
  const evictions = metrics.counter(
    'artifact_cache_evictions_total',
    'Entries that left memory, by form and reason.',
  )
  const prewarm = metrics.counter(
    'artifact_cache_prewarm_total',
    'Templates fetched ahead of use, by result.',
  )
  const lookups = metrics.counter('artifact_cache_lookups_total', 'Lookups by tier and result.')
  const filled = metrics.counter('artifact_cache_filled_bytes_total', 'Bytes written to a tier.')
  const wrong = metrics.counter(
    'artifact_wrong_copies_total',
    'Copies that were not the artifact, by source.',
  )
  const failures = metrics.counter('artifact_store_failures_total', 'Failures of the local store.')
  const fetches = metrics.counter(
    'artifact_fetches_total',
    'Artifacts asked of the network, by result.',
  )
  return {
    onCacheEvent(event) {
      switch (event.type) {
        case 'cache.lookup':
          return lookups.inc({ tier: event.tier, result: event.result })
        case 'cache.fill':
          return filled.inc({ tier: event.tier }, event.byteLength)
        case 'cache.evict':
          return evictions.inc({ form: event.form, reason: event.reason })
        case 'cache.size':
          entries.set(event.entries, { form: event.form })
          return ram.set(event.bytes, { form: event.form })
        case 'cache.wrongCopy':
          return wrong.inc({ source: event.source })
        case 'cache.storeFailed':
          return failures.inc({ operation: event.operation })
        case 'cache.prewarm':
          return prewarm.inc({ result: event.result === 'ok' ? 'success' : 'fail' })
      }
    },
    onArtifactEvent(event) {
      if (event.type === 'artifact.wrongCopy') wrong.inc({ source: event.source })
      else if (event.type === 'artifact.fetched')
        fetches.inc({ source: event.source, result: 'ok' })
      else if (event.type === 'artifact.attemptFailed')
        fetches.inc({ source: event.source, result: 'error' })
      else fetches.inc({ source: 'none', result: 'unavailable' })
    },
  }
}
