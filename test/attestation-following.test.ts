/** Challenges on a chain that reorganizes, waits and is shared: what is due is filed and seen to stay. */
import { createWalletClient, type Hex, http, parseTransaction } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type ChallengerParameters,
  createChallenger,
  operatorWitness,
} from '../src/attestation/index.js'
import { computeArtifactDigest } from '../src/core/digest.js'
import type { WriteClient } from '../src/registry/chain/client.js'
import {
  acceptResponseSync,
  challengeAttestationDigest,
  createAcceptedResponses,
  createChallengeSink,
  createOperatorTrees,
  type SinkParameters,
} from '../src/registry/index.js'
import { type ChainWorld, createChainWorld } from './support/chainWorld.js'

let world: ChainWorld
beforeAll(async () => {
  world = await createChainWorld()
})
beforeEach(() => world.anvil.rpc('evm_setAutomine', [true]))
afterAll(() => world?.anvil.stop())

/** A wallet of its own, whose sent transactions are kept. */
function wallet(addressIndex: number): { client: WriteClient; sent: Hex[] } {
  const sent: Hex[] = []
  const client = createWalletClient({
    account: mnemonicToAccount('test test test test test test test test test test test junk', {
      addressIndex,
    }),
    chain: world.client.chain as never,
    transport: http(world.anvil.url, {
      onFetchRequest: async (request) => {
        const { method, params } = (await request.clone().json()) as {
          method: string
          params: Hex[]
        }
        if (method === 'eth_sendRawTransaction') sent.push(params[0] as Hex)
      },
    }),
    pollingInterval: 10,
  }) as WriteClient
  return { client, sent }
}

/** An accepted lie of the first three operators. */
async function lie() {
  const task = await world.makeTask()
  const { response: honest, digestPreimage } = await world.evaluate(task)
  const preimage = { ...digestPreimage, regoHash: `0x${'06'.repeat(32)}` as Hex }
  const response = { ...honest, artifactDigest: computeArtifactDigest(preimage) }
  const certificate = world.sign(response, { signers: [0, 1, 2] })
  const { challenger: by, addresses } = world
  const { receipt } = await acceptResponseSync(by, { response, certificate, task, addresses })
  await world.mine()
  return { response, certificate, at: receipt.blockNumber }
}

function challenger(
  startBlock: bigint,
  {
    client,
    sink,
    ...changes
  }: Partial<ChallengerParameters> & { client: WriteClient } & {
    sink?: never
    options?: Partial<SinkParameters>
  },
) {
  const { options, ...rest } = changes
  const { addresses } = world
  const log: string[] = []
  const made = createChallenger({
    reader: world.reader,
    responses: createAcceptedResponses({ client: world.client, addresses }),
    operators: createOperatorTrees({ client: world.client, addresses }),
    sink: createChallengeSink({ client, addresses, pollingInterval: 10, ...options }),
    ...{ challengeWindow: 1_000n, confirmations: 0, finalityDepth: 4n, startBlock },
    backoff: () => 1,
    onEvent: ({ type }) => log.push(type),
    ...rest,
  })
  const polls = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await made.poll()
      await world.mine()
    }
  }
  return { ...made, log, polls }
}

const slashed = (before: readonly bigint[]): bigint[] =>
  before.map((stake, index) => (index < 3 ? stake - stake / 10n : stake))

