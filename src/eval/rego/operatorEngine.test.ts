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
})
