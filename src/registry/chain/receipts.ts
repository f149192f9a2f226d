/** Waiting for a transaction's receipt. */
import {
  type Hex,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  WaitForTransactionReceiptTimeoutError,
} from 'viem'
import { getBlockNumber, getTransactionReceipt } from 'viem/actions'
import type { ReadClient } from './client.js'

/** How long and how often to look. */
export type ReceiptOptions = {
  /** Blocks that must have the transaction under them, its own included. @default 1 */
  confirmations?: number | undefined
  /** Milliseconds between two looks. @default the client's */
  pollingInterval?: number | undefined
  /** Milliseconds after which it is given up. @default 180_000 */
  receiptTimeout?: number | undefined
}

/**
 * Waits for a receipt by asking for it.
 *
 * viem's own wait looks again only when the block number changes, and can miss that change while it
 * still looks into the last one: on a chain that mines only on demand it then waits for ever.
 *
 * @throws `WaitForTransactionReceiptTimeoutError` of viem when it does not come.
 */
export async function waitForReceipt(
  client: ReadClient,
  hash: Hex,
  options: ReceiptOptions = {},
): Promise<TransactionReceipt> {
  const { confirmations = 1, receiptTimeout = 180_000 } = options
  const interval = options.pollingInterval ?? client.pollingInterval
  const until = performance.now() + receiptTimeout
  for (;;) {
    const receipt = await findReceipt(client, hash)
    if (receipt !== undefined) {
      if (confirmations <= 1) return receipt
      const latest = await getBlockNumber(client, { cacheTime: 0 })
      if (latest - receipt.blockNumber + 1n >= BigInt(confirmations)) return receipt
    }
    if (performance.now() > until) throw new WaitForTransactionReceiptTimeoutError({ hash })
    await new Promise((resolve) => setTimeout(resolve, interval))
  }
}

async function findReceipt(client: ReadClient, hash: Hex): Promise<TransactionReceipt | undefined> {
  try {
    return await getTransactionReceipt(client, { hash })
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return undefined
    throw error
  }
}
