/** The chain in this process, by itself. What it shares with anvil is in `test/registry`. */
import { decodeErrorResult, encodeFunctionData, type Hex, parseGwei, toHex } from 'viem'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { policyRegistryAbi } from '../../core/abi/policyRegistryAbi.js'
import { getSlotProof, registerClientSync } from '../../registry/index.js'
import { type DeployedContracts, deployContracts } from '../contracts.js'
import { type MockClient, mockClient } from './client.js'

let client: MockClient
let addresses: DeployedContracts
let reset: () => Promise<void>
beforeAll(async () => {
  client = await mockClient()
  addresses = await deployContracts(client)
  reset = await client.node.snapshot()
}, 120_000)
beforeEach(() => reset())

describe('mockClient', () => {
  test('default: viem reads, writes and waits', async () => {
    const other = client.as(1)
    const hash = await other.sendTransaction({ to: client.account.address, value: 5n })
    const receipt = await other.waitForTransactionReceipt({ hash })
    expect(receipt).toMatchObject({ status: 'success', gasUsed: 21_000n })
    expect((await other.getTransaction({ hash })).blockHash).toBe(receipt.blockHash)
    expect(await other.getTransactionCount({ address: other.account.address })).toBe(1)
    expect(await other.getChainId()).toBe(31_337)
  })

  test('behavior: a revert is code 3 with the data of the contract', async () => {
    const data = encodeFunctionData({
      abi: policyRegistryAbi,
      functionName: 'setCurrentInstance',
      args: [client.account.address, toHex(1, { size: 32 })],
    })
    const call = { from: client.account.address, to: addresses.policyRegistry, data }
    for (const method of ['eth_call', 'eth_estimateGas']) {
      const error = await client.node.request({ method, params: [call] }).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 3 })
      const { errorName } = decodeErrorResult({
        abi: policyRegistryAbi,
        data: (error as { data: Hex }).data,
      })
      expect(errorName).toMatch(/^[A-Z]/)
    }
    const sdk = await registerClientSync(client, {
      client: client.account.address,
      addresses,
      preflight: false,
    }).catch((e: unknown) => e)
    expect(sdk).toMatchObject({ code: 'CONTRACT_REVERT' })
  })

  test('behavior: proofs hold against the root of their block', async () => {
    await client.node.mine()
    const slot = toHex(0, { size: 32 })
    const contract = addresses.policyRegistry
    const proven = await getSlotProof(client, { contract, slot, block: 'latest' })
    expect(proven.block.number).toBe(await client.getBlockNumber({ cacheTime: 0 }))
    const absent = toHex(123_456, { size: 32 })
    expect((await getSlotProof(client, { contract, slot: absent, block: 'latest' })).value).toBe(0n)
  })

  test('behavior: a call at a past block sees what was then', async () => {
    const to = `0x${'ab'.repeat(20)}` as const
    const before = await client.getBlockNumber({ cacheTime: 0 })
    await client.sendTransaction({ to, value: 7n })
    await client.node.mine(2)
    expect(await client.getBalance({ address: to })).toBe(7n)
    expect(await client.getBalance({ address: to, blockNumber: before })).toBe(0n)
    await expect(client.getBalance({ address: to, blockNumber: before + 99n })).rejects.toThrow(
      'BlockOutOfRange',
    )
  })
})

describe('transactions that no block takes', () => {
  test.each([
    ['NonceTooLowError', { nonce: 0 }],
    ['InsufficientFundsError', { value: 10n ** 30n, gas: 21_000n }],
    ['IntrinsicGasTooLowError', { gas: 20_000n }],
    ['FeeCapTooLowError', { gas: 21_000n, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n }],
  ])('error: %s', async (name, change) => {
    const to = client.account.address
    const error = await client.sendTransaction({ to, value: 1n, ...change }).catch((e) => e)
    expect((error as { cause?: { name: string } }).cause?.name).toBe(name)
  })

  test('error: another chain, no signature, unknown method', async () => {
    const raw = await client.account.signTransaction?.({
      type: 'eip1559',
      chainId: 1,
      gas: 21_000n,
      maxFeePerGas: parseGwei('9'),
      nonce: 99,
    })
    const send = (tx: unknown): Promise<unknown> =>
      client.node.request({ method: 'eth_sendRawTransaction', params: [tx] })
    await expect(send(raw)).rejects.toMatchObject({ code: -32_003 })
    for (const bad of ['0x', '0xzz', undefined, '0x02c0']) {
      await expect(send(bad)).rejects.toMatchObject({ code: -32_602 })
    }
    await expect(client.node.request({ method: 'eth_other' })).rejects.toMatchObject({
      code: -32_601,
    })
  })
})

