/** Patterns are compiled once for each evaluation, those of the policy's text once for all. */
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { PreparedPolicy, RegoLimits, RegoOutcome } from './engine.js'
import { createEngineInstance } from './engineInstance.js'
import { loadEngineModule } from './engineModule.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'44'.repeat(32)}` }

const prepare = (rules: string, limits: RegoLimits = {}): Promise<PreparedPolicy> =>
  operatorEngine().prepare({ rego: utf8(`package p\n${rules}`) }, limits)

async function value(rules: string, input: unknown = {}): Promise<unknown> {
  const policy = await prepare(rules)
  const decide = (): RegoOutcome =>
    policy.evaluate({ inputJson: JSON.stringify(input), dataJson: '{}' }, world)
  const first = decide()
  // The second has the compiled patterns of the policy; other documents in between change nothing.
  policy.evaluate({ inputJson: '{"p":"[","s":"x"}', dataJson: '{}' }, world)
  expect(decide()).toEqual(first)
  policy.dispose()
  if (first.kind === 'error') throw new Error(`${first.code}: ${first.message}`)
  return first.kind === 'defined' ? first.value : undefined
}

/** Steps of one decision, of an instance that has made some before. */
async function stepsOf(rules: string, input: unknown, before = 2): Promise<number> {
  const source = `package p\n${rules}`
  const request = JSON.stringify({ modules: [{ path: 'p', source }] })
  const [inputJson, module] = [JSON.stringify(input), await loadEngineModule()]
  const decides = (maxSteps: number): boolean => {
    const instance = createEngineInstance(module, { maxMemoryBytes: 64 << 20 })
    instance.call('engine_load', [request], 1e8)
    for (let i = 0; i < before; i++) instance.call('engine_decide', [inputJson, '{}'], 1e8)
    return instance.call('engine_decide', [inputJson, '{}'], maxSteps).fault === undefined
  }
  let [low, high] = [0, 1e7]
  while (high - low > 20) {
    const middle = (low + high) >> 1
    if (decides(middle)) high = middle
    else low = middle
  }
  return high
}

describe('what the functions on patterns say', () => {
  test.each<[string, unknown, unknown]>([
    ['allow := regex.match("^a+$", input.s)', { s: 'aaa' }, true],
    ['allow := regex.match(input.p, input.s)', { p: '^a+$', s: 'ab' }, false],
    ['allow := [regex.match("é", input.s), regex.match("e", input.s)]', { s: 'é' }, [true, false]],
    ['allow := regex.find_n("[0-9]+", input.s, 2)', { s: '1 22 333' }, ['1', '22']],
    ['allow := regex.find_n("[0-9]+", input.s, -1)', { s: '1 22 333' }, ['1', '22', '333']],
    [
      'allow := regex.find_all_string_submatch_n("(a)(b)?", input.s, -1)',
      { s: 'aba' },
      [
        ['ab', 'a', 'b'],
        ['a', 'a', ''],
      ],
    ],
    ['allow := regex.replace(input.s, "(a)(b)", "$2$1")', { s: 'abab' }, 'baba'],
    ['allow := regex.split("[,;]", input.s)', { s: 'a,b;c' }, ['a', 'b', 'c']],
    [
      'allow := [regex.is_valid("a"), regex.is_valid("("), regex.is_valid(5)]',
      {},
      [true, false, false],
    ],
    ['allow := regex.template_match("u:{[a-z]+}:x", input.s, "{", "}")', { s: 'u:abc:x' }, true],
    ['allow := regex.template_match("u:{[a-z]+}:x", input.s, "{", "}")', { s: 'u:ab1:x' }, false],
    // By a name, one of several, and one that a body shadows.
    ['form := "^x$"\nallow := regex.match(form, input.s)', { s: 'x' }, true],
    [
      'form := "^x$"\nallow := y if { form := "^z$"; y := regex.match(form, input.s) }',
      { s: 'z' },
      true,
    ],
    [
      'form := "^x$" if input.s == "q"\nform := "^z$" if input.s == "z"\nallow := regex.match(form, input.s)',
      { s: 'z' },
      true,
    ],
  ])('behavior: %s of %j', async (rules, input, expected) => {
    expect(await value(rules, input)).toEqual(expected)
  })

  test.each([
    ['allow := regex.match("(", "a")', 'invalid regex'],
    ['allow := regex.find_n("(", "a", 0.5)', 'invalid regex'],
    ['allow := regex.find_n("a", "a", 0.5)', 'n must be an integer'],
    ['allow := regex.split("[", "a")', 'invalid regex'],
    ['allow := regex.template_match("{(}", "a", "{", "}")', 'invalid regex'],
    ['allow := regex.match("a{1000}{1000}", "a")', 'invalid regex'],
  ])('error: %s', async (rules, words) => {
    await expect(value(rules)).rejects.toThrow(words)
  })

  test('behavior: a pattern that cannot be one replaces nothing', async () => {
    expect(await value('allow := regex.replace("a", "(", "b")')).toBeUndefined()
  })
})

describe('what patterns cost', () => {
  const loop = (pattern: string): string =>
    `allow if count([1 | some x in numbers.range(1, input.n); regex.match(${pattern}, "abcdef")]) >= 0`
  const long = '^[a-z]{0,40}[A-Z]{0,40}$'

  test('behavior: one that comes with the input is compiled once', async () => {
    const one = await stepsOf(loop('input.p'), { n: 1, p: long })
    const many = await stepsOf(loop('input.p'), { n: 50, p: long })
    expect(many).toBeLessThan(2 * one)
  })

  test('behavior: one of the policy is not compiled by an evaluation, the first included', async () => {
    const given = await stepsOf(loop('input.p'), { n: 1, p: long })
    const own = await stepsOf(loop(`"${long}"`), { n: 1, p: long })
    expect(own).toBeLessThan(given / 2)
    // What steps an evaluation takes does not depend on those before it: no scratch is kept.
    const first = await stepsOf(loop(`"${long}"`), { n: 1, p: long }, 0)
    expect(Math.abs(first - own)).toBeLessThan(0.05 * own + 50)
  })

  test('behavior: more patterns than are kept, and more memory than they may take', async () => {
    const patterns = Array.from({ length: 60 }, (_, index) => `^(a|b${index})*c{0,${index}}$`)
    const rules = `allow := count([1 | some p in input.p; regex.match(p, input.s)])`
    expect(await value(rules, { p: [...patterns, ...patterns], s: 'aaaa' })).toBe(120)
    const large = Array.from({ length: 6 }, (_, index) => `^\\p{L}{1,${40 + index}}$`)
    expect(await value(rules, { p: large, s: 'aéaé' })).toBe(6)
  })

  test('behavior: hundreds of patterns in a policy that reads none of them', async () => {
    const rules = Array.from(
      { length: 300 },
      (_, index) => `r${index} if regex.match("^(\\\\p{L}{1,90}x){0,${index}}$", input.s)`,
    )
    const policy = await prepare(`${rules.join('\n')}\nallow if true`, { maxMemoryBytes: 16 << 20 })
    const outcome = policy.evaluate({ inputJson: '{"s":"a"}', dataJson: '{}' }, world)
    expect(outcome).toMatchObject({ allow: true })
    policy.dispose()
  })
})
