/**
 * The structured reference string: powers of the ceremony's secret τ in G1, as files give them.
 *
 * ```
 * point = 32 bytes, big-endian x; top two bits 10 the smaller y, 11 the larger, 01 infinity
 * file  = [1]₁ ‖ [τ]₁ ‖ [τ²]₁ ‖ …
 * ```
 * The file is never trusted. Before points are used, one pairing equation over a random combination
 * of all of them shows that each is τ times the one before, for the τ of the mainnet ceremony:
 *
 * ```
 * e(Σ rⁱ·P(i+1), [1]₂) = e(Σ rⁱ·P(i), [τ]₂)        r = H(points), P(0) = [1]₁
 * ```
 */
import { bn254 } from '@noble/curves/bn254.js'
import {
  FIELD_MODULUS,
  type G1Point,
  type G2Point,
  GROUP_ORDER,
} from '../../core/bn254/curve/points.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, copyBytes, utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import { assertBytes, assertFunctions, assertOptions } from '../../internal/options.js'
import { atLeastOne } from '../internal/optionRules.js'
import { InvalidSrsError, SrsTooShortError } from './errors.js'
import { powers } from './field.js'
import type { MsmBackend } from './msm/msm.js'
import { wasmMsm } from './msm/wasm.js'
import { pairingsEqual } from './pairing.js'

/** Bytes of one compressed point. */
export const SRS_POINT_BYTES = 32

/** `[τ]₂` of the mainnet ceremony. Source: EigenDA's `g2.point.powerOf2`, first point. */
export const MAINNET_TAU_G2: G2Point = {
  X: [
    10478571113809844268398751534081669357808742555529167819607714577862447855483n,
    19394299006376106554626551996044114846855237028623244664226757033024550999552n,
  ],
  Y: [
    10552783866161062341197740743287753408530108186218052255509661543860392060676n,
    9205262336805673656533560220225620941045451042642528799409071118332922267006n,
  ],
}

/** A reference string that checks what it hands out. */
export type Srs = {
  /** Points supplied. */
  readonly length: number
  /** The first `count` points, checked. Decompressed and checked once. */
  prefix(count: number, options?: IoOptions): Promise<readonly G1Point[]>
}

/** Options of {@link createSrs}. */
export type SrsOptions = {
  /** Compressed points from the start of the file, or a function that gives the first `count` of them. */
  points: Uint8Array | ((count: number, options: IoOptions) => Promise<Uint8Array>)
  /** Points there are, where `points` is a function. @default 524_288 */
  length?: number | undefined
  /** Used for the check. @default wasmMsm() */
  msm?: MsmBackend | undefined
  /** `[τ]₂` of another ceremony, for tests. @default MAINNET_TAU_G2 */
  tauG2?: G2Point | undefined
}

/**
 * Wraps a reference string from anywhere. Nothing is read or computed until points are needed, and
 * then only as many as are needed.
 *
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 * @throws {InvalidSrsError} from `prefix` when a point is malformed or not a power of τ.
 * @throws {SrsTooShortError} from `prefix` beyond what was supplied.
 * @example
 * ```ts
 * import { createSrs } from '@newton/policy-sdk/da/kzg'
 *
 * // `bytes` is any prefix of the mainnet g1.point file, 64 KiB for payloads up to 63,457 bytes.
 * const open = (bytes: Uint8Array) => createSrs({ points: bytes })
 * ```
 */
