/** Which words of a person may be said again. */

/** Whether a text is as long as a key, in hex. */
export function looksLikeKey(text: string): boolean {
  return /(?:^|[^\da-fA-F])[\da-fA-F]{60,}(?:$|[^\da-fA-F])/.test(text)
}

/** A word as it may be repeated: short, and nothing like a key. */
export function quotedWord(word: string): string {
  return /^[\x20-\x7e]{0,60}$/.test(word) && !/[{}]/.test(word) && !looksLikeKey(word)
    ? JSON.stringify(word)
    : '<not shown>'
}
