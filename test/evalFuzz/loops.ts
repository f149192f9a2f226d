/** Random policies of little but loops: what the engine prepares, and what lies next to that. */
import type { Case } from './compare.js'
import { type Random, randomFrom } from './random.js'

const head = `package policy

five := 5
names := {"a", "b"}
caps := {"a": 10, "b": 20}
never := 1 if false
bad := 1 / 0
rows := [row | some row in input.items; row.n > 0]
twice(x) := x * 2
large(x) if x > 1
first(x) := y if { some y in x; y == 1 }
`

const documents = [
  [
    { items: [], o: {} },
    { list: [], by: {} },
  ],
  [
    { items: [{ n: 1, t: 'a' }, { n: 2 }], o: { k: 1 } },
    { list: [3, 1, 2], by: { 1: 1, a: 'x' } },
  ],
  [{ items: [{ n: 0, t: 'b' }, { n: 1, t: 'b' }, 7, null], o: { a: [1], b: 1 } }, { list: [1.5] }],
].map(([input, params]) => ({
  inputJson: JSON.stringify(input),
  dataJson: JSON.stringify({ params }),
}))

/** The policy of a number. */
export function loopsFrom(seed: number): Case {
  names = 0
  const random = randomFrom(seed)
  const rules = [
    `seen contains ${term(random, ['x'], 1)} if { some x in ${list(random, [], 1)}; ${body(random, ['x'], 1)} }`,
    `of[k] := ${term(random, ['k', 'v'], 1)} if { some k, v in ${list(random, [], 1)} }`,
    `deny contains sprintf("%v", [${term(random, ['x'], 1)}]) if { some x in ${list(random, [], 1)}; ${body(random, ['x'], 1)} }`,
    random.chance(50)
      ? `allow := ${comprehension(random, [], 0)}`
      : `allow if { some x in ${list(random, [], 0)}; ${body(random, ['x'], 0)} } else := ${comprehension(random, [], 0)}`,
  ]
  if (random.chance(25)) rules.push(...mocked(random))
  return { seed, source: `${head}\n${rules.join('\n')}\n`, documents }
}

/** A `with` where a walk over rules may not look: in a default value, or in a pattern. */
function mocked(random: Random): string[] {
  const mock = random.pick([
    'input.items as [{"n": 1, "t": "a"}]',
    'input as {"items": [], "o": {}}',
    'data.params.list as [7]',
    'count as 9',
    'startswith as true',
  ])
  const value = random.pick(['seen', 'rows', 'probe("a")', 'probe("a")', 'probe("b")'])
  const query = `[m | m := ${value} with ${mock}]`
  return [
    'probe(x) := [count(y) | some y in [x, [x]]; startswith("ab", x)]',
    random.chance(50)
      ? `default probed := ${query}\nprobed := 1 if never`
      : `probed contains x if { some [x, ${query}] in [[1, [9]], [2, []], [3, [seen]]] }`,
    'deny contains sprintf("%v", [probed])',
  ]
}

let names = 0
const fresh = (): string => `v${names++ % 90}`

function body(random: Random, bound: string[], depth: number): string {
  const statements: string[] = []
  for (let left = 1 + random.below(3); left > 0; left--)
    statements.push(statement(random, bound, depth))
  return statements.join('; ')
}

/** A statement; what it binds is added to `bound`. */
function statement(random: Random, bound: string[], depth: number): string {
  const is = random.pick(['==', '!=', '<', '<=', '>', '>='])
  switch (random.below(9)) {
    case 0:
    case 1: {
      const [name, from] = [fresh(), list(random, bound, depth)]
      bound.push(name)
      return `some ${name} in ${from}`
    }
    case 2: {
      const [key, name, from] = [fresh(), fresh(), list(random, bound, depth)]
      bound.push(key, name)
      return `some ${key}, ${name} in ${from}`
    }
    case 3: {
      const [name, value] = [fresh(), term(random, bound, depth)]
      bound.push(name)
      return `${name} ${random.pick([':=', '='])} ${value}`
    }
    case 4:
      return `not ${term(random, bound, depth)} ${is} ${term(random, bound, depth)}`
    case 5:
      return `${term(random, bound, depth)} in ${list(random, bound, depth)}`
    case 6:
      return random.pick([
        `large(${term(random, bound, depth)})`,
        `not large(${term(random, bound, depth)})`,
        'never',
        'not never',
        term(random, bound, depth),
      ])
    default:
      return `${term(random, bound, depth)} ${is} ${term(random, bound, depth)}`
  }
}

function list(random: Random, bound: readonly string[], depth: number): string {
  const plain = [
    'input.items',
    'data.params.list',
    'rows',
    'names',
    'caps',
    'input.o',
    'input.none',
    '[1, 2, "a"]',
    '{"k": 1}',
    'seen',
  ]
  if (depth < 3 && random.chance(20)) return comprehension(random, bound, depth + 1)
  if (bound.length > 0 && random.chance(25)) return random.pick(bound)
  return random.pick(plain)
}

function term(random: Random, bound: readonly string[], depth: number): string {
  if (bound.length > 0 && random.chance(50)) {
    const name = random.pick(bound)
    return random.pick([
      name,
      name,
      `${name}.n`,
      `${name}.t`,
      `caps[${name}]`,
      `${name}[0]`,
      `${name}["t"]`,
      `data.params.list[${name}]`,
      `data.params.by[${name}]`,
      `data.policy.caps[${name}]`,
      `data.policy[${name}]`,
    ])
  }
  if (depth < 3 && random.chance(40)) {
    const of = (): string => term(random, bound, depth + 1)
    return random.pick([
      () => `(${of()} ${random.pick(['+', '-', '*', '/', '%'])} ${of()})`,
      () => `count(${list(random, bound, depth + 1)})`,
      () => `[${of()}, ${of()}]`,
      () => `abs(${of()})`,
      () => `twice(${of()})`,
      () => `first(${list(random, bound, depth + 1)})`,
      () => `object.get(caps, ${of()}, 0)`,
      () => comprehension(random, bound, depth + 1),
    ])()
  }
  return random.pick([
    '1',
    '2',
    '"a"',
    'five',
    'five',
    'input.o.k',
    'data.params.list[0]',
    'never',
    'caps.a',
    random.chance(10) ? 'bad' : '0',
  ])
}

function comprehension(random: Random, bound: readonly string[], depth: number): string {
  const own = [...bound]
  const [name, from] = [fresh(), list(random, own, depth)]
  own.push(name)
  const statements = `some ${name} in ${from}; ${body(random, own, depth)}`
  const out = term(random, own, depth + 1)
  return random.pick([
    `[${out} | ${statements}]`,
    `{${out} | ${statements}}`,
    `{${random.pick(own)}: ${out} | ${statements}}`,
  ])
}
