import { mkdtempSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferRequest } from '../../../test/enclave/fixtures.js'
import { createEnclaveEvaluator } from '../evaluate/evaluator.js'
import { serveEnclave } from '../evaluate/serve.js'
import { createNsm } from '../nsm.js'
import { createSimulator } from '../simulator/index.js'
import { httpListener, httpTransport } from '../transport/http.js'
import type { EnclaveListener, EnclaveTransport } from '../wire/stream.js'
import {
  childProcessTransport,
  duplexTransport,
  nsmBridgeDevice,
  tcpListener,
  tcpTransport,
  unixListener,
  unixTransport,
} from './index.js'

const socketPath = (): string => join(mkdtempSync(join(tmpdir(), 'enclave-')), 's')
const image = [{ name: 'child', bytes: Uint8Array.of(1) }]

async function roundTrip(
  listener: EnclaveListener,
  transport: () => EnclaveTransport,
): Promise<void> {
  const simulator = createSimulator({ image })
  const enclave = await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
  const evaluator = await createEnclaveEvaluator({
    transport: transport(),
    policy: simulator.policy,
  })
  const evaluations = await Promise.all(
    [1n, 2n, 300n].map((value) => evaluator.evaluate(transferRequest(value))),
  )
  expect(evaluations.map(({ allow }) => allow)).toEqual([true, true, false])
  await evaluator.close()
  await enclave.close()
}

describe('http', () => {
  test('one frame per POST, over a server; what is no request is refused', async () => {
    const listener = httpListener()
    const server = createHttpServer(async (incoming, outgoing) => {
      const pieces: Buffer[] = []
      for await (const piece of incoming) pieces.push(piece as Buffer)
      const { method = 'GET' } = incoming
      const body = method === 'POST' ? Buffer.concat(pieces) : null
      const answer = await listener.handle(new Request('http://enclave/', { method, body }))
      outgoing.writeHead(answer.status)
      outgoing.end(Buffer.from(await answer.arrayBuffer()))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
    await roundTrip(listener, () => httpTransport({ url }))
    const post = async (body: Uint8Array): Promise<number> =>
      (await fetch(url, { method: 'POST', body: body as BodyInit })).status
    expect(await post(new Uint8Array(5))).toBe(503)
    const simulator = createSimulator({ image })
    await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
    for (const bytes of [new Uint8Array(5), new Uint8Array(30), new Uint8Array(16_384).fill(7)])
      expect(await post(bytes)).toBe(400)
    expect((await fetch(url)).status).toBe(405)
    server.close()
    server.closeAllConnections()
    await expect(
      createEnclaveEvaluator({
        transport: httpTransport({ url }),
        policy: simulator.policy,
        wire: { retries: 0 },
      }),
    ).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT' })
    expect(() => httpTransport({ url: 'file:///etc' })).toThrow(
      expect.objectContaining({ field: 'url' }),
    )
  })
})

describe('the NSM behind a bridge', () => {
  const bridge = async (
    answer: (request: Uint8Array) => Promise<Uint8Array | 'hang up' | 'too much'>,
  ): Promise<string> => {
    const path = socketPath()
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', async (data) => {
        const length = data.readUInt32BE(0)
        const reply = await answer(new Uint8Array(data.subarray(4, 4 + length)))
        if (reply === 'hang up') socket.end(Buffer.of(0, 0, 0, 9, 1))
        else if (reply === 'too much') socket.end(Buffer.of(0, 1, 0, 0, 1))
        else {
          const head = Buffer.alloc(4)
          head.writeUInt32BE(reply.length)
          // In pieces, as sockets do.
          for (const byte of head) socket.write(Buffer.of(byte))
          socket.write(reply)
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return path
  }

  test('gives the same answers as the device', async () => {
    const simulator = createSimulator({ image })
    const path = await bridge((request) => simulator.device.call(request))
    const nsm = createNsm(nsmBridgeDevice({ path }))
    expect(await nsm.describe()).toEqual(await simulator.nsm.describe())
    const document = await nsm.attest({ userData: Uint8Array.of(1) })
    const { assertNitroAttestation } = await import('../nitro/verify.js')
    const { userData } = await assertNitroAttestation(document, {
      ...simulator.policy,
      freshness: { kind: 'maxAge', maxAge: 60_000 },
      binding: { userData: Uint8Array.of(1), publicKey: 'absent' },
    })
    expect(userData).toBe('0x01')
  })

  test('a bridge that hangs up, promises too much or is not there is a typed error', async () => {
    for (const fault of ['hang up', 'too much'] as const) {
      const nsm = createNsm(nsmBridgeDevice({ path: await bridge(async () => fault) }))
      await expect(nsm.random()).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT' })
    }
    await expect(createNsm(nsmBridgeDevice({ path: socketPath() })).random()).rejects.toMatchObject(
      { code: 'ENCLAVE_TRANSPORT' },
    )
  })
})

describe('transports', () => {
  test('tcp', async () => {
    const listener = tcpListener({ port: 0 })
    await roundTrip(listener, () => tcpTransport({ port: listener.address()?.port as number }))
  })

  test('unix socket', async () => {
    const path = socketPath()
    await roundTrip(unixListener({ path }), () => unixTransport({ path }))
  })

  test('duplex', async () => {
    const path = socketPath()
    await roundTrip(unixListener({ path }), () =>
      duplexTransport({ connect: () => connect({ path }) }),
    )
  })

  test('a hypervisor socket that asks for CONNECT, as Firecracker does', async () => {
    const path = socketPath()
    const bridge = socketPath()
    const asked: string[] = []
    const server = createServer((socket) => {
      socket.once('data', (chunk) => {
        asked.push(chunk.toString())
        socket.write('OK 1073741824\n')
        const inner = connect({ path })
        socket.pipe(inner).pipe(socket)
      })
    }).listen(bridge)
    await roundTrip(unixListener({ path }), () =>
      unixTransport({ path: bridge, firecrackerPort: 5005 }),
    )
    expect(asked).toEqual(['CONNECT 5005\n'])
    server.close()
  })

  test('a hypervisor that refuses is a typed error', async () => {
    const bridge = socketPath()
    const server = createServer((socket) => socket.end('NO\n')).listen(bridge)
    const simulator = createSimulator({ image })
    const transport = unixTransport({ path: bridge, firecrackerPort: 5005 })
    await expect(
      createEnclaveEvaluator({ transport, policy: simulator.policy }),
    ).rejects.toMatchObject({
      code: 'ENCLAVE_TRANSPORT',
      retryable: true,
    })
    server.close()
  })

  test('a process of its own, killed in the middle of a request: a typed retryable error, then it goes on', async () => {
    const seed = new TextEncoder().encode('a seed for the child process')
    const simulator = createSimulator({ image, seed })
    const transport = childProcessTransport({
      command: process.execPath,
      args: [
        '--import',
        'tsx',
        new URL('../../../test/enclave/child.ts', import.meta.url).pathname,
      ],
      env: { ...process.env, ENCLAVE_SEED: 'a seed for the child process', ENCLAVE_DELAY: '300' },
      stderr: 'inherit',
    })
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      wire: { retries: 0, limits: { connectTimeout: 20_000 } },
    })
    const inFlight = [1n, 2n, 3n].map((value) => evaluator.evaluate(transferRequest(value)))
    setTimeout(() => transport.kill(), 100)
    for (const outcome of await Promise.allSettled(inFlight)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'ENCLAVE_TRANSPORT', retryable: true },
      })
    }
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    await evaluator.close()
    transport.kill()
  }, 60_000)
})
