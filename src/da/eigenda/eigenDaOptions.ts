/** Options of the EigenDA adapter, and what the network promises. */
import type { IoOptions } from '../../internal/deadline.js'
import type { DaHooks } from '../adapter.js'
import type { FetchLike } from '../internal/http.js'
import type { EigenDaCert } from './cert.js'

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
