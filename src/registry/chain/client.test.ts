import { expect, test } from 'vitest'
import { type ReadClient, withClient } from './client.js'

test('withClient: each request has a signal of its own, and all end with the caller’s', async () => {
  const signals: AbortSignal[] = []
  const client = {
    // As viem does, which listens while a request is under way.
    request: (_: unknown, { signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        signals.push(signal)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  } as unknown as ReadClient
  const controller = new AbortController()
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  const work = withClient('reading', { client, options: { signal: controller.signal } }, (own) =>
    Promise.all(Array.from({ length: 20 }, () => own.request({ method: 'eth_chainId' }))),
  )
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('warning', warn)
  expect(new Set(signals).size).toBe(20)
  expect(warnings).toEqual([])
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(work).rejects.toBe(reason)
})
