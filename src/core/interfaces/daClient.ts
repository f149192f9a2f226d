import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { DaLocator } from '../locator.js'

/** Bytes moved so far; `total` is unknown for some sources. */
export type DaProgress = { loaded: number; total?: number | undefined }

/** Options of every call of a {@link DaClient}. */
export type DaOptions = IoOptions & {
  onProgress?: ((progress: DaProgress) => void) | undefined
  /**
   * For writes that cost money: whether bytes that were paid for, and that cannot be read back now, are
   * paid for again. Without it such a write fails until they can be. @default false
   */
  mayPayTwice?: boolean | undefined
}

/** Options of a read. */
export type DaReadOptions = DaOptions & {
  /**
   * Name of the artifact. Needed where the locator does not carry it: the keccak lane of the
   * EigenDA proxy and keccak-addressed stores. `getWithVerification` supplies it.
   */
  artifactHash?: Hex | undefined
}

/** How long a store keeps bytes. */
export type DaRetention = { kind: 'permanent' } | { kind: 'expires'; seconds: number }

/** What was checked about some bytes, and how. */
export type DaEvidence = {
  /** Kind of the store the bytes came from or went to. */
  source: string
  /** Checks that were made and passed, such as `keccak256`, `multihash`, `kzg`, `cert`. */
  checks: readonly string[]
}

/** Outcome of a `put`. */
export type DaReceipt = {
  locator: DaLocator
  artifactHash: Hex
  byteLength: number
  evidence: DaEvidence
  /** Unix seconds after which the store may drop the bytes. */
  expiresAt?: number | undefined
}

/** What a store says about some bytes, without sending them. */
export type DaStatus =
  | { status: 'available'; byteLength?: number | undefined; expiresAt?: number | undefined }
  | { status: 'pending' | 'missing' | 'unknown' }

/**
 * A data-availability backend. `getWithVerification` is the only read the rest of the package
 * uses: a backend is never believed about which bytes it returns.
 */
export interface DaClient {
  readonly kind: string
  readonly retention: DaRetention
  /**
   * Whether a write may cost money, so that one without an answer must not be repeated elsewhere.
   * Taken to be so unless it is `false`.
   */
  readonly paid?: boolean | undefined
  put(bytes: Uint8Array, options?: DaOptions): Promise<DaReceipt>
  /** Whether this backend can read locators like this one. Without it, all are tried. */
  supports?(locator: DaLocator): boolean
  get(locator: DaLocator, options?: DaReadOptions): Promise<Uint8Array>
  /** Reads and checks keccak-256 against `expected` before it returns. */
  getWithVerification(locator: DaLocator, expected: Hex, options?: DaOptions): Promise<Uint8Array>
  head?(locator: DaLocator, options?: DaReadOptions): Promise<DaStatus>
  renew?(locator: DaLocator, bytes: Uint8Array, options?: DaOptions): Promise<DaReceipt>
}
