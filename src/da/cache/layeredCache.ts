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
import { BaseError } from '../../errors/base.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { ArtifactUnavailableError, type DaAttempt, DaIntegrityError } from '../errors.js'
import { createSingleFlight } from '../internal/singleFlight.js'
import { isVerified } from '../internal/verifying.js'
import type { ByteStore } from './byteStore.js'
import { createEvaluationScope, type EvaluationScope } from './evaluationScope.js'
import { createWeightedLru } from './weightedLru.js'

/** Names of the tiers, top first. */
export const cacheTiers = ['L0', 'L1', 'L2', 'L3', 'L4'] as const

/** A tier of the cache. */
export type CacheTier = (typeof cacheTiers)[number]

/** What the cache did. Feed it to `recordCacheMetrics`. */
export type CacheEvent =
  | { type: 'cache.lookup'; tier: CacheTier; result: 'hit' | 'miss'; form: string }
  | { type: 'cache.fill'; tier: CacheTier; key: string; byteLength: number }
  | { type: 'cache.produced'; form: string; key: string; durationMs: number }
  | { type: 'cache.evict'; tier: CacheTier; form: string; reason: string }
  | { type: 'cache.size'; tier: CacheTier; form: string; entries: number; bytes: number }
  /** A tier held or served bytes that are not the artifact; they were dropped. */
  | { type: 'cache.wrongCopy'; tier: CacheTier; source: string; hash: Hex; error: unknown }
  /** The disk failed; the call went on without it. */
  | {
      type: 'cache.storeFailed'
      tier: CacheTier
      operation: 'read' | 'write' | 'remove'
      error: unknown
    }
  | { type: 'cache.prewarm'; templateId: Hex; result: 'ok' | 'error'; error: unknown }

/** How a compiled form of an artifact is made. */
export type Derivation<value> = {
  /** Name of the form: `wasm`, `rego`, `schema`. Part of the key. */
  form: string
  /** Makes the form of verified bytes. Runs once for concurrent callers. */
  produce: (bytes: Uint8Array, options: IoOptions) => Promise<value> | value
  /** Memory it is charged with, in bytes. @default 3 × source for `wasm`, 1 × otherwise */
  weigh?: ((value: value, bytes: Uint8Array) => number) | undefined
}

/** How a registry row is read, kept and checked. */
export type RowAccess<row> = {
  load: (options: IoOptions) => Promise<row>
  encode: (row: row) => Uint8Array
  decode: (bytes: Uint8Array) => row
  /** Whether the row is the one `key` names; a row that is not is dropped and loaded again. */
  verify: (row: row) => boolean
}

