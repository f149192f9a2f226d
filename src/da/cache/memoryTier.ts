/** L1: compiled forms and rows in process memory. Trusted on a hit: only this process fills it. */
import type { ArtifactRequest } from '../../core/interfaces/artifactSource.js'
import type { DaOptions } from '../../core/interfaces/daClient.js'
import type { IoOptions } from '../../internal/deadline.js'
import { createSingleFlight } from '../internal/singleFlight.js'
import { type ByteTiers, normalized } from './byteTiers.js'
import type { DiskTier } from './diskTier.js'
import type { EmitCacheEvent } from './events.js'
import { createWeightedLru } from './weightedLru.js'

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

/** Parts of {@link createMemoryTier}. */
export type MemoryTierOptions = {
  maxEntries: number
  maxBytes: number
  clock: () => number
  bytes: ByteTiers
  disk: DiskTier
  emit: EmitCacheEvent
}

/** The first tier. */
export type MemoryTier = {
  getDerived<value>(
    request: ArtifactRequest,
    derivation: Derivation<value>,
    io: DaOptions,
  ): Promise<value>
  getRow<row>(key: string, access: RowAccess<row>, io: IoOptions): Promise<row>
  /** Keeps a form of an artifact whatever else comes. */
  pin(request: ArtifactRequest, form: string): void
  clear(): void
}

/** Creates the tier over the tiers of bytes. */
export function createMemoryTier(options: MemoryTierOptions): MemoryTier {
  const { clock, bytes: tiers, disk, emit } = options
  const flights = createSingleFlight<unknown>('getDerived')
  const memory = createWeightedLru<{ value: unknown; form: string }>({
    maxEntries: options.maxEntries,
    maxWeight: options.maxBytes,
    onEvict: (_key, { form }, reason) => emit({ type: 'cache.evict', tier: 'L1', form, reason }),
  })

  const remember = (key: string, form: string, value: unknown, weight: number): void => {
    if (memory.set(key, { value, form }, weight)) {
      emit({ type: 'cache.fill', tier: 'L1', key, byteLength: weight })
    }
    emit({ type: 'cache.size', tier: 'L1', form, entries: memory.size, bytes: memory.weight })
  }
  const lookUp = (key: string, form: string): { value: unknown } | undefined => {
    const known = memory.get(key)
    emit({ type: 'cache.lookup', tier: 'L1', result: known ? 'hit' : 'miss', form })
    return known
  }
  const keyOf = (request: ArtifactRequest, form: string): string =>
    `${form}:${normalized(request).hash}`

  return {
    async getDerived<value>(
      request: ArtifactRequest,
      derivation: Derivation<value>,
      io: DaOptions,
    ) {
      const { form } = derivation
      const key = keyOf(request, form)
      const known = lookUp(key, form)
      if (known) return known.value as value
      return (await flights.run(key, io, async (signal) => {
        const bytes = await tiers.get(normalized(request), { ...io, signal, timeout: undefined })
        const startedAt = clock()
        // Another form may be made of the same bytes at this moment, and this one may change them.
        const value = await derivation.produce(bytes.slice(), { signal })
        emit({ type: 'cache.produced', form, key, durationMs: clock() - startedAt })
        const usual = bytes.length * (form === 'wasm' ? 3 : 1)
        remember(key, form, value, derivation.weigh?.(value, bytes) ?? usual)
        return value
      })) as value
    },
    async getRow<row>(key: string, access: RowAccess<row>, io: IoOptions) {
      const memoryKey = `row:${key}`
      const known = lookUp(memoryKey, 'row')
      if (known) return known.value as row
      return (await flights.run(memoryKey, io, async (signal) => {
        const { row, byteLength, verified } = await rowBelow(key, access, { disk, emit, signal })
        if (verified) remember(memoryKey, 'row', row, byteLength)
        return row
      })) as row
    },
    pin: (request, form) => memory.pin(keyOf(request, form)),
    clear: () => memory.clear(),
  }
}

async function rowBelow<row>(
  key: string,
  access: RowAccess<row>,
  { disk, emit, signal }: { disk: DiskTier; emit: EmitCacheEvent; signal: AbortSignal },
): Promise<{ row: row; byteLength: number; verified: boolean }> {
  const stored = await disk.readRow(key, { signal })
  const kept = stored && decodeRow(stored, access)
  if (disk.exists)
    emit({ type: 'cache.lookup', tier: 'L2', result: kept ? 'hit' : 'miss', form: 'row' })
  if (kept) return { row: kept.row, byteLength: stored.length, verified: true }
  const row = await access.load({ signal })
  const bytes = access.encode(row)
  // A row that does not verify is the loader's answer, never a fact to keep.
  const verified = access.verify(row)
  if (verified) await disk.writeRow(key, bytes, { signal })
  return { row, byteLength: bytes.length, verified }
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
