/** Peers that flood, stall, cancel and lie, over real sockets: the server's memory stays bounded, others are served. */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEnclaveEvaluator, writeCbor } from '../../src/enclave/index.js'
import { tcpTransport } from '../../src/enclave/node/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { encodeFrame, type FrameType } from '../../src/enclave/wire/frame.js'
import { transferRequest } from './fixtures.js'

const most = 300
const seed = new TextEncoder().encode('a seed of sixteen bytes or more')
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }], seed })
let server: ChildProcess
let port = 0
let memory = 0

beforeAll(async () => {
  const path = fileURLToPath(new URL('./floodServer.ts', import.meta.url))
  server = spawn(process.execPath, ['--import', 'tsx', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve) => {
    createInterface({ input: server.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const told = JSON.parse(line) as { port?: number; rss?: number }
      if (told.port !== undefined) {
        port = told.port
        resolve()
      }
      memory = Math.max(memory, told.rss ?? 0)
    })
  })
}, 120_000)
afterAll(() => server?.kill('SIGKILL'))

/** A frame, whose header may claim another length. */
function frame(
  type: FrameType,
  requestId: number,
  body: Uint8Array,
  length = body.length,
): Uint8Array {
  const encoded = encodeFrame({ type, requestId, deadline: 0, body })
  new DataView(encoded.buffer, encoded.byteOffset).setUint32(16, length)
  return encoded
}

async function peer(): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve())
    socket.once('close', () => resolve())
  })
  return socket
}

const hello = writeCbor({
  ...{ versions: [1], maxFrame: 4_194_304, maxInflight: 32, implementation: 'peer' },
})
const attacks: Record<string, (socket: Socket) => void> = {
  // Claims of large frames that never end.
  stall: (socket) => socket.write(frame(3, 1, new Uint8Array(1_000_000), 4_194_000)),
  // Requests, and none of their answers read.
  flood: (socket) => {
    socket.pause()
    socket.write(frame(1, 0, hello))
    const body = writeCbor({ method: 'nothing' })
    for (let id = 1; id < 20_000; id++) socket.write(frame(3, id, body))
  },
  cancel: (socket) => {
    socket.write(frame(1, 0, hello))
    for (let id = 1; id < 10_000; id++) {
      socket.write(frame(3, id, writeCbor({ method: 'attest' })))
      socket.write(frame(6, id, writeCbor({})))
    }
  },
  lie: (socket) => socket.write(new Uint8Array(65_536).fill(0xff)),
  idle: () => undefined,
}

test('under all of them at once it stays below 300 MB, and answers who asks', async () => {
  const sockets: Socket[] = []
  const until = Date.now() + 60_000
  let answered = 0
  while (Date.now() < until) {
    for (const attack of Object.values(attacks)) {
      for (let n = 0; n < 20; n++) {
        const socket = await peer()
        attack(socket)
        sockets.push(socket)
      }
    }
    // Whoever attacks may hold every place for a while; its end frees them.
    for (const socket of sockets.splice(0)) socket.destroy()
    const evaluator = await createEnclaveEvaluator({
      transport: tcpTransport({ port }),
      policy: simulator.policy,
      wire: { limits: { connectTimeout: 60_000 } },
    })
    const { allow } = await evaluator.evaluate(transferRequest(1n, BigInt(answered)), {
      timeout: 60_000,
    })
    expect(allow).toBe(true)
    answered++
    await evaluator.close()
  }
  expect(answered).toBeGreaterThan(0)
  expect(memory).toBeGreaterThan(0)
  expect(memory).toBeLessThan(most)
}, 600_000)
