/**
 * HTTP for plugins over the platform's `fetch`.
 */

import { assertOptions } from '../../internal/options.js'
import { type HttpTransport, ResponseTooLargeError } from './http.js'

/**
 * A transport over `fetch`, for browsers and wherever names are resolved by somebody else. It
 * cannot see which address a name resolves to; use the Node transport where that matters. Some platforms' `fetch` also
 * hands over what it could decode of a body that was cut short; the Node transport does not.
 */
export function fetchTransport(
  options: { fetch?: typeof globalThis.fetch | undefined } = {},
): HttpTransport {
  assertOptions(options, { fetch: 'function' })
  const { fetch = globalThis.fetch } = options
  return async (request, { signal, maxResponseBytes }) => {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers.map(([name, value]): [string, string] => [name, value]),
      body: request.body === undefined ? null : (request.body as Uint8Array<ArrayBuffer>),
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      signal,
    })
    // A browser shows nothing of a redirect.
    if (response.type === 'opaqueredirect')
      return { status: 302, headers: [], body: new Uint8Array() }
    return {
      status: response.status,
      headers: [...response.headers],
      body: await readBody(response, maxResponseBytes),
    }
  }
}

async function readBody(response: Response, limit: number): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limit) {
      reader.cancel().catch(() => undefined)
      throw new ResponseTooLargeError(limit)
    }
    chunks.push(value)
  }
  const body = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}
