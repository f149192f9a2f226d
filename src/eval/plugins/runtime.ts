/**
 * Runs plugins: loads and caches compiled components, runs each on a fresh instance in a worker,
 * performs the HTTP requests they ask for, and keeps what they did as a transcript.
 */
import type { Hex } from 'viem'
import { canonicalJson, type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import type { HttpExchange, PluginTranscript } from '../../core/interfaces/evaluator.js'
import { createMetricsRegistry, type MetricsRegistry } from '../../core/metrics.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { concat, fixedFromHex, fromHex, utf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  type CacheStats,
  createSingleFlightCache,
  type PluginCacheLimits,
  type PluginCachePreset,
  pluginCachePresets,
} from './cache.js'
import { checkPluginWorld, type PluginWorld } from './component.js'
import {
  PluginComponentError,
  PluginError,
  PluginFailedError,
  type PluginFailureContext,
  PluginHttpRefusedError,
  type PluginLimit,
  PluginLimitError,
  PluginNondeterministicError,
  PluginOutputError,
  PluginReplayError,
  PluginTrapError,
  PluginWorkerError,
} from './errors.js'
import {
  fetchTransport,
  type HttpPolicy,
  type HttpTransport,
  performRequest,
  resolveHttpPolicy,
  toExchange,
} from './http.js'
import type {
  CompiledPlugin,
  CompileReply,
  GuestAnswer,
  HashReply,
  PortablePlugin,
  RunJob,
  RunReply,
} from './protocol.js'
import { createWorkerPool, type PluginWorkers, type PooledWorker } from './workerPool.js'

/** Limits of one run. Hitting one is inconclusive, never a decision. */
export type PluginLimits = {
  /** Milliseconds of computation, over all rounds, without waiting for the network. @default 5000 */
  time: number
  /** Milliseconds to compile a component. @default 30000 */
  compileTime: number
  /** Bytes of linear memory. @default 134217728 */
  memoryBytes: number
  /** Entries of all tables. @default 1000000 */
  tableEntries: number
  /** Bytes of the output. @default 1048576 */
  outputBytes: number
  /** Bytes of captured standard output and error. @default 65536 */
  stderrBytes: number
  /** Random bytes of one run. @default 1048576 */
  randomBytes: number
}

/** Defaults of {@link PluginLimits}. */
export const defaultPluginLimits: PluginLimits = {
  time: 5_000,
  compileTime: 30_000,
  memoryBytes: 128 * 1024 * 1024,
  tableEntries: 1_000_000,
  outputBytes: 1_048_576,
  stderrBytes: 65_536,
  randomBytes: 1_048_576,
}

/**
 * Where compiled forms survive a restart. What it returns is executed, so it must be as trusted as
 * the program itself; never fill it from outside, and inside an enclave do not use one.
 */
export type CompiledPluginStore = {
  get(key: string): Promise<PortablePlugin | null>
  put(key: string, plugin: PortablePlugin): Promise<void>
}

/** A plugin by its hash. `getBytes` is called on a miss only. */
export type PluginReference = {
  wasmHash: Hex
  getBytes: (options: IoOptions) => Promise<Uint8Array>
}

/** One run of one plugin. */
export type PluginRunRequest = PluginReference & {
  policyDataTemplateId: Hex
  policyDataInstanceId: Hex
  taskId: Hex
  /** Unix seconds of the reference block: the guest's wall clock. */
  blockTimestamp: bigint
  /** Canonical JSON text for `run`. See {@link buildPluginInput}. */
  input: string
  /** Plaintext for `secrets.get`. Not kept; the caller zeroes its own copy. */
  secrets?: Uint8Array | undefined
  /** Exchanges to replay. With them nothing is fetched, and all of them must be used in order. */
  replay?: readonly HttpExchange[] | undefined
}

/** How one run ended: with an output. Every other end is an error. */
export type PluginRun = {
  output: JsonObject
  transcript: PluginTranscript
  /** What the guest printed; empty where the run had secrets. */
  stderr: string
  /** Instances started: one, and one more for each request. */
  rounds: number
  /** Milliseconds the guest ran, its instantiation included, over all rounds. */
  guestMilliseconds: number
  /** Milliseconds spent waiting for the network. */
  httpMilliseconds: number
}

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

