/**
 * What operators compute where OPA computes something else, or where one might expect it to.
 * Each statement is one that a port or another engine would get wrong.
 */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { RegoOutcome } from './engine.js'
import { operatorEngine } from './operatorEngine.js'

const engine = operatorEngine()

async function evaluate(
  rules: string,
  { input = {}, data = {} }: { input?: unknown; data?: unknown } = {},
): Promise<RegoOutcome> {
  const policy = await engine.prepare({ rego: utf8(`package p\n${rules}`) })
  const documents = { inputJson: JSON.stringify(input), dataJson: JSON.stringify(data) }
  const world = { blockTimestamp: 0n, seed: `0x${'00'.repeat(32)}` }
  const outcome = policy.evaluate(documents, world)
  policy.dispose()
  return outcome
}

const allowed = { kind: 'defined', allow: true }
const failed = { kind: 'error', code: 'EVALUATION' }

describe('1: a builtin on a value of the wrong type ends the evaluation', () => {
  test.each([
    'lower(input.x) == "a"',
    'count(input.x) == 1',
    'to_number(input.o) == 1',
    'startswith(input.x, "a")',
    'sum(input.s) == 1',
  ])('%s', async (expression) => {
    const input = { x: null, o: {}, s: ['a'] }
    // OPA: undefined, so the rule does not fire.
    expect(await evaluate(`allow if ${expression}`, { input })).toMatchObject(failed)
  })

  test('also inside not, where OPA would make it true', async () => {
    const rules = 'allow if not lower(input.x) == "a"'
    expect(await evaluate(rules, { input: { x: null } })).toMatchObject(failed)
  })

  test('an argument that is undefined is no error', async () => {
    expect(await evaluate('allow if lower(input.x) == "a"')).toMatchObject({ kind: 'undefined' })
  })

  test('arithmetic and iteration over the wrong type', async () => {
    const input = { x: 'a', n: 5 }
    expect(await evaluate('allow if input.x + 1 > 0', { input })).toMatchObject(failed)
    expect(await evaluate('allow if 1 / 0 > 0')).toMatchObject(failed)
    expect(await evaluate('allow if { some x in input.n; x }', { input })).toMatchObject(failed)
  })
})

describe('2: every operand and argument is evaluated, also after an undefined one', () => {
  test.each([
    'input.missing == lower(1)',
    'concat(input.missing, [lower(1)]) == ""',
    'input.missing + lower(1) > 0',
  ])('%s', async (expression) => {
    expect(await evaluate(`allow if ${expression}`)).toMatchObject(failed)
  })
})

describe('3: not holds whenever what it negates is undefined, however deep', () => {
  test.each([
    // OPA takes the arguments of calls out of the negation: these rules are undefined there.
    'not f(input.missing)',
    'not lower(input.missing) == "a"',
    'not input.missing.a > input.other',
    'every x in [1] { not f(input.missing) }',
  ])('%s', async (expression) => {
    const rules = `f(x) if x == 1\nallow if ${expression}`
    expect(await evaluate(rules)).toMatchObject(allowed)
  })

  test('a missing list of severities allows a high alert, where OPA denies', async () => {
    const rules = `default allow := false
allow if not blocked
blocked if data.wasm.severity in data.params.deny_severities`
    const wasm = { severity: 'high' }
    expect(await evaluate(rules, { data: { params: {}, wasm } })).toMatchObject(allowed)
    const params = { deny_severities: ['high'] }
    expect(await evaluate(rules, { data: { params, wasm } })).toMatchObject({ allow: false })
  })
})

describe('4: values of different types have an order', () => {
  test.each([
    'null < false',
    'true < -5',
    '1e300 < ""',
    '"~" < []',
    '[{1}] < {1}',
    '({9}) < {"a": 1}',
  ])('%s', async (expression) => {
    expect(await evaluate(`allow if ${expression}`)).toMatchObject(allowed)
  })

  test('so a value above 64 bits, a string, is above every numeric limit', async () => {
    const rules = 'allow if input.value <= data.params.limit'
    const data = { params: { limit: 5 } }
    const over = { value: '18446744073709551616' }
    expect(await evaluate(rules, { input: over, data })).toMatchObject({ kind: 'undefined' })
  })
})

describe('5: integers are exact, fractions are binary', () => {
  test.each([
    '9007199254740993 != 9007199254740992',
    '18446744073709551615 + 1 == 18446744073709551616',
    '-9223372036854775808 - 1 == -9223372036854775809',
    '4294967296 * 4294967296 == 18446744073709551616',
    '6 / 4 == 1.5',
    '9007199254740993 / 1 == 9007199254740993',
    // 0.3 to OPA.
    '0.1 + 0.2 != 0.3',
    '0.1 + 0.2 == 0.30000000000000004',
    'sprintf("%v", [0.1 + 0.2]) == "0.30000000000000004"',
  ])('%s', async (expression) => {
    expect(await evaluate(`allow if ${expression}`)).toMatchObject(allowed)
  })

  test('weights that add up to one by hand do not', async () => {
    const rules = 'allow if input.a + input.b + input.c == 1'
    const input = { a: 0.7, b: 0.2, c: 0.1 }
    expect(0.7 + 0.2 + 0.1).not.toBe(1)
    expect(await evaluate(rules, { input })).toMatchObject({ kind: 'undefined' })
  })
})

describe('6: to_number', () => {
  test.each([
    ['" 12 "', 12],
    ['"1e3"', 1000],
    ['"-0.5"', -0.5],
    ['null', 0],
    ['true', 1],
    ['false', 0],
    ['7', 7],
  ])('of %s is %s', async (text, number) => {
    const outcome = await evaluate(`allow := to_number(${text})`)
    expect(outcome).toMatchObject({ kind: 'defined', value: number })
  })

  test.each(['""', '".5"', '"0x10"', '"1_000"', '"inf"', '"nan"', '"1,5"', '[]', '{}'])(
    'refuses %s',
    async (text) => {
      expect(await evaluate(`allow := to_number(${text})`)).toMatchObject(failed)
    },
  )
})

