import {
  type Address,
  createWalletClient,
  encodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  parseAbi,
  publicActions,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  sealedBidAuctionAbi as abi,
  sealedBidAuctionBytecode,
} from '../../examples/enclave-app/sealedBidAuction.generated.js'
import {
  type AppChainEvent,
  chainProofs,
  createTypedStore,
  memoryKv,
  storageSequence,
  type TypedStore,
} from '../../src/enclave/index.js'
import {
  type EvmChainClient,
  type EvmChainClientParameters,
  type EvmEvent,
  type EvmTransaction,
  evmChainClient,
  evmEventCodec,
  evmTransactionCodec,
  type SubmissionEvent,
} from '../../src/registry/index.js'
import { type Anvil, startAnvil } from '../../src/testing/node/index.js'

/** Account 0 of every anvil. */
const funded = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)
const enclaveAccount = privateKeyToAccount(generatePrivateKey())
let anvil: Anvil
let contract: Address

const walletOf = (account = funded) =>
  createWalletClient({ account, chain: foundry, transport: http(anvil.url) }).extend(publicActions)

beforeAll(async () => {
  // Blocks are final two blocks later.
  anvil = await startAnvil({ slotsInAnEpoch: 1 })
}, 60_000)
afterAll(() => anvil?.stop())

beforeEach(async () => {
  const wallet = walletOf()
  const hash = await wallet.sendTransaction({
    data: encodeDeployData({
      abi,
      bytecode: sealedBidAuctionBytecode,
      args: [enclaveAccount.address, 10_000n],
    }),
  })
  const receipt = await wallet.waitForTransactionReceipt({ hash })
  contract = receipt.contractAddress as Address
})

type Setup = Partial<EvmChainClientParameters> & { store?: TypedStore }
function clientOf(options: Setup = {}): EvmChainClient & { seen: SubmissionEvent[] } {
  const seen: SubmissionEvent[] = []
  const client = evmChainClient({
    client: walletOf(),
    abi,
    events: ['Bid', 'Ended'],
    sequenceSlot: `0x${'00'.repeat(32)}`,
    store: createTypedStore(memoryKv()),
    contract,
    pollingInterval: 20,
    onEvent: (event) => seen.push(event),
    ...options,
  })
  return { ...client, seen }
}

/** Bids from an account of their own, so that the client's nonces stay its own. */
async function bid(text: Hex, automine = true): Promise<void> {
  const [from] = (await anvil.rpc('eth_accounts')) as Address[]
  const other = ((await anvil.rpc('eth_accounts')) as Address[])[1] ?? from
  const data = encodeFunctionData({ abi, functionName: 'bid', args: [text] })
  const hash = (await anvil.rpc('eth_sendTransaction', [
    { from: other, to: contract, data },
  ])) as Hex
  if (automine) await walletOf().waitForTransactionReceipt({ hash, pollingInterval: 20 })
}

async function answerOf(sequence: bigint, kind = 0): Promise<EvmTransaction> {
  const words = [31_337n, contract, sequence, kind, enclaveAccount.address, 0n] as const
  const hash = keccak256(
    encodeAbiParameters(
      [
        { type: 'uint256' },
        { type: 'address' },
        { type: 'uint256' },
        { type: 'uint8' },
        { type: 'address' },
        { type: 'uint256' },
      ],
      words,
    ),
  )
  const signature = await enclaveAccount.sign({ hash })
  const args = [sequence, kind, enclaveAccount.address, 0n, signature] as const
  return { to: contract, data: encodeFunctionData({ abi, functionName: 'answer', args }) }
}

const mine = (blocks = 3): Promise<unknown> => anvil.rpc('anvil_mine', [`0x${blocks.toString(16)}`])

/** Takes events until there are enough. */
async function take(
  client: EvmChainClient,
  count: number,
  from?: string,
): Promise<AppChainEvent<EvmEvent>[]> {
  const controller = new AbortController()
  const taken: AppChainEvent<EvmEvent>[] = []
  for await (const event of client.events({ from, signal: controller.signal })) {
    taken.push(event)
    if (taken.length === count) break
  }
  controller.abort()
  return taken
}

