/**
 * Multi-scalar multiplication in G1, the expensive part of a commitment, as a plug.
 *
 * The backends here need nothing but what is installed. Another one (a library, a native addon) fits
 * behind the same interface; its result is used to compare with a certificate, so a
 * broken one refuses good certificates and, unless it was built to, never accepts bad ones.
 */
import { pippenger } from '@noble/curves/abstract/curve.js'
import { bn254 } from '@noble/curves/bn254.js'
import type { G1Point } from '../../../core/bn254/curve/points.js'
import type { IoOptions } from '../../../internal/deadline.js'

/** Computes the sum of `scalars[i]·points[i]`. Points are on the curve, scalars below the order. */
export type MsmBackend = {
  readonly name: string
  msm(
    points: readonly G1Point[],
    scalars: readonly bigint[],
    options?: IoOptions,
  ): Promise<G1Point> | G1Point
}

type NoblePoint = InstanceType<typeof bn254.G1.Point>

/**
 * Pippenger's method of `@noble/curves`: slower, and a second opinion.
 *
 * @example
 * ```ts
 * import { nobleMsm } from '@newton/policy-sdk/da/kzg'
 *
 * await nobleMsm().msm([{ X: 1n, Y: 2n }], [1n]) // { X: 1n, Y: 2n }
 * ```
 */
export function nobleMsm(): MsmBackend {
  return {
    name: 'noble',
    msm(points, scalars) {
      // Zero scalars and the point at infinity add nothing and are refused by the library.
      const terms: NoblePoint[] = []
      const factors: bigint[] = []
      points.forEach(({ X, Y }, index) => {
        const scalar = scalars[index] as bigint
        if (scalar === 0n || (X === 0n && Y === 0n)) return
        terms.push(bn254.G1.Point.fromAffine({ x: X, y: Y }))
        factors.push(scalar)
      })
      if (terms.length === 0) return { X: 0n, Y: 0n }
      const sum = pippenger(bn254.G1.Point, terms, factors)
      if (sum.is0()) return { X: 0n, Y: 0n }
      const { x, y } = sum.toAffine()
      return { X: x, Y: y }
    },
  }
}
