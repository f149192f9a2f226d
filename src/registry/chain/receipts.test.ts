import { expect, test } from 'vitest'
import { type ReadClient, withClient } from './client.js'
import { waitForReceipt } from './receipts.js'

const hash = `0x${'11'.repeat(32)}` as const

/** A node that has no receipt, or none to give, and counts how often it was asked. */
function clientOf(answer: () => Promise<unknown>): { client: ReadClient; asked: () => number } {
  let count = 0
  const request = async (_: unknown, { signal }: { signal?: AbortSignal } = {}) => {
    count++
    signal?.throwIfAborted()
    return answer()
  }
  const client = { request, pollingInterval: 5, cacheTime: 0 } as unknown as ReadClient
  return { client, asked: () => count }
}

test.each([
  ['without a receipt', async () => null],
  ['that fails', async () => Promise.reject(new Error('it is down'))],
])('waitForReceipt: a caller who goes away ends it, at a node %s', async (_name, answer) => {
  const { client, asked } = clientOf(answer)
  const controller = new AbortController()
  const { signal } = controller
  let end: unknown
  const work = withClient('waiting', { client, options: { signal } }, async (own, inner) => {
    await waitForReceipt(own, hash, { pollingInterval: 5, signal: inner }).catch((error) => {
      end = error
      throw error
    })
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(asked()).toBeGreaterThan(1)
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(work).rejects.toBe(reason)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(end).toBe(reason)
  const before = asked()
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(asked()).toBe(before)
})

test('waitForReceipt: gives up after its time, and names the transaction', async () => {
  const { client } = clientOf(async () => null)
  await expect(
    waitForReceipt(client, hash, { pollingInterval: 5, receiptTimeout: 20 }),
  ).rejects.toMatchObject({ code: 'TRANSACTION_PENDING' })
})

const receiptOf = (changes: object) => ({
  ...{ transactionHash: hash, status: '0x1', blockNumber: '0x1', logs: [], type: '0x2' },
  ...{ gasUsed: '0x1', cumulativeGasUsed: '0x1', effectiveGasPrice: '0x1' },
  ...changes,
})

test.each([
  ['of another transaction', receiptOf({ transactionHash: `0x${'22'.repeat(32)}` })],
  ['without a status', receiptOf({ status: undefined })],
  ['without logs', receiptOf({ logs: null })],
  ['with a log that is none', receiptOf({ logs: [{}] })],
  ['that is none', 'hello'],
])('waitForReceipt: a receipt %s is not believed', async (_name, receipt) => {
  const { client } = clientOf(async () => receipt)
  await expect(
    waitForReceipt(client, hash, { pollingInterval: 5, receiptTimeout: 30 }),
  ).rejects.toMatchObject({ code: 'TRANSACTION_PENDING', transactionHashes: [hash] })
})

test('waitForReceipt: the receipt of what was sent is returned', async () => {
  const { client } = clientOf(async () => receiptOf({}))
  expect(await waitForReceipt(client, hash)).toMatchObject({ status: 'success' })
})

test.each([
  ['its time', { receiptTimeout: 40 }, { code: 'TRANSACTION_PENDING' }],
  ['its signal', { signal: AbortSignal.timeout(40) }, { name: 'TimeoutError' }],
])('waitForReceipt: a node that says nothing does not outlast %s', async (_name, options, end) => {
  const { client } = clientOf(() => new Promise(() => undefined))
  await expect(waitForReceipt(client, hash, options)).rejects.toMatchObject(end)
})

test('waitForReceipt: nor does one that has the receipt and says no block number', async () => {
  const request = async ({ method }: { method: string }) =>
    method === 'eth_blockNumber' ? new Promise(() => undefined) : receiptOf({})
  const client = { request, pollingInterval: 5, cacheTime: 0 } as unknown as ReadClient
  await expect(
    waitForReceipt(client, hash, { confirmations: 2, receiptTimeout: 40 }),
  ).rejects.toMatchObject({ code: 'TRANSACTION_PENDING' })
})
