import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { type Hex, stringToHex, toFunctionSelector } from 'viem'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../core/canonicalJson.js'
import type { Intent } from '../../core/intent.js'
import { parseFunctionSignature } from './functionSignature.js'
import { intentToInputJson, parseIntent } from './parseIntent.js'

type Case = { signature: string; data: Hex; decoded: Record<string, Json> | null }

const cases: Case[] = JSON.parse(
  readFileSync(new URL('../../../test/vectors/intents/alloy.json', import.meta.url), 'utf8'),
)
const from = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
const to = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'

function intent(more: Partial<Intent> = {}): Intent {
  return { from, to, value: 0n, data: '0x', chainId: 1n, functionSignature: '0x', ...more }
}

describe('parseIntent', () => {
  test('behavior: every call is decoded as operators decode it', () => {
    expect(cases.length).toBeGreaterThan(500)
    for (const { signature, data, decoded } of cases) {
      const functionSignature = signature === '' ? '0x' : stringToHex(signature)
      const parsed = parseIntent(intent({ data, functionSignature }))
      const expected = decoded ?? {
        function: null,
        decoded_function_signature: null,
        decoded_function_arguments: null,
      }
      expect(parsed, `${signature} ${data}`).toMatchObject(expected)
      if (decoded)
        expect(parsed.decoded_function_arguments).toEqual(decoded['decoded_function_arguments'])
    }
  })

  test('behavior: addresses in lower case, hex as it is', () => {
    const parsed = parseIntent(intent({ data: '0xABcd', functionSignature: '0xFF' }))
    expect(parsed).toEqual({
      from: from.toLowerCase(),
      to: to.toLowerCase(),
      value: 0n,
      data: '0xabcd',
      chain_id: 1n,
      function_signature: '0xff',
      function: null,
      decoded_function_signature: null,
      decoded_function_arguments: null,
    })
  })

  test('behavior: value is an integer up to 2^64 - 1, then a decimal string', () => {
    expect(parseIntent(intent({ value: 2n ** 64n - 1n })).value).toBe(2n ** 64n - 1n)
    expect(parseIntent(intent({ value: 2n ** 64n })).value).toBe('18446744073709551616')
    expect(parseIntent(intent({ value: 2n ** 256n - 1n })).value).toBe((2n ** 256n - 1n).toString())
    expect(parseIntent(intent({ chainId: 2n ** 64n })).chain_id).toBeNull()
  })

  test('error: a malformed intent', () => {
    expect(() => parseIntent(intent({ from: '0x12' }))).toThrow(/intent.from/)
    expect(() => parseIntent(intent({ value: -1n }))).toThrow(/intent.value/)
    expect(() => parseIntent(intent({ data: '0x1' }))).toThrow(/intent.data/)
  })

  test('behavior: no calldata makes it throw or take long', () => {
    const signatures = [
      'f(uint256[][])',
      'f((bytes,string[])[][2])',
      'f(string[][])',
      'f(bytes[100000000])',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...signatures),
        fc.uint8Array({ maxLength: 512 }),
        (signature, tail) => {
          expect(parseFunctionSignature(signature)).toBeDefined()
          parseIntent(
            intent({
              functionSignature: stringToHex(signature),
              data: `${toFunctionSelector(`function ${signature}`)}${Buffer.from(tail).toString('hex')}`,
            }),
          )
        },
      ),
      { numRuns: 300 },
    )
    // An array of arrays that all point at one tail: 2^k values from a few words.
    const word = (value: number): string => value.toString(16).padStart(64, '0')
    const level = word(0x20) + word(64) + word(0).repeat(64)
    const selector = toFunctionSelector('function f(uint256[][][][][][])')
    const started = performance.now()
    parseIntent(
      intent({
        functionSignature: stringToHex('f(uint256[][][][][][])'),
        data: `${selector}${level}`,
      }),
    )
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})

describe('calldata that names one text many times', () => {
  const word = (value: number): string => value.toString(16).padStart(64, '0')
  const text = (length: number): string => word(length) + '61'.repeat(Math.ceil(length / 32) * 32)
  /** An array of `count` heads that all name what follows them. */
  const same = (count: number, tail: string): string =>
    word(count) + word(32 * count).repeat(count) + tail
  const call = (signature: string, value: string): Intent =>
    intent({
      functionSignature: stringToHex(`f(${signature})`),
      data: `${toFunctionSelector(`function f(${signature})`)}${word(32)}${value}`,
    })

  test.each([
    ['bytes[]', same(400, text(10_000))],
    ['string[]', same(400, text(10_000))],
    ['bytes[][]', same(60, same(60, text(5_000)))],
    ['(bytes,bytes)[]', same(400, word(64) + word(64) + text(10_000))],
    ['bytes[][][]', same(30, same(30, same(30, text(1_000))))],
  ])('error: %s stands for more than it may', (signature, value) => {
    const hostile = call(signature, value)
    expect(parseIntent(hostile).decoded_function_arguments).toBe(null)
    expect(intentToInputJson(hostile).length).toBeLessThan(3 * hostile.data.length)
  })

  test('behavior: a few times is decoded, and so is a long one that is named once', () => {
    const [args] = parseIntent(call('string[]', same(3, text(40)))).decoded_function_arguments as [
      string[],
    ]
    expect(args).toEqual(Array(3).fill('a'.repeat(40)))
    const long = parseIntent(call('string', text(2_000_000))).decoded_function_arguments as [string]
    expect(long[0]).toHaveLength(2_000_000)
  })
})

describe('intentToInputJson', () => {
  test('behavior: 64-bit integers keep their digits', () => {
    const text = intentToInputJson(
      intent({ value: 18446744073709551615n, chainId: 9007199254740993n }),
    )
    expect(text).toBe(
      `{"chain_id":9007199254740993,"data":"0x","decoded_function_arguments":null,"decoded_function_signature":null,"from":"${from.toLowerCase()}","function":null,"function_signature":"0x","to":"${to.toLowerCase()}","value":18446744073709551615}`,
    )
  })

  test('behavior: the same document as parseIntent', () => {
    for (const { signature, data } of cases.slice(0, 60)) {
      const given = intent({
        data,
        functionSignature: signature === '' ? '0x' : stringToHex(signature),
        value: 7n,
      })
      const { value, chain_id, ...rest } = parseIntent(given)
      expect(JSON.parse(intentToInputJson(given))).toEqual({
        ...rest,
        value: Number(value),
        chain_id: Number(chain_id),
      })
    }
  })
})
