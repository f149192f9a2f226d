/** Words of strangers, as errors may hold them. */

/** A line of at most `most` characters, and nothing that a terminal obeys or that turns what is beside it around. */
export function inOneLine(text: string, most: number): string {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').slice(0, most)
}
