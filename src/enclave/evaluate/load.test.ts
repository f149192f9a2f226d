import { Session } from 'node:inspector/promises'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferRequest } from '../../../test/enclave/fixtures.js'
import type { ArtifactSource, Evaluator } from '../../core/index.js'
import { computeArtifactHash } from '../../core/index.js'
import { createDecryptionKey } from '../secrets/keys.js'
import { createSecretsOpener, sealSecrets } from '../secrets/seal.js'
import { createSimulator } from '../simulator/index.js'
import { createMemoryTransport } from '../transport/memory.js'
import type { ByteStream } from '../wire/stream.js'
import { createEnclaveEvaluator, type EnclaveEvent } from './evaluator.js'
import { type EnclaveHostServices, serveEnclave } from './serve.js'
import { createTunnelHost } from './tunnel.js'

const image = [{ name: 'app', bytes: Uint8Array.of(1) }]

describe('many at once', () => {
  test('a thousand evaluations over one connection', async () => {
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    const inner = limitEvaluator()
    let connections = 0
    await serveEnclave({
      evaluator: inner,
      nsm: simulator.nsm,
      listener,
      onEvent: ({ type }) => type === 'connection' && connections++,
    })
    const evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
    const evaluations = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        evaluator.evaluate(transferRequest(BigInt(i % 200), BigInt(i))),
      ),
    )
    expect(evaluations.filter(({ allow }) => allow)).toHaveLength(505)
    expect(new Set(evaluations.map(({ response }) => response.taskId)).size).toBe(1000)
    expect(new Set(evaluations.map(({ document }) => document)).size).toBe(1000)
    expect(inner.calls).toBe(1000)
    expect(connections).toBe(1)
    await evaluator.close()
  }, 120_000)
})

describe('what the host gives', () => {
  test('artifacts of several megabytes cross in pieces, are hashed inside and asked for once', async () => {
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    const big = Uint8Array.from({ length: 2_500_001 }, (_, i) => (i * 31) & 0xff)
    const hash = computeArtifactHash(big)
    let asked = 0
    let lie = false
    const source: ArtifactSource = {
      getArtifact: async () => {
        asked++
        return lie ? big.slice(1) : big
      },
    }
    const inner = limitEvaluator()
    const sizes: number[] = []
    await serveEnclave({
      evaluator: (host: EnclaveHostServices): Evaluator => ({
        evaluate: async (request, options) => {
          sizes.push((await host.artifacts.getArtifact({ hash, namespace: 6 })).length)
          return inner.evaluate(request, options)
        },
      }),
      nsm: simulator.nsm,
      listener,
    })
    const make = (): ReturnType<typeof createEnclaveEvaluator> =>
      createEnclaveEvaluator({ transport, policy: simulator.policy, host: { artifacts: source } })
    lie = true
    const first = await make()
    await expect(first.evaluate(transferRequest(1n))).rejects.toMatchObject({
      reason: 'ENCLAVE_ARTIFACT',
      retryable: true,
    })
    lie = false
    const results = await Promise.all(
      [1n, 2n, 3n].map((value) => first.evaluate(transferRequest(value))),
    )
    expect(results.every(({ allow }) => allow)).toBe(true)
    expect(sizes).toEqual([2_500_001, 2_500_001, 2_500_001])
    const before = asked
    await first.evaluate(transferRequest(4n))
    expect(asked).toBe(before)
    await first.close()
    const second = await createEnclaveEvaluator({ transport, policy: simulator.policy })
    expect((await second.evaluate(transferRequest(5n))).allow).toBe(true)
    await second.close()
  })

  test('a host without the artifact is a retryable error', async () => {
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    await serveEnclave({
      evaluator: (host) => ({
        evaluate: async () => {
          await host.artifacts.getArtifact({ hash: `0x${'ab'.repeat(32)}`, namespace: 6 })
          throw new TypeError('not reached')
        },
      }),
      nsm: simulator.nsm,
      listener,
    })
    const evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
    await expect(evaluator.evaluate(transferRequest(1n))).rejects.toMatchObject({
      reason: 'ENCLAVE_ARTIFACT',
      retryable: true,
    })
    await evaluator.close()
  })

  test('connections of plugins are carried through the host, which decides by name and port', async () => {
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    const seen: { host: string; port: number }[] = []
    const { createStreamPair } = await import('../transport/memory.js')
    const tunnel = createTunnelHost({
      allow: ({ host }) => host === 'api.example',
      dial: async (target) => {
        seen.push(target)
        const [near, far] = createStreamPair()
        void (async () => {
          for await (const chunk of far.incoming) await far.write(chunk.map((byte) => byte ^ 0xff))
        })().catch(() => undefined)
        return near
      },
    })
    const inner = limitEvaluator()
    const echoed: number[] = []
    const talk = async (stream: ByteStream): Promise<void> => {
      await stream.write(new Uint8Array(200_000).fill(1))
      let left = 200_000
      for await (const chunk of stream.incoming) {
        echoed.push(chunk[0] as number)
        left -= chunk.length
        if (left === 0) break
      }
      stream.destroy()
    }
    const refused: unknown[] = []
    await serveEnclave({
      evaluator: (host) => ({
        evaluate: async (request, options) => {
          await talk(await host.dial({ host: 'api.example', port: 443 }))
          refused.push(
            await host.dial({ host: 'evil.example', port: 443 }).catch((cause: unknown) => cause),
          )
          return inner.evaluate(request, options)
        },
      }),
      nsm: simulator.nsm,
      listener,
    })
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      host: { tunnel },
    })
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    expect(seen).toEqual([{ host: 'api.example', port: 443 }])
    expect(echoed.every((byte) => byte === 0xfe)).toBe(true)
    expect(refused[0]).toMatchObject({ code: 'ENCLAVE_TRANSPORT' })
    await evaluator.close()
  })
})

