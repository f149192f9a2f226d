/** Sources and documents whose text is written to be read in two ways: each is read in one, or refused. */
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../internal/bytes.js'
import type { RegoOutcome } from './engine.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }

async function decide(
  source: string,
  { inputJson = '{}', dataJson = '{}' }: { inputJson?: string; dataJson?: string } = {},
): Promise<RegoOutcome> {
  const policy = await operatorEngine().prepare({ rego: utf8(source) }, { maxSteps: 2_000_000 })
  const outcome = policy.evaluate({ inputJson, dataJson }, world)
  policy.dispose()
  return outcome
}
const policy = (rules: string): string => `package p\n${rules}`

describe('sources', () => {
  test.each([
    ['a byte-order mark', '\ufeffpackage p\nallow if true', 'invalid character'],
    ['a NUL in a string', policy('allow if "\0" == "a"'), 'unmatched "'],
    ['carriage returns alone', 'package p\rallow if true', '\\r must be followed by \\n'],
    [
      'parentheses by the thousand',
      policy(`allow if ${'('.repeat(5_000)}1${')'.repeat(5_000)}`),
      'nesting too deep',
    ],
    ['twenty thousand rules', policy('allow if input.x == 1\n'.repeat(20_000)), 'line count'],
    ['a line of two thousand stars', policy(`x := "${'*a'.repeat(1_000)}"`), 'column width'],
    [
      'a function that is computed',
      policy('f(x) := y if y := data.p[input.x](x)\nallow if f(1)'),
      'expecting identifier',
    ],
    [
      'a random builtin in place of another',
      policy('allow if abs("a") >= 0 with abs as rand.intn'),
      'unsafe',
    ],
  ])('error: %s', async (_, source, words) => {
    await expect(decide(source)).rejects.toMatchObject({
      code: 'REGO_SOURCE',
      message: expect.stringContaining(words),
    })
  })

  test('error: half a character in the bytes', async () => {
    const rego = concat(utf8(policy('#')), Uint8Array.of(0xff), utf8('\nallow if true'))
    await expect(operatorEngine().prepare({ rego })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'rego',
    })
  })

  test.each<[string, string, boolean | 'undefined']>([
    ['lines that end as on Windows', 'package p\r\nallow if true\r\n', true],
    ['a direction mark, which is a character', policy('allow if "\u202ea" == "a"'), 'undefined'],
    ['a member twice in a literal', policy('allow if {"a": 1, "a": 2}.a == 2'), true],
    ['a package named __proto__', 'package __proto__\nallow if true', true],
    ['a package below the name data', 'package data.x\nallow if true', true],
    ['a package with a dot in its name', 'package a["b.c"]\nallow if true', true],
    [
      'one with a dash, whose denials count',
      'package a["b-c"]\nallow if count(deny) == 0\ndeny contains "x"',
      'undefined',
    ],
    ['allow as a set', policy('allow contains 1'), false],
    ['allow as an object', policy('allow["x"] := true'), false],
    ['allow above another rule', policy('allow.x := true'), false],
    ['allow as a function', policy('allow(x) := true'), 'undefined'],
    ['what prints', policy('allow if print("x")'), true],
    ['what traces', policy('allow if trace("x")'), true],
  ])('behavior: %s', async (_, source, allow) => {
    const outcome = await decide(source)
    if (allow === 'undefined') expect(outcome.kind).toBe('undefined')
    else expect(outcome).toMatchObject({ kind: 'defined', allow })
  })
})

