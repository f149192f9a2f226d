/** Loops and comprehensions of plain form, which are prepared, and what lies next to that form. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'66'.repeat(32)}` }
const inputJson = '{"items":[{"n":1,"t":"a"},{"n":2,"t":"b"},{"n":2}],"o":{"k":1,"l":2}}'
const dataJson = '{"params":{"caps":{"a":10,"b":20},"list":[3,1,2],"by":{"1":"one","2":"two"}}}'

/** The decision's value, twice, because the second one is by an engine that was kept. */
async function decided(rules: string): Promise<unknown> {
  const policy = await operatorEngine().prepare({ rego: utf8(`package p.q\n${rules}`) })
  const decide = (): unknown => policy.evaluate({ inputJson, dataJson }, world)
  const outcome = decide() as { kind: string; value?: unknown; reasons?: readonly string[] }
  expect(decide()).toEqual(outcome)
  policy.dispose()
  return outcome.kind === 'defined' ? (outcome.value ?? outcome) : outcome.kind
}

describe('a comprehension', () => {
  test.each<[string, string, unknown]>([
    ['in one of another', '[z | some x in [1]; z := [y | some y in [x, 9]]]', [[1, 9]]],
    ['of what another one takes', '[y | some x in [[1], [2]]; some y in x]', [1, 2]],
    [
      'with places and items',
      '[[k, v] | some k, v in data.params.list; v > 1]',
      [
        [0, 3],
        [2, 2],
      ],
    ],
    ['over a set, by items', '[[k, v] | some k, v in {7}]', [[7, 7]]],
    [
      'over an object',
      '[[k, v] | some k, v in input.o]',
      [
        ['k', 1],
        ['l', 2],
      ],
    ],
    ['over what is not there', '[x | some x in input.none]', []],
    ['over a number', '[x | some x in 5]', 'error'],
    ['of equal numbers', 'count({x | some x in [1, 1.0, 2]})', 2],
    ['of a member that is missing', '[x.t | some x in input.items]', ['a', 'b']],
    ['of an order of its own', '[y | y := x + 1; some x in data.params.list]', [4, 2, 3]],
    ['of a lookup', '[c[x.t] | some x in input.items; c := data.params.caps]', [10, 20]],
    ['of a lookup in data', '[data.params.caps[x.t] | some x in input.items]', [10, 20]],
    [
      'of a lookup in data by number',
      '[data.params.by[x.n] | some x in input.items]',
      ['one', 'two', 'two'],
    ],
    [
      'of a lookup in data that fails',
      '[x | some x in [9, null, [1], "a"]; not data.params.by[x]]',
      [9, null, [1], 'a'],
    ],
    ['of a lookup in rules', '[data.p.q.table[k] | some k in ["y", "z"]]', [6]],
    ['of keys told twice', '{x.n: x.n | some x in input.items}', { 1: 1, 2: 2 }],
    ['of keys that disagree', '{x.n: k | some k, x in input.items}', 'error'],
    ['of an error', '[(1 / x) | some x in [1, 0]]', 'error'],
    ['of an error that is not reached', '[(1 / x) | some x in [1, 0]; x > 0]', [1]],
    ['of a rule that errs, unreached', '[bad | some x in [1]; x > 1]', []],
    ['of a rule that errs', '[bad | some x in [1, 2]]', 'error'],
    ['of a rule', '[(five + x) | some x in [1, 2]]', [6, 7]],
    ['of a rule that is not defined', '[x | some x in [1, 2]; not never]', [1, 2]],
    ['of a function', '[twice(x) | some x in [1, 2]; twice(x) > 2]', [4]],
    ['of a result as an argument', '[p | some s in ["a.b"]; split(s, ".", p)]', [['a', 'b']]],
    ['of arguments that are missing', '[lower(x.t) | some x in input.items]', ['a', 'b']],
    ['of what is among others', '[x.n | some x in input.items; x.t in {"b"}]', [2]],
    ['of sets taken from one another', '[(s - {1}) | some s in [{1, 2}]]', [[2]]],
    ['of negative numbers', '[(x * -1) | some x in [1]]', [-1]],
    ['of a pattern', '[x | some [x, 1] in [[2, 1], [3, 4]]]', [2]],
    [
      'of steps of two kinds',
      '[[x, y] | some x in [1, 2]; y := data.params.list[x]]',
      [
        [1, 1],
        [2, 2],
      ],
    ],
  ])('%s', async (_, value, expected) => {
    const rules =
      'table := {"y": five + 1}\nfive := 5\nnever := 1 if false\nbad := 1 / 0\ntwice(x) := x * 2'
    expect(await decided(`${rules}\nallow := ${value}`)).toEqual(expected)
  })
})

