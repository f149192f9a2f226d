/**
 * Compiled plugins in memory, bounded by entries and by bytes, least recently used out first.
 *
 * Keyed by the component's hash alone: one plugin of two chains is compiled once. Concurrent
 * misses of one key share one compilation.
 */
import { InvalidInputError } from '../../errors/common.js'

/** Bounds of the cache. */
export type PluginCacheLimits = {
  entries: number
  /** Bytes, each entry weighing three times its component. */
  bytes: number
}

const MiB = 1024 * 1024

/** The four presets: entries and bytes by the kind of process. */
export const pluginCachePresets = {
  /** A laptop or a browser: a few policies. */
  dev: { entries: 8, bytes: 256 * MiB },
  staging: { entries: 32, bytes: 1024 * MiB },
  /** An operator with 20 to 50 policies. */
  prodSmall: { entries: 32, bytes: 1024 * MiB },
  /** An operator with 500 to 1,000 policies on several chains. */
  prodLarge: { entries: 256, bytes: 8192 * MiB },
} as const satisfies Record<string, PluginCacheLimits>

/** Name of a preset. */
export type PluginCachePreset = keyof typeof pluginCachePresets

/** Counts since creation, and what is held now. */
export type CacheStats = {
  hits: number
  misses: number
  /** Misses that waited for a compilation already under way. */
  joined: number
  evictions: number
  entries: number
  bytes: number
}

/** See {@link createSingleFlightCache}. */
export type SingleFlightCache<value> = {
  /** The value of `key`, made by `load` on a miss. A failed load is not remembered. */
  get(key: string, load: () => Promise<{ value: value; weight: number }>): Promise<value>
  /** The value of `key` if it is held. Counts as a use, not as a hit. */
  peek(key: string): value | undefined
  delete(key: string): void
  clear(): void
  stats(): CacheStats
}

/** Creates a cache with single flight. An entry heavier than all of `bytes` is returned, not held. */
export function createSingleFlightCache<value>(
  limits: PluginCacheLimits,
  onEvict: (key: string, reason: 'size' | 'count') => void = () => {},
): SingleFlightCache<value> {
  if (!Number.isInteger(limits.entries) || limits.entries < 1 || !(limits.bytes > 0)) {
    throw new InvalidInputError({
      field: 'cache',
      reason: 'expected at least one entry and one byte',
    })
  }
  const held = new Map<string, { value: value; weight: number }>()
  const flights = new Map<string, Promise<value>>()
  const counts = { hits: 0, misses: 0, joined: 0, evictions: 0 }
  let bytes = 0

  function touch(key: string): value | undefined {
    const entry = held.get(key)
    if (!entry) return undefined
    held.delete(key)
    held.set(key, entry)
    return entry.value
  }

  function remove(key: string): void {
    const entry = held.get(key)
    if (!entry) return
    held.delete(key)
    bytes -= entry.weight
  }

  function put(key: string, value: value, weight: number): void {
    remove(key)
    if (weight > limits.bytes) return
    held.set(key, { value, weight })
    bytes += weight
    for (const oldest of held.keys()) {
      if (held.size <= limits.entries && bytes <= limits.bytes) break
      onEvict(oldest, held.size > limits.entries ? 'count' : 'size')
      remove(oldest)
      counts.evictions++
    }
  }

  return {
    get(key, load) {
      const value = touch(key)
      if (value !== undefined) {
        counts.hits++
        return Promise.resolve(value)
      }
      const flight = flights.get(key)
      if (flight !== undefined) {
        counts.joined++
        return flight
      }
      counts.misses++
      const loading = load()
        .then(({ value: loaded, weight }) => {
          put(key, loaded, weight)
          return loaded
        })
        .finally(() => flights.delete(key))
      flights.set(key, loading)
      return loading
    },
    peek: touch,
    delete: remove,
    clear() {
      held.clear()
      bytes = 0
    },
    stats: () => ({ ...counts, entries: held.size, bytes }),
  }
}
