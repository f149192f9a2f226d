import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferRequest, transferTask } from '../../../test/enclave/fixtures.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/index.js'
import { ARTIFACT_ABSENT, computeTaskId } from '../../core/index.js'
import { fromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import { createSimulator } from '../simulator/index.js'
import { createMemoryTransport, createStreamPair } from '../transport/memory.js'
import { writeBody } from '../wire/body.js'
import type { Connection } from '../wire/connection.js'
import { frameTypes } from '../wire/frame.js'
import { serveConnection } from '../wire/server.js'
import type { EnclaveTransport } from '../wire/stream.js'
import type { Answer } from './answers.js'
import { NotInSnapshotError } from './errors.js'
import { createEnclaveEvaluator, type EnclaveEvaluator, type EnclaveEvent } from './evaluator.js'
import { computeRequestDigest } from './messages/request.js'
import { createSnapshotReader, decodeSnapshot, encodeSnapshot } from './messages/snapshot.js'
import { type EnclaveHostServices, serveEnclave } from './serve.js'

const image = [{ name: 'app', bytes: Uint8Array.of(1) }]
const word = (byte: string): `0x${string}` => `0x${byte.repeat(32)}`
const account = (byte: string): `0x${string}` => `0x${byte.repeat(20)}`
const snapshot: RegistrySnapshot = {
  chainId: 31_337n,
  policyRegistry: account('a1'),
  policyDataRegistry: account('a2'),
  client: account('c1'),
  block: { number: 100n, hash: word('ee'), timestamp: 1_790_000_000n },
  policyInstanceId: word('01'),
  policyInstance: {
    templateId: word('02'),
    client: account('c1'),
    expireAfter: 50n,
    deployedAt: 9n,
    paramsHash: word('05'),
    params: '0x',
  },
  policyTemplate: {
    regoHash: word('03'),
    paramsSchemaHash: word('04'),
    policyDataTemplateRefs: [word('d1')],
    author: account('99'),
    registeredAt: 3n,
  },
  data: [
    {
      templateId: word('d1'),
      template: {
        wasmHash: word('06'),
        paramsSchemaHash: ARTIFACT_ABSENT,
        secretsSchemaHash: word('07'),
        author: account('99'),
        registeredAt: 4n,
      },
      instanceId: word('d2'),
      instance: {
        templateId: word('d1'),
        client: account('c1'),
        expireAfter: 70n,
        deployedAt: 9n,
        paramsHash: word('08'),
        params: '0x7b7d',
      },
    },
  ],
  enclaveRequired: true,
}

describe('snapshots', () => {
  test('cross unchanged', () => {
    expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual(snapshot)
    const empty: RegistrySnapshot = {
      ...snapshot,
      policyInstanceId: null,
      policyInstance: null,
      policyTemplate: null,
      data: [],
    }
    expect(decodeSnapshot(encodeSnapshot(empty))).toEqual(empty)
    for (const text of ['', '[]', '{}', encodeSnapshot(snapshot).replace('"31337"', '31337')]) {
      expect(() => decodeSnapshot(text)).toThrow()
    }
  })

  test('the reader answers from the snapshot and refuses everything else', async () => {
    const reader = createSnapshotReader(snapshot, { pcr0Commitment: word('aa'), whitelisted: true })
    expect(await reader.snapshot({ client: account('c1'), block: 100n })).toBe(snapshot)
    expect(await reader.getPolicyTemplate(word('02'))).toBe(snapshot.policyTemplate)
    expect(
      await reader.currentPolicyDataInstanceAt({
        client: account('c1'),
        templateId: word('d1'),
        block: 100n,
      }),
    ).toBe(word('d2'))
    expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment: word('aa'), block: 100n })).toBe(
      true,
    )
    const refused = [
      reader.snapshot({ client: account('c2'), block: 100n }),
      reader.snapshot({ client: account('c1'), block: 99n }),
      reader.getPolicyTemplate(word('77')),
      reader.getPolicyDataTemplate(word('77')),
      reader.getPolicyInstance(word('77')),
      reader.getPolicyDataInstance(word('77')),
      reader.getBlock(1n),
      reader.getClient(account('c1')),
      reader.isEnclaveWhitelistedAt({ pcr0Commitment: word('ab'), block: 100n }),
      createSnapshotReader(snapshot).isEnclaveWhitelistedAt({
        pcr0Commitment: word('aa'),
        block: 100n,
      }),
    ]
    for (const one of refused) await expect(one).rejects.toBeInstanceOf(NotInSnapshotError)
  })
})

