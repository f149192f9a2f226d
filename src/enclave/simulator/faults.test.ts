import { describe, expect, test } from 'vitest'
import { counterApp } from '../../../test/enclave/counterApp.js'
import { limitEvaluator, transferRequest } from '../../../test/enclave/fixtures.js'
import { fromHex } from '../../internal/bytes.js'
import { decodeReply, encodeCall } from '../app/call.js'
import { createAppEnclave } from '../app/enclave.js'
import { createAttestor, createKeyManager } from '../app/keyManager.js'
import { createEnclaveEvaluator } from '../evaluate/evaluator.js'
import { serveEnclave } from '../evaluate/serve.js'
import { verifyNitroAttestation } from '../nitro/verify.js'
import { createNsm, NSM_MAX_REQUEST, NSM_MAX_RESPONSE } from '../nsm.js'
import { deriveDecryptionKey } from '../secrets/keys.js'
import { uint64Codec } from '../store/codec.js'
import { memoryKv } from '../store/kv.js'
import { createTypedStore } from '../store/typedStore.js'
import { createMemoryTransport } from '../transport/memory.js'
import {
  documentFaults,
  faultyCalls,
  faultyTransport,
  pkiFaults,
  sequenceFaults,
  wireFaults,
} from './faults.js'
import { createSimulator } from './simulator.js'

const image = [{ name: 'app', bytes: Uint8Array.of(1) }]
const now = 1_790_000_000_000
const nonce = new Uint8Array(32).fill(3)
const userData = new Uint8Array(32).fill(4)
const publicKey = new Uint8Array(32).fill(5)

/** Keys of one build in two epochs, derived as a build derives them. */
const derived = (epoch: bigint): ReturnType<typeof deriveDecryptionKey> =>
  deriveDecryptionKey({
    masterSecret: new Uint8Array(32).fill(6),
    pcr0: new Uint8Array(48).fill(7),
    epoch,
    purpose: 'secrets',
  })
const current = await derived(3n)
const before = await derived(2n)
const older = { publicKey: fromHex(before.publicKey), epoch: before.epoch }

describe('faults of documents', () => {
  test.each(documentFaults)('$name is refused with $code', async ({ code, fault }) => {
    const simulator = createSimulator({ image, now: () => now })
    const previous = await simulator.nsm.attest({
      userData,
      publicKey,
      nonce: new Uint8Array(32).fill(8),
    })
    const ask = async (): Promise<unknown> =>
      verifyNitroAttestation(await simulator.nsm.attest({ nonce, userData, publicKey }), {
        ...simulator.policy,
        freshness: { kind: 'nonce', nonce, maxAge: 300_000 },
        binding: { userData, publicKey: 'x25519' },
      })
    simulator.setFault(fault({ now, previous, older }))
    expect(await ask()).toMatchObject({ status: 'reject', code })
    simulator.setFault(undefined)
    expect(await ask()).toMatchObject({ status: 'valid' })
  })

  test.each(documentFaults)(
    '$name reaches the caller of the evaluator as $code',
    async ({ code, fault }) => {
      const simulator = createSimulator({ image, now: () => now })
      const previous = await simulator.nsm.attest({ userData, publicKey, nonce })
      const { transport, listener } = createMemoryTransport()
      const evaluator = limitEvaluator()
      await serveEnclave({ evaluator, nsm: simulator.nsm, listener, key: current })
      const connect = (): ReturnType<typeof createEnclaveEvaluator> =>
        createEnclaveEvaluator({ transport, policy: simulator.policy })
      simulator.setFault(fault({ now, previous, older }))
      // A replayed document has both the wrong nonce and the wrong user data: which is seen first is no promise.
      const codes =
        code === 'NONCE_MISMATCH' ? /^(NONCE|USER_DATA)_MISMATCH$/ : new RegExp(`^${code}$`)
      await expect(connect()).rejects.toMatchObject({ code: expect.stringMatching(codes) })
    },
  )
})

