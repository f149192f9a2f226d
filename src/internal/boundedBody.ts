import { concatAll } from './bytes.js'

/**
 * Reads the body of a request or an answer, and `undefined` as soon as it is longer than `limit`: what
 * a stranger sends ends where we say, whatever it announces.
 */
export async function readBounded(
  message: { readonly body: ReadableStream<Uint8Array> | null },
  limit: number,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = message.body?.getReader()
  for (;;) {
    const part = await reader?.read()
    if (part === undefined || part.done) break
    length += part.value.length
    if (length > limit) {
      reader?.cancel().catch(() => undefined)
      return undefined
    }
    parts.push(part.value)
  }
  return concatAll(parts)
}
