import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hostileSchema } from '../../../../test/support/hostileSchemas.js'
import { keywordCases, schemaArbitraries } from '../../../../test/support/schemaCases.js'
import type { Json } from '../../../core/jsonText.js'
import { createProcessMemory } from '../../../internal/processMemory.js'
import { createSchemaValidator } from '../validator.js'
import { ajvSchemaValidator } from './index.js'

const interpreter = createSchemaValidator({ profiles: '2020-12' })
const ajv = await ajvSchemaValidator({ profiles: '2020-12' })

const text = (schema: unknown, value: unknown) => ({
  schemaJson: JSON.stringify(schema),
  valueJson: JSON.stringify(value),
})

/** Of these the interpreter decides, and ajv would decide otherwise. */
const refused: ReadonlySet<string> = new Set(['unevaluatedItems', 'unevaluatedProperties with if'])

test.each(keywordCases)('%s', async (name, schema, good, bad) => {
  if (refused.has(name)) {
    expect(await ajv.checkSchema(JSON.stringify(schema))).toMatchObject({
      status: 'unusable-schema',
    })
    return
  }
  for (const value of good) {
    expect(await ajv.validate(text(schema, value)), JSON.stringify(value)).toEqual({
      status: 'valid',
    })
  }
  for (const value of bad) {
    expect((await ajv.validate(text(schema, value))).status, JSON.stringify(value)).toBe('invalid')
  }
})

test('behavior: random schemas and values are judged as the interpreter judges them', async () => {
  const { schema, value } = schemaArbitraries()
  const values = fc.array(value, { minLength: 3, maxLength: 6 })
  let answered = 0
  let silent = 0
  await fc.assert(
    fc.asyncProperty(schema, values, async (json, given) => {
      for (const one of given) {
        const mine = await ajv.validate(text(json, one))
        if (mine.status === 'unusable-schema') continue
        const theirs = await interpreter.validate(text(json, one))
        if (mine.status === 'invalid' && /gave no answer/.test(mine.issues[0]?.message ?? '')) {
          silent += 1
          continue
        }
        answered += 1
        expect(mine.status).toBe(theirs.status)
      }
    }),
    { numRuns: Number(process.env['FC_NUM_RUNS'] ?? 100) },
  )
  expect(answered).toBeGreaterThan(10 * silent)
})

test.each([
  ['oneOf', { oneOf: [{ patternProperties: { '^a': { type: 'string' } } }, true] }],
  ['anyOf', { anyOf: [{ patternProperties: { '^a': { type: 'string' } } }, true] }],
  ['anyOf of allOf', { anyOf: [{ allOf: [{ patternProperties: { '^a': false } }] }, true] }],
  [
    'dependentSchemas',
    { anyOf: [{ dependentSchemas: { a: { patternProperties: { a: false } } } }, true] },
  ],
])(
  'error: a branch with patternProperties that does not hold, in %s, is not decided',
  async (_, branch) => {
    const schema = { ...branch, unevaluatedProperties: false }
    expect((await interpreter.validate(text(schema, { a: {} }))).status).toBe('invalid')
    expect((await ajv.validate(text(schema, { a: {} }))).status).toBe('unusable-schema')
  },
)

describe('bounds', () => {
  test('behavior: hostile schemas end, with the same answers where both have one', async () => {
    let stopped = 0
    for (let seed = 0; seed < 60; seed++) {
      const hostile = hostileSchema(seed)
      const mine = await ajv.validate(hostile)
      const theirs = await interpreter.validate(hostile)
      const caps = [mine, theirs].some(
        (verdict) => verdict.status !== 'valid' && verdict.issues[0]?.profile === 'caps',
      )
      if (mine.status !== 'valid' && mine.issues[0]?.profile === 'caps') stopped += 1
      if (caps || mine.status === 'unusable-schema') continue
      expect(mine.status, `seed ${seed}`).toBe(theirs.status)
    }
    expect(stopped).toBeGreaterThan(3)
  })

  test.each([
    ['a schema that is too large', { description: 'x'.repeat(70_000) }, 1],
    ['a pattern beyond RE2', { pattern: '(?=a)' }, 'a'],
    ['references that double', doubling(18), 1],
    ['a loop that a value takes', { anyOf: [{ $ref: '#' }] }, 1],
    ['a pattern on a long text', { pattern: '^(a+)+$' }, 'a'.repeat(200_000)],
    [
      'names on many items',
      { items: { not: { required: manyNames() } } },
      Array.from({ length: 20_000 }, () => ({})),
    ],
    [
      'long names',
      { allOf: Array(32).fill({ allOf: Array(32).fill({ maxProperties: 5 }) }) },
      { ['n'.repeat(500_000)]: 1 },
    ],
    [
      'comparisons',
      { allOf: Array(32).fill({ uniqueItems: true }) },
      Array.from({ length: 20_000 }, (_, index) => index),
    ],
  ])('error: %s', async (_, schema, value) => {
    for (const validator of [ajv, interpreter]) {
      const verdict = await validator.validate(text(schema, value))
      expect(verdict.status === 'valid' ? [] : verdict.issues).toMatchObject([{ profile: 'caps' }])
    }
  })
})

