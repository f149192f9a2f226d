/** A call is answered by what its name means where it stands: a builtin, a rule, or what `with` puts there. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'44'.repeat(32)}` }

async function value(source: string): Promise<unknown> {
  const policy = await operatorEngine().prepare({ rego: utf8(source) })
  const documents = { inputJson: '{"s":"Ab","n":3,"xs":[1,2,3]}', dataJson: '{"params":{"k":"v"}}' }
  const first = policy.evaluate(documents, world)
  expect(policy.evaluate(documents, world)).toEqual(first)
  policy.dispose()
  return first.kind === 'defined' ? first.value : first.kind === 'error' ? first.code : undefined
}
const inPackage = (rules: string): string => `package p\n${rules}`

describe('calls', () => {
  test.each<[string, string, unknown]>([
    ['a builtin', 'allow := [lower(input.s), count(input.xs), sum(input.xs)]', ['ab', 3, 6]],
    ['a builtin in a builtin', 'allow := count(split(upper(input.s), "B"))', 2],
    ['a builtin of two names', 'allow := strings.reverse(input.s)', 'bA'],
    ['a function of that name', 'count(x) := 7\nallow := count(input.xs)', 7],
    [
      'one with a default',
      'default lower(_) := "d"\nlower(x) := "z" if x == 1\nallow := lower(2)',
      'd',
    ],
    ['an argument that is undefined', 'allow := lower(input.missing)', undefined],
    ['an argument of the wrong type', 'allow := lower(input.n)', 'EVALUATION'],
    ['`with` a function', 'f(x) := "f"\nallow := y if { y := lower("A") with lower as f }', 'f'],
    ['`with` a value', 'allow := y if { y := lower("A") with lower as "q" }', 'q'],
    [
      '`with`, and the same call after it',
      'x := lower("A")\nallow := [y, z, w] if { y := lower("A") with lower as "q"; z := lower("A"); w := x }',
      ['q', 'a', 'a'],
    ],
    [
      '`with` around a rule that calls',
      'x := lower("A")\nallow := [y, x] if { y := x with lower as "q" }',
      ['q', 'a'],
    ],
    [
      '`with` an input around a call',
      'x := lower(input.s)\nallow := [y, x] if { y := x with input as {"s": "Z"} }',
      ['z', 'ab'],
    ],
    ['walk, in a loop', 'allow := [x | walk(input.xs, [_, x]); is_number(x)]', [1, 2, 3]],
    [
      'a call as a statement',
      'allow if { contains(input.s, "b"); startswith(input.s, "A") }',
      true,
    ],
    ['one whose last argument takes the result', 'allow := y if lower(input.s, y)', 'ab'],
    ['a call in a comprehension', 'allow := {lower(x) | some x in ["A", "a", "B"]}', ['a', 'b']],
    [
      'a call in a function',
      'f(x) := concat("-", [x, upper(x)])\nallow := [f("a"), f("b")]',
      ['a-A', 'b-B'],
    ],
    ['a call under `every`', 'allow if every x in ["A", "B"] { lower(x) != x }', true],
    ['a call under `not`', 'allow if not startswith(input.s, "x")', true],
    ['a call in a default', 'default allow := false\nallow if count(input.xs) == 3', true],
    ['a call in an `else`', 'allow := 1 if count(input.xs) == 9 else := count(input.s)', 2],
    ['a call in a key', 'm[lower(x)] := x if some x in ["A"]\nallow := m', { a: 'A' }],
    ['the same call of the clock', 'allow := time.now_ns() == time.now_ns()', true],
  ])('behavior: %s', async (_, rules, expected) => {
    expect(await value(inPackage(rules))).toEqual(expected)
  })

  test('behavior: in packages whose names are no names', async () => {
    for (const name of ['a["b.c"]', 'a["b-c"]', 'a.b["c"]', '__proto__', 'count'])
      expect(
        await value(`package ${name}\ncount(x) := 7\nallow := [count([1]), lower("A")]`),
      ).toEqual([7, 'a'])
  })

  test('behavior: an import of a name that builtins have', async () => {
    const source =
      'package p\nimport data.params as strings\nallow := [strings.k, strings.reverse("ab")]'
    expect(await value(source)).toEqual(['v', 'ba'])
  })
})
