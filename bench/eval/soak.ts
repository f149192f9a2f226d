/**
 * Evaluates many times and watches memory: `npx tsx bench/eval/soak.ts [count]`.
 *
 * A million evaluations by default, every hundredth with a plugin. Exits with 1 when memory after
 * the first tenth grew by more than 10 % and 16 MB.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  createEvaluator,
  createPluginRuntime,
  createSchemaValidator,
  deploySimulated,
  operatorEngine,
} from '../../src/eval/index.js'
import { nodePluginWorkers } from '../../src/eval/node/index.js'
import { component } from '../../test/fixtures/pluginComponents.js'

/** Memory of the process in bytes, at a tenth of the run and at its end. */
export type SoakReport = {
  count: number
  early: number
  late: number
  flat: boolean
  milliseconds: number
}

/** Runs `count` evaluations. */
export async function soak(count: number): Promise<SoakReport> {
  const plugins = createPluginRuntime({ workers: nodePluginWorkers({ concurrency: 1 }) })
  const tools = {
    engine: operatorEngine(),
    schemas: createSchemaValidator(),
    plugins,
    mode: 'simulate' as const,
  }
  const source =
    'package p\nimport rego.v1\ndefault allow := false\nallow if input.value < 500\ndeny contains "large" if input.value >= 500\n'
  const wasm = await component({ run: '(call $number (i64.const 1))' })
  const evaluators = [[], [{ wasm }]].map((list) => {
    const { task, snapshot, artifacts } = deploySimulated({
      rego: new TextEncoder().encode(source),
      plugins: list,
      intent: {
        from: '0x1111111111111111111111111111111111111111',
        to: '0x2222222222222222222222222222222222222222',
        value: 0n,
        data: '0x',
        chainId: 1n,
        functionSignature: '0x',
      },
    })
    return {
      task,
      evaluator: createEvaluator({
        ...tools,
        registry: { snapshot: async () => snapshot },
        artifacts,
      }),
    }
  })
  // Without a collection first, garbage would be counted as growth.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const memory = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const started = performance.now()
  let early = 0
  try {
    for (let i = 0; i < count; i++) {
      const { task, evaluator } = evaluators[i % 100 === 99 ? 1 : 0] as (typeof evaluators)[number]
      const value = BigInt(i % 1_000)
      const { allow } = await evaluator.evaluate({
        task: { ...task, intent: { ...task.intent, value } },
        referenceTimestamp: 0,
      })
      if (allow !== value < 500n) throw new RangeError(`evaluation ${i} decided ${allow}`)
      if (i === Math.floor(count / 10)) early = memory()
    }
  } finally {
    plugins.close()
  }
  const late = memory()
  const flat = late - early < Math.max(early * 0.1, 16 * 1024 * 1024)
  return { count, early, late, flat, milliseconds: performance.now() - started }
}

if (process.argv[1]?.endsWith('soak.ts')) {
  const report = await soak(Number(process.argv[2] ?? 1_000_000))
  console.log(JSON.stringify(report))
  if (!report.flat) process.exitCode = 1
}
