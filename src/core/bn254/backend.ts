/**
 * Where pairings are computed: what takes the time of verification, behind an interface.
 *
 * Coordinates are checked before they come here: a backend gets points on their curves. Verdicts,
 * shapes, hashes and randomness stay outside, so that a backend can only be right or wrong about
 * arithmetic, and tests compare one with another.
 */
import { bn254 } from '@noble/curves/bn254.js'
import {
  fromNobleG1,
  type G1Point,
  G2_GENERATOR,
  type G2Point,
  g2Equal,
  type NobleG1,
  toNobleG1,
  toNobleG2,
} from './curve/points.js'
import { isInG2Subgroup } from './curve/subgroup.js'
import { Bn254BackendError } from './errors.js'

/** A pair whose pairing is a factor of a product. */
export type PointPair = { readonly g1: G1Point; readonly g2: G2Point }

/** A product of pairings. */
export type PairingProduct = {
  /** Whether it is the neutral element. */
  isOne(): boolean
  /** This product divided by another one of the same backend. */
  over(other: PairingProduct): PairingProduct
}

/** Arithmetic of BN254. The default is `@noble/curves`; see `mclBackend` for a faster one. */
export type Bn254Backend = {
  /** Names it in measurements. */
  readonly name: string
  /** `Σ scalarᵢ · pointᵢ` for a few terms. Scalars are public, 0 to the group order minus 1. */
  combineG1(terms: readonly { readonly point: G1Point; readonly scalar: bigint }[]): G1Point
  /** Whether a point on the curve is in the subgroup of prime order. */
  isInSubgroup(point: G2Point): boolean
  /** `Π e(g1ᵢ, g2ᵢ)`. A pair with infinity adds nothing. */
  pairingProduct(pairs: readonly PointPair[]): PairingProduct
}

type Gt = ReturnType<typeof bn254.fields.Fp12.inv>

/** `@noble/curves`: no dependency beyond those of the package, and what others are compared with. */
export const nobleBackend: Bn254Backend = Object.freeze({
  name: 'noble',
  combineG1(terms: Parameters<Bn254Backend['combineG1']>[0]): G1Point {
    let sum: NobleG1 = bn254.G1.Point.ZERO
    for (const { point, scalar } of terms) sum = sum.add(scale(toNobleG1(point), scalar))
    return fromNobleG1(sum)
  },
  isInSubgroup: (point: G2Point): boolean => isInG2Subgroup(toNobleG2(point)),
  pairingProduct(pairs: readonly PointPair[]): PairingProduct {
    const factors: Parameters<typeof bn254.millerLoopBatch>[0] = []
    for (const { g1, g2 } of pairs) {
      const key = toNobleG2(g2)
      if (key.is0() || (g1.X === 0n && g1.Y === 0n)) continue
      factors.push([linesOf(g2, key), g1.X, g1.Y])
    }
    const { Fp12 } = bn254.fields
    return product(Fp12.finalExponentiate(bn254.millerLoopBatch(factors)))
  },
})

/** A product was divided by one that another backend computed. */
export function foreignProduct(): Bn254BackendError {
  return new Bn254BackendError({ backend: 'given', reason: 'the product is of another backend' })
}

const values = new WeakMap<PairingProduct, Gt>()

function product(value: Gt): PairingProduct {
  const { Fp12 } = bn254.fields
  const made: PairingProduct = {
    isOne: () => Fp12.eql(value, Fp12.ONE),
    over(other) {
      const divisor = values.get(other)
      if (divisor === undefined) throw foreignProduct()
      return product(Fp12.mul(value, Fp12.inv(divisor)))
    },
  }
  values.set(made, value)
  return made
}

let generatorLines: ReturnType<typeof bn254.utils.calcPairingPrecomputes> | undefined

// The library's own pairing would check subgroups again and work out the generator's lines each time.
function linesOf(
  point: G2Point,
  key: ReturnType<typeof toNobleG2>,
): ReturnType<typeof bn254.utils.calcPairingPrecomputes> {
  if (!g2Equal(point, G2_GENERATOR)) return bn254.utils.calcPairingPrecomputes(key)
  generatorLines ??= bn254.utils.calcPairingPrecomputes(key)
  return generatorLines
}

// Scalars are public, so the fast multiplication that is not constant-time will do.
function scale(point: NobleG1, scalar: bigint): NobleG1 {
  if (scalar === 0n || point.is0()) return bn254.G1.Point.ZERO
  return scalar === 1n ? point : point.multiplyUnsafe(scalar)
}