describe('keys of older epochs', () => {
  test('an enclave that went back to an older key is refused where the epoch is known', async () => {
    const simulator = createSimulator({ image, now: () => now })
    const connect = async (
      key: typeof current,
      minEpoch?: bigint,
    ): ReturnType<typeof createEnclaveEvaluator> => {
      const { transport, listener } = createMemoryTransport()
      await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener, key })
      return createEnclaveEvaluator({ transport, policy: { ...simulator.policy, minEpoch } })
    }
    await expect(connect(before, 3n)).rejects.toMatchObject({
      code: 'ENCLAVE_RESULT',
      field: 'epoch',
    })
    for (const [key, minEpoch] of [
      [before, 2n],
      [before, undefined],
      [current, 3n],
    ] as const) {
      const evaluator = await connect(key, minEpoch)
      expect(await evaluator.session()).toMatchObject({
        epoch: key.epoch,
        recipient: { publicKey: key.publicKey },
      })
      await evaluator.close()
    }
  })
})

describe('faults of sequences', () => {
  test.each(sequenceFaults)(
    '$name is refused as $code, and the event goes through',
    async (entry) => {
      const simulator = createSimulator({ image, now: () => now })
      const enclave = createAppEnclave({
        app: counterApp(),
        attestor: createAttestor(simulator.nsm),
        keys: createKeyManager({
          masterSecret: new Uint8Array(32).fill(3),
          pcr0: fromHex(simulator.measurements.pcrs[0]),
        }),
        store: createTypedStore(memoryKv()),
        chain: 'trust-host',
        rollback: 'trust-host',
      })
      let fault: typeof entry | undefined
      const call = faultyCalls(enclave.call, () => fault)
      const add = async (sequence: bigint, amount: bigint): Promise<bigint> => {
        const input = uint64Codec.encode(amount)
        const bytes = encodeCall({
          kind: 'event',
          contract: '0xc1',
          sequence,
          chainSequence: 0n,
          proof: undefined,
          calls: [{ type: 'add', input }],
        })
        const [answer] = decodeReply(await call(bytes)).outputs
        return uint64Codec.decode(answer?.output as Uint8Array)
      }
      expect(await add(1n, 5n)).toBe(5n)
      fault = entry
      await expect(add(2n, 7n)).rejects.toMatchObject({ code: 'APP_CALL', reason: entry.code })
      fault = undefined
      expect(await add(2n, 7n)).toBe(12n)
      fault = entry
      await expect(add(3n, 1n)).rejects.toMatchObject({ reason: entry.code })
    },
  )
})

describe('faults of certificates', () => {
  test.each(pkiFaults)('$name is refused with $code', async ({ code, pki }) => {
    const simulator = createSimulator({ image, now: () => now, pki })
    const verdict = await verifyNitroAttestation(await simulator.nsm.attest({}), {
      ...simulator.policy,
      freshness: { kind: 'maxAge', maxAge: 300_000 },
      binding: { userData: 'absent', publicKey: 'absent' },
    })
    expect(verdict).toMatchObject({ status: 'reject', code })
  })
})

describe('faults of the connection', () => {
  test.each(wireFaults)(
    '$name is $code for the caller, and the next request goes through',
    async (entry) => {
      const simulator = createSimulator({ image })
      const { transport, listener } = createMemoryTransport()
      await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
      let faulty = false
      const evaluator = await createEnclaveEvaluator({
        transport: faultyTransport(transport, () => (faulty ? entry : undefined)),
        policy: simulator.policy,
        wire: { retries: 0 },
      })
      // The healthy connection is closed so that the next one is the faulty one.
      const { createWireClient } = await import('../wire/client.js')
      let dialed = 0
      const client = createWireClient({
        transport: faultyTransport(transport, () => {
          dialed++
          return entry
        }),
        retries: 0,
      })
      const failing = client.request(
        { method: 'attest', body: { nonce }, idempotent: false },
        { timeout: 200 },
      )
      if (entry.name === 'duplicateResponse') {
        // The first copy is a good answer; the second one ends the connection, under whoever asks at that
        // very moment or before: an answer then comes over a connection of its own.
        await failing
        const next = await client
          .request({ method: 'attest', body: { nonce }, idempotent: false }, { timeout: 200 })
          .then(
            () => `answered by connection ${dialed}`,
            (error: { code?: string }) => error.code,
          )
        expect(['answered by connection 2', 'ENCLAVE_PROTOCOL', 'ENCLAVE_TRANSPORT']).toContain(
          next,
        )
      } else await expect(failing).rejects.toMatchObject({ code: entry.code, retryable: true })
      faulty = false
      expect((await evaluator.evaluate(transferRequest(5n))).allow).toBe(true)
      await evaluator.close()
    },
  )
})

