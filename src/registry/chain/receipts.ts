/** Waiting for a transaction's receipt. */
import { type Hex, type TransactionReceipt, TransactionReceiptNotFoundError } from 'viem'
import { getBlockNumber, getTransactionReceipt } from 'viem/actions'
import { withDeadline } from '../../internal/deadline.js'
import { sleep } from '../../internal/pause.js'
import type { ReadClient } from './client.js'
import { RpcInconsistentError, TransactionPendingError } from './errors.js'

/** How long and how often to look. */
export type ReceiptOptions = {
  /** Blocks that must have the transaction under them, its own included. @default 1 */
  confirmations?: number | undefined
  /** Milliseconds between two looks. @default the client's */
  pollingInterval?: number | undefined
  /** Milliseconds after which it is given up. @default 180_000 */
  receiptTimeout?: number | undefined
  /** Ends the wait. Its reason is what the wait rejects with. */
  signal?: AbortSignal | undefined
}

/**
 * Waits for a receipt by asking for it, through failures of the node.
 *
 * viem's own wait looks again only when the block number changes, and can miss that change while it
 * still looks into the last one: on a chain that mines only on demand it then waits for ever.
 *
 * @param hash - The transaction, or all that were sent with one nonce: one of them is mined.
 * @throws {TransactionPendingError} when none comes in time, with the last failure as its cause.
 */
export async function waitForReceipt(
  client: ReadClient,
  hash: Hex | readonly Hex[],
  options: ReceiptOptions = {},
): Promise<TransactionReceipt> {
  const { confirmations = 1, receiptTimeout = 180_000, signal } = options
  const hashes = typeof hash === 'string' ? [hash] : hash
  const interval = options.pollingInterval ?? client.pollingInterval
  const until = performance.now() + receiptTimeout
  let failure: unknown
  for (;;) {
    try {
      const timeout = Math.max(1, until - performance.now())
      const receipt = await withDeadline('Looking for a receipt', { signal, timeout }, () =>
        findConfirmed(client, hashes, confirmations),
      )
      if (receipt !== undefined) return receipt
    } catch (error) {
      // The transaction is on its way whether this node answers or not.
      failure = error
    }
    signal?.throwIfAborted()
    if (performance.now() > until) {
      throw new TransactionPendingError({ transactionHashes: hashes }, { cause: failure })
    }
    await sleep(interval, signal)
  }
}

/** The first receipt that has its blocks under it. */
async function findConfirmed(
  client: ReadClient,
  hashes: readonly Hex[],
  confirmations: number,
): Promise<TransactionReceipt | undefined> {
  for (const hash of hashes) {
    const receipt = await findReceipt(client, hash)
    if (receipt === undefined) continue
    if (confirmations <= 1) return receipt
    const latest = await getBlockNumber(client, { cacheTime: 0 })
    if (latest - receipt.blockNumber + 1n >= BigInt(confirmations)) return receipt
  }
  return undefined
}

/** A receipt, `undefined` where there is none yet. */
export async function findReceipt(
  client: ReadClient,
  hash: Hex,
): Promise<TransactionReceipt | undefined> {
  try {
    const receipt = await getTransactionReceipt(client, { hash })
    if (!isReceiptOf(receipt, hash)) {
      throw new RpcInconsistentError(`its receipt of ${hash} is none, or of another transaction`)
    }
    return receipt
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return undefined
    throw error
  }
}

// What is read of it later: a node may answer anything.
function isReceiptOf(receipt: TransactionReceipt, hash: Hex): boolean {
  const { transactionHash, status, blockNumber, logs } = receipt ?? {}
  return (
    typeof transactionHash === 'string' &&
    transactionHash.toLowerCase() === hash.toLowerCase() &&
    (status === 'success' || status === 'reverted') &&
    typeof blockNumber === 'bigint' &&
    Array.isArray(logs) &&
    logs.every((log) => typeof log?.address === 'string' && Array.isArray(log.topics))
  )
}
