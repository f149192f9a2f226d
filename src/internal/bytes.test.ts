import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToUint, uintToBytes } from './bytes.js'

describe('uintToBytes', () => {
  test('property: digits of 256 in so many bytes, and back', () => {
    const sized = fc
      .nat({ max: 64 })
      .chain((size) => fc.tuple(fc.constant(size), fc.bigInt(0n, 256n ** BigInt(size) - 1n)))
    fc.assert(
      fc.property(sized, ([size, value]) => {
        const digits = Array.from({ length: size }, (_, i) =>
          Number((value >> BigInt(8 * (size - 1 - i))) & 0xffn),
        )
        expect([...uintToBytes(value, size)]).toEqual(digits)
        expect(bytesToUint(uintToBytes(value, size))).toBe(value)
        if (value <= Number.MAX_SAFE_INTEGER) {
          expect([...uintToBytes(Number(value), size)]).toEqual(digits)
        }
      }),
    )
  })

  test.each([[-1n], [-1], [256n], [256], [1.5], [2 ** 53], ['1'], [undefined]])(
    'error: INVALID_INPUT for %s in one byte',
    (value) => {
      expect(() => uintToBytes(value as never, 1)).toThrow('`value`')
    },
  )
})
