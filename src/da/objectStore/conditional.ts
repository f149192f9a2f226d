/** Any S3-compatible store as the `ObjectStore` that a ledger keeps its files in. */

import type { ObjectStore, StoredObjectVersion } from '../../core/interfaces/objectStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertHttpUrl, assertOptions } from '../../internal/options.js'
import { DaProtocolError } from '../errors.js'
import { discard, type Exchange, type FetchLike, readBody, send } from '../internal/http.js'
import { atLeastOne, someTime } from '../internal/optionRules.js'
import { type S3Credentials, signRequest } from './sigv4.js'
import { statusError, storeError } from './storeErrors.js'

/** Options of {@link s3ObjectStore}. */
export type S3ObjectStoreOptions = {
  bucket: string
  /** Base URL of the store; objects are at `<endpoint>/<bucket>/<key>`. */
  endpoint: string
  /** @default 'us-east-1' */
  region?: string | undefined
  /** Without them requests are not signed. */
  credentials?: S3Credentials | undefined
  fetch?: FetchLike | undefined
  /** Most bytes of one object. @default 32 MiB */
  maxBytes?: number | undefined
  /** Milliseconds for one request. @default 30_000 */
  timeout?: number | undefined
  /** Unix milliseconds, for signatures. @default Date.now */
  now?: (() => number) | undefined
}

type Sending = {
  signal: AbortSignal
  query?: Record<string, string> | undefined
  body?: Uint8Array | undefined
  condition?: Record<string, string> | undefined
}

const source = 'object-store'
/** Bytes of one page of keys. */
const MAX_PAGE = 4 * 1_048_576
/** Bytes of an answer that there is no such object, all of which is read. */
const MAX_ERROR = 65_536

/**
 * Creates an object store with conditional writes, for `objectTiles` of `/ledger`. The store has to
 * support `If-None-Match` and `If-Match` on writes; one that does not answers 501, and nothing is written.
 *
 * @throws {InvalidInputError} for an endpoint or a bucket that is none.
 * @throws {DaUnavailableError} from its calls, where the outcome is unknown.
 * @example
 * ```ts
 * import { s3ObjectStore } from '@newton/policy-sdk/da'
 * import { objectTiles } from '@newton/policy-sdk/ledger'
 *
 * const store = s3ObjectStore({ endpoint: 'https://s3.example.com', bucket: 'ledgers' })
 * const tiles = objectTiles({ store, prefix: 'eval/' })
 * ```
 */
