import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { PreparedPolicy, RegoOutcome } from './engine.js'
import { inspectPolicy } from './inspectPolicy.js'
import { operatorEngine } from './operatorEngine.js'

const folder = new URL('../../../test/corpus/rego/', import.meta.url)
const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }

type Case = { input?: unknown; inputText?: string; data: unknown; expect: Record<string, unknown> }
type Policy = { name: string; source: string; cases: readonly Case[] }

const policies: readonly Policy[] = readdirSync(folder)
  .sort()
  .map((file) => {
    const source = readFileSync(new URL(file, folder), 'utf8')
    const lines = source.split('\n').filter((line) => line.startsWith('# case: '))
    const cases = lines.map((line) => JSON.parse(line.slice('# case: '.length)) as Case)
    return { name: file.replace('.rego', ''), source, cases }
  })

function inputOf({ input, inputText }: Case): string {
  return inputText ?? JSON.stringify(input)
}

/** The policy as it is evaluated: the cases are not part of it. */
function rego({ source }: Policy): Uint8Array {
  return utf8(source.replaceAll(/^# case: .*\n/gm, ''))
}

function check(outcome: RegoOutcome, { expect: expected }: Case): void {
  const { fails, ...rest } = expected
  const value = rest['kind'] === 'defined' ? { value: rest['value'] ?? expect.anything() } : {}
  if (rest['kind'] === 'defined' && rest['value'] === undefined) {
    expect(outcome).toMatchObject(rest)
  } else expect(outcome).toMatchObject({ ...rest, ...value })
  if (fails === true) expect(outcome).toHaveProperty('reasonsError')
  else expect(outcome).not.toHaveProperty('reasonsError')
}

describe('the corpus', () => {
  test('holds at least 60 policies, each with cases', () => {
    expect(policies.length).toBeGreaterThanOrEqual(60)
    for (const { name, cases } of policies) expect(cases.length, name).toBeGreaterThan(0)
  })

  test('covers every builtin of the engine', async () => {
    const list = readFileSync(new URL('../../../engine/src/builtins.rs', import.meta.url), 'utf8')
    const names = /NAMES: &\[&str\] = &\[([^\]]+)\]/.exec(list)?.[1]?.match(/"[^"]+"/g) ?? []
    const extensions =
      /EXTENSIONS: &\[&str\] = &\[([^\]]+)\]/.exec(list)?.[1]?.match(/"[^"]+"/g) ?? []
    // The operators `|` and `&` have these names inside the engine.
    const internal = /^__builtin_/
    const refused = ['http.send', 'opa.runtime']
    const all = [...names, ...extensions]
      .map((name) => name.slice(1, -1))
      .filter((name) => !internal.test(name) && !refused.includes(name))
    expect(all.length).toBeGreaterThan(120)
    const used = new Set<string>()
    for (const policy of policies) {
      const { modules } = await inspectPolicy({ rego: rego(policy) })
      for (const rule of modules[0]?.rules ?? []) {
        for (const call of rule.calls) used.add(call.name)
      }
    }
    expect(all.filter((name) => !used.has(name))).toEqual([])
  })

  test('covers every construct the engine names', async () => {
    const constructs = new Set<string>()
    const kinds = new Set<string>()
    for (const policy of policies) {
      const { modules } = await inspectPolicy({ rego: rego(policy) })
      for (const rule of modules[0]?.rules ?? []) {
        kinds.add(rule.default ? `default ${rule.kind}` : rule.kind)
        for (const construct of rule.constructs) constructs.add(construct.name)
      }
    }
    for (const name of [
      ...['else', 'some in', 'every', 'not', 'not with a call', 'with', 'in'],
      ...['comprehension', 'arithmetic'],
    ]) {
      expect(constructs).toContain(name)
    }
    for (const kind of ['complete', 'set', 'object', 'function']) expect(kinds).toContain(kind)
    expect(kinds).toContain('default complete')
    expect(kinds).toContain('default function')
  })

  describe.each(policies)('$name', (policy) => {
    let prepared: PreparedPolicy
    beforeAll(async () => {
      prepared = await operatorEngine().prepare({ rego: rego(policy) })
    })
    afterAll(() => prepared.dispose())

    test.each(policy.cases.map((one, index) => [index, one] as const))('case %i', (_, one) => {
      const documents = { inputJson: inputOf(one), dataJson: JSON.stringify(one.data) }
      const outcome = prepared.evaluate(documents, world)
      check(outcome, one)
      // The same documents give the same outcome, whatever was evaluated before.
      expect(prepared.evaluate(documents, world)).toEqual(outcome)
    })
  })
})

const native =
  process.env['ENGINE_NATIVE'] ??
  fileURLToPath(new URL('../../../engine/native/target/release/native', import.meta.url))