describe("the module's conformance list (AWS's nsm-check)", () => {
  test('PCRs 0 to 15 are locked at the start, 16 to 31 are zero and open', async () => {
    const { nsm } = createSimulator({ image })
    const description = await nsm.describe()
    expect(description).toMatchObject({ maxPcrs: 32, digest: 'SHA384' })
    expect(description.moduleId).toContain('sim')
    expect(description.lockedPcrs).toEqual(Array.from({ length: 16 }, (_, i) => i))
    for (let index = 0; index < 32; index++) {
      const { locked, data } = await nsm.describePcr(index)
      expect(locked).toBe(index < 16)
      expect(data.length).toBe(48)
      if (index >= 16) expect(data.every((byte) => byte === 0)).toBe(true)
    }
    await expect(nsm.describePcr(32)).rejects.toMatchObject({ fault: 'InvalidIndex' })
  })

  test('locking and extending', async () => {
    const { nsm } = createSimulator({ image })
    const data = Uint8Array.of(1, 2, 3)
    for (let index = 0; index < 16; index++) {
      await expect(nsm.lockPcr(index)).rejects.toMatchObject({ fault: 'ReadOnlyIndex' })
      await expect(nsm.extendPcr({ index, data })).rejects.toMatchObject({ fault: 'ReadOnlyIndex' })
    }
    const { createHash } = await import('node:crypto')
    const extended = await nsm.extendPcr({ index: 16, data })
    expect(
      Buffer.compare(
        extended,
        createHash('sha384').update(new Uint8Array(48)).update(data).digest(),
      ),
    ).toBe(0)
    await nsm.lockPcr(16)
    await expect(nsm.extendPcr({ index: 16, data })).rejects.toMatchObject({
      fault: 'ReadOnlyIndex',
    })
    await nsm.lockPcrs(32)
    expect((await nsm.describe()).lockedPcrs).toHaveLength(32)
    await expect(nsm.lockPcrs(33)).rejects.toMatchObject({ fault: 'InvalidIndex' })
    await expect(nsm.extendPcr({ index: 17, data: new Uint8Array(0) })).rejects.toMatchObject({
      fault: 'InvalidArgument',
    })
  })

  test('a locked user PCR is in the documents from then on', async () => {
    const simulator = createSimulator({ image })
    const pcrsOf = async (): Promise<string[]> => {
      const verdict = await verifyNitroAttestation(await simulator.nsm.attest({}), {
        ...simulator.policy,
        freshness: { kind: 'maxAge', maxAge: 60_000 },
        binding: { userData: 'absent', publicKey: 'absent' },
      })
      return verdict.status === 'valid' ? Object.keys(verdict.attestation.pcrs) : []
    }
    expect(await pcrsOf()).toHaveLength(16)
    await simulator.nsm.extendPcr({ index: 20, data: Uint8Array.of(1) })
    expect(await pcrsOf()).toHaveLength(16)
    await simulator.nsm.lockPcr(20)
    expect(await pcrsOf()).toContain('20')
  })

  test('three fields of 1024 bytes; 1025 are too many', async () => {
    const { nsm } = createSimulator({ image })
    const full = new Uint8Array(1024).fill(1)
    const document = await nsm.attest({ userData: full, nonce: full, publicKey: full })
    expect(document.length).toBeLessThan(NSM_MAX_RESPONSE)
    await expect(nsm.attest({ userData: new Uint8Array(1025) })).rejects.toMatchObject({
      fault: 'InputTooLarge',
    })
  })

  test('random bytes do not repeat', async () => {
    const { nsm } = createSimulator({ image })
    const seen = new Set(
      await Promise.all(
        Array.from({ length: 50 }, async () => Buffer.from(await nsm.random()).toString('hex')),
      ),
    )
    expect(seen.size).toBe(50)
  })

  test('requests of anything are answered with a code of the module', async () => {
    const { device, nsm } = createSimulator({ image })
    const bytes = [
      new Uint8Array(0),
      Uint8Array.of(0xff),
      Uint8Array.of(0xa0),
      new Uint8Array(NSM_MAX_REQUEST + 1),
      Uint8Array.of(0x61, 0x78),
    ]
    for (const request of bytes) {
      const odd = createNsm({ call: () => device.call(request) })
      await expect(odd.random()).rejects.toMatchObject({ code: 'NSM_ERROR' })
    }
    const lying = createNsm({ call: async () => Uint8Array.of(0x01) })
    await expect(lying.describe()).rejects.toMatchObject({ fault: 'InvalidResponse' })
    await expect(nsm.describePcr(-1)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
