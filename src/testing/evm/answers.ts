/** Blocks, transactions, receipts and logs as JSON-RPC writes them. */
import type { TypedTransaction } from '@ethereumjs/tx'
import { type Address, type Hex, numberToHex } from 'viem'
import { toHex } from '../../internal/bytes.js'
import { hashOf, type MinedBlock } from './chain/blocks.js'

/** A log as a node tells it. */
export type RpcLog = {
  address: Address
  topics: Hex[]
  data: Hex
  blockNumber: Hex
  blockHash: Hex
  blockTimestamp: Hex
  transactionHash: Hex
  transactionIndex: Hex
  logIndex: Hex
  removed: false
}

const quantity = (value: number | bigint): Hex => numberToHex(value)

/** Logs of a block, in order. */
export function logsOf({ block, transactions }: MinedBlock): RpcLog[] {
  const place = {
    blockNumber: quantity(block.header.number),
    blockHash: hashOf(block),
    blockTimestamp: quantity(block.header.timestamp),
  }
  const all = transactions.flatMap(({ tx, result }, index) =>
    result.receipt.logs.map(([address, topics, data]) => ({
      address: toHex(address),
      topics: topics.map((topic) => toHex(topic)),
      data: toHex(data),
      ...place,
      transactionHash: hashOf(tx),
      transactionIndex: quantity(index),
    })),
  )
  return all.map((log, index) => ({ ...log, logIndex: quantity(index), removed: false }))
}

/** A transaction, mined where `at` is given. */
export function transactionAnswer(
  tx: TypedTransaction,
  at: { mined: MinedBlock; index: number } | undefined,
): Record<string, unknown> {
  const json = tx.toJSON() as Record<string, unknown>
  const header = at?.mined.block.header
  const place = {
    hash: hashOf(tx),
    from: tx.getSenderAddress().toString(),
    to: tx.to?.toString() ?? null,
    input: toHex(tx.data),
    nonce: quantity(tx.nonce),
    gas: quantity(tx.gasLimit),
    value: quantity(tx.value),
    type: quantity(tx.type),
    v: json['v'],
    r: json['r'],
    s: json['s'],
    chainId: json['chainId'] ?? null,
    blockHash: at === undefined ? null : hashOf(at.mined.block),
    blockNumber: header === undefined ? null : quantity(header.number),
    transactionIndex: at === undefined ? null : quantity(at.index),
  }
  const list = json['accessList'] === undefined ? {} : { accessList: json['accessList'] }
  const { maxFeePerGas, maxPriorityFeePerGas } = json
  if (maxFeePerGas === undefined) return { ...place, ...list, gasPrice: json['gasPrice'] }
  const gasPrice = header === undefined ? maxFeePerGas : quantity(effectiveGasPrice(tx, header))
  return { ...place, ...list, maxFeePerGas, maxPriorityFeePerGas, gasPrice, yParity: json['v'] }
}

function effectiveGasPrice(
  tx: TypedTransaction,
  header: { baseFeePerGas?: bigint | undefined },
): bigint {
  const baseFee = header.baseFeePerGas ?? 0n
  return tx.getEffectivePriorityFee(baseFee) + baseFee
}

/** A receipt. */
export function receiptAnswer(mined: MinedBlock, index: number): Record<string, unknown> {
  const { block, transactions } = mined
  const { tx, result } = transactions[index] as MinedBlock['transactions'][number]
  const { receipt, createdAddress } = result
  const hash = hashOf(tx)
  return {
    transactionHash: hash,
    transactionIndex: quantity(index),
    blockHash: hashOf(block),
    blockNumber: quantity(block.header.number),
    from: tx.getSenderAddress().toString(),
    to: tx.to?.toString() ?? null,
    contractAddress: tx.to === undefined ? (createdAddress?.toString() ?? null) : null,
    cumulativeGasUsed: quantity(receipt.cumulativeBlockGasUsed),
    gasUsed: quantity(result.totalGasSpent),
    effectiveGasPrice: quantity(effectiveGasPrice(tx, block.header)),
    logs: logsOf(mined).filter(({ transactionHash }) => transactionHash === hash),
    logsBloom: toHex(receipt.bitvector),
    status: 'status' in receipt && Number(receipt.status) === 1 ? '0x1' : '0x0',
    type: quantity(tx.type),
  }
}

/** A block, with whole transactions where they are asked for. */
export function blockAnswer(mined: MinedBlock, full: boolean): Record<string, unknown> {
  const { block, transactions } = mined
  const { header } = block
  return {
    hash: hashOf(block),
    parentHash: toHex(header.parentHash),
    sha3Uncles: toHex(header.uncleHash),
    miner: header.coinbase.toString(),
    stateRoot: toHex(header.stateRoot),
    transactionsRoot: toHex(header.transactionsTrie),
    receiptsRoot: toHex(header.receiptTrie),
    logsBloom: toHex(header.logsBloom),
    difficulty: quantity(header.difficulty),
    number: quantity(header.number),
    gasLimit: quantity(header.gasLimit),
    gasUsed: quantity(header.gasUsed),
    timestamp: quantity(header.timestamp),
    extraData: toHex(header.extraData),
    mixHash: toHex(header.mixHash),
    nonce: toHex(header.nonce),
    baseFeePerGas: quantity(header.baseFeePerGas ?? 0n),
    withdrawalsRoot: header.withdrawalsRoot === undefined ? null : toHex(header.withdrawalsRoot),
    blobGasUsed: quantity(header.blobGasUsed ?? 0n),
    excessBlobGas: quantity(header.excessBlobGas ?? 0n),
    parentBeaconBlockRoot: toHex(header.parentBeaconBlockRoot ?? new Uint8Array(32)),
    size: quantity(block.serialize().length),
    uncles: [],
    withdrawals: [],
    totalDifficulty: '0x0',
    transactions: full
      ? transactions.map(({ tx }, index) => transactionAnswer(tx, { mined, index }))
      : transactions.map(({ tx }) => hashOf(tx)),
  }
}