describe('the request digest', () => {
  const nonce = new Uint8Array(32).fill(9)
  const envelope = Uint8Array.of(1, 2, 3)
  const request = {
    ...transferRequest(5n),
    pcr0Commitment: word('aa'),
    agreedOutputs: { [word('d1')]: { a: 1 } },
  }
  const asked = { request, nonce, snapshot, envelopes: new Map([[word('d2'), envelope]]) }

  test('is the hash written out by hand', () => {
    const task = transferTask(5n)
    const artifacts = [word('03'), word('04'), word('06'), ARTIFACT_ABSENT, word('07')].map(
      (hash) => fromHex(hash),
    )
    const expected = keccakHex(
      keccak(utf8('NewtonEnclaveRequestV1')),
      fromHex(computeTaskId(task)),
      uintToBytes(31_337n, 32),
      fromHex(account('c1')),
      keccak(...artifacts),
      keccak(fromHex(word('05')), fromHex(word('08'))),
      keccak(utf8(`{"${word('d1')}":{"a":1}}`)),
      keccak(fromHex(word('d2')), keccak(envelope)),
      fromHex(word('aa')),
      uintToBytes(1_790_000_000, 4),
      nonce,
    )
    expect(computeRequestDigest(asked)).toBe(expected)
  })

  test('changes with everything it binds', () => {
    const data = snapshot.data[0] as RegistrySnapshot['data'][0]
    const template = data.template as NonNullable<typeof data.template>
    const variants = [
      asked,
      { ...asked, request: { ...request, task: transferTask(6n) } },
      { ...asked, request: { ...request, task: { ...request.task, chainId: 1n } } },
      { ...asked, request: { ...request, task: { ...request.task, policyClient: account('c9') } } },
      { ...asked, request: { ...request, pcr0Commitment: undefined } },
      { ...asked, request: { ...request, referenceTimestamp: 1 } },
      { ...asked, request: { ...request, agreedOutputs: { [word('d1')]: { a: 2 } } } },
      { ...asked, nonce: new Uint8Array(32) },
      { ...asked, envelopes: new Map([[word('d2'), Uint8Array.of(1)]]) },
      {
        ...asked,
        snapshot: {
          ...snapshot,
          data: [{ ...data, template: { ...template, wasmHash: word('66') } }],
        },
      },
      {
        ...asked,
        snapshot: {
          ...snapshot,
          policyInstance: {
            ...(snapshot.policyInstance as object),
            paramsHash: word('55'),
          } as RegistrySnapshot['policyInstance'],
        },
      },
    ]
    expect(new Set(variants.map((variant) => computeRequestDigest(variant))).size).toBe(
      variants.length,
    )
  })
})

describe('sessions', () => {
  test('are renewed when their time is up, before the leaf ends, and on deprecation', async () => {
    let now = 1_790_000_000_000
    const simulator = createSimulator({ image, now: () => now })
    const { transport, listener } = createMemoryTransport()
    await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
    const events: EnclaveEvent[] = []
    let deprecate: (pcr0Commitment: `0x${string}`) => void = () => undefined
    let stopped = 0
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: { ...simulator.policy, sessionTtl: 600_000 },
      watchDeprecations: (onDeprecated) => {
        deprecate = onDeprecated
        return () => stopped++
      },
      onEvent: (event) => events.push(event),
    })
    const sessions = (): number => events.filter(({ type }) => type === 'session').length
    await Promise.all([1n, 2n, 3n].map((value) => evaluator.evaluate(transferRequest(value))))
    expect(sessions()).toBe(1)
    now += 600_001
    await Promise.all([1n, 2n, 3n].map((value) => evaluator.evaluate(transferRequest(value))))
    expect(sessions()).toBe(2)
    deprecate(word('12'))
    await evaluator.session()
    expect(sessions()).toBe(2)
    deprecate(simulator.measurements.pcr0Commitment)
    await evaluator.session()
    expect(sessions()).toBe(3)
    await evaluator.close()
    expect(stopped).toBe(1)
    await expect(evaluator.evaluate(transferRequest(1n))).rejects.toMatchObject({
      code: 'ENCLAVE_CLOSED',
    })
  })

  test('a build that the registry no longer has is refused at the next renewal and for every result', async () => {
    let now = 1_790_000_000_000
    let active = true
    const simulator = createSimulator({ image, now: () => now })
    const { transport, listener } = createMemoryTransport()
    await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
    const reader = {
      getLatestBlock: async () => snapshot.block,
      isEnclaveWhitelistedAt: async () => active,
    }
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: {
        ...simulator.policy,
        measurements: 'registry',
        registry: { reader, block: 'latest' },
      },
    })
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    active = false
    await expect(evaluator.evaluate(transferRequest(1n))).rejects.toMatchObject({
      code: 'REGISTRY_INACTIVE',
    })
    now += 1
    await expect(evaluator.session()).rejects.toMatchObject({ code: 'REGISTRY_INACTIVE' })
    await evaluator.close()
  })

  test('an enclave that is exchanged for another build behind the same address is noticed', async () => {
    const first = createSimulator({ image, seed: new Uint8Array(32).fill(1) })
    const second = createSimulator({
      image: [{ name: 'app', bytes: Uint8Array.of(2) }],
      seed: new Uint8Array(32).fill(1),
    })
    const { transport, listener } = createMemoryTransport()
    let exchanged = false
    const nsm = new Proxy(first.nsm, {
      get: (_, member) => (exchanged ? second : first).nsm[member as 'attest'],
    })
    await serveEnclave({ evaluator: limitEvaluator(), nsm, listener })
    const measurements = [first.measurements.pcrs, second.measurements.pcrs]
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: { ...first.policy, measurements },
    })
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    exchanged = true
    await expect(evaluator.evaluate(transferRequest(1n))).rejects.toMatchObject({
      code: 'ENCLAVE_RESULT',
      field: 'document',
      retryable: true,
    })
    expect((await evaluator.session()).attestation.pcr0Commitment).toBe(
      second.measurements.pcr0Commitment,
    )
    await evaluator.close()
  })
})