/** Options of {@link createPluginRuntime}. */
export type PluginRuntimeParameters = {
  /** `nodePluginWorkers()` or `browserPluginWorkers()`. */
  workers: PluginWorkers
  http?: HttpPolicy | undefined
  /** How allowed requests are made. @default fetchTransport() */
  transport?: HttpTransport | undefined
  limits?: Partial<PluginLimits> | undefined
  /** @default 'staging' */
  cache?: PluginCachePreset | PluginCacheLimits | undefined
  store?: CompiledPluginStore | undefined
  /** Runs at once. @default half of the cores */
  concurrency?: number | undefined
  metrics?: MetricsRegistry | undefined
  onEvent?: ((event: PluginEvent) => void) | undefined
}

/** See {@link createPluginRuntime}. */
export type PluginRuntime = {
  /** Compiles a plugin into the cache and says what it imports. */
  load(plugin: PluginReference, options?: IoOptions): Promise<PluginWorld>
  run(request: PluginRunRequest, options?: IoOptions): Promise<PluginRun>
  /** Compiles plugins ahead of use, and starts workers. Failures are reported, not thrown. */
  prewarm(
    plugins: readonly PluginReference[],
    options?: IoOptions,
  ): Promise<{ wasmHash: Hex; result: 'success' | 'fail'; error?: unknown }[]>
  stats(): CacheStats
  readonly metrics: MetricsRegistry
  /** Stops all workers. Runs under way fail. */
  close(): void
}

