import { expect, test } from 'vitest'
import { jsPlugin } from '../../../test/support/jsPlugin.js'
import { keccakHex } from '../../internal/keccak.js'
import { createPluginRuntime } from '../plugins/runtime/runtime.js'
import { nodePluginWorkers } from './pluginWorkers.js'

const zero = `0x${'00'.repeat(32)}` as const

test.each([
  ['bytes', 'new Uint8Array(1 << 20).fill(1)'],
  ['texts', '"x".repeat(1 << 20) + all.length'],
  ['objects', 'Array.from({ length: 10_000 }, (_, at) => ({ at }))'],
])(
  'error: a JavaScript plugin that takes %s without end is told of memory, not of time',
  async (_, one) => {
    const wasm = await jsPlugin(
      `export function run() { const all = []; for (;;) all.push(${one}) }`,
    )
    const plugins = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      limits: { time: 60_000 },
    })
    const run = plugins.run({
      wasmHash: keccakHex(wasm),
      getBytes: async () => wasm,
      policyDataTemplateId: zero,
      policyDataInstanceId: zero,
      taskId: zero,
      blockTimestamp: 0n,
      input: '{}',
    })
    await expect(run).rejects.toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'memory' })
    plugins.close()
  },
  300_000,
)