describe('a connection that ends', () => {
  const simulator = createSimulator({ image })

  test('while its enclave is attested takes the session with it: no dead key is given out', async () => {
    const sides = [createMemoryTransport(), createMemoryTransport()] as const
    const [a, b] = await Promise.all(
      sides.map(({ listener }) =>
        serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener }),
      ),
    )
    let connections = 0
    let cut: (() => void) | undefined
    const transport = {
      name: 'two',
      connect: async () => {
        const stream = await (
          sides[Math.min(connections++, 1)] as (typeof sides)[0]
        ).transport.connect()
        cut = () => stream.destroy()
        return stream
      },
    }
    let armed = false
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: {
        ...simulator.policy,
        revoked: async () => {
          if (armed) {
            armed = false
            cut?.()
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
          return false
        },
      },
    })
    evaluator.dropSession()
    armed = true
    await expect(evaluator.session()).rejects.toMatchObject({
      code: 'ENCLAVE_TRANSPORT',
      retryable: true,
    })
    const next = await evaluator.session()
    expect(next.recipient.publicKey).toBe(b?.publicKey)
    expect(a?.publicKey).not.toBe(b?.publicKey)
    await evaluator.close()
  })

  test('takes its session with it: the next one attests anew', async () => {
    const { transport, listener } = createMemoryTransport()
    await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
    let cut: (() => void) | undefined
    const seen: string[] = []
    const evaluator = await createEnclaveEvaluator({
      transport: {
        name: 'cut',
        connect: async () => {
          const stream = await transport.connect()
          cut = () => stream.destroy()
          return stream
        },
      },
      policy: simulator.policy,
      onEvent: ({ type }) => seen.push(type),
    })
    cut?.()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    expect(seen.filter((type) => type === 'session')).toHaveLength(2)
    await evaluator.close()
  })

  test('leaves an evaluation that another one waits for; the last who leaves ends it', async () => {
    const { transport, listener } = createMemoryTransport()
    const started: AbortSignal[] = []
    const ends: (() => void)[] = []
    const delay = (_: unknown, signal?: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        started.push(signal as AbortSignal)
        ends.push(resolve)
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    await serveEnclave({ evaluator: limitEvaluator({ delay }), nsm: simulator.nsm, listener })
    const nonce = new Uint8Array(32).fill(5)
    const open = (): Promise<EnclaveEvaluator> =>
      createEnclaveEvaluator({
        transport,
        policy: simulator.policy,
        randomBytes: () => nonce.slice(),
      })
    const [first, second] = [await open(), await open()]
    const abandoned = new AbortController()
    const one = first.evaluate(transferRequest(1n), { signal: abandoned.signal })
    await new Promise((resolve) => setTimeout(resolve, 20))
    const two = second.evaluate(transferRequest(1n))
    await new Promise((resolve) => setTimeout(resolve, 20))
    abandoned.abort(new TypeError('gave up'))
    await expect(one).rejects.toThrow('gave up')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(started).toHaveLength(1)
    expect(started[0]?.aborted).toBe(false)
    ends[0]?.()
    expect((await two).allow).toBe(true)
    const third = new AbortController()
    const alone = first.evaluate(transferRequest(2n), { signal: third.signal })
    await new Promise((resolve) => setTimeout(resolve, 20))
    third.abort(new TypeError('gave up'))
    await expect(alone).rejects.toThrow('gave up')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(started[1]?.aborted).toBe(true)
    // Nothing of the cut one is kept: it can be asked again.
    const again = first.evaluate(transferRequest(2n))
    await new Promise((resolve) => setTimeout(resolve, 20))
    ends[2]?.()
    expect((await again).allow).toBe(true)
    await Promise.all([first.close(), second.close()])
  })
})

