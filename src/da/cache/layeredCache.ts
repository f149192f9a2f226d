/**
 * Five tiers between an evaluation and the network: the evaluation's own memory, compiled forms in
 * process memory, bytes on disk, the locators announced on chain, and bootnodes or peers.
 *
 * Memory is trusted on a hit. Nothing below it is: bytes are hashed when they fill the disk and
 * again when they leave it, and only raw bytes ever come from below, so a compiled form is always
 * one this process made.
 */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaOptions } from '../../core/interfaces/daClient.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import {
  createProcessMemory,
  type ProcessMemory,
  type ProcessMemoryOptions,
} from '../../internal/processMemory.js'
import { requireMilliseconds } from '../combined/members.js'
import { DaIntegrityError } from '../errors.js'
import type { ByteStore } from './byteStore.js'
import { createByteTiers, normalized } from './byteTiers.js'
import { createDiskTier } from './diskTier.js'
import { createEvaluationScope, type EvaluationScope } from './evaluationScope.js'
import { type CacheEvent, type EmitCacheEvent, safely } from './events.js'
import { createMemoryTier, type Derivation, type RowAccess } from './memoryTier.js'

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
  /** Templates that are fetched by `warm()` and never evicted from memory. */
  alwaysWarm?: readonly Hex[] | undefined
  /** The artifacts of a template, for `warm()`. */
  artifactsOf?:
    | ((templateId: Hex, options: IoOptions) => Promise<readonly ArtifactRequest[]>)
    | undefined
  /** What `warm()` makes of each artifact; without it, only bytes are fetched. */
  derivationOf?: ((request: ArtifactRequest) => Derivation<unknown> | undefined) | undefined
  onEvent?: ((event: CacheEvent) => void) | undefined
  /** Milliseconds, monotonic. @default performance.now */
  clock?: (() => number) | undefined
}

/** The five-tier cache. It is an `ArtifactSource` itself. */
export type LayeredArtifactCache = ArtifactSource & {
  /**
   * L1 itself: pass it as `memory` to the evaluator, the plugin runtime, the schema validator and
   * the registry reader, so that all of them keep what they make under one bound.
   */
  readonly memory: ProcessMemory
  hasArtifact: NonNullable<ArtifactSource['hasArtifact']>
  /** A compiled form of an artifact, from memory or made of verified bytes. */
  getDerived<value>(
    request: ArtifactRequest,
    derivation: Derivation<value>,
    options?: DaOptions,
  ): Promise<value>
  /** A registry row, from memory, from disk when it verifies, or loaded. */
  getRow<row>(key: string, access: RowAccess<row>, options?: IoOptions): Promise<row>
  /** Opens the top tier for one evaluation. */
  openEvaluation(): EvaluationScope
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
 * await cache.getDerived(
 *   { hash: artifactHash, namespace: 5 },
 *   { form: 'schema', produce: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) },
 * )
 * ```
 */
export function createLayeredArtifactCache(
  options: LayeredCacheOptions = {},
): LayeredArtifactCache {
  requireMilliseconds('hedgeDelay', options.hedgeDelay)
  const { clock = (): number => performance.now(), da, peers, hedgeDelay = 2_000 } = options
  const emit = safely(options.onEvent)
  const disk = createDiskTier(options.disk, emit)
  const bytes = createByteTiers({ disk, da, peers, hedgeDelay, emit })
  const { memory: given = {} } = options
  const memory = 'peek' in given ? given : createProcessMemory(given)
  const tier = createMemoryTier({ memory, clock, bytes, disk, emit })

  const cache: LayeredArtifactCache = {
    memory,
    getArtifact: async (request, io = {}) => (await bytes.get(normalized(request), io)).slice(),
    hasArtifact: async (request, io = {}) => bytes.has(normalized(request), io),
    getDerived: async (request, derivation, io = {}) => tier.getDerived(request, derivation, io),
    getRow: async (key, access, io = {}) => tier.getRow(key, access, io),
    openEvaluation: () =>
      createEvaluationScope((result) =>
        emit({ type: 'cache.lookup', tier: 'L0', result, form: 'evaluation' }),
      ),
    warm: (io = {}) => warmTemplates(cache, { options, pin: tier.pin, emit }, io),
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
  pin: (request: ArtifactRequest, form: string) => void
  emit: EmitCacheEvent
}

async function warmTemplates(
  cache: LayeredArtifactCache,
  { options, pin, emit }: Warming,
  io: IoOptions,
): Promise<{ templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[]> {
  const { alwaysWarm = [], artifactsOf, derivationOf } = options
  const report: { templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[] = []
  for (const templateId of alwaysWarm) {
    try {
      for (const request of (await artifactsOf?.(templateId, io)) ?? []) {
        const derivation = derivationOf?.(request)
        if (derivation) {
          pin(request, derivation.form)
          await cache.getDerived(request, derivation, io)
        } else await cache.getArtifact(request, io)
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
