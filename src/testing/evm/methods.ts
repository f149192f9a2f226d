/** The methods of a node, by name. */
import { getAddress, type Hex, isAddress, isHash, numberToHex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { fromHex, toHex } from '../../internal/bytes.js'
import { blockAnswer, receiptAnswer, transactionAnswer } from './answers.js'
import { findBlock, requireBlock } from './blockNames.js'
import { call, estimateGas, quantityOf } from './calls.js'
import { BLOCK_GAS } from './chain/blocks.js'
import { type Chain, viewAt } from './chain/chain.js'
import { readTransaction, senderOf } from './chain/pool.js'
import { getLogs } from './logs.js'
import { invalidParams, methodNotFound, transactionRejected } from './nodeError.js'

/** The mnemonic whose accounts development chains fund. */
export const developmentMnemonic = 'test test test test test test test test test test test junk'

/** The accounts that a development chain funds, and signs for. */
export function developmentAccount(addressIndex: number): ReturnType<typeof mnemonicToAccount> {
  return mnemonicToAccount(developmentMnemonic, { addressIndex })
}

const GWEI = 1_000_000_000n

type Method = (chain: Chain, params: readonly unknown[]) => Promise<unknown> | unknown

const chainMethods: Readonly<Record<string, Method>> = {
  eth_chainId: ({ chainId }) => numberToHex(chainId),
  net_version: ({ chainId }) => String(chainId),
  web3_clientVersion: () => 'newton-policy-sdk/mock',
  eth_syncing: () => false,
  eth_blockNumber: ({ blocks }) => numberToHex(blocks.length - 1),
  eth_gasPrice: (chain) => numberToHex((chain.next().header.baseFeePerGas ?? 0n) + GWEI),
  eth_maxPriorityFeePerGas: () => numberToHex(GWEI),
  eth_feeHistory: feeHistory,
  eth_getBlockByNumber: (chain, [name, full]) => {
    const found = findBlock(chain, name)
    return found === undefined ? null : blockAnswer(found.mined, full === true)
  },
  eth_getBlockByHash: (chain, [hash, full]) => {
    const mined = chain.byHash(hashGiven(hash))
    return mined === undefined ? null : blockAnswer(mined, full === true)
  },
  eth_getBlockReceipts: (chain, [name]) => {
    const byHash = typeof name === 'string' && name.length === 66
    const found = findBlock(chain, byHash ? { blockHash: name } : name)
    return found === undefined
      ? null
      : found.mined.transactions.map((_, index) => receiptAnswer(found.mined, index))
  },
  eth_getBlockTransactionCountByNumber: (chain, [name]) => {
    const found = findBlock(chain, name)
    return found === undefined ? null : numberToHex(found.mined.transactions.length)
  },
  eth_getTransactionByHash: (chain, [hash]) => {
    const place = chain.findTransaction(hashGiven(hash))
    const waiting = chain.pool.find(hashGiven(hash))
    const tx = place?.mined.transactions[place.index]?.tx ?? waiting
    return tx === undefined ? null : transactionAnswer(tx, place)
  },
  eth_getTransactionReceipt: (chain, [hash]) => {
    const place = chain.findTransaction(hashGiven(hash))
    return place === undefined ? null : receiptAnswer(place.mined, place.index)
  },
  eth_getLogs: (chain, [filter]) => getLogs(chain, filter),
  eth_call: call,
  eth_estimateGas: async (chain, params) => numberToHex(await estimateGas(chain, params)),
}

const stateMethods: Readonly<Record<string, Method>> = {
  eth_getBalance: (chain, [address, block]) =>
    accountOf(chain, { address, block }, (account) => numberToHex(account?.balance ?? 0n)),
  eth_getTransactionCount: async (chain, [address, block]) => {
    const nonce = await accountOf(chain, { address, block }, (account) => account?.nonce ?? 0n)
    return numberToHex(block === 'pending' ? nextNonce(chain, { address, nonce }) : nonce)
  },
  eth_getCode: (chain, [address, block]) =>
    viewAt(chain, requireBlock(chain, block).mined, async ({ state }) =>
      toHex(await state.getCode(addressOf(chain, address))),
    ),
  eth_getStorageAt: (chain, [address, slot, block]) =>
    viewAt(chain, requireBlock(chain, block).mined, async ({ state }) => {
      const value = await state.getStorage(addressOf(chain, address), slotOf(slot))
      return `0x${toHex(value).slice(2).padStart(64, '0')}`
    }),
  eth_getProof: getProof,
}

const writeMethods: Readonly<Record<string, Method>> = {
  eth_accounts: () => Array.from({ length: 10 }, (_, index) => developmentAccount(index).address),
  eth_sendRawTransaction: (chain, [raw]) =>
    chain.send(readTransaction(raw, chain.libraries, chain.state.writer)),
  eth_sendTransaction: sendTransaction,
  anvil_mine: async (chain, [blocks, interval]) => {
    const count = Number(quantityOf(blocks, 1n))
    for (let index = 0; index < count; index++) {
      if (index > 0 && interval !== undefined && interval !== null) {
        chain.increaseTime(Math.max(0, Number(quantityOf(interval, 1n)) - 1))
      }
      await chain.mine()
    }
    return null
  },
  evm_mine: async (chain) => {
    await chain.mine()
    return '0x0'
  },
  anvil_setBalance: (chain, [address, balance]) =>
    change(chain, address, { balance: quantityOf(balance, 0n) }),
  anvil_setNonce: (chain, [address, nonce]) =>
    change(chain, address, { nonce: quantityOf(nonce, 0n) }),
  anvil_setCode: (chain, [address, code]) => change(chain, address, { code: code as Hex }),
  anvil_setStorageAt: async (chain, [address, slot, value]) => {
    await change(chain, address, { storage: [[toHex(slotOf(slot)), toHex(slotOf(value))]] })
    return true
  },
  anvil_reorg: async (chain, [depth]) => {
    await chain.reorg(Number(quantityOf(depth, 1n)))
    return null
  },
  evm_snapshot: async (chain) => numberToHex(await chain.snapshot()),
  evm_revert: (chain, [id]) => chain.revert(Number(quantityOf(id, 0n))),
  evm_increaseTime: (chain, [seconds]) => {
    chain.increaseTime(Number(quantityOf(seconds, 0n)))
    return Number(quantityOf(seconds, 0n))
  },
  evm_setNextBlockTimestamp: (chain, [seconds]) => {
    chain.setNextTimestamp(Number(quantityOf(seconds, 0n)))
    return null
  },
  evm_setAutomine: (chain, [on]) => {
    chain.setAutomine(on === true)
    return null
  },
}

const methods = new Map(Object.entries({ ...chainMethods, ...stateMethods, ...writeMethods }))

/** Answers one request. Requests of one chain come one after the other. */
export async function answer(
  chain: Chain,
  { method, params = [] }: { method: string; params?: readonly unknown[] | undefined },
): Promise<unknown> {
  const found = methods.get(method)
  if (found === undefined) throw methodNotFound(method)
  return found(chain, params)
}

const lower = (value: unknown): Hex => String(value).toLowerCase() as Hex

function hashGiven(given: unknown): Hex {
  if (typeof given === 'string' && isHash(given)) return lower(given)
  throw invalidParams(`not a hash: ${String(given)}`)
}

type EthAddress = ReturnType<Chain['libraries']['util']['createAddressFromString']>

function addressOf({ libraries: { util } }: Chain, given: unknown): EthAddress {
  if (!isAddress(String(given), { strict: false })) {
    throw invalidParams(`not an address: ${String(given)}`)
  }
  return util.createAddressFromString(lower(given))
}

function slotOf(given: unknown): Uint8Array {
  if (typeof given !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(given)) {
    throw invalidParams(`not a word: ${String(given)}`)
  }
  return fromHex(`0x${given.slice(2).padStart(64, '0')}`)
}

async function accountOf<value>(
  chain: Chain,
  { address, block }: { address: unknown; block: unknown },
  read: (account: { balance: bigint; nonce: bigint } | undefined) => value,
): Promise<value> {
  const at = addressOf(chain, address)
  const { mined } = requireBlock(chain, block)
  return viewAt(chain, mined, async ({ state }) => read(await state.getAccount(at)))
}

async function change(
  chain: Chain,
  address: unknown,
  to: { balance?: bigint; nonce?: bigint; code?: Hex; storage?: [Hex, Hex][] },
): Promise<null> {
  await chain.change({ ...to, address: getAddress(addressOf(chain, address).toString()) })
  return null
}

async function getProof(
  chain: Chain,
  [address, slots, block]: readonly unknown[],
): Promise<unknown> {
  const at = addressOf(chain, address)
  const keys = Array.isArray(slots) ? slots.map(slotOf) : []
  const { mined } = requireBlock(chain, block)
  return viewAt(chain, mined, async ({ state }) => {
    const proof = await chain.libraries.state.getMerkleStateProof(state, at, keys)
    const found = new Map(proof.storageProof.map((entry) => [entry.key, entry]))
    const storageProof = keys.map((key, index) => {
      const entry = found.get(toHex(key))
      const value = entry === undefined ? 0n : BigInt(entry.value)
      const given = String((slots as unknown[])[index])
      return { key: given, value: numberToHex(value), proof: entry?.proof ?? [] }
    })
    return { ...proof, storageProof }
  })
}

/** The nonce after those that wait in a row; one behind a gap counts for nothing. */
function nextNonce(chain: Chain, from: { address: unknown; nonce: bigint }): bigint {
  const own = chain.pool.waiting.filter((tx) => senderOf(tx) === lower(from.address))
  const taken = new Set(own.map((tx) => tx.nonce))
  let next = from.nonce
  while (taken.has(next)) next += 1n
  return next
}

/** The fields of a transaction that one of the development accounts signs. */
async function sendTransaction(chain: Chain, [given]: readonly unknown[]): Promise<Hex> {
  const fields = (given ?? {}) as Record<string, unknown>
  const { from, to, data, input, value, gas } = fields
  const sender = Array.from({ length: 10 }, (_, index) => developmentAccount(index)).find(
    ({ address }) => address.toLowerCase() === lower(from),
  )
  if (sender === undefined) throw invalidParams('No Signer available')
  const asked = quantityOf(fields['chainId'], BigInt(chain.chainId))
  if (asked !== BigInt(chain.chainId)) {
    throw invalidParams(
      `transaction-provided chain ID (${asked}) does not match the signer's chain ID (${chain.chainId})`,
    )
  }
  const nonce =
    fields['nonce'] ?? (await stateMethods['eth_getTransactionCount']?.(chain, [from, 'pending']))
  const raw = await sender.signTransaction({
    type: 'eip1559',
    chainId: chain.chainId,
    nonce: Number(nonce),
    to: (to ?? null) as Hex | null,
    data: (input ?? data ?? '0x') as Hex,
    value: quantityOf(value, 0n),
    gas: quantityOf(gas, 0n) || (await estimateGas(chain, [given])),
    ...feesOf(chain, fields),
  })
  return chain.send(readTransaction(raw, chain.libraries, chain.state.writer))
}

/** The fees of a transaction, as given or as a node fills them in. */
function feesOf(
  chain: Chain,
  fields: Record<string, unknown>,
): { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint } {
  const baseFee = chain.next().header.baseFeePerGas ?? 0n
  const most = quantityOf(fields['maxFeePerGas'] ?? fields['gasPrice'], 2n * baseFee + GWEI)
  const tip = quantityOf(fields['maxPriorityFeePerGas'], most < GWEI ? most : GWEI)
  if (tip > most) throw transactionRejected('max priority fee per gas higher than max fee per gas')
  return { maxFeePerGas: most, maxPriorityFeePerGas: tip }
}

function feeHistory(chain: Chain, [count, newest]: readonly unknown[]): unknown {
  const last = Number(requireBlock(chain, newest).mined.block.header.number)
  const first = Math.max(0, last - Number(quantityOf(count, 1n)) + 1)
  const headers = chain.blocks.slice(first, last + 1).map(({ block }) => block.header)
  const after = chain.blocks[last]?.block.header.calcNextBaseFee() ?? 0n
  return {
    oldestBlock: numberToHex(first),
    baseFeePerGas: [...headers.map(({ baseFeePerGas }) => baseFeePerGas ?? 0n), after].map((fee) =>
      numberToHex(fee),
    ),
    gasUsedRatio: headers.map(({ gasUsed }) => Number(gasUsed) / Number(BLOCK_GAS)),
    reward: headers.map(() => [numberToHex(GWEI)]),
  }
}
