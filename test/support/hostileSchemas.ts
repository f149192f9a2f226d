/** Random schemas within the caps that are written to cost much, each with a value to try it on. */
import { type Random, randomFrom } from '../evalFuzz/random.js'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** References that double at each of `depth` levels. */
function doubling(random: Random): { [name: string]: Json } {
  const depth = 2 + random.below(22)
  const defs: { [name: string]: Json } = {}
  for (let level = 0; level < depth; level++) {
    const next = { $ref: `#/$defs/d${level + 1}` }
    defs[`d${level}`] = { [random.pick(['allOf', 'anyOf', 'oneOf'])]: [next, next] }
  }
  defs[`d${depth}`] = leaf(random)
  return { $ref: '#/$defs/d0', $defs: defs }
}

function leaf(random: Random): { [name: string]: Json } {
  return random.pick<() => { [name: string]: Json }>([
    () => ({ uniqueItems: true }),
    () => ({ const: Array.from({ length: random.below(40) }, (_, index) => index) }),
    () => ({ enum: Array.from({ length: 1 + random.below(40) }, (_, index) => `v${index}`) }),
    () => ({ items: { enum: ['a', 1, null, 'x'.repeat(random.below(500))] } }),
    () => ({ items: { type: 'string', pattern: '^(a+)+$', minLength: 1 } }),
    () => ({ contains: { const: 'none' }, minContains: 0 }),
    () => ({ patternProperties: { '^(x|y)+[0-9]{1,9}$': { minimum: 1 } }, minProperties: 1 }),
    () => ({ propertyNames: { maxLength: 40 }, additionalProperties: { type: 'number' } }),
    () => ({ not: { items: { type: 'integer', multipleOf: 3 } } }),
    () => ({ unevaluatedItems: { type: 'string' }, unevaluatedProperties: false }),
    () => ({ type: ['null', 'object', 'array', 'string'] }),
  ])()
}

function branches(random: Random, depth: number): { [name: string]: Json } {
  if (depth === 0 || random.chance(15)) return leaf(random)
  const count = 1 + random.below(depth > 1 ? 8 : 32)
  const inner = Array.from({ length: count }, () => branches(random, depth - 1))
  const keyword = random.pick(['allOf', 'anyOf', 'oneOf', 'items', 'if'])
  if (keyword === 'items') return { items: inner[0] ?? true }
  if (keyword === 'if') return { if: inner[0] ?? true, else: leaf(random) }
  return { [keyword]: inner }
}

function value(random: Random): Json {
  const length = random.pick([0, 1, 10, 300, 3_000])
  const item = random.pick<(index: number) => Json>([
    (index) => index,
    (index) => `x${index}`,
    () => 'a'.repeat(60),
    (index) => ({ a: index, b: [index] }),
    () => [[[]]],
  ])
  const items = Array.from({ length }, (_, index) => item(index))
  if (random.chance(60)) return items
  return Object.fromEntries(items.map((one, index) => [`x${index}`, one]))
}

/** The schema and value of a number. */
export function hostileSchema(seed: number): { schemaJson: string; valueJson: string } {
  const random = randomFrom(seed)
  const schema = random.chance(30) ? doubling(random) : branches(random, 3)
  return { schemaJson: JSON.stringify(schema), valueJson: JSON.stringify(value(random)) }
}
