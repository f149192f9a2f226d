/**
 * Runs plugins: loads and caches compiled components, runs each on a fresh instance in a worker,
 * performs the HTTP requests they ask for, and keeps what they did as a transcript.
 */
import type { Hex } from 'viem'
import { createMetricsRegistry, type MetricsRegistry } from '../../../core/metrics.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  assertChoice,
  assertCount,
  assertFunctions,
  assertOptions,
} from '../../../internal/options.js'
import {
  createProcessMemory,
  type MemoryStats,
  type ProcessMemory,
} from '../../../internal/processMemory.js'
import type { PluginWorld } from '../component/component.js'
import { createPluginMeters, type PluginEvent } from '../events.js'
import { type HttpPolicy, type HttpTransport, resolveHttpPolicy } from '../http.js'
import { type PluginLimits, resolveLimits } from '../limits.js'
import { createWorkerPool, type PluginWorkers, type WorkerPool } from '../workerPool.js'
import { type PluginCacheLimits, type PluginCachePreset, pluginCachePresets } from './cache.js'
import {
  type CompiledPluginStore,
  createPluginLoader,
  type PluginLoader,
  type PluginReference,
} from './loader.js'
import { createPluginRunner, type PluginRun, type PluginRunRequest } from './runner.js'

/** Options of {@link createPluginRuntime}. */
export type PluginRuntimeParameters = {
  /** `nodePluginWorkers()` or `browserPluginWorkers()`. */
  workers: PluginWorkers
  http?: HttpPolicy | undefined
  /** How allowed requests are made. @default the transport of `workers` */
  transport?: HttpTransport | undefined
  limits?: Partial<PluginLimits> | undefined
  /** Memory shared with other parts of the process, in place of `cache`. */
  memory?: ProcessMemory | undefined
  /** Bounds of a memory of its own. @default 'staging' */
  cache?: PluginCachePreset | PluginCacheLimits | undefined
  store?: CompiledPluginStore | undefined
  /** Runs at once. @default half of the cores */
  concurrency?: number | undefined
  metrics?: MetricsRegistry | undefined
  onEvent?: ((event: PluginEvent) => void) | undefined
}

/** Options of `prewarm`. */
export type PrewarmOptions = IoOptions & {
  keep?: boolean | undefined
  sparing?: readonly Hex[] | undefined
}

/** What became of a plugin that was compiled ahead. */
export type Prewarmed = { wasmHash: Hex; result: 'success' | 'fail'; error?: unknown }

/** See {@link createPluginRuntime}. */
export type PluginRuntime = {
  /** Compiles a plugin into the cache and says what it imports. */
  load(plugin: PluginReference, options?: IoOptions): Promise<PluginWorld>
  run(request: PluginRunRequest, options?: IoOptions): Promise<PluginRun>
  /**
   * Compiles plugins ahead of use, in their order, and starts workers. Failures are reported, not thrown;
   * `timeout` is for each. Several are compiled at once, in workers of the lowest priority. What no room is
   * left for is not tried, and not reported.
   *
   * @param options.keep - They are never evicted.
   * @param options.sparing - Plugins that are not evicted for it.
   */
  prewarm(plugins: readonly PluginReference[], options?: PrewarmOptions): Promise<Prewarmed[]>
  stats(): MemoryStats
  readonly metrics: MetricsRegistry
  /** Stops all workers. Runs under way fail. */
  close(): void
}

/**
 * Creates a runtime for plugins.
 *
 * @example
 * ```ts
 * import { createPluginRuntime } from '@newton/policy-sdk/eval'
 * import { nodeHttpTransport, nodePluginWorkers } from '@newton/policy-sdk/eval/node'
 *
 * const plugins = createPluginRuntime({
 *   workers: nodePluginWorkers(),
 *   transport: nodeHttpTransport(),
 *   http: { hosts: ['api.example.com'] },
 * })
 * ```
 */
