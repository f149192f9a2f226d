import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }
const engine = operatorEngine()

describe('operatorEngine', () => {
  test('default', async () => {
    const policy = await engine.prepare({
      rego: utf8(`package guard.v1
default allow := false
allow if count(deny) == 0
deny contains "too much" if input.value > data.params.limit
deny contains sprintf("score %d", [data.wasm.score]) if data.wasm.score > 10
`),
    })
    expect(policy.package).toBe('guard.v1')
    const run = (input: unknown, data: unknown) =>
      policy.evaluate({ inputJson: JSON.stringify(input), dataJson: JSON.stringify(data) }, world)
    expect(run({ value: 1 }, { params: { limit: 5 }, wasm: { score: 1 } })).toEqual({
      kind: 'defined',
      allow: true,
      reasons: [],
      value: true,
    })
    expect(run({ value: 9 }, { params: { limit: 5 }, wasm: { score: 11 } })).toEqual({
      kind: 'defined',
      allow: false,
      reasons: ['score 11', 'too much'],
      value: false,
    })
  })

  test('error: RegoSourceError has line, column and a caret', async () => {
    await expect(
      engine.prepare({ rego: utf8('package p\n\nallow if {\n  input.x = = 1\n}\n') }),
    ).rejects.toMatchObject({
      code: 'REGO_SOURCE',
      location: { line: 4, column: 13, text: '  input.x = = 1', caret: '            ^' },
    })
  })

  test.each([
    ['9007199254740993', 9_007_199_254_740_993n],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
    ['9007199254740991', 9_007_199_254_740_991],
    ['1234567890123456.5', 1_234_567_890_123_456.5],
    [
      '{"a": [18446744073709551615, "18446744073709551615"], "__proto__": 9007199254740993}',
      JSON.parse('{"a": [0, "18446744073709551615"], "__proto__": 0}', (_, value) => value),
    ],
  ])('behavior: the value %s is what the engine has', async (source, value) => {
    const policy = await engine.prepare({ rego: utf8(`package p\nallow := ${source}`) })
    const outcome = policy.evaluate({ inputJson: '{}', dataJson: '{}' }, world)
    if (outcome.kind !== 'defined') expect.fail(outcome.kind)
    expect(outcome.allow).toBe(false)
    if (typeof value !== 'object') {
      expect(outcome.value).toBe(value)
      return
    }
    const got = outcome.value as Record<string, unknown>
    expect(got['a']).toEqual([18_446_744_073_709_551_615n, '18446744073709551615'])
    expect(Object.getOwnPropertyDescriptor(got, '__proto__')?.value).toBe(9_007_199_254_740_993n)
  })

  test.each([
    ['input', '{"s":"\ud800"}', '{}'],
    ['input', '{"s":"\udc00x"}', '{}'],
    ['data', '{}', '{"params":{"\ud83d":1}}'],
  ])('error: half a character in %s is no input', async (_, inputJson, dataJson) => {
    const policy = await engine.prepare({ rego: utf8('package p\nallow if true') })
    expect(policy.evaluate({ inputJson, dataJson }, world)).toMatchObject({
      kind: 'error',
      code: 'INVALID_INPUT',
    })
    const whole = { inputJson: '{"s":"\ud83d\ude00"}', dataJson: '{}' }
    expect(policy.evaluate(whole, world)).toMatchObject({ kind: 'defined', allow: true })
  })

  test.each([
    [{ maxSteps: Number.NaN }, 'limits.maxSteps'],
    [{ maxSteps: 0 }, 'limits.maxSteps'],
    [{ maxSteps: 1.5 }, 'limits.maxSteps'],
    [{ maxMemoryBytes: 2 ** 32 }, 'limits.maxMemoryBytes'],
    [{ maxMemoryBytes: Number.POSITIVE_INFINITY }, 'limits.maxMemoryBytes'],
    [{ steps: 5 } as never, 'limits.steps'],
  ])('error: the limits %j are refused by name', async (limits, field) => {
    const preparing = engine.prepare({ rego: utf8('package p\nallow if true') }, limits)
    await expect(preparing).rejects.toMatchObject({ code: 'INVALID_INPUT', field })
  })
})