describe('events', () => {
  test('come once they are final, from any cursor on, and survive their codec', async () => {
    const client = clientOf()
    await bid('0x01')
    await bid('0x02')
    await bid('0x03')
    await mine(2)
    const three = await take(client, 3)
    expect(
      three.map(({ sequence, event }) => [sequence, event.name, event.args['sealedBid']]),
    ).toEqual([
      [1n, 'Bid', '0x01'],
      [2n, 'Bid', '0x02'],
      [3n, 'Bid', '0x03'],
    ])
    expect(three.every((event) => event.contract === contract)).toBe(true)
    // Not final yet: it does not come before the third.
    await bid('0x04')
    const [third] = await take(client, 1, three[1]?.cursor)
    expect(third).toEqual(three[2])
    const codec = evmEventCodec(abi)
    expect(codec.decode(codec.encode(three[0]?.event as EvmEvent))).toEqual(three[0]?.event)
    await mine(2)
    const [fourth] = await take(client, 1, three[2]?.cursor)
    expect(fourth?.sequence).toBe(4n)
  })

  test('several of one block are each given, and gone on from between them', async () => {
    await anvil.rpc('evm_setAutomine', [false])
    for (const text of ['0x0a', '0x0b', '0x0c'] as const) await bid(text, false)
    await mine(1)
    await anvil.rpc('evm_setAutomine', [true])
    await mine()
    const three = await take(clientOf(), 3)
    expect(new Set(three.map(({ event }) => event.log.blockNumber)).size).toBe(1)
    const rest = await take(clientOf(), 2, three[0]?.cursor)
    expect(rest.map(({ sequence }) => sequence)).toEqual([2n, 3n])
  })

  test('after a reorganization those of the new branch come', async () => {
    const client = clientOf({ finality: 'latest' })
    const snapshot = await anvil.rpc('evm_snapshot')
    await bid('0xaa')
    const controller = new AbortController()
    const seen: AppChainEvent<EvmEvent>[] = []
    for await (const event of client.events({ from: undefined, signal: controller.signal })) {
      seen.push(event)
      if (seen.length === 1) {
        await anvil.rpc('evm_revert', [snapshot])
        await anvil.rpc('evm_increaseTime', [100])
        await bid('0xbb')
      } else break
    }
    controller.abort()
    expect(seen.map(({ sequence, event }) => [sequence, event.args['sealedBid']])).toEqual([
      [1n, '0xaa'],
      [1n, '0xbb'],
    ])
    expect(seen[0]?.id).not.toBe(seen[1]?.id)
    // From a cursor of the branch that is gone, too.
    const [again] = await take(client, 1, seen[0]?.cursor)
    expect(again?.id).toBe(seen[1]?.id)
  })

  test('error: INVALID_INPUT for options and cursors that are none', async () => {
    const refused: [Setup, string][] = [
      [{ events: [] }, 'events'],
      [{ events: ['Nothing'] }, 'events'],
      [{ abi: parseAbi(['event Bid(uint256 amount)']), events: ['Bid'] }, 'events'],
      [{ sequenceSlot: '0x00' }, 'sequenceSlot'],
      [{ finality: 'soon' as never }, 'finality'],
      [{ finality: { confirmations: -1 } }, 'finality'],
      [{ finality: { confirmations: Number.NaN } }, 'finality'],
      [{ pollingInterval: 0 }, 'pollingInterval'],
      [{ replaceAfter: Number.NaN }, 'replaceAfter'],
      [{ startBlock: -1n }, 'startBlock'],
      [{ maxFeePerGas: 0n }, 'maxFeePerGas'],
      [{ contract: '0x1' }, 'contract'],
    ]
    for (const [setup, field] of refused) {
      expect(() => clientOf(setup)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
      expect(() => clientOf(setup)).toThrow(field)
    }
    await expect(take(clientOf(), 1, '12')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(take(clientOf({ contract: undefined }), 1)).rejects.toThrow('contract')
  })
})

describe('submissions', () => {
  test('one key makes one transaction, whoever asks again', async () => {
    await bid('0x01')
    const store = createTypedStore(memoryKv())
    const client = clientOf({ store })
    const transaction = await answerOf(1n)
    const key = { idempotencyKey: 'one' }
    const before = await walletOf().getTransactionCount({ address: funded.address })
    const both = await Promise.all([
      client.submit(transaction, key),
      client.submit(transaction, key),
    ])
    const restarted = await clientOf({ store }).submit(transaction, key)
    expect(both).toEqual([restarted, restarted])
    await mine()
    await client.settle()
    expect(await client.unsettled()).toBe(0)
    expect(client.seen.map(({ type }) => type)).toEqual(['sent', 'mined', 'final'])
    expect(await clientOf({ store }).submit(transaction, key)).toEqual(restarted)
    expect(await walletOf().getTransactionCount({ address: funded.address })).toBe(before + 1)
    expect(await client.taken(contract)).toBe(1n)
  })

  test('are mined in the order of their nonces, and cost more where they wait', async () => {
    for (const text of ['0x01', '0x02', '0x03'] as const) await bid(text)
    let time = 0
    const client = clientOf({ replaceAfter: 1_000, now: () => time })
    await anvil.rpc('evm_setAutomine', [false])
    // Later answers would revert by themselves: gas is given by the estimate of the first only.
    const first = client.submit(await answerOf(1n), { idempotencyKey: '1' })
    await expect.poll(() => client.seen.length).toBe(1)
    time = 2_000
    await expect.poll(() => client.seen.map(({ type }) => type)).toEqual(['sent', 'replaced'])
    await mine(1)
    await anvil.rpc('evm_setAutomine', [true])
    const receipt = await first
    const replaced = client.seen[1] as { transactionHash: Hex }
    expect(receipt.transactionHash).toBe(replaced.transactionHash)
    await client.submit(await answerOf(2n), { idempotencyKey: '2' })
    await client.submit(await answerOf(3n), { idempotencyKey: '3' })
    expect(await client.taken(contract)).toBe(3n)
  })

  test('what a reorganization takes back is sent again, the same bytes', async () => {
    await bid('0x01')
    const client = clientOf()
    const snapshot = await anvil.rpc('evm_snapshot')
    const receipt = await client.submit(await answerOf(1n), { idempotencyKey: 'one' })
    await anvil.rpc('evm_revert', [snapshot])
    await anvil.rpc('evm_increaseTime', [50])
    await mine(1)
    expect(await client.taken(contract)).toBe(0n)
    await client.settle()
    await client.settle()
    expect(client.seen.map(({ type }) => type)).toEqual([
      'sent',
      'mined',
      'undone',
      'sent-again',
      'mined',
    ])
    expect(await client.taken(contract)).toBe(1n)
    await mine()
    await client.settle()
    const final = await client.submit(await answerOf(1n), { idempotencyKey: 'one' })
    expect(final.transactionHash).toBe(receipt.transactionHash)
    expect(final.blockHash).not.toBe(receipt.blockHash)
  })

  test('what the chain that stays has no place for is given up, aloud', async () => {
    await bid('0x01')
    const client = clientOf()
    const snapshot = await anvil.rpc('evm_snapshot')
    await client.submit(await answerOf(1n), { idempotencyKey: 'one' })
    await anvil.rpc('evm_revert', [snapshot])
    // Another host's answer, and another transaction at this nonce.
    const wallet = walletOf()
    const { data } = (await answerOf(1n, 1)) as { data: Hex }
    await wallet.waitForTransactionReceipt({
      hash: await wallet.sendTransaction({ to: contract, data }),
    })
    for (let round = 0; round < 8 && (await client.unsettled()) > 0; round++) {
      await client.settle()
      await mine(1)
    }
    expect(new Set(client.seen.map(({ type }) => type))).toEqual(
      new Set(['sent', 'mined', 'undone', 'failed', 'abandoned']),
    )
    expect(client.seen.at(-1)).toMatchObject({ type: 'abandoned', code: 'TRANSACTION_REJECTED' })
    expect(await client.unsettled()).toBe(0)
  })

  test('error: TRANSACTION_REJECTED before anything is paid', async () => {
    const client = clientOf()
    const before = await walletOf().getTransactionCount({ address: funded.address })
    const call = client.submit(await answerOf(7n), { idempotencyKey: 'seven' })
    await expect(call).rejects.toMatchObject({ code: 'TRANSACTION_REJECTED', retryable: false })
    expect(await walletOf().getTransactionCount({ address: funded.address })).toBe(before)
    expect(await client.unsettled()).toBe(0)
    // Its cause gone, the same key goes through.
    await bid('0x01')
    const first = await client.submit(await answerOf(1n), { idempotencyKey: 'seven' })
    expect(first.transactionHash).toMatch(/^0x/)
  })

  test('a contract that is there already, and bytes that the enclave signed', async () => {
    const client = clientOf()
    const there = await client.submit(
      { to: contract, data: '0xdeadbeef', creates: contract },
      { idempotencyKey: 'deploy' },
    )
    expect(there.transactionHash).toBeUndefined()
    const wallet = walletOf(enclaveAccount)
    await anvil.rpc('anvil_setBalance', [enclaveAccount.address, '0xde0b6b3a7640000'])
    const prepared = await wallet.prepareTransactionRequest({ to: funded.address, value: 5n })
    const signed = await enclaveAccount.signTransaction(prepared as never)
    const receipt = await client.submit({ signed }, { idempotencyKey: 'signed' })
    expect(receipt.transactionHash).toBe(keccak256(signed))
    // Another transaction has its nonce for good.
    const late = await enclaveAccount.signTransaction({ ...prepared, value: 6n } as never)
    await mine()
    await expect(client.submit({ signed: late }, { idempotencyKey: 'late' })).rejects.toMatchObject(
      {
        code: 'TRANSACTION_REJECTED',
      },
    )
  })

  test('error: INVALID_INPUT for what is no transaction', async () => {
    const client = clientOf()
    const wrong = [
      { to: '0x1', data: '0x' },
      { to: contract, data: 'x' },
      { to: contract, data: '0x', value: -1n },
      { signed: '0x1' },
      { signed: '0x', creates: 'me' },
    ] as never[]
    for (const transaction of wrong) {
      expect(() => client.submit(transaction, { idempotencyKey: 'x' })).toThrow('transaction.')
      expect(() => evmTransactionCodec.encode(transaction)).toThrow('transaction.')
    }
    const right: EvmTransaction = { to: contract, data: '0x01', value: 7n, creates: contract }
    expect(evmTransactionCodec.decode(evmTransactionCodec.encode(right))).toEqual(right)
  })
})

describe('proofs', () => {
  test('of the sequence, a slot and an event, believed for a trusted block only', async () => {
    const client = clientOf()
    await bid('0xc0ffee')
    await client.submit(await answerOf(1n), { idempotencyKey: 'one' })
    await mine()
    const { sequence, proof } = await client.sequence(contract)
    expect(sequence).toBe(1n)
    const known = async ({ number, hash }: { number: bigint; hash: Hex }): Promise<boolean> =>
      (await walletOf().getBlock({ blockNumber: number })).hash === hash
    const slot = `0x${'00'.repeat(32)}` as const
    const { verifySequence } = storageSequence({ slot, isTrusted: known })
    expect(await verifySequence({ contract, claimed: 9n, proof })).toBe(1n)
    const proofs = chainProofs({ isTrusted: known })
    const key = `0x${'00'.repeat(31)}01` as const
    const events = await proofs.slot(await client.proveExistence({ contract, key }), {
      contract,
      slot: key,
    })
    expect(events.value).toBe(1n)
    const [event] = await take(client, 1)
    const eventProof = await client.proveEvent(event as AppChainEvent<EvmEvent>)
    const { log } = await proofs.event(eventProof, { contract })
    expect(log.topics).toEqual(event?.event.log.topics)
    expect(log.data).toBe(event?.event.log.data)
    const elsewhere = { contract: funded.address }
    await expect(proofs.event(eventProof, elsewhere)).rejects.toMatchObject({
      fault: 'OTHER_CONTRACT',
    })
    const doubted = chainProofs({ isTrusted: () => false })
    await expect(doubted.event(eventProof, { contract })).rejects.toMatchObject({
      fault: 'UNTRUSTED',
    })
    await expect(proofs.event(undefined, { contract })).rejects.toMatchObject({ fault: 'MISSING' })
    for (let at = 0; at < eventProof.length; at += 3) {
      const changed = eventProof.slice()
      changed[at] = (changed[at] as number) ^ 1
      const verdict = proofs.event(changed, { contract })
      await expect(verdict).rejects.toMatchObject({ code: 'SEQUENCE_PROOF' })
    }
    const answers = { address: contract, abi, functionName: 'answers' }
    expect(await client.query(answers as never)).toBe(1n)
  })
})
