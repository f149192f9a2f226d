/**
 * What was once found to be true of bytes stays true of them: ids, hashes and parsed forms of rows
 * that never change. A fact is kept under all that it was computed from, so that nothing but the
 * same input finds it.
 */

/** See {@link createFacts}. */
export type Facts<value> = {
  /** What `compute` says of `inputs`. What it throws is thrown, and not kept. */
  of(inputs: readonly string[], compute: () => value): value
}

/** Remembers the last `entries` facts. `compute` must depend on `inputs` alone. */
export function createFacts<value>(entries: number): Facts<value> {
  const known = new Map<string, value>()
  return {
    of(inputs, compute) {
      // With their lengths, so that no two lists share a key.
      let key = ''
      for (const input of inputs) {
        // Rows come from readers that others write: what is no text is for `compute` to refuse.
        if (typeof input !== 'string') return compute()
        key += `${input.length}:${input}`
      }
      const found = known.get(key)
      if (found !== undefined) {
        known.delete(key)
        known.set(key, found)
        return found
      }
      const fact = compute()
      known.set(key, fact)
      if (known.size > entries) known.delete(known.keys().next().value as string)
      return fact
    },
  }
}
