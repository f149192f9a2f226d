/** One HTTP exchange of a plugin, over whatever connection the caller arranges. */
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { assertHttpUrl, assertList, assertMembers } from '../../internal/options.js'
import {
  type ContentCoding,
  contentCodings,
  type HttpTransportResponse,
  ResponseTooLargeError,
  UnreadableResponseError,
} from '../plugins/http.js'
import type { GuestRequest } from '../plugins/protocol.js'
import { CODING_OVERHEAD, decodeBody } from './decodeBody.js'

/** How an exchange is bounded, and how it connects. */
export type HttpExchangeOptions = {
  signal: AbortSignal
  maxResponseBytes: number
  /** What decides the connection: a lookup, certificate authorities, or a ready socket. */
  connection: Pick<RequestOptions, 'lookup' | 'createConnection'> & { ca?: string | undefined }
}

/**
 * Sends a request and reads its response up to `maxResponseBytes`, its content codings taken off.
 *
 * Never follows redirects, keeps no connections, sends no headers of its own but `host` and
 * `content-length`. Headers of one name are all sent.
 */
export function exchangeHttp(
  request: GuestRequest,
  options: HttpExchangeOptions,
): Promise<HttpTransportResponse> {
  assertMembers('request', request, ['url', 'method', 'headers'])
  assertHttpUrl('request.url', request.url)
  assertList('request.headers', request.headers)
  assertMembers('options', options, ['maxResponseBytes'])
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
      (response) => fulfil(readResponse(response, maxResponseBytes)),
    )
    // A server that leaves HTTP has not answered; without a listener its socket would just stay open.
    outgoing.on('upgrade', (_, socket) => {
      socket.destroy()
      reject(new UnreadableResponseError('the server switched to another protocol'))
    })
    outgoing.on('error', reject)
    outgoing.end(request.body)
  })
}

async function readResponse(
  response: IncomingMessage,
  limit: number,
): Promise<HttpTransportResponse> {
  const headers = pairs(response.rawHeaders)
  let codings: readonly ContentCoding[]
  try {
    codings = contentCodings(headers)
  } catch (error) {
    response.destroy()
    throw error
  }
  const coded = await collect(response, codings.length === 0 ? limit : limit + CODING_OVERHEAD)
  return {
    status: response.statusCode ?? 0,
    headers,
    body: await decodeBody(coded, codings, limit),
  }
}

function collect(response: IncomingMessage, limit: number): Promise<Uint8Array> {
  return new Promise((fulfil, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    response.on('data', (chunk: Uint8Array) => {
      length += chunk.length
      if (length > limit) response.destroy(new ResponseTooLargeError(limit))
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
      fulfil(body)
    })
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