describe('7: what disagrees ends the evaluation', () => {
  test.each([
    ['rules', 'allow := true if input\nallow := false if input', 'CONFLICT'],
    ['functions', 'f(_) := 1\nf(x) := 2 if x\nallow if f(true) == 1', 'CONFLICT'],
    ['members', 'm[k] := v if some [k, v] in [["a", 1], ["a", 2]]\nallow if m.a', 'CONFLICT'],
    ['rules that need each other', 'a if b\nb if a\nallow if a', 'RECURSION'],
  ])('%s', async (_, rules, code) => {
    expect(await evaluate(rules)).toMatchObject({ kind: 'error', code })
  })

  test('rules that agree are one rule', async () => {
    expect(await evaluate('allow if input\nallow if true')).toMatchObject(allowed)
  })
})

describe('8: Rego v1, with no imports needed', () => {
  test.each(['p[x] { x := 1 }', 'allow { true }', 'allow = true { input }'])(
    'the older form is refused: %s',
    async (rule) => {
      await expect(engine.prepare({ rego: utf8(`package p\n${rule}`) })).rejects.toMatchObject({
        code: 'REGO_SOURCE',
        location: { line: 2 },
      })
    },
  )

  test('no rule of that name is undefined, and denies', async () => {
    expect(await evaluate('other if true')).toEqual({ kind: 'undefined', reasons: [] })
  })
})

describe('9: recursion through functions is refused before anything runs', () => {
  test.each([
    ['itself', 'f(x) := f(x)\nallow if f(1)'],
    ['each other', 'f(x) := g(x)\ng(x) := h(x)\nh(x) := f(x)\nallow if f(1)'],
    ['through a rule', 'f(x) := y if x\ny := f(1)\nallow if f(1)'],
    ['in a comprehension', 'f(x) := [y | some y in f(x)]\nallow if f([1])'],
    ['by full name', 'f(x) := data.p.f(x)\nallow if f(1)'],
    ['never called', 'f(x) := f(x)\nallow if true'],
  ])('%s', async (_, rules) => {
    await expect(engine.prepare({ rego: utf8(`package p\n${rules}`) })).rejects.toMatchObject({
      code: 'REGO_REFUSED',
      refusal: 'recursion',
    })
  })
})

describe('10: further facts', () => {
  test('the length of a string counts UTF-16 units', async () => {
    expect(await evaluate('allow if count("😀") == 2')).toMatchObject(allowed)
    expect(await evaluate('allow if count("é") == 1')).toMatchObject(allowed)
  })

  test('arithmetic is not parsed before the bar of a comprehension', async () => {
    const rego = utf8('package p\nallow if [x * 2 | some x in [1]] == [2]')
    await expect(engine.prepare({ rego })).rejects.toMatchObject({ code: 'REGO_SOURCE' })
  })

  test('an empty `every` holds', async () => {
    expect(await evaluate('allow if every x in [] { x > 5 }')).toMatchObject(allowed)
  })

  test('a number equals itself in every form, and sets ignore order and form', async () => {
    expect(await evaluate('allow if {1, 1.0, 2} == {2, 1}')).toMatchObject(allowed)
    const input = { a: 1 }
    expect(await evaluate('allow if input.a == 1.0', { input })).toMatchObject(allowed)
  })

  test('only the boolean true allows', async () => {
    for (const value of ['"true"', '1', '[true]', '{"allow": true}', 'null']) {
      const outcome = await evaluate(`allow := ${value}`)
      expect(outcome).toMatchObject({ kind: 'defined', allow: false })
    }
  })
})

describe('11: what the engine cannot compute and says nothing about', () => {
  const value = async (rule: string): Promise<unknown> => {
    const outcome = await evaluate(`allow := ${rule}`)
    return outcome.kind === 'defined' ? outcome.value : outcome.kind
  }

  test('integers of more than 64 bits are doubles', async () => {
    const [large, larger] = ['"1000000000000000000000"', '"1000000000000000000001"']
    expect(await value(`to_number(${larger}) > to_number(${large})`)).toBe(false)
    expect(await value(`to_number(${larger}) == to_number(${large})`)).toBe(true)
    expect(await value('18446744073709551614 + 1 == 18446744073709551615')).toBe(true)
  })

  test('years from a 29 February, and bits beyond 64, are undefined', async () => {
    expect(await value('time.add_date(1709210096000000000, 1, 0, 0)')).toBe('undefined')
    expect(await value('time.add_date(1709210096000000000, 0, 12, 0)')).toBeTypeOf('bigint')
    expect(await value('bits.and(to_number("18446744073709551617"), 1)')).toBe('undefined')
    expect(await value('bits.and(18446744073709551617, 1)')).toBe(1)
    // So a denial on them does not fire, and its negation does.
    const rules = 'allow if not time.add_date(1709210096000000000, 1, 0, 0) < 5'
    expect(await evaluate(rules)).toMatchObject(allowed)
  })

  test('paths of json.remove and json.filter stop early', async () => {
    expect(await value('json.remove({"a": 1, "d": 2}, ["a/b"])')).toEqual({ d: 2 })
    expect(await value('json.filter({"a": 1, "d": 2}, ["a/b"])')).toEqual({})
    expect(await value('strings.replace_n({"a": "b", "b": "c"}, "a")')).toBe('c')
    expect(await value('upper("ß")')).toBe('SS')
    expect(await value('regex.match(`^\\w$`, "é")')).toBe(true)
  })
})