/** Changes whenever the form of stored glue code does. */
const FORMAT = 'newton-plugin/1'

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
  const { workers, store, onEvent = () => {}, transport = fetchTransport() } = parameters
  const policy = resolveHttpPolicy(parameters.http)
  const limits = { ...defaultPluginLimits, ...definedOnly(parameters.limits ?? {}) }
  const metrics = parameters.metrics ?? createMetricsRegistry()
  const bounds =
    typeof parameters.cache === 'object'
      ? parameters.cache
      : pluginCachePresets[parameters.cache ?? 'staging']
  const meters = createMeters(metrics)
  const cache = createSingleFlightCache<LoadedPlugin>(bounds, (key, reason) => {
    meters.evictions.inc({ reason })
    onEvent({ type: 'plugin.evicted', wasmHash: key as Hex, reason })
  })
  const runners = createWorkerPool({
    start: workers.startRunWorker,
    size: parameters.concurrency ?? workers.concurrency,
  })
  const compilers = createWorkerPool({ start: workers.startCompileWorker, size: 1 })
  let jobs = 0

  async function load(plugin: PluginReference, options: IoOptions = {}): Promise<LoadedPlugin> {
    const wasmHash = normalizeHash(plugin.wasmHash)
    const before = cache.stats()
    // Callers share this work, so none of their signals may end it; each only stops waiting.
    const shared = cache.get(wasmHash, async () => {
      const started = performance.now()
      const result = await compile(wasmHash, plugin, { timeout: limits.compileTime })
      const durationMs = performance.now() - started
      meters.compile.observe(durationMs / 1_000)
      onEvent({
        type: 'plugin.compiled',
        wasmHash,
        bytes: result.bytes,
        durationMs,
        source: result.source,
      })
      return { value: result.loaded, weight: result.bytes * 3 }
    })
    const loaded = await withDeadline('Loading a plugin', options, () => shared)
    const after = cache.stats()
    if (after.hits > before.hits) meters.hits.inc()
    if (after.misses > before.misses) meters.misses.inc()
    meters.entries.set(after.entries)
    meters.bytes.set(after.bytes)
    return loaded
  }

  async function compile(
    wasmHash: Hex,
    plugin: PluginReference,
    options: IoOptions,
  ): Promise<{ loaded: LoadedPlugin; bytes: number; source: 'bytes' | 'store' }> {
    const bytes = await plugin.getBytes(options)
    const world = withContext({ wasmHash }, () => checkPluginWorld(bytes))
    const key = `${FORMAT}/${wasmHash}/${limits.memoryBytes}/${limits.tableEntries}`
    const stored = await store?.get(key)
    if (stored) {
      await checkHash(bytes, wasmHash, options)
      const modules = await Promise.all(
        stored.modules.map(
          async ([name, code]) =>
            [name, await WebAssembly.compile(code as Uint8Array<ArrayBuffer>)] as const,
        ),
      )
      return {
        loaded: { world, compiled: { glue: stored.glue, modules } },
        bytes: bytes.length,
        source: 'store',
      }
    }
    const allocation = { memoryBytes: limits.memoryBytes, tableEntries: limits.tableEntries }
    let reply: CompileReply
    try {
      // Hashing 12 MB takes as long as a third of compiling it: both at once, on two threads.
      ;[reply] = await Promise.all([
        compilers.run<CompileReply>(() => ({ id: ++jobs, bytes, limits: allocation }), {
          operation: 'Compiling a plugin',
          timeout: limits.compileTime,
          signal: options.signal,
        }),
        checkHash(bytes, wasmHash, options),
      ])
    } catch (error) {
      throw attach(asTimeLimit(error, `compiling took longer than ${limits.compileTime} ms`), {
        wasmHash,
      })
    }
    if (reply.status === 'error') {
      throw attach(
        reply.limit === undefined
          ? new PluginComponentError(reply.message)
          : new PluginLimitError(reply.limit as PluginLimit, reply.message),
        { wasmHash },
      )
    }
    await store?.put(key, reply.portable)
    return { loaded: { world, compiled: reply.plugin }, bytes: bytes.length, source: 'bytes' }
  }

  async function checkHash(bytes: Uint8Array, wasmHash: Hex, options: IoOptions): Promise<void> {
    const { wasmHash: actual } = await runners.run<HashReply>(() => ({ id: ++jobs, hash: bytes }), {
      operation: 'Hashing a plugin',
      timeout: limits.compileTime,
      signal: options.signal,
    })
    if (actual !== wasmHash) throw wrongHash(wasmHash)
  }

  async function run(request: PluginRunRequest, options: IoOptions = {}): Promise<PluginRun> {
    const wasmHash = normalizeHash(request.wasmHash)
    const answers: { request: string; answer: GuestAnswer }[] = []
    const exchanges: HttpExchange[] = []
    const secret = request.secrets !== undefined
    const transcript = (): PluginTranscript => buildTranscript(request, wasmHash, exchanges, secret)
    const timing = { rounds: 0, guest: 0, http: 0 }
    let stderr = ''
    let code = 'ok'
    try {
      const seed = concat(
        fixedFromHex(request.taskId, 32, 'taskId'),
        fixedFromHex(request.policyDataInstanceId, 32, 'policyDataInstanceId'),
      )
      const { compiled, world } = await load({ ...request, wasmHash }, options)
      if (secret && !world.secrets) {
        throw new PluginComponentError(
          'its template has a secrets schema, but it does not import newton:provider/secrets',
        )
      }
      if (request.replay !== undefined) seedReplay(request.replay, answers, exchanges)
      for (;;) {
        timing.rounds++
        const reply = await runRound({
          compiled,
          wasmHash,
          request,
          answers,
          seed,
          left: limits.time - timing.guest,
          options,
        })
        timing.guest += reply.milliseconds
        stderr = secret ? '' : reply.stderr
        if (reply.status === 'ok') {
          if (request.replay !== undefined && reply.used !== request.replay.length) {
            throw new PluginReplayError(
              `${reply.used} of ${request.replay.length} exchanges were asked for`,
            )
          }
          const output = parseOutput(reply.output)
          return {
            output,
            transcript: transcript(),
            stderr,
            rounds: timing.rounds,
            guestMilliseconds: timing.guest,
            httpMilliseconds: timing.http,
          }
        }
        if (reply.status !== 'request')
          throw toError(reply, { secret, replaying: request.replay !== undefined })
        if (request.replay !== undefined)
          throw new PluginReplayError(
            'the plugin asks for a request that the transcript does not hold',
          )
        const waited = performance.now()
        const answer = await performRequest(reply.request, policy, {
          transport,
          signal: options.signal,
        })
        timing.http += performance.now() - waited
        answers.push({ request: reply.identity, answer })
        exchanges.push(toExchange(reply.request, answer))
      }
    } catch (error) {
      code = (error as { code?: string } | null)?.code ?? 'UNKNOWN'
      throw attach(secret ? withoutDetails(error) : error, {
        wasmHash,
        policyDataTemplateId: request.policyDataTemplateId,
        policyDataInstanceId: request.policyDataInstanceId,
        transcript: transcript(),
        ...(secret ? {} : { stderr }),
      })
    } finally {
      meters.runs.inc({ result: code })
      onEvent({ type: 'plugin.ran', wasmHash, rounds: timing.rounds, guestMs: timing.guest, code })
    }
  }

  async function runRound(round: {
    compiled: CompiledPlugin
    wasmHash: Hex
    request: PluginRunRequest
    answers: readonly { request: string; answer: GuestAnswer }[]
    seed: Uint8Array
    left: number
    options: IoOptions
  }): Promise<RunReply> {
    const { compiled, wasmHash, request, answers, seed, left, options } = round
    if (left <= 0) throw new PluginLimitError('time', `it ran longer than ${limits.time} ms`)
    try {
      return await runners.run<RunReply>(
        (worker): RunJob => ({
          id: ++jobs,
          key: wasmHash,
          ...assignPlugin(worker, wasmHash, compiled),
          input: request.input,
          secrets: request.secrets,
          answers,
          wallClockSeconds: request.blockTimestamp,
          seed,
          limits: {
            outputBytes: limits.outputBytes,
            requests: policy.maxRequests,
            stderrBytes: limits.stderrBytes,
            randomBytes: limits.randomBytes,
            memoryBytes: limits.memoryBytes,
          },
        }),
        { operation: 'Running a plugin', timeout: left, signal: options.signal },
      )
    } catch (error) {
      throw asTimeLimit(error, `it ran longer than ${limits.time} ms`)
    }
  }

  return {
    metrics,
    load: async (plugin, options) => (await load(plugin, options)).world,
    run,
    stats: () => cache.stats(),
    async prewarm(plugins, options = {}) {
      const started = runners.prestart(runners.size).catch(() => {})
      const results: { wasmHash: Hex; result: 'success' | 'fail'; error?: unknown }[] = []
      for (const plugin of plugins) {
        const { wasmHash } = plugin
        try {
          await load(plugin, options)
          results.push({ wasmHash, result: 'success' })
        } catch (error) {
          results.push({ wasmHash, result: 'fail', error })
        }
        const result = results[results.length - 1]?.result ?? 'fail'
        meters.prewarm.inc({ result })
        onEvent({ type: 'plugin.prewarmed', wasmHash, result })
      }
      await started
      return results
    },
    close() {
      runners.close()
      compilers.close()
      cache.clear()
    },
  }
}