describe('what tests do to a chain', () => {
  test('behavior: a snapshot is gone back to as often as wanted', async () => {
    const back = await client.node.snapshot()
    const root = async (): Promise<Hex> => (await client.getBlock()).stateRoot
    const before = await root()
    for (let round = 0; round < 3; round++) {
      await client.sendTransaction({ to: client.account.address, value: 1n })
      expect(await root()).not.toBe(before)
      await back()
      expect(await root()).toBe(before)
    }
    await reset()
    await expect(back()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('behavior: blocks that are replaced take their transactions along', async () => {
    const hash = await client.sendTransaction({ to: `0x${'cd'.repeat(20)}`, value: 3n })
    const old = await client.getBlock()
    await client.node.reorg(1)
    const now = await client.getBlock()
    expect([now.number, now.parentHash]).toEqual([old.number, old.parentHash])
    expect(now.hash).not.toBe(old.hash)
    expect(await client.getBalance({ address: `0x${'cd'.repeat(20)}` })).toBe(0n)
    await expect(client.getTransaction({ hash })).rejects.toThrow()
    await expect(client.node.reorg(10_000)).rejects.toMatchObject({ code: -32_602 })
  })

  test('behavior: time passes when it is told to, and stands still where it was asked to', async () => {
    const { timestamp } = await client.getBlock()
    await client.node.increaseTime(1_000)
    await client.node.mine()
    expect(Number((await client.getBlock()).timestamp - timestamp)).toBeGreaterThanOrEqual(1_000)
    const still = await mockClient({ at: 1_800_000_000, chainId: 5 })
    await still.node.mine(3)
    expect((await still.getBlock()).timestamp).toBe(1_800_000_003n)
    await still.node.increaseTime(10)
    await still.node.mine(2)
    expect((await still.getBlock()).timestamp).toBe(1_800_000_015n)
  })

  test('behavior: a node fails, is silent or lies as often as it is told to', async () => {
    const { node } = client
    const error = { code: -32_000, message: 'out of capacity' }
    node.fail({ method: 'eth_getLogs', times: 1, with: error })
    await expect(client.getLogs()).rejects.toThrow('out of capacity')
    await expect(client.getLogs()).resolves.toBeDefined()
    const honest = node.fail({ method: 'eth_blockNumber', with: () => '0x1' })
    expect(await client.getBlockNumber({ cacheTime: 0 })).toBe(1n)
    honest()
    expect(await client.getBlockNumber({ cacheTime: 0 })).toBeGreaterThan(1n)
    node.fail({ method: 'eth_chainId', times: 1, with: 'silence' })
    const signal = AbortSignal.timeout(20)
    const silent = node.request({ method: 'eth_chainId' }, { signal })
    await expect(silent).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('behavior: without mining by itself, transactions wait in order of their nonces', async () => {
    const { node } = client
    const set = (on: boolean): Promise<unknown> =>
      node.request({ method: 'evm_setAutomine', params: [on] })
    await set(false)
    const to = client.account.address
    const first = await client.getTransactionCount({ address: to })
    const late = await client.sendTransaction({ to, nonce: first + 1, gas: 21_000n })
    // One behind a gap is not the next.
    expect(await client.getTransactionCount({ address: to, blockTag: 'pending' })).toBe(first)
    const early = await client.sendTransaction({ to, nonce: first, gas: 21_000n })
    expect((await client.getTransaction({ hash: early })).blockNumber).toBe(null)
    const pending = { address: to, blockTag: 'pending' } as const
    expect(await client.getTransactionCount(pending)).toBe(first + 2)
    await set(true)
    await node.mine()
    const [one, two] = await Promise.all(
      [early, late].map((hash) => client.getTransactionReceipt({ hash })),
    )
    expect([one?.transactionIndex, two?.transactionIndex]).toEqual([0, 1])
    expect(one?.blockHash).toBe(two?.blockHash)
    expect(two?.cumulativeGasUsed).toBe(42_000n)
  })

  test('error: faults that are none', () => {
    const { node } = client
    for (const bad of [undefined, {}, { with: 'slience' }, { times: 0, with: 'silence' }]) {
      expect(() => node.fail(bad as never)).toThrow('`fault')
    }
  })

  test('error: options that are none', async () => {
    for (const bad of [{ chainId: 0 }, { at: 1.5 }, { slotsInAnEpoch: -1 }]) {
      await expect(mockClient(bad)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })
})