describe('the native engine', () => {
  const present = existsSync(native)
  if (!present) {
    console.log(
      'skipped: no native engine. Build it with: cargo build --release --locked (in engine/native)',
    )
  }

  test.runIf(present)('lists the builtins that are known here', () => {
    const { stdout } = spawnSync(native, { input: '{"builtins":true}\n', encoding: 'utf8' })
    const { engine, known } = JSON.parse(stdout) as { engine: string[]; known: string[] }
    // `print` is not a builtin to the engine but a form of its own.
    expect(known.filter((name) => name !== 'print').sort()).toEqual(engine.sort())
  })

  test.runIf(present)('answers each request in one line', () => {
    const source = 'package p\nallow := {"a": [1, {"b": "x\\ny"}], "c": {"d": []}}'
    const request = { modules: [{ path: 'p', source }], input: '{}', data: '{}' }
    const broken = { ...request, modules: [{ path: 'p', source: 'package p\n\nallow if {' }] }
    const requests = [request, broken, request].map((one) => `${JSON.stringify(one)}\n`)
    const { stdout } = spawnSync(native, { input: requests.join(''), encoding: 'utf8' })
    const [first, second, third, ...rest] = stdout.split('\n')
    expect(JSON.parse(first ?? '')).toMatchObject({
      value: { a: [1, { b: 'x\ny' }], c: { d: [] } },
    })
    expect(JSON.parse(second ?? '')).toMatchObject({ error: { code: 'PARSE' } })
    expect([third, ...rest]).toEqual([first, ''])
  })

  // Clock and randomness of the native engine are the machine's.
  const worldly = /time\.now_ns|rand\.intn|uuid\.rfc4122/
  const portable = policies.filter((policy) => !worldly.test(policy.source))

  test.runIf(present)('decides every case alike', async () => {
    await compare(
      portable.flatMap((policy) =>
        policy.cases.map((one) => ({
          policy,
          inputJson: inputOf(one),
          dataJson: JSON.stringify(one.data),
        })),
      ),
    )
  })

  test.runIf(present)('decides changed documents alike', async () => {
    const runs = Number(process.env['FC_NUM_RUNS'] ?? 24)
    const anything = fc.oneof(
      fc.constantFrom<unknown>(null, true, false, 0, -1, 2.5, 1e21, '', '0xAA', '5', [], {}),
      fc.jsonValue({ maxDepth: 2 }),
    )
    const given = portable.flatMap((policy) =>
      policy.cases.flatMap((one, index) =>
        fc
          .sample(fc.tuple(fc.nat(), anything), { numRuns: runs, seed: 1000 + index })
          .map(([at, value]) => ({
            policy,
            inputJson: JSON.stringify(change(JSON.parse(inputOf(one)), at, value)),
            dataJson: JSON.stringify(change(one.data, at >> 4, value)),
          }))
          .filter(({ dataJson }) => dataJson.startsWith('{')),
      ),
    )
    expect(given.length).toBeGreaterThan(500)
    await compare(given)
  })
})

type Given = { policy: Policy; inputJson: string; dataJson: string }

/** Decides with both engines and expects the same value, reasons, or error. */
async function compare(given: readonly Given[]): Promise<void> {
  const requests = given.map(({ policy, inputJson, dataJson }) =>
    JSON.stringify({
      modules: [{ path: 'policy.rego', source: new TextDecoder().decode(rego(policy)) }],
      input: inputJson,
      data: dataJson,
    }),
  )
  const input = `${requests.join('\n')}\n`
  const { stdout } = spawnSync(native, { input, encoding: 'utf8', maxBuffer: 1 << 28 })
  const answers = stdout.trim().split('\n')
  expect(answers).toHaveLength(given.length)
  const prepared = new Map<Policy, PreparedPolicy>()
  for (const [index, { policy, inputJson, dataJson }] of given.entries()) {
    const ready = prepared.get(policy) ?? (await operatorEngine().prepare({ rego: rego(policy) }))
    prepared.set(policy, ready)
    const ours = ready.evaluate({ inputJson, dataJson }, world)
    const theirs = JSON.parse(answers[index] as string)
    const label = `${policy.name} on ${inputJson} and ${dataJson}`
    if (theirs.error !== undefined) {
      expect(ours, label).toMatchObject({ kind: 'error', message: theirs.error.message })
    } else if (theirs.defined === false) {
      expect(ours, label).toEqual({ kind: 'undefined', reasons: theirs.reasons })
    } else {
      expect(ours, label).toMatchObject({ value: theirs.value, reasons: theirs.reasons })
    }
  }
  for (const one of prepared.values()) one.dispose()
}

/** The value with the member at some place, counted in order, replaced. */
function change(value: unknown, at: number, by: unknown): unknown {
  const places = count(value)
  let left = at % places
  return visit(value)

  function visit(node: unknown): unknown {
    if (left === 0) {
      left = -1
      return by
    }
    left -= 1
    if (Array.isArray(node)) return node.map(visit)
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(Object.entries(node).map(([name, one]) => [name, visit(one)]))
  }
}

function count(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return 1 + Object.values(value).reduce((sum: number, one) => sum + count(one), 0)
}
