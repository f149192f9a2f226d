/**
 * Sums of points in the form that contracts use, and combinations of many points with random
 * coefficients.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { type Field, type MaybeAffine, sumLists, windowSums } from './affineSums.js'
import {
  assertG1,
  assertG2,
  fromNobleG1,
  fromNobleG2,
  G1_INFINITY,
  type G1Point,
  G2_INFINITY,
  type G2Point,
  toNobleG1,
  toNobleG2,
} from './points.js'

const { Fp } = bn254.fields
// The library types the elements of all its fields as one.
const Fp2 = bn254.fields.Fp2 as unknown as Field<Fp2Element>

/**
 * Adds G1 points: aggregates signatures or G1 keys.
 *
 * @throws {InvalidPointError} naming `points[i]`.
 */
export function addG1(points: readonly G1Point[]): G1Point {
  points.forEach((point, index) => {
    assertG1(point, { field: `points[${index}]`, infinity: true })
  })
  return sumG1(points)
}

/**
 * Adds G2 points: aggregates G2 keys.
 *
 * @throws {InvalidPointError} naming `points[i]`.
 */
export function addG2(points: readonly G2Point[]): G2Point {
  points.forEach((point, index) => {
    assertG2(point, { field: `points[${index}]`, infinity: true })
  })
  return sumG2(points)
}

/** {@link addG1} of points that were checked before. */
export function sumG1(points: readonly G1Point[]): G1Point {
  const [sum] = sumLists(Fp, [points.map(toAffineG1)])
  return fromAffineG1(sum)
}

/** {@link addG2} of points that were checked before. */
export function sumG2(points: readonly G2Point[]): G2Point {
  const [sum] = sumLists(Fp2, [points.map(toAffineG2)])
  return fromAffineG2(sum)
}

/** An element of Fp² as the curve library has it. */
export type Fp2Element = { c0: bigint; c1: bigint }

/** A checked G1 point for {@link sumLists}. */
export function toAffineG1({ X: x, Y: y }: G1Point): MaybeAffine<bigint> {
  return x === 0n && y === 0n ? undefined : { x, y }
}

/** A checked G2 point for {@link sumLists}. */
export function toAffineG2({ X, Y }: G2Point): MaybeAffine<Fp2Element> {
  const x = { c0: X[1], c1: X[0] }
  const y = { c0: Y[1], c1: Y[0] }
  return x.c0 === 0n && x.c1 === 0n && y.c0 === 0n && y.c1 === 0n ? undefined : { x, y }
}

/** The contract form of a sum in G1. */
export function fromAffineG1(point: MaybeAffine<bigint>): G1Point {
  return point === undefined ? G1_INFINITY : { X: point.x, Y: point.y }
}

/** The contract form of a sum in G2. */
export function fromAffineG2(point: MaybeAffine<Fp2Element>): G2Point {
  if (point === undefined) return G2_INFINITY
  const { x, y } = point
  return { X: [x.c1, x.c0], Y: [y.c1, y.c0] }
}

/** Random coefficients in digits: `digits[w][i]` is digit `w` of the coefficient of point `i`. */
export type Coefficients = { readonly bits: number; readonly digits: readonly Uint8Array[] }

/** Draws `windows` digits of `bits` each for `count` coefficients. */
export function drawCoefficients(parameters: {
  count: number
  windows: number
  bits: number
  random: (length: number) => Uint8Array
}): Coefficients {
  const { count, windows, bits, random } = parameters
  const mask = 2 ** bits - 1
  const digits = Array.from({ length: windows }, () => random(count).map((byte) => byte & mask))
  return { bits, digits }
}

/** The sums of each window, for points that were checked: `Σ digits[w][i] · points[i]`. */
export function windowSumsG2(points: readonly G2Point[], coefficients: Coefficients): G2Point[] {
  const sums = windowSums(Fp2, { points: points.map(toAffineG2), ...coefficients })
  return sums.map(fromAffineG2)
}

/** `Σ coefficientᵢ · points[i]` of points that were checked. */
export function combineG1(points: readonly G1Point[], coefficients: Coefficients): G1Point {
  const sums = windowSums(Fp, { points: points.map(toAffineG1), ...coefficients })
  const { bits } = coefficients
  const zero = bn254.G1.Point.ZERO
  return fromNobleG1(
    joinWindows(
      sums.map((sum) => toNobleG1(fromAffineG1(sum))),
      { bits, zero },
    ),
  )
}

/** `Σ 2^(bits·w) · sums[w]`: the combination whose windows {@link windowSumsG2} gave. */
export function joinWindowsG2(sums: readonly G2Point[], { bits }: { bits: number }): G2Point {
  return fromNobleG2(joinWindows(sums.map(toNobleG2), { bits, zero: bn254.G2.Point.ZERO }))
}

function joinWindows<point extends { add(other: point): point; double(): point }>(
  sums: readonly point[],
  { bits, zero }: { bits: number; zero: point },
): point {
  let total = zero
  for (const sum of [...sums].reverse()) {
    for (let i = 0; i < bits; i++) total = total.double()
    total = total.add(sum)
  }
  return total
}
