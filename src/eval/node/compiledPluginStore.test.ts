import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { component } from '../../../test/fixtures/pluginComponents.js'
import { keccakHex } from '../../internal/keccak.js'
import type { PluginEvent } from '../plugins/events.js'
import { createPluginRuntime } from '../plugins/runtime/runtime.js'
import { fileCompiledPluginStore } from './compiledPluginStore.js'
import { nodePluginWorkers } from './pluginWorkers.js'

const key = new Uint8Array(32).fill(7)
const zero: Hex = `0x${'00'.repeat(32)}`
let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'newton-store-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function runOnce(bytes: Uint8Array, events: PluginEvent[] = []): Promise<unknown> {
  const runtime = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    store: fileCompiledPluginStore({ directory, key }),
    onEvent: (event) => events.push(event),
  })
  try {
    const { output } = await runtime.run({
      wasmHash: keccakHex(bytes),
      getBytes: async () => bytes,
      policyDataTemplateId: zero,
      policyDataInstanceId: zero,
      taskId: zero,
      blockTimestamp: 0n,
      input: '{"a":1}',
    })
    return output
  } finally {
    runtime.close()
  }
}

const sourceOf = (events: readonly PluginEvent[]): string | undefined =>
  events.flatMap((event) => (event.type === 'plugin.compiled' ? [event.source] : []))[0]

describe('fileCompiledPluginStore', () => {
  test('behavior: a second process does not compile again', async () => {
    const bytes = await component({})
    const first: PluginEvent[] = []
    const second: PluginEvent[] = []
    expect(await runOnce(bytes, first)).toEqual({ a: 1 })
    expect(await runOnce(bytes, second)).toEqual({ a: 1 })
    expect([sourceOf(first), sourceOf(second)]).toEqual(['bytes', 'store'])
  })

  test('behavior: a file that was changed, cut short or moved counts as not there', async () => {
    const store = fileCompiledPluginStore({ directory: join(directory, 'b'), key })
    const plugin = {
      glue: 'function instantiate() {}',
      modules: [['a.wasm', Uint8Array.of(1, 2, 3)] as const],
    }
    await store.put('one', plugin)
    expect(await store.get('one')).toEqual(plugin)
    const [name] = readdirSync(join(directory, 'b')) as [string]
    const path = join(directory, 'b', name)
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole)
      flipped[at] = (flipped[at] as number) ^ 1
      writeFileSync(path, flipped)
      expect(await store.get('one'), `${at}`).toBeNull()
    }
    for (const length of [0, 31, 32, 33, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length))
      expect(await store.get('one')).toBeNull()
    }
    writeFileSync(path, whole)
    await store.put('two', plugin)
    const other = readdirSync(join(directory, 'b')).find(
      (candidate) => candidate !== name,
    ) as string
    renameSync(path, join(directory, 'b', other))
    expect(await store.get('two')).toBeNull()
    expect(
      await fileCompiledPluginStore({ directory: join(directory, 'b'), key: key.map(() => 8) }).get(
        'two',
      ),
    ).toBeNull()
    expect(await store.get('three')).toBeNull()
  })

  test('error: a stored form for bytes of another hash', async () => {
    const bytes = await component({})
    const runtime = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      store: { get: async () => ({ glue: '', modules: [] }), put: async () => {} },
    })
    await expect(
      runtime.load({ wasmHash: `0x${'99'.repeat(32)}`, getBytes: async () => bytes }),
    ).rejects.toMatchObject({
      code: 'PLUGIN_COMPONENT_INVALID',
    })
    runtime.close()
  })

  test('error: a short key', () => {
    expect(() => fileCompiledPluginStore({ directory, key: new Uint8Array(31) })).toThrow(
      /32 secret bytes/,
    )
  })
})
