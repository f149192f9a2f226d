/**
 * The proxy's keccak lane: a permanent store behind the same proxy, keyed by exactly our hash. It
 * never goes to the EigenDA network.
 */

import type { DaClient } from '../../core/interfaces/daClient.js'
import { assertOptions } from '../../internal/options.js'
import { createDaAdapter, type DaHooks, requireArtifactHash } from '../adapter.js'
import {
  DaIntegrityError,
  DaNotFoundError,
  DaPayloadTooLargeError,
  DaProtocolError,
} from '../errors.js'
import type { FetchLike } from '../internal/http.js'
import { atLeastOne, hookRules, retryRules, someTime } from '../internal/optionRules.js'
import { withRetry } from '../internal/retry.js'
import {
  getPayload,
  isUnsent,
  type ProxyTarget,
  postPayload,
  probePayload,
  proxyBase,
} from './proxyClient.js'

/** Options of {@link eigenDaArchive}. */
export type EigenDaArchiveOptions = DaHooks & {
  /** Base URL of the proxy. */
  url: string
  /** Name in errors and events. @default 'eigenda-archive' */
  source?: string | undefined
  fetch?: FetchLike | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** Most bytes of one artifact; the proxy's own limit. @default 16_777_216 */
  maxBytes?: number | undefined
  retry?:
    | { tries?: number | undefined; baseDelay?: number | undefined; maxDelay?: number | undefined }
    | undefined
  /** Milliseconds without a byte inside a body. @default 30_000 */
  stallTimeout?: number | undefined
  /** In [0, 1), for jitter. @default Math.random */
  random?: (() => number) | undefined
}

/**
 * Creates an adapter for the keccak lane of a proxy that has a store behind it.
 *
 * Writing twice is harmless, so writes are repeated like reads. How long the store keeps objects
 * is its owner's promise; it has no expiry of its own.
 *
 * @example
 * ```ts
 * import { eigenDa } from '@newton/policy-sdk/da'
 *
 * const archive = eigenDa.archive({ url: 'http://127.0.0.1:3100' })
 * ```
 */
export function eigenDaArchive(options: EigenDaArchiveOptions): DaClient {
  assertOptions(options, {
    ...hookRules,
    url: 'any',
    source: 'text',
    fetch: 'function',
    headers: 'object',
    maxBytes: atLeastOne,
    retry: 'object',
    stallTimeout: someTime,
    random: 'function',
  })
  if (options.retry) assertOptions(options.retry, retryRules, { field: 'options.retry' })
  const { source = 'eigenda-archive', maxBytes = 16_777_216, random = Math.random } = options
  const target: ProxyTarget = {
    url: proxyBase(options.url),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    headers: options.headers ?? {},
    source,
    stallTimeout: options.stallTimeout ?? 30_000,
  }
  const { tries = 5, baseDelay = 500, maxDelay = 8_000 } = options.retry ?? {}
  const pathOf = (verb: 'get' | 'put', hash: string): string => `/${verb}/0x00${hash.slice(2)}`
  return createDaAdapter(
    {
      kind: 'eigenda-archive',
      source,
      retention: { kind: 'permanent' },
      supports: ({ kind }) => kind === 'eigenDaArchive',
      timeouts: { put: 150_000, get: 150_000 },
      async put(bytes, call) {
        if (bytes.length > maxBytes) {
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        }
        const answer = await withRetry(
          () =>
            postPayload(
              target,
              { path: pathOf('put', call.hash), payload: bytes, limit: maxBytes },
              call,
            ),
          {
            tries,
            baseDelay,
            maxDelay,
            random,
            signal: call.signal,
            shouldRetry: (error) => isUnsent(error) || isRepeatable(error),
          },
        )
        // An empty body is the lane's answer; bytes would be a commitment of another mode.
        if (answer.length > 0) {
          throw new DaProtocolError({
            source,
            reason: `${answer.length} bytes in answer to a keccak write`,
          })
        }
        call.onProgress?.({ loaded: bytes.length, total: bytes.length })
        return { locator: { kind: 'eigenDaArchive' }, checks: [] }
      },
      async read(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        const bytes = await withRetry(
          () =>
            getPayload(
              target,
              { path: pathOf('get', hash), what: `artifact ${hash}`, maxBytes },
              call,
            ),
          { tries, baseDelay, maxDelay, random, signal: call.signal },
        )
        if (bytes.length === 0)
          throw new DaIntegrityError({ source, expected: hash, reason: 'an empty body' })
        return bytes
      },
      async head(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        try {
          await probePayload(target, { path: pathOf('get', hash), what: `artifact ${hash}` }, call)
          return { status: 'available' }
        } catch (error) {
          call.signal.throwIfAborted()
          return { status: error instanceof DaNotFoundError ? 'missing' : 'unknown' }
        }
      },
    },
    options,
  )
}

// A keccak write is the same whenever it is made: an open outcome may be tried again.
function isRepeatable(error: unknown): boolean {
  const { code, retryable } = error as { code?: unknown; retryable?: unknown }
  return retryable === true || code === 'DA_OUTCOME_UNKNOWN'
}
