/**
 * Submissions: each once, in the order of the account's nonces, with fees raised where one waits, and
 * watched until its block is final. What a reorganization takes back is sent again, the very same bytes
 * where their nonce is still free.
 */
import {
  type Abi,
  type Address,
  type Hex,
  keccak256,
  parseTransaction,
  recoverTransactionAddress,
} from 'viem'
import { getCode, getTransactionCount } from 'viem/actions'
import { TransactionRejectedError } from '../../enclave/app/errors.js'
import type { TypedStore } from '../../enclave/store/typedStore.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { pause } from '../../internal/pause.js'
import {
  broadcast,
  checkReceipt,
  lookUp,
  type RawCall,
  raisedFees,
  type SentTransaction,
  sendWrite,
} from '../actions/sending/transactions.js'
import { assertChain, request, type WriteClient, withClient } from '../chain/client.js'
import { ContractRevertError } from '../chain/errors.js'
import { readBlock, readTag } from '../chain/read.js'
import { toCallError } from '../chain/revert.js'
import { type Finality, finalBlock } from '../events/events.js'
import { openRecords, type SubmissionRecord, type SubmissionRecords } from './records.js'
import { checkTransaction, type EvmReceipt, type EvmTransaction } from './values.js'

/** Something that happened to a submission, for logs and metrics. */
export type SubmissionEvent =
  | { type: 'sent' | 'replaced' | 'sent-again'; key: string; transactionHash: Hex }
  | { type: 'mined' | 'final' | 'undone'; key: string; transactionHash: Hex | undefined }
  | { type: 'failed' | 'abandoned'; key: string; code: string }

/** The submissions of one account. */
export type Submissions = {
  /** Resolves once it is mined. The same key again gives the same receipt. */
  submit(transaction: EvmTransaction, options: IoOptions & { key: string }): Promise<EvmReceipt>
  /** Looks at what is not final yet: ends what is, sends again what was undone. */
  settle(options?: IoOptions): Promise<void>
  /** Submissions that are not final yet. */
  open(): Promise<number>
}

/** What sends, and how. */
export type SendingParameters = {
  /** Reads, and sends from its account. Use the account for nothing else. */
  client: WriteClient
  /** What was sent is kept here: durable, and for this use only. */
  store: TypedStore
  /** Which blocks are read: what comes of them may be undone where it is not what is final. @default 'finalized' */
  finality?: Finality | undefined
  /** Which blocks stay for good: a submission in one of them is not looked at again. @default 'finalized' */
  final?: Finality | undefined
  /** Milliseconds between looks. @default 4000 */
  pollingInterval?: number | undefined
  /** Milliseconds after which what is not mined is sent again with higher fees. @default 60000 */
  replaceAfter?: number | undefined
  /** Fees per gas, in wei, above which nothing is replaced. */
  maxFeePerGas?: bigint | undefined
  /** Names the errors of reverts. */
  abi?: Abi | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: SubmissionEvent) => void) | undefined
}

/** {@link SendingParameters}, checked, with defaults. */
export type SendingOptions = {
  client: WriteClient
  records: SubmissionRecords
  finality: Finality
  final: Finality
  pollingInterval: number
  replaceAfter: number
  maxFeePerGas: bigint | undefined
  abi: Abi | undefined
  now: () => number
  onEvent: ((event: SubmissionEvent) => void) | undefined
}

/** @throws {InvalidInputError} for options that are none. */
export function checkSending(parameters: SendingParameters): SendingOptions {
  const { finality = 'finalized', final = 'finalized' } = parameters
  const { maxFeePerGas, now = Date.now } = parameters
  const { pollingInterval = 4_000, replaceAfter = 60_000 } = parameters
  checkFinality('finality', finality)
  checkFinality('final', final)
  for (const [field, value] of Object.entries({ pollingInterval, replaceAfter })) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new InvalidInputError({ field, reason: 'expected milliseconds above 0' })
    }
  }
  if (maxFeePerGas !== undefined && (typeof maxFeePerGas !== 'bigint' || maxFeePerGas <= 0n)) {
    throw new InvalidInputError({ field: 'maxFeePerGas', reason: 'expected wei above 0' })
  }
  const { client, store, abi, onEvent } = parameters
  const records = openRecords(store)
  const times = { pollingInterval, replaceAfter, now }
  return { client, records, finality, final, ...times, maxFeePerGas, abi, onEvent }
}

