import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { componentWit } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  assemble,
  type ComponentParts,
  component,
  echoBody,
  fetchBody,
} from '../../../../test/fixtures/pluginComponents.js'
import type { HttpExchange } from '../../../core/interfaces/evaluator.js'
import { concat, fromHex, toHex, uintToBytes, utf8 } from '../../../internal/bytes.js'
import { keccak, keccakHex } from '../../../internal/keccak.js'
import { nodeHttpTransport, nodePluginWorkers } from '../../node/index.js'
import { checkPluginWorld } from '../component/component.js'
import {
  type PluginError,
  PluginHttpRefusedError,
  PluginImportError,
  PluginLimitError,
} from '../errors.js'
import type { PluginEvent } from '../events.js'
import type { HashJob, RunJob, RunReply } from '../protocol.js'
import type { PluginWorker } from '../workerPool.js'
import type { PluginRunRequest } from './runner.js'
import { createPluginRuntime, type PluginRuntime } from './runtime.js'

const id = (byte: string): Hex => `0x${byte.repeat(32)}`
const taskId = id('11')
const instanceId = id('22')
const sanctions = new Uint8Array(
  readFileSync(
    new URL('../../../../examples/plugins/sanctions-score/plugin.wasm', import.meta.url),
  ),
)

let server: Server
let base: string
let answer: (request: IncomingMessage) => {
  status?: number
  headers?: Record<string, string>
  body: string | Uint8Array
}
type Callback = (error: null, found: unknown, family?: number) => void

