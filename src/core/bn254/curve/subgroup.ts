/**
 * Whether points of the curve of G2 are in the subgroup of prime order.
 *
 * One point, with `x` the parameter of the curve and ψ the Frobenius map through the twist:
 * ```
 * [x + 1]P + ψ([x]P) + ψ²([x]P) = ψ³([2x]P)          (eprint 2022/348, section 5.1)
 * ```
 * A quarter of what multiplication by the order costs. ψ satisfies `ψ² - tψ + p = 0` on the whole curve;
 * the resultant of that with the equation above has no factor of the cofactor, so that no point outside
 * satisfies both (`bn254.test.ts` computes it).
 */
import { bn254 } from '@noble/curves/bn254.js'

type NobleG2 = InstanceType<typeof bn254.G2.Point>

/** Parameter of the curve. */
export const CURVE_PARAMETER = 4965661367192848881n

/** Whether a point on the curve is in the subgroup. Infinity is. */
export function isInG2Subgroup(point: NobleG2): boolean {
  if (point.is0()) return true
  const scaled = point.multiplyUnsafe(CURVE_PARAMETER)
  const once = psi(scaled)
  const twice = psi(once)
  return scaled.add(point).add(once).add(twice).equals(psi(twice).double())
}

/** The Frobenius map of the curve over Fp, seen on its twist: multiplication by p in the subgroup. */
export function psi(point: NobleG2): NobleG2 {
  const { Fp2, Fp } = bn254.fields
  const [scaleX, scaleY] = factors()
  const conjugate = ({ c0, c1 }: { c0: bigint; c1: bigint }) => ({ c0, c1: Fp.neg(c1) })
  return new bn254.G2.Point(
    Fp2.mul(conjugate(point.X), scaleX),
    Fp2.mul(conjugate(point.Y), scaleY),
    conjugate(point.Z),
  )
}

type Fp2Element = { c0: bigint; c1: bigint }
let known: readonly [Fp2Element, Fp2Element] | undefined

// ξ^((p-1)/3) and ξ^((p-1)/2), ξ = 9 + i.
function factors(): readonly [Fp2Element, Fp2Element] {
  const { Fp2, Fp } = bn254.fields
  known ??= [
    Fp2.pow({ c0: 9n, c1: 1n }, (Fp.ORDER - 1n) / 3n),
    Fp2.pow({ c0: 9n, c1: 1n }, (Fp.ORDER - 1n) / 2n),
  ]
  return known
}
