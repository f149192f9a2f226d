/**
 * The engine alone, beside the bare module, the published crate built natively, and OPA's runtime.
 *
 * "Bare" is the module called directly with texts that are already in its memory's encoding: what
 * is left when our adapter is taken away. The native crate is engine/native, unpatched, where it is
 * built; OPA's runtime is where `opa` is (./opa.ts).
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { PreparedPolicy } from '../../src/eval/index.js'
import { createSchemaValidator, operatorEngine } from '../../src/eval/index.js'
import { createEngineInstance } from '../../src/eval/rego/engineInstance.js'
import { loadEngineModule } from '../../src/eval/rego/engineModule.js'
import { hasNativeEngine, howToBuild, nativeEngine } from '../../test/evalFuzz/oracle.js'
import { byOpa, findsOpa } from './opa.js'
import type { Row } from './pipeline.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }

function source(name: string): string {
  return readFileSync(new URL(`./${name}.rego`, import.meta.url), 'utf8')
}

const guard: string = source('guard')

const intent = {
  from: '0xabc',
  to: '0xdef',
  value: 12345,
  chain_id: 1,
  function: { name: 'transfer' },
  decoded_function_arguments: ['0xdef', '100'],
}
const guardData = {
  params: { max_score: 50, max_value: 100_000, functions: ['transfer'], recipients: ['0xdef'] },
  wasm: {
    sanctioned: false,
    address: '0xdef',
    categories: [
      { name: 'a', score: 1 },
      { name: 'b', score: 60 },
      { name: 'c', score: 3 },
    ],
  },
}
const symbols = ['ETH', 'USDC', 'WBTC', 'DAI']
const vaultData = {
  params: {
    tokens: symbols.map((symbol, index) => ({ symbol, limit: 100_000 * (index + 1) })),
    admins: ['0xAbC', '0x123'],
    vaults: [
      { id: 'v1', chain: 1, operations: ['deposit', 'withdraw', 'transfer'] },
      { id: 'v2', chain: 137, operations: ['deposit'] },
    ],
    recipients: ['0xDEF', '0x456'],
    max_share: 6_000,
    max_age: 300,
  },
  wasm: {
    paused: false,
    prices: Object.fromEntries(
      symbols.map((symbol, index) => [symbol, { usd: index + 1, age: 60 }]),
    ),
    positions: Array.from({ length: 12 }, (_, index) => ({
      symbol: symbols[index % symbols.length],
      amount: 10 * (index + 1),
      owner: `0x${index}`,
    })),
  },
}
const paymentsData = {
  params: {
    now: 1_700_000_000,
    window: 86_400,
    limits: { gold: 10_000_000, silver: 100_000, basic: 1_000 },
    weekends: false,
    max_share: 90,
  },
  wasm: {
    score: 85,
    tags: ['retail', 'eu'],
    payments: Array.from({ length: 16 }, (_, index) => ({
      to: `0x${(index % 5).toString(16).repeat(8)}`,
      amount: 100 * (index + 1),
      at: 1_700_000_000 - 600 * index,
      memo: `invoice ${index}`,
    })),
  },
}

/** A policy that is measured, with its documents. */
export type Measured = {
  name: string
  rego: string
  package: string
  input: unknown
  data: unknown
}

/** The rules of the small policy `copies` times over, with one default. */
export function copied(copies: number): string {
  const [head = '', ...rules] = guard.split('\n\n').filter((rule) => !rule.startsWith('default'))
  const all = Array.from({ length: copies }, () => rules.join('\n\n'))
  return [head, 'default allow := false', ...all].join('\n\n')
}

/** The small policy and nineteen times its rules under names that nothing reads. */
function flat(): string {
  const rules = guard.split('\n\n').filter((rule) => rule.startsWith('deny'))
  const unread = Array.from({ length: 19 }, (_, index) =>
    rules.map((rule) => rule.replace('deny', `unread_${index}`)).join('\n\n'),
  )
  return [guard.trimEnd(), ...unread].join('\n\n')
}

const measured: readonly Measured[] = [
  { name: 'small', rego: guard, package: 'guard', input: intent, data: guardData },
  {
    name: 'flat, little of it reached',
    rego: flat(),
    package: 'guard',
    input: intent,
    data: guardData,
  },
  { name: 'all of it reached', rego: copied(20), package: 'guard', input: intent, data: guardData },
  { name: 'vault', rego: source('vault'), package: 'vault', input: intent, data: vaultData },
  {
    name: 'payments',
    rego: source('payments'),
    package: 'payments',
    input: intent,
    data: paymentsData,
  },
]

/** Medians in microseconds of calls that take turns, so that other work hits them alike. */
function medians(runs: readonly (() => unknown)[], count: number): readonly number[] {
  const times: number[][] = runs.map(() => [])
  for (let i = 0; i < 2 * count; i++) {
    for (const [index, run] of runs.entries()) {
      const start = performance.now()
      run()
      if (i >= count) times[index]?.push((performance.now() - start) * 1_000)
    }
  }
  return times.map((list) => list.sort((x, y) => x - y)[list.length >> 1] as number)
}

