/** Options of the EigenDA adapter, and what the network promises. */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertChoice, assertFunctions, assertOptions } from '../../internal/options.js'
import type { DaHooks } from '../adapter.js'
import type { FetchLike } from '../internal/http.js'
import { atLeastOne, hookRules, retryRules, someTime } from '../internal/optionRules.js'
import type { EigenDaCert } from './cert/cert.js'
import { MAX_PAYLOAD_BYTES } from './payloadCodec.js'
import { memoryPayments, type PaymentRecord } from './payments.js'
import { type ProxyTarget, proxyBase } from './proxyClient.js'

/** Seconds the network keeps a blob: 100,800 blocks of twelve seconds. */
export const EIGENDA_RETENTION_SECONDS = 1_209_600
/** Blocks after its reference block when a blob is certainly gone: retention and 300 of staleness. */
export const EIGENDA_EXPIRY_BLOCKS = 101_100

/** Options of `eigenDa`. */
export type EigenDaOptions = DaHooks & {
  /** Base URL of the proxy, such as `http://127.0.0.1:3100`. */
  url: string
  /** Name in errors and events. @default 'eigenda' */
  source?: string | undefined
  fetch?: FetchLike | undefined
  /** Headers for a gateway in front of the proxy, which has no authentication of its own. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Most bytes of one blob's payload. @default 16_252_897 */
  maxPayloadBytes?: number | undefined
  /** Most blobs that one artifact is split over. @default 4 */
  maxParts?: number | undefined
  /** Whether to ask `/config` before the first write. @default true */
  probe?: boolean | undefined
  /** Recomputes commitments: `createKzg` of `da/kzg`. Without it a write is read back instead. */
  kzg?: EigenDaKzg | undefined
  /** Most symbols for which a write's commitment is recomputed. @default 65_536 */
  kzgMaxSymbols?: number | undefined
  /** Checks certificates after a write: `assertEigenDaCert` of `da/kzg`. Not for memstore. */
  checkCert?:
    | ((cert: EigenDaCert, options: IoOptions) => Promise<{ checks: readonly string[] }>)
    | undefined
  /** What is done after a write when its commitment was not recomputed. @default 'readBack' */
  afterPut?: 'readBack' | 'nothing' | undefined
  /**
   * Where it is remembered what was paid for and could not be checked, for all clients that are given
   * the same one: `filePayments` of `/da/node` outlives the process. @default memory of this client
   */
  payments?: PaymentRecord | undefined
  /** Newest L1 block, to tell an expired blob from one that is not there yet. */
  currentBlock?: ((options: IoOptions) => Promise<bigint>) | undefined
  /** Tries of reads, and of writes that were certainly not carried out. */
  retry?:
    | {
        reads?: number | undefined
        writes?: number | undefined
        baseDelay?: number | undefined
        maxDelay?: number | undefined
      }
    | undefined
  /** Milliseconds without a byte inside a body. @default 30_000 */
  stallTimeout?: number | undefined
  /** Milliseconds. @default put 600_000, get 150_000: what the proxy's own limits add up to */
  timeouts?: { put?: number | undefined; get?: number | undefined } | undefined
  /** In [0, 1), for jitter. @default Math.random */
  random?: (() => number) | undefined
}

/** The part of `createKzg`'s result that a write uses. */
export type EigenDaKzg = {
  readonly maxSymbols: number
  assertCommits(payload: Uint8Array, cert: EigenDaCert, options?: IoOptions): Promise<void>
}

/** Options with their defaults, checked once. */
export type EigenDaSettings = Pick<EigenDaOptions, 'kzg' | 'checkCert' | 'currentBlock'> & {
  source: string
  target: ProxyTarget
  /** Most bytes of one part. */
  limit: number
  maxParts: number
  probe: boolean
  payments: PaymentRecord
  kzgMaxSymbols: number
  afterPut: 'readBack' | 'nothing'
  retry: { reads: number; writes: number; baseDelay: number; maxDelay: number }
  random: () => number
  now: () => number
}

const optionRules = {
  ...hookRules,
  url: 'any',
  source: 'text',
  fetch: 'function',
  headers: 'object',
  maxPayloadBytes: atLeastOne,
  maxParts: atLeastOne,
  probe: 'flag',
  kzg: 'object',
  kzgMaxSymbols: { least: 0 },
  checkCert: 'function',
  afterPut: 'text',
  payments: 'object',
  currentBlock: 'function',
  retry: 'object',
  stallTimeout: someTime,
  timeouts: 'object',
  random: 'function',
} as const
const readRetryRules = {
  reads: atLeastOne,
  writes: atLeastOne,
  baseDelay: retryRules.baseDelay,
  maxDelay: retryRules.maxDelay,
} as const
const timeRules = { put: someTime, get: someTime } as const

/** @throws {InvalidInputError} for a malformed URL or option. */
export function eigenDaSettings(options: EigenDaOptions): EigenDaSettings {
  assertOptions(options, optionRules)
  if (options.retry) assertOptions(options.retry, readRetryRules, { field: 'options.retry' })
  if (options.timeouts) assertOptions(options.timeouts, timeRules, { field: 'options.timeouts' })
  if (options.afterPut !== undefined)
    assertChoice('afterPut', options.afterPut, ['readBack', 'nothing'])
  if (options.payments !== undefined)
    assertFunctions('options.payments', options.payments, ['read', 'write'])
  const { source = 'eigenda', maxPayloadBytes: limit = MAX_PAYLOAD_BYTES } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAYLOAD_BYTES) {
    throw new InvalidInputError({
      field: 'maxPayloadBytes',
      reason: `expected 1 to ${MAX_PAYLOAD_BYTES}`,
    })
  }
  const { reads = 5, writes = 3, baseDelay = 500, maxDelay = 8_000 } = options.retry ?? {}
  return {
    source,
    target: {
      url: proxyBase(options.url),
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      headers: options.headers ?? {},
      source,
      stallTimeout: options.stallTimeout ?? 30_000,
    },
    limit,
    maxParts: options.maxParts ?? 4,
    probe: options.probe ?? true,
    payments: options.payments ?? memoryPayments(),
    kzgMaxSymbols: options.kzgMaxSymbols ?? 65_536,
    afterPut: options.afterPut ?? 'readBack',
    retry: { reads, writes, baseDelay, maxDelay },
    random: options.random ?? Math.random,
    now: options.now ?? Date.now,
    kzg: options.kzg,
    checkCert: options.checkCert,
    currentBlock: options.currentBlock,
  }
}
