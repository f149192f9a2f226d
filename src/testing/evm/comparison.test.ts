/**
 * The same requests to anvil and to the chain in this process: where the real node refuses, the mock
 * refuses, with the same code and the same data; where it answers, the mock answers the same.
 */
import { createWalletClient, encodeFunctionData, type Hex, http, parseGwei, toHex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyRegistryAbi } from '../../core/abi/policyRegistryAbi.js'
import { type DeployedContracts, deployContracts } from '../contracts.js'
import { type Anvil, startAnvil } from '../node/anvil.js'
import { mockClient } from './client.js'
import { developmentMnemonic } from './methods.js'

type Answer = { result: unknown } | { code: number; message: string; data?: unknown }
type Node = (method: string, params?: readonly unknown[]) => Promise<Answer>

let anvil: Anvil
let real: Node
let mock: Node
let contracts: DeployedContracts
const account = mnemonicToAccount(developmentMnemonic)
const from = account.address
const nobody = `0x${'ab'.repeat(20)}` as const
const word = toHex(1, { size: 32 })

beforeAll(async () => {
  anvil = await startAnvil()
  real = async (method, params = []) => {
    const response = await fetch(anvil.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result, error } = (await response.json()) as {
      result?: unknown
      error?: { code: number; message: string; data?: unknown }
    }
    return error ?? { result }
  }
  const client = await mockClient()
  mock = async (method, params = []) => {
    try {
      return { result: await client.node.request({ method, params }) }
    } catch (error) {
      const {
        code = Number.NaN,
        details,
        message,
        data,
      } = error as {
        code?: number
        details?: string
        message: string
        data?: unknown
      }
      return { code, message: details ?? message, ...(data === undefined ? {} : { data }) }
    }
  }
  const wallet = createWalletClient({ account, chain: foundry, transport: http(anvil.url) })
  contracts = await deployContracts(wallet)
  expect(await deployContracts(client)).toEqual(contracts)
}, 120_000)
afterAll(() => anvil?.stop())

/** A transaction of the first account, signed. */
async function signed(fields: {
  nonce?: number
  value?: bigint
  gas?: bigint
  to?: Hex | null
  data?: Hex
  chainId?: number
  maxFeePerGas?: bigint
}): Promise<Hex> {
  const { result } = (await mock('eth_getTransactionCount', [from, 'latest'])) as { result: Hex }
  return account.signTransaction({
    ...{
      type: 'eip1559',
      chainId: 31_337,
      nonce: Number(result),
      to: nobody,
      value: 0n,
      gas: 21_000n,
    },
    ...{ maxFeePerGas: parseGwei('50'), maxPriorityFeePerGas: 0n },
    ...fields,
  })
}

const slotMove = encodeFunctionData({
  abi: policyRegistryAbi,
  functionName: 'setCurrentInstance',
  args: [from, word],
})
const registry = (): Hex => contracts.policyRegistry

/** Requests by what is wrong with them, or nothing. */
const requests: Readonly<
  Record<string, () => Promise<[string, ...unknown[]]> | [string, ...unknown[]]>
