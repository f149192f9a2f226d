/** What an application of one's own in an enclave gets from an EVM chain, and what it sends there. */
import { type Abi, type Address, decodeEventLog, type Hex, isAddress, isHex } from 'viem'
import { canonicalBytes, type Json, parseJsonBytes } from '../../core/canonicalJson.js'
import type { Codec } from '../../enclave/store/codec.js'
import { InvalidInputError } from '../../errors/common.js'
import type { ChainLog } from '../chain/logs/logs.js'

/** An event of an application's contract, decoded, with where it stands. */
export type EvmEvent = {
  name: string
  args: Readonly<Record<string, unknown>>
  log: ChainLog
}

/**
 * What is submitted: a call that the host signs and pays for, or bytes that the enclave signed itself.
 * With `creates`, a contract that is there already is as good as a receipt.
 */
export type EvmTransaction =
  | { to: Address; data: Hex; value?: bigint | undefined; creates?: Address | undefined }
  | { signed: Hex; creates?: Address | undefined }

/** What came of a submission. */
export type EvmReceipt = {
  /** `undefined` where the contract to be created was there already. */
  transactionHash: Hex | undefined
  blockNumber: bigint
  blockHash: Hex
}

/** Decodes a log by an ABI. @throws what viem throws where it is of none of its events. */
export function decodeEvmEvent(abi: Abi, log: ChainLog): EvmEvent {
  const { topics, data } = log
  const decoded = decodeEventLog({ abi, data, topics: topics as [Hex, ...Hex[]], strict: true })
  return { name: String(decoded.eventName), args: (decoded.args ?? {}) as never, log }
}

/**
 * Codec of {@link EvmEvent}: the log as it came; decoded again by the ABI.
 *
 * @param abi - Of the contract.
 */
export function evmEventCodec(abi: Abi): Codec<EvmEvent> {
  return {
    encode: ({ log: { blockNumber, ...log } }) =>
      canonicalBytes({ ...log, blockNumber: blockNumber.toString() } as never),
    decode: (bytes) => {
      const { blockNumber, ...log } = parseJsonBytes(bytes) as Record<string, Json>
      return decodeEvmEvent(abi, { ...log, blockNumber: BigInt(String(blockNumber)) } as never)
    },
  }
}

/** Codec of {@link EvmTransaction}. */
export const evmTransactionCodec: Codec<EvmTransaction> = {
  encode: (transaction) => canonicalBytes(transactionJson(checkTransaction(transaction))),
  decode: (bytes) => {
    const read = parseJsonBytes(bytes) as Record<string, Json>
    const value = read['value']
    return checkTransaction({
      ...read,
      ...(value === undefined ? {} : { value: BigInt(String(value)) }),
    } as never)
  },
}

/** @throws {InvalidInputError} for what is no transaction. */
export function checkTransaction(transaction: EvmTransaction): EvmTransaction {
  const refuse = (field: string, reason: string): never => {
    throw new InvalidInputError({ field: `transaction.${field}`, reason })
  }
  const { creates } = transaction
  if (creates !== undefined && !isAddress(creates, { strict: false }))
    refuse('creates', 'expected an address')
  if ('signed' in transaction) {
    if (!isBytes(transaction.signed)) refuse('signed', 'expected signed bytes')
    return transaction
  }
  const { to, data, value } = transaction
  if (!isAddress(to, { strict: false })) refuse('to', 'expected an address')
  if (!isBytes(data)) refuse('data', 'expected calldata')
  if (value !== undefined && (typeof value !== 'bigint' || value < 0n))
    refuse('value', 'expected wei, 0 or more')
  return transaction
}

/** A transaction as JSON without big integers. */
export function transactionJson(transaction: EvmTransaction): Record<string, Json> {
  const { creates } = transaction
  const more = creates === undefined ? {} : { creates }
  if ('signed' in transaction) return { signed: transaction.signed, ...more }
  const { to, data, value } = transaction
  return { to, data, ...more, ...(value === undefined ? {} : { value: value.toString() }) }
}

function isBytes(value: unknown): value is Hex {
  return isHex(value) && value.length % 2 === 0
}
