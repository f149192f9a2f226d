import { describe, expect, test } from 'vitest'
import { fromHex } from '../../internal/bytes.js'
import {
  type ChainClient,
  type ChainEvent,
  defineEnclaveApp,
  defineRequest,
  type EnclaveApp,
  type RequestRoute,
} from '../app/app.js'
import { decodeReply, encodeCall } from '../app/call.js'
import { createAppEnclave } from '../app/enclave.js'
import { AppRefusalError, TransactionRejectedError } from '../app/errors.js'
import { createAttestor, createKeyManager } from '../app/keyManager.js'
import { createSimulator } from '../simulator/index.js'
import { uint64Codec } from '../store/codec.js'
import { memoryKv } from '../store/kv.js'
import { createTypedStore, defineKey } from '../store/typedStore.js'
import { type AppHost, type AppHostEvent, createAppHost } from './host.js'
import { createMetrics } from './metrics.js'

const simulator = createSimulator({ image: [{ name: 'app', bytes: Uint8Array.of(1) }] })
const attestor = createAttestor(simulator.nsm)
const keys = createKeyManager({
  masterSecret: new Uint8Array(32).fill(3),
  pcr0: fromHex(simulator.measurements.pcrs[0]),
})
const total = defineKey('total', uint64Codec)

type Routes = { add: RequestRoute<readonly [bigint, bigint], bigint> }
type Adder = EnclaveApp<bigint, Routes, bigint>

/** Adds amounts. Each request carries something newer, as one with a proof of the newest block does. */
function adder(): Adder {
  let built = 0n
  return defineEnclaveApp<bigint, Routes, bigint>({
    name: 'adder',
    requests: {
      add: defineRequest({
        input: {
          encode: ([amount, fresh]: readonly [bigint, bigint]) =>
            Uint8Array.of(Number(amount), Number(fresh)),
          decode: ([amount = 0, fresh = 0]) => [BigInt(amount), BigInt(fresh)] as const,
        },
        output: uint64Codec,
        handle: async ([amount], { store }) => {
          if (amount === 13n) throw new AppRefusalError({ reason: 'UNLUCKY' })
          const next = ((await store.get(total)) ?? 0n) + amount
          store.set(total, next)
          return next
        },
      }),
    },
    events: {
      added: {
        matches: () => true,
        build: ({ event }) => ({ type: 'add', input: [event, built++] }),
        transaction: ([answer]) => answer?.output,
      },
    },
  })
}

const eventOf = (sequence: bigint, event: bigint, id = `e${sequence}`): ChainEvent<bigint> => ({
  ...{ cursor: String(sequence), contract: '0xc1', sequence, id, event },
})

/** A contract that takes each answer once, in order; what it took is final `lag` looks later. */
function contractOf(
  amounts: readonly bigint[],
  lag = 0,
): ChainClient<bigint, bigint, string> & { landed: bigint[] } {
  const landed: bigint[] = []
  let looks = 0
  return {
    landed,
    events: async function* ({ signal }) {
      for (const [index, amount] of amounts.entries()) yield eventOf(BigInt(index + 1), amount)
      await new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve(), { once: true }),
      )
    },
    submit: async (transaction, { idempotencyKey }) => {
      const sequence = Number(idempotencyKey.split(':').at(-1))
      if (sequence !== landed.length + 1) {
        throw new TransactionRejectedError({ reason: 'out of order' })
      }
      landed.push(transaction)
      return idempotencyKey
    },
    taken: async () => BigInt(landed.length),
    sequence: async () => ({ sequence: BigInt(looks++ < lag ? 0 : landed.length) }),
  }
}

function enclaveOf(app: Adder): (bytes: Uint8Array) => Promise<Uint8Array> {
  return createAppEnclave({
    ...{ app, attestor, keys, chain: 'trust-host', rollback: 'trust-host' },
    store: createTypedStore(memoryKv()),
  }).call
}

type Chain = ReturnType<typeof contractOf>
function hostOf(
  app: Adder,
  { chain, enclave }: { chain: Chain; enclave: (bytes: Uint8Array) => Promise<Uint8Array> },
): { host: AppHost<Routes, string>; seen: AppHostEvent[] } {
  const seen: AppHostEvent[] = []
  const host = createAppHost({
    ...{ app, chain, enclave, eventCodec: uint64Codec, transactionCodec: uint64Codec },
    store: createTypedStore(memoryKv()),
    retryDelay: () => 1,
    onEvent: (event) => seen.push(event),
  })
  return { host, seen }
}

const count = (seen: readonly AppHostEvent[], ...types: AppHostEvent['type'][]): number =>
  seen.filter(({ type }) => types.includes(type)).length