/** Errors that quote what a guest said, without the quote: a guest with secrets may say them. */
function withoutDetails(error: unknown): unknown {
  const unsaid = 'its run has secrets, so no more is said'
  if (error instanceof PluginHttpRefusedError) return new PluginHttpRefusedError(unsaid)
  if (error instanceof PluginOutputError) return new PluginOutputError(unsaid)
  return error
}

type LoadedPlugin = { world: PluginWorld; compiled: CompiledPlugin }

/** Plugins that one worker keeps. */
const PLUGINS_PER_WORKER = 16

function assignPlugin(worker: PooledWorker, key: string, plugin: CompiledPlugin): Partial<RunJob> {
  if (worker.loaded.delete(key)) {
    worker.loaded.add(key)
    return {}
  }
  const drop: string[] = []
  for (const oldest of worker.loaded) {
    if (worker.loaded.size < PLUGINS_PER_WORKER) break
    worker.loaded.delete(oldest)
    drop.push(oldest)
  }
  worker.loaded.add(key)
  worker.loads++
  return { plugin, drop }
}

function parseOutput(text: string): JsonObject {
  let value: Json
  try {
    value = parseJson(text)
    canonicalJson(value)
  } catch (cause) {
    throw new PluginOutputError('it is not JSON that has one canonical form', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PluginOutputError('it is not a JSON object')
  }
  return value as JsonObject
}

function toError(
  reply: Exclude<RunReply, { status: 'ok' } | { status: 'request' }>,
  { secret, replaying }: { secret: boolean; replaying: boolean },
): PluginError {
  switch (reply.status) {
    case 'guest-error':
      return new PluginFailedError(secret ? undefined : reply.message)
    case 'limit':
      return new PluginLimitError(reply.limit as PluginLimit, reply.message)
    case 'trap':
      return new PluginTrapError(
        secret ? 'the message is not shown because the run had secrets' : reply.message,
      )
    case 'diverged':
      return replaying
        ? new PluginReplayError(`request ${reply.index} differs from the transcript's`)
        : new PluginNondeterministicError(`request ${reply.index} differs between two runs`)
    case 'load-error':
      return new PluginComponentError(`its glue code does not load: ${reply.message}`)
  }
}

/** Answers of a transcript, keyed by what the guest will ask. */
function seedReplay(
  replay: readonly HttpExchange[],
  answers: { request: string; answer: GuestAnswer }[],
  exchanges: HttpExchange[],
): void {
  if (!Array.isArray(replay)) throw new PluginReplayError('it is no list of exchanges')
  for (const exchange of replay) {
    const { method, url, headers, bodyHash } = exchange.request
    const { response } = exchange
    answers.push({
      request: JSON.stringify([method, url, headers, bodyHash]),
      answer:
        'error' in response
          ? { error: response.error }
          : {
              status: response.status,
              headers: response.headers,
              body: fromHex(response.body, 'response.body'),
            },
    })
    exchanges.push(exchange)
  }
}

function buildTranscript(
  request: PluginRunRequest,
  wasmHash: Hex,
  exchanges: readonly HttpExchange[],
  secret: boolean,
): PluginTranscript {
  const { policyDataTemplateId, policyDataInstanceId, input } = request
  const base = { policyDataTemplateId, policyDataInstanceId, wasmHash, input }
  if (!secret) return { ...base, exchanges: [...exchanges] }
  // A request may carry a key and a response may echo it, in any encoding: only the hash leaves.
  return { ...base, exchanges: [], transcriptHash: computeTranscriptHash(exchanges) }
}

/** keccak-256 of the canonical JSON of the exchanges. */
export function computeTranscriptHash(exchanges: readonly HttpExchange[]): Hex {
  return keccakHex(utf8(canonicalJson(exchanges as unknown as Json)))
}

function normalizeHash(hash: Hex): Hex {
  fixedFromHex(hash, 32, 'wasmHash')
  return hash.toLowerCase() as Hex
}

function wrongHash(wasmHash: Hex): PluginError {
  return attach(new PluginComponentError('its bytes do not have the hash of the template'), {
    wasmHash,
  }) as PluginError
}

function asTimeLimit(error: unknown, message: string): unknown {
  if (error instanceof TimeoutError) return new PluginLimitError('time', message, { cause: error })
  if (error instanceof PluginWorkerError && /memory/i.test(error.shortMessage)) {
    return new PluginLimitError('memory', 'it exhausted the heap of its worker', { cause: error })
  }
  return error
}

function attach(error: unknown, context: PluginFailureContext): unknown {
  if (error instanceof PluginError) error.context = { ...error.context, ...context }
  return error
}

function withContext<value>(context: PluginFailureContext, work: () => value): value {
  try {
    return work()
  } catch (error) {
    throw attach(error, context)
  }
}

function definedOnly<values extends Record<string, unknown>>(values: values): values {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value > 0)) {
      throw new InvalidInputError({ field: `limits.${name}`, reason: 'expected a positive number' })
    }
  }
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as values
}

function createMeters(metrics: MetricsRegistry) {
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
