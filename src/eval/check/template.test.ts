import { describe, expect, test } from 'vitest'
import { checkTemplate } from './template.js'

const rego = `package guard
allow if count(deny) == 0
deny contains "too much" if input.value > data.params.limit
`
const schema = '{"type":"object","properties":{"limit":{"type":"integer"}},"required":["limit"]}'

describe('checkTemplate', () => {
  test('default', async () => {
    expect(await checkTemplate({ rego, policyParamsSchema: schema })).toEqual({
      status: 'valid',
      package: 'guard',
      params: ['limit'],
      problems: [],
    })
  })

  test('behavior: a param that the schema lacks is named with its place', async () => {
    const check = await checkTemplate({
      rego,
      policyParamsSchema: schema.replaceAll('limit', 'lmit'),
    })
    expect(check.problems).toEqual([
      {
        file: 'rego',
        message: 'data.params.limit is not in the params schema',
        location: expect.objectContaining({ line: 3 }),
      },
    ])
  })

  test('behavior: params without a schema', async () => {
    const check = await checkTemplate({ rego })
    expect(check.problems[0]?.message).toContain('there is none')
  })

  test('behavior: a schema that one profile refuses is refused, naming the profile', async () => {
    const operatorOnly = '{"type":"object","properties":{"limit":{"type":"any"}}}'
    const standardOnly = '{"type":"object","title":"t","properties":{"limit":{"type":"integer"}}}'
    for (const [source, profile] of [
      [operatorOnly, '2020-12'],
      [standardOnly, 'operator'],
    ] as const) {
      const { problems } = await checkTemplate({ rego, policyParamsSchema: source })
      expect(problems).toHaveLength(1)
      expect(problems[0]).toMatchObject({ file: 'policyParamsSchema' })
      expect(problems[0]?.message).toContain(`${profile}: `)
    }
  })

  test('behavior: schemas of data templates are checked too', async () => {
    const { problems } = await checkTemplate({
      rego,
      policyParamsSchema: schema,
      dataSchemas: [{ name: 'screening', secretsSchema: '{"type":"object","format":"x"}' }],
    })
    expect(problems[0]?.file).toBe('dataSchemas[0].secretsSchema')
  })

  test('behavior: no allow, a syntax error, a taken package name, bad bytes', async () => {
    const cases: readonly [string | Uint8Array, string][] = [
      ['package guard\ndeny contains "x" if true', 'there is no rule data.guard.allow'],
      ['package guard\nallow if {', 'not valid'],
      ['package params\nallow if true', 'data document'],
      [Uint8Array.of(0xff, 0xfe), 'UTF-8'],
      [undefined as never, 'expected the text of a file'],
    ]
    for (const [source, words] of cases) {
      const { status, problems } = await checkTemplate({ rego: source })
      expect(status).toBe('invalid')
      expect(problems[0]?.message).toContain(words)
    }
  })
})
