/** Policies written to break the engine: each ends, with an error of its own, and leaves it usable. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { PreparedPolicy, RegoLimits } from './engine.js'
import { createEngineInstance } from './engineInstance.js'
import { loadEngineModule } from './engineModule.js'
import { operatorEngine } from './operatorEngine.js'

const engine = operatorEngine()
const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'22'.repeat(32)}` }
const empty = { inputJson: '{}', dataJson: '{}' }

async function prepare(rules: string, limits: RegoLimits = {}): Promise<PreparedPolicy> {
  return engine.prepare({ rego: utf8(`package p\n${rules}`) }, limits)
}

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n')

describe('sources', () => {
  test.each([
    [
      'arrays nested until the parser branches',
      `allow if count(${'['.repeat(40)}${']'.repeat(40)}) == 1`,
      'step-limit',
    ],
    [
      'arrays nested deeper than any stack',
      `allow if count(${'['.repeat(900)}${']'.repeat(900)})`,
      'too-deep',
    ],
    ['calls in calls', `allow if ${'lower('.repeat(40)}"a"${')'.repeat(40)} == "a"`, undefined],
    ['a sum of thousands', `allow if 1${'\n+ 1'.repeat(9_000)} > 0`, 'too-deep'],
  ])('%s', async (_, rules, refusal) => {
    const result = prepare(rules, { maxSteps: 2_000_000 })
    if (refusal === undefined) (await result).dispose()
    else await expect(result).rejects.toMatchObject({ code: 'REGO_REFUSED', refusal })
  })

  /**
   * The deepest that is answered of each shape. Each of V8's compilers makes frames of its own
   * size, so by the host's stack one operator would answer and another one not.
   */
  test('behavior: what is too deep is so by whichever compiler the engine is run', async () => {
    const code = `
      import { operatorEngine } from ${JSON.stringify(new URL('./operatorEngine.ts', import.meta.url).href)}
      const shapes = {
        rules: (n) => Array.from({ length: n }, (_, i) => 'r' + i + ' := r' + (i + 1)).join('\\n') + '\\nr' + n + ' := 1\\nallow if r0 == 1',
        nested: (n) => 'r0 := 1\\n' + Array.from({ length: n }, (_, i) => 'r' + (i + 1) + ' := [r' + i + ']').join('\\n') + '\\nallow if count(r' + n + ') == 1',
        sums: (n) => 'allow if 1' + '\\n+ 1'.repeat(n) + ' > 0',
        every: (n) => 'allow if { ' + 'every x in [1] {\\n'.repeat(n) + 'x == 1' + '}'.repeat(n) + ' }',
      }
      const answers = async (rules) => {
        try {
          const policy = await operatorEngine().prepare({ rego: new TextEncoder().encode('package p\\n' + rules) })
          const world = { blockTimestamp: 1n, seed: '0x' + '22'.repeat(32) }
          const { kind, code } = policy.evaluate({ inputJson: '{}', dataJson: '{}' }, world)
          if (kind === 'error' && code !== 'STACK_LIMIT') throw new Error(code)
          return kind !== 'error'
        } catch (error) {
          if (error.refusal !== 'too-deep') throw error
          return false
        }
      }
      const deepest = {}
      for (const [name, shape] of Object.entries(shapes)) {
        let [least, most] = [10, 9_000]
        while (most - least > 1) {
          const middle = (least + most) >> 1
          if (await answers(shape(middle))) least = middle
          else most = middle
        }
        deepest[name] = least
      }
      console.log(JSON.stringify(deepest))`
    const run = async (compiler: string): Promise<Record<string, number>> => {
      const node = [compiler, '--import', 'tsx', '--input-type=module', '-e', code]
      const { stdout } = await promisify(execFile)(process.execPath, node)
      return JSON.parse(stdout) as Record<string, number>
    }
    const [quick, optimizing] = await Promise.all(['--liftoff-only', '--no-liftoff'].map(run))
    expect(quick).toEqual(optimizing)
    for (const deepest of Object.values(quick ?? {})) expect(deepest).toBeGreaterThan(100)
  }, 120_000)

  test('what the parser itself bounds says where', async () => {
    const cases: readonly [string, string][] = [
      [`allow if x == "${'a'.repeat(2_000)}"`, 'column'],
      [lines(20_001, () => '#'), 'line count'],
      ['allow if 1e999999 > 0', 'out of range'],
      [`allow if ${'9'.repeat(900)} > 0`, 'out of range'],
    ]
    for (const [rules, words] of cases) {
      await expect(prepare(rules)).rejects.toMatchObject({
        code: 'REGO_SOURCE',
        reason: expect.stringContaining(words),
      })
    }
  })

  test('a mebibyte of source is refused by its size', async () => {
    await expect(prepare(`# ${'a\n# '.repeat(400_000)}`)).rejects.toMatchObject({
      code: 'REGO_SOURCE',
    })
  })

  test('not UTF-8, empty, several packages', async () => {
    await expect(engine.prepare({ rego: Uint8Array.of(0xff) })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(engine.prepare({ rego: new Uint8Array() })).rejects.toMatchObject({
      code: 'REGO_SOURCE',
    })
    await expect(
      engine.prepare({ rego: utf8('package a\nallow if true\npackage b\nallow if true') }),
    ).rejects.toMatchObject({ code: 'REGO_SOURCE', location: { line: 3 } })
    const two = ['a', 'b'].map((name) => ({ name, source: `package ${name}` }))
    await expect(engine.prepare({ rego: two })).rejects.toMatchObject({ refusal: 'modules' })
    await expect(engine.prepare({ rego: [] })).rejects.toMatchObject({ refusal: 'modules' })
  })

  test.each(['params', 'wasm', 'secrets', 'params.x', 'wasm["y"]'])(
    'package %s is the name of a document',
    async (name) => {
      const rego = utf8(`package ${name}\nallow if true`)
      await expect(engine.prepare({ rego })).rejects.toMatchObject({ refusal: 'package' })
    },
  )

  // The operators ask for `data.<package>.allow`, which their parser refuses with one of these in it.
  test.each('as default else every false if import in not null package some true with'.split(' '))(
    'a package with the keyword %s in its name',
    async (keyword) => {
      const rego = utf8(`package p["${keyword}"]\nallow if 1 == 1`)
      await expect(engine.prepare({ rego })).rejects.toMatchObject({ refusal: 'package' })
    },
  )

  test.each(['http.send({"method": "get", "url": "http://127.0.0.1"})', 'opa.runtime()'])(
    '%s is refused, with its place',
    async (call) => {
      await expect(prepare(`allow if ${call}`)).rejects.toMatchObject({
        refusal: 'nondeterministic',
        location: { line: 2 },
      })
    },
  )
})

