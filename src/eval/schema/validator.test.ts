// biome-ignore-all lint/suspicious/noThenProperty: a keyword of JSON Schema is named so
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keywordCases, schemaArbitraries } from '../../../test/support/schemaCases.js'
import type { SchemaVerdict } from '../../core/interfaces/schemaValidator.js'
import type { Json } from '../../core/jsonText.js'
import { createSchemaValidator } from './validator.js'

const both = createSchemaValidator()
const standard = createSchemaValidator({ profiles: '2020-12' })

function validate(schema: unknown, value: unknown, validator = both): Promise<SchemaVerdict> {
  return validateText(JSON.stringify(schema), JSON.stringify(value), validator)
}

function validateText(
  schemaJson: string,
  valueJson: string,
  validator = both,
): Promise<SchemaVerdict> {
  return validator.validate({ schemaJson, valueJson })
}

function profiles(verdict: SchemaVerdict): readonly string[] {
  return verdict.status === 'valid' ? [] : [...new Set(verdict.issues.map((one) => one.profile))]
}

const params = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 100 },
    asset: { type: 'string', pattern: '^[a-z]{3}$', description: 'lower case' },
    tags: { type: 'array', items: { type: 'string' }, maxItems: 2 },
    nested: { type: 'object', properties: { deep: { type: 'boolean' } } },
  },
  required: ['limit'],
  additionalProperties: false,
}

test.each(['operator', 'Both', '', 'toString', null])(
  'error: the profile %j, which does not exist, is no validator',
  (profiles) => {
    expect(() => createSchemaValidator({ profiles: profiles as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'profiles' }),
    )
  },
)

