/** Names in order, for stores that keep their content in memory. */

/** Names, ascending by their UTF-16 units. */
export type NameIndex = {
  add(name: string): void
  delete(name: string): void
  withPrefix(prefix: string): string[]
}

/** Changes up to this number are put in their places one by one; more are sorted in. */
const fewChanges = 64

/** Creates an empty index. Changes wait until names are asked for, so that a large batch sorts once. */
export function createNameIndex(): NameIndex {
  let sorted: string[] = []
  const changes = new Map<string, boolean>()

  const settle = (): void => {
    if (changes.size > fewChanges) {
      const kept = sorted.filter((name) => !changes.has(name))
      for (const [name, present] of changes) if (present) kept.push(name)
      sorted = kept.sort()
    } else {
      for (const [name, present] of changes) {
        const at = firstFrom(sorted, name)
        const found = sorted[at] === name
        if (present && !found) sorted.splice(at, 0, name)
        else if (!present && found) sorted.splice(at, 1)
      }
    }
    changes.clear()
  }

  return {
    add: (name) => {
      changes.set(name, true)
    },
    delete: (name) => {
      changes.set(name, false)
    },
    withPrefix: (prefix) => {
      settle()
      const start = firstFrom(sorted, prefix)
      let end = start
      while (end < sorted.length && (sorted[end] as string).startsWith(prefix)) end++
      return sorted.slice(start, end)
    },
  }
}

/** Place of the first name that is not below `name`. */
function firstFrom(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as string) < name) low = middle + 1
    else high = middle
  }
  return low
}
