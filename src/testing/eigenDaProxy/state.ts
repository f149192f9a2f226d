/** What a fake proxy holds, and the faults it is still to make. */
import type { Hex } from 'viem'
import type { G1Point } from '../../core/bn254/curve/points.js'
import { payloadCapacity } from '../../da/index.js'
import { type FakeAnswer, type FakeProxyFault, failure } from './answers.js'
import { sequence, toyCommitment } from './certificate.js'
import type { FakeMemstoreConfig } from './config.js'

/** Largest body of a request, in bytes. */
export const MAX_BODY_BYTES: number = 16 * 1024 * 1024

/** Options of `createFakeEigenDaProxy`. */
export type FakeEigenDaProxyOptions = {
  apis?: readonly string[] | undefined
  readOnly?: boolean | undefined
  /** Whether the keccak lane has a store behind it. @default true */
  archive?: boolean | undefined
  /** Version of the certificates made. @default 4 */
  certVersion?: 3 | 4 | undefined
  config?: Partial<FakeMemstoreConfig> | undefined
  /** Whether `/config` exists; proxies before v2.5 have none. @default true */
  hasConfigRoute?: boolean | undefined
  /** Commits to a payload. By default under a toy ceremony whose secret is {@link TOY_TAU}. */
  commit?: ((payload: Uint8Array) => Promise<G1Point>) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
  /** @default a sequence that starts the same each time */
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** State of one fake. */
export type FakeProxyState = {
  readonly apis: readonly string[]
  readonly readOnly: boolean
  readonly archive: boolean
  readonly certVersion: 3 | 4
  /** The version as `/memstore/config` shows it: zero where nothing was asked for. */
  readonly shownCertVersion: 0 | 3 | 4
  /** The limit that `/config` tells, as it was at the start. */
  readonly maxPayloadBytes: number
  readonly hasConfigRoute: boolean
  readonly commit: (payload: Uint8Array) => Promise<G1Point>
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
  readonly config: FakeMemstoreConfig
  /** Blobs by the hash of their certificate. */
  readonly blobs: Map<Hex, FakeBlob>
  /** Objects of the keccak lane. */
  readonly objects: Map<string, Uint8Array>
  /** Dispersals by the hash of the payload. */
  readonly dispersals: Map<Hex, number>
  readonly faults: { fault: FakeProxyFault; left: number }[]
}

/** A stored payload, and the error that its derivation is to end in. */
export type FakeBlob = {
  payload: Uint8Array
  /** Version byte under which its certificate was handed out. */
  versionByte: number
  at: number
  error: FakeMemstoreConfig['derivationError']
}

/** A fresh fake's state. */
export function createFakeState(options: FakeEigenDaProxyOptions): FakeProxyState {
  const startBlobBytes = options.config?.maxBlobSizeBytes ?? MAX_BODY_BYTES
  return {
    apis: options.apis ?? ['standard', 'op-generic', 'op-keccak'],
    readOnly: options.readOnly ?? false,
    archive: options.archive ?? true,
    certVersion: options.certVersion ?? 4,
    shownCertVersion: options.certVersion ?? 0,
    maxPayloadBytes: payloadCapacity(Math.floor(startBlobBytes / 32)),
    hasConfigRoute: options.hasConfigRoute ?? true,
    commit: options.commit ?? toyCommitment,
    now: options.now ?? Date.now,
    randomBytes: options.randomBytes ?? sequence(),
    config: {
      maxBlobSizeBytes: MAX_BODY_BYTES,
      blobExpiration: 25 * 60_000,
      putLatency: 0,
      getLatency: 0,
      putReturnsFailoverError: false,
      derivationError: undefined,
      ...options.config,
    },
    blobs: new Map(),
    objects: new Map(),
    dispersals: new Map(),
    faults: [],
  }
}

/** The next fault on requests of that kind, if there is one. */
export function takeFault(
  { faults }: FakeProxyState,
  on: 'get' | 'put',
): FakeProxyFault | undefined {
  const entry = faults.find(({ fault, left }) => left > 0 && (fault.on ?? 'get') === on)
  if (entry) entry.left -= 1
  return entry?.fault
}

/** The answer to an API that is not enabled, `undefined` where it is. */
export function apiRefusal({ apis }: FakeProxyState, api: string): FakeAnswer | undefined {
  if (apis.includes(api)) return undefined
  return failure(403, `${api} DA Commitment type detected but \`${api}\` API is not enabled`)
}

/** The answer to a body that is too large, `undefined` where it is not. */
export function bodyRefusal(body: Uint8Array): FakeAnswer | undefined {
  if (body.length <= MAX_BODY_BYTES) return undefined
  return failure(
    400,
    `reading at most ${MAX_BODY_BYTES} bytes from body: http: request body too large`,
  )
}
