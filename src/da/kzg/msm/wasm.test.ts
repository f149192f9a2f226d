import { bn254 } from '@noble/curves/bn254.js'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { FIELD_MODULUS, type G1Point, GROUP_ORDER } from '../../../core/bn254/curve/points.js'
import { affineMsm } from './affine.js'
import { nobleMsm } from './msm.js'
import { wasmMsm } from './wasm.js'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

const { Point } = bn254.G1
const pointsOf = (count: number): G1Point[] => {
  let point = Point.BASE.multiply(7n)
  return Array.from({ length: count }, () => {
    point = point.double().add(Point.BASE)
    const { x, y } = point.toAffine()
    return { X: x, Y: y }
  })
}
const scalarsOf = (count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => BigInt(i + 3) ** 97n % GROUP_ORDER)

describe('sums of many points', () => {
  test.each([1, 2, 3, 8, 15, 200, 700])('default: %i points, as noble', async (count) => {
    const points = pointsOf(count)
    const scalars = scalarsOf(count)
    expect(wasmMsm().name).toBe('wasm')
    expect(await wasmMsm().msm(points, scalars)).toEqual(await nobleMsm().msm(points, scalars))
  })

  test('behavior: windows in several groups, scalars at both ends, infinities between', async () => {
    const points = pointsOf(40)
    const many = Array.from({ length: 4_000 }, (_, i) =>
      i % 41 === 40 ? { X: 0n, Y: 0n } : (points[i % 41] as G1Point),
    )
    const ends = [0n, 1n, 2n, GROUP_ORDER - 1n, GROUP_ORDER - 2n, 1n << 253n, (1n << 253n) - 1n]
    const scalars = scalarsOf(4_000).map((scalar, i) =>
      i % 5 === 0 ? ends[i % 7] : scalar,
    ) as bigint[]
    expect(await wasmMsm().msm(many, scalars)).toEqual(await affineMsm().msm(many, scalars))
  })

  test('behavior: more points than one call takes, all in one bucket', async () => {
    const count = 65_540
    const base = { X: 1n, Y: 2n }
    const { x, y } = Point.BASE.multiply(BigInt(count)).toAffine()
    const sum = await wasmMsm().msm(new Array(count).fill(base), new Array(count).fill(1n))
    expect(sum).toEqual({ X: x, Y: y })
  })

  test('error: numbers that do not fit', async () => {
    const base = { X: 1n, Y: 2n }
    for (const [point, scalar, field] of [
      [{ X: FIELD_MODULUS, Y: 2n }, 1n, 'points[0].X'],
      [{ X: 1n, Y: -1n }, 1n, 'points[0].Y'],
      [base, GROUP_ORDER, 'scalars[0]'],
      [base, undefined as never, 'scalars[0]'],
    ] as const)
      await expect(wasmMsm().msm([point], [scalar])).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(field),
      })
  })

  test('behavior: without WebAssembly the same sums, by BigInts', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    vi.resetModules()
    const { wasmMsm: plain } = await import('./wasm.js')
    expect(plain().name).toBe('affine')
    expect(await plain().msm(pointsOf(9), scalarsOf(9))).toEqual(
      await nobleMsm().msm(pointsOf(9), scalarsOf(9)),
    )
  })

  test('error: a caller who left', async () => {
    const signal = AbortSignal.abort(new DOMException('left', 'AbortError'))
    await expect(wasmMsm().msm(pointsOf(1), [1n], { signal })).rejects.toThrow('left')
  })
})
