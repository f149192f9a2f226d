/**
 * Any S3-compatible store, keys by keccak-256; a copy is written once and never over.
 *
 * A store is believed about nothing: what it returns is hashed, and an object that is already there
 * is read back before a write counts as done.
 */

import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes } from '../../internal/bytes.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { assertOptions } from '../../internal/options.js'
import { createDaAdapter, type DaCall, type DaHooks, requireArtifactHash } from '../adapter.js'
import { DaIntegrityError, DaNotFoundError, DaPayloadTooLargeError } from '../errors.js'
import type { FetchLike } from '../internal/http.js'
import { atLeastOne, hookRules, retryRules, someTime } from '../internal/optionRules.js'
import { withRetry } from '../internal/retry.js'
import { fetchStore } from './fetchStore.js'
import { type S3Like, sdkStore } from './sdkStore.js'
import type { S3Credentials } from './sigv4.js'
import type { Store } from './store.js'

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
 * Writes carry `If-None-Match: *`, so that a copy is never overwritten; writing the same artifact
 * twice is the same as once. An object whose bytes are not those of its key is damage: a write of the
 * artifact replaces just that version of it (`If-Match`).
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
  assertOptions(
    options,
    {
      ...hookRules,
      bucket: 'text',
      prefix: 'text',
      endpoint: 'text',
      region: 'text',
      credentials: 'object',
      s3: 'object',
      fetch: 'function',
      name: 'text',
      maxBytes: atLeastOne,
      retry: 'object',
      stallTimeout: someTime,
      random: 'function',
    },
    { required: ['bucket'] },
  )
  if (options.retry) assertOptions(options.retry, retryRules, { field: 'options.retry' })
  const { bucket, prefix = '', name = '', maxBytes = 67_108_864, random = Math.random } = options
  const { tries = 4, baseDelay = 200, maxDelay = 4_000 } = options.retry ?? {}
  const source = name === '' ? 'object-store' : `object-store:${name}`
  assertPlace({ bucket, prefix })
  const store = options.s3
    ? sdkStore(options.s3, { bucket, source, maxBytes })
    : fetchStore(options, { source, maxBytes })
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
        const again = {
          retrying: <value>(work: () => Promise<value>) => retrying(call, work),
          call,
        }
        const outcome = await putOrRepair(store, { key, bytes: copyBytes(bytes), source }, again)
        call.onProgress?.({ loaded: bytes.length, total: bytes.length })
        return {
          locator: { kind: 'keccakStore', name },
          checks: outcome === 'held' ? ['keccak256'] : [],
        }
      },
      async read(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        return (await retrying(call, () => store.get(keyOf(hash), call))).bytes
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

/** Writes that are tried on one key while others change it. */
const MOST_WRITES = 3

/** Writes, counts a copy that is there already, or replaces what is no copy. */
async function putOrRepair(
  store: Store,
  { key, bytes, source }: { key: string; bytes: Uint8Array; source: string },
  { call, retrying }: { call: DaCall & { hash: Hex }; retrying: Retrying },
): Promise<'written' | 'held'> {
  const { hash: expected, signal } = call
  let replacing: string | undefined
  let actual: Hex | undefined
  for (let writes = 0; writes < MOST_WRITES; writes++) {
    const outcome = await retrying(() => store.put(key, bytes, { replacing, signal }))
    if (outcome === 'written') return 'written'
    // Someone wrote this key. Whether it was this artifact is for its hash to say.
    let held: Awaited<ReturnType<Store['get']>>
    try {
      held = await retrying(() => store.get(key, { signal }))
    } catch (error) {
      if (!(error instanceof DaNotFoundError)) throw error
      // Removed in between: the key is free again.
      replacing = undefined
      continue
    }
    actual = longKeccakHex(held.bytes)
    if (actual === expected) return 'held'
    replacing = held.etag
    // Without a tag there is no telling which version would be overwritten.
    if (replacing === undefined) break
  }
  const reason = 'the key is taken by other bytes, and the store does not let them be replaced'
  throw new DaIntegrityError({ source, expected, ...(actual && { actual }), reason })
}

type Retrying = <value>(work: () => Promise<value>) => Promise<value>

function assertPlace({ bucket, prefix }: { bucket: string; prefix: string }): void {
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
}
