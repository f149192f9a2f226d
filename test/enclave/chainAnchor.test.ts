import { type Address, createWalletClient, type Hex, http, publicActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type AnchorCarrier,
  type BlobStore,
  type ChainAnchorParameters,
  chainAnchor,
  createAttestor,
  createKeyManager,
  createTypedStore,
  type HeaderTrust,
  handOverState,
  memoryBlobs,
  memoryKv,
  openSealedKv,
  receiveHandOver,
  requestHandOver,
  type StateAnchor,
} from '../../src/enclave/index.js'
import { createSimulator, type Simulator } from '../../src/enclave/simulator/index.js'
import { createAnchorCarrier, type SubmissionEvent } from '../../src/registry/index.js'
import { artifacts } from '../../src/testing/artifacts/contracts.js'
import { deployContract } from '../../src/testing/contracts.js'
import { type Anvil, startAnvil } from '../../src/testing/node/index.js'

const funded = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)
const key = new Uint8Array(32).fill(7)
const put = (name: string, value = name) => ({
  checks: [],
  writes: [{ key: name, value: new TextEncoder().encode(value) }],
})
let anvil: Anvil
let contract: Address
let lines = 0

const wallet = () =>
  createWalletClient({ account: funded, chain: foundry, transport: http(anvil.url) }).extend(
    publicActions,
  )
const mine = (blocks = 3): Promise<unknown> => anvil.rpc('anvil_mine', [`0x${blocks.toString(16)}`])

beforeAll(async () => {
  anvil = await startAnvil({ slotsInAnEpoch: 1 })
  contract = await deployContract(wallet(), { ...artifacts.stateAnchor, args: [] })
  await mine()
}, 60_000)
afterAll(() => anvil?.stop())

/** Each test has a line of its own. */
let account: Awaited<ReturnType<ReturnType<typeof createKeyManager>['evmAccount']>>
beforeEach(async () => {
  const keys = createKeyManager({
    masterSecret: new Uint8Array(32).fill(++lines),
    pcr0: new Uint8Array(48).fill(1),
  })
  account = await keys.evmAccount('state-anchor')
})

/** Blocks of the chain that are near. */
const near: HeaderTrust = async ({ number, hash }) => {
  const newest = await wallet().getBlockNumber({ cacheTime: 0 })
  const block = await wallet().getBlock({ blockNumber: number })
  return block.hash === hash && newest - number <= 8n
}

function carrierOf(finality: 'finalized' | 'latest' = 'finalized') {
  const seen: SubmissionEvent[] = []
  const carrier = createAnchorCarrier({
    client: wallet(),
    store: createTypedStore(memoryKv()),
    ...{ finality, pollingInterval: 10, onEvent: (event: SubmissionEvent) => seen.push(event) },
  })
  return { carrier, seen }
}

/** A carrier on a chain that goes on while it is looked at. */
function moving(carrier: AnchorCarrier): AnchorCarrier {
  return {
    ...carrier,
    prove: async (parameters, options) => {
      await mine(1)
      return carrier.prove(parameters, options)
    },
  }
}

const anchorOf = (
  carrier: AnchorCarrier,
  more: Partial<ChainAnchorParameters> = {},
): StateAnchor => {
  const { chainId } = anvil
  return chainAnchor({
    ...{ contract, chainId, account, carrier, isTrusted: near, pollingInterval: 5 },
    ...more,
  })
}

type Side = {
  simulator: Simulator
  keys: ReturnType<typeof createKeyManager>
  attestor: ReturnType<typeof createAttestor>
}

async function copyOf(blobs: BlobStore): Promise<BlobStore> {
  const copy = memoryBlobs()
  for (const name of await blobs.names()) {
    await copy.write(name, (await blobs.read(name)) as Uint8Array)
  }
  return copy
}

