/** A map bounded by entries and by weight, least recently used first out. Pinned keys stay. */

/** Why an entry left. */
export type EvictionReason = 'entries' | 'bytes' | 'cleared'

/** A bounded map. */
export type WeightedLru<value> = {
  /** The value, which becomes the most recently used one. */
  get(key: string): value | undefined
  /** Adds or replaces. A value heavier than the whole bound is not kept. Returns whether it was. */
  set(key: string, value: value, weight: number): boolean
  delete(key: string): boolean
  pin(key: string): void
  unpin(key: string): void
  clear(): void
  readonly size: number
  readonly weight: number
}

/** Bounds and hook of {@link createWeightedLru}. */
export type WeightedLruOptions<value> = {
  maxEntries: number
  maxWeight: number
  onEvict?: ((key: string, value: value, reason: EvictionReason) => void) | undefined
}

/** Creates an empty map. Pinned entries count, and are never evicted to make room. */
export function createWeightedLru<value>(options: WeightedLruOptions<value>): WeightedLru<value> {
  const { maxEntries, maxWeight, onEvict } = options
  const entries = new Map<string, { value: value; weight: number }>()
  const pinned = new Set<string>()
  let weight = 0

  function remove(key: string): boolean {
    const entry = entries.get(key)
    if (!entry) return false
    entries.delete(key)
    weight -= entry.weight
    return true
  }

  function evict(keep: string): void {
    while (entries.size > maxEntries || weight > maxWeight) {
      const reason: EvictionReason = weight > maxWeight ? 'bytes' : 'entries'
      const victim = [...entries.keys()].find((key) => key !== keep && !pinned.has(key))
      if (victim === undefined) return
      const { value } = entries.get(victim) as { value: value }
      remove(victim)
      onEvict?.(victim, value, reason)
    }
  }

  return {
    get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    set(key, value, entryWeight) {
      remove(key)
      if (entryWeight > maxWeight || maxEntries < 1) return false
      entries.set(key, { value, weight: entryWeight })
      weight += entryWeight
      evict(key)
      // Pins alone may fill the bounds; then the newcomer goes.
      if ((entries.size > maxEntries || weight > maxWeight) && !pinned.has(key)) {
        remove(key)
        return false
      }
      return true
    },
    delete: remove,
    pin: (key) => void pinned.add(key),
    unpin: (key) => void pinned.delete(key),
    clear() {
      for (const [key, { value }] of entries) onEvict?.(key, value, 'cleared')
      entries.clear()
      weight = 0
    },
    get size() {
      return entries.size
    },
    get weight() {
      return weight
    },
  }
}
