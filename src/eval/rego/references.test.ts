/** What a name stands for: variables of a scope, what a step of a loop leaves, documents and rules. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'66'.repeat(32)}` }
const input = { a: 1, items: [{ n: 1 }, { n: 2 }, { m: 3 }], o: { k: 1, l: 2 }, s: 'a.b' }
const data = { params: { a: 5, q: { r: 7 } }, other: { given: 9 } }

async function value(rules: string): Promise<unknown> {
  const policy = await operatorEngine().prepare({ rego: utf8(`package p.q\n${rules}`) })
  const decide = (): unknown =>
    policy.evaluate({ inputJson: JSON.stringify(input), dataJson: JSON.stringify(data) }, world)
  const outcome = decide() as { kind: string; value?: unknown }
  expect(decide()).toEqual(outcome)
  policy.dispose()
  return outcome.kind === 'defined' ? outcome.value : outcome
}

describe('a name', () => {
  test.each<[string, string, unknown]>([
    [
      'of each step',
      'allow := [[x.n, y] | some y, x in input.items; x.n > 0]',
      [
        [1, 0],
        [2, 1],
      ],
    ],
    ['undefined in a comparison', 'allow := [1 | some x in input.items; x.n != 7]', [1, 1]],
    ['undefined in an output', 'allow := [x.n | some x in input.items]', [1, 2]],
    [
      'of an outer loop',
      'allow := [z | some x in input.items; x.n; z := [y.n | some y in input.items; y.n != x.n]]',
      [[2], [1]],
    ],
    [
      'bound in a step and not in the next',
      'allow := [z | some x in input.items; z := x.n]',
      [1, 2],
    ],
    [
      'bound to what failed',
      'allow := [[v, k] | some k, v in input.o; v == 2; w := v; w > 1]',
      [[2, 'l']],
    ],
    ['as an index', 'allow := [k | some k; input.o[k] == 2]', ['l']],
    [
      'of a function, and of its caller',
      'f(x) := y if y := x + 1\nallow := [[x, f(x)] | some x in [1, 2]]',
      [
        [1, 2],
        [2, 3],
      ],
    ],
    [
      'of a function with a pattern',
      'f([a, b]) := a - b\nf({"n": a}) := a\nallow := [f([5, 3]), f({"n": 4})]',
      [2, 4],
    ],
    [
      'of a function not defined for it',
      'f(x) := 1 if x == 2\ndefault f(_) := 0\nallow := [f(x) | some x in [1, 2]]',
      [0, 1],
    ],
    [
      'that is a member, too',
      'a := 3\nallow := [a, input.a, data.params.a, data.p.q.a]',
      [3, 1, 5, 3],
    ],
    [
      'of a rule that shadows nothing',
      'r := {"q": 1}\nallow := [r.q, data.p.q.r.q, r["q"]]',
      [1, 1, 1],
    ],
    [
      'of a rule in a rule',
      'o.x := 1\no.y := 2 if o.x == 1\nallow := [o.x, o.y, data.p.q.o]',
      [1, 2, { x: 1, y: 2 }],
    ],
    ['of data beside the package', 'allow := [data.other.given, data.params.q.r]', [9, 7]],
    ['with brackets', 'allow := [data["params"]["a"], input["o"].k, input.o["l"]]', [5, 1, 2]],
    [
      'of seven parts',
      'd := {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}\nallow := d.a.b.c.d.e.f.g',
      1,
    ],
    [
      'replaced for one statement',
      'r := input.a\nallow := [x | some x in [1]; r == 4 with input.a as 4; r == x]',
      [1],
    ],
    [
      'of a function that is replaced',
      'f(x) := 1\ng(x) := 2\nallow := y if { y := f(1); f(1) == 2 with f as g }',
      1,
    ],
    [
      'of a builtin that is replaced',
      'allow := n if { n := count([1]); count([1]) == 7 with count as 7 }',
      1,
    ],
    ['in every', 'allow := true if every x in [1, 2] { some y in input.o; y == x }', true],
    [
      'of a set',
      's contains x if some x in [3, 1, 3]\nallow := [x | some x in s; s[x] == x]',
      [1, 3],
    ],
    [
      'of more rules than a small object has',
      `${Array.from({ length: 40 }, (_, i) => `r${i} := ${i}`).join('\n')}\nallow := [r0, r20, r39]`,
      [0, 20, 39],
    ],
  ])('behavior: %s', async (_, rules, expected) => {
    expect(await value(rules)).toEqual(expected)
  })

  test('error: of nothing, with its place and what was in scope', async () => {
    const rules = 'f(a) := x + a\nallow := y if { b := 1; y := f(b) }'
    expect(await value(rules)).toMatchObject({
      kind: 'error',
      code: 'EVALUATION',
      message: 'var x is unsafe (path ["p", "q", "x"], scopes [{"a": Number(1)}])',
      location: { line: 2, column: 9 },
    })
  })
})

describe('numbers', () => {
  const numbers = ['0', '1', '-1', '1.0', '0.5', '-0.5', '9007199254740993', '9007199254740992.0']
  const large = ['9223372036854775808', '18446744073709551615', '-9223372036854775808']
  const order = (text: string): bigint => BigInt(Math.round(Number(text) * 2) || 0)

  test('behavior: are compared by their values, whatever they are kept as', async () => {
    const all = [...numbers.slice(0, 6), ...large]
    const list = await value(
      `l := [${all.join(', ')}]\nallow := [[a < b, a == b] | some a in l; some b in l]`,
    )
    expect(list).toEqual(
      all.flatMap((a) => all.map((b) => [order(a) < order(b), order(a) === order(b)])),
    )
    expect(
      await value(
        'allow := [9007199254740993 == 9007199254740992, 9007199254740993 > 9007199254740992]',
      ),
    ).toEqual([false, true])
  })
})

describe('a glob', () => {
  test.each<[string, unknown]>([
    [
      'allow := [glob.match(g, [], s) | some g in ["*.b", "*", "a.*"]; some s in ["a.b", "ab", "a.b.c"]]',
      [true, false, false, false, true, false, true, false, false],
    ],
    ['allow := [glob.match("*", d, "a.b") | some d in [[], null, ["."]]]', [false, true, false]],
    ['allow := [glob.match("*/b", d, "a/b") | some d in [["/"], null, ["."]]]', [true, true, true]],
    [
      'allow := [glob.match("{a,b}[!c]?", [], s) | some s in ["axy", "acy", "bzz"]]',
      [true, false, true],
    ],
  ])('behavior: %s', async (rules, expected) => {
    expect(await value(rules)).toEqual(expected)
  })

  test('error: one that is none, after one that is', async () => {
    const rules = 'allow := [glob.match(g, [], "a") | some g in ["a", "[a"]]'
    expect(await value(rules)).toMatchObject({ kind: 'error', code: 'EVALUATION' })
  })
})
