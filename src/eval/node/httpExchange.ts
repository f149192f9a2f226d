/** One HTTP exchange of a plugin, over whatever connection the caller arranges. */
import http, { type RequestOptions } from 'node:http'
import https from 'node:https'
import { type HttpTransportResponse, ResponseTooLargeError } from '../plugins/http.js'
import type { GuestRequest } from '../plugins/protocol.js'

/** How an exchange is bounded, and how it connects. */
export type HttpExchangeOptions = {
  signal: AbortSignal
  maxResponseBytes: number
  /** What decides the connection: a lookup, certificate authorities, or a ready socket. */
  connection: Pick<RequestOptions, 'lookup' | 'createConnection'> & { ca?: string | undefined }
}

/**
 * Sends a request and reads its response up to `maxResponseBytes`.
 *
 * Never follows redirects, keeps no connections, sends no headers of its own but `host` and
 * `content-length`. Headers of one name are all sent.
 */
export function exchangeHttp(
  request: GuestRequest,
  options: HttpExchangeOptions,
): Promise<HttpTransportResponse> {
  const { signal, maxResponseBytes, connection } = options
  return new Promise((fulfil, reject) => {
    const url = new URL(request.url)
    const outgoing = (url.protocol === 'https:' ? https : http).request(
      url,
      {
        method: request.method,
        headers: groupHeaders(request.headers),
        setHost: true,
        agent: false,
        signal,
        ...connection,
      },
      (response) => {
        const chunks: Uint8Array[] = []
        let length = 0
        response.on('data', (chunk: Uint8Array) => {
          length += chunk.length
          if (length > maxResponseBytes)
            response.destroy(new ResponseTooLargeError(maxResponseBytes))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const body = new Uint8Array(length)
          let at = 0
          for (const chunk of chunks) {
            body.set(chunk, at)
            at += chunk.length
          }
          fulfil({ status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), body })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(request.body)
  })
}

function groupHeaders(headers: readonly (readonly [string, string])[]): Record<string, string[]> {
  const grouped: Record<string, string[]> = Object.create(null)
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    grouped[key] = [...(grouped[key] ?? []), value]
  }
  return grouped
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([raw[i] as string, raw[i + 1] as string])
  return out
}
