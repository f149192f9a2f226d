/** Enclaves that flood, stall and lie, over real sockets: the host's memory stays bounded, and others are served. */
import { type ChildProcess, spawn } from 'node:child_process'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { computeSessionUserData, readCbor, writeCbor } from '../../src/enclave/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import {
  createFrameDecoder,
  encodeFrame,
  type Frame,
  type FrameType,
} from '../../src/enclave/wire/frame.js'
import { childScript } from '../support/childScript.js'

const most = 300
const seed = new TextEncoder().encode('a seed of sixteen bytes or more')
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }], seed })

const frame = (type: number, requestId: number, body: Uint8Array): Uint8Array =>
  encodeFrame({ type: type as FrameType, requestId, deadline: 0, body })
const [ACK, RESPONSE, ERROR, PING, ARTIFACT] = [2, 4, 5, 7, 10]
const greeting = frame(
  ACK as number,
  0,
  writeCbor({ versions: [1], maxFrame: 4_194_304, maxInflight: 32, implementation: 'rogue' }),
)
const question = (offset: number): Uint8Array =>
  frame(ARTIFACT as number, 0, writeCbor({ hash: new Uint8Array(32), namespace: 1, offset }))
const many = (count: number, one: (index: number) => Uint8Array): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => one(index)))

type Rogue = (socket: Socket, request: Frame) => Promise<void> | void

async function attest(socket: Socket, { requestId, body }: Frame): Promise<void> {
  const asked = readCbor(body, { form: 'strict' }) as Map<string, Uint8Array>
  const document = await simulator.nsm.attest({
    nonce: asked.get('nonce') as Uint8Array,
    publicKey: new Uint8Array(32).fill(9),
    userData: computeSessionUserData(0n),
  })
  socket.write(frame(RESPONSE as number, requestId, writeCbor({ document, epoch: '0' })))
}
const isAttest = ({ body }: Frame): boolean =>
  (readCbor(body, { form: 'strict' }) as Map<string, unknown>).get('method') === 'attest'
/** Behaves until it is attested. */
const then =
  (rogue: Rogue): Rogue =>
  (socket, request) =>
    isAttest(request) ? attest(socket, request) : rogue(socket, request)
const answer = (socket: Socket, id: number, body: Uint8Array, type = RESPONSE): void =>
  void socket.write(frame(type as number, id, body))

// Made once, so that what is measured is the host and not who attacks it.
const questions = many(1_500, question)
const sameQuestion = many(1_500, () => question(0))
const pings = many(100_000, () => frame(PING as number, 0, new Uint8Array(0)))
const digits = writeCbor({ document: new Uint8Array(10), epoch: '9'.repeat(4_000_000) })
const nest = new Uint8Array(4_194_304).fill(0x81)
const text = writeCbor({
  ...{ code: 'BUSY', retryable: true, message: 'x'.repeat(1_000_000) },
  details: { reason: 'y'.repeat(1_000_000) },
})
const unfinished = new Uint8Array(4_000_000)

const rogues: Record<string, Rogue> = {
  // Questions whose answers it never reads, before it is attested and after.
  storm: (socket) => {
    socket.pause()
    socket.write(questions)
  },
  attestedStorm: then((socket) => {
    socket.pause()
    socket.write(sameQuestion)
  }),
  pings: (socket) => void socket.write(pings),
  digits: (socket, { requestId }) => answer(socket, requestId, digits),
  nest: then((socket, { requestId }) => answer(socket, requestId, nest)),
  text: then((socket, { requestId }) => answer(socket, requestId, text, ERROR)),
  stall: then((socket, { requestId }) => {
    socket.write(frame(RESPONSE as number, requestId, unfinished).subarray(0, 3_999_000))
  }),
  silent: then(() => undefined),
  garbage: (socket) => void socket.write(new Uint8Array(65_536).fill(0xff)),
}

const servers: Server[] = []
const ports: Record<string, number> = {}
let good = 0
let enclave: ChildProcess | undefined
beforeAll(async () => {
  for (const [name, rogue] of Object.entries(rogues)) {
    const server = createServer((socket) => {
      const decoder = createFrameDecoder()
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        for (const one of decoder.push(bytes)) {
          if (one.type === 1) socket.write(greeting)
          else if (one.type === 3) void Promise.resolve(rogue(socket, one)).catch(() => undefined)
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    ports[name] = (server.address() as AddressInfo).port
    servers.push(server)
  }
  // In a process of its own, as the host is: neither waits for the test.
  const own = fileURLToPath(new URL('./floodServer.ts', import.meta.url))
  enclave = spawn(process.execPath, ['--import', 'tsx', own], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  good = await new Promise<number>((resolve) => {
    createInterface({ input: enclave?.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const { port } = JSON.parse(line) as { port?: number }
      if (port !== undefined) resolve(port)
    })
  })
}, 120_000)
afterAll(() => {
  enclave?.kill('SIGKILL')
  for (const server of servers) server.close()
})

test('before all of them at once a host stays below 300 MB, and its own enclave answers', async () => {
  // Bundled before: a loader that compiles while the host runs would be most of what is measured.
  // Bundled before: a loader that compiles while the host runs would be a third of what is measured.
  const script = await childScript(new URL('./rogueHost.ts', import.meta.url))
  const told = JSON.stringify({ rogues: ports, good, seconds: 30 })
  const host = spawn(process.execPath, [script.path, told], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const outcomes: Record<string, Set<string>> = {}
  let [memory, longest, answered, done] = [0, 0, 0, false]
  try {
    for await (const line of createInterface({ input: host.stdout })) {
      const said = JSON.parse(line) as Partial<{
        rss: number
        rogue: string
        outcome: string
        allow: boolean
        took: number
        done: boolean
      }>
      memory = Math.max(memory, said.rss ?? 0)
      longest = Math.max(longest, said.took ?? 0)
      done ||= said.done === true
      if (said.allow === true) answered++
      if (said.rogue !== undefined) {
        outcomes[said.rogue] ??= new Set()
        outcomes[said.rogue]?.add(said.outcome as string)
      }
    }
  } finally {
    host.kill('SIGKILL')
    script.remove()
  }
  console.log(`the host took ${Math.round(memory)} MB at most`)
  expect(done).toBe(true)
  expect(memory).toBeGreaterThan(0)
  expect(memory).toBeLessThan(most)
  // The honest one was asked all the time, and never had to wait for the others for long.
  expect(answered).toBeGreaterThan(10)
  expect(longest).toBeLessThan(10_000)
  expect(Object.keys(outcomes).sort()).toEqual(Object.keys(rogues).sort())
  for (const [name, seen] of Object.entries(outcomes)) {
    for (const outcome of seen) {
      expect(outcome, name).toMatch(/^(ENCLAVE_[A-Z]+|TIMEOUT|NSM_[A-Z]+) \d{1,3}$/)
    }
  }
}, 300_000)
