import type { Hex } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import { jsPlugin } from '../../../test/support/jsPlugin.js'
import { keccakHex } from '../../internal/keccak.js'
import { frozenInputs } from '../plugins/frozenInputs.js'
import { createPluginRuntime } from '../plugins/runtime/runtime.js'
import { buildPlugin } from './buildPlugin.js'
import { encloseModule, type ParsedModule } from './frozenWorld.js'
import { nodePluginWorkers } from './pluginWorkers.js'

const timeout = 300_000
const blockTimestamp = 1_764_300_000n
const now = Number(blockTimestamp) * 1_000

/** Reads the world in every way the language has, once while it loads and once in each run. */
const source = `
const Kept = Date
class Own extends Date {}
const ways = {
  clock: {
    now: () => Date.now(),
    kept: () => Kept.now(),
    made: () => new Date().getTime(),
    called: () => Date.parse(Date()),
    reached: () => new (new Date(0).constructor)().getTime(),
    cloned: () => new (structuredClone(new Date(0)).constructor)().getTime(),
    reflected: () => Reflect.construct(Date, []).getTime(),
    extended: () => new Own().getTime(),
    file: () => new File([], 'x').lastModified,
  },
  elapsed: { now: () => performance.now(), origin: () => performance.timeOrigin },
  random: {
    math: () => Math.random(),
    bytes: () => String(crypto.getRandomValues(new Uint8Array(16))),
    uuid: () => crypto.randomUUID(),
  },
}
const read = () => Object.fromEntries(Object.entries(ways).map(([kind, of]) => [kind,
  Object.fromEntries(Object.entries(of).map(([name, way]) => {
    try { return [name, way()] } catch (error) { return [name, 'threw ' + error.message] }
  }))]))
const loading = read()
export function run(input) {
  const { expires } = JSON.parse(input)
  return JSON.stringify({
    loading, running: read(), expired: Date.now === undefined || safely(() => Date.now() > expires),
    dates: [new Date(5).getTime(), new Date(2020, 1).getTime(), Date.UTC(2020, 1), new Date(1) instanceof Date],
    globals: Object.getOwnPropertyNames(globalThis),
  })
}
function safely(work) { try { return work() } catch { return 'no answer' } }
`

type Read = Record<'clock' | 'elapsed' | 'random', Record<string, unknown>>
type Output = {
  loading: Read
  running: Read
  expired: unknown
  dates: unknown[]
  globals: string[]
}

const runtime = createPluginRuntime({
  workers: nodePluginWorkers({ concurrency: 1 }),
  limits: { time: 60_000, compileTime: 120_000 },
})
afterAll(() => runtime.close())

async function output(component: Uint8Array, task = '01'): Promise<Output> {
  const id = (byte: string): Hex => `0x${byte.repeat(32)}`
  const ran = await runtime.run({
    wasmHash: keccakHex(component),
    getBytes: async () => component,
    policyDataTemplateId: id('02'),
    policyDataInstanceId: id('03'),
    taskId: id(task),
    blockTimestamp,
    // September 2020: after the time of the snapshot, long before the block.
    input: '{"expires":1600000000000}',
  })
  return ran.output as Output
}

const values = (read: Read): unknown[] => Object.values(read).flatMap((of) => Object.values(of))

describe('encloseModule', () => {
  const parsed = (source: string, statement: string, local?: string): ParsedModule => {
    const start = source.indexOf(statement)
    const entry = {
      exportName: { name: 'run' },
      localName: local === undefined ? {} : { name: local },
    }
    return {
      errors: [],
      module: { staticExports: [{ start, end: start + statement.length, entries: [entry] }] },
    }
  }
  const [first = '', ...rest] = encloseModule('\n', parsed('\n', '', 'x'), []).text.split('\n')

  test.each([
    [
      'export function run(i) {\n}',
      'export function run(i) {\n}',
      'run',
      '       function run(i) {\n}',
    ],
    [
      'let a\nexport { a as run,\n b }\nb',
      'export { a as run,\n b }',
      'a',
      `let a\n${' '.repeat(18)}\n${' '.repeat(4)}\nb`,
    ],
    [
      'export const run = (i) => i',
      'export const run = (i) => i',
      'run',
      '       const run = (i) => i',
    ],
  ])('behavior: %j keeps its lines', (source, statement, local, rest) => {
    const { text, firstLineShift } = encloseModule(source, parsed(source, statement, local), [])
    expect(firstLineShift).toBe(first.length)
    expect(text).toBe(
      `${first}${rest}\nfunction __run(input) { __enter(); return ${local}(input) }\nexport { __run as run }\n`,
    )
  })

  test('error: a module without `run`, or with one of another module, is refused', () => {
    expect(rest.join('\n')).toContain('export { __run as run }')
    const none: ParsedModule = { errors: [], module: { staticExports: [] } }
    expect(() => encloseModule('', none, [])).toThrow(/does not export/)
    const foreign = parsed('export { run } from "x"', 'export { run } from "x"')
    expect(() => encloseModule('', foreign, [])).toThrow(/does not export/)
    const broken = { ...none, errors: [{ message: 'Unexpected token' }] }
    expect(() => encloseModule('', broken, [])).toThrow(/SyntaxError: Unexpected token/)
  })
})

