/** Names that are nearly what was typed. */

/** Most single letters to change for a name to be what was meant. */
const MAX_DISTANCE = 3

/** A line with the nearest name, or none where nothing is near. */
export function didYouMean(word: string, names: readonly string[]): string[] {
  const ranked = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .filter(({ name, distance: steps }) => steps <= Math.min(MAX_DISTANCE, name.length / 2))
    .sort((a, b) => a.distance - b.distance)
  return ranked[0] === undefined ? [] : [`Did you mean ${ranked[0].name}?`]
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, replaced))
    }
    row = next
  }
  return row[b.length] as number
}
