/**
 * Five tiers between an evaluation and the network: the evaluation's own memory, which is the
 * evaluator's and gone when it ends; compiled forms in process memory, which the parts that make them
 * share; bytes on disk; the locators announced on chain; and bootnodes or peers.
 *
 * Memory is trusted on a hit. Nothing below it is: bytes are hashed when they fill the disk and
 * again when they leave it, and only raw bytes ever come from below, so a compiled form is always
 * one this process made.
 */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { copyBytes, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { assertFunctions, assertOptions } from '../../internal/options.js'
import {
  createProcessMemory,
  type ProcessMemory,
  type ProcessMemoryOptions,
} from '../../internal/processMemory.js'
import { DaIntegrityError } from '../errors.js'
import { assertSource } from '../internal/clients.js'
import type { ByteStore } from './byteStore.js'
import { createByteTiers, normalized } from './byteTiers.js'
import { createDiskTier } from './diskTier.js'
import { type CacheEvent, type EmitCacheEvent, safely } from './events.js'
import { tellOfMemory } from './memoryTier.js'

/** Options of {@link createLayeredArtifactCache}. */
export type LayeredCacheOptions = {
  /** L1: the memory that the whole process shares, or the bounds of one made for the cache. */
  memory?: ProcessMemory | ProcessMemoryOptions | undefined
  /** L2: `diskByteStore` on Node, `memoryByteStore` elsewhere. */
  disk?: ByteStore | undefined
  /** L3: the locators announced on chain. */
  da?: ArtifactSource | undefined
  /** L4: bootnodes and peers. */
  peers?: ArtifactSource | undefined
  /** Milliseconds after which L4 joins an L3 that has not answered. @default 2_000 */
  hedgeDelay?: number | undefined
  /** Templates whose artifacts `warm()` fetches. */
  alwaysWarm?: readonly Hex[] | undefined
  /** The artifacts of a template, for `warm()`. */
  artifactsOf?:
    | ((templateId: Hex, options: IoOptions) => Promise<readonly ArtifactRequest[]>)
    | undefined
  /**
   * What `warm()` does beyond fetching bytes: `prewarm` of a plugin runtime with `keep`, such as
   * `({ hash: wasmHash }, io) => plugins.prewarm([{ wasmHash, getBytes }], { ...io, keep: true })`.
   */
  prepare?: ((request: ArtifactRequest, options: IoOptions) => Promise<unknown>) | undefined
  onEvent?: ((event: CacheEvent) => void) | undefined
}

/** The five-tier cache. It is an `ArtifactSource` itself. */
export type LayeredArtifactCache = ArtifactSource & {
  /**
   * L1 itself: pass it as `memory` to the evaluator, the plugin runtime, the schema validator, the
   * registry reader and replayers, so that all of them keep what they make under one bound.
   */
  readonly memory: ProcessMemory
  hasArtifact: NonNullable<ArtifactSource['hasArtifact']>
  /** Fetches and prepares the templates of `alwaysWarm`; a failed one does not stop the others. */
  warm(
    options?: IoOptions,
  ): Promise<{ templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[]>
  /** Puts bytes in the disk tier, after checking them. */
  put(hash: Hex, bytes: Uint8Array, options?: IoOptions): Promise<void>
  /** Forgets everything in memory. */
  clear(): void
}

/**
 * Creates the cache. Tiers that are left out are passed through.
 *
 * Concurrent misses of one key share one fetch. A wrong copy is reported, dropped and passed over;
 * it never reaches a higher tier.
 *
 * @example
 * ```ts
 * import { createArtifactSource, createLayeredArtifactCache, memoryByteStore, memoryDa } from '@newton/policy-sdk/da'
 *
 * const da = memoryDa()
 * const { artifactHash } = await da.put(new TextEncoder().encode('{"type":"object"}'))
 * const cache = createLayeredArtifactCache({
 *   disk: memoryByteStore(),
 *   da: createArtifactSource({ clients: [da] }),
 * })
 * await cache.getArtifact({ hash: artifactHash, namespace: 5 })
 * ```
 */
export function createLayeredArtifactCache(
  options: LayeredCacheOptions = {},
): LayeredArtifactCache {
  assertOptions(options, {
    memory: 'object',
    disk: 'object',
    da: 'object',
    peers: 'object',
    hedgeDelay: 'milliseconds',
    alwaysWarm: 'list',
    artifactsOf: 'function',
    prepare: 'function',
    onEvent: 'function',
  })
  if (options.da) assertSource('options.da', options.da)
  if (options.peers) assertSource('options.peers', options.peers)
  if (options.disk)
    assertFunctions('options.disk', options.disk, ['read', 'write', 'remove', 'has'])
  const { da, peers, hedgeDelay = 2_000 } = options
  const emit = safely(options.onEvent)
  const disk = createDiskTier(options.disk, emit)
  const bytes = createByteTiers({ disk, da, peers, hedgeDelay, emit })
  const { memory: given = {} } = options
  const memory = 'peek' in given ? given : createProcessMemory(given)
  tellOfMemory(memory, emit)

  const cache: LayeredArtifactCache = {
    memory,
    getArtifact: async (request, io = {}) => copyBytes(await bytes.get(normalized(request), io)),
    hasArtifact: async (request, io = {}) => bytes.has(normalized(request), io),
    warm: (io = {}) => warmTemplates(cache, { options, emit }, io),
    async put(hash, own, io = {}) {
      const name = toHex(artifactHashBytes(hash, { field: 'hash', optional: false }))
      const actual = longKeccakHex(own)
      if (actual !== name) {
        const reason = 'the bytes are not this artifact'
        throw new DaIntegrityError({ source: 'caller', expected: name, actual, reason })
      }
      await disk.write(name, own, io)
    },
    clear: () => memory.clear(),
  }
  return cache
}

type Warming = {
  options: LayeredCacheOptions
  emit: EmitCacheEvent
}

async function warmTemplates(
  cache: LayeredArtifactCache,
  { options, emit }: Warming,
  io: IoOptions,
): Promise<{ templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[]> {
  const { alwaysWarm = [], artifactsOf, prepare } = options
  const report: { templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[] = []
  for (const templateId of alwaysWarm) {
    try {
      for (const request of (await artifactsOf?.(templateId, io)) ?? []) {
        await cache.getArtifact(request, io)
        await prepare?.(request, io)
      }
      emit({ type: 'cache.prewarm', templateId, result: 'ok', error: undefined })
      report.push({ templateId, status: 'warm' })
    } catch (error) {
      io.signal?.throwIfAborted()
      emit({ type: 'cache.prewarm', templateId, result: 'error', error })
      report.push({ templateId, status: 'failed', error })
    }
  }
  return report
}
