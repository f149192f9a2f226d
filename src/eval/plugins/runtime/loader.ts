/**
 * Loads plugins: from the cache, from the store of compiled forms, or from bytes.
 */
import type { Hex } from 'viem'
import { fixedFromHex } from '../../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import type { MemoryEntry, MemoryStats, ProcessMemory } from '../../../internal/processMemory.js'
import { createSingleFlight } from '../../../internal/singleFlight.js'
import { checkPluginWorld, type PluginWorld } from '../component/component.js'
import {
  PluginComponentError,
  type PluginError,
  type PluginLimit,
  PluginLimitError,
} from '../errors.js'
import type { PluginEvent, PluginMeters } from '../events.js'
import type { PluginLimits } from '../limits.js'
import type { CompiledPlugin, CompileReply, HashReply, PortablePlugin } from '../protocol.js'
import type { WorkerPool } from '../workerPool.js'
import { asTimeLimit, attach, withContext } from './failures.js'

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

/** A plugin that is ready to run, and what it imports. */
export type LoadedPlugin = { world: PluginWorld; compiled: CompiledPlugin }

/** Changes whenever the form of stored glue code does. */
const FORMAT = 'newton-plugin/1'

/** What {@link createPluginLoader} works with. */
export type PluginLoaderParameters = {
  limits: PluginLimits
  /** Where compiled plugins are held, by their component's hash: one of two chains is compiled once. */
  memory: ProcessMemory
  store: CompiledPluginStore | undefined
  /** Workers that hash. */
  runners: WorkerPool
  compilers: WorkerPool
  nextJob: () => number
  meters: PluginMeters
  onEvent: (event: PluginEvent) => void
}

/** See {@link createPluginLoader}. */
export type PluginLoader = {
  /** `compilers`: other workers than those for what is waited for. */
  load(
    plugin: PluginReference,
    options?: IoOptions & { compilers?: WorkerPool | undefined },
  ): Promise<LoadedPlugin>
  /** Whether it is in memory. */
  holds(wasmHash: Hex): boolean
  /** Keeps plugins that are in memory there until what is returned is called. */
  spare(plugins: readonly Hex[]): () => void
  /** Keeps a plugin in memory, whatever else comes, until `clear`. */
  pin(wasmHash: Hex): void
  stats(): MemoryStats
  /** Forgets what it has compiled. */
  clear(): void
}

/** Creates a loader over a memory. */
export function createPluginLoader(parameters: PluginLoaderParameters): PluginLoader {
  const { limits, meters, onEvent, memory } = parameters
  /** Hashes by the key of what this loader compiled: others that share the memory tell of theirs. */
  const own = new Map<string, Hex>()
  const pinned = new Set<string>()
  const background = new Set<string>()
  const urgent = createSingleFlight<LoadedPlugin>('Loading a plugin')
  const slotOf = (wasmHash: Hex) => ({
    form: FORM,
    key: `${wasmHash}/${limits.memoryBytes}/${limits.tableEntries}`,
  })
  const unobserve = memory.observe((event) => {
    const wasmHash = event.form === FORM ? own.get(event.key) : undefined
    if (event.type !== 'evicted' || wasmHash === undefined) return
    own.delete(event.key)
    measure()
    if (event.reason === 'cleared') return
    meters.evictions.inc({ reason: event.reason })
    onEvent({ type: 'plugin.evicted', wasmHash, reason: event.reason })
  })
  const measure = (): void => {
    const { entries, bytes } = memory.stats(FORM)
    meters.entries.set(entries)
    meters.bytes.set(bytes)
  }

  const load: PluginLoader['load'] = async (plugin, { compilers, ...options } = {}) => {
    const wasmHash = normalizeHash(plugin.wasmHash)
    const slot = slotOf(wasmHash)
    const isHeld = memory.peek(slot) !== undefined
    let isMade = false
    const make = async (): Promise<MemoryEntry<LoadedPlugin>> => {
      isMade = true
      const started = performance.now()
      const by = compilers === undefined ? parameters : { ...parameters, compilers }
      const result = await compile(by, wasmHash, plugin, { timeout: limits.compileTime })
      const durationMs = performance.now() - started
      meters.compile.observe(durationMs / 1_000)
      own.set(slot.key, wasmHash)
      onEvent({
        type: 'plugin.compiled',
        wasmHash,
        bytes: result.bytes,
        durationMs,
        source: result.source,
      })
      return { value: result.loaded, weight: result.bytes * 3 }
    }
    // Callers share this work, so none of their signals may end it; each only stops waiting.
    let shared: Promise<LoadedPlugin>
    if (compilers !== undefined && !isHeld) {
      background.add(slot.key)
      shared = memory.get(slot, make).finally(() => background.delete(slot.key))
    } else if (background.has(slot.key) && !isHeld) {
      // Somebody waits for what is compiled when there is nothing else to do: not for that.
      shared = urgent.run(slot.key, {}, async () => {
        const made = await make()
        memory.set(slot, made)
        return made.value
      })
    } else shared = memory.get(slot, make)
    const loaded = await withDeadline('Loading a plugin', options, () => shared)
    if (isHeld) meters.hits.inc()
    else if (isMade) meters.misses.inc()
    measure()
    return loaded
  }

  return {
    load,
    pin(wasmHash) {
      const slot = slotOf(normalizeHash(wasmHash))
      pinned.add(slot.key)
      memory.pin(slot)
    },
    holds: (wasmHash) => memory.peek(slotOf(normalizeHash(wasmHash))) !== undefined,
    spare(plugins) {
      const slots = plugins
        .map((wasmHash) => slotOf(normalizeHash(wasmHash)))
        .filter((slot) => !pinned.has(slot.key) && memory.peek(slot) !== undefined)
      for (const slot of slots) memory.pin(slot)
      return () => {
        for (const slot of slots) if (!pinned.has(slot.key)) memory.unpin(slot)
      }
    },
    stats: () => memory.stats(FORM),
    clear() {
      unobserve()
      for (const key of pinned) memory.unpin({ form: FORM, key })
      for (const key of own.keys()) memory.delete({ form: FORM, key })
      pinned.clear()
      own.clear()
    },
  }
}

