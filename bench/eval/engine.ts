/**
 * The engine alone, beside the bare engine and OPA's runtime.
 *
 * "Bare" is the module called directly with texts that are already in its memory's encoding: what
 * is left when our adapter is taken away. OPA's runtime needs a compiled bundle, which only the
 * `opa` tool makes: where OPA_POLICY_WASM names one, compiled from bench/eval/guard.rego with the
 * entrypoints guard/allow and guard/deny, it is measured on the same documents.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { PreparedPolicy } from '../../src/eval/index.js'
import { createSchemaValidator, opaWasmEngine, operatorEngine } from '../../src/eval/index.js'
import { createEngineInstance } from '../../src/eval/rego/engineInstance.js'
import { loadEngineModule } from '../../src/eval/rego/engineModule.js'
import type { Row } from './pipeline.js'

const guard: string = readFileSync(new URL('./guard.rego', import.meta.url), 'utf8')
const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }

const inputJson: string = JSON.stringify({
  from: '0xabc',
  to: '0xdef',
  value: 12345,
  chain_id: 1,
  function: { name: 'transfer' },
  decoded_function_arguments: ['0xdef', '100'],
})
const dataJson: string = JSON.stringify({
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
})

/** The policy of the benchmark with its rules `copies` times over. */
function sized(copies: number): string {
  const [head = '', ...rules] = guard.split('\n\n')
  return [head, ...Array.from({ length: copies }, () => rules.join('\n\n'))].join('\n\n')
}

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

async function bare(source: string): Promise<() => void> {
  const module = await loadEngineModule()
  const instance = createEngineInstance(module, { maxMemoryBytes: 64 << 20 })
  instance.call('engine_load', [JSON.stringify({ modules: [{ path: 'p', source }] })], 1e9)
  return () => {
    instance.call('engine_decide', [inputJson, dataJson], 1e9)
  }
}

/** Rows of the engine, the schemas, and what opening them costs. */
export async function engineRows({ quick = false }: { quick?: boolean } = {}): Promise<Row[]> {
  const count = quick ? 200 : 3_000
  const rows: Row[] = []
  for (const copies of [1, 5, 20]) {
    const source = sized(copies)
    const rego = new TextEncoder().encode(source)
    const policy: PreparedPolicy = await operatorEngine().prepare({ rego })
    const runs: (() => unknown)[] = [
      () => policy.evaluate({ inputJson, dataJson }, world),
      await bare(source),
    ]
    const opa = process.env['OPA_POLICY_WASM']
    if (copies === 1 && opa !== undefined && existsSync(opa)) {
      const policyWasm = new Uint8Array(readFileSync(opa))
      const theirs = await opaWasmEngine({ policyWasm }).prepare({ rego })
      runs.push(() => theirs.evaluate({ inputJson, dataJson }, world))
    }
    const [ours = 0, bareTime = 0, opaTime] = medians(runs, Math.ceil(count / copies))
    rows.push({
      name: `warm evaluation, policy of ${Math.round(rego.length / 100) / 10} kB`,
      ours,
      unit: 'µs',
      better: 'lower',
      peers: { bare: bareTime, ...(opaTime === undefined ? {} : { 'opa-wasm': opaTime }) },
      target: copies === 1 ? 1_000 : undefined,
    })
  }
  rows.push(await preparing(quick ? 5 : 50), await schemas(quick ? 50 : 1_000))
  return rows
}

async function preparing(count: number): Promise<Row> {
  const rego = new TextEncoder().encode(guard)
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    const policy = await operatorEngine().prepare({ rego })
    policy.evaluate({ inputJson, dataJson }, world)
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
