import type { Hex } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import { component } from '../../../../test/fixtures/pluginComponents.js'
import { keccakHex } from '../../../internal/keccak.js'
import type { CompileJob } from '../../plugins/protocol.js'
import { createPluginRuntime } from '../../plugins/runtime/runtime.js'
import type { PluginWorker } from '../../plugins/workerPool.js'
import { nodePluginWorkers } from '../pluginWorkers.js'

const zero: Hex = `0x${'00'.repeat(32)}`
const closers: (() => void)[] = []
afterAll(() => {
  for (const close of closers) close()
})

/** Runs glue code of the attacker's choice, as if the transpiler had been tricked into writing it. */
async function runGlue(body: string): Promise<unknown> {
  const glue = `function instantiate(getCoreModule, imports, instantiateCore) { return { run(input) { ${body} } } }`
  const compiler = (): PluginWorker => {
    let receive: (message: unknown) => void = () => {}
    queueMicrotask(() => receive({ ready: true }))
    return {
      listen: ({ onMessage }) => {
        receive = onMessage
      },
      post: (message) => {
        const plugin = { glue, modules: [] }
        queueMicrotask(() =>
          receive({ id: (message as CompileJob).id, status: 'ok', plugin, portable: plugin }),
        )
      },
      terminate: () => {},
    }
  }
  const runtime = createPluginRuntime({
    workers: { ...nodePluginWorkers({ concurrency: 1 }), startCompileWorker: compiler },
    limits: { time: 10_000 },
  })
  closers.push(() => runtime.close())
  const bytes = await component({ http: '0.2.0', secrets: true })
  const { output } = await runtime.run({
    wasmHash: keccakHex(bytes),
    getBytes: async () => bytes,
    policyDataTemplateId: zero,
    policyDataInstanceId: zero,
    taskId: zero,
    blockTimestamp: 0n,
    input: '{}',
  })
  return output
}

const report = (expression: string): string =>
  `let found; try { found = ${expression} } catch (error) { found = 'threw' } return JSON.stringify({ found: String(found) })`

describe('run worker', () => {
  test('behavior: glue code finds none of the names of Node', async () => {
    const names = [
      'process',
      'require',
      'module',
      'Buffer',
      'fetch',
      'setTimeout',
      'setImmediate',
      'performance',
      'console',
      'queueMicrotask',
      'structuredClone',
      'navigator',
    ]
    const found = await runGlue(
      `return JSON.stringify({ found: ${JSON.stringify(names)}.filter((name) => name in globalThis) })`,
    )
    expect((found as { found: string[] }).found.filter((name) => name !== 'console')).toEqual([])
  })

  test.each([
    ['its own Function', "Function('return 1')()"],
    ['its own eval', "eval('1')"],
    ['its own constructor chain', "(() => {}).constructor('return 1')()"],
    [
      'a function of the host',
      "imports['newton:provider/http'].fetch.constructor('return process')().pid",
    ],
    ['a class of the host', "TextDecoder.constructor('return process')().pid"],
    ['an encoder of the host', "TextEncoder.constructor('return process')().pid"],
    [
      'an async function of the host',
      "Object.getPrototypeOf(imports['newton:provider/http'].fetch).constructor('return process')().pid",
    ],
    ['an object of the host', "imports.constructor.constructor('return process')().pid"],
    [
      'an error of the host',
      "(() => { try { imports['newton:provider/secrets'].get() } catch (error) { return error.constructor.constructor('return process')().pid } })()",
    ],
    [
      'an error of the host about wrong types',
      "(() => { try { imports['newton:provider/http'].fetch(null) } catch (error) { return error.constructor.constructor('return process')().pid } })()",
    ],
    [
      'a typed array of the host',
      "new TextEncoder().encode('x').constructor.constructor('return process')().pid",
    ],
    [
      'WebAssembly from bytes',
      'new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])) && "compiled"',
    ],
  ])('behavior: no way out through %s', async (_, expression) => {
    expect(await runGlue(report(expression))).toEqual({ found: 'threw' })
  })

  test('behavior: import() is refused', async () => {
    const text =
      "let state = 'none'; try { import('node:fs').then(() => { state = 'in' }, () => {}) } catch { state = 'threw' } return JSON.stringify({ state })"
    const { state } = (await runGlue(text)) as { state: string }
    expect(['none', 'threw']).toContain(state)
    await expect(runGlue("return import('node:fs')")).rejects.toMatchObject({
      code: expect.stringMatching(/^PLUGIN_/),
    })
  })

  test('behavior: the environment of the process is not there', async () => {
    process.env['NEWTON_TEST_SECRET'] = 'visible'
    const found = await runGlue(report("globalThis.process?.env?.NEWTON_TEST_SECRET ?? 'absent'"))
    delete process.env['NEWTON_TEST_SECRET']
    expect(found).toEqual({ found: 'absent' })
  })
})