describe('evaluations', () => {
  const r = 'r := numbers.range(1, 1000)\n'
  test.each([
    [
      'a comprehension over three ranges',
      `${r}allow if count([1 | some a in r; some b in r; some c in r; a + b + c < 0]) == 0`,
      'STEP_LIMIT',
    ],
    [
      'squares of squares',
      `x0 := 10\n${lines(40, (i) => `x${i + 1} := x${i} * x${i}`)}\nallow if x40 > 0`,
      'STEP_LIMIT',
    ],
    [
      'a string doubled forty times',
      `s0 := "aaaaaaaaaaaaaaaa"\n${lines(40, (i) => `s${i + 1} := concat("", [s${i}, s${i}])`)}\nallow if count(s40) > 0`,
      'MEMORY_LIMIT',
    ],
    [
      'a range of a hundred million',
      'allow if count(numbers.range(1, 100000000)) > 0',
      'MEMORY_LIMIT',
    ],
    [
      'a range of all integers',
      'allow if count(numbers.range(1, 9223372036854775807)) > 0',
      'PANIC',
    ],
    ['a shift by a billion', 'allow if bits.lsh(1, 1000000000) > 0', 'MEMORY_LIMIT'],
    ['a padding of a billion', 'allow if count(sprintf("%1000000000d", [1])) > 0', 'MEMORY_LIMIT'],
    [
      'a chain of thousands of rules',
      `${lines(1500, (i) => `a${i} if a${i + 1}`)}\na1500 if true\nallow if a0`,
      'STACK_LIMIT',
    ],
    [
      'odd hex in a crypto builtin',
      'allow if newton.crypto.ecdsa_recover_signer("0x123", "0x1") == ""',
      'PANIC',
    ],
  ])('%s', async (_, rules, code) => {
    const policy = await prepare(rules, { maxSteps: 20_000_000 })
    const outcome = policy.evaluate(empty, world)
    // Which of the bounds is met first may depend on the host's stack, that one is met does not.
    expect(outcome.kind).toBe('error')
    if (code !== 'STACK_LIMIT') expect(outcome).toMatchObject({ code })
    policy.dispose()
  })

  test('the step limit is the same number every time', async () => {
    const rules =
      'allow if count([1 | some a in numbers.range(1, 200); some b in numbers.range(1, 200); a < b]) > 0'
    const least = await leastSteps(rules)
    for (const [maxSteps, kind] of [
      [least, 'defined'],
      [least - 1, 'error'],
    ] as const) {
      const policy = await prepare(rules, { maxSteps })
      expect(policy.evaluate(empty, world).kind).toBe(kind)
      expect(policy.evaluate(empty, world).kind).toBe(kind)
      policy.dispose()
    }
  })

  test('a policy that was stopped decides the next input', async () => {
    const rules = 'allow if count(numbers.range(1, input.n)) == input.n'
    const policy = await prepare(rules)
    const run = (n: number): unknown =>
      policy.evaluate({ inputJson: JSON.stringify({ n }), dataJson: '{}' }, world)
    expect(run(3)).toMatchObject({ allow: true })
    expect(run(100_000_000)).toMatchObject({ code: 'MEMORY_LIMIT' })
    expect(run(4)).toMatchObject({ allow: true })
    policy.dispose()
    expect(run(4)).toMatchObject({ kind: 'error', code: 'DISPOSED' })
  })

  test('the memory limit is what was asked for', async () => {
    const rules = 'allow if count(numbers.range(1, 100000)) == 100000'
    const roomy = await prepare(rules)
    expect(roomy.evaluate(empty, world)).toMatchObject({ allow: true })
    const tight = await prepare(rules, { maxMemoryBytes: 1_000_000 })
    expect(tight.evaluate(empty, world)).toMatchObject({ code: 'MEMORY_LIMIT' })
  })

  test('patterns that are catastrophic elsewhere are linear here', async () => {
    const rules = 'allow if not regex.match("^(a+)+$", input.text)'
    const policy = await prepare(rules)
    const inputJson = JSON.stringify({ text: `${'a'.repeat(20_000)}!` })
    expect(policy.evaluate({ inputJson, dataJson: '{}' }, world)).toMatchObject({ allow: true })
  })
})

