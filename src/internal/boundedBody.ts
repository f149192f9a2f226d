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

/** Milliseconds in which the body of a request has to be there. */
export const BODY_TIME = 15_000

/** A body that came whole, or why there is none: `gone` where the sender went away meanwhile. */
export type RequestBody =
  | { status: 'read'; bytes: Uint8Array }
  | { status: 'too_large' | 'late' | 'gone' }

/**
 * Reads the body of a request within bounds of length and time: a sender that stops, and one that goes
 * away, are answers here and no failures of the server.
 *
 * @param options.timeout - Milliseconds for the whole body. @default 15_000
 */
export async function readRequestBody(
  request: { readonly body: ReadableStream<Uint8Array> | null },
  options: { limit: number; timeout?: number | undefined },
): Promise<RequestBody> {
  const { limit, timeout = BODY_TIME } = options
  const reader = request.body?.getReader()
  if (reader === undefined) return { status: 'read', bytes: new Uint8Array() }
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeout)
  })
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const part = await Promise.race([reader.read(), late])
      if (part !== 'late' && part.done) return { status: 'read', bytes: concatAll(parts) }
      if (part !== 'late') length += part.value.length
      if (part === 'late' || length > limit) {
        reader.cancel().catch(() => undefined)
        return { status: part === 'late' ? 'late' : 'too_large' }
      }
      parts.push(part.value)
    }
  } catch {
    return { status: 'gone' }
  } finally {
    clearTimeout(timer)
  }
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