export function createSrs(options: SrsOptions): Srs {
  assertOptions(
    options,
    { points: 'any', length: atLeastOne, msm: 'object', tauG2: 'object' },
    { required: ['points'] },
  )
  if (typeof options.points !== 'function') assertBytes('options.points', options.points)
  if (options.msm !== undefined) assertFunctions('options.msm', options.msm, ['msm'])
  const { points, msm = wasmMsm(), tauG2 = MAINNET_TAU_G2 } = options
  const length =
    points instanceof Uint8Array
      ? Math.floor(points.length / SRS_POINT_BYTES)
      : (options.length ?? 524_288)
  let checked: readonly G1Point[] = []
  let pending: Promise<unknown> = Promise.resolve()

  async function load(count: number, io: IoOptions): Promise<readonly G1Point[]> {
    if (checked.length >= count) return checked
    const bytes = points instanceof Uint8Array ? points : await points(count, io)
    if (bytes.length < count * SRS_POINT_BYTES) {
      throw new SrsTooShortError({
        needed: count,
        available: Math.floor(bytes.length / SRS_POINT_BYTES),
      })
    }
    const prefix = bytes.subarray(0, count * SRS_POINT_BYTES)
    const decompressed = Array.from({ length: count }, (_, index) =>
      decompressG1(
        prefix.subarray(index * SRS_POINT_BYTES, (index + 1) * SRS_POINT_BYTES),
        `point ${index}`,
      ),
    )
    await assertPowersOfTau(decompressed, { bytes: prefix, msm, tauG2, io })
    checked = decompressed
    return checked
  }

  return {
    length,
    async prefix(count, io = {}) {
      if (!Number.isInteger(count) || count < 1) {
        throw new InvalidInputError({
          field: 'count',
          reason: `expected a positive integer, got ${count}`,
        })
      }
      if (count > length) throw new SrsTooShortError({ needed: count, available: length })
      // One after the other: a second caller finds the first one's work done.
      const result = pending.then(() => load(count, io))
      pending = result.catch(() => undefined)
      return (await result).slice(0, count)
    },
  }
}

/**
 * Decompresses one point in gnark-crypto's form.
 *
 * @throws {InvalidSrsError} for the wrong flag, a coordinate out of range, or no such point.
 */
export function decompressG1(bytes: Uint8Array, what = 'the point'): G1Point {
  if (bytes.length !== SRS_POINT_BYTES)
    throw new InvalidSrsError({ reason: `${what} has ${bytes.length} bytes, not 32` })
  const flag = (bytes[0] as number) >> 6
  const masked = copyBytes(bytes)
  masked[0] = (bytes[0] as number) & 0x3f
  const x = bytesToUint(masked)
  if (flag === 1) {
    if (x !== 0n) throw new InvalidSrsError({ reason: `${what} is an infinity with coordinates` })
    return { X: 0n, Y: 0n }
  }
  if (flag === 0) throw new InvalidSrsError({ reason: `${what} is not compressed` })
  if (x >= FIELD_MODULUS)
    throw new InvalidSrsError({ reason: `${what} has a coordinate out of range` })
  const { Fp } = bn254.fields
  let y: bigint
  try {
    y = Fp.sqrt(Fp.add(Fp.mul(Fp.sqr(x), x), 3n))
  } catch (cause) {
    throw new InvalidSrsError({ reason: `${what} is not on the curve` }, { cause })
  }
  const isLarger = y > (FIELD_MODULUS - 1n) / 2n
  return { X: x, Y: isLarger === (flag === 3) ? y : FIELD_MODULUS - y }
}

/** Compresses one point in gnark-crypto's form. */
export function compressG1({ X, Y }: G1Point): Uint8Array {
  const out = new Uint8Array(SRS_POINT_BYTES)
  if (X === 0n && Y === 0n) {
    out[0] = 0x40
    return out
  }
  let rest = X
  for (let i = SRS_POINT_BYTES - 1; i >= 0; i--) {
    out[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  out[0] = (out[0] as number) | (Y > (FIELD_MODULUS - 1n) / 2n ? 0xc0 : 0x80)
  return out
}

async function assertPowersOfTau(
  points: readonly G1Point[],
  { bytes, msm, tauG2, io }: { bytes: Uint8Array; msm: MsmBackend; tauG2: G2Point; io: IoOptions },
): Promise<void> {
  const [first] = points as [G1Point]
  if (first.X !== 1n || first.Y !== 2n) {
    throw new InvalidSrsError({ reason: 'its first point is not the generator of G1' })
  }
  if (points.length === 1) return
  // The challenge depends on every point, so that none can be chosen after it.
  const challenge = bytesToUint(keccak(utf8('newton-srs-check'), bytes)) % GROUP_ORDER
  const factors = powers(challenge, points.length - 1)
  const higher = await msm.msm(points.slice(1), factors, io)
  const lower = await msm.msm(points.slice(0, -1), factors, io)
  if (!pairingsEqual({ left: { g1: higher, g2: 'generator' }, right: { g1: lower, g2: tauG2 } })) {
    throw new InvalidSrsError({ reason: 'its points are not the powers of the ceremony’s secret' })
  }
}