describe('documents', () => {
  test.each<[string, { inputJson?: string; dataJson?: string }]>([
    ['a deeply nested input', { inputJson: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }],
    ['half a surrogate pair, escaped', { inputJson: '{"s":"\\ud800"}' }],
    ['half a surrogate pair', { inputJson: '{"s":"\ud800"}' }],
    ['half a pair in the data', { dataJson: '{"params":{"s":"\udc00"}}' }],
    ['an escape in the name of the package', { dataJson: '{"\\u0070":{"extra":true}}' }],
    ['something after the input', { inputJson: '{"a":true} x' }],
    ['nothing', { inputJson: '' }],
    ['not a number', { inputJson: '{"a":NaN}' }],
    ['a comment', { inputJson: '{} // x' }],
    ['a single quote', { inputJson: "{'a':1}" }],
    ['a member without quotes', { inputJson: '{a:1}' }],
    ['a trailing comma', { inputJson: '{"a":1,}' }],
    ['a byte-order mark', { inputJson: '\ufeff{}' }],
    ['a line break in a string', { inputJson: '{"a":"\n"}' }],
    ['a leading zero', { inputJson: '{"a":01}' }],
    ['a plus', { inputJson: '{"a":+1}' }],
    ['hex', { inputJson: '{"a":0x10}' }],
  ])('error: %s', async (_, documents) => {
    expect(await decide(policy('allow if true'), documents)).toMatchObject({
      kind: 'error',
      code: 'INVALID_INPUT',
    })
  })

  test.each<[string, string, { inputJson?: string; dataJson?: string }]>([
    ['nesting that fits', 'allow if input', { inputJson: `${'['.repeat(120)}${']'.repeat(120)}` }],
    [
      'two params of one name',
      'allow if data.params.a == 1',
      { dataJson: '{"params":{"a":2,"a":1}}' },
    ],
    ['names of JavaScript', 'allow if input.__proto__ == 1', { inputJson: '{"__proto__":1}' }],
    [
      'neighbours beyond 2^53',
      'allow if input.a != input.b',
      { inputJson: '{"a":9007199254740993,"b":9007199254740992}' },
    ],
    [
      'a pair, escaped: two units',
      'allow if count(input.s) == 2',
      { inputJson: '{"s":"\\ud83d\\ude00"}' },
    ],
  ])('behavior: %s', async (_, rules, documents) => {
    expect(await decide(policy(rules), documents)).toMatchObject({ allow: true })
  })

  test('behavior: values keep their names and digits', async () => {
    expect(await decide(policy('allow := {"__proto__": {"x": 9007199254740993}}'))).toEqual({
      kind: 'defined',
      allow: false,
      reasons: [],
      value: Object.defineProperty({}, '__proto__', {
        value: { x: 9007199254740993n },
        enumerable: true,
        configurable: true,
        writable: true,
      }),
    })
  })

  test('error: a package named as a member of the data', async () => {
    const source = 'package constructor\nallow if true'
    expect(await decide(source, { dataJson: '{"constructor":1}' })).toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(await decide(source)).toMatchObject({ allow: true })
  })
})

/** What is handed over where a text or bytes belong, most often the value of the text. */
const strangers: readonly unknown[] = [
  ...[
    undefined,
    null,
    5,
    1n,
    true,
    [],
    { value: 1 },
    Symbol('s'),
    () => '{}',
    Uint8Array.of(0x7b, 0x7d),
  ],
  Object.create(null),
  { toString: () => '{}', length: 2 },
]

describe('what is no text', () => {
  test('error: as input or data is no decision', async () => {
    const prepared = await operatorEngine().prepare({ rego: utf8(policy('allow if true')) })
    for (const stranger of strangers) {
      for (const given of [
        { inputJson: stranger, dataJson: '{}' },
        { inputJson: '{}', dataJson: stranger },
      ]) {
        expect(prepared.evaluate(given as never, world)).toMatchObject({
          kind: 'error',
          code: 'INVALID_INPUT',
        })
      }
    }
    expect(prepared.evaluate({ inputJson: '{}', dataJson: '{}' }, world)).toMatchObject({
      allow: true,
    })
    prepared.dispose()
  })

  test('error: as Rego is refused with what would do', async () => {
    const unread = strangers.filter((one) => !(one instanceof Uint8Array || Array.isArray(one)))
    for (const rego of [
      ...unread,
      'package p',
      [null],
      [{ name: 'p' }],
      [{ source: 'package p' }],
    ]) {
      await expect(operatorEngine().prepare({ rego } as never)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'rego',
      })
    }
  })
})
