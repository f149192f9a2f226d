/**
 * Sending transactions and seeing them mined: gas from the newest block and not from what waits, the
 * hash told before the transaction leaves, nonces in order, fees raised where a transaction waits too
 * long, and receipts waited for through failures of the node.
 */
import {
  type Abi,
  type Address,
  encodeFunctionData,
  type Hex,
  keccak256,
  type TransactionReceipt,
} from 'viem'
import {
  call,
  estimateGas,
  getBlockNumber,
  getTransaction,
  getTransactionCount,
  prepareTransactionRequest,
  sendRawTransaction,
  sendTransaction,
  signTransaction,
} from 'viem/actions'
import { isPolicySdkError } from '../../../errors/base.js'
import type { ReadClient, WriteClient } from '../../chain/client.js'
import { ContractRevertError, TransactionPendingError } from '../../chain/errors.js'
import { findReceipt, type ReceiptOptions, waitForReceipt } from '../../chain/receipts.js'
import { toCallError } from '../../chain/revert.js'

/** A transaction before it is signed. */
export type WriteCall = {
  address: Address
  abi: Abi
  functionName: string
  args: readonly unknown[]
}

/** A transaction whose calldata is there already. */
export type RawCall = {
  address: Address
  data: Hex
  value?: bigint | undefined
  /** What errors call it. */
  functionName: string
  /** Knows the errors of the contract. */
  abi?: Abi | undefined
}

/** Parameters that the waiting form takes besides. */
export type SyncOptions = ReceiptOptions & {
  /**
   * Milliseconds after which a transaction that is not mined is sent again, with the same nonce and
   * higher fees. Only for accounts that sign here: a wallet would ask its user. Never where left out.
   */
  replaceAfter?: number | undefined
  /** Fees per gas, in wei, above which nothing is replaced. */
  maxFeePerGas?: bigint | undefined
  /**
   * Hashes of earlier sendings of this very write. One that was mined is the result; one that waits
   * is replaced and not doubled.
   */
  previous?: readonly Hex[] | undefined
  /**
   * Told each hash before its transaction leaves, replacements too; sending waits for its promise.
   * With a wallet the hash is known only after.
   */
  onTransactionHash?: ((hash: Hex, sent: SentTransaction) => unknown) | undefined
}

/** Calldata of a write. */
export function encodeWrite(write: WriteCall | RawCall): Hex {
  if ('data' in write) return write.data
  const { abi, functionName, args } = write
  return encodeFunctionData({ abi, functionName, args })
}

type Fees = { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }

/** A transaction that was sent, and what a replacement needs. */
export type SentTransaction = {
  hash: Hex
  nonce?: number | undefined
  fees?: Fees | undefined
  gas?: bigint | undefined
  /** Its signed bytes, where it was signed here. */
  serialized?: Hex | undefined
}

type SendParameters = {
  write: WriteCall | RawCall
  gas?: bigint | undefined
  nonce?: number | undefined
  fees?: Fees | undefined
  onTransactionHash?: SyncOptions['onTransactionHash']
}

/** Signs and sends, one transaction of an account at a time, and tells what a replacement needs. */
export async function sendWrite(
  client: WriteClient,
  parameters: SendParameters,
): Promise<SentTransaction> {
  const { write } = parameters
  try {
    return client.account.type === 'local'
      ? await inTurn(client, () => signAndSend(client, parameters))
      : await sendByWallet(client, parameters)
  } catch (cause) {
    throw toCallError(cause, write)
  }
}

async function sendByWallet(
  client: WriteClient,
  { write, gas, nonce, onTransactionHash }: SendParameters,
): Promise<SentTransaction> {
  const hash = await sendTransaction(client, {
    account: client.account,
    chain: client.chain,
    ...target(write),
    ...(gas === undefined ? {} : { gas }),
    ...(nonce === undefined ? {} : { nonce }),
  } as never)
  await onTransactionHash?.(hash, { hash })
  return { hash }
}