let asked: string[]
let runtime: PluginRuntime
const events: PluginEvent[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['x-api-key'] ?? ''}`.trim())
    const { status = 200, headers = {}, body } = answer(request)
    response.writeHead(status, { date: 'x', ...headers })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  runtime = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    transport: nodeHttpTransport(),
    http: { allowPrivate: true, timeout: 1_000 },
    limits: { time: 20_000, memoryBytes: 16 * 1024 * 1024 },
    onEvent: (event) => events.push(event),
  })
})
afterAll(() => {
  runtime.close()
  server.closeAllConnections()
  server.close()
})

function reset(body: string | Uint8Array = '{"ok":true}'): void {
  asked = []
  answer = () => ({ body })
}

function request(
  bytes: Uint8Array,
  input: string,
  more: Partial<PluginRunRequest> = {},
): PluginRunRequest {
  return {
    wasmHash: keccakHex(bytes),
    getBytes: async () => bytes,
    policyDataTemplateId: id('33'),
    policyDataInstanceId: instanceId,
    taskId,
    blockTimestamp: 1_700_000_000n,
    input,
    ...more,
  }
}

async function run(parts: ComponentParts, input = '{}', more: Partial<PluginRunRequest> = {}) {
  return runtime.run(request(await component(parts), input, more))
}

/** A worker that answers every job with what `reply` returns. */
function fakeWorker(reply: (job: RunJob) => RunReply): PluginWorker {
  let onMessage: (message: unknown) => void = () => {}
  queueMicrotask(() => onMessage({ ready: true }))
  return {
    post: (message) =>
      queueMicrotask(() => {
        const job = message as RunJob | HashJob
        onMessage('hash' in job ? { id: job.id, wasmHash: keccakHex(job.hash) } : reply(job))
      }),
    listen: (handlers) => {
      onMessage = handlers.onMessage
    },
    terminate: () => {},
  }
}

async function failure(
  parts: ComponentParts,
  input = '{}',
  more: Partial<PluginRunRequest> = {},
): Promise<PluginError> {
  return run(parts, input, more).then(
    (value) => expect.fail(`it ended with ${JSON.stringify(value)}`),
    (error) => error,
  )
}

describe('run', () => {
  test('behavior: a component without imports returns its output', async () => {
    const result = await run({}, '{"b":1,"a":[true,"é"]}')
    expect(result.output).toEqual({ a: [true, 'é'], b: 1 })
    expect(result.rounds).toBe(1)
    expect(result.transcript).toEqual({
      policyDataTemplateId: id('33'),
      policyDataInstanceId: instanceId,
      wasmHash: keccakHex(await component({})),
      input: '{"b":1,"a":[true,"é"]}',
      exchanges: [],
    })
  })

  test('behavior: each run has a fresh instance', async () => {
    const parts: ComponentParts = {
      module: '(global $runs (mut i64) (i64.const 0))',
      run: '(global.set $runs (i64.add (global.get $runs) (i64.const 1))) (call $number (global.get $runs))',
    }
    expect((await run(parts)).output).toEqual({ x: '0000000000000001' })
    expect((await run(parts)).output).toEqual({ x: '0000000000000001' })
  })

  test('behavior: the wall clock is the block, the monotonic clock stands still', async () => {
    const wall =
      '(call $clock (i32.const 512)) (call $number (i64.add (i64.load (i32.const 512)) (i64.extend_i32_u (i32.load (i32.const 520)))))'
    expect((await run({ wasi: ['wall-clock'], run: wall })).output).toEqual({
      x: (1_700_000_000).toString(16).padStart(16, '0'),
    })
    const ticks = '(call $number (call $ticks))'
    expect((await run({ wasi: ['monotonic-clock'], run: ticks })).output).toEqual({
      x: '0'.repeat(16),
    })
  })

  test('behavior: random bytes are keccak(taskId, instance, counter), restarted each run', async () => {
    // Four calls use up one block of 32 bytes, so the fifth starts the second block.
    const nth = (n: number): ComponentParts => ({
      wasi: ['random'],
      run: `${'(drop (call $random))'.repeat(n)} (call $number (call $random))`,
    })
    const block = (counter: number): Uint8Array =>
      keccak(fromHex(taskId), fromHex(instanceId), uintToBytes(counter, 8))
    const stream = concat(block(0), block(1))
    for (const n of [0, 1, 4, 5]) {
      const littleEndian = [...stream.subarray(n * 8, n * 8 + 8)].reverse()
      const expected = { x: toHex(Uint8Array.from(littleEndian)).slice(2) }
      expect((await run(nth(n))).output).toEqual(expected)
      expect((await run(nth(n))).output).toEqual(expected)
    }
    const other = await run(nth(0), '{}', { policyDataInstanceId: id('44') })
    expect(other.output).not.toEqual((await run(nth(0))).output)
  })

  test('behavior: http is replayed, and the transcript replays offline to the same output', async () => {
    reset('{"score":5}')
    for (const http of ['0.1.0', '0.2.0'] as const) {
      const live = await run({ http, run: fetchBody }, `${base}/a?b=c`)
      expect(live.output).toEqual({ score: 5 })
      expect(live.rounds).toBe(2)
      expect(live.transcript.exchanges).toHaveLength(1)
      expect(live.transcript.exchanges[0]?.request).toEqual({
        method: 'GET',
        url: `${base}/a?b=c`,
        headers: [],
        bodyHash: '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
      })
      const before = asked.length
      const replay = live.transcript.exchanges
      const offline = await run({ http, run: fetchBody }, `${base}/a?b=c`, { replay })
      expect(offline.output).toEqual(live.output)
      expect(offline.transcript).toEqual(live.transcript)
      expect(asked.length).toBe(before)
    }
    expect(asked).toEqual(['GET /a?b=c', 'GET /a?b=c'])
  })

  test('error: a transcript that does not fit does not replay', async () => {
    reset('{"score":5}')
    const parts: ComponentParts = { http: '0.2.0', run: fetchBody }
    const { transcript } = await run(parts, `${base}/a`)
    const [exchange] = transcript.exchanges as [HttpExchange]
    const cases: HttpExchange[][] = [
      [],
      [exchange, exchange],
      [{ ...exchange, request: { ...exchange.request, url: `${base}/b` } }],
      [{ ...exchange, request: { ...exchange.request, method: 'POST' } }],
      [{ ...exchange, request: { ...exchange.request, headers: [['a', 'b']] } }],
      [{ ...exchange, request: { ...exchange.request, bodyHash: id('00') } }],
    ]
    for (const replay of cases) {
      expect((await failure(parts, `${base}/a`, { replay })).code).toBe('PLUGIN_REPLAY_DIVERGED')
    }
    const changed: HttpExchange = {
      ...exchange,
      response: { status: 200, headers: [], body: toHex(utf8('{"score":6}')) },
    }
    expect((await run(parts, `${base}/a`, { replay: [changed] })).output).toEqual({ score: 6 })
  })

  test('behavior: a request that fails is an error the guest sees', async () => {
    reset()
    const refused = await failure({ http: '0.2.0', run: fetchBody }, 'http://127.0.0.1:1/')
    expect(refused.code).toBe('PLUGIN_FAILED')
    expect(refused.message).toContain('request failed')
    expect(refused.context.transcript?.exchanges[0]?.response).toEqual({ error: 'request failed' })
    const slow = createServer(() => {})
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    const { port } = slow.address() as AddressInfo
    const late = await failure({ http: '0.2.0', run: fetchBody }, `http://127.0.0.1:${port}/`)
    expect(late.message).toContain('timeout')
    slow.closeAllConnections()
    slow.close()
  })

  test('behavior: redirects are not followed', async () => {
    reset()
    answer = (incoming) =>
      incoming.url === '/a'
        ? { status: 302, headers: { location: '/b' }, body: '{"status":302}' }
        : { body: '{"followed":1}' }
    expect((await run({ http: '0.2.0', run: fetchBody }, `${base}/a`)).output).toEqual({
      status: 302,
    })
    expect(asked).toEqual(['GET /a'])
  })
})

