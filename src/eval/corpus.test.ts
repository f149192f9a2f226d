import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { utf8 } from '../internal/bytes.js'
import { inspectPolicy } from './inspectPolicy.js'
import { operatorEngine } from './operatorEngine.js'
import type { PreparedPolicy, RegoOutcome } from './regoEngine.js'

const folder = new URL('../../test/corpus/rego/', import.meta.url)
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
    const list = readFileSync(new URL('../../engine/src/builtins.rs', import.meta.url), 'utf8')
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
  fileURLToPath(new URL('../../engine/target/release/native', import.meta.url))

describe('the native engine', () => {
  const present = existsSync(native)
  if (!present) {
    console.log(
      'skipped: no native engine. Build it with: cargo build --release --bin native (in engine/)',
    )
  }

  test.runIf(present)('lists the builtins that are known here', () => {
    const { stdout } = spawnSync(native, { input: '{"builtins":true}\n', encoding: 'utf8' })
    const { engine, known } = JSON.parse(stdout) as { engine: string[]; known: string[] }
    // `print` is not a builtin to the engine but a form of its own.
    expect(known.filter((name) => name !== 'print').sort()).toEqual(engine.sort())
  })

  test.runIf(present)('decides every case alike', async () => {
    // Clock and randomness of the native engine are the machine's.
    const worldly = /time\.now_ns|rand\.intn|uuid\.rfc4122/
    const cases = policies
      .filter((policy) => !worldly.test(policy.source))
      .flatMap((policy) => policy.cases.map((one) => ({ policy, one })))
    const requests = cases.map(({ policy, one }) =>
      JSON.stringify({
        modules: [{ path: 'policy.rego', source: new TextDecoder().decode(rego(policy)) }],
        input: inputOf(one),
        data: JSON.stringify(one.data),
      }),
    )
    const { stdout } = spawnSync(native, { input: `${requests.join('\n')}\n`, encoding: 'utf8' })
    const answers = stdout.trim().split('\n')
    expect(answers).toHaveLength(cases.length)
    for (const [index, { policy, one }] of cases.entries()) {
      const prepared = await operatorEngine().prepare({ rego: rego(policy) })
      const documents = { inputJson: inputOf(one), dataJson: JSON.stringify(one.data) }
      const ours = prepared.evaluate(documents, world)
      prepared.dispose()
      const theirs = JSON.parse(answers[index] as string)
      if (theirs.error !== undefined) {
        expect(ours).toMatchObject({ kind: 'error', message: theirs.error.message })
      } else if (theirs.defined === false) {
        expect(ours, policy.name).toEqual({ kind: 'undefined', reasons: theirs.reasons })
      } else {
        expect(ours, policy.name).toMatchObject({ value: theirs.value, reasons: theirs.reasons })
      }
    }
  })
})
