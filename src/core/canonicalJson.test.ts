import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import canonicalizeReference from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { publicVectors } from '../../test/publicVectors.js'
import {
  assertJson,
  CanonicalJsonError,
  canonicalBytes,
  canonicalJson,
  isCanonicalJson,
  type Json,
  MAX_JSON_DEPTH,
  parseJson,
} from './canonicalJson.js'

const refusal = (run: () => unknown): CanonicalJsonError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(CanonicalJsonError)
    return error as CanonicalJsonError
  }
  throw new Error('expected a refusal')
}

describe('canonicalJson', () => {
  const data = publicVectors('jcs/testdata')
  test.skipIf(data === undefined)('behavior: official test data', () => {
    const names = readdirSync(`${data}/input`)
    expect(names.length).toBeGreaterThanOrEqual(6)
    for (const name of names) {
      const input = readFileSync(`${data}/input/${name}`, 'utf8')
      const output = readFileSync(`${data}/output/${name}`, 'utf8')
      expect(canonicalJson(parseJson(input)), name).toBe(output)
      const hex = `${data}/outhex/${name.replace('.json', '.txt')}`
      if (existsSync(hex)) {
        const bytes = readFileSync(hex, 'utf8').trim().split(/\s+/).join('')
        expect(Buffer.from(canonicalBytes(parseJson(input))).toString('hex'), name).toBe(bytes)
      }
    }
  })

  test('behavior: the first million numbers of the RFC 8785 checksum list', () => {
    const checksums = new Map([
      [1_000, 'be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687'],
      [1_000_000, '49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16'],
    ])
    const sha = createHash('sha256')
    let chunk: string[] = []
    let count = 0
    for (const bits of rfc8785Numbers()) {
      const view = new DataView(new ArrayBuffer(8))
      view.setBigUint64(0, bits)
      const value = view.getFloat64(0)
      const large = Number.isInteger(value) && Math.abs(value) > 2 ** 53 - 1
      // Integers of this range have an RFC 8785 form, which is refused here.
      if (large && Math.abs(value) < 1e21) {
        expect(() => canonicalJson(value)).toThrow(CanonicalJsonError)
        chunk.push(`${bits.toString(16)},${value}\n`)
      } else {
        chunk.push(`${bits.toString(16)},${canonicalJson(value)}\n`)
      }
      count++
      const expected = checksums.get(count)
      if (chunk.length === 10_000 || expected !== undefined) {
        sha.update(chunk.join(''))
        chunk = []
      }
      if (expected !== undefined) expect(sha.copy().digest('hex'), `${count}`).toBe(expected)
      if (count === 1_000_000) break
    }
    expect(count).toBe(1_000_000)
  })

  test('behavior: equals a second implementation on random values', () => {
    const key = fc.string({ unit: 'grapheme' }).filter((name) => name !== 'toJSON')
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc
          .double({ noNaN: true, noDefaultInfinity: true })
          .filter((value) => /[.e]/.test(`${value}`) || Number.isSafeInteger(value)),
        fc.maxSafeInteger(),
        fc.string({ unit: 'grapheme' }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(key, tie('value'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(json.value, (value) => {
        const text = canonicalJson(value as Json)
        expect(text).toBe(canonicalizeReference(value))
        expect(canonicalJson(parseJson(text))).toBe(text)
      }),
      { numRuns: 2_000 },
    )
  })

  test('behavior: key order is by UTF-16 code units, -0 is 0', () => {
    expect(canonicalJson({ '\ufb33': 1, '\u{1f602}': 2 })).toBe('{"\u{1f602}":2,"\ufb33":1}')
    expect(canonicalJson([-0, 1e21, 5e-324])).toBe('[0,1e+21,5e-324]')
  })

  const self: unknown[] = []
  self.push(self)
  const deep = (depth: number): unknown => {
    let value: unknown = 1
    for (let i = 0; i < depth; i++) value = [value]
    return value
  }
  const hole = [1, 2]
  delete hole[0]
  const extra = Object.assign([1], { more: 1 })
  const refused: [string, unknown, string][] = [
    ['NaN', { a: Number.NaN }, '$.a'],
    ['infinity', [Number.POSITIVE_INFINITY], '$[0]'],
    ['negative infinity', Number.NEGATIVE_INFINITY, '$'],
    ['lone high surrogate', ['\ud800'], '$[0]'],
    ['lone low surrogate', '\udc00', '$'],
    ['reversed surrogates', '\udc00\ud800', '$'],
    ['lone surrogate in a name', { '\ud800': 1 }, '$["\\ud800"]'],
    ['undefined', { a: undefined }, '$.a'],
    ['undefined in an array', [undefined], '$[0]'],
    ['function', { f: () => 1 }, '$.f'],
    ['symbol', { s: Symbol('s') }, '$.s'],
    ['symbol name', { [Symbol('s')]: 1 }, '$'],
    ['2^53', { amounts: [2 ** 53] }, '$.amounts[0]'],
    ['an amount in wei', { max: 5e18 }, '$.max'],
    ['the largest number without an exponent', [-999_999_999_999_999_900_000], '$[0]'],
    ['bigint', { 'odd name': 1n }, '$["odd name"]'],
    ['accessor', Object.defineProperty({}, 'a', { get: () => 1, enumerable: true }), '$.a'],
    ['array accessor', Object.defineProperty([1], 0, { get: () => 1, enumerable: true }), '$[0]'],
    ['hidden member', Object.defineProperty({}, 'a', { value: 1, enumerable: false }), '$.a'],
    ['toJSON function', { toJSON: () => 1 }, '$.toJSON'],
    ['toJSON data', { toJSON: 1 }, '$.toJSON'],
    ['hole', hole, '$'],
    ['array with a member', extra, '$'],
    ['boxed number', { a: Object(1) }, '$.a'],
    ['boxed string', Object('s'), '$'],
    ['Date', new Date(0), '$'],
    ['Map', new Map(), '$'],
    ['bytes', Uint8Array.of(1), '$'],
    ['class instance', new (class Thing {})(), '$'],
    ['array subclass', new (class List extends Array<number> {})(), '$'],
    ['cycle', self, `$${'[0]'.repeat(MAX_JSON_DEPTH)}`],
    ['depth 65', deep(MAX_JSON_DEPTH + 1), `$${'[0]'.repeat(MAX_JSON_DEPTH)}`],
  ]
  test.each(refused)('error: refuses %s', (_, value, path) => {
    const error = refusal(() => canonicalJson(value as Json))
    expect(error.code).toBe('JSON_NOT_CANONICAL')
    expect(error.path).toBe(path)
  })

  test('behavior: depth 64 and null-prototype objects are accepted', () => {
    expect(() => assertJson(deep(MAX_JSON_DEPTH))).not.toThrow()
    expect(canonicalJson(Object.assign(Object.create(null), { b: 1, a: 2 }))).toBe('{"a":2,"b":1}')
  })

  test('behavior: a member named __proto__ is data', () => {
    const value = parseJson('{"__proto__":{"x":1},"a":2}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(canonicalJson(value)).toBe('{"__proto__":{"x":1},"a":2}')
  })
})

describe('parseJson', () => {
  test('behavior: equals JSON.parse on valid text', () => {
    fc.assert(
      fc.property(fc.json(), fc.boolean(), (text, pretty) => {
        const source = pretty ? JSON.stringify(JSON.parse(text), null, 2) : text
        let expected: unknown
        try {
          expected = JSON.parse(source)
          const parsed = parseJson(source)
          expect(parsed).toEqual(expected)
        } catch (error) {
          // Only the documented reasons may differ from JSON.parse.
          if (!(error instanceof CanonicalJsonError)) throw error
          expect(error.message).toMatch(/twice|surrogate|2\^53|deeper/)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('behavior: refuses every text that JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}[]",:0123456789.eE+-truefalsn\\u \n') }),
        (text) => {
          let valid = true
          try {
            JSON.parse(text)
          } catch {
            valid = false
          }
          if (!valid) expect(() => parseJson(text)).toThrow(CanonicalJsonError)
        },
      ),
      { numRuns: 5_000 },
    )
  })

  test.each([
    ['duplicate member', '{"a":1,"a":2}', '$["a"]'],
    ['duplicate member by escape', '{"a":1,"\\u0061":2}', '$["a"]'],
    ['byte-order mark', '\ufeff{}', '$'],
    ['large integer', '{"n":9007199254740993}', '$["n"]'],
    ['large negative integer', '[-9007199254740992]', '$[0]'],
    ['large integer with an exponent', '{"n":[5e18]}', '$["n"][0]'],
    ['large integer with a fraction', '9007199254740992.0', '$'],
    ['number out of range', '1e999', '$'],
    ['lone surrogate escape', '["\\ud800"]', '$[0]'],
    ['lone surrogate name', '{"\\udc00":1}', '$'],
    ['trailing text', '1 2', '$'],
    ['empty text', '', '$'],
    ['trailing comma', '[1,]', '$[1]'],
    ['leading zero', '01', '$'],
    ['control character', '"\u0001"', '$'],
    ['comment', '/* */ 1', '$'],
  ])('error: refuses %s', (_, text, path) => {
    expect(refusal(() => parseJson(text)).path).toBe(path)
  })

  test('error: refuses depth 65 without exhausting the stack at a million', () => {
    expect(() => parseJson('['.repeat(64) + ']'.repeat(64))).not.toThrow()
    expect(refusal(() => parseJson('['.repeat(65) + ']'.repeat(65))).message).toContain('deeper')
    expect(refusal(() => parseJson('['.repeat(1_000_000))).message).toContain('deeper')
  })
})

describe('isCanonicalJson', () => {
  test('behavior: only the one canonical form', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    expect(isCanonicalJson(bytes('{"a":1,"b":[true]}'))).toBe(true)
    for (const text of [
      '{"b":1,"a":1}',
      '{"a": 1}',
      '{"a":1.0}',
      '{"a":1}\n',
      '"\\u0061"',
      '-0',
      '',
    ]) {
      expect(isCanonicalJson(bytes(text)), text).toBe(false)
    }
    expect(isCanonicalJson(Uint8Array.of(0xff))).toBe(false)
    expect(isCanonicalJson(undefined as never)).toBe(false)
  })
})

// RFC 8785, appendix on the ES6 number serialization test: static edge values, serial neighbours,
// then a SHA-256 chain.
function* rfc8785Numbers(): Generator<bigint> {
  const isFinite64 = (bits: bigint): boolean => ((bits >> 52n) & 0x7ffn) !== 0x7ffn
  const opening = readFileSync(
    new URL('../../test/vectors/jcs/numbers.json', import.meta.url),
    'utf8',
  )
  for (const pattern of (JSON.parse(opening) as { patterns: string[] }).patterns)
    yield BigInt(pattern)
  let serial = 0x0010000000000000n
  for (let i = 0; i < 2_000; i++) yield serial++
  let block = Buffer.alloc(32)
  for (;;) {
    block = createHash('sha256').update(block).digest()
    for (let i = 0; i < 32; i += 8) {
      const bits = block.readBigUInt64LE(i)
      if (isFinite64(bits) && bits << 1n !== 0n) yield bits
    }
  }
}
