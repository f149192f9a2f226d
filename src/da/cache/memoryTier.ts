/** L1: compiled forms and rows in process memory. Trusted on a hit: only this process fills it. */
import type { ArtifactRequest } from '../../core/interfaces/artifactSource.js'
import type { DaOptions } from '../../core/interfaces/daClient.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { ProcessMemory } from '../../internal/processMemory.js'
import { type ByteTiers, normalized } from './byteTiers.js'
import type { DiskTier } from './diskTier.js'
import type { EmitCacheEvent } from './events.js'

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
  memory: ProcessMemory
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
}

/** Creates the tier over the tiers of bytes. */
export function createMemoryTier(options: MemoryTierOptions): MemoryTier {
  const { clock, bytes: tiers, disk, emit, memory } = options
  memory.observe((event) => {
    const { form, key } = event
    if (event.type === 'lookup')
      return emit({ type: 'cache.lookup', tier: 'L1', result: event.result, form })
    if (event.type === 'filled')
      emit({ type: 'cache.fill', tier: 'L1', key: `${form}:${key}`, byteLength: event.weight })
    else emit({ type: 'cache.evict', tier: 'L1', form, reason: event.reason })
    const { entries, bytes } = memory.stats(form)
    emit({ type: 'cache.size', tier: 'L1', form, entries, bytes })
  })
  return {
    async getDerived<value>(
      request: ArtifactRequest,
      derivation: Derivation<value>,
      io: DaOptions,
    ) {
      const { form } = derivation
      const wanted = normalized(request)
      const slot = { form, key: wanted.hash }
      const { onProgress, ...waiting } = io
      return memory.get(
        slot,
        async (signal) => {
          const bytes = await tiers.get(wanted, { onProgress, signal })
          const startedAt = clock()
          // Another form may be made of the same bytes at this moment, and this one may change them.
          const value = await derivation.produce(bytes.slice(), { signal })
          const durationMs = clock() - startedAt
          emit({ type: 'cache.produced', form, key: `${form}:${wanted.hash}`, durationMs })
          const usual = bytes.length * (form === 'wasm' ? 3 : 1)
          return { value, weight: derivation.weigh?.(value, bytes) ?? usual }
        },
        waiting,
      )
    },
    getRow: <row>(key: string, access: RowAccess<row>, io: IoOptions) =>
      memory.get(
        { form: 'row', key },
        async (signal) => {
          const { row, byteLength, verified } = await rowBelow(key, access, { disk, emit, signal })
          return { value: row, weight: byteLength, keep: verified }
        },
        io,
      ),
    pin: (request, form) => memory.pin({ form, key: normalized(request).hash }),
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