/** Options of {@link createLayeredArtifactCache}. */
export type LayeredCacheOptions = {
  /** L1 bounds. @default 256 entries, 512 MiB */
  memory?: { maxEntries?: number | undefined; maxBytes?: number | undefined } | undefined
  /** L2: `diskByteStore` on Node, `memoryByteStore` elsewhere. */
  disk?: ByteStore | undefined
  /** L3: the locators announced on chain. */
  da?: ArtifactSource | undefined
  /** L4: bootnodes and peers. */
  peers?: ArtifactSource | undefined
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
  const { disk, da, peers, alwaysWarm = [], artifactsOf, derivationOf } = options
  const { maxEntries = 256, maxBytes = 536_870_912 } = options.memory ?? {}
  const clock = options.clock ?? ((): number => performance.now())
  const bytesFlights = createSingleFlight<Uint8Array>('getArtifact')
  const valueFlights = createSingleFlight<unknown>('getDerived')
  const memory = createWeightedLru<{ value: unknown; form: string }>({
    maxEntries,
    maxWeight: maxBytes,
    onEvict: (_key, { form }, reason) => emit({ type: 'cache.evict', tier: 'L1', form, reason }),
  })

  function emit(event: CacheEvent): void {
    try {
      options.onEvent?.(event)
    } catch {
      // A broken hook must not decide whether an artifact can be had.
    }
  }

  function remember(key: string, form: string, value: unknown, weight: number): void {
    if (memory.set(key, { value, form }, weight)) {
      emit({ type: 'cache.fill', tier: 'L1', key, byteLength: weight })
    }
    emit({ type: 'cache.size', tier: 'L1', form, entries: memory.size, bytes: memory.weight })
  }

  async function onStore<value>(
    operation: 'read' | 'write' | 'remove',
    io: IoOptions,
    work: (store: ByteStore) => Promise<value>,
  ): Promise<value | undefined> {
    if (!disk) return undefined
    try {
      return await work(disk)
    } catch (error) {
      io.signal?.throwIfAborted()
      emit({ type: 'cache.storeFailed', tier: 'L2', operation, error })
      return undefined
    }
  }

  async function fromDisk(hash: Hex, io: IoOptions): Promise<Uint8Array | undefined> {
    const bytes = await onStore('read', io, (store) => store.read(hash, io))
    if (bytes && longKeccakHex(bytes) === hash) {
      emit({ type: 'cache.lookup', tier: 'L2', result: 'hit', form: 'bytes' })
      return bytes
    }
    if (bytes) {
      const source = disk?.name ?? 'disk'
      const error = new DaIntegrityError({
        source,
        expected: hash,
        actual: longKeccakHex(bytes),
        reason: 'the local copy is damaged',
      })
      emit({ type: 'cache.wrongCopy', tier: 'L2', source, hash, error })
      await onStore('remove', io, (store) => store.remove(hash, io))
    }
    if (disk) emit({ type: 'cache.lookup', tier: 'L2', result: 'miss', form: 'bytes' })
    return undefined
  }

  async function fromBelow(request: ArtifactRequest, io: DaOptions): Promise<Uint8Array> {
    const attempts: DaAttempt[] = []
    for (const [tier, source] of [
      ['L3', da],
      ['L4', peers],
    ] as const) {
      if (!source) continue
      try {
        const bytes = await source.getArtifact(request, io)
        const actual = isVerified(source.getArtifact) ? request.hash : longKeccakHex(bytes)
        if (actual !== request.hash) {
          throw new DaIntegrityError({
            source: tier,
            expected: request.hash,
            actual,
            reason: 'the tier returned other bytes',
          })
        }
        emit({ type: 'cache.lookup', tier, result: 'hit', form: 'bytes' })
        return bytes
      } catch (error) {
        io.signal?.throwIfAborted()
        emit({ type: 'cache.lookup', tier, result: 'miss', form: 'bytes' })
        if (error instanceof DaIntegrityError) {
          emit({ type: 'cache.wrongCopy', tier, source: tier, hash: request.hash, error })
        }
        if (error instanceof ArtifactUnavailableError) attempts.push(...error.attempts)
        else attempts.push({ source: tier, error })
      }
    }
    throw new ArtifactUnavailableError({ artifactHash: request.hash, attempts })
  }

  function normalized(request: ArtifactRequest): ArtifactRequest & { hash: Hex } {
    return {
      ...request,
      hash: toHex(artifactHashBytes(request.hash, { field: 'hash', optional: false })),
    }
  }

  async function bytesOf(request: ArtifactRequest, io: DaOptions): Promise<Uint8Array> {
    const { hash } = request
    let started = false
    const work = async (signal: AbortSignal): Promise<Uint8Array> => {
      started = true
      const inner = { signal, onProgress: io.onProgress }
      const local = await fromDisk(hash, inner)
      if (local) return local
      const bytes = await fromBelow(request, inner)
      await onStore('write', inner, (store) => store.write(hash, bytes, inner))
      if (disk) emit({ type: 'cache.fill', tier: 'L2', key: hash, byteLength: bytes.length })
      return bytes
    }
    try {
      return await bytesFlights.run(hash, io, work)
    } catch (error) {
      // The fetch that was joined had other hints than this caller.
      if (started || !(error instanceof ArtifactUnavailableError) || !request.locators?.length)
        throw error
      return await work(io.signal ?? new AbortController().signal)
    }
  }

  const cache: LayeredArtifactCache = {
    async getArtifact(request, io = {}) {
      return (await bytesOf(normalized(request), io)).slice()
    },
    async hasArtifact(request, io = {}) {
      const own = normalized(request)
      if (await onStore('read', io, (store) => store.has(own.hash, io))) return true
      for (const source of [da, peers]) {
        if (!source) continue
        if (await (source.hasArtifact?.(own, io) ?? reachable(source, own, io))) return true
      }
      return false
    },
    async getDerived<value>(
      request: ArtifactRequest,
      derivation: Derivation<value>,
      io: DaOptions = {},
    ) {
      const own = normalized(request)
      const { form } = derivation
      const key = `${form}:${own.hash}`
      const known = memory.get(key)
      emit({ type: 'cache.lookup', tier: 'L1', result: known ? 'hit' : 'miss', form })
      if (known) return known.value as value
      return (await valueFlights.run(key, io, async (signal) => {
        const bytes = await bytesOf(own, { ...io, signal, timeout: undefined })
        const startedAt = clock()
        // Another form may be made of the same bytes at this moment, and this one may change them.
        const value = await derivation.produce(bytes.slice(), { signal })
        emit({ type: 'cache.produced', form, key, durationMs: clock() - startedAt })
        remember(
          key,
          form,
          value,
          derivation.weigh?.(value, bytes) ?? bytes.length * (form === 'wasm' ? 3 : 1),
        )
        return value
      })) as value
    },
    async getRow<row>(key: string, access: RowAccess<row>, io: IoOptions = {}) {
      const memoryKey = `row:${key}`
      const known = memory.get(memoryKey)
      emit({ type: 'cache.lookup', tier: 'L1', result: known ? 'hit' : 'miss', form: 'row' })
      if (known) return known.value as row
      return (await valueFlights.run(memoryKey, io, async (signal) => {
        const stored = await onStore('read', { signal }, (store) =>
          store.read(`row-${key}`, { signal }),
        )
        const kept = stored && decodeRow(stored, access)
        if (disk)
          emit({ type: 'cache.lookup', tier: 'L2', result: kept ? 'hit' : 'miss', form: 'row' })
        const row = kept ? kept.row : await access.load({ signal })
        const bytes = access.encode(row)
        // A row that does not verify is the loader's answer, never a fact to keep.
        if (!kept && access.verify(row)) {
          await onStore('write', { signal }, (store) =>
            store.write(`row-${key}`, bytes, { signal }),
          )
        }
        if (kept || access.verify(row)) remember(memoryKey, 'row', row, bytes.length)
        return row
      })) as row
    },
    openEvaluation: () =>
      createEvaluationScope((result) =>
        emit({ type: 'cache.lookup', tier: 'L0', result, form: 'evaluation' }),
      ),
    async warm(io = {}) {
      const report: { templateId: Hex; status: 'warm' | 'failed'; error?: unknown }[] = []
      for (const templateId of alwaysWarm) {
        try {
          for (const request of (await artifactsOf?.(templateId, io)) ?? []) {
            const derivation = derivationOf?.(request)
            if (derivation) {
              memory.pin(`${derivation.form}:${normalized(request).hash}`)
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
    },
    async put(hash, bytes, io = {}) {
      const name = toHex(artifactHashBytes(hash, { field: 'hash', optional: false }))
      const actual = longKeccakHex(bytes)
      if (actual !== name) {
        throw new DaIntegrityError({
          source: 'caller',
          expected: name,
          actual,
          reason: 'the bytes are not this artifact',
        })
      }
      await onStore('write', io, (store) => store.write(name, bytes, io))
    },
    clear: () => memory.clear(),
  }
  return cache
}

function decodeRow<row>(
  bytes: Uint8Array,
  { decode, verify }: RowAccess<row>,
): { row: row } | undefined {
  try {
    const row = decode(bytes)
    return verify(row) ? { row } : undefined
  } catch {
    return undefined
  }
}

async function reachable(
  source: ArtifactSource,
  request: ArtifactRequest,
  io: DaOptions,
): Promise<boolean> {
  try {
    await source.getArtifact(request, io)
    return true
  } catch (error) {
    io.signal?.throwIfAborted()
    if (error instanceof BaseError) return false
    throw error
  }
}