describe('documents', () => {
  test.each([
    ['', '{}'],
    ['{', '{}'],
    ['{}', '[]'],
    ['{}', 'null'],
    ['{}', '{"a":1} x'],
    [`${'['.repeat(500)}${']'.repeat(500)}`, '{}'],
    ['{"a": 1e999}', '{}'],
  ])('input %s with data %s is refused', async (inputJson, dataJson) => {
    const policy = await prepare('allow if true')
    expect(policy.evaluate({ inputJson, dataJson }, world)).toMatchObject({
      kind: 'error',
      code: 'INVALID_INPUT',
    })
  })

  test('names of JavaScript are names like any other', async () => {
    const policy = await prepare('allow if input.__proto__.constructor == data.params.toString')
    const outcome = policy.evaluate(
      { inputJson: '{"__proto__":{"constructor":1}}', dataJson: '{"params":{"toString":1}}' },
      world,
    )
    expect(outcome).toMatchObject({ allow: true })
  })

  test('data cannot stand in for the policy', async () => {
    const policy = await prepare('allow if false')
    const outcome = policy.evaluate({ inputJson: '{}', dataJson: '{"p":{"allow":true}}' }, world)
    expect(outcome).toMatchObject({ kind: 'error', code: 'INVALID_INPUT' })
    const escaped = '{"\\u0070":{"allow":true}}'
    expect(policy.evaluate({ inputJson: '{}', dataJson: escaped }, world).kind).toBe('error')
    const later = '{"a":["]","{"],"b":{"p":1}, "p" :2}'
    expect(policy.evaluate({ inputJson: '{}', dataJson: later }, world).kind).toBe('error')
  })

  test.each([
    '{"wasm":{"p":1}}',
    '{"a":"p"}',
    '{"a":["p",{"p":{"allow":true}}],"b":"{"}',
    '{"pp":1,"p ":2,"":"p"}',
  ])('data %s names the package further in, or as a value', async (dataJson) => {
    const policy = await prepare('allow if true')
    expect(policy.evaluate({ inputJson: '{}', dataJson }, world)).toMatchObject({ allow: true })
  })

  test('a bad seed or clock is refused', async () => {
    const policy = await prepare('allow if true')
    for (const options of [
      { blockTimestamp: 1n, seed: '0x12' },
      { blockTimestamp: undefined as unknown as bigint, seed: world.seed },
    ]) {
      expect(policy.evaluate(empty, options)).toMatchObject({ code: 'INVALID_INPUT' })
    }
  })
})

