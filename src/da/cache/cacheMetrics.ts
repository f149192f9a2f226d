import type { MetricsRegistry } from '../../core/metrics.js'
import type { ArtifactEvent } from '../artifactSource.js'
import type { CacheEvent } from './events.js'

const compileBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2, 5] as const

/**
 * Makes hooks that record the cache's and the sources' events in a registry of metrics.
 *
 * Compiled WASM is reported under `wasm_module_cache_*`, everything else under
 * `artifact_cache_*`.
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
  const wasmHits = metrics.counter(
    'wasm_module_cache_hits_total',
    'Compiled modules found in memory.',
  )
  const wasmMisses = metrics.counter(
    'wasm_module_cache_misses_total',
    'Compiled modules not found in memory.',
  )
  const compile = metrics.histogram(
    'wasm_module_compile_duration_seconds',
    'Time to compile one module.',
    compileBuckets,
  )
  const entries = metrics.gauge('wasm_module_cache_entries', 'Entries in the memory tier.')
  const ram = metrics.gauge('wasm_module_cache_ram_bytes', 'Bytes charged to the memory tier.')
  const evictions = metrics.counter(
    'wasm_module_cache_evictions_total',
    'Entries evicted from the memory tier.',
  )
  const prewarm = metrics.counter(
    'wasm_module_prewarm_attempts_total',
    'Templates prepared ahead of use.',
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
          lookups.inc({ tier: event.tier, result: event.result })
          if (event.tier === 'L1' && event.form === 'wasm')
            (event.result === 'hit' ? wasmHits : wasmMisses).inc()
          return
        case 'cache.fill':
          return filled.inc({ tier: event.tier }, event.byteLength)
        case 'cache.produced':
          if (event.form === 'wasm') compile.observe(event.durationMs / 1_000)
          return
        case 'cache.evict':
          return evictions.inc({ reason: event.reason })
        case 'cache.size':
          entries.set(event.entries)
          return ram.set(event.bytes)
        case 'cache.wrongCopy':
          return wrong.inc({ source: event.source })
        case 'cache.storeFailed':
          return failures.inc({ operation: event.operation })
        case 'cache.prewarm':
          return prewarm.inc({ result: event.result })
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
