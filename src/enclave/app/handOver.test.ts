import { describe, expect, test } from 'vitest'
import { fromHex } from '../../internal/bytes.js'
import { readCbor } from '../cbor/read.js'
import { writeCbor } from '../cbor/write.js'
import { createAppHost } from '../host/host.js'
import { createSimulator, type Simulator } from '../simulator/index.js'
import { uint64Codec } from '../store/codec.js'
import {
  memoryAnchor,
  type StateAdvance,
  type StateAnchor,
  takesStep,
} from '../store/sealed/anchor.js'
import { type BlobStore, memoryBlobs } from '../store/sealed/blobs.js'
import { openSealedKv, type SealedKv } from '../store/sealed/kv.js'
import { bequestName, type StatePlace } from '../store/sealed/record.js'
import { createTypedStore, defineKey } from '../store/typedStore.js'
import { defineEnclaveApp, defineRequest, type EnclaveApp, type RequestRoute } from './app.js'
import { decodeReply, encodeCall } from './call.js'
import { createAppEnclave } from './enclave.js'
import { handOverState, receiveHandOver, requestHandOver } from './handOver.js'
import { createAttestor, createKeyManager } from './keyManager.js'

const total = defineKey('total', uint64Codec)

/** A build of an enclave: what it is measured as, its keys, and the key it seals its state with. */
function build(version: number) {
  const simulator = createSimulator({
    image: [{ name: 'app', bytes: Uint8Array.of(version) }],
    // One root for all: builds differ in what is measured.
    seed: new Uint8Array(32).fill(4),
  })
  const keys = createKeyManager({
    masterSecret: new Uint8Array(32).fill(9),
    pcr0: fromHex(simulator.measurements.pcrs[0]),
  })
  const attestor = createAttestor(simulator.nsm)
  return { simulator, keys, attestor, key: new Uint8Array(32).fill(version) }
}
type Build = ReturnType<typeof build>
const [old, next, stranger] = [build(1), build(2), build(3)]

const asking = ({ policy }: Simulator) =>
  ({ ...policy, freshness: { kind: 'maxAge', maxAge: 60_000 } }) as const
const past = ({ policy: { clock: _, ...policy } }: Simulator) =>
  ({ ...policy, at: 'document' }) as const

/** Opens the state as a build does: the next one takes over from the old one. */
function open(who: Build, { blobs, anchor }: World, from: Build = old): Promise<SealedKv> {
  const takeOver = receiveHandOver({ blobs, keys: who.keys, policy: past(from.simulator) })
  return openSealedKv({ key: who.key, blobs, anchor, ...(who === old ? {} : { takeOver }) })
}

type World = { blobs: BlobStore; anchor: StateAnchor }
const world = (anchor: StateAnchor = memoryAnchor()): World => ({ blobs: memoryBlobs(), anchor })

async function handOver(state: SealedKv, to: Build = next): Promise<void> {
  await handOverState({
    ...{ state, attestor: old.attestor, policy: asking(next.simulator) },
    request: await requestHandOver({ ...to, anchorKey: 'next' }),
  })
}

const put = (state: SealedKv, name: string): Promise<boolean> =>
  state.commit({ checks: [], writes: [{ key: name, value: Uint8Array.of(1) }] })

/** An anchor on a chain that may be reorganized: what is above `final` can be undone. */
function reorganizing(): StateAnchor & {
  steps: StateAdvance[]
  finalize(): void
  undo(count: number): void
} {
  let steps: StateAdvance[] = []
  let final = 0
  const placeAt = (count: number): StatePlace | undefined => {
    const step = steps[count - 1]
    return step === undefined ? undefined : { sequence: step.sequence, stateHash: step.stateHash }
  }
  return {
    get steps() {
      return steps
    },
    latest: async () => placeAt(steps.length),
    final: async () => placeAt(final),
    advance: async (step) => {
      if (takesStep(placeAt(steps.length), step)) steps.push(step)
    },
    finalize: () => {
      final = steps.length
    },
    undo: (count) => {
      steps = steps.slice(0, steps.length - count)
    },
  }
}