export function s3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  assertOptions(
    options,
    {
      ...{ bucket: 'text', endpoint: 'text', region: 'text', credentials: 'object' },
      ...{ fetch: 'function', maxBytes: atLeastOne, timeout: someTime, now: 'function' },
    },
    { required: ['bucket', 'endpoint'] },
  )
  const { maxBytes = 33_554_432, timeout = 30_000 } = options
  const request = requestOf(options)
  const within = <value>(
    what: string,
    io: IoOptions,
    work: (signal: AbortSignal) => Promise<value>,
  ): Promise<value> =>
    withDeadline(`object ${what}`, { signal: io.signal, timeout: io.timeout ?? timeout }, work)

  return {
    get: (key, io = {}) =>
      within(key, io, async (signal): Promise<StoredObjectVersion | undefined> => {
        const { exchange, response } = await request('GET', key, { signal })
        if (await isMissing(key, { exchange, response }, timeout)) return undefined
        if (response.status !== 200) throw await statusError(exchange, response, key)
        const etag = tagOf(response)
        const bytes = await readBody(exchange, response, { limit: maxBytes, stallTimeout: timeout })
        return { bytes, etag }
      }),
    put: (key, bytes, io) =>
      within(key, io, async (signal) => {
        const condition: Record<string, string> =
          'ifMatch' in io ? { 'if-match': io.ifMatch } : { 'if-none-match': '*' }
        const { exchange, response } = await request('PUT', key, { signal, body: bytes, condition })
        // A version to replace that is gone is another version.
        const isGone = response.status === 404 && 'ifMatch' in io
        if (response.status === 412 || isGone) {
          await discard(response)
          return undefined
        }
        if (![200, 201, 204].includes(response.status)) {
          throw await statusError(exchange, response, key)
        }
        const etag = tagOf(response)
        await discard(response)
        return { etag }
      }),
    delete: (key, io = {}) =>
      within(key, io, async (signal) => {
        const { exchange, response } = await request('DELETE', key, { signal })
        if (![200, 202, 204, 404].includes(response.status)) {
          throw await statusError(exchange, response, key)
        }
        await discard(response)
      }),
    list: (prefix, io = {}) =>
      within(prefix, io, async (signal) => {
        const keys: string[] = []
        let token: string | undefined
        do {
          const query = {
            'list-type': '2',
            prefix,
            ...(token === undefined ? {} : { 'continuation-token': token }),
          }
          const { exchange, response } = await request('GET', '', { signal, query })
          if (response.status !== 200) throw await statusError(exchange, response, prefix)
          const page = await readBody(exchange, response, {
            limit: MAX_PAGE,
            stallTimeout: timeout,
          })
          const xml = new TextDecoder().decode(page)
          keys.push(...[...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => plain(key)))
          const isMore = /<IsTruncated>true<\/IsTruncated>/.test(xml)
          const next = /<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(xml)?.[1]
          if (isMore && next === undefined) {
            throw new DaProtocolError({
              source,
              reason: 'a page of keys that does not say what follows',
            })
          }
          token = isMore ? plain(next as string) : undefined
        } while (token !== undefined)
        return keys.filter((key) => key.startsWith(prefix))
      }),
  }
}

function requestOf(options: S3ObjectStoreOptions) {
  const { bucket, endpoint, region = 'us-east-1', credentials, now = Date.now } = options
  assertHttpUrl('endpoint', endpoint)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new InvalidInputError({ field: 'bucket', reason: 'expected the name of a bucket' })
  }
  const base = `${endpoint.replace(/\/+$/, '')}/${bucket}`
  const fetcher: FetchLike = options.fetch ?? ((input, init) => fetch(input, init))
  return async (
    method: string,
    key: string,
    { signal, query = {}, body, condition = {} }: Sending,
  ): Promise<{ exchange: Exchange; response: Response }> => {
    const path = key === '' ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`
    const url = new URL(`${base}${path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const headers: Record<string, string> =
      body === undefined ? {} : { 'content-type': 'application/octet-stream', ...condition }
    const signed =
      credentials === undefined
        ? headers
        : signRequest(
            { method, url, headers, body: body ?? new Uint8Array(0) },
            { credentials, region, now: now() },
          )
    const exchange: Exchange = { source, fetch: fetcher, signal }
    const init: RequestInit = { method, headers: signed }
    if (body !== undefined) init.body = body as unknown as BodyInit
    return { exchange, response: await send(exchange, url.href, init) }
  }
}

async function isMissing(
  key: string,
  { exchange, response }: { exchange: Exchange; response: Response },
  stallTimeout: number,
): Promise<boolean> {
  if (response.status !== 404) return false
  const body = await readBody(exchange, response, { limit: MAX_ERROR, stallTimeout })
  // No bucket is not a missing object: a ledger would start anew in it.
  if (!/<Code>NoSuchBucket<\/Code>/.test(new TextDecoder().decode(body))) return true
  throw storeError({ source, key, status: 404, code: 'NoSuchBucket' })
}

function tagOf(response: Response): string {
  const etag = response.headers.get('etag')
  if (etag !== null && etag !== '') return etag
  throw new DaProtocolError({ source, reason: 'an answer without the ETag of its object' })
}

/** Text of XML. */
function plain(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => named[name] as string)
}
