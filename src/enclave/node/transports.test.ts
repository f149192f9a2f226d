import { mkdtempSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferRequest } from '../../../test/enclave/fixtures.js'
import { createEnclaveEvaluator } from '../evaluate/evaluator.js'
import { serveEnclave } from '../evaluate/serve.js'
import { createSimulator } from '../simulator/index.js'
import type { EnclaveListener, EnclaveTransport } from '../transport/stream.js'
import {
  childProcessTransport,
  duplexTransport,
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