describe('hand-over', () => {
  test('the next build goes on where the old one stopped, under keys of its own', async () => {
    const around = world()
    const first = await open(old, around)
    await put(first, 'a')
    await put(first, 'b')
    await handOver(first)
    for (const call of [() => put(first, 'c'), () => first.get('a'), () => handOver(first)]) {
      await expect(call()).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    }
    await expect(open(old, around)).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    const second = await open(next, around)
    expect(await second.keys('')).toEqual(['a', 'b'])
    // Until its first record is there, it takes over as often as it likes.
    const again = await open(next, around)
    await put(again, 'c')
    await expect(put(second, 'd')).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    // The old line is gone, and what was left with it.
    const left = (await around.blobs.names()).map((name) => BigInt(name.slice(0, 20)))
    expect(new Set(left)).toEqual(new Set([4n]))
    const third = await open(next, around)
    expect(await third.keys('')).toEqual(['a', 'b', 'c'])
    await expect(open(old, around)).rejects.toMatchObject({ code: 'SEALED_STATE' })
  })

  test('a state without a record, and one handed on twice', async () => {
    const around = world()
    await handOver(await open(old, around))
    const second = await open(next, around)
    await put(second, 'a')
    await handOverState({
      ...{ state: second, attestor: next.attestor, policy: asking(stranger.simulator) },
      request: await requestHandOver(stranger),
    })
    const third = await open(stranger, around, next)
    expect(await third.keys('')).toEqual(['a'])
  })

  test('requests of anything else are refused, and the line goes on', async () => {
    const around = world()
    const state = await open(old, around)
    await put(state, 'a')
    await expect(handOver(state, stranger)).rejects.toMatchObject({ name: 'NitroAttestationError' })
    const right = await requestHandOver({ ...next, anchorKey: 'next' })
    const parts = readCbor(right, { form: 'strict' }) as Map<string, Uint8Array | string>
    const bare = await next.attestor.attest({ publicKey: new Uint8Array(32).fill(1) })
    const wrong: [Uint8Array, string][] = [
      [writeCbor({ document: parts.get('document'), anchorKey: 'host' } as never), 'Nitro'],
      [writeCbor({ document: parts.get('document') } as never), 'Nitro'],
      [writeCbor({ document: bare }), 'Nitro'],
      [right.slice(1), 'SealedState'],
      [writeCbor({ document: 'text' }), 'SealedState'],
      [writeCbor({ document: bare, anchorKey: 'a b' }), 'SealedState'],
    ]
    for (const [request, name] of wrong) {
      const { attestor } = old
      const policy = asking(next.simulator)
      await expect(handOverState({ state, attestor, request, policy })).rejects.toMatchObject({
        name: expect.stringMatching(name),
      })
    }
    await put(state, 'b')
    expect(await state.keys('')).toEqual(['a', 'b'])
  })

  test('what another build, or nobody, left for the successor is refused', async () => {
    const around = world()
    const state = await open(old, around)
    await put(state, 'a')
    await handOver(state)
    const place = (await around.anchor.latest()) as StatePlace
    const name = bequestName(place)
    const right = (await around.blobs.read(name)) as Uint8Array
    const parts = readCbor(right, { form: 'strict' }) as Map<string, Uint8Array>
    const forged = await stranger.attestor.attest({ userData: new Uint8Array(32) })
    const left: [Uint8Array, string][] = [
      [right.slice(0, -1), 'SealedState'],
      [writeCbor({ ...Object.fromEntries(parts), document: forged }), 'Nitro'],
      [writeCbor({ ...Object.fromEntries(parts), enc: new Uint8Array(32).fill(9) }), 'Nitro'],
    ]
    for (const [bytes, error] of left) {
      await around.blobs.write(name, bytes)
      await expect(open(next, around)).rejects.toMatchObject({
        name: expect.stringMatching(error),
      })
    }
    await around.blobs.delete(name)
    await expect(open(next, around)).rejects.toMatchObject({ code: 'SEALED_STATE' })
    await around.blobs.write(name, right)
    // For another build than the one that asked it does not open.
    await expect(open(stranger, around)).rejects.toMatchObject({ name: 'NitroAttestationError' })
    expect(await (await open(next, around)).keys('')).toEqual(['a'])
  })

  test('killed before the anchor moved, the old build ends its line when it is back', async () => {
    const around = world()
    const broken: StateAnchor = {
      ...around.anchor,
      advance: async () => Promise.reject(new TypeError('down')),
    }
    await put(await open(old, around), 'a')
    const state = await open(old, { ...around, anchor: broken })
    await expect(handOver(state)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(open(old, around)).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    expect(await (await open(next, around)).keys('')).toEqual(['a'])
  })

  test('a reorganization of the anchor: nothing starts before the end is final, nothing is lost', async () => {
    const anchor = reorganizing()
    const around = world(anchor)
    const state = await open(old, around)
    await put(state, 'a')
    anchor.finalize()
    await handOver(state)
    expect(anchor.steps.at(-1)?.successor).toBe('next')
    await expect(open(next, around)).rejects.toMatchObject({
      ...{ code: 'HAND_OVER_PENDING', retryable: true },
    })
    anchor.undo(1)
    // The old build is started once more and sends the very same step.
    await expect(open(old, around)).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    expect(anchor.steps.at(-1)?.successor).toBe('next')
    anchor.finalize()
    const second = await open(next, around)
    await put(second, 'b')
    anchor.undo(1)
    await put(second, 'c')
    anchor.undo(2)
    // And a process that starts while the first records of the new line are undone adopts them.
    const third = await open(next, around)
    expect(await third.keys('')).toEqual(['a', 'b', 'c'])
    await put(third, 'd')
    expect(anchor.steps.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n])
  })
})