describe('the Rust component', () => {
  const input = JSON.stringify({
    _newton: { params: { endpoint: 'ENDPOINT' } },
    address: `0x${'aB'.repeat(20)}`,
  })
  const key = 'k-3f9a-secret'
  const secrets = (): Uint8Array => utf8(JSON.stringify({ apiKey: key }))
  const risk = (score: unknown, listed: unknown, address = `0x${'ab'.repeat(20)}`): string =>
    JSON.stringify({ address, score, listed, echo: key })

  test('behavior: it screens an address with a key from its secrets', async () => {
    reset(risk(7, false))
    const result = await runtime.run(
      request(sanctions, input.replace('ENDPOINT', base), { secrets: secrets() }),
    )
    expect(result.output).toEqual({
      sanctions: { address: `0x${'ab'.repeat(20)}`, listed: false, score: 7 },
    })
    expect(asked).toEqual([`GET /v1/addresses/0x${'ab'.repeat(20)} ${key}`])
  })

  test('behavior: of a run with secrets only the hash of the transcript leaves', async () => {
    reset(risk(7, false))
    const result = await runtime.run(
      request(sanctions, input.replace('ENDPOINT', base), { secrets: secrets() }),
    )
    expect(result.transcript.exchanges).toEqual([])
    expect(result.transcript.transcriptHash).toMatch(/^0x[\da-f]{64}$/)
    answer = () => ({ status: 500, body: key })
    const failed = await runtime
      .run(request(sanctions, input.replace('ENDPOINT', base), { secrets: secrets() }))
      .catch((error) => error as PluginError)
    const everything = JSON.stringify([
      result,
      failed,
      (failed as PluginError).context,
      events,
      String(failed),
    ])
    expect(everything).not.toContain(key)
    expect(everything).not.toContain(toHex(utf8(key)).slice(2))
  })

  test.each([
    ['a failing service', { status: 500, body: '{}' }],
    ['an empty answer', { body: '{}' }],
    ['text', { body: 'down for maintenance' }],
    ['a score that is no number', { body: risk('7', false) }],
    ['a score out of range', { body: risk(101, false) }],
    ['no verdict', { body: risk(7, undefined) }],
    ['another address', { body: risk(7, false, `0x${'cd'.repeat(20)}`) }],
  ])('error: %s is no output', async (_, reply) => {
    reset()
    answer = () => reply
    const plain = request(sanctions, input.replace('ENDPOINT', base), { secrets: secrets() })
    await expect(runtime.run(plain)).rejects.toMatchObject({ code: 'PLUGIN_FAILED' })
  })

  test('error: without secrets it fails', async () => {
    await expect(runtime.run(request(sanctions, input))).rejects.toMatchObject({
      code: 'PLUGIN_FAILED',
    })
  })

  test('behavior: its imports are what its WIT says', async () => {
    expect(await componentWit(sanctions)).toContain('import newton:provider/secrets@0.2.0')
    expect(checkPluginWorld(sanctions)).toEqual({
      provider: '0.2',
      http: true,
      secrets: true,
      tlsn: false,
      wasi: [],
    })
  })
})