describe('a rule with a loop', () => {
  test.each<[string, string, unknown]>([
    ['true once', 'allow if { some x in [1, 2, 3]; x > 1 }', true],
    ['of one value', 'allow := 7 if { some x in [1, 2]; x > 0 }', 7],
    ['of several values', 'allow := x if some x in [1, 2]', 'error'],
    ['of a set', 's contains x.n if some x in input.items\nallow := count(s)', 2],
    [
      'of a set of two loops',
      's contains [x, y] if { some x in [1, 2]; some y in [x, 3] }\nallow := count(s)',
      4,
    ],
    ['of members', 'o[k] := v if some k, v in input.o\nallow := o', { k: 1, l: 2 }],
    ['of members that disagree', 'o[x.n] := k if some k, x in input.items\nallow := o', 'error'],
    [
      'of an output with a loop',
      's contains data.params.list[_] if some x in [1]\nallow := count(s)',
      3,
    ],
    [
      'followed by another',
      'allow if { some x in [1]; x > 1 } else := "other" if { some x in [2] }',
      'other',
    ],
    [
      'of every',
      'allow if { every x in input.items { x.n > 0; some y in [1, 2]; y == x.n } }',
      true,
    ],
    ['of a function', 'f(x) := y if { some y in x; y > 1 }\nallow := f([1, 2])', 2],
    ['of a function that disagrees', 'f(x) := y if some y in x\nallow := f([1, 2])', 'error'],
    [
      'where a with is',
      'f if input.z == 1\nallow := [x | some x in [1, 2]; f with input as {"z": x}]',
      [1],
    ],
  ])('%s', async (_, rules, expected) => {
    expect(await decided(rules)).toEqual(expected)
  })
})

/** A mock reaches into every rule and function that is called below it, wherever the `with` stands. */
describe('a with far from the loop it mocks', () => {
  const risky = 'risky(x) if { some i in [x]; startswith(i, "0xbad") }'
  const counted = 'g := [z | some i in [[1]]; z := count(i)]'
  test.each<[string, string, unknown]>([
    [
      'in the value of a default rule',
      `${risky}
default tested := [y | y := 1; risky("0xok") with startswith as true]
tested := 1 if input.never
allow := count(tested)`,
      1,
    ],
    [
      'in a default value, of input',
      `seen := [i | some i in [input.z]]
default tested := [y | some y in [1]; seen == [9] with input as {"z": 9}]
allow := tested`,
      [1],
    ],
    [
      'in the pattern of a some',
      `${counted}
allow := [1 | some [2, [w | w := g with count as 9]] in [[1, [[9]]], [2, [[9]]]]]`,
      [1],
    ],
    [
      'in the pattern of a key',
      `${counted}
allow if { some [w | w := g with count as 9], 1 in {[[9]]: 1, [[1]]: 2} }`,
      true,
    ],
    [
      'in the domain of an every',
      `${counted}
allow if { every x in [w | w := g with count as 9] { x == [9] } }`,
      true,
    ],
    [
      'in the value of a rule',
      `${counted}
allow := [w | w := g with count as 9]`,
      [[9]],
    ],
    [
      'in the value of an else',
      `${counted}
allow := 1 if { input.never } else := [w | w := g with count as 9]`,
      'error',
    ],
    [
      'in a key of a partial rule',
      `${counted}
s contains [w | w := g with count as 9]
allow := [x | some x in s]`,
      'error',
    ],
    [
      'in an argument',
      `${counted}
allow := concat("", [sprintf("%v", [w]) | w := g with count as 9])`,
      '[9]',
    ],
    [
      'in a comprehension of a comprehension',
      `${counted}
allow := [v | some u in [[w | w := g with count as 9]]; v := u[0]]`,
      [[9]],
    ],
    [
      'in a rule that nobody asks',
      `${counted}
never := 1 if { g with count as 9 }
allow := g`,
      [1],
    ],
  ])('%s', async (_, rules, expected) => {
    expect(await decided(rules)).toEqual(expected)
  })
})
