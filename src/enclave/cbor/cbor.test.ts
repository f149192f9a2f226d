import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../internal/bytes.js'
import { EnclaveCborError } from './errors.js'
import { readCbor } from './read.js'
import { type CborInput, writeCbor } from './write.js'

const faultOf = (hex: string, form: 'strict' | 'lenient' = 'lenient'): string => {
  try {
    readCbor(fromHex(`0x${hex}`), { form })
    return 'read'
  } catch (cause) {
    expect(cause).toBeInstanceOf(EnclaveCborError)
    return (cause as EnclaveCborError).fault
  }
}

describe('readCbor', () => {
  // RFC 8949, appendix A.
  test.each([
    ['00', 0],
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['1bffffffffffffffff', 18_446_744_073_709_551_615n],
    ['3bffffffffffffffff', -18_446_744_073_709_551_616n],
    ['20', -1],
    ['3903e7', -1000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['60', ''],
    ['62c3bc', 'ü'],
    ['80', []],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    [
      'a201020304',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
  ] as const)('%s', (hex, value) =>
    expect(readCbor(fromHex(`0x${hex}`), { form: 'strict' })).toEqual(value),
  )

  test('indefinite arrays and maps where that is allowed', () => {
    expect(readCbor(fromHex('0x9f018202039f0405ffff'), { form: 'lenient' })).toEqual([
      1,
      [2, 3],
      [4, 5],
    ])
    expect(
      readCbor(fromHex('0xbf6161019fff02ff'.replace('9fff02', '616202')), { form: 'lenient' }),
    ).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    )
    expect(faultOf('9fff', 'strict')).toBe('noncanonical')
  })

  test.each([
    ['', 'malformed'],
    ['18', 'malformed'],
    ['1c', 'malformed'],
    ['1f', 'malformed'],
    ['61', 'malformed'],
    ['81', 'malformed'],
    ['a101', 'malformed'],
    ['ff', 'malformed'],
    ['81ff', 'malformed'],
    ['9f', 'malformed'],
    ['bf01ff', 'malformed'],
    ['bf0102', 'malformed'],
    ['5bffffffffffffffff', 'malformed'],
    ['9bffffffffffffffff', 'malformed'],
    ['bbffffffffffffffff', 'malformed'],
    ['f818', 'malformed'],
    ['0000', 'trailing'],
    ['61ff', 'utf8'],
    ['62c080', 'utf8'],
    ['a2010101', 'malformed'],
    ['a201010102', 'duplicate'],
    ['c000', 'unsupported'],
    ['f7', 'unsupported'],
    ['f90000', 'malformed'],
    ['5f4101ff', 'unsupported'],
    ['a1800000', 'unsupported'],
    ['81'.repeat(20), 'budget'],
  ])('%s is %s', (hex, fault) => expect(faultOf(hex)).toBe(fault))

  test.each([
    ['1800', 'an integer'],
    ['190001', 'an integer'],
    ['1a00000001', 'an integer'],
    ['1b0000000000000001', 'an integer'],
    ['5801ff', 'a length'],
    ['a2616201616101', 'the order of keys'],
  ])('%s: %s that is not shortest or sorted', (hex) => {
    expect(faultOf(hex, 'strict')).toBe('noncanonical')
    expect(faultOf(hex, 'lenient')).toBe('read')
  })

  test('the error names its place and code', () => {
    expect(() => readCbor(fromHex('0x820001ff'), { form: 'strict' })).toThrow(
      expect.objectContaining({ code: 'CBOR_INVALID', fault: 'trailing', offset: 3 }),
    )
  })

  test('budgets hold for items', () => {
    const many = writeCbor(Array.from({ length: 100 }, () => 0))
    expect(() => readCbor(many, { form: 'strict', items: 50 })).toThrow(
      expect.objectContaining({ fault: 'budget' }),
    )
  })
})

describe('writeCbor', () => {
  const value: fc.Arbitrary<CborInput> = fc.letrec<{ value: CborInput }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.integer(),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array({ maxLength: 40 }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value') as fc.Arbitrary<CborInput>, { maxLength: 4 }),
      fc
        .dictionary(fc.string(), tie('value') as fc.Arbitrary<CborInput>, { maxKeys: 4 })
        .map((object) => new Map(Object.entries(object))),
    ),
  })).value

  test('what is written is read strictly, and written again the same', () => {
    fc.assert(
      fc.property(value, (input) => {
        const bytes = writeCbor(input)
        const read = readCbor(bytes, { form: 'strict', depth: 64 })
        expect(toHex(writeCbor(read as CborInput))).toBe(toHex(bytes))
      }),
    )
  })

  test('undefined members are left out; fractions and oversized integers are refused', () => {
    expect(toHex(writeCbor({ b: undefined, a: 1 }))).toBe('0xa1616101')
    for (const bad of [1.5, 2n ** 64n, Symbol('x'), () => 1]) {
      expect(() => writeCbor(bad as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })
})