describe('a challenge', () => {
  test('ends when its effect is in a block that stayed', async () => {
    const { at } = await lie()
    const { poll, polls, outbox, log } = challenger(at, wallet(5))
    await poll()
    expect((await outbox())[0]).toMatchObject({ status: 'filed' })
    await polls(6)
    expect(log).toEqual(['verified', 'sending', 'filed', 'final'])
    expect((await outbox())[0]).toMatchObject({ status: 'final' })
  })

  test('that a reorganization takes is filed again', async () => {
    const { at } = await lie()
    const before = await world.stakes()
    const snapshot = await world.anvil.rpc('evm_snapshot')
    const { poll, polls, outbox, log } = challenger(at, wallet(5))
    await poll()
    expect(await world.stakes()).toEqual(slashed(before))
    const first = (await outbox())[0]?.transactionHash
    await world.anvil.rpc('evm_revert', [snapshot])
    await world.anvil.rpc('evm_increaseTime', ['0x64'])
    await world.mine(5)
    expect(await world.stakes()).toEqual(before)
    await polls(10)
    expect(await world.stakes()).toEqual(slashed(before))
    const [entry] = await outbox()
    expect(entry).toMatchObject({ status: 'final' })
    expect(entry?.transactionHashes).toHaveLength(2)
    expect(entry?.transactionHashes?.[0]).toBe(first)
    expect(log.filter((type) => type === 'reopened')).toHaveLength(1)
  })

  test('that somebody else lets wait shields nobody', async () => {
    const { response, certificate, at } = await lie()
    const before = await world.stakes()
    const { addresses } = world
    await world.anvil.rpc('evm_setAutomine', [false])
    const signers = [0, 1, 2].map((index) => operatorWitness(world.current.table, index))
    const accused = { response, certificate, signers, addresses }
    const liar = wallet(6)
    const hash = await challengeAttestationDigest(liar.client, accused)
    const { poll, polls, outbox } = challenger(at, wallet(5))
    await poll({ timeout: 2_000 }).catch(() => undefined)
    // Withdrawn: only what the honest one sent is left to be mined.
    await world.anvil.rpc('anvil_dropTransaction', [hash])
    await world.anvil.rpc('evm_setAutomine', [true])
    await world.mine()
    await polls(8)
    expect(await world.stakes()).toEqual(slashed(before))
    expect((await outbox())[0]).toMatchObject({ status: 'final' })
  })

  test('that waits is neither doubled nor called settled, and its hash is kept', async () => {
    const { at } = await lie()
    const before = await world.stakes()
    await world.anvil.rpc('evm_setAutomine', [false])
    const { client, sent } = wallet(7)
    const { poll, polls, outbox } = challenger(at, { client, options: { receiptTimeout: 200 } })
    for (let i = 0; i < 3; i++) await poll()
    const waiting = (await outbox())[0]
    expect(waiting).toMatchObject({ status: 'pending' })
    expect(waiting?.transactionHashes?.length).toBe(sent.length)
    const parsed = sent.map((raw) => parseTransaction(raw as never))
    expect(new Set(parsed.map(({ nonce }) => nonce)).size).toBe(1)
    const fees = parsed.map(({ maxFeePerGas }) => maxFeePerGas as bigint)
    for (let i = 1; i < fees.length; i++) {
      expect(fees[i]).toBeGreaterThanOrEqual(((fees[i - 1] as bigint) * 11n) / 10n)
    }
    await world.anvil.rpc('evm_setAutomine', [true])
    await world.mine()
    await polls(8)
    expect(await world.stakes()).toEqual(slashed(before))
    expect((await outbox())[0]).toMatchObject({ status: 'final' })
  })

  test('of two at once is filed by one and final for both', async () => {
    const { at } = await lie()
    const before = await world.stakes()
    const both = [challenger(at, wallet(8)), challenger(at, wallet(9))]
    await Promise.all(both.map(({ poll }) => poll()))
    for (let i = 0; i < 8; i++) {
      await world.mine()
      await Promise.all(both.map(({ poll }) => poll()))
    }
    expect(await world.stakes()).toEqual(slashed(before))
    for (const { outbox } of both) expect((await outbox())[0]?.status).toBe('final')
  })

  test('of two at once, of which one withdraws, is filed by the other and final for both', async () => {
    const { at } = await lie()
    const before = await world.stakes()
    await world.anvil.rpc('evm_setAutomine', [false])
    const options = { receiptTimeout: 200 }
    const [first, second] = [
      challenger(at, { ...wallet(8), options }),
      challenger(at, { ...wallet(9), options }),
    ]
    await first.poll()
    await second.poll()
    const sent = (await first.outbox())[0]?.transactionHashes ?? []
    expect(sent.length).toBeGreaterThan(0)
    for (const hash of sent) await world.anvil.rpc('anvil_dropTransaction', [hash])
    await world.anvil.rpc('evm_setAutomine', [true])
    for (let i = 0; i < 8; i++) {
      await world.mine()
      await second.poll()
    }
    expect(await world.stakes()).toEqual(slashed(before))
    expect((await second.outbox())[0]?.status).toBe('final')
    await first.polls(8)
    expect((await first.outbox())[0]?.status).toBe('final')
    expect(await world.stakes()).toEqual(slashed(before))
  })
})

describe('a write that waits', () => {
  test('is sent again with higher fees, and its result is the one that was mined', async () => {
    const { response, certificate } = await lie()
    await world.anvil.rpc('evm_setAutomine', [false])
    const { client, sent } = wallet(7)
    const signers = [0, 1, 2].map((index) => operatorWitness(world.current.table, index))
    const sink = createChallengeSink({
      ...{ client, addresses: world.addresses, pollingInterval: 10, replaceAfter: 100 },
    })
    const hashes: Hex[] = []
    const filing = sink.challengeAttestationDigest(
      { response, certificate, signers },
      { onTransactionHash: (hash) => hashes.push(hash) },
    )
    const end = Date.now() + 5_000
    while (sent.length < 3 && Date.now() < end) await new Promise((done) => setTimeout(done, 10))
    await world.mine()
    const { transactionHash } = await filing
    expect(sent.length).toBeGreaterThanOrEqual(3)
    expect(hashes).toContain(transactionHash)
    const nonces = sent.map((raw) => parseTransaction(raw as never).nonce)
    expect(new Set(nonces).size).toBe(1)
  })

  test('error: names its transaction, whatever ends the wait', async () => {
    const { response, certificate } = await lie()
    await world.anvil.rpc('evm_setAutomine', [false])
    const { client } = wallet(7)
    const signers = [0, 1, 2].map((index) => operatorWitness(world.current.table, index))
    const { addresses } = world
    const input = { response, certificate, signers }
    const sink = createChallengeSink({
      ...{ client, addresses, pollingInterval: 10, receiptTimeout: 50 },
    })
    const hashes: Hex[] = []
    const onTransactionHash = (hash: Hex): unknown => hashes.push(hash)
    const first = await sink
      .challengeAttestationDigest(input, { onTransactionHash })
      .catch((e) => e)
    expect(first).toMatchObject({ code: 'TRANSACTION_PENDING', transactionHash: hashes[0] })
    const previous = [...hashes]
    const timed = sink.challengeAttestationDigest(input, {
      previous,
      onTransactionHash,
      timeout: 40,
    })
    await expect(timed).rejects.toMatchObject({ code: expect.stringMatching(/TIMEOUT|PENDING/) })
    await world.mine()
    const { transactionHash } = await sink.challengeAttestationDigest(input, { previous: hashes })
    expect(hashes).toContain(transactionHash)
  })
})