async function bare(rego: string, texts: readonly string[]): Promise<() => void> {
  const module = await loadEngineModule()
  const instance = createEngineInstance(module, { maxMemoryBytes: 64 << 20 })
  instance.call('engine_load', [JSON.stringify({ modules: [{ path: 'p', source: rego }] })], 1e9)
  return () => {
    instance.call('engine_decide', texts, 1e9)
  }
}

/** The median of the published crate built natively, in microseconds. */
function byNative(
  { rego }: Measured,
  [input, data]: readonly [string, string],
  count: number,
): number | undefined {
  if (!hasNativeEngine) return undefined
  const request = { modules: [{ path: 'p', source: rego }], input, data, repeat: count }
  const { stdout } = spawnSync(nativeEngine, {
    input: `${JSON.stringify(request)}\n`,
    encoding: 'utf8',
  })
  return (JSON.parse(stdout) as { microseconds?: number }).microseconds
}

/** Rows of the engine, the schemas, and what opening them costs. */
export async function engineRows({ quick = false }: { quick?: boolean } = {}): Promise<Row[]> {
  const count = quick ? 200 : 3_000
  const rows: Row[] = []
  const hasOpa = findsOpa()
  if (!hasNativeEngine) console.error(`No native crate beside it: ${howToBuild}`)
  let small = 0
  for (const one of measured) {
    const texts = [JSON.stringify(one.input), JSON.stringify(one.data)] as const
    const documents = { inputJson: texts[0], dataJson: texts[1] }
    const rego = new TextEncoder().encode(one.rego)
    const policy: PreparedPolicy = await operatorEngine().prepare({ rego })
    const runs: (() => unknown)[] = [
      () => policy.evaluate(documents, world),
      await bare(one.rego, texts),
    ]
    const decided = policy.evaluate(documents, world)
    if (decided.kind !== 'defined') throw new Error(`${one.name}: ${JSON.stringify(decided)}`)
    const expected = { allow: decided.allow, reasons: decided.reasons }
    const opa = hasOpa ? await byOpa(one, texts, expected) : new Map<string, () => void>()
    runs.push(...opa.values())
    const [ours = 0, bareTime = 0, ...opaTimes] = medians(runs, count)
    const opaTime = opaTimes.length === 0 ? undefined : Math.min(...opaTimes)
    const native = byNative(one, texts, count)
    policy.dispose()
    if (one.name === 'small') small = ours
    rows.push({
      name: `warm evaluation, ${one.name}, ${Math.round(rego.length / 100) / 10} kB`,
      ours,
      unit: 'µs',
      better: 'lower',
      peers: {
        bare: bareTime,
        ...(one.name.startsWith('flat') ? { small } : {}),
        ...Object.fromEntries(
          [...opa.keys()].map((way, index) => [way, opaTimes[index] as number]),
        ),
        ...(native === undefined ? {} : { 'crate, native': native }),
      },
      target: targetOf(one.name, { small, opaTime, native }),
    })
  }
  rows.push(await preparing(quick ? 5 : 50), await schemas(quick ? 50 : 1_000))
  return rows
}

/** What a decision may cost: 1.5 times OPA's runtime, no more than the crate natively, flat in size. */
function targetOf(
  name: string,
  {
    small,
    opaTime,
    native,
  }: { small: number; opaTime: number | undefined; native: number | undefined },
): number | undefined {
  const bounds = [
    ...(opaTime === undefined || name === 'all of it reached' ? [] : [1.5 * opaTime]),
    ...(native === undefined ? [] : [native]),
    ...(name.startsWith('flat') ? [1.2 * small] : []),
  ]
  return bounds.length === 0 ? undefined : Math.round(Math.min(...bounds) * 10) / 10
}

async function preparing(count: number): Promise<Row> {
  const rego = new TextEncoder().encode(guard)
  const documents = { inputJson: JSON.stringify(intent), dataJson: JSON.stringify(guardData) }
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    const policy = await operatorEngine().prepare({ rego })
    policy.evaluate(documents, world)
    times.push(performance.now() - start)
    policy.dispose()
  }
  times.sort((a, b) => a - b)
  const ours = times[count >> 1] as number
  return {
    name: 'prepare and first evaluation',
    ours,
    unit: 'ms',
    better: 'lower',
    peers: {},
    target: 60,
  }
}

async function schemas(count: number): Promise<Row> {
  const validator = createSchemaValidator()
  const schemaJson = JSON.stringify({
    type: 'object',
    properties: { limit: { type: 'integer', minimum: 1 }, asset: { type: 'string' } },
    required: ['limit'],
    additionalProperties: false,
  })
  const validate = (): Promise<unknown> =>
    validator.validate({ schemaJson, valueJson: '{"limit":5,"asset":"eth"}' })
  await validate()
  const start = performance.now()
  for (let i = 0; i < count; i++) await validate()
  const ours = ((performance.now() - start) / count) * 1_000
  const name = 'validation of params, both profiles'
  return { name, ours, unit: 'µs', better: 'lower', peers: {}, target: undefined }
}