describe('an enclave that is not attested', () => {
  const simulator = createSimulator({ image })
  const rogue = (answer: (connection: Connection) => Promise<Answer>): EnclaveTransport => ({
    name: 'rogue',
    connect: async () => {
      const [near, far] = createStreamPair()
      serveConnection(far, { handler: (_, { connection }) => answer(connection) })
      return near
    },
  })
  const connect = (transport: EnclaveTransport, host = {}): Promise<unknown> =>
    createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      host,
      wire: { retries: 0 },
    }).catch((cause: unknown) => cause)

  test('gets no artifact and no tunnel', async () => {
    let asked = 0
    const host = {
      artifacts: {
        getArtifact: async () => {
          asked++
          return new Uint8Array(4_000_000)
        },
      },
    }
    for (const type of [frameTypes.ARTIFACT, frameTypes.TCP_OPEN]) {
      const failure = await connect(
        rogue(async (connection) => {
          const body = writeBody({ hash: new Uint8Array(32), namespace: 1, offset: 0 })
          for (let i = 1; i <= 50; i++) {
            await connection.send({ type, requestId: i, body }).catch(() => undefined)
          }
          return {}
        }),
        host,
      )
      expect(failure).toMatchObject({ code: 'ENCLAVE_PROTOCOL', fault: 'unattested' })
    }
    expect(asked).toBe(0)
  })

  test('says its epoch in a form, or is refused at once and in few words', async () => {
    const document = await simulator.nsm.attest({ nonce: new Uint8Array(32) })
    for (const epoch of ['9'.repeat(4_000_000), '-1', ' 0x10 ', '', '01', '18446744073709551616']) {
      const started = process.cpuUsage()
      const failure = (await connect(rogue(async () => ({ document, epoch })))) as Error
      expect(failure).toMatchObject({ code: 'ENCLAVE_RESULT', field: 'epoch' })
      expect(failure.message.length).toBeLessThan(400)
      expect(process.cpuUsage(started).user).toBeLessThan(1_000_000)
    }
  })
})

describe('what the host gives for a request', () => {
  test('registry, envelopes, commits and whitelist reach the evaluator inside', async () => {
    const simulator = createSimulator({ image })
    const { transport, listener } = createMemoryTransport()
    const inner = limitEvaluator()
    const { pcr0Commitment } = simulator.measurements
    const found: unknown[] = []
    await serveEnclave({
      evaluator: (host: EnclaveHostServices) => ({
        evaluate: async (request, options) => {
          found.push(
            await host.registry?.snapshot({ client: account('c1'), block: 100n }),
            await host.registry?.isEnclaveWhitelistedAt({ pcr0Commitment, block: 100n }),
            await host.envelopes.getEnvelope({ policyDataInstanceId: word('d2'), block: 100n }),
            await host.envelopes.getEnvelope({ policyDataInstanceId: word('d9'), block: 100n }),
            await host.committed?.isCommittedAt({ namespace: 6, hash: word('06'), block: 100n }),
            await host.committed?.isCommittedAt({ namespace: 4, hash: word('03'), block: 100n }),
          )
          return inner.evaluate(request, options)
        },
      }),
      nsm: simulator.nsm,
      listener,
    })
    const registry = {
      snapshot: async () => snapshot,
      isEnclaveWhitelistedAt: async () => true,
    } as unknown as RegistryReader
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      host: {
        registry,
        envelopes: { getEnvelope: async () => Uint8Array.of(7) },
        committed: { isCommittedAt: async ({ hash }) => hash === word('06') },
      },
    })
    await evaluator.evaluate({ ...transferRequest(1n), pcr0Commitment })
    expect(found).toEqual([snapshot, true, Uint8Array.of(7), null, true, false])
    expect(toHex(keccak(fromHex(simulator.measurements.pcrs[0])))).toBe(pcr0Commitment)
    await evaluator.close()
  })
})