type Routes = { add: RequestRoute<bigint, bigint> }
const app: EnclaveApp<bigint, Routes, bigint> = defineEnclaveApp<bigint, Routes, bigint>({
  name: 'adder',
  requests: {
    add: defineRequest({
      input: uint64Codec,
      output: uint64Codec,
      handle: async (amount, { store }) => {
        const sum = ((await store.get(total)) ?? 0n) + amount
        store.set(total, sum)
        return sum
      },
    }),
  },
  events: {
    added: {
      matches: () => true,
      build: ({ event }) => ({ type: 'add', input: event }),
      transaction: ([answer]) => answer?.output,
    },
  },
})

describe('an application', () => {
  const enclaveOf = (who: Build, kv: SealedKv, withHandOver = true) =>
    createAppEnclave({
      ...{ app, attestor: who.attestor, keys: who.keys, store: createTypedStore(kv) },
      chain: 'trust-host',
      handOver: withHandOver
        ? async (request) =>
            handOverState({
              ...{ state: kv, attestor: who.attestor, request },
              policy: asking(next.simulator),
            })
        : undefined,
    })
  const ask = (sequence: bigint, amount: bigint): Uint8Array =>
    encodeCall({
      ...{ kind: 'event', contract: '0xc1', sequence, chainSequence: 0n, proof: undefined },
      calls: [{ type: 'add', input: uint64Codec.encode(amount) }],
    })
  const answer = (bytes: Uint8Array): bigint =>
    uint64Codec.decode(decodeReply(bytes).outputs[0]?.output as Uint8Array)

  test('keeps its sequence and its values through the host', async () => {
    const around = world()
    const first = enclaveOf(old, await open(old, around))
    expect(answer(await first.call(ask(1n, 5n)))).toBe(5n)
    const host = createAppHost({
      ...{ app, enclave: first.call, store: createTypedStore(await open(stranger, world())) },
      ...{ eventCodec: uint64Codec, transactionCodec: uint64Codec },
      chain: {
        events: async function* () {},
        submit: async () => 'receipt',
        sequence: async () => ({ sequence: 0n }),
      },
    })
    await host.handOver(await requestHandOver(next))
    const stopped = await first.call(ask(2n, 6n))
    expect(() => decodeReply(stopped)).toThrow('STORE_STOPPED')
    const second = enclaveOf(next, await open(next, around), false)
    // What the old build answered is known, and the line goes on.
    expect(answer(await second.call(ask(1n, 5n)))).toBe(5n)
    expect(answer(await second.call(ask(2n, 6n)))).toBe(11n)
    const refused = await second.call(encodeCall({ kind: 'hand-over', request: Uint8Array.of(1) }))
    expect(() => decodeReply(refused)).toThrow('NO_HAND_OVER')
  })
})
