import { bn254 } from '@noble/curves/bn254.js'
import mcl from 'mcl-wasm'
import { beforeAll, expect, test } from 'vitest'
import { type G1Point, GROUP_ORDER } from '../../../core/bn254/curve/points.js'
import { mclMsm } from './mcl.js'
import { nobleMsm } from './msm.js'

beforeAll(() => mcl.init(mcl.BN_SNARK1))

const multiple = (factor: bigint): G1Point => {
  const { x, y } = bn254.G1.Point.BASE.multiply(factor).toAffine()
  return { X: x, Y: y }
}

test('default: the same points as the library that needs no WASM', async () => {
  const points = Array.from({ length: 20 }, (_, index) => multiple(BigInt(index * index + 1)))
  const scalars = points.map((_, index) => (GROUP_ORDER - 1n - BigInt(index) ** 9n) % GROUP_ORDER)
  expect(await mclMsm(mcl).msm(points, scalars)).toEqual(await nobleMsm().msm(points, scalars))
})

test('behavior: zero scalars, the point at infinity, sums of nothing, more points than one call takes', async () => {
  const infinity = { X: 0n, Y: 0n }
  const { msm } = mclMsm(mcl)
  const base = multiple(1n)
  expect(await msm([], [])).toEqual(infinity)
  expect(await msm([base, infinity], [0n, 5n])).toEqual(infinity)
  expect(await msm([base, base], [3n, GROUP_ORDER - 3n])).toEqual(infinity)
  expect(await msm([infinity, base], [7n, 2n])).toEqual(multiple(2n))
  const many = 4_100
  expect(await msm(new Array(many).fill(base), new Array(many).fill(1n))).toEqual(
    multiple(BigInt(many)),
  )
})

test('error: a caller who left', () => {
  const signal = AbortSignal.abort(new DOMException('left', 'AbortError'))
  expect(() => mclMsm(mcl).msm([multiple(1n)], [1n], { signal })).toThrow('left')
})