/** The form of compiled plugins in a memory. */
const FORM = 'wasm'

type CompileResult = { loaded: LoadedPlugin; bytes: number; source: 'bytes' | 'store' }

async function compile(
  parameters: PluginLoaderParameters,
  wasmHash: Hex,
  plugin: PluginReference,
  options: IoOptions,
): Promise<CompileResult> {
  const { limits, store } = parameters
  const bytes = await plugin.getBytes(options)
  const world = withContext({ wasmHash }, () => checkPluginWorld(bytes))
  const key = `${FORMAT}/${wasmHash}/${limits.memoryBytes}/${limits.tableEntries}`
  // Hashing 12 MB takes as long as reading or compiling them: on another thread meanwhile.
  const hashed = checkHash(parameters, bytes, wasmHash, options)
  // Awaited below. What fails before that is told instead of it.
  hashed.catch(() => {})
  const stored = await store?.get(key)
  if (stored) {
    const [modules] = await Promise.all([compileStored(stored), hashed])
    return {
      loaded: { world, compiled: { glue: stored.glue, modules } },
      bytes: bytes.length,
      source: 'store',
    }
  }
  const reply = await compileBytes(parameters, { bytes, wasmHash, hashed }, options)
  await store?.put(key, reply.portable)
  return { loaded: { world, compiled: reply.plugin }, bytes: bytes.length, source: 'bytes' }
}

function compileStored(stored: PortablePlugin): Promise<CompiledPlugin['modules']> {
  return Promise.all(
    stored.modules.map(
      async ([name, code]) =>
        [name, await WebAssembly.compile(code as Uint8Array<ArrayBuffer>)] as const,
    ),
  )
}

/** Compiles on a worker while another one hashes. */
async function compileBytes(
  parameters: PluginLoaderParameters,
  { bytes, wasmHash, hashed }: { bytes: Uint8Array; wasmHash: Hex; hashed: Promise<void> },
  options: IoOptions,
): Promise<Extract<CompileReply, { status: 'ok' }>> {
  const { limits, compilers, nextJob } = parameters
  const allocation = { memoryBytes: limits.memoryBytes, tableEntries: limits.tableEntries }
  let reply: CompileReply
  try {
    ;[reply] = await Promise.all([
      compilers.run<CompileReply>(() => ({ id: nextJob(), bytes, limits: allocation }), {
        operation: 'Compiling a plugin',
        timeout: limits.compileTime,
        signal: options.signal,
      }),
      hashed,
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
  return reply
}

async function checkHash(
  { limits, runners, nextJob }: PluginLoaderParameters,
  bytes: Uint8Array,
  wasmHash: Hex,
  options: IoOptions,
): Promise<void> {
  const { wasmHash: actual } = await runners.run<HashReply>(
    () => ({ id: nextJob(), hash: bytes }),
    {
      operation: 'Hashing a plugin',
      timeout: limits.compileTime,
      signal: options.signal,
    },
  )
  if (actual !== wasmHash) throw wrongHash(wasmHash)
}

function wrongHash(wasmHash: Hex): PluginError {
  return attach(new PluginComponentError('its bytes do not have the hash of the template'), {
    wasmHash,
  }) as PluginError
}

/** The hash in lower case, checked to be one. */
export function normalizeHash(hash: Hex): Hex {
  fixedFromHex(hash, 32, 'wasmHash')
  return hash.toLowerCase() as Hex
}
