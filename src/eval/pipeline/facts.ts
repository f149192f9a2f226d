/**
 * What was once found to be true of bytes stays true of them: ids, hashes and parsed forms of rows
 * that never change. A fact is kept under all that it was computed from, so that nothing but the
 * same input finds it.
 */

/** What a fact is computed from. A text and an integer are never the same input. */
export type FactInput = string | bigint

/** See {@link createFacts}. */
export type Facts<value> = {
  /** What `compute` says of `inputs`. What it throws is thrown, and not kept. */
  of(inputs: readonly FactInput[], compute: () => value): value
}

/** The last ones are found without making a key, which costs more than most of what is left to do. */
const RECENT = 16

type Recent<value> = { inputs: readonly FactInput[]; key: string; value: value }

/** Remembers the last `entries` facts. `compute` must depend on `inputs` alone. */
export function createFacts<value>(entries: number): Facts<value> {
  /** The last one first. */
  const recent: Recent<value>[] = []
  const most = Math.min(RECENT, entries)
  const older = new Map<string, value>()

  function keep(fact: Recent<value>): value {
    recent.unshift(fact)
    const last = recent.length > most && recent.pop()
    if (last) older.set(last.key, last.value)
    if (older.size > entries - most) older.delete(older.keys().next().value as string)
    return fact.value
  }

  return {
    of(inputs, compute) {
      for (let at = 0; at < recent.length; at++) {
        const fact = recent[at] as Recent<value>
        if (!isSame(fact.inputs, inputs)) continue
        if (at > 0) recent.unshift(...recent.splice(at, 1))
        return fact.value
      }
      const key = keyOf(inputs)
      if (key === undefined) return compute()
      const found = older.get(key)
      if (found !== undefined) {
        older.delete(key)
        return keep({ inputs, key, value: found })
      }
      return keep({ inputs, key, value: compute() })
    },
  }
}

/** Of primitive values, so that what was equal once stays so. */
function isSame(known: readonly FactInput[], inputs: readonly FactInput[]): boolean {
  if (known.length !== inputs.length) return false
  for (let at = 0; at < known.length; at++) if (known[at] !== inputs[at]) return false
  return true
}

/** With types and lengths, so that no two lists share a key. */
function keyOf(inputs: readonly FactInput[]): string | undefined {
  let key = ''
  for (const input of inputs) {
    // Rows come from readers that others write: what is neither is for `compute` to refuse.
    if (typeof input === 'string') key += `${input.length}:${input}`
    else if (typeof input === 'bigint') key += `n${input.toString(16)};`
    else return undefined
  }
  return key
}
