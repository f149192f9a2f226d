import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { jsPlugin } from '../../../test/support/jsPlugin.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { createPluginRuntime } from '../plugins/runtime/runtime.js'
import { buildPlugin } from './buildPlugin.js'
import { nodePluginWorkers } from './pluginWorkers.js'

const zero: Hex = `0x${'00'.repeat(32)}`

describe('buildPlugin', () => {
  test('behavior: it runs, and its errors are its own', async () => {
    const bytes = await jsPlugin()
    const runtime = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      limits: { time: 60_000, compileTime: 120_000 },
      transport: async ({ url, headers }) => ({
        status: 200,
        headers: [],
        body: utf8(
          JSON.stringify({ address: url.split('/').pop(), score: headers.length, listed: false }),
        ),
      }),
    })
    const request = {
      wasmHash: keccakHex(bytes),
      getBytes: async () => bytes,
      policyDataTemplateId: zero,
      policyDataInstanceId: zero,
      taskId: zero,
      blockTimestamp: 0n,
      secrets: utf8('{"apiKey":"k"}'),
    }
    const address = `0x${'ab'.repeat(20)}`
    const input = JSON.stringify({
      address,
      _newton: { params: { endpoint: 'https://risk.example/' } },
    })
    const { output } = await runtime.run({ ...request, input })
    expect(output).toEqual({ sanctions: { address, score: 2, listed: false } })
    await expect(
      runtime.run({ ...request, secrets: undefined, input: '{}' }),
    ).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
      reason: 'address is not 20 bytes of hex',
    })
    runtime.close()
  }, 300_000)

  test('error: a source that does not parse', async () => {
    await expect(buildPlugin({ source: 'export function run( {' })).rejects.toMatchObject({
      code: 'PLUGIN_BUILD_FAILED',
    })
  }, 120_000)

  test('error: no source', async () => {
    await expect(buildPlugin({ source: ' ' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