describe('what is fed', () => {
  test('the clock is the reference block, the randomness the task', async () => {
    const rules = `allow := [time.now_ns(), rand.intn("a", 1000000000), uuid.rfc4122("b")]`
    const policy = await prepare(rules)
    const one = policy.evaluate(empty, world)
    expect(one).toMatchObject({
      value: [1_700_000_000_000_000_000n, expect.any(Number), expect.any(String)],
    })
    expect(policy.evaluate(empty, world)).toEqual(one)
    const again = await prepare(rules)
    expect(again.evaluate(empty, world)).toEqual(one)
    const other = policy.evaluate(empty, { ...world, seed: `0x${'33'.repeat(32)}` })
    const values = (outcome: unknown): unknown[] => (outcome as { value: unknown[] }).value
    expect(values(other)[1]).not.toBe(values(one)[1])
    expect(values(other)[2]).not.toBe(values(one)[2])
  })
})

describe('memory', () => {
  test('is flat over many evaluations', async () => {
    const policy = await prepare(`allow if count(deny) == 0
deny contains sprintf("%d", [x]) if some x in numbers.range(1, 20)`)
    const module = await loadEngineModule()
    // The same work in an instance whose memory can be seen.
    const instance = createEngineInstance(module, { maxMemoryBytes: 64 << 20 })
    const source = 'package p\nallow if count([x | some x in numbers.range(1, 20)]) == 20'
    instance.call('engine_load', [JSON.stringify({ modules: [{ path: 'p', source }] })], 1e7)
    const run = (count: number): number => {
      for (let i = 0; i < count; i++) instance.call('engine_decide', ['{}', '{}'], 1e7)
      return instance.memoryBytes()
    }
    const before = run(500)
    expect(run(Number(process.env['SOAK_EVALUATIONS'] ?? 5_000))).toBe(before)
    expect(policy.evaluate(empty, world).kind).not.toBe('error')
  })
})

/** Fewest steps with which a policy decides, by bisection. */
async function leastSteps(rules: string): Promise<number> {
  const module = await loadEngineModule()
  const source = `package p\n${rules}`
  let low = 0
  let high = 20_000_000
  const request = JSON.stringify({ modules: [{ path: 'policy.rego', source }] })
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const instance = createEngineInstance(module, { maxMemoryBytes: 64 << 20 })
    instance.call('engine_load', [request], 20_000_000)
    const result = instance.call('engine_decide', ['{}', '{}'], middle)
    if (result.fault === undefined) high = middle
    else low = middle
  }
  return high
}