describe('plaintext', () => {
  test('is in no result, error, event, inspect output or heap string after an evaluation', async () => {
    // Made at run time, so that the source text of this test does not hold it either.
    const marker = ['pl41n', 'text', Math.random().toString(36).slice(2), 'm4rk3r'].join('-')
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(6) })
    const opener = createSecretsOpener({ keys: [key] })
    const instance = `0x${'d2'.repeat(32)}` as const
    const context = {
      chainId: 31_337n,
      client: `0x${'c1'.repeat(20)}`,
      policyDataInstanceId: instance,
    } as const
    const events: EnclaveEvent[] = []
    const inner = limitEvaluator()
    let envelope = new Uint8Array(0)
    await serveEnclave({
      evaluator: {
        evaluate: async (request, options) => {
          const plaintext = await opener.openSecrets({ ...context, envelope })
          if (plaintext.length === 0) throw new TypeError('nothing')
          // What an evaluator does when the run ends.
          const found = Buffer.from(plaintext).includes(Buffer.from(marker))
          plaintext.fill(0)
          if (!found) throw new TypeError('not opened')
          if (request.task.intent.value === 13n) throw new TypeError(`boom ${marker}`)
          return inner.evaluate(request, options)
        },
      },
      nsm: simulator.nsm,
      listener,
      key,
    })
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      onEvent: (event) => events.push(event),
    })
    const { recipient } = await evaluator.session()
    const secrets = Buffer.from(JSON.stringify({ apiKey: marker }))
    ;({ envelope } = (await sealSecrets({
      ...context,
      recipient,
      secrets: new Uint8Array(secrets),
      validation: 'skip',
      sequence: 1n,
    })) as { envelope: Uint8Array<ArrayBuffer> })
    secrets.fill(0)
    const evaluation = await evaluator.evaluate(transferRequest(5n))
    const error = await evaluator.evaluate(transferRequest(13n)).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'ENCLAVE_REMOTE', remoteCode: 'ENCLAVE_INTERNAL' })
    const shown = inspect(
      { evaluation, error, events, evaluator, opener, key },
      { depth: 12, showHidden: true, maxStringLength: null },
    )
    expect(shown).not.toContain(marker)
    await evaluator.close()

    const session = new Session()
    session.connect()
    let heap = ''
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => {
      heap += params.chunk
    })
    // The error inside and its text are gone once nothing refers to them.
    await session.post('HeapProfiler.collectGarbage')
    await session.post('HeapProfiler.takeHeapSnapshot')
    session.disconnect()
    const { strings } = JSON.parse(heap) as { strings: string[] }
    expect(strings.length).toBeGreaterThan(1000)
    // The test itself keeps the marker; any longer string with it would be plaintext that stayed behind.
    expect(strings).toContain(marker)
    expect(strings.filter((text) => text.includes(marker) && text !== marker)).toEqual([])
  }, 120_000)
})