describe('hostile plugins', () => {
  test('error: endless loops are stopped, and the next run is not affected', async () => {
    const impatient = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      limits: { time: 700 },
    })
    const loops: ComponentParts[] = [
      { run: '(loop $forever (br $forever)) (unreachable)' },
      // While it is instantiated, before `run` is called.
      { module: '(func $boot (loop $forever (br $forever))) (start $boot)' },
    ]
    for (const parts of loops) {
      const started = performance.now()
      const error = await impatient
        .run(request(await component(parts), '{}'))
        .catch((caught) => caught)
      expect(error).toBeInstanceOf(PluginLimitError)
      expect(error).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'time' })
      expect(performance.now() - started).toBeLessThan(20_000)
    }
    expect(await impatient.load(request(await component({}), '{}'))).toMatchObject({ http: false })
    impatient.close()
    expect((await run({}, '{"a":1}')).output).toEqual({ a: 1 })
  })

  test('error: time adds up over the rounds of a run', async () => {
    const rounds: number[] = []
    const bytes = await component({ http: '0.2.0', run: fetchBody })
    const slow = createPluginRuntime({
      // Workers whose every round asks for one more request and takes 700 ms of their own.
      workers: {
        ...nodePluginWorkers({ concurrency: 1 }),
        startRunWorker: () =>
          fakeWorker((job) => {
            rounds.push(job.answers.length)
            const guest = {
              url: 'https://example.com/',
              method: 'GET',
              headers: [],
              body: undefined,
            }
            return {
              id: job.id,
              status: 'request',
              identity: 'x',
              request: guest,
              stderr: '',
              memoryBytes: 0,
              milliseconds: 700,
            }
          }),
      },
      transport: async () => ({ status: 200, headers: [], body: utf8('{}') }),
      limits: { time: 1_500 },
    })
    await expect(slow.run(request(bytes, '{}'))).rejects.toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'time',
    })
    slow.close()
    expect(rounds).toEqual([0, 1, 2])
  })

  test('error: memory growth ends at the cap', async () => {
    const grow =
      '(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)'
    const error = await failure({ run: grow })
    expect(error).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'memory' })
    // A guest that handles the refusal goes on within the cap: 256 pages of 64 KiB.
    const polite =
      '(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $number (i64.extend_i32_u (memory.size)))'
    expect((await run({ run: polite })).output).toEqual({ x: (256).toString(16).padStart(16, '0') })
    const huge = '(call $number (i64.extend_i32_s (memory.grow (i32.const 12800))))'
    expect((await run({ run: huge })).output).toEqual({ x: 'f'.repeat(16) })
  })

  test('error: a guest that ends by itself because it was refused memory', async () => {
    const grow =
      '(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (call $err (local.get 0) (local.get 1))'
    for (const said of ['out of memory', 'InternalError: out of memory'])
      expect(await failure({ run: grow }, said)).toMatchObject({
        code: 'PLUGIN_LIMIT',
        limit: 'memory',
      })
    // Its own words where it says something else, or was refused nothing.
    expect(await failure({ run: grow }, 'no such address')).toMatchObject({
      code: 'PLUGIN_FAILED',
    })
    const early = await failure({ run: '(call $err (local.get 0) (local.get 1))' }, 'out of memory')
    expect(early).toMatchObject({ code: 'PLUGIN_FAILED', reason: 'out of memory' })
  })

  test('error: a component that starts with too much memory', async () => {
    const tooMuch = await failure({ memory: '300' })
    expect(tooMuch).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'memory' })
    // Said once, though a worker found it.
    expect((tooMuch as Error).message).toMatch(/^The plugin hit a limit: it starts with /)
    expect(await failure({ module: '(table 2000000 funcref)' })).toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'memory',
    })
  })

  test('error: tables grow to their cap', async () => {
    const parts: ComponentParts = {
      module: '(table $t 1 funcref)',
      run: '(drop (table.grow $t (ref.null func) (i32.const 999999))) (call $number (i64.extend_i32_s (table.grow $t (ref.null func) (i32.const 1))))',
    }
    expect((await run(parts)).output).toEqual({ x: 'f'.repeat(16) })
  })

  test('error: endless recursion', async () => {
    const parts: ComponentParts = {
      module:
        '(func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))',
      run: '(call $down (i32.const 0))',
    }
    expect(await failure(parts)).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'stack' })
  })

  test('error: an output over 1 MiB', async () => {
    const run_ =
      '(drop (memory.grow (i32.const 32))) (memory.fill (i32.const 4096) (i32.const 32) (i32.const 1048577)) (call $ok (i32.const 4096) (i32.const 1048577))'
    expect(await failure({ run: run_ })).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'output' })
    const full =
      '(drop (memory.grow (i32.const 32))) (memory.fill (i32.const 4096) (i32.const 32) (i32.const 1048576)) (i32.store16 (i32.const 4096) (i32.const 0x7d7b)) (call $ok (i32.const 4096) (i32.const 1048576))'
    expect((await run({ run: full })).output).toEqual({})
  })

  test.each([
    ['[1]', 'PLUGIN_OUTPUT_INVALID'],
    ['"text"', 'PLUGIN_OUTPUT_INVALID'],
    ['null', 'PLUGIN_OUTPUT_INVALID'],
    ['', 'PLUGIN_OUTPUT_INVALID'],
    ['{"a":1,"a":2}', 'PLUGIN_OUTPUT_INVALID'],
    ['{"a":9007199254740993}', 'PLUGIN_OUTPUT_INVALID'],
    ['{"a":"\\ud800"}', 'PLUGIN_OUTPUT_INVALID'],
    ['\ufeff{}', 'PLUGIN_OUTPUT_INVALID'],
    ['{} x', 'PLUGIN_OUTPUT_INVALID'],
  ])('error: the output %j', async (output, code) => {
    expect((await failure({}, output)).code).toBe(code)
  })

  test('error: text that is not UTF-8', async () => {
    const parts: ComponentParts = {
      run: '(i32.store8 (i32.const 512) (i32.const 0xff)) (call $ok (i32.const 512) (i32.const 1))',
    }
    expect((await failure(parts)).code).toBe('PLUGIN_TRAP')
  })

  test('error: traps', async () => {
    expect((await failure({ run: '(unreachable)' })).code).toBe('PLUGIN_TRAP')
    expect(
      (await failure({ run: '(drop (i32.div_u (i32.const 1) (i32.const 0))) (i32.const 0)' })).code,
    ).toBe('PLUGIN_TRAP')
    expect((await failure({ run: '(i32.const 0x7ffffffc)' })).code).toBe('PLUGIN_TRAP')
    expect(
      (await failure({ run: '(i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)' })).code,
    ).toBe('PLUGIN_TRAP')
  })

  test('error: an output that says to be larger than the memory', async () => {
    for (const length of ['0x7fffffff', '0xffffffff']) {
      const run_ = `(call $ok (i32.const 0) (i32.const ${length}))`
      expect((await failure({ run: run_ })).code, length).toBe('PLUGIN_TRAP')
    }
  })

  test('error: two tables that are too large together', async () => {
    const module = '(table 900000 funcref) (table 900000 funcref)'
    expect(await failure({ module })).toMatchObject({ code: 'PLUGIN_LIMIT', limit: 'memory' })
  })

  test('error: the guest ends with an error of its own', async () => {
    const error = await failure(
      { run: '(call $err (local.get 0) (local.get 1))' },
      'no such address',
    )
    expect(error).toMatchObject({ code: 'PLUGIN_FAILED', reason: 'no such address' })
    expect(error.context).toMatchObject({
      policyDataTemplateId: id('33'),
      policyDataInstanceId: instanceId,
    })
  })

  test('error: forbidden imports are named before anything runs', async () => {
    for (const name of [
      'wasi:http/outgoing-handler@0.2.3',
      'wasi:sockets/tcp@0.2.0',
      'wasi:filesystem/types@0.3.0',
      'wasi:cli/command@0.2.0',
      'newton:provider/http@0.3.0',
      'newton:provider/secrets@0.1.0',
      'newton:provider/admin@0.2.0',
      'node:fs/promises@1.0.0',
    ]) {
      const bytes = await component({ before: `(import "${name}" (instance))` })
      const error = await runtime.run(request(bytes, '{}')).catch((caught) => caught)
      expect(error).toBeInstanceOf(PluginImportError)
      expect(error).toMatchObject({ code: 'PLUGIN_IMPORT_REFUSED', importName: name })
    }
    const mixed = await component({ http: '0.1.0', secrets: true })
    await expect(runtime.run(request(mixed, '{}'))).rejects.toMatchObject({
      code: 'PLUGIN_IMPORT_REFUSED',
    })
    const free = await component({ before: '(import "peek" (func (result u32)))' })
    await expect(runtime.run(request(free, '{}'))).rejects.toMatchObject({ importName: 'peek' })
  })

  test.each([
    ['http://127.0.0.1/', 'private'],
    ['http://[::1]:80/', 'private'],
    ['http://169.254.169.254/latest/meta-data', 'private'],
    ['http://localhost/', 'private'],
    ['http://0x7f000001/', 'private'],
    ['http://2130706433/', 'private'],
    ['http://[::ffff:10.0.0.1]/', 'private'],
    ['http://metadata.internal/', 'private'],
    ['file:///etc/passwd', 'scheme'],
    ['data:application/json,{}', 'scheme'],
    ['http://user:pass@example.com/', 'credentials'],
    ['not a url', 'malformed'],
  ])('error: a request to %s', async (url, reason) => {
    const strict = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      transport: async () => expect.fail('nothing may leave'),
    })
    const bytes = await component({ http: '0.2.0', run: fetchBody })
    const error = await strict.run(request(bytes, url)).catch((caught) => caught)
    strict.close()
    expect(error).toBeInstanceOf(PluginHttpRefusedError)
    expect(error.message).toContain(reason)
  })

  test('error: a public name that resolves to a private address', async () => {
    const guarded = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      transport: nodeHttpTransport({ lookup: async () => [{ address: '127.0.0.1', family: 4 }] }),
    })
    reset()
    const bytes = await component({ http: '0.2.0', run: fetchBody })
    const error = await guarded
      .run(request(bytes, base.replace('127.0.0.1', 'rebind.example.com')))
      .catch((caught) => caught)
    guarded.close()
    expect(error).toMatchObject({ code: 'PLUGIN_HTTP_REFUSED' })
    expect(error.message).toContain('resolves to the private address')
    expect(asked).toEqual([])
  })

  test('error: a public name that resolves to a private address, where no transport is named', async () => {
    const real = dns.lookup
    const loopback = (_host: string, options: { all?: boolean }, done: Callback): void => {
      if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }])
      else done(null, '127.0.0.1', 4)
    }
    dns.lookup = loopback as unknown as typeof dns.lookup
    syncBuiltinESMExports()
    const plain = createPluginRuntime({ workers: nodePluginWorkers({ concurrency: 1 }) })
    try {
      reset()
      const bytes = await component({ http: '0.2.0', run: fetchBody })
      const url = base.replace('127.0.0.1', '127.0.0.1.rebind.example.com')
      const error = await plain.run(request(bytes, url)).catch((caught) => caught)
      expect(error).toMatchObject({ code: 'PLUGIN_HTTP_REFUSED' })
      expect(asked).toEqual([])
    } finally {
      plain.close()
      dns.lookup = real
      syncBuiltinESMExports()
    }
  })

  test('error: workers that bring no transport, and none named', () => {
    const workers = { ...nodePluginWorkers({ concurrency: 1 }), transport: undefined }
    expect(() => createPluginRuntime({ workers: workers as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'transport' }),
    )
  })

  test('error: more than ten requests', async () => {
    reset()
    const many = `(local $i i32) (loop $more
      (call $fetch (local.get 0) (local.get 1) (i32.const 16) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $more (i32.lt_u (local.get $i) (i32.const 11)))) ${echoBody}`
    expect(await failure({ http: '0.2.0', run: many }, base)).toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'requests',
    })
    expect(asked).toHaveLength(10)
  })

  test('error: a response over 1 MiB', async () => {
    reset(new Uint8Array(1_048_577).fill(32))
    expect(await failure({ http: '0.2.0', run: fetchBody }, base)).toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'responseBytes',
    })
    const full = utf8(`{}${' '.repeat(1_048_574)}`)
    reset(full)
    expect((await run({ http: '0.2.0', run: fetchBody }, base)).output).toEqual({})
  })

  test('error: a host that is not on the list', async () => {
    const listed = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      http: {
        hosts: ['api.example.com', '*.trusted.example', '10.0.0.1:8443'],
        allowPrivate: true,
      },
      transport: async () => ({ status: 200, headers: [], body: utf8('{}') }),
    })
    const bytes = await component({ http: '0.2.0', run: fetchBody })
    for (const url of [
      'https://api.example.com/x',
      'https://a.b.trusted.example/',
      'https://10.0.0.1:8443/',
    ]) {
      expect((await listed.run(request(bytes, url))).output).toEqual({})
    }
    for (const url of [
      'https://example.com/',
      'https://evilapi.example.com/',
      'https://trusted.example/',
      'https://10.0.0.1/',
      'https://api.example.com.evil.example/',
    ]) {
      await expect(listed.run(request(bytes, url))).rejects.toMatchObject({
        code: 'PLUGIN_HTTP_REFUSED',
      })
    }
    listed.close()
  })

  test('error: random bytes without end', async () => {
    const small = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      limits: { randomBytes: 80 },
    })
    const calls = (n: number): ComponentParts => ({
      wasi: ['random'],
      run: `${'(drop (call $random))'.repeat(n)} (call $number (i64.const 1))`,
    })
    expect((await small.run(request(await component(calls(10)), '{}'))).rounds).toBe(1)
    await expect(small.run(request(await component(calls(11)), '{}'))).rejects.toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'random',
    })
    small.close()
  })

  test('error: what is no component', async () => {
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(), /not a WebAssembly component/],
      [utf8('hello'), /not a WebAssembly component/],
      [Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0), /core module/],
      [(await component({})).subarray(0, 200), /past the end|ends too early/],
      [await assemble('(component)'), /does not export the function/],
      [
        await assemble(
          '(component (core module) (import "newton:provider/http@0.1.0" (instance $h)) (export "run" (instance $h)))',
        ),
        /does not export the function/,
      ],
    ]
    for (const [bytes, reason] of cases) {
      const error = await runtime.run(request(bytes, '{}')).catch((caught) => caught)
      expect(error).toMatchObject({ code: 'PLUGIN_COMPONENT_INVALID' })
      expect(error.message).toMatch(reason)
    }
    const bytes = await component({})
    await expect(
      runtime.run({ ...request(bytes, '{}'), wasmHash: id('99') }),
    ).rejects.toMatchObject({
      code: 'PLUGIN_COMPONENT_INVALID',
      context: { wasmHash: id('99') },
    })
  })

  test('error: secrets for a component that does not read them', async () => {
    const error = await failure({}, '{}', { secrets: utf8('{}') })
    expect(error.message).toContain('does not import newton:provider/secrets')
  })
})