describe('recall', () => {
  test('an answer is found again by its event, with whatever proof it is asked for', async () => {
    const app = adder()
    const enclave = enclaveOf(app)
    const place = { contract: '0xc1', sequence: 1n, chainSequence: 0n, proof: undefined, id: 'e1' }
    const call = (input: number[]): Promise<Uint8Array> =>
      enclave(
        encodeCall({
          ...{ kind: 'event', ...place },
          calls: [{ type: 'add', input: Uint8Array.from(input) }],
        }),
      )
    const first = decodeReply(await call([5, 200]))
    // A host that died after it had asked: its inbox still has the event.
    const chain = contractOf([5n, 6n])
    const { host, seen } = hostOf(app, { chain, enclave })
    const controller = new AbortController()
    const stopped = host.run({ signal: controller.signal })
    await expect.poll(() => count(seen, 'submitted')).toBe(2)
    controller.abort()
    await stopped
    expect(chain.landed).toEqual([5n, 11n])
    const recall = { kind: 'recall', contract: '0xc1', sequence: 1n } as const
    expect(decodeReply(await enclave(encodeCall({ ...recall, id: 'e1' })))).toEqual(first)
    // The answer of an event is none of the one that a reorganization put in its place.
    for (const wrong of [
      { ...recall, id: 'other' },
      { ...recall, id: 'e1', sequence: 9n },
      { ...recall, id: 'e1', contract: '0xc2' },
    ]) {
      const reply = await enclave(encodeCall(wrong))
      expect(() => decodeReply(reply)).toThrow(/SEQUENCE_(REPLAY|GAP)/)
    }
    for (const id of ['', 'a b', 'x'.repeat(257), undefined]) {
      const reply = await enclave(encodeCall({ ...recall, id: id as string }))
      expect(() => decodeReply(reply)).toThrow('MALFORMED')
    }
  })
})

describe('two hosts', () => {
  test('answer every event once, and both come to rest', async () => {
    const app = adder()
    const enclave = enclaveOf(app)
    const amounts = Array.from({ length: 12 }, (_, n) => BigInt(n + 1))
    const chain = contractOf(amounts, 3)
    const hosts = [hostOf(app, { chain, enclave }), hostOf(app, { chain, enclave })]
    const controller = new AbortController()
    const stopped = hosts.map(({ host }) => host.run({ signal: controller.signal }))
    for (const { seen } of hosts) {
      await expect.poll(() => count(seen, 'submitted', 'settled'), { timeout: 10_000 }).toBe(12)
    }
    controller.abort()
    await Promise.all(stopped)
    let sum = 0n
    expect(chain.landed).toEqual(amounts.map((amount) => (sum += amount)))
    expect(hosts.reduce((all, { seen }) => all + count(seen, 'submitted'), 0)).toBe(12)
    for (const { host } of hosts) {
      expect(await host.pending()).toEqual({ inbox: 0, outbox: 0, deadLetters: 0 })
    }
  })
})

describe('metrics', () => {
  test('count what came, ended and failed, and how long it took', async () => {
    const app = adder()
    const chain = contractOf([1n, 13n, 2n])
    let down = 2
    const inside = enclaveOf(app)
    const enclave = async (bytes: Uint8Array): Promise<Uint8Array> => {
      if (down-- > 0) throw new TypeError('no connection')
      return inside(bytes)
    }
    const { host, seen } = hostOf(app, { chain, enclave })
    const controller = new AbortController()
    const stopped = host.run({ signal: controller.signal })
    await expect.poll(() => count(seen, 'dead-letter')).toBe(1)
    controller.abort()
    await stopped
    // The refusal was not submitted, so the third is out of order for this contract.
    expect(await host.metrics()).toMatchObject({
      ...{ received: 3, handled: 3, submitted: 1, deadLetters: 1 },
      ...{ waiting: { inbox: 0, outbox: 0 }, lag: 0, retries: { handle: 2, submit: 3 } },
    })
  })

  test('lag is the age of the oldest that waits', () => {
    let time = 1_000
    const metrics = createMetrics(() => time)
    const none = { inbox: 0, outbox: 0, deadLetters: 0 }
    expect(metrics.read(none).lag).toBe(0)
    metrics.received({ contract: 'c', sequence: 1n })
    time = 1_500
    metrics.received({ contract: 'c', sequence: 2n })
    time = 2_000
    expect(metrics.read({ ...none, inbox: 2 }).lag).toBe(1_000)
    metrics.handled({ contract: 'c', sequence: 1n }, false)
    metrics.submitted({ contract: 'c', sequence: 1n })
    expect(metrics.read({ ...none, inbox: 1 })).toMatchObject({
      ...{ lag: 500, latency: { last: 1_000, longest: 1_000 } },
    })
    metrics.buried({ contract: 'c', sequence: 2n })
    // Of before this process: since it started.
    expect(metrics.read({ ...none, outbox: 1 }).lag).toBe(1_000)
  })
})
