/**
 * What a runtime tells of itself: events and metrics.
 */
import type { Hex } from 'viem'
import type { MetricsRegistry } from '../../core/metrics.js'

/** What happened inside the runtime, for logs and metrics. */
export type PluginEvent =
  | {
      type: 'plugin.compiled'
      wasmHash: Hex
      bytes: number
      durationMs: number
      source: 'bytes' | 'store'
    }
  | { type: 'plugin.evicted'; wasmHash: Hex; reason: 'size' | 'count' }
  | { type: 'plugin.prewarmed'; wasmHash: Hex; result: 'success' | 'fail' }
  | { type: 'plugin.ran'; wasmHash: Hex; rounds: number; guestMs: number; code: string }

/** Counters of a runtime. */
export type PluginMeters = ReturnType<typeof createPluginMeters>

/** Registers the counters of a runtime. */
export function createPluginMeters(metrics: MetricsRegistry) {
  return {
    hits: metrics.counter('wasm_module_cache_hits_total', 'Compiled plugins found in memory.'),
    misses: metrics.counter(
      'wasm_module_cache_misses_total',
      'Compiled plugins not found in memory.',
    ),
    compile: metrics.histogram(
      'wasm_module_compile_duration_seconds',
      'Time to compile a plugin.',
      [0.05, 0.1, 0.25, 0.5, 1, 2, 5],
    ),
    entries: metrics.gauge('wasm_module_cache_entries', 'Compiled plugins held.'),
    bytes: metrics.gauge('wasm_module_cache_ram_bytes', 'Estimated memory of compiled plugins.'),
    evictions: metrics.counter(
      'wasm_module_cache_evictions_total',
      'Compiled plugins dropped, by reason.',
    ),
    prewarm: metrics.counter(
      'wasm_module_prewarm_attempts_total',
      'Plugins compiled ahead of use, by result.',
    ),
    runs: metrics.counter('wasm_plugin_runs_total', 'Plugin runs, by how they ended.'),
  }
}
