import { describe, expect, test } from 'vitest'
import {
  blockTimestamp,
  frozenWorldRunner,
  type Read,
  source,
} from '../../../test/support/frozenWorld.js'
import { jsPlugin } from '../../../test/support/jsPlugin.js'
import { frozenInputs } from '../plugins/frozenInputs.js'
import { buildPlugin } from './buildPlugin.js'
import { encloseModule, type ParsedModule } from './frozenWorld.js'

const timeout = 300_000
const now = Number(blockTimestamp) * 1_000

const output = frozenWorldRunner()

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

// What is built otherwise is in frozenWorld.deep.test.ts.
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

  test('behavior: the engine has no global that nobody has looked at', { timeout }, async () => {
    const { globals } = await output(await jsPlugin(source))
    // A name that appears here with another toolchain may be another way to the clock or to chance.
    expect(globals.filter((name) => !known.has(name))).toEqual([])
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