export function createPluginRuntime(parameters: PluginRuntimeParameters): PluginRuntime {
  assertOptions(
    parameters,
    {
      ...{
        workers: 'object',
        transport: 'any',
        http: 'object',
        limits: 'object',
        memory: 'object',
      },
      ...{ cache: 'any', store: 'object', concurrency: { least: 1 }, metrics: 'object' },
      onEvent: 'function',
    },
    { field: 'parameters', required: ['workers'] },
  )
  assertFunctions('parameters.workers', parameters.workers, [
    'startRunWorker',
    'startCompileWorker',
  ])
  const { workers, store, onEvent = () => {}, transport = workers.transport } = parameters
  if (typeof transport !== 'function') {
    throw new InvalidInputError({
      field: 'transport',
      reason: 'neither `transport` nor `workers.transport` is a function',
      hint: 'Pass nodePluginWorkers(), browserPluginWorkers(), or a transport.',
    })
  }
  const policy = resolveHttpPolicy(parameters.http)
  const limits = resolveLimits(parameters.limits ?? {})
  const metrics = parameters.metrics ?? createMetricsRegistry()
  const { concurrency = workers.concurrency } = parameters
  const memory = memoryOf(parameters)
  assertCount('concurrency', concurrency)
  const meters = createPluginMeters(metrics)
  const runners = createWorkerPool({
    start: workers.startRunWorker,
    size: concurrency,
  })
  const compilers = createWorkerPool({ start: workers.startCompileWorker, size: 1 })
  let jobs = 0
  const shared = { limits, runners, meters, onEvent, nextJob: () => ++jobs }
  const loader = createPluginLoader({ ...shared, memory, store, compilers })
  const { load } = loader
  const run = createPluginRunner({ ...shared, load, policy, transport })

  return {
    metrics,
    load: async (plugin, options) => (await load(plugin, options)).world,
    run,
    stats: () => loader.stats(),
    async prewarm(plugins, options) {
      const started = runners.prestart(runners.size).catch(() => {})
      // Of its own, and closed at the end: a worker holds the transpiler, and nobody waits for these.
      const compilers = createWorkerPool({
        start: () => workers.startCompileWorker({ background: true }),
        size: concurrency,
      })
      try {
        const results = await prewarmAll({ loader, plugins, compilers, concurrency }, options)
        for (const { wasmHash, result } of results) {
          meters.prewarm.inc({ result })
          onEvent({ type: 'plugin.prewarmed', wasmHash, result })
        }
        await started
        return results
      } finally {
        compilers.close()
      }
    },
    close() {
      runners.close()
      compilers.close()
      loader.clear()
    },
  }
}

async function prewarmAll(
  parts: {
    loader: PluginLoader
    plugins: readonly PluginReference[]
    compilers: WorkerPool
    concurrency: number
  },
  { keep = false, sparing = [], ...options }: PrewarmOptions = {},
): Promise<Prewarmed[]> {
  const { loader, plugins, compilers, concurrency } = parts
  const results = new Map<PluginReference, Prewarmed>()
  const spared = [loader.spare([...sparing, ...plugins.map(({ wasmHash }) => wasmHash)])]
  const next = plugins.values()
  let full = false
  const work = async (): Promise<void> => {
    for (const plugin of next) {
      if (full || options.signal?.aborted === true) return
      const { wasmHash } = plugin
      try {
        if (keep) loader.pin(wasmHash)
        await loader.load(plugin, { ...options, compilers })
        full ||= !loader.holds(wasmHash)
        // What came first is not given up for what comes later.
        spared.push(loader.spare([wasmHash]))
        results.set(plugin, { wasmHash, result: 'success' })
      } catch (error) {
        results.set(plugin, { wasmHash, result: 'fail', error })
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, work))
  } finally {
    for (const release of spared) release()
  }
  return plugins.flatMap((plugin) => results.get(plugin) ?? [])
}

function memoryOf({ memory, cache }: PluginRuntimeParameters): ProcessMemory {
  if (memory !== undefined) {
    if (cache === undefined) return memory
    throw new InvalidInputError({
      field: 'cache',
      reason: 'the bounds are those of `memory`',
      hint: 'Leave `cache` out, or give createProcessMemory() the bounds.',
    })
  }
  const preset = cache ?? 'staging'
  if (typeof preset !== 'object') {
    assertChoice('cache', preset, Object.keys(pluginCachePresets) as PluginCachePreset[])
  }
  const { entries, bytes } = typeof preset === 'object' ? preset : pluginCachePresets[preset]
  if (!Number.isInteger(entries) || entries < 1 || !(bytes > 0)) {
    throw new InvalidInputError({
      field: 'cache',
      reason: 'expected at least one entry and one byte',
    })
  }
  return createProcessMemory({ maxEntries: entries, maxBytes: bytes })
}
