/**
 * Points of BN254 (EIP-196, EIP-197) in the form that contracts use.
 *
 * ```
 * G1: y² = x³ + 3            over Fp,  as { X, Y }
 * G2: y² = x³ + 3/(9 + i)    over Fp², as { X: [imaginary, real], Y: [imaginary, real] }
 * infinity: all coordinates zero
 * ```
 * Contracts and EIP-197 put the imaginary part of an Fp² element first; `@noble/curves` calls the
 * real part `c0` and the imaginary part `c1`. The two meet only in this file.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { InvalidInputError } from '../../../errors/common.js'
import { bytesToUint, concat, uintToBytes } from '../../../internal/bytes.js'
import { InvalidPointError, type PointFault } from '../errors.js'
import { isInG2Subgroup } from './subgroup.js'

/** A point of G1, ABI-ready as `(uint256 X, uint256 Y)`. Infinity is all zero. */
export type G1Point = { readonly X: bigint; readonly Y: bigint }

/** A point of G2, ABI-ready as `(uint256[2] X, uint256[2] Y)`, imaginary part first. */
export type G2Point = {
  readonly X: readonly [bigint, bigint]
  readonly Y: readonly [bigint, bigint]
}

/** Modulus of the base field, p. */
export const FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47n
/** Order of both groups, r. */
export const GROUP_ORDER = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n

/** A point of G1 as `@noble/curves` computes with it. Internal to this folder. */
export type NobleG1 = InstanceType<typeof bn254.G1.Point>
/** A point of G2 as `@noble/curves` computes with it. Internal to this folder. */
export type NobleG2 = InstanceType<typeof bn254.G2.Point>

/** Generator of G1. */
export const G1_GENERATOR: G1Point = { X: 1n, Y: 2n }
/** Generator of G2. */
export const G2_GENERATOR: G2Point = {
  X: [
    11559732032986387107991004021392285783925812861821192530917403151452391805634n,
    10857046999023057135944570762232829481370756359578518086990519993285655852781n,
  ],
  Y: [
    4082367875863433681332203403145435568316851327593401208105741076214120093531n,
    8495653923123431417604973247489272438418190587263600148770280649306958101930n,
  ],
}
/** The point at infinity of G1, the neutral element. */
export const G1_INFINITY: G1Point = { X: 0n, Y: 0n }
/** The point at infinity of G2, the neutral element. */
export const G2_INFINITY: G2Point = { X: [0n, 0n], Y: [0n, 0n] }

/** What {@link readG1} and {@link readG2} give: the point, or what is wrong with it. */
export type PointRead<point> =
  | { readonly fault: undefined; readonly point: point }
  | { readonly fault: PointFault; readonly point: undefined }

const inField = (value: bigint): boolean => value >= 0n && value < FIELD_MODULUS

/**
 * Reads a G1 point that may come from anyone. Never throws.
 *
 * G1 has cofactor one, so every point on the curve is in the subgroup.
 */
export function readG1(value: unknown, { infinity }: { infinity: boolean }): PointRead<NobleG1> {
  if (!isG1Shape(value)) return { fault: 'MALFORMED_POINT', point: undefined }
  const { X: x, Y: y } = value
  if (!inField(x) || !inField(y)) return { fault: 'COORDINATE_OUT_OF_RANGE', point: undefined }
  if (x === 0n && y === 0n) {
    if (infinity) return { fault: undefined, point: bn254.G1.Point.ZERO }
    return { fault: 'POINT_AT_INFINITY', point: undefined }
  }
  const { Fp } = bn254.fields
  if (Fp.sqr(y) !== Fp.add(Fp.mul(Fp.sqr(x), x), 3n)) {
    return { fault: 'POINT_NOT_ON_CURVE', point: undefined }
  }
  return { fault: undefined, point: bn254.G1.Point.fromAffine({ x, y }) }
}

/** Reads a G2 point that may come from anyone, with its subgroup check. Never throws. */
export function readG2(value: unknown, { infinity }: { infinity: boolean }): PointRead<NobleG2> {
  const read = readCurveG2(value, { infinity })
  if (read.fault !== undefined || read.point.is0()) return read
  return isInG2Subgroup(read.point) ? read : { fault: 'POINT_NOT_IN_SUBGROUP', point: undefined }
}

/** {@link readG2} without the subgroup check, for callers that make it for many points at once. */
export function readCurveG2(
  value: unknown,
  { infinity }: { infinity: boolean },
): PointRead<NobleG2> {
  if (!isG2Shape(value)) return { fault: 'MALFORMED_POINT', point: undefined }
  const [x1, x0] = value.X
  const [y1, y0] = value.Y
  if (![x0, x1, y0, y1].every(inField))
    return { fault: 'COORDINATE_OUT_OF_RANGE', point: undefined }
  if (x0 === 0n && x1 === 0n && y0 === 0n && y1 === 0n) {
    if (infinity) return { fault: undefined, point: bn254.G2.Point.ZERO }
    return { fault: 'POINT_AT_INFINITY', point: undefined }
  }
  const { Fp2 } = bn254.fields
  const x = { c0: x0, c1: x1 }
  const y = { c0: y0, c1: y1 }
  const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b)
  if (!Fp2.eql(Fp2.sqr(y), right)) return { fault: 'POINT_NOT_ON_CURVE', point: undefined }
  return { fault: undefined, point: bn254.G2.Point.fromAffine({ x, y }) }
}

/**
 * Checks a G1 point and returns it in the form the curve library computes with.
 *
 * @throws {InvalidPointError} with the fault and `field`.
 */
