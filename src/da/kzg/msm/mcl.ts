/** Multi-scalar multiplication by mcl-wasm: a second opinion from another code base. */
import type { G1Point } from '../../../core/bn254/curve/points.js'
import type { MsmBackend } from './msm.js'

/** A point of mcl-wasm. */
export type MclPoint = {
  setStr(text: string, base: number): void
  getStr(base: number): string
  isZero(): boolean
  normalize(): void
}

/** What is used of mcl-wasm, initialized for BN_SNARK1. */
export type MclCurve = {
  G1: new () => MclPoint
  Fr: new () => MclScalar
  add: (a: never, b: never) => unknown
  mulVec: (points: never[], scalars: never[]) => unknown
}

type MclScalar = { setStr(text: string, base: number): void }

/** Points that one call takes: its arguments lie on a stack of 2 MiB. */
const CHUNK = 4_096

/**
 * Makes a backend of an initialized mcl-wasm. Its results are those of the default.
 *
 * @example
 * ```ts
 * import { mclMsm } from '@newton/policy-sdk/da/kzg'
 * import mcl from 'mcl-wasm'
 *
 * await mcl.init(mcl.BN_SNARK1)
 * await mclMsm(mcl).msm([{ X: 1n, Y: 2n }], [1n]) // { X: 1n, Y: 2n }
 * ```
 */
export function mclMsm(mcl: MclCurve): MsmBackend {
  const pointOf = ({ X, Y }: G1Point): MclPoint => {
    const made = new mcl.G1()
    made.setStr(`1 ${X.toString(16)} ${Y.toString(16)}`, 16)
    return made
  }
  const scalarOf = (value: bigint): MclScalar => {
    const made = new mcl.Fr()
    made.setStr(value.toString(16), 16)
    return made
  }
  return {
    name: 'mcl-wasm',
    msm(points, scalars, options = {}) {
      // The point at infinity has no coordinates to set, and adds nothing.
      const terms = points.flatMap((at, index) =>
        at.X === 0n && at.Y === 0n ? [] : [{ at, factor: scalars[index] as bigint }],
      )
      let sum = new mcl.G1()
      for (let start = 0; start < terms.length; start += CHUNK) {
        options.signal?.throwIfAborted()
        const chunk = terms.slice(start, start + CHUNK)
        const part = mcl.mulVec(
          chunk.map(({ at }) => pointOf(at)) as never[],
          chunk.map(({ factor }) => scalarOf(factor)) as never[],
        )
        // Its own points go back into it: the types of the library are not needed here.
        sum = mcl.add(sum as never, part as never) as MclPoint
      }
      if (sum.isZero()) return { X: 0n, Y: 0n }
      sum.normalize()
      const [, x, y] = sum.getStr(16).split(' ')
      return { X: BigInt(`0x${x}`), Y: BigInt(`0x${y}`) }
    },
  }
}
