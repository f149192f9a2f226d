/** How many of something there are by name, such as connections by caller or checks by address. */
export type Counts = {
  of(name: string): number
  /** One more or one less. A name of which there are none is forgotten. */
  add(name: string, more: 1 | -1): void
}

/** Creates counts that are all 0. */
export function createCounts(): Counts {
  const counts = new Map<string, number>()
  return {
    of: (name) => counts.get(name) ?? 0,
    add(name, more) {
      const count = (counts.get(name) ?? 0) + more
      if (count === 0) counts.delete(name)
      else counts.set(name, count)
    },
  }
}
