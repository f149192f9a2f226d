/** Documents are read by the engine's own reader where they are plain, by the crate's where not: one result. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'55'.repeat(32)}` }
const policy = await operatorEngine().prepare({ rego: utf8('package p\nallow := input.x') })
const read = (x: string): unknown => {
  const outcome = policy.evaluate({ inputJson: `{"x":${x}}`, dataJson: '{}' }, world)
  return outcome.kind === 'defined' ? outcome.value : outcome.kind === 'error' && outcome.code
}
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

describe('what is JSON', () => {
  test.each<[string, unknown]>([
    [' \n\t\r null \r', null],
    ['true', true],
    ['false', false],
    ['0', 0],
    ['-7', -7],
    ['999999999999999999', 999_999_999_999_999_999n],
    ['9223372036854775807', 9_223_372_036_854_775_807n],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
    ['1.5', 1.5],
    ['-0.25', -0.25],
    ['1e3', 1000],
    ['1E-2', 0.01],
    ['""', ''],
    ['"é😀"', 'é😀'],
    [String.raw`"a\"\\\/\b\f\n\r\té"`, 'a"\\/\b\f\n\r\té'],
    [String.raw`"\ud83d\ude00"`, '😀'],
    ['[]', []],
    ['[ 1 , "a" , [ ] , { } ]', [1, 'a', [], {}]],
    ['{ "b" : 1 , "a" : { } , "b" : 2 }', { a: {}, b: 2 }],
    [String.raw`{"\u0061":1,"a":2}`, { a: 2 }],
    ['{"$serde_json::private::Number2":"1"}', { '$serde_json::private::Number2': '1' }],
  ])('behavior: %s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test('behavior: zero with a sign is zero', () => {
    expect(Number(read('-0'))).toBe(-0)
  })

  test.each([1, 61, 62, 63, 64, 65, 100, 120])('behavior: nested %i deep', (depth) => {
    expect(JSON.stringify(read(nested(depth)))).toBe(nested(depth))
  })
})

describe('what is none', () => {
  test.each([
    ...['', ',', '1,', '[1,]', '[,1]', '[1 2]', '[1', '{"a":1', '{"a" 1}', '{"a":}', '{a:1}'],
    ...['{1:1}', '{"a":1,}', '{,}', '01', '-', '-01', '+1', '.5', '1.', '1e', '1.e1', '0x1', '1a'],
    ...[
      '1-1',
      '--1',
      'tru',
      'truex',
      'nul',
      'True',
      'NaN',
      'Infinity',
      "'a'",
      '"a',
      '"\\x"',
      '"\\',
    ],
    ...['"\\u12"', '"\\ud800"', '"\n"', '"\u0000"', '"\u001f"', '1}}', '1}1', nested(200)],
    ...['\u00a01', '\ufeff1', '/**/1', '[1]]', '1e999'],
  ])('error: %j', (text) => {
    expect(read(text)).toBe('INVALID_INPUT')
  })
})