async function signAndSend(
  client: WriteClient,
  { write, fees, onTransactionHash, ...given }: SendParameters,
): Promise<SentTransaction> {
  const { account, chain } = client
  const bare = { account, ...target(write) }
  const gas = given.gas ?? withMargin(await estimateOnMined(client, bare))
  const nonce =
    given.nonce ??
    ('nonceManager' in account && account.nonceManager !== undefined
      ? undefined
      : await getTransactionCount(client, { address: account.address, blockTag: 'pending' }))
  const prepared = await prepareTransactionRequest(client, {
    ...{ ...bare, chain, gas, ...fees },
    ...(nonce === undefined ? {} : { nonce }),
  } as never)
  const serializedTransaction = await signTransaction(client, prepared as never)
  const hash = keccak256(serializedTransaction)
  const used = prepared as Partial<Fees> & { nonce?: number }
  const sent = {
    ...{ hash, gas, serialized: serializedTransaction },
    ...{ nonce: used.nonce, fees: feesOf(used) },
  }
  await onTransactionHash?.(hash, sent)
  try {
    await broadcast(client, serializedTransaction)
  } catch (error) {
    throw withHash(toCallError(error, write), hash)
  }
  return sent
}

/** Sends signed bytes. A node that has them already has been sent them. */
export async function broadcast(client: ReadClient, serialized: Hex): Promise<void> {
  try {
    await sendRawTransaction(client, { serializedTransaction: serialized })
  } catch (error) {
    // A transport that tries again meets its own transaction.
    if (!/already known|already imported|known transaction/i.test(String(error))) throw error
  }
}

function target(write: WriteCall | RawCall): { to: Address; data: Hex; value?: bigint } {
  const value = 'data' in write ? write.value : undefined
  return {
    to: write.address,
    data: encodeWrite(write),
    ...(value === undefined ? {} : { value }),
  }
}

function feesOf({ maxFeePerGas, maxPriorityFeePerGas }: Partial<Fees>): Fees | undefined {
  return maxFeePerGas === undefined || maxPriorityFeePerGas === undefined
    ? undefined
    : { maxFeePerGas, maxPriorityFeePerGas }
}

/**
 * Estimates on the newest block: what waits in the pool, of somebody else too, may never be mined.
 * Some nodes count what waits in all the same, unless the block is named by its number.
 */
async function estimateOnMined(
  client: WriteClient,
  bare: { account: WriteClient['account']; to: Address; data: Hex; value?: bigint },
): Promise<bigint> {
  try {
    return await estimateGas(client, { ...bare, blockTag: 'latest' })
  } catch {
    const blockNumber = await getBlockNumber(client, { cacheTime: 0 })
    return estimateGas(client, { ...bare, blockNumber })
  }
}

const withMargin = (gas: bigint): bigint => (gas * 5n) / 4n

const turns = new Map<string, Promise<unknown>>()

/** Two sends of one account at once would take one nonce. */
function inTurn<value>(client: WriteClient, work: () => Promise<value>): Promise<value> {
  const key = `${client.chain.id} ${client.account.address}`
  const mine = (turns.get(key) ?? Promise.resolve()).then(work)
  const settled = mine
    .catch(() => undefined)
    .then(() => {
      if (turns.get(key) === settled) turns.delete(key)
    })
  turns.set(key, settled)
  return mine
}

/**
 * Looks for what became of earlier sendings of a write.
 *
 * @returns The receipt where one was mined, or the transaction that waits.
 */
export async function lookUp(
  client: ReadClient,
  hashes: readonly Hex[],
): Promise<{ receipt?: TransactionReceipt; waiting?: SentTransaction }> {
  for (const hash of hashes) {
    const receipt = await findReceipt(client, hash)
    if (receipt !== undefined) return { receipt }
  }
  for (const hash of [...hashes].reverse()) {
    const found = await getTransaction(client, { hash }).catch((error: unknown) => {
      if ((error as { name?: string }).name === 'TransactionNotFoundError') return undefined
      throw error
    })
    if (found === undefined || found.blockNumber !== null) continue
    const { nonce, gas } = found
    return { waiting: { hash, nonce, gas, fees: feesOf(found as Partial<Fees>) } }
  }
  return {}
}

