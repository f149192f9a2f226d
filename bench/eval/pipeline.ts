/**
 * The pipeline and the plugin runtime, beside what they stand on.
 *
 * Peers in the same process: the engine alone on the same policy, and the plugin alone, that is its
 * component instantiated and run without worker, HTTP host or transcript. The risk service answers
 * from memory.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $init, generate } from '@bytecodealliance/jco-transpile/component'
import { encodeFunctionData, type Hex, parseAbi, stringToHex } from 'viem'
import {
  type CompiledPluginStore,
  createEvaluator,
  createPluginRuntime,
  createSchemaValidator,
  deploySimulated,
  type HttpTransport,
  intentToInputJson,
  operatorEngine,
  type PluginRuntime,
  type SimulationRequest,
} from '../../src/eval/index.js'
import { fileCompiledPluginStore, nodePluginWorkers } from '../../src/eval/node/index.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { component } from '../../test/fixtures/pluginComponents.js'
import { jsPlugin } from '../../test/support/jsPlugin.js'
import { copied } from './engine.js'

/** One measured row. */
export type Row = {
  name: string
  ours: number
  unit: string
  better: 'higher' | 'lower'
  peers: Record<string, number>
  target: number | undefined
}

const file = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../examples/${path}`, import.meta.url)))
const recipient = '0x2222222222222222222222222222222222222222'
const signature = 'function transfer(address to, uint256 amount)'
const transport: HttpTransport = async ({ url }) => ({
  status: 200,
  headers: [],
  body: new TextEncoder().encode(
    JSON.stringify({ address: url.split('/').pop(), score: 7, listed: false }),
  ),
})

/** A policy of the size of real ones, with `plugins` data plugins. */
function request(plugins: SimulationRequest['plugins']): SimulationRequest {
  return {
    rego: file('policies/guarded-transfer/policy.rego'),
    params: { maxScore: 50, maxAmount: '1000' },
    paramsSchema: file('policies/guarded-transfer/params.schema.json'),
    plugins,
    wasmArgs: { address: recipient },
    intent: {
      from: '0x1111111111111111111111111111111111111111',
      to: '0x3333333333333333333333333333333333333333',
      value: 0n,
      chainId: 1n,
      functionSignature: stringToHex(signature),
      data: encodeFunctionData({ abi: parseAbi([signature]), args: [recipient, 5n] }),
    },
  }
}

const screening = (wasm: Uint8Array) => ({
  wasm,
  params: { endpoint: 'https://risk.example' },
  paramsSchema: file('plugins/sanctions-score/params.schema.json'),
  secretsSchema: file('plugins/sanctions-score/secrets.schema.json'),
  secrets: { apiKey: 'k' },
})

/** Median milliseconds of `work`, each call measured alone. */
async function p50(times: number, work: () => unknown): Promise<number> {
  for (let i = 0; i < Math.min(20, times); i++) await work()
  const samples: number[] = []
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    await work()
    samples.push(performance.now() - started)
  }
  samples.sort((a, b) => a - b)
  return samples[Math.floor(times / 2)] as number
}

function evaluatorOf(given: SimulationRequest, plugins: PluginRuntime) {
  const deployment = deploySimulated(given)
  const evaluator = createEvaluator({
    registry: { snapshot: async () => deployment.snapshot },
    artifacts: deployment.artifacts,
    engine: operatorEngine(),
    schemas: createSchemaValidator(),
    plugins,
    mode: 'simulate',
    secrets: {
      envelopes: {
        getEnvelope: async ({ policyDataInstanceId }) =>
          deployment.secrets.get(policyDataInstanceId) ?? null,
      },
      opener: { openSecrets: async ({ envelope }) => envelope },
    },
  })
  return () => evaluator.evaluate({ task: deployment.task, referenceTimestamp: 0 })
}

/** The rules of the engine's small policy, five times over. */
function guarded(): Pick<SimulationRequest, 'rego' | 'params' | 'paramsSchema'> {
  const texts = { type: 'array', items: { type: 'string' } }
  const properties = {
    max_score: { type: 'integer' },
    max_value: { type: 'integer' },
    functions: texts,
    recipients: texts,
  }
  const schema = { type: 'object', properties, additionalProperties: false }
  return {
    rego: new TextEncoder().encode(copied(5)),
    params: {
      max_score: 50,
      max_value: 100_000,
      functions: ['transfer'],
      recipients: [recipient],
    },
    paramsSchema: new TextEncoder().encode(JSON.stringify(schema)),
  }
}

/** Milliseconds of the engine on the very documents that the pipeline gives it. */
async function aloneOn(given: SimulationRequest, times: number): Promise<number> {
  const policy = await operatorEngine().prepare({ rego: given.rego })
  const documents = {
    inputJson: intentToInputJson(given.intent),
    dataJson: JSON.stringify({ params: given.params, wasm: {} }),
  }
  const world = { blockTimestamp: 0n, seed: `0x${'00'.repeat(32)}` as const }
  const alone = await p50(times, () => policy.evaluate(documents, world))
  policy.dispose()
  return alone
}

/** The plugin without anything around it: a fresh instance for each of its two rounds. */
async function barePlugin(wasm: Uint8Array): Promise<() => void> {
  await $init
  const { files } = generate(wasm, {
    name: 'p',
    instantiation: { tag: 'async' },
    noTypescript: true,
    noNodejsCompat: true,
    tlaCompat: false,
    base64Cutoff: 0,
  })
  const glue = new TextDecoder().decode(files.find(([name]) => name === 'p.js')?.[1])
  const url = `data:text/javascript;base64,${Buffer.from(glue).toString('base64')}`
  const { instantiate } = (await import(url)) as {
    instantiate: (...args: unknown[]) => { run: (input: string) => string }
  }
  const modules = new Map(
    files
      .filter(([name]) => name.endsWith('.wasm'))
      .map(([name, bytes]) => [name, new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)]),
  )
  const body = new TextEncoder().encode(
    JSON.stringify({ address: recipient, score: 7, listed: false }),
  )
  const imports = {
    'newton:provider/http': { fetch: () => ({ status: 200, headers: [], body }) },
    'newton:provider/secrets': {
      get: () => ({ value: new TextEncoder().encode('{"apiKey":"k"}') }),
    },
    'newton:provider/tlsn': { verify: () => {}, verifyFromCid: () => {} },
  }
  const input = JSON.stringify({
    address: recipient,
    _newton: { params: { endpoint: 'https://risk.example' } },
  })
  const core = (module: WebAssembly.Module, given: WebAssembly.Imports): WebAssembly.Instance =>
    new WebAssembly.Instance(module, given)
  return () => {
    // The replayed request makes a real run start two instances.
    for (const _ of [0, 1])
      instantiate((name: string) => modules.get(name), imports, core).run(input)
  }
}

/** Rows of this part of the benchmark. */
export async function pipelineRows({
  quick = false,
}: {
  quick?: boolean | undefined
} = {}): Promise<Row[]> {
  const rows: Row[] = []
  const times = quick ? 40 : 200
  const rust = file('plugins/sanctions-score/plugin.wasm')
  const plugins = createPluginRuntime({ workers: nodePluginWorkers(), transport })
  const lower = (
    name: string,
    ours: number,
    peers: Record<string, number>,
    target?: number,
  ): void => {
    rows.push({ name, ours, unit: 'ms', better: 'lower', peers, target })
  }
  try {
    await plugins.prewarm([])
    const small = await component({ run: '(call $number (i64.const 1))' })
    const none = request([])
    const policy = await operatorEngine().prepare({ rego: none.rego })
    const inputJson = intentToInputJson(none.intent)
    const dataJson = JSON.stringify({
      params: none.params,
      wasm: { sanctions: { address: recipient, listed: false, score: 7 } },
    })
    const seed: Hex = `0x${'00'.repeat(32)}`
    const engineAlone = await p50(times, () =>
      policy.evaluate({ inputJson, dataJson }, { blockTimestamp: 0n, seed }),
    )
    for (const [name, given, bound] of [
      ['1 kB', none, undefined],
      ['3.5 kB', { ...none, ...guarded() }, 1.5],
    ] as const) {
      // Ten times as many: what takes microseconds is measured once it is compiled.
      const alone = await aloneOn(given, 10 * times)
      lower(
        `pipeline, warm, no plugin, policy of ${name}`,
        await p50(10 * times, evaluatorOf(given, plugins)),
        { 'engine alone': alone },
        bound === undefined ? undefined : Math.round(1_000 * bound * alone) / 1_000,
      )
    }

    const bare = await p50(times, await barePlugin(rust))
    const one = await p50(times, evaluatorOf(request([screening(rust)]), plugins))
    lower('pipeline, warm, one Rust plugin with HTTP', one, {
      'plugin alone': bare,
      'engine alone': engineAlone,
    })
    lower('what the pipeline adds to one plugin', one - bare, {}, 2)
    const other = await component({ run: '(call $number (i64.const 2))' })
    const three = evaluatorOf(request([screening(rust), { wasm: small }, { wasm: other }]), plugins)
    lower('pipeline, warm, three plugins', await p50(times, three), { 'one plugin': one })
    policy.dispose()

    const cold = async (wasm: Uint8Array, store?: CompiledPluginStore): Promise<number> => {
      const runtime = createPluginRuntime({ workers: nodePluginWorkers(), transport, store })
      // Workers are up, as in a running operator; the component is new to it.
      await runtime.prewarm([{ wasmHash: keccakHex(small), getBytes: async () => small }])
      // V8 goes on optimizing the transpiler on other threads for a while, which no running operator has.
      await new Promise((resolve) => setTimeout(resolve, 300))
      const wasmHash = keccakHex(wasm)
      const started = performance.now()
      await runtime.run({
        wasmHash,
        getBytes: async () => wasm,
        policyDataTemplateId: seed,
        policyDataInstanceId: seed,
        taskId: seed,
        blockTimestamp: 0n,
        input: JSON.stringify({
          address: recipient,
          _newton: { params: { endpoint: 'https://risk.example' } },
        }),
        secrets: new TextEncoder().encode('{"apiKey":"k"}'),
      })
      const elapsed = performance.now() - started
      runtime.close()
      return elapsed
    }
    const median = async (wasm: Uint8Array, store?: CompiledPluginStore): Promise<number> => {
      const samples: number[] = []
      if (store) await cold(wasm, store)
      for (let i = 0; i < (quick ? 3 : 7); i++) samples.push(await cold(wasm, store))
      return samples.sort((a, b) => a - b)[Math.floor(samples.length / 2)] as number
    }
    const javascript = await jsPlugin()
    lower('cold start from bytes, Rust plugin of 105 kB', await median(rust), {}, 60)
    lower('cold start from bytes, JavaScript plugin of 12 MB', await median(javascript), {}, 700)
    const directory = mkdtempSync(join(tmpdir(), 'newton-bench-plugins-'))
    try {
      const store = fileCompiledPluginStore({ directory, key: new Uint8Array(32).fill(1) })
      lower('cold start from compiled form, Rust plugin', await median(rust, store), {}, 20)
      lower(
        'cold start from compiled form, JavaScript plugin',
        await median(javascript, store),
        {},
        120,
      )
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  } finally {
    plugins.close()
  }
  return rows
}
