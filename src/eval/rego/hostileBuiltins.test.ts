/** Policies that make a builtin do much: each ends within its bounds, as a decision or a coded error. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }
const maxSteps = 1_000_000

async function decide(rules: string, input: unknown = {}): Promise<Record<string, unknown>> {
  const inputJson = typeof input === 'string' ? input : JSON.stringify(input)
  const policy = await operatorEngine().prepare({ rego: utf8(`package p\n${rules}`) }, { maxSteps })
  const outcome = policy.evaluate({ inputJson, dataJson: '{}' }, world)
  policy.dispose()
  return outcome
}

const text = (length: number, of = 'a') => ({ s: of.repeat(length) })
const chain = (count: number, first: string, next: (index: number) => string): string =>
  [`s0 := ${first}`, ...Array.from({ length: count }, (_, i) => `s${i + 1} := ${next(i)}`)].join(
    '\n',
  )
const every = Array.from({ length: 26 }, (_, from): [string, string[]] => [
  String(from),
  Array.from({ length: 25 - from }, (_, to) => String(from + to + 1)),
])
const bomb = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...'bcdefghijk'
    .split('')
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghijk'[at]}`).join(',')}]`),
].join('\n')

describe('what is too much is stopped', () => {
  test.each<[string, string, unknown, string]>([
    [
      'an array doubled forty times',
      `${chain(40, '[1]', (i) => `array.concat(s${i}, s${i})`)}\nallow if count(s40) > 0`,
      {},
      'STEP_LIMIT',
    ],
    ['a shift by 2^32', 'allow if bits.lsh(1, 4000000000) > 0', {}, 'MEMORY_LIMIT'],
    [
      'functions that call two of the next',
      `f0(x) := x + 1\n${Array.from({ length: 59 }, (_, i) => `f${i + 1}(x) := f${i}(x) + f${i}(x + 1)`).join('\n')}\nallow if f59(1) > 0`,
      {},
      'STEP_LIMIT',
    ],
    [
      'matches of a quadratic pattern',
      'allow if count(regex.find_n(`.*[^A-Z]|[A-Z]`, input.s, -1)) > 0',
      text(100_000, 'A'),
      'STEP_LIMIT',
    ],
    ['ten megabytes of input', 'allow if count(input.s) > 5', text(10_000_000), 'STEP_LIMIT'],
    [
      'a text that replaces each of its letters',
      'allow if count(replace(input.s, "a", input.s)) > 1',
      text(20_000),
      'STEP_LIMIT',
    ],
    [
      'all paths of a dense graph',
      'allow if count(graph.reachable_paths(input.g, ["0"])) > 0',
      { g: Object.fromEntries(every) },
      'STEP_LIMIT',
    ],
    ['all addresses of IPv4', 'allow if count(net.cidr_expand("0.0.0.0/0")) > 0', {}, 'STEP_LIMIT'],
    ['all addresses of IPv6', 'allow if count(net.cidr_expand("::/0")) > 0', {}, 'STEP_LIMIT'],
    ['a bomb in YAML', 'allow if count(yaml.unmarshal(input.y)) > 0', { y: bomb }, 'STEP_LIMIT'],
    [
      'a function that comes back through `with`',
      'f(x) := y if y := g(x)\ng(x) := y if { y := count([x]) with count as f }\nallow if f(1)',
      {},
      'STACK_LIMIT',
    ],
    ['JSON nested in a text', 'allow if json.unmarshal(input.s)', text(100_000, '['), 'EVALUATION'],
    [
      'a number with thousands of digits',
      'allow if to_number(input.s) > 1',
      text(10_000, '9'),
      'EVALUATION',
    ],
    ['an exponent of a billion', 'allow if to_number("1e999999999") > 1', {}, 'EVALUATION'],
    ['one in the input', 'allow if input.x > 1', '{"x":1e999999999}', 'INVALID_INPUT'],
    [
      'a pattern of patterns',
      'allow if regex.match(`((a{1,100}){1,100}){1,100}`, "a")',
      {},
      'STEP_LIMIT',
    ],
    [
      'a schema that is elsewhere',
      'allow if json.match_schema({}, {"$ref": "http://127.0.0.1:9/x"})[0]',
      {},
      'EVALUATION',
    ],
    ['a rule that needs itself', 'a if b\nb if a\nallow if a', {}, 'RECURSION'],
    ['one that names itself by data', 'a := data.p[input.x]\nallow if a', { x: 'a' }, 'RECURSION'],
  ])('error: %s', async (_, rules, input, code) => {
    expect(await decide(rules, input)).toMatchObject({ kind: 'error', code })
  })
})

describe('what is linear here is decided', () => {
  test.each<[string, string, unknown, boolean]>([
    [
      'a nested repetition',
      'allow if regex.match(`^(a+)+$`, input.s)',
      { s: `${'a'.repeat(50_000)}!` },
      false,
    ],
    ['a lazy one', 'allow if regex.match(`(x+x+)+y`, input.s)', text(100_000, 'x'), false],
    [
      'a schema that refers to itself',
      'allow if json.match_schema({}, {"$ref": "#"})[0]',
      {},
      true,
    ],
    [
      'places in a text',
      'allow if count(indexof_n(input.s, "a")) > 0',
      { s: `é${'a'.repeat(5_000)}` },
      true,
    ],
    [
      'a version with a long tail',
      'allow if semver.compare(input.s, "1.0.0") == 0',
      { s: `1.0.0-${'a.'.repeat(10_000)}b` },
      false,
    ],
    ['two members of one name: the last', 'allow if input.a == 1', '{"a":2,"a":1}', true],
    ['minus zero', 'allow if input.x == 0', '{"x":-0}', true],
    ['the clock of the block', 'allow if time.now_ns() == 1700000000000000000', {}, true],
    ['a clock of the policy', 'allow if time.now_ns() == 5 with time.now_ns as 5', {}, true],
  ])('behavior: %s', async (_, rules, input, allow) => {
    const outcome = await decide(rules, input)
    expect(
      outcome['kind'] === 'defined' && outcome['allow'] === true,
      JSON.stringify(outcome),
    ).toBe(allow)
    expect(['defined', 'undefined']).toContain(outcome['kind'])
  })
})

describe('what would reach outside is refused', () => {
  test.each([
    'f(x) := 1\nallow if f(1) == 1 with f as http.send',
    'allow if count({"url": "x"}) with count as http.send',
    'allow if count([]) with count as opa.runtime',
    'import data.x as http\nallow if http.send({})',
  ])('error: %s', async (rules) => {
    await expect(decide(rules)).rejects.toMatchObject({ code: expect.stringMatching(/^REGO_/) })
  })
})