test.each([
  ['a member __proto__', '{"properties":{"__proto__":{"type":"string"}}}', /__proto__/],
  ['contains beside prefixItems', '{"contains":true,"prefixItems":[true]}', /contains/],
  ['references that repeat it', repeated(), /references repeat/],
  ['an unknown keyword', '{"requierd":["a"]}', /not a keyword/],
  ['a dynamic reference', '{"$dynamicRef":"#a"}', /not supported/],
  ['a reference outside', '{"$ref":"https://json-schema.org/draft/2020-12/schema"}', /inside/],
])('error: a schema that ajv may not have: %s', async (_, schemaJson, words) => {
  const verdict = await ajv.checkSchema(schemaJson)
  expect(verdict.status).toBe('unusable-schema')
  expect(JSON.stringify(verdict)).toMatch(words)
})

test('behavior: the operators are asked too, unless they are left out by name', async () => {
  const both = await ajvSchemaValidator()
  const given = text({ type: 'object', title: 'x' }, {})
  expect(await ajv.validate(given)).toEqual({ status: 'valid' })
  expect(await both.validate(given)).toMatchObject({
    status: 'unusable-schema',
    issues: [{ profile: 'operator' }],
  })
  expect(await both.validate(text({ type: 'integer' }, 'a'))).toMatchObject({
    issues: [{ profile: '2020-12', path: '' }, { profile: 'operator' }],
  })
  await expect(ajvSchemaValidator({ profiles: 'Both' as never })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  })
})

test('behavior: an issue names the place, as the interpreter does', async () => {
  const schema = { properties: { 'a/b': { items: { minimum: 2 } } }, additionalProperties: false }
  for (const [value, path] of [
    [{ 'a/b': [3, 1] }, '/a~1b/1'],
    [{ c: 1 }, '/c'],
  ] as const) {
    for (const validator of [ajv, interpreter]) {
      const verdict = await validator.validate(text(schema, value))
      expect(verdict).toMatchObject({ status: 'invalid', issues: [{ path, profile: '2020-12' }] })
    }
  }
})

test('behavior: in one memory, each has its own form of a schema', async () => {
  const memory = createProcessMemory({ maxBytes: 1_000_000 })
  const mine = await ajvSchemaValidator({ profiles: '2020-12', memory })
  const theirs = createSchemaValidator({ profiles: '2020-12', memory })
  const given = text({ enum: ['a'] }, 'b')
  const messages = []
  for (const validator of [mine, theirs, mine]) {
    const verdict = await validator.validate(given)
    messages.push(verdict.status === 'invalid' ? verdict.issues[0]?.message : verdict.status)
  }
  expect(messages[2]).toBe(messages[0])
  expect(messages[1]).not.toBe(messages[0])
})

function repeated(): string {
  const leaf: Json = { allOf: Array(30).fill({ minimum: 1 }) }
  const parts = Array.from({ length: 25 }, (_, index): [string, Json] => [
    `p${index}`,
    { items: { allOf: [leaf, { $ref: '#' }, { $ref: `#/properties/p${index}/items/allOf/0` }] } },
  ])
  const inner = Array.from({ length: 25 }, (_, index) => ({ $ref: `#/properties/p${index}` }))
  return JSON.stringify({ properties: Object.fromEntries(parts), anyOf: inner })
}

function manyNames(): string[] {
  return Array.from({ length: 900 }, (_, index) => `n${index}`)
}

function doubling(depth: number): Json {
  const defs = Array.from({ length: depth }, (_, index): [string, Json] => {
    const next = { $ref: `#/$defs/d${index + 1}` }
    return [`d${index}`, { allOf: [next, next] }]
  })
  return { $ref: '#/$defs/d0', $defs: Object.fromEntries([...defs, [`d${depth}`, {}]]) }
}