/**
 * Waits for the receipt of a transaction or of one that replaces it. A transaction that reverted is
 * replayed at its block for the reason.
 *
 * @throws {ContractRevertError} when the transaction reverted.
 * @throws {TransactionPendingError} when it is not mined in time: it may still be.
 */
export async function waitForMined(
  client: WriteClient,
  parameters: {
    write: WriteCall
    sent: SentTransaction
    hashes?: readonly Hex[] | undefined
    options: SyncOptions
  },
): Promise<TransactionReceipt> {
  const { write, options } = parameters
  const { replaceAfter, receiptTimeout = 180_000 } = options
  const until = performance.now() + receiptTimeout
  const hashes = [...new Set([...(parameters.hashes ?? []), parameters.sent.hash])]
  let sent = parameters.sent
  for (;;) {
    const left = Math.max(0, until - performance.now())
    const replaceable = replaceAfter !== undefined && sent.fees !== undefined
    const patience = replaceable ? Math.min(replaceAfter, left) : left
    try {
      const receipt = await waitForReceipt(client, hashes, { ...options, receiptTimeout: patience })
      return await checkReceipt(client, { write, receipt })
    } catch (error) {
      if (!(error instanceof TransactionPendingError) || performance.now() >= until) throw error
    }
    const next = await replace(client, { write, sent, options })
    if (next !== undefined) {
      sent = next
      hashes.push(next.hash)
    }
  }
}

/** Sends the same again with higher fees, where they may be higher and the node takes it. */
async function replace(
  client: WriteClient,
  parameters: {
    write: WriteCall
    sent: SentTransaction
    options: SyncOptions
  },
): Promise<SentTransaction | undefined> {
  const { write, sent, options } = parameters
  const fees = raisedFees(sent, options)
  if (fees === undefined) return
  const { onTransactionHash } = options
  const { nonce, gas } = sent
  try {
    return await sendWrite(client, { write, gas, nonce, fees, onTransactionHash })
  } catch {
    // Mined meanwhile, or refused: the receipt tells.
    return undefined
  }
}

/**
 * Fees a quarter higher, as nodes replace for a tenth and more; `undefined` where the fees are unknown
 * or would be above what is allowed.
 */
export function raisedFees(
  { fees }: SentTransaction,
  { maxFeePerGas: most }: Pick<SyncOptions, 'maxFeePerGas'>,
): Fees | undefined {
  if (fees === undefined) return undefined
  const raise = (fee: bigint): bigint => (fee * 5n) / 4n + 1n
  const maxFeePerGas = raise(fees.maxFeePerGas)
  if (most !== undefined && maxFeePerGas > most) return undefined
  return { maxFeePerGas, maxPriorityFeePerGas: raise(fees.maxPriorityFeePerGas) }
}

/** The receipt where the transaction succeeded. @throws {ContractRevertError} where it reverted. */
export async function checkReceipt(
  client: WriteClient,
  { write, receipt }: { write: WriteCall | RawCall; receipt: TransactionReceipt },
): Promise<TransactionReceipt> {
  if (receipt.status === 'success') return receipt
  const { address: contract, functionName } = write
  let error: Error = new ContractRevertError({
    ...{ errorName: undefined, args: [], raw: '0x', contract, functionName },
  })
  try {
    await call(client, {
      account: client.account,
      ...target(write),
      blockNumber: receipt.blockNumber,
    })
  } catch (cause) {
    const reason = toCallError(cause, write)
    // Where the node cannot tell why, it reverted all the same.
    if (reason instanceof ContractRevertError) error = reason
  }
  throw withHash(error, receipt.transactionHash)
}

/** Notes on an error of the package which transaction it is about. Other errors stay as they are. */
export function withHash<error>(error: error, hash: Hex | undefined): error {
  if (hash !== undefined && isPolicySdkError(error) && error.transactionHash === undefined) {
    error.transactionHash = hash
  }
  return error
}