function checkFinality(field: string, finality: Finality): void {
  const isDepth =
    typeof finality === 'object' &&
    Number.isSafeInteger(finality?.confirmations) &&
    finality.confirmations >= 0
  if (isDepth || ['finalized', 'safe', 'latest'].includes(finality as string)) return
  throw new InvalidInputError({
    field,
    reason: "expected 'finalized', 'safe', 'latest' or { confirmations }",
  })
}

/** Creates the submissions of a client. */
export function createSubmissions(parameters: SendingOptions): Submissions {
  const { client, records, pollingInterval } = parameters
  const report = (event: SubmissionEvent): void => parameters.onEvent?.(event)
  const context: Context = { ...parameters, report }
  /** One piece of work per key: a look that settles and a call that submits never send both. */
  const busy = new Map<string, Promise<unknown>>()
  const alone = <value>(key: string, work: () => Promise<value>): Promise<value> => {
    const done = (busy.get(key) ?? Promise.resolve()).then(work)
    const settled = done.catch(() => undefined)
    busy.set(key, settled)
    void settled.then(() => busy.get(key) === settled && busy.delete(key))
    return done
  }
  const look = async (record: SubmissionRecord, signal: AbortSignal): Promise<EvmReceipt | null> =>
    withClient('Submitting', { client, options: { signal } }, (bound) =>
      bring({ ...context, client: bound }, record),
    )
  return {
    submit: (transaction, { key, ...io }) => {
      checkTransaction(transaction)
      return withDeadline('Submitting', io, async (signal) => {
        for (;;) {
          signal.throwIfAborted()
          const receipt = await alone(key, async () => {
            const final = await records.final(key)
            if (final !== undefined) return final
            const fresh = { key, transaction, sent: [], sentAt: 0, wasMined: false }
            const record: SubmissionRecord = (await records.open(key)) ?? fresh
            return record.receipt ?? (await look(record, signal))
          })
          if (receipt !== null) return receipt
          await pause(pollingInterval, signal)
        }
      })
    },
    settle: (io = {}) =>
      withDeadline('Settling submissions', io, async (signal) => {
        const open = (await records.allOpen()).sort((a, b) => nonceOf(a) - nonceOf(b))
        if (open.length === 0) return
        const blocks = await withClient('Settling', { client, options: { signal } }, (bound) =>
          blocksOf(bound, open, parameters.final),
        )
        for (const { key } of open) {
          await alone(key, async () => {
            const record = await records.open(key)
            if (record === undefined) return
            try {
              await settleOne({ ...context, blocks, look, signal }, record)
            } catch (error) {
              if (signal.aborted) throw signal.reason
              report({ type: 'failed', key, code: codeOf(error) })
            }
          })
        }
      }),
    open: async () => (await records.allOpen()).length,
  }
}

type Context = SendingOptions & { report: (event: SubmissionEvent) => void }

const nonceOf = ({ sent }: SubmissionRecord): number =>
  sent.at(-1)?.nonce ?? Number.MAX_SAFE_INTEGER

/** The final block, and what is now at the heights of receipts. */
async function blocksOf(
  client: WriteClient,
  open: readonly SubmissionRecord[],
  finality: Finality,
): Promise<{ final: bigint; newest: bigint; hashes: ReadonlyMap<bigint, Hex | undefined> }> {
  const { number: newest } = await readTag(client, 'latest')
  const { number: final } = await finalBlock(client, finality)
  const heights = new Set(open.flatMap(({ receipt }) => receipt?.blockNumber ?? []))
  const hashes = new Map<bigint, Hex | undefined>()
  for (const height of heights) hashes.set(height, (await readBlock(client, height))?.hash)
  return { final, newest, hashes }
}