test.each([undefined, null, 5, [], { type: 'string' }, Symbol('s'), Object.create(null)])(
  'error: what is no text is neither schema nor value, %#',
  async (stranger) => {
    for (const given of [
      { schemaJson: stranger, valueJson: '1' },
      { schemaJson: '{"type":"string"}', valueJson: stranger },
    ]) {
      await expect(both.validate(given as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(both.checkSchema(stranger as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'schemaJson',
    })
  },
)

describe('createSchemaValidator', () => {
  test('default', async () => {
    expect(await validate(params, { limit: 5, asset: 'eth', tags: ['a'] })).toEqual({
      status: 'valid',
    })
  })

  test.each([
    [{ limit: 0 }, '/limit'],
    [{ limit: 101 }, '/limit'],
    [{ limit: 1.5 }, '/limit'],
    [{ limit: '5' }, '/limit'],
    [{ limit: 5, asset: 'ETH' }, '/asset'],
    [{ limit: 5, tags: ['a', 1] }, '/tags/1'],
    [{ limit: 5, tags: ['a', 'b', 'c'] }, '/tags'],
    [{ limit: 5, nested: { deep: 1 } }, '/nested/deep'],
  ])('behavior: %j is refused by both profiles, at %s', async (value, path) => {
    const verdict = await validate(params, value)
    expect(verdict).toMatchObject({ status: 'invalid' })
    expect([...profiles(verdict)].sort()).toEqual(['2020-12', 'operator'])
    for (const issue of verdict.status === 'valid' ? [] : verdict.issues) {
      expect(issue.path).toBe(path)
    }
  })

  test.each([
    ['a missing member', {}],
    ['a member too many', { limit: 5, other: 1 }],
    ['null', null],
    ['an array', []],
  ])('behavior: %s', async (_, value) => {
    const verdict = await validate(params, value)
    expect([...profiles(verdict)].sort()).toEqual(['2020-12', 'operator'])
  })

  test('behavior: checkSchema says the same of the schema alone', async () => {
    const schemaJson = JSON.stringify(params)
    expect(await both.checkSchema(schemaJson)).toEqual({ status: 'valid' })
    const verdict = await both.checkSchema('{"type":"object","titel":"x"}')
    expect([...profiles(verdict)].sort()).toEqual(['2020-12', 'operator'])
  })

  test('behavior: callers at once do not mix their schemas', async () => {
    const fresh = createSchemaValidator()
    const runs = Array.from({ length: 20 }, (_, index) =>
      validate({ const: index }, index % 2 === 0 ? index : index + 1, fresh),
    )
    const verdicts = await Promise.all(runs)
    verdicts.forEach((verdict, index) => {
      expect(verdict.status).toBe(index % 2 === 0 ? 'valid' : 'invalid')
    })
  })
})

describe('what only one profile accepts is an error that names the other', () => {
  test.each([
    ['$schema', { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' }],
    ['title', { type: 'object', title: 'x' }],
    ['format', { type: 'string', format: 'date' }],
    ['oneOf', { oneOf: [{ type: 'string' }] }],
    ['$ref', { $defs: { a: { type: 'string' } }, $ref: '#/$defs/a' }],
    ['several types', { type: ['string', 'null'] }],
    ['an array without items', { type: 'array' }],
    ['a bound that is no integer', { type: 'integer', minimum: 0.5 }],
    ['type with enum', { type: 'string', enum: ['a'] }],
    ['exclusiveMinimum', { type: 'number', exclusiveMinimum: 0 }],
    ['uniqueItems', { type: 'array', items: { type: 'string' }, uniqueItems: true }],
    ['a schema that says nothing', {}],
    ['true', true],
    ['a name twice in required', { type: 'object', description: 'd', required: ['a', 'a'] }],
  ])('the operators refuse %s', async (_, schema) => {
    const verdict = await both.checkSchema(JSON.stringify(schema))
    expect(verdict.status).toBe('unusable-schema')
    expect(profiles(verdict)).toContain('operator')
  })

  test.each([
    ['type any', { type: 'any' }],
    ['type set', { type: 'set', items: { type: 'string' } }],
    ['a name', { type: 'object', name: 'limits' }],
    ['no branches', { anyOf: [] }],
  ])('2020-12 refuses %s', async (_, schema) => {
    const verdict = await both.checkSchema(JSON.stringify(schema))
    expect(verdict.status).toBe('unusable-schema')
    expect(profiles(verdict)).toContain('2020-12')
  })

  test('lengths are bytes to the operators, characters to the standard', async () => {
    const schema = { type: 'string', minLength: 2, maxLength: 2 }
    expect(profiles(await validate(schema, 'é'))).toEqual(['2020-12'])
    expect(profiles(await validate(schema, 'éé'))).toEqual(['operator'])
    expect(profiles(await validate(schema, 'ab'))).toEqual([])
  })
})

describe('hostile schemas', () => {
  const chain = Object.fromEntries(
    Array.from({ length: 18 }, (_, index) => [
      `d${index}`,
      { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  )
  const deep = (depth: number): string =>
    `${'{"type":"array","items":'.repeat(depth)}{"type":"null"}${'}'.repeat(depth)}`
  const cases: readonly [string, unknown, unknown, RegExp][] = [
    ['a reference to itself', { $ref: '#' }, 1, /leads back to itself/],
    [
      'a loop of references',
      { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' },
      1,
      /leads back/,
    ],
    [
      'references that double',
      { $defs: { ...chain, d18: { type: 'string' } }, $ref: '#/$defs/d0' },
      1,
      /schemas to apply/,
    ],
    ['a reference outside', { $ref: 'https://example.com/schema' }, 1, /inside the schema/],
    ['a reference to nothing', { $ref: '#/$defs/a' }, 1, /points at nothing/],
    ['a pattern outside RE2', { type: 'string', pattern: '(a)\\1' }, 'a', /not within RE2/],
    ['a lookahead', { type: 'string', pattern: '(?=a)' }, 'a', /not within RE2/],
    ['a broken pattern', { type: 'string', pattern: '(' }, 'a', /not within RE2/],
    [
      'a repetition of repetitions',
      { type: 'string', pattern: '((a{100}){100}){100}' },
      'a',
      /repeats too much/,
    ],
    ['a long pattern', { type: 'string', pattern: 'a'.repeat(300) }, 'a', /characters, more than/],
    [
      'many patterns',
      {
        anyOf: Array.from({ length: 30 }, (_, i) => ({ type: 'string', pattern: `(x${i}y?){60}` })),
      },
      'a',
      /instructions/,
    ],
    ['nesting', deep(40), [], /nested deeper/],
    [
      'thousands of members',
      {
        type: 'object',
        properties: Object.fromEntries(Array.from({ length: 2_100 }, (_, i) => [`p${i}`, true])),
      },
      {},
      /more than 2000 values/,
    ],
    [
      'a hundred branches',
      { anyOf: Array.from({ length: 100 }, () => ({ type: 'null' })) },
      1,
      /branches/,
    ],
    ['a hundred kilobytes', { type: 'object', description: 'x'.repeat(100_000) }, {}, /bytes/],
    ['a name twice', '{"type":"object","type":"string"}', {}, /twice/],
    ['no JSON', '{', {}, /member name|unexpected/],
    ['a dynamic reference', { $dynamicRef: '#a' }, 1, /not supported/],
  ]

  test.each(cases)('%s', async (_, schema, value, words) => {
    await validate(params, { limit: 1 })
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
    const verdict = await validateText(text, JSON.stringify(value), standard)
    expect(verdict.status).not.toBe('valid')
    const messages = verdict.status === 'valid' ? [] : verdict.issues.map((one) => one.message)
    expect(messages.join('\n')).toMatch(words)
    expect((await validateText(text, JSON.stringify(value))).status).not.toBe('valid')
  })

  test.each([
    ['itself', { $ref: '#' }],
    ['by way of definitions', cases[1]?.[1]],
    ['by way of all branches', { allOf: [true, { allOf: [{ $ref: '#' }] }] }],
    ['in a definition nobody uses', { $defs: { a: { $ref: '#/$defs/a' } } }],
    ['far down', { properties: { a: { allOf: [{ $ref: '#/properties/a' }] } } }],
  ])('error: a loop that every value takes makes the schema unusable: %s', async (_, schema) => {
    const verdict = await validate(schema, 1, standard)
    expect(verdict.status).toBe('unusable-schema')
  })

  test.each([
    ['recursion into the value', { properties: { a: { $ref: '#' } } }],
    ['one definition twice', { $defs: { a: true }, allOf: Array(2).fill({ $ref: '#/$defs/a' }) }],
    ['a loop that only texts take', { if: { type: 'string' }, then: { $ref: '#' } }],
  ])('behavior: %s is no such loop', async (_, schema) => {
    expect(await validate(schema, { a: { a: {} } }, standard)).toEqual({ status: 'valid' })
  })

  test('catastrophic patterns on long strings are bounded', async () => {
    const schema = { type: 'string', pattern: '^(a+)+$' }
    const small = await validate(schema, `${'a'.repeat(1_000)}!`)
    expect(small.status).toBe('invalid')
    const large = await validate(schema, `${'a'.repeat(200_000)}!`)
    expect(profiles(large)).toContain('caps')
  })

  test('instances are bounded too', async () => {
    const schema = { type: 'array', items: { type: 'array', items: { type: 'null' } } }
    const deepValue = `${'['.repeat(70)}${']'.repeat(70)}`
    const text = JSON.stringify(schema)
    expect(profiles(await validateText(text, deepValue))).toEqual(['caps'])
    expect(profiles(await validateText(text, `"${'x'.repeat(1_048_600)}"`))).toEqual(['caps'])
    expect(profiles(await validateText('{"const":1}', '9007199254740993'))).toEqual(['caps'])
  })

  test('names of JavaScript are names like any other', async () => {
    const schema =
      '{"type":"object","properties":{"__proto__":{"type":"string"}},"required":["toString","__proto__"],"additionalProperties":{"type":"integer"}}'
    expect(profiles(await validateText(schema, '{}'))).toEqual(['2020-12', 'operator'])
    const good = await validateText(schema, '{"toString":1,"__proto__":"x"}')
    expect(good.status).toBe('valid')
    const wrong = await validateText(schema, '{"toString":1,"__proto__":5}')
    expect([...profiles(wrong)].sort()).toEqual(['2020-12', 'operator'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('the 2020-12 profile', () => {
  test.each([
    ['allOf', { allOf: [{ properties: { a: true } }, { unevaluatedProperties: false }] }, { a: 1 }],
    ['items', { allOf: [{ prefixItems: [true] }, { unevaluatedItems: false }] }, [1]],
    [
      '$ref',
      {
        $ref: '#/$defs/closed',
        allOf: [{ properties: { a: true } }],
        $defs: { closed: { unevaluatedProperties: false } },
      },
      { a: 1 },
    ],
    ['then', { if: { properties: { a: true } }, then: { unevaluatedProperties: false } }, { a: 1 }],
    [
      'dependentSchemas',
      { properties: { a: true }, dependentSchemas: { a: { unevaluatedProperties: false } } },
      { a: 1 },
    ],
  ])('error: unevaluated members are not excused by a cousin: %s', async (_, schema, value) => {
    expect(await validate(schema, value, standard)).toMatchObject({ status: 'invalid' })
  })

  test.each([
    { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
    { $ref: '#/$defs/a', unevaluatedProperties: false, $defs: { a: { properties: { a: true } } } },
    { if: { required: ['a'] }, then: { properties: { a: true } }, unevaluatedProperties: false },
  ])('behavior: what a subschema looked at counts for its parent: %j', async (schema) => {
    expect(await validate(schema, { a: 1 }, standard)).toEqual({ status: 'valid' })
    expect(await validate(schema, { a: 1, b: 1 }, standard)).toMatchObject({ status: 'invalid' })
  })

  test('behavior: a keyword that holds is no issue beside one that does not', async () => {
    for (const holding of [{ anyOf: [true] }, { oneOf: [true, false] }, { not: false }]) {
      const verdict = await validate({ allOf: [{ type: 'string' }], ...holding }, 1, standard)
      expect(verdict).toEqual({
        status: 'invalid',
        issues: [{ profile: '2020-12', path: '', message: 'expected string, got number' }],
      })
    }
  })

  test('behavior: names and data that read like keywords', async () => {
    const named = {
      type: 'object',
      properties: { patternProperties: { type: 'string', pattern: '^a' } },
    }
    expect(await validate(named, { patternProperties: 'a' })).toEqual({ status: 'valid' })
    expect(await validate(named, { patternProperties: 'b' })).toMatchObject({ status: 'invalid' })
    const data = { const: { pattern: '(', anyOf: Array(40).fill(1) } }
    expect(await validate(data, data.const, standard)).toEqual({ status: 'valid' })
    const inside = { $ref: '#/$defs/a/const', $defs: { a: { const: { pattern: '^a' } } } }
    expect(await validate(inside, 'b', standard)).toMatchObject({ status: 'unusable-schema' })
  })

  test.each([
    [
      'const',
      { allOf: Array(32).fill({ items: { const: 'x' } }) },
      Array(600).fill('y'.repeat(1_000)),
    ],
    [
      'uniqueItems',
      { allOf: Array(32).fill({ uniqueItems: true }) },
      Array.from({ length: 20_000 }, (_, index) => index),
    ],
  ])('error: comparisons without end: %s', async (_, schema, value) => {
    const verdict = await validate(schema, value, standard)
    expect(profiles(verdict)).toEqual(['caps'])
  })

  test.each(keywordCases)('%s', async (_, schema, good, bad) => {
    for (const value of good) {
      expect(await validate(schema, value, standard), JSON.stringify(value)).toEqual({
        status: 'valid',
      })
    }
    for (const value of bad) {
      const verdict = await validate(schema, value, standard)
      expect(verdict.status, JSON.stringify(value)).toBe('invalid')
    }
  })

  test('says of each of them what ajv says', () => {
    const ajv = new Ajv2020({ strict: false, ownProperties: true, validateFormats: false })
    for (const [name, schema, good, bad] of keywordCases) {
      // ajv counts every item as seen once `contains` is there; the standard only those it matches.
      if (name === 'unevaluatedItems') continue
      const check = ajv.compile(schema as object)
      for (const value of good) expect(check(value), name).toBe(true)
      for (const value of bad) expect(check(value), name).toBe(false)
    }
  })

  test('says of random schemas and values what ajv says', async () => {
    // Without `contains`: beside `prefixItems` ajv lets an empty array pass it.
    const { schema, value } = schemaArbitraries()
    let answered = 0
    let silent = 0
    await fc.assert(
      fc.asyncProperty(
        schema,
        fc.array(value, { minLength: 3, maxLength: 6 }),
        async (json, values) => {
          // ajv counts what a condition that failed has looked at.
          const words = JSON.stringify(json)
          if (words.includes('"if"') && words.includes('unevaluated')) return
          const ajv = new Ajv2020({ strict: false, ownProperties: true, validateFormats: false })
          const check = ajv.compile(json as object)
          for (const made of values) {
            // Objects as JSON has them: ajv tells `{}` from one without a prototype.
            const one = JSON.parse(JSON.stringify(made)) as Json
            const verdict = await validate(json, one, standard)
            let said: boolean
            try {
              said = check(one)
            } catch (error) {
              // Code that ajv generates for nested branches throws on some values: it says nothing.
              expect(String(error)).toContain('Cannot set properties of undefined')
              silent += 1
              continue
            }
            answered += 1
            expect(verdict.status).toBe(said ? 'valid' : 'invalid')
          }
        },
      ),
      { numRuns: Number(process.env['FC_NUM_RUNS'] ?? 60) },
    )
    expect(answered).toBeGreaterThan(10 * silent)
  })

  test('refuses keywords nobody knows, and values of the wrong form', async () => {
    for (const schema of [
      { requierd: ['a'] },
      { required: 'a' },
      { required: ['a', 'a'] },
      { minLength: -1 },
      { minLength: 1.5 },
      { multipleOf: 0 },
      { type: 'text' },
      { properties: [] },
      { allOf: [] },
      { items: [{ type: 'string' }] },
      { enum: 'a' },
      { pattern: 5 },
      { $schema: 'http://json-schema.org/draft-07/schema#' },
      { properties: { a: { $id: 'https://example.com/a' } } },
      5,
    ]) {
      const verdict = await standard.checkSchema(JSON.stringify(schema))
      expect(verdict.status, JSON.stringify(schema)).toBe('unusable-schema')
    }
  })
})
