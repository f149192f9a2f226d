/** What was sent for which submission: kept before it leaves, until its effect is final and after. */
import type { Hex } from 'viem'
import { canonicalBytes, type Json, parseJsonBytes } from '../../core/canonicalJson.js'
import { type Codec, uint64Codec } from '../../enclave/store/codec.js'
import { defineKey, type StoreKey, type TypedStore } from '../../enclave/store/typedStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import type { SentTransaction } from '../actions/sending/transactions.js'
import { type EvmReceipt, type EvmTransaction, evmTransactionCodec } from './values.js'

/** A submission. */
export type SubmissionRecord = {
  key: string
  transaction: EvmTransaction
  /** All that was sent and may still be mined, oldest first. */
  sent: SentTransaction[]
  /** Milliseconds since 1970 of the last sending. */
  sentAt: number
  /** Where it was mined. Until that block is final, it may be undone. */
  receipt?: EvmReceipt | undefined
  /** Whether it was mined before, and undone: from then on it is brought back without being asked. */
  wasMined: boolean
  /** The newest block when it was first refused after it was undone. */
  rejectedAt?: bigint | undefined
}

/** The records of one client. */
export type SubmissionRecords = {
  /** The receipt of a submission that is final, of the last some thousand. */
  final(key: string): Promise<EvmReceipt | undefined>
  open(key: string): Promise<SubmissionRecord | undefined>
  /** Submissions whose effect is not final yet. */
  allOpen(): Promise<SubmissionRecord[]>
  save(record: SubmissionRecord): Promise<void>
  drop(record: SubmissionRecord): Promise<void>
  /** Ends a submission, with the receipt that stays. */
  finish(record: SubmissionRecord, receipt: EvmReceipt): Promise<void>
}

/** Final receipts that are kept for a host that asks again. */
const KEPT = 4_096n

/** Opens the records in a store. */
export function openRecords(store: TypedStore): SubmissionRecords {
  return {
    final: (key) => store.get(finalKey(key)),
    open: (key) => store.get(openKey(key)),
    allOpen: async () => {
      const names = await store.transaction((tx) => tx.names('open/'))
      const found = await Promise.all(names.map((name) => store.get(defineKey(name, recordCodec))))
      return found.filter((record) => record !== undefined)
    },
    save: (record) => store.transaction((tx) => tx.set(openKey(record.key), record)),
    drop: ({ key }) => store.transaction((tx) => tx.delete(openKey(key))),
    finish: ({ key }, receipt) =>
      store.transaction(async (tx) => {
        const count = ((await tx.get(countKey)) ?? 0n) + 1n
        tx.delete(openKey(key))
        tx.set(countKey, count)
        tx.set(finalKey(key), receipt)
        tx.set(orderKey(count), key)
        if (count <= KEPT) return
        const old = orderKey(count - KEPT)
        const oldKey = await tx.get(old)
        tx.delete(old)
        if (oldKey !== undefined && oldKey !== key) tx.delete(finalKey(oldKey))
      }),
  }
}

const text: Codec<string> = { encode: utf8, decode: (bytes) => fromUtf8(bytes) }
const openKey = (key: string): StoreKey<SubmissionRecord> =>
  defineKey(`open/${encodeURIComponent(key)}`, recordCodec)
const finalKey = (key: string): StoreKey<EvmReceipt> =>
  defineKey(`final/${encodeURIComponent(key)}`, receiptCodec)
const countKey = defineKey('finals', uint64Codec)
const orderKey = (count: bigint): StoreKey<string> =>
  defineKey(`order/${count.toString().padStart(20, '0')}`, text)

type Plain = Record<string, Json>

const recordCodec: Codec<SubmissionRecord> = {
  encode: ({ key, transaction, sent, sentAt, receipt, wasMined, rejectedAt }) =>
    canonicalBytes({
      ...{ key, sentAt, wasMined, sent: sent.map(plainSent) },
      ...(rejectedAt === undefined ? {} : { rejectedAt: rejectedAt.toString() }),
      transaction: fromUtf8(evmTransactionCodec.encode(transaction)),
      ...(receipt === undefined ? {} : { receipt: plainReceipt(receipt) }),
    }),
  decode: (bytes) => {
    const plain = parseJsonBytes(bytes) as Plain
    const { key, transaction, sent, sentAt, receipt, rejectedAt } = plain
    if (typeof key !== 'string' || typeof transaction !== 'string' || !Array.isArray(sent)) {
      throw new InvalidInputError({ field: 'record', reason: 'not one of a submission' })
    }
    return {
      ...{ key, sentAt: Number(sentAt), sent: (sent as Plain[]).map(readSent) },
      transaction: evmTransactionCodec.decode(utf8(transaction)),
      receipt: receipt === undefined ? undefined : readReceipt(receipt as Plain),
      wasMined: plain['wasMined'] === true,
      rejectedAt: rejectedAt === undefined ? undefined : BigInt(String(rejectedAt)),
    }
  },
}

const receiptCodec: Codec<EvmReceipt> = {
  encode: (receipt) => canonicalBytes(plainReceipt(receipt)),
  decode: (bytes) => readReceipt(parseJsonBytes(bytes) as Plain),
}

function plainSent({ hash, nonce, gas, fees, serialized }: SentTransaction): Plain {
  return {
    hash,
    ...(nonce === undefined ? {} : { nonce }),
    ...(gas === undefined ? {} : { gas: gas.toString() }),
    ...(serialized === undefined ? {} : { serialized }),
    ...(fees === undefined
      ? {}
      : { fees: [fees.maxFeePerGas.toString(), fees.maxPriorityFeePerGas.toString()] }),
  }
}

function readSent({ hash, nonce, gas, fees, serialized }: Plain): SentTransaction {
  const [most, priority] = (fees ?? []) as string[]
  return {
    hash: hash as Hex,
    nonce: nonce as number | undefined,
    gas: gas === undefined ? undefined : BigInt(String(gas)),
    serialized: serialized as Hex | undefined,
    fees:
      most === undefined || priority === undefined
        ? undefined
        : { maxFeePerGas: BigInt(most), maxPriorityFeePerGas: BigInt(priority) },
  }
}

function plainReceipt({ transactionHash, blockNumber, blockHash }: EvmReceipt): Plain {
  return {
    ...{ blockHash, blockNumber: blockNumber.toString() },
    ...(transactionHash === undefined ? {} : { transactionHash }),
  }
}

function readReceipt({ transactionHash, blockNumber, blockHash }: Plain): EvmReceipt {
  return {
    transactionHash: transactionHash as Hex | undefined,
    blockNumber: BigInt(String(blockNumber)),
    blockHash: blockHash as Hex,
  }
}
