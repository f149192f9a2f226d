import { bn254 } from '@noble/curves/bn254.js'
import { type G1Point, type G2Point, readG1, readG2 } from '../../core/bn254/curve/points.js'

/** One side of a pairing equation. */
export type PairingInput = { g1: G1Point; g2: G2Point | 'generator' }

/**
 * Whether `e(left.g1, left.g2) = e(right.g1, right.g2)`. Points may come from anyone: one that is
 * malformed, off its curve or outside its subgroup makes the answer `false`.
 */
export function pairingsEqual({
  left,
  right,
}: {
  left: PairingInput
  right: PairingInput
}): boolean {
  const sides: { g1: NobleG1; g2: NobleG2 }[] = []
  for (const { g1, g2 } of [left, right]) {
    const a = readG1(g1, { infinity: true })
    if (a.fault !== undefined) return false
    if (g2 === 'generator') {
      sides.push({ g1: a.point, g2: bn254.G2.Point.BASE })
      continue
    }
    const b = readG2(g2, { infinity: true })
    if (b.fault !== undefined) return false
    sides.push({ g1: a.point, g2: b.point })
  }
  const [l, r] = sides as [(typeof sides)[0], (typeof sides)[0]]
  // e(L, M) = e(R, S) is e(L, M)·e(-R, S) = 1. A factor with an infinity is 1 and is left out.
  const factors = [l, { g1: r.g1.negate(), g2: r.g2 }].filter(
    ({ g1, g2 }) => !g1.is0() && !g2.is0(),
  )
  if (factors.length === 0) return true
  if (factors.length === 1) return false
  return bn254.fields.Fp12.eql(bn254.pairingBatch(factors), bn254.fields.Fp12.ONE)
}

type NobleG1 = InstanceType<typeof bn254.G1.Point>
type NobleG2 = InstanceType<typeof bn254.G2.Point>
