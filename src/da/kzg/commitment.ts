/**
 * The commitment that a payload must have: codec, inverse transform, multi-scalar multiplication.
 *
 * ```
 * C = Σ cᵢ·[τⁱ]₁      c = IFFT(encoded payload as field elements)
 * ```
 */
import type { G1Point } from '../../core/bn254/curve/points.js'
import type { IoOptions } from '../../internal/deadline.js'
import { encodePayload } from '../eigenda/payloadCodec.js'
import { inverseFourier, symbolsToScalars } from './field.js'
import type { MsmBackend } from './msm/msm.js'
import { wasmMsm } from './msm/wasm.js'
import type { Srs } from './srs.js'

/** What a payload is encoded to before it is committed to. */
export type BlobForm =
  /** The encoded payload holds values at the roots of unity. What proxies do by default. */
  | 'evaluation'
  /** The encoded payload holds coefficients. */
  | 'coefficient'

/** Options of {@link commitToPayload}. */
export type CommitOptions = IoOptions & {
  srs: Srs
  /** @default wasmMsm() */
  msm?: MsmBackend | undefined
  /** @default 'evaluation' */
  form?: BlobForm | undefined
}

/**
 * Computes the G1 commitment of a payload.
 *
 * Takes about 0.02 ms a symbol with the default backend, a symbol being 31 bytes of payload.
 *
 * @throws {SrsTooShortError} when the reference string has fewer points than the blob symbols.
 * @example
 * ```ts
 * import { commitToPayload, createSrs } from '@newton/policy-sdk/da/kzg'
 *
 * const commit = (payload: Uint8Array, points: Uint8Array) =>
 *   commitToPayload(payload, { srs: createSrs({ points }) })
 * ```
 */
export async function commitToPayload(
  payload: Uint8Array,
  options: CommitOptions,
): Promise<G1Point> {
  return commitToEncodedPayload(encodePayload(payload), options)
}

/** Computes the G1 commitment of an encoded payload, a power of two of symbols. */
export async function commitToEncodedPayload(
  encoded: Uint8Array,
  options: CommitOptions,
): Promise<G1Point> {
  const { srs, msm = wasmMsm(), form = 'evaluation' } = options
  const io: IoOptions = { signal: options.signal, timeout: options.timeout }
  const values = symbolsToScalars(encoded)
  const coefficients = form === 'evaluation' ? inverseFourier(values) : values
  const points = await srs.prefix(coefficients.length, io)
  options.signal?.throwIfAborted()
  return msm.msm(points, coefficients, io)
}