export function assertG1(
  value: unknown,
  { field, infinity = false }: { field: string; infinity?: boolean | undefined },
): NobleG1 {
  const read = readG1(value, { infinity })
  if (read.fault !== undefined)
    throw new InvalidPointError({ field, fault: read.fault, group: 'G1' })
  return read.point
}

/**
 * Checks a G2 point, its subgroup included, and returns it as the curve library computes with it.
 *
 * @throws {InvalidPointError} with the fault and `field`.
 */
export function assertG2(
  value: unknown,
  { field, infinity = false }: { field: string; infinity?: boolean | undefined },
): NobleG2 {
  const read = readG2(value, { infinity })
  if (read.fault !== undefined)
    throw new InvalidPointError({ field, fault: read.fault, group: 'G2' })
  return read.point
}

/** A checked G1 point as the curve library computes with it. */
export function toNobleG1({ X: x, Y: y }: G1Point): NobleG1 {
  return bn254.G1.Point.fromAffine({ x, y })
}

/** A checked G2 point as the curve library computes with it. */
export function toNobleG2({ X, Y }: G2Point): NobleG2 {
  return bn254.G2.Point.fromAffine({ x: { c0: X[1], c1: X[0] }, y: { c0: Y[1], c1: Y[0] } })
}

/** The contract form of a G1 point. */
export function fromNobleG1(point: NobleG1): G1Point {
  if (point.is0()) return G1_INFINITY
  const { x, y } = point.toAffine()
  return { X: x, Y: y }
}

/** The contract form of a G2 point. */
export function fromNobleG2(point: NobleG2): G2Point {
  if (point.is0()) return G2_INFINITY
  const { x, y } = point.toAffine()
  return { X: [x.c1, x.c0], Y: [y.c1, y.c0] }
}

/**
 * Encodes a G1 point: `X(32) ‖ Y(32)`.
 *
 * @throws {InvalidPointError} when it is not on the curve. Infinity is encoded.
 */
export function encodeG1(point: G1Point): Uint8Array {
  assertG1(point, { field: 'point', infinity: true })
  return g1Words(point)
}

/**
 * Decodes `X(32) ‖ Y(32)`.
 *
 * @throws {InvalidInputError} when the length is not 64.
 * @throws {InvalidPointError} when it is no point of the curve; infinity too.
 */
export function decodeG1(bytes: Uint8Array): G1Point {
  assertLength(bytes, 64)
  const point = { X: bytesToUint(bytes.subarray(0, 32)), Y: bytesToUint(bytes.subarray(32)) }
  assertG1(point, { field: 'point' })
  return point
}

/**
 * Encodes a G2 point: `X imaginary(32) ‖ X real ‖ Y imaginary ‖ Y real`, as EIP-197 reads it.
 *
 * @throws {InvalidPointError} when it is no point of the subgroup. Infinity is encoded.
 */
export function encodeG2(point: G2Point): Uint8Array {
  assertG2(point, { field: 'point', infinity: true })
  return g2Words(point)
}

/**
 * Decodes the 128 bytes of {@link encodeG2}.
 *
 * @throws {InvalidInputError} when the length is not 128.
 * @throws {InvalidPointError} when it is no point of the subgroup; infinity too.
 */
export function decodeG2(bytes: Uint8Array): G2Point {
  assertLength(bytes, 128)
  const word = (index: number): bigint => bytesToUint(bytes.subarray(index * 32, index * 32 + 32))
  const point: G2Point = { X: [word(0), word(1)], Y: [word(2), word(3)] }
  assertG2(point, { field: 'point' })
  return point
}

/** The words of a G1 point, unchecked: for preimages of hashes. */
export function g1Words({ X, Y }: G1Point): Uint8Array {
  return concat(uintToBytes(X, 32, 'X'), uintToBytes(Y, 32, 'Y'))
}

/** The words of a G2 point, unchecked, imaginary parts first: for preimages of hashes. */
export function g2Words({ X, Y }: G2Point): Uint8Array {
  return concat(
    uintToBytes(X[0], 32, 'X[0]'),
    uintToBytes(X[1], 32, 'X[1]'),
    uintToBytes(Y[0], 32, 'Y[0]'),
    uintToBytes(Y[1], 32, 'Y[1]'),
  )
}

/** Whether two G1 points have the same coordinates. */
export function g1Equal(a: G1Point, b: G1Point): boolean {
  return a.X === b.X && a.Y === b.Y
}

/** Whether two G2 points have the same coordinates. */
export function g2Equal(a: G2Point, b: G2Point): boolean {
  return a.X[0] === b.X[0] && a.X[1] === b.X[1] && a.Y[0] === b.Y[0] && a.Y[1] === b.Y[1]
}

/** The negative of a G1 point. */
export function negateG1({ X, Y }: G1Point): G1Point {
  return { X, Y: Y === 0n ? 0n : FIELD_MODULUS - Y }
}

function isG1Shape(value: unknown): value is G1Point {
  if (typeof value !== 'object' || value === null) return false
  const { X, Y } = value as Partial<G1Point>
  return typeof X === 'bigint' && typeof Y === 'bigint'
}

function isG2Shape(value: unknown): value is G2Point {
  if (typeof value !== 'object' || value === null) return false
  const { X, Y } = value as Partial<G2Point>
  return isPair(X) && isPair(Y)
}

function isPair(value: unknown): value is readonly [bigint, bigint] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'bigint' &&
    typeof value[1] === 'bigint'
  )
}

function assertLength(bytes: Uint8Array, length: number): void {
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) {
    throw new InvalidInputError({ field: 'bytes', reason: `expected ${length} bytes` })
  }
}