describe('the world of a built JavaScript plugin', () => {
  test('behavior: by default the clock is the block and chance is the task', {
    timeout,
  }, async () => {
    const component = await jsPlugin(source)
    expect(frozenInputs(component)).toEqual([])
    const first = await output(component)
    expect(first.expired).toBe(true)
    expect(new Set(Object.values(first.running.clock))).toEqual(new Set([now]))
    expect(first.running.elapsed).toEqual({ now: 0, origin: 0 })
    expect(first.dates).toEqual([5, 1_580_515_200_000, 1_580_515_200_000, true])
    expect(await output(component)).toEqual(first)
    const other = await output(component, '07')
    for (const way of ['math', 'bytes', 'uuid'])
      expect(other.running.random[way], way).not.toEqual(first.running.random[way])
    expect(other.running.clock).toEqual(first.running.clock)
  })

  test('behavior: while the module loads, every way throws', { timeout }, async () => {
    for (const read of values((await output(await jsPlugin(source))).loading))
      expect(read).toMatch(/^threw .* would be that of the build/)
  })

  test('behavior: what a plugin is built without throws and names the feature', {
    timeout,
  }, async () => {
    const component = await jsPlugin(source, [])
    expect(frozenInputs(component)).toEqual(['clock', 'random'])
    const { running, expired, dates } = await output(component)
    for (const [kind, of] of Object.entries(running)) {
      const feature = kind === 'random' ? 'random' : 'clocks'
      for (const [way, read] of Object.entries(of))
        expect(read, way).toMatch(new RegExp(`^threw .* build it with the feature ${feature}$`))
    }
    expect(expired).toBe('no answer')
    expect(dates.at(-1)).toBe(true)
  })

  test('behavior: the engine has no global that nobody has looked at', { timeout }, async () => {
    const { globals } = await output(await jsPlugin(source))
    // A name that appears here with another toolchain may be another way to the clock or to chance.
    expect(globals.filter((name) => !known.has(name))).toEqual([])
  })

  test('error: a module that reads the clock while it loads does not build', {
    timeout,
  }, async () => {
    const built = buildPlugin({
      source: '\nconst started = Date.now()\nexport function run() { return String(started) }',
    })
    await expect(built).rejects.toMatchObject({
      code: 'PLUGIN_BUILD_FAILED',
      shortMessage: expect.stringMatching(/plugin\.js:2:\d+ Error: Date\.now\(\) would be that/),
    })
  })

  test.each([
    [{ features: ['clock'] as never }, 'features'],
    [{ world: '0.3' as never }, 'world'],
    [{ world: 'toString' as never }, 'world'],
  ])('error: %j is refused by name', async (request, field) => {
    await expect(buildPlugin({ source, ...request })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field,
    })
  })
})

const known = new Set(
  `undefined Function Object eval globalThis Array Boolean JSON Date Math isNaN isFinite parseInt
  parseFloat NaN Infinity Number escape unescape decodeURI encodeURI decodeURIComponent
  encodeURIComponent String RegExp Error InternalError AggregateError EvalError RangeError
  ReferenceError SuppressedError SyntaxError TypeError URIError ArrayBuffer Int8Array Uint8Array
  Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array Uint8ClampedArray
  BigInt64Array BigUint64Array Float16Array BigInt Proxy WeakMap Map Set DataView Symbol Reflect
  WeakSet Promise Iterator FinalizationRegistry WeakRef DisposableStack AsyncDisposableStack
  ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultReader
  ReadableStreamDefaultController ReadableByteStreamController WritableStream
  ByteLengthQueuingStrategy CountQueuingStrategy self queueMicrotask structuredClone atob btoa Blob
  File Event EventTarget CustomEvent addEventListener removeEventListener dispatchEvent AbortSignal
  AbortController FormData MultipartFormData DOMException URL URLSearchParams console Performance
  performance setInterval setTimeout clearInterval clearTimeout WorkerLocation location TextEncoder
  TextDecoder TransformStream CompressionStream DecompressionStream fetch Request Response Headers
  SubtleCrypto Crypto crypto CryptoKey`.split(/\s+/),
)
