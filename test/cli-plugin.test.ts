import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { computeArtifactHash } from '@newton/policy-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBuilt, type Run, shell } from './cli/runner.js'
import { assemble, component } from './fixtures/pluginComponents.js'

const example = fileURLToPath(
  new URL('../examples/plugins/sanctions-score/plugin.wasm', import.meta.url),
)
const home = mkdtempSync(join(tmpdir(), 'newton-policy-plugin-'))
const recipient = '0x2222222222222222222222222222222222222222'
let server: Server
let endpoint: string

beforeAll(async () => {
  server = createServer((request, response) => {
    const listed = request.headers['x-api-key'] !== 'k'
    const address = request.url?.split('/').pop()
    response.end(JSON.stringify({ address, score: 7, listed }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  rmSync(home, { recursive: true, force: true })
})

const run = shell(home)
const cli = (...words: string[]): Promise<Run> => run('plugin', ...words)

const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(home, name), content)
  return name
}
const json = (name: string, value: unknown): string => file(name, JSON.stringify(value))

describe.skipIf(!isBuilt)('newton-policy plugin', { timeout: 60_000 }, () => {
  test('behavior: inspect names the imports and the hash', async () => {
    const run = await cli('inspect', example, '--json')
    expect(run.code).toBe(0)
    expect(JSON.parse(run.stdout)).toMatchObject({
      ok: true,
      data: {
        wasmHash: computeArtifactHash(new Uint8Array(readFileSync(example))),
        accepted: true,
        world: { provider: '0.2', http: true, secrets: true },
      },
    })
    expect((await cli('inspect', example)).stdout).toContain('newton:provider/http@0.2.0')
  })

  test('behavior: inspect ends with 3 where operators would refuse the component', async () => {
    const refused = file(
      'refused.wasm',
      await assemble(
        '(component (import "wasi:sockets/tcp@0.2.3" (instance (export "connect" (func)))))',
      ),
    )
    const run = await cli('inspect', refused, '--json')
    expect(run.code).toBe(3)
    const { data } = JSON.parse(run.stdout)
    expect(data).toMatchObject({ accepted: false, refusal: { code: 'PLUGIN_IMPORT_REFUSED' } })
    expect(data.refusal.message).toContain('wasi:sockets/tcp')
  })

  test('error: what is no component is an error', async () => {
    const run = await cli('inspect', file('text.wasm', 'not wasm'))
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toContain('not a WebAssembly component')
  })

  test('behavior: run prints the output, with its transcript in JSON', async () => {
    const words = [
      'run',
      example,
      '--wasm-args',
      json('args.json', { address: recipient }),
      '--params',
      json('params.json', { endpoint }),
      '--secrets',
      json('secrets.json', { apiKey: 'k' }),
    ]
    const run = await cli(...words, '--allow-private', '--json')
    expect(run.code, run.stderr).toBe(0)
    const { data } = JSON.parse(run.stdout)
    expect(data.output).toEqual({ sanctions: { address: recipient, score: 7, listed: false } })
    expect(data.rounds).toBe(2)
    // Of a run with secrets only the hash leaves.
    expect(data.transcript).toMatchObject({ exchanges: [], transcriptHash: expect.any(String) })

    const refused = await cli(...words, '--json')
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({
      ok: false,
      error: { code: 'PLUGIN_HTTP_REFUSED' },
    })
    const elsewhere = await cli(...words, '--allow-private', '--hosts', 'api.example.com', '--json')
    expect(JSON.parse(elsewhere.stdout).error.code).toBe('PLUGIN_HTTP_REFUSED')
  })

  test('behavior: run gives the plugin canonical arguments and params', async () => {
    const echo = file('echo.wasm', await component())
    const run = await cli(
      'run',
      echo,
      '--wasm-args',
      json('b.json', { b: 1, a: 2 }),
      '--params',
      json('p.json', { limit: 5 }),
    )
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toEqual({ a: 2, b: 1, _newton: { params: { limit: 5 } } })
  })

  test.each([
    [['run', 'echo.wasm', '--timestamp', 'now'], '--timestamp is Unix seconds'],
    [['run', 'echo.wasm', '--task-id', '0x12'], 'expected 32 bytes'],
    [['build', 'a.js', '--world', '9'], '--world is 0.1 or 0.2'],
    [['build', 'a.js', '--features', 'network'], 'known: clocks, random, stdio'],
    [['build', 'a.js', '--timeout', '0'], '--timeout is whole seconds'],
    [['run'], 'Missing required'],
  ])('error: %j is a usage error', async (words, message) => {
    file('echo.wasm', await component())
    file('a.js', 'export function run(input) { return input }')
    const run = await cli(...words)
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain(message)
  })

  const builds = existsSync(
    fileURLToPath(new URL('../node_modules/@bytecodealliance/componentize-js', import.meta.url)),
  )
  if (!builds) console.warn('skipped: @bytecodealliance/componentize-js is not installed')
  test.skipIf(!builds)(
    'behavior: what build writes runs, and stdout is its hash alone',
    { timeout: 300_000 },
    async () => {
      file(
        'hello.js',
        'export function run(input) { return JSON.stringify({ got: JSON.parse(input) }) }',
      )
      const built = await cli('build', 'hello.js', '--out', 'hello.wasm')
      expect(built.code, built.stderr).toBe(0)
      const bytes = new Uint8Array(readFileSync(join(home, 'hello.wasm')))
      expect(built.stdout).toBe(`${computeArtifactHash(bytes)}\n`)
      expect(built.stderr).toContain('hello.wasm: ')
      const run = await cli('run', 'hello.wasm', '--wasm-args', json('x.json', { x: 1 }))
      expect(run.code, run.stderr).toBe(0)
      expect(JSON.parse(run.stdout)).toEqual({ got: { x: 1 } })

      file('bad.js', 'export function run( {')
      const bad = await cli('build', 'bad.js', '--json')
      expect(bad.code).toBe(1)
      expect(JSON.parse(bad.stdout)).toMatchObject({
        ok: false,
        error: { code: 'PLUGIN_BUILD_FAILED' },
      })
      expect(existsSync(join(home, 'bad.wasm'))).toBe(false)
    },
  )
})
