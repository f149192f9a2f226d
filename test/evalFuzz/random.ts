/** A small seeded source of choices: the same seed gives the same cases on every machine. */
export type Random = {
  /** An integer from 0 to `below` - 1. */
  below(below: number): number
  /** Whether a thing that happens `percent` times in a hundred happens. */
  chance(percent: number): boolean
  pick<item>(items: readonly item[]): item
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (count: number): number => next() % count
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: (items) => {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
  }
}
