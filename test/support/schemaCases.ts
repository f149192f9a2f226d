// biome-ignore-all lint/suspicious/noThenProperty: a keyword of JSON Schema is named so
/** Schemas with what they accept and refuse, and random ones: for every validator of 2020-12. */
import fc from 'fast-check'
import type { Json, JsonObject } from '../../src/core/jsonText.js'

/** One schema per keyword: what it accepts, and what it refuses. */
export const keywordCases: readonly [string, unknown, readonly unknown[], readonly unknown[]][] = [
  ['type', { type: ['integer', 'null'] }, [1, null, 2.0], [1.5, 'a', true, [], {}]],
  ['const', { const: { a: [1, 2] } }, [{ a: [1, 2] }], [{ a: [2, 1] }, {}]],
  ['enum', { enum: [1, 'a', null] }, [1, 'a', null], [2, true]],
  ['bounds', { minimum: 1, exclusiveMaximum: 3 }, [1, 2.9, 'x'], [0, 3]],
  ['exclusiveMinimum', { exclusiveMinimum: 1, maximum: 3 }, [1.1, 3], [1, 3.1]],
  ['multipleOf', { multipleOf: 0.5 }, [1, 1.5], [1.2]],
  ['length', { minLength: 2, maxLength: 3 }, ['ab', '😀😀😀'], ['a', 'abcd', '😀']],
  ['pattern', { pattern: 'b+' }, ['abc', 5], ['ac']],
  [
    'patternProperties',
    { patternProperties: { '^x': { type: 'number' } }, additionalProperties: false },
    [{ x1: 1 }],
    [{ x1: 'a' }, { y: 1 }],
  ],
  ['propertyNames', { propertyNames: { maxLength: 2 } }, [{ ab: 1 }], [{ abc: 1 }]],
  [
    'properties count',
    { minProperties: 1, maxProperties: 2 },
    [{ a: 1 }],
    [{}, { a: 1, b: 2, c: 3 }],
  ],
  ['required', { required: ['a'] }, [{ a: null }, 5], [{}]],
  ['dependentRequired', { dependentRequired: { a: ['b'] } }, [{}, { a: 1, b: 1 }], [{ a: 1 }]],
  ['dependentSchemas', { dependentSchemas: { a: { required: ['b'] } } }, [{ b: 1 }], [{ a: 1 }]],
  [
    'items',
    { prefixItems: [{ type: 'string' }], items: { type: 'number' } },
    [['a', 1, 2], []],
    [[1], ['a', 'b']],
  ],
  [
    'contains',
    { contains: { const: 1 }, minContains: 1, maxContains: 2 },
    [[1], [0, 1, 1]],
    [[], [1, 1, 1]],
  ],
  ['minContains 0', { contains: { const: 1 }, minContains: 0 }, [[]], []],
  [
    'uniqueItems',
    { uniqueItems: true },
    [
      [1, 2],
      [1, '1'],
      [{ a: 1 }, { a: 2 }],
    ],
    [
      [1, 1],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
  ],
  ['items count', { minItems: 1, maxItems: 2 }, [[1]], [[], [1, 2, 3]]],
  ['allOf', { allOf: [{ minimum: 1 }, { maximum: 2 }] }, [1, 2], [0, 3]],
  ['anyOf', { anyOf: [{ type: 'string' }, { minimum: 5 }] }, ['a', 5], [4]],
  ['oneOf', { oneOf: [{ minimum: 1 }, { maximum: 5 }] }, [0, 6], [3]],
  ['not', { not: { type: 'string' } }, [1], ['a']],
  ['if', { if: { const: 1 }, then: false, else: { type: 'string' } }, ['a'], [1, 2]],
  ['boolean schemas', { properties: { a: true, b: false } }, [{ a: 1 }], [{ b: 1 }]],
  [
    '$ref',
    {
      $defs: {
        n: {
          type: 'object',
          properties: { next: { $ref: '#/$defs/n' } },
          additionalProperties: false,
        },
      },
      $ref: '#/$defs/n',
    },
    [{ next: { next: {} } }],
    [{ next: { other: 1 } }],
  ],
  ['$ref escaped', { $defs: { 'a/b~c': { type: 'string' } }, $ref: '#/$defs/a~1b~0c' }, ['x'], [1]],
  ['$anchor', { $defs: { x: { $anchor: 'here', type: 'string' } }, $ref: '#here' }, ['x'], [1]],
  [
    'unevaluatedProperties',
    {
      allOf: [{ properties: { a: true } }],
      properties: { b: true },
      unevaluatedProperties: false,
    },
    [{ a: 1, b: 2 }],
    [{ c: 1 }],
  ],
  [
    'unevaluatedProperties with if',
    {
      if: { properties: { a: { const: 1 } }, required: ['a'] },
      then: { properties: { b: true } },
      unevaluatedProperties: false,
    },
    [{ a: 1, b: 1 }],
    [{ a: 2 }, { b: 1 }],
  ],
  [
    'unevaluatedItems',
    { prefixItems: [true], contains: { const: 'c' }, unevaluatedItems: false },
    [['a', 'c']],
    [['a', 'c', 'b']],
  ],
  [
    'annotations',
    { format: 'email', default: 1, examples: [1], deprecated: true, $comment: 'c', title: 't' },
    ['no email'],
    [],
  ],
]

/** Small random schemas without `contains`, and values that they may or may not accept. */
export function schemaArbitraries(): { schema: fc.Arbitrary<Json>; value: fc.Arbitrary<Json> } {
  const leaf: fc.Arbitrary<Json> = fc.oneof(
    fc.constantFrom<Json>(
      true,
      false,
      { type: 'string' },
      { type: 'integer' },
      { type: ['object', 'null'] },
      { minimum: 2 },
      { const: 1 },
      { enum: ['a', null, 2] },
      { minLength: 2 },
      { pattern: '^a' },
      { required: ['a'] },
      { maxItems: 1 },
      { uniqueItems: true },
    ),
  )
  const { schema } = fc.letrec<{ schema: Json }>((tie) => {
    const one = tie('schema')
    const some = fc.array(one, { minLength: 1, maxLength: 2 })
    const map = (...names: string[]): fc.Arbitrary<Json> =>
      fc.dictionary(fc.constantFrom(...names), one, { maxKeys: 2 }) as fc.Arbitrary<Json>
    const keyword = fc.oneof(
      ...['additionalProperties', 'items', 'not', 'propertyNames', 'unevaluatedProperties'].map(
        (name) => one.map((json): JsonObject => ({ [name]: json })),
      ),
      ...['anyOf', 'oneOf', 'allOf', 'prefixItems'].map((name) =>
        some.map((json): JsonObject => ({ [name]: json })),
      ),
      map('a', 'b', 'c').map((json): JsonObject => ({ properties: json })),
      map('^a', 'b').map((json): JsonObject => ({ patternProperties: json })),
      fc.tuple(one, one, one).map(
        (parts): JsonObject => ({
          if: parts[0],
          then: parts[1],
          else: parts[2],
        }),
      ),
    )
    const node = fc.tuple(keyword, keyword).map(([x, y]): Json => ({ ...x, ...y }))
    return { schema: fc.oneof({ maxDepth: 2, depthSize: 'small' }, leaf, node) }
  })
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom<Json>(null, true, 1, 2.5, 3, 'a', 'ab', 'b'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'ab', 'c'), tie('value'), { maxKeys: 3 }),
    ) as fc.Arbitrary<Json>,
  }))
  return { schema, value }
}