async function settleOne(
  context: Context & {
    blocks: Awaited<ReturnType<typeof blocksOf>>
    look: (record: SubmissionRecord, signal: AbortSignal) => Promise<EvmReceipt | null>
    signal: AbortSignal
  },
  record: SubmissionRecord,
): Promise<void> {
  const { records, blocks, look, report, signal } = context
  const { key, receipt } = record
  if (receipt !== undefined) {
    const hash = blocks.hashes.get(receipt.blockNumber)
    // A block that is not there is a node behind, or a height that was not asked for.
    if (hash === undefined) return
    if (hash.toLowerCase() === receipt.blockHash.toLowerCase()) {
      if (receipt.blockNumber > blocks.final) return
      await records.finish(record, receipt)
      report({ type: 'final', key, transactionHash: receipt.transactionHash })
      return
    }
    record.receipt = undefined
    await records.save(record)
    report({ type: 'undone', key, transactionHash: receipt.transactionHash })
  }
  // What was never mined is its submitter's to bring on, or to give up.
  if (!record.wasMined) return
  try {
    await look(record, signal)
  } catch (error) {
    if (!(error instanceof TransactionRejectedError)) throw error
    if (record.rejectedAt === undefined) {
      record.rejectedAt = blocks.newest
      await records.save(record)
    } else if (record.rejectedAt <= blocks.final) {
      // The chain that stays has no place for it.
      await records.drop(record)
      report({ type: 'abandoned', key, code: error.code })
      return
    }
    throw error
  }
}

/**
 * Brings a submission one step on.
 *
 * @returns Its receipt where it is mined, `null` where it waits.
 * @throws {TransactionRejectedError} where it reverted, or would.
 */
async function bring(context: Context, record: SubmissionRecord): Promise<EvmReceipt | null> {
  const { client, records, report, now } = context
  const { key, transaction, sent } = record
  const found = await request('what was sent before', () =>
    lookUp(
      client,
      sent.map(({ hash }) => hash),
    ),
  )
  if (found.receipt !== undefined) {
    const { transactionHash, blockNumber, blockHash } = found.receipt
    try {
      await checkReceipt(client, { write: callOf(context, transaction), receipt: found.receipt })
    } catch (error) {
      // It cost its nonce; another try is another transaction.
      record.sent = sent.filter(({ hash }) => hash !== transactionHash)
      if (record.sent.length === 0 && !record.wasMined) await records.drop(record)
      else await records.save(record)
      throw rejected(error)
    }
    return mined(context, record, { transactionHash, blockNumber, blockHash })
  }
  const there = await createdBlock(client, transaction.creates)
  if (there !== undefined) return mined(context, record, { transactionHash: undefined, ...there })
  const last = sent.at(-1)
  if (found.waiting !== undefined) {
    if (now() - record.sentAt >= context.replaceAfter) await replace(context, record)
    return null
  }
  if (last?.serialized !== undefined) {
    const state = await nonceState(context, last)
    if (state === 'used') return null
    if (state === 'free') {
      await resend(context, record, last as SentTransaction & { serialized: Hex })
      report({ type: 'sent-again', key, transactionHash: last.hash })
      return null
    }
  }
  const { hash } = await sendFirst(context, record)
  report({ type: 'sent', key, transactionHash: hash })
  return null
}

async function mined(
  { records, report }: Context,
  record: SubmissionRecord,
  receipt: EvmReceipt,
): Promise<EvmReceipt> {
  record.receipt = receipt
  record.wasMined = true
  record.rejectedAt = undefined
  await records.save(record)
  report({ type: 'mined', key: record.key, transactionHash: receipt.transactionHash })
  return receipt
}

/** Signs and sends anew. What was sent before had its nonce used by another transaction. */
async function sendFirst(context: Context, record: SubmissionRecord): Promise<SentTransaction> {
  const { client, records, now } = context
  const { transaction } = record
  const keep = async (_: Hex, sent: SentTransaction): Promise<void> => {
    record.sent = [...record.sent, sent].slice(-16)
    record.sentAt = now()
    await records.save(record)
  }
  await assertChain(client)
  if ('signed' in transaction) {
    const sent = { hash: keccak256(transaction.signed), serialized: transaction.signed }
    await assertPlace(context, transaction.signed)
    if (record.sent.every(({ hash }) => hash !== sent.hash)) await keep(sent.hash, sent)
    await rejecting(() => broadcast(client, transaction.signed))
    return sent
  }
  return rejecting(() =>
    sendWrite(client, { write: callOf(context, transaction), onTransactionHash: keep }),
  )
}

