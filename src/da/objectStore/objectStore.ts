/**
 * Any S3-compatible store, keys by keccak-256, written once and never over.
 *
 * A store is believed about nothing: what it returns is hashed, and an object that is already there
 * is read back before a write counts as done.
 */
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { BaseError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { createDaAdapter, type DaCall, type DaHooks, requireArtifactHash } from '../adapter.js'
import {
  DaConfigError,
  DaIntegrityError,
  DaNotFoundError,
  DaPayloadTooLargeError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaUnavailableError,
} from '../errors.js'
import {
  discard,
  type Exchange,
  type FetchLike,
  readBody,
  readErrorText,
  send,
} from '../internal/http.js'
import { withRetry } from '../internal/retry.js'
import { type S3Credentials, signRequest } from './sigv4.js'

/** The part of `S3` of `@aws-sdk/client-s3` that is used. Pass an instance as `s3`. */
export type S3Like = {
  putObject(
    input: { Bucket: string; Key: string; Body: Uint8Array; IfNoneMatch: '*'; ContentType: string },
    options: { abortSignal: AbortSignal },
  ): Promise<unknown>
  getObject(
    input: { Bucket: string; Key: string },
    options: { abortSignal: AbortSignal },
  ): Promise<{
    Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined
    ContentLength?: number | undefined
  }>
  headObject(
    input: { Bucket: string; Key: string },
    options: { abortSignal: AbortSignal },
  ): Promise<{ ContentLength?: number | undefined }>
}

/** Options of {@link objectStore}. */
export type ObjectStoreOptions = DaHooks & {
  bucket: string
  /** Put before the hash in keys. @default '' */
  prefix?: string | undefined
  /** Base URL of the store; objects are at `<endpoint>/<bucket>/<key>`. */
  endpoint?: string | undefined
  /** @default 'us-east-1' */
  region?: string | undefined
  /** Without them requests are not signed, for public buckets. */
  credentials?: S3Credentials | undefined
  /** An instance of `S3` of the AWS SDK, in place of `endpoint`, `region` and `credentials`. */
  s3?: S3Like | undefined
  fetch?: FetchLike | undefined
  /** Name in locators; a locator without a name matches every store. @default '' */
  name?: string | undefined
  /** Most bytes of one artifact. @default 64 MiB */
  maxBytes?: number | undefined
  retry?:
    | { tries?: number | undefined; baseDelay?: number | undefined; maxDelay?: number | undefined }
    | undefined
  /** Milliseconds without a byte inside a body. @default 15_000 */
  stallTimeout?: number | undefined
  /** In [0, 1), for jitter. @default Math.random */
  random?: (() => number) | undefined
}

/**
 * Creates an adapter for an object store.
 *
 * Writes carry `If-None-Match: *`, so that nothing is ever overwritten; writing the same artifact
 * twice is the same as once.
 *
 * @example
 * ```ts
 * import { objectStore } from '@newton/policy-sdk/da'
 *
 * const da = objectStore({
 *   endpoint: 'https://s3.example.com',
 *   bucket: 'artifacts',
 *   credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
 * })
 * ```
 */
export function objectStore(options: ObjectStoreOptions): DaClient {
  const { bucket, prefix = '', name = '', maxBytes = 67_108_864, random = Math.random } = options
  const { tries = 4, baseDelay = 200, maxDelay = 4_000 } = options.retry ?? {}
  const source = name === '' ? 'object-store' : `object-store:${name}`
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new InvalidInputError({
      field: 'bucket',
      reason: `${JSON.stringify(bucket)} is no bucket name`,
    })
  }
  // These characters are signed in one form and sent in another; dots would lead out of the bucket.
  if (/[!'()*]/.test(prefix) || /(^|\/)\.{1,2}(\/|$)/.test(prefix) || prefix.startsWith('/')) {
    throw new InvalidInputError({
      field: 'prefix',
      reason: "expected none of ! ' ( ) *, no leading slash and no segment `.` or `..`",
    })
  }
  const store = options.s3
    ? sdkStore(options.s3, { bucket, source, maxBytes })
    : fetchStore(options, source, maxBytes)
  const keyOf = (hash: Hex): string => `${prefix}${hash.slice(2)}`
  const retrying = <value>(call: DaCall, work: () => Promise<value>): Promise<value> =>
    withRetry(work, { tries, baseDelay, maxDelay, random, signal: call.signal })

  return createDaAdapter(
    {
      kind: 'object-store',
      source,
      retention: { kind: 'permanent' },
      supports: (locator) =>
        locator.kind === 'keccakStore' && (locator.name === '' || locator.name === name),
      async put(bytes, call) {
        if (bytes.length > maxBytes)
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        const key = keyOf(call.hash)
        const outcome = await retrying(call, () =>
          store.putIfAbsent(key, bytes.slice(), call.signal),
        )
        if (outcome === 'exists') {
          // Someone wrote this key before. Whether it was this artifact is for its hash to say.
          const held = await retrying(call, () => store.get(key, call))
          const actual = longKeccakHex(held)
          if (actual !== call.hash) {
            throw new DaIntegrityError({
              source,
              expected: call.hash,
              actual,
              reason: 'the key is taken by other bytes',
            })
          }
        }
        call.onProgress?.({ loaded: bytes.length, total: bytes.length })
        return {
          locator: { kind: 'keccakStore', name },
          checks: outcome === 'exists' ? ['keccak256'] : [],
        }
      },
      async read(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        return retrying(call, () => store.get(keyOf(hash), call))
      },
      async head(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        try {
          const byteLength = await retrying(call, () => store.head(keyOf(hash), call.signal))
          return { status: 'available', byteLength }
        } catch (error) {
          call.signal.throwIfAborted()
          return { status: error instanceof DaNotFoundError ? 'missing' : 'unknown' }
        }
      },
    },
    options,
  )
}

type Store = {
  putIfAbsent(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<'written' | 'exists'>
  get(key: string, call: Pick<DaCall, 'signal' | 'onProgress'>): Promise<Uint8Array>
  head(key: string, signal: AbortSignal): Promise<number | undefined>
}

function fetchStore(options: ObjectStoreOptions, source: string, maxBytes: number): Store {
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

  async function request(
    method: string,
    key: string,
    signal: AbortSignal,
    body?: Uint8Array,
  ): Promise<{ exchange: Exchange; response: Response }> {
    const url = new URL(`${base}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`)
    const plain: Record<string, string> = body
      ? { 'content-type': 'application/octet-stream', 'if-none-match': '*' }
      : {}
    const headers = credentials
      ? signRequest(
          { method, url, headers: plain, body: body ?? new Uint8Array(0) },
          { credentials, region, now: now() },
        )
      : plain
    const exchange: Exchange = { source, fetch: fetcher, signal }
    const init: RequestInit = { method, headers }
    if (body) init.body = body as unknown as BodyInit
    return { exchange, response: await send(exchange, url.href, init) }
  }

  return {
    async putIfAbsent(key, bytes, signal) {
      const { exchange, response } = await request('PUT', key, signal, bytes)
      if (response.status === 200 || response.status === 201 || response.status === 204) {
        await discard(response)
        return 'written'
      }
      if (response.status === 412) {
        await discard(response)
        return 'exists'
      }
      throw await statusError(exchange, response, key)
    },
    async get(key, { signal, onProgress }) {
      const { exchange, response } = await request('GET', key, signal)
      if (response.status !== 200) throw await statusError(exchange, response, key)
      return readBody(exchange, response, { limit: maxBytes, onProgress, stallTimeout })
    },
    async head(key, signal) {
      const { exchange, response } = await request('HEAD', key, signal)
      if (response.status !== 200) throw await statusError(exchange, response, key)
      await discard(response)
      const length = response.headers.get('content-length')
      return length === null ? undefined : Number(length)
    },
  }
}

function sdkStore(
  s3: S3Like,
  { bucket, source, maxBytes }: { bucket: string; source: string; maxBytes: number },
): Store {
  async function mapped<value>(
    key: string,
    signal: AbortSignal,
    work: () => Promise<value>,
  ): Promise<value> {
    try {
      return await work()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof BaseError) throw error
      const { name, $metadata } = error as {
        name?: string
        $metadata?: { httpStatusCode?: number }
      }
      throw storeError(
        { source, key, status: $metadata?.httpStatusCode ?? 0, code: name ?? '' },
        error,
      )
    }
  }
  return {
    async putIfAbsent(key, bytes, signal) {
      return mapped(key, signal, async () => {
        try {
          await s3.putObject(
            {
              Bucket: bucket,
              Key: key,
              Body: bytes,
              IfNoneMatch: '*',
              ContentType: 'application/octet-stream',
            },
            { abortSignal: signal },
          )
          return 'written'
        } catch (error) {
          const { name, $metadata } = error as {
            name?: string
            $metadata?: { httpStatusCode?: number }
          }
          if (name === 'PreconditionFailed' || $metadata?.httpStatusCode === 412) return 'exists'
          throw error
        }
      })
    },
    async get(key, { signal, onProgress }) {
      return mapped(key, signal, async () => {
        const { Body, ContentLength } = await s3.getObject(
          { Bucket: bucket, Key: key },
          { abortSignal: signal },
        )
        if ((ContentLength ?? 0) > maxBytes) {
          throw new DaIntegrityError({
            source,
            reason: `an object of ${ContentLength} bytes, over the limit of ${maxBytes}`,
          })
        }
        const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array(0)
        onProgress?.({ loaded: bytes.length, total: ContentLength })
        return bytes
      })
    },
    async head(key, signal) {
      return mapped(key, signal, async () => {
        const { ContentLength } = await s3.headObject(
          { Bucket: bucket, Key: key },
          { abortSignal: signal },
        )
        return ContentLength
      })
    },
  }
}

async function statusError(
  exchange: Exchange,
  response: Response,
  key: string,
): Promise<BaseError> {
  const { raw } = await readErrorText(exchange, response)
  const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(raw)?.[1] ?? ''
  return storeError({ source: exchange.source, key, status: response.status, code })
}

function storeError(
  { source, key, status, code }: { source: string; key: string; status: number; code: string },
  cause?: unknown,
): BaseError {
  const options = cause === undefined ? {} : { cause }
  const reason = [status === 0 ? '' : `status ${status}`, code]
    .filter((part) => part !== '')
    .join(', ')
  if (status === 404 || code === 'NoSuchKey' || code === 'NotFound') {
    if (code === 'NoSuchBucket') return new DaConfigError({ source, reason, status }, options)
    return new DaNotFoundError({ source, what: `object ${key}` }, options)
  }
  if (status === 429 || code === 'SlowDown') return new DaRateLimitedError({ source }, options)
  if (status === 401 || status === 403) {
    return new DaConfigError(
      {
        source,
        reason,
        hint: 'Check the keys. Without the right to list, a store also answers so for what it does not hold.',
        status,
      },
      options,
    )
  }
  if (status === 501) {
    return new DaConfigError(
      { source, reason, hint: 'The store must support `If-None-Match` on writes.', status },
      options,
    )
  }
  // 409 is two writers of one key at once: the same write may simply be made again.
  if (status >= 500 || status === 409 || status === 0)
    return new DaUnavailableError(
      { source, reason: reason === '' ? 'no answer' : reason, status },
      options,
    )
  return new DaRequestRejectedError({ source, reason, status }, options)
}
