/**
 * The same tasks in Node and in a worker thread give identical bytes: a Rust plugin, one in WAT, and
 * in the long form one in JavaScript, whose build is the long part.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type BuildOptions, build } from 'esbuild'
import { encodeFunctionData, parseAbi, stringToHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodePluginWorkers } from '../../src/eval/node/index.js'
import { component } from '../fixtures/pluginComponents.js'
import { jsPlugin } from './jsPlugin.js'
import { evaluateAll, type PortableRequest } from './platformEntry.js'

/** The root of the repository. */
export const root: string = fileURLToPath(new URL('../../', import.meta.url))
/** Where the transpiler's files are. */
export const jco: string = dirname(
  createRequire(import.meta.url).resolve('@bytecodealliance/jco-transpile/component'),
)
const recipient = '0x2222222222222222222222222222222222222222'
const signature = 'function transfer(address to, uint256 amount)'

/** What the tasks are run against. */
export type PlatformWorld = {
  /** Files that the server has beside those of the transpiler. */
  files: Map<string, Uint8Array | string>
  origin: string
  requests: PortableRequest[]
  /** The outcomes in Node's main thread. */
  expected: string[]
}

/** Registers the tests, and gives what further platforms are compared with. */
export function platformSuite({ javaScript }: { javaScript: boolean }): PlatformWorld {
  const world: PlatformWorld = { files: new Map(), origin: '', requests: [], expected: [] }
  let server: Server
  let directory: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'newton-platforms-'))
    server = createServer((request, response) => {
      const path = request.url ?? '/'
      if (path.startsWith('/v1/addresses/')) {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ address: path.split('/').pop(), score: 7, listed: false }))
        return
      }
      const name = path === '/' ? 'index.html' : path.slice(1)
      const jcoFile = name.startsWith('jco/') ? join(jco, basename(name)) : undefined
      const body = jcoFile && existsSync(jcoFile) ? readFileSync(jcoFile) : world.files.get(name)
      response.statusCode = body === undefined ? 404 : 200
      const type = name.endsWith('.wasm')
        ? 'application/wasm'
        : name.endsWith('.js')
          ? 'text/javascript'
          : 'text/html'
      response.setHeader('content-type', type)
      response.setHeader(
        'content-security-policy',
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src blob:",
      )
      response.end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    world.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    world.requests = await portableRequests(world.origin, javaScript)
    world.expected = await evaluateAll(world.requests, nodePluginWorkers({ concurrency: 1 }))
  }, 300_000)

  afterAll(() => {
    server?.closeAllConnections()
    server?.close()
    rmSync(directory, { recursive: true, force: true })
  })

  describe('identical bytes', () => {
    test('behavior: the tasks do what they should, in Node', () => {
      const parsed = world.expected.map((text) => JSON.parse(text))
      expect(parsed.map(({ allow }) => allow)).toEqual([
        true,
        false,
        true,
        ...(javaScript ? [true] : []),
      ])
      expect(parsed[1].reasons).toEqual([
        'the amount is over the limit',
        "the recipient's risk score is too high",
      ])
      if (!javaScript) return
      // A Rust and a JavaScript plugin of the same rules differ in bytes, not in what they say.
      const values = [parsed[0], parsed[3]].map(({ outputs }) => Object.values(outputs)[0])
      expect(values[1]).toEqual(values[0])
      expect(parsed[3].response.artifactDigest).not.toBe(parsed[0].response.artifactDigest)
    })

    test('behavior: in a worker thread', async () => {
      const entry = `
        import { parentPort, workerData } from 'node:worker_threads'
        import { evaluateAll } from './test/support/platformEntry.ts'
        import { nodePluginWorkers } from './src/eval/node/index.ts'
        evaluateAll(workerData.requests, nodePluginWorkers({ concurrency: 1, transpiler: workerData.transpiler }))
          .then((results) => parentPort.postMessage({ results }), (error) => parentPort.postMessage({ error: String(error.stack) }))`
      const { outputFiles } = await bundle({
        stdin: { contents: entry, resolveDir: root, loader: 'ts' },
        platform: 'node',
        banner: {
          js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
        },
      })
      const path = join(directory, 'worker.mjs')
      writeFileSync(path, outputFiles?.[0]?.text ?? '')
      const transpiler = pathToFileURL(join(jco, 'js-component-bindgen-component.js')).href
      const worker = new Worker(path, { workerData: { requests: world.requests, transpiler } })
      const answer = await new Promise<{ results?: string[]; error?: string }>(
        (resolve, reject) => {
          worker.once('message', resolve)
          worker.once('error', reject)
        },
      )
      await worker.terminate()
      expect(answer.error).toBeUndefined()
      expect(answer.results).toEqual(world.expected)
    }, 180_000)
  })

  return world
}

async function portableRequests(origin: string, javaScript: boolean): Promise<PortableRequest[]> {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const rust = readFileSync(join(root, 'examples/plugins/sanctions-score/plugin.wasm'))
  const secretsSchema = readFileSync(
    join(root, 'examples/plugins/sanctions-score/secrets.schema.json'),
    'utf8',
  )
  const wat = await component({
    wasi: ['random', 'wall-clock'],
    run: '(call $clock (i32.const 512)) (call $number (i64.xor (call $random) (i64.load (i32.const 512))))',
  })
  const screened = (wasm: Uint8Array): PortableRequest['plugins'][number] => ({
    wasm: hex(wasm),
    params: { endpoint: origin },
    secretsSchema,
    secrets: { apiKey: 'k' },
  })
  const base = {
    rego: readFileSync(join(root, 'examples/policies/guarded-transfer/policy.rego'), 'utf8'),
    params: { maxScore: 50, maxAmount: '1000' },
    wasmArgs: { address: recipient },
    intent: {
      from: '0x1111111111111111111111111111111111111111',
      to: '0x3333333333333333333333333333333333333333',
      value: (2n ** 64n - 1n).toString(),
      chainId: '1',
      functionSignature: stringToHex(signature),
      data: encodeFunctionData({ abi: parseAbi([signature]), args: [recipient, 5n] }),
    },
  }
  return [
    { ...base, plugins: [screened(rust)] },
    { ...base, plugins: [screened(rust)], params: { maxScore: 3, maxAmount: '1' } },
    {
      ...base,
      plugins: [{ wasm: hex(wat), params: {} }],
      rego: 'package p\nimport rego.v1\nallow if data.wasm.x\ndeny contains sprintf("%v %v", [data.wasm.x, 0.1 + 0.2])\n',
    },
    ...(javaScript ? [{ ...base, plugins: [screened(await jsPlugin())] }] : []),
  ]
}

/** A bundle of part of the repository, in memory. */
export const bundle = (options: BuildOptions): ReturnType<typeof build> =>
  build({
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
    ...options,
  })