> = {
  'a custom error of a call': () => [
    'eth_call',
    { from, to: registry(), data: slotMove },
    'latest',
  ],
  'a custom error of an estimate': () => [
    'eth_estimateGas',
    { from, to: registry(), data: slotMove },
  ],
  'a function that is not there': () => [
    'eth_call',
    { to: registry(), data: '0x12345678' },
    'latest',
  ],
  'no code': () => ['eth_call', { to: nobody, data: '0x12345678' }, 'latest'],
  'more value than there is': () => [
    'eth_call',
    { from: nobody, to: from, value: '0x1' },
    'latest',
  ],
  'an estimate with more value than there is': () => [
    'eth_estimateGas',
    { from: nobody, to: from, value: '0x1' },
  ],
  'value to what takes none': () => [
    'eth_call',
    { from, to: registry(), data: slotMove, value: '0x1' },
    'latest',
  ],
  'too little gas for a call': () => [
    'eth_call',
    { from, to: registry(), data: slotMove, gas: '0x5300' },
    'latest',
  ],
  'gas that runs out on the way': () => [
    'eth_call',
    { from, to: registry(), data: slotMove, gas: '0x6000' },
    'latest',
  ],
  'a block that is not there': () => ['eth_call', { to: registry(), data: '0x' }, '0xffff'],
  'a hash that is not there': () => [
    'eth_call',
    { to: registry(), data: '0x' },
    { blockHash: word, requireCanonical: true },
  ],
  'a balance at a block that is not there': () => ['eth_getBalance', from, '0xffff'],
  'code at a block that is not there': () => ['eth_getCode', registry(), '0xffff'],
  'a slot at a block that is not there': () => ['eth_getStorageAt', registry(), word, '0xffff'],
  'a proof at a block that is not there': () => ['eth_getProof', registry(), [word], '0xffff'],
  'a block later than the newest': () => ['eth_getBlockByNumber', '0xffff', false],
  'a block by an unknown hash': () => ['eth_getBlockByHash', word, false],
  'an unknown receipt': () => ['eth_getTransactionReceipt', word],
  'an unknown transaction': () => ['eth_getTransactionByHash', word],
  'logs from later than the newest block': () => [
    'eth_getLogs',
    { fromBlock: '0xffff', toBlock: '0xfffff' },
  ],
  'logs backwards': () => ['eth_getLogs', { fromBlock: '0x5', toBlock: '0x2' }],
  'logs of an unknown block': () => ['eth_getLogs', { blockHash: word }],
  'logs of a block and of a range': () => [
    'eth_getLogs',
    { blockHash: word, fromBlock: '0x1', toBlock: '0x2' },
  ],
  'a method that is none': () => ['eth_nothing'],
  'an address that is short': () => ['eth_getBalance', '0x1234', 'latest'],
  'a call to a short address': () => ['eth_call', { to: '0x1234' }, 'latest'],
  'data of half bytes': () => ['eth_call', { to: registry(), data: '0x123' }, 'latest'],
  'data that is no hex': () => ['eth_call', { to: registry(), data: '0xzz' }, 'latest'],
  'a tag that is none': () => ['eth_call', { to: registry(), data: '0x' }, 'newest'],
  'no parameters of a call': () => ['eth_call'],
  'no hash of a receipt': () => ['eth_getTransactionReceipt'],
  'a receipt of a short hash': () => ['eth_getTransactionReceipt', '0x1234'],
  'a transaction of a short hash': () => ['eth_getTransactionByHash', '0x1234'],
  'a block of a short hash': () => ['eth_getBlockByHash', '0x1234', false],
  'a topic that is no word': () => ['eth_getLogs', { fromBlock: '0x0', topics: ['0x1234'] }],
  'logs of a short address': () => ['eth_getLogs', { fromBlock: '0x0', address: '0x1234' }],
  'no transaction': async () => ['eth_sendRawTransaction', '0x'],
  'bytes that are no transaction': async () => ['eth_sendRawTransaction', '0x02c0'],
  'an old nonce': async () => ['eth_sendRawTransaction', await signed({ nonce: 0 })],
  'more than the account has': async () => [
    'eth_sendRawTransaction',
    await signed({ value: 10n ** 30n }),
  ],
  'too little gas to begin': async () => ['eth_sendRawTransaction', await signed({ gas: 20_999n })],
  'more gas than a block has': async () => [
    'eth_sendRawTransaction',
    await signed({ gas: 40_000_000n }),
  ],
  'less than the base fee': async () => [
    'eth_sendRawTransaction',
    await signed({ maxFeePerGas: 1n }),
  ],
  'a signature for another chain': async () => [
    'eth_sendRawTransaction',
    await signed({ chainId: 1 }),
  ],
  'a snapshot that is none': () => ['evm_revert', '0xff'],
  'a time before the newest block': () => ['evm_setNextBlockTimestamp', '0x1'],
  'an account that nobody signs for': () => ['eth_sendTransaction', { from: nobody, to: from }],
  'an old nonce of an account that the node signs for': () => [
    'eth_sendTransaction',
    { from, to: nobody, nonce: '0x0' },
  ],
  'another chain of an account that the node signs for': () => [
    'eth_sendTransaction',
    { from, to: nobody, chainId: '0x5' },
  ],
  'less than the base fee of an account that the node signs for': () => [
    'eth_sendTransaction',
    { from, to: nobody, maxFeePerGas: '0x1' },
  ],
  'a tip above the fee of an account that the node signs for': () => [
    'eth_sendTransaction',
    { from, to: nobody, maxFeePerGas: '0x77359400', maxPriorityFeePerGas: '0xee6b2800' },
  ],
  'a contract of more than 24 kB': async () => [
    'eth_estimateGas',
    // Returns 24,577 bytes of code.
    { from, data: '0x6160016000f3' },
  ],
  'init code of more than 48 kB': async () => [
    'eth_estimateGas',
    { from, data: `0x${'00'.repeat(49_153)}` },
  ],
  'balance of nobody': () => ['eth_getBalance', nobody, 'latest'],
  'code of nobody': () => ['eth_getCode', nobody, 'latest'],
  'slot of nobody': () => ['eth_getStorageAt', nobody, word, 'latest'],
  'count of nobody': () => ['eth_getTransactionCount', nobody, 'latest'],
  'chain id': () => ['eth_chainId'],
  'block number': () => ['eth_blockNumber'],
}

/** Where anvil answers and a node of Ethereum refuses: the mock refuses. */
const stricter = new Set(['an estimate with more value than there is'])

const kind = (answer: Answer): string =>
  'result' in answer ? 'answers' : `refuses with ${answer.code}`

describe('the mock against anvil', () => {
  test.each(Object.entries(requests))('behavior: %s', async (name, request) => {
    const [method, ...params] = await request()
    const theirs = await real(method, params)
    const ours = await mock(method, params)
    if (stricter.has(name)) {
      expect(kind(theirs)).toBe('answers')
      expect(kind(ours)).not.toBe('answers')
      return
    }
    expect(kind(ours), `${name}: ${JSON.stringify({ theirs, ours })}`).toBe(kind(theirs))
    if ('result' in theirs && 'result' in ours) expect(ours.result).toEqual(theirs.result)
    else expect((ours as { data?: unknown }).data).toEqual((theirs as { data?: unknown }).data)
  })
})
