/** An S3-compatible store over HTTP, with its requests signed. */
import { InvalidInputError } from '../../errors/common.js'
import { discard, type Exchange, type FetchLike, readBody, send } from '../internal/http.js'
import { type S3Credentials, signRequest } from './sigv4.js'
import type { Store } from './store.js'
import { statusError } from './storeErrors.js'

/** Where the store is, and how requests to it are made. */
export type FetchStoreOptions = {
  bucket: string
  endpoint?: string | undefined
  region?: string | undefined
  credentials?: S3Credentials | undefined
  fetch?: FetchLike | undefined
  stallTimeout?: number | undefined
  now?: (() => number) | undefined
}

/** Milliseconds between two clocks that no store minds; they allow 15 minutes. */
const TOLERATED = 300_000

/** A store over HTTP. */
export function fetchStore(
  options: FetchStoreOptions,
  { source, maxBytes }: { source: string; maxBytes: number },
): Store {
  const {
    bucket,
    region = 'us-east-1',
    credentials,
    stallTimeout = 15_000,
    now = Date.now,
  } = options
  const endpoint = options.endpoint ?? ''
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new InvalidInputError({
      field: 'endpoint',
      reason: 'expected an http or https URL, or pass `s3`',
    })
  }
  const base = endpoint.replace(/\/+$/, '')
  const fetcher: FetchLike = options.fetch ?? ((input, init) => fetch(input, init))

  // By how much the store's clock is ahead of this one, once it has said so.
  let skew = 0

  async function request(
    method: string,
    key: string,
    sending: Sending,
    isSecond = false,
  ): Promise<{ exchange: Exchange; response: Response }> {
    const { signal, body, condition = {} } = sending
    const url = new URL(`${base}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`)
    const plain: Record<string, string> = body
      ? { 'content-type': 'application/octet-stream', ...condition }
      : {}
    const headers = credentials
      ? signRequest(
          { method, url, headers: plain, body: body ?? new Uint8Array(0) },
          { credentials, region, now: now() + skew },
        )
      : plain
    const exchange: Exchange = { source, fetch: fetcher, signal }
    const init: RequestInit = { method, headers }
    if (body) init.body = body as unknown as BodyInit
    const response = await send(exchange, url.href, init)
    if (response.status === 403 && credentials && !isSecond) {
      // Refused by its time, a request did nothing: it is made once more, at the store's.
      const ahead = Date.parse(response.headers.get('date') ?? '') - now()
      if (Math.abs(ahead - skew) > TOLERATED) {
        discard(response)
        skew = ahead
        return request(method, key, sending, true)
      }
    }
    return { exchange, response }
  }

  return {
    async put(key, bytes, { replacing, signal }) {
      const condition: Record<string, string> =
        replacing === undefined ? { 'if-none-match': '*' } : { 'if-match': replacing }
      const { exchange, response } = await request('PUT', key, { signal, body: bytes, condition })
      if (response.status === 200 || response.status === 201 || response.status === 204) {
        discard(response)
        return 'written'
      }
      if (response.status === 412) {
        discard(response)
        return 'refused'
      }
      throw await statusError(exchange, response, key)
    },
    async get(key, { signal, onProgress }) {
      const { exchange, response } = await request('GET', key, { signal })
      if (response.status !== 200) throw await statusError(exchange, response, key)
      const etag = response.headers.get('etag') ?? undefined
      const bytes = await readBody(exchange, response, {
        limit: maxBytes,
        onProgress,
        stallTimeout,
      })
      return { bytes, etag }
    },
    async head(key, signal) {
      const { exchange, response } = await request('HEAD', key, { signal })
      if (response.status !== 200) throw await statusError(exchange, response, key)
      discard(response)
      const length = response.headers.get('content-length')
      return length === null ? undefined : Number(length)
    },
  }
}

type Sending = {
  signal: AbortSignal
  body?: Uint8Array | undefined
  condition?: Record<string, string> | undefined
}
