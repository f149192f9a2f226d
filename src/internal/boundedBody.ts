/** Bodies within bounds: read no further than we say, given by ranges (RFC 9110, 14). */
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

/**
 * Answers a request for bytes with all of them, or with the range that its header names.
 *
 * @param options.most - Bytes of one answer: a range is cut to so many, and what is longer is had by ranges
 * alone. @default no bound
 */
export function rangedResponse(
  bytes: Uint8Array,
  header: string | null | undefined,
  options: { most?: number | undefined } = {},
): Response {
  const { most = Number.POSITIVE_INFINITY } = options
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' }
  const refused = (): Response =>
    new Response(null, {
      status: 416,
      headers: { ...headers, 'content-range': `bytes */${bytes.length}` },
    })
  if (header === null || header === undefined) {
    return bytes.length > most ? refused() : new Response(bytes as BodyInit, { headers })
  }
  const asked = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header)
  if (asked === null) return refused()
  const start = Number(asked[1])
  const last = bytes.length - 1
  const end = Math.min(asked[2] === '' ? last : Number(asked[2]), last, start + most - 1)
  if (start > end) return refused()
  return new Response(bytes.subarray(start, end + 1) as BodyInit, {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end}/${bytes.length}` },
  })
}