/** @throws {TransactionRejectedError} where another transaction has the nonce of a signed one for good. */
async function assertPlace({ client, final }: Context, signed: Hex): Promise<void> {
  const { nonce } = parseTransaction(signed)
  const address = await recoverTransactionAddress({ serializedTransaction: signed as never })
  const { number: blockNumber } = await finalBlock(client, final)
  const used = await request('the nonce of the account', () =>
    getTransactionCount(client, { address, blockNumber }),
  )
  if (nonce !== undefined && used > nonce) {
    throw new TransactionRejectedError({ reason: 'its nonce is used' })
  }
}

/** The very same bytes: a second transaction cannot come of them. */
async function resend(
  { client, records, now }: Context,
  record: SubmissionRecord,
  { serialized }: SentTransaction & { serialized: Hex },
): Promise<void> {
  await rejecting(() => broadcast(client, serialized))
  record.sentAt = now()
  await records.save(record)
}

async function replace(context: Context, record: SubmissionRecord): Promise<void> {
  const { client, records, report, now, maxFeePerGas } = context
  const { key, transaction, sent } = record
  const last = sent.at(-1)
  if (last === undefined || 'signed' in transaction || client.account.type !== 'local') return
  const fees = raisedFees(last, { maxFeePerGas })
  if (fees === undefined) return
  const { nonce, gas } = last
  const { hash } = await sendWrite(client, {
    ...{ write: callOf(context, transaction), nonce, gas, fees },
    onTransactionHash: async (_, next) => {
      record.sent = [...record.sent, next].slice(-16)
      record.sentAt = now()
      await records.save(record)
    },
  })
  report({ type: 'replaced', key, transactionHash: hash })
}

/**
 * What became of the nonce of something that is neither mined nor waits: `free` to be sent again, `used` by
 * a transaction that may be this one (a node is behind, or it was mined this moment), `lost` to another one
 * for good.
 */
async function nonceState(
  { client, final }: Context,
  { nonce }: SentTransaction,
): Promise<'free' | 'used' | 'lost'> {
  if (nonce === undefined) return 'free'
  const { address } = client.account
  const countAt = (blockNumber: bigint): Promise<number> =>
    request('the nonce of the account', () => getTransactionCount(client, { address, blockNumber }))
  const { number: newest } = await readTag(client, 'latest')
  if ((await countAt(newest)) <= nonce) return 'free'
  const { number: last } = await finalBlock(client, final)
  return (await countAt(last)) > nonce ? 'lost' : 'used'
}

/** The newest block, where the contract to be created is there. */
async function createdBlock(
  client: WriteClient,
  creates: Address | undefined,
): Promise<{ blockNumber: bigint; blockHash: Hex } | undefined> {
  if (creates === undefined) return undefined
  const { number, hash } = await readTag(client, 'latest')
  const code = await request('a contract', () =>
    getCode(client, { address: creates, blockNumber: number }),
  )
  const isThere = code !== undefined && code !== '0x'
  return isThere ? { blockNumber: number, blockHash: hash } : undefined
}

function callOf({ abi }: Context, transaction: EvmTransaction): RawCall {
  if ('signed' in transaction) {
    return { address: `0x${'00'.repeat(20)}`, data: '0x', functionName: 'a signed transaction' }
  }
  const { to, data, value } = transaction
  return { address: to, data, value, functionName: data.slice(0, 10), abi }
}

/** Reverts, and nonces that are gone, are the transaction's own; anything else is the node's. */
async function rejecting<value>(work: () => Promise<value>): Promise<value> {
  try {
    return await work()
  } catch (error) {
    throw rejected(error)
  }
}

function rejected(cause: unknown): unknown {
  if (cause instanceof ContractRevertError) {
    return new TransactionRejectedError({ reason: cause.errorName ?? 'it reverts' }, { cause })
  }
  return toCallError(cause, { address: `0x${'00'.repeat(20)}`, functionName: 'send' })
}

function codeOf(error: unknown): string {
  return isPolicySdkError(error) ? error.code : 'UNKNOWN'
}