describe('chainAnchor', () => {
  test('a state outlives its process, and an older one in its place is refused', async () => {
    const blobs = memoryBlobs()
    const anchor = anchorOf(moving(carrierOf().carrier))
    expect(await anchor.latest()).toBeUndefined()
    const first = await openSealedKv({ key, blobs, anchor })
    await first.commit(put('a'))
    const old = await copyOf(blobs)
    await first.commit(put('b'))
    await first.close()
    expect((await anchor.latest())?.sequence).toBe(2n)
    expect(await anchor.final?.()).toEqual(await anchor.latest())
    // Another process, with a carrier that knows nothing.
    const restarted = anchorOf(moving(carrierOf().carrier))
    const second = await openSealedKv({ key, blobs, anchor: restarted })
    expect(await second.keys('')).toEqual(['a', 'b'])
    await second.commit(put('c'))
    await expect(openSealedKv({ key, blobs: old, anchor: restarted })).rejects.toMatchObject({
      code: 'STATE_ROLLBACK',
    })
  })

  test('of two writers one goes on, the other stops for good', async () => {
    const blobs = memoryBlobs()
    const a = await openSealedKv({ key, blobs, anchor: anchorOf(moving(carrierOf().carrier)) })
    const b = await openSealedKv({ key, blobs, anchor: anchorOf(moving(carrierOf().carrier)) })
    await a.commit(put('a'))
    await expect(b.commit(put('b'))).rejects.toMatchObject({ code: 'STORE_STOPPED' })
    await a.commit(put('c'))
    expect(await a.keys('')).toEqual(['a', 'c'])
  })

  test('a lost answer is found out, the step is not made twice', async () => {
    const { carrier, seen } = carrierOf()
    let lose = true
    const losing: AnchorCarrier = {
      ...moving(carrier),
      submit: async (parameters, options) => {
        await carrier.submit(parameters, options)
        if (lose) throw new TypeError('the connection is gone')
      },
    }
    const kv = await openSealedKv({ key, blobs: memoryBlobs(), anchor: anchorOf(losing) })
    await expect(kv.commit(put('a'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    lose = false
    await kv.commit(put('b'))
    expect(await kv.keys('')).toEqual(['a', 'b'])
    expect(seen.filter(({ type }) => type === 'sent')).toHaveLength(2)
  })

  test('what a reorganization of the anchor takes back is sent again, unchanged', async () => {
    const blobs = memoryBlobs()
    const { carrier, seen } = carrierOf('latest')
    const anchor = anchorOf(carrier)
    const kv = await openSealedKv({ key, blobs, anchor })
    await kv.commit(put('a'))
    const snapshot = await anvil.rpc('evm_snapshot')
    await kv.commit(put('b'))
    const two = await anchor.latest()
    await anvil.rpc('evm_revert', [snapshot])
    await anvil.rpc('evm_increaseTime', [60])
    await mine(1)
    await kv.commit(put('c'))
    expect(seen.some(({ type }) => type === 'undone')).toBe(true)
    expect((await anchor.latest())?.sequence).toBe(3n)
    // The second step is the very same one: its record still opens.
    const again = await openSealedKv({ key, blobs, anchor: anchorOf(carrierOf('latest').carrier) })
    expect(await again.keys('')).toEqual(['a', 'b', 'c'])
    expect(two?.sequence).toBe(2n)
  })

  test('a carrier that lies shows nothing', async () => {
    const { carrier } = carrierOf('latest')
    const kv = await openSealedKv({ key, blobs: memoryBlobs(), anchor: anchorOf(carrier) })
    await kv.commit(put('a'))
    let kept: readonly Uint8Array[] = []
    const keeping: AnchorCarrier = {
      ...carrier,
      prove: async (parameters) => {
        kept = await carrier.prove(parameters)
        return kept
      },
    }
    await anchorOf(keeping).latest()
    await kv.commit(put('b'))
    const lying = (proofs: (right: readonly Uint8Array[]) => unknown): Promise<unknown> =>
      anchorOf({
        ...carrier,
        prove: async (parameters) => proofs(await carrier.prove(parameters)) as never,
      }).latest()
    const bad: [Parameters<typeof lying>[0], string][] = [
      [([first]) => [first], 'MISSING'],
      [() => undefined, 'MISSING'],
      [([first]) => [first, kept[1]], 'HEADER'],
      [([first, second]) => [second, first], 'INCOMPLETE|TRAILING|HASH|MALFORMED'],
      [([first]) => [first, new Uint8Array(9)], 'MALFORMED'],
    ]
    for (const [proofs, fault] of bad) {
      await expect(lying(proofs)).rejects.toMatchObject({
        ...{ code: 'SEQUENCE_PROOF', fault: expect.stringMatching(new RegExp(`^(${fault})$`)) },
      })
    }
    // What was true once is an old state: its block is too far behind.
    await mine(9)
    await expect(lying(() => kept)).rejects.toMatchObject({ fault: 'UNTRUSTED' })
    const doubting = anchorOf(carrier, { isTrusted: () => 1 as never })
    await expect(doubting.latest()).rejects.toMatchObject({ fault: 'UNTRUSTED' })
  })

  test('nobody moves the line of another, and a successor does from its step on', async () => {
    const { carrier } = carrierOf('latest')
    const line = account.address
    const anchor = anchorOf(carrier)
    const zero: Hex = `0x${'00'.repeat(32)}`
    const step = (sequence: bigint, previous: Hex, successor?: string) => {
      const stateHash: Hex = `0x${sequence.toString(16).padStart(64, 'a')}`
      return { sequence, stateHash, previous, successor }
    }
    const stranger = anchorOf(carrier, { line, account: funded })
    const [one, two] = [step(1n, zero), step(2n, step(1n, zero).stateHash, funded.address)]
    await expect(stranger.advance(one)).rejects.toMatchObject({ code: 'TRANSACTION_REJECTED' })
    await anchor.advance(one)
    await anchor.advance(one)
    await anchor.advance(two)
    const three = step(3n, two.stateHash)
    await expect(anchor.advance(three)).rejects.toMatchObject({ code: 'TRANSACTION_REJECTED' })
    await stranger.advance(three)
    expect(await anchor.latest()).toEqual({ sequence: 3n, stateHash: three.stateHash })
    const nobody = { ...step(4n, three.stateHash), successor: 'me' }
    await expect(stranger.advance(nobody)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('the next build takes the line over with a key of its own, through a reorganization', async () => {
    const blobs = memoryBlobs()
    const { carrier } = carrierOf('latest')
    const line = account.address
    const first = await openSealedKv({ key, blobs, anchor: anchorOf(carrier) })
    await first.commit(put('a'))
    const [old, next] = [1, 2].map((version) => {
      const image = [{ name: 'app', bytes: Uint8Array.of(version) }]
      const simulator = createSimulator({ image })
      const pcr0 = Buffer.from(simulator.measurements.pcrs[0].slice(2), 'hex')
      const keys = createKeyManager({ masterSecret: new Uint8Array(32).fill(version), pcr0 })
      return { simulator, keys, attestor: createAttestor(simulator.nsm) }
    }) as [Side, Side]
    const successor = await next.keys.evmAccount('state-anchor')
    await handOverState({
      ...{ state: first, attestor: old.attestor },
      policy: { ...next.simulator.policy, freshness: { kind: 'maxAge', maxAge: 60_000 } },
      request: await requestHandOver({ ...next, anchorKey: successor.address }),
    })
    const { clock: _, ...policy } = old.simulator.policy
    const takeOver = receiveHandOver({ blobs, ...next, policy: { ...policy, at: 'document' } })
    const openNext = (by = carrier) =>
      openSealedKv({
        ...{ key: new Uint8Array(32).fill(8), blobs, takeOver },
        anchor: anchorOf(by, { line, account: successor }),
      })
    await expect(openNext()).rejects.toMatchObject({ code: 'HAND_OVER_PENDING' })
    await mine()
    const second = await openNext()
    const snapshot = await anvil.rpc('evm_snapshot')
    await second.commit(put('b'))
    await anvil.rpc('evm_revert', [snapshot])
    await anvil.rpc('evm_increaseTime', [60])
    await mine(1)
    await second.commit(put('c'))
    expect(await (await openNext(carrierOf('latest').carrier)).keys('')).toEqual(['a', 'b', 'c'])
    // The old key is worth nothing any more.
    const stale = openSealedKv({ key, blobs, anchor: anchorOf(carrier) })
    await expect(stale).rejects.toMatchObject({ code: 'SEALED_STATE' })
  })

  test('error: INVALID_INPUT for options that are none', () => {
    const { carrier } = carrierOf()
    const wrong: [Partial<ChainAnchorParameters>, string][] = [
      [{ contract: '0x1' }, 'contract'],
      [{ line: 'line' as never }, 'line'],
      [{ chainId: 1.5 }, 'chainId'],
      [{ isTrusted: 'host' as never }, 'isTrusted'],
      [{ pollingInterval: 0 }, 'pollingInterval'],
    ]
    for (const [options, field] of wrong) expect(() => anchorOf(carrier, options)).toThrow(field)
  })
})
