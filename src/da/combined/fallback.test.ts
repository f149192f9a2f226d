import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'
import { DaOutcomeUnknownError, ReplicationError } from '../errors.js'
import { createHealthBoard } from '../health.js'
import { memoryDa } from '../memoryDa.js'
import { mockDa } from '../mockDa.js'
import { fallback } from './fallback.js'
import { replicated } from './replicated.js'

const bytes = new TextEncoder().encode('{"a":1}')
const hash = computeArtifactHash(bytes)
const any: DaLocator = { kind: 'keccakStore', name: '' }

describe('fallback', () => {
  test('reads from the next one when the first fails, lies or is slow', async () => {
    for (const kind of [
      'unavailable',
      'corrupted',
      'wrongBytes',
      'truncated',
      'expired',
      'rateLimited',
      'slow',
    ] as const) {
      const first = mockDa({ name: 'first' })
      const second = mockDa({ name: 'second' })
      for (const da of [first, second]) await da.put(bytes)
      first.fail({ kind, times: 9, delay: 60_000 })
      const da = fallback([first, second], { hedgeDelay: 5 })
      expect(await da.getWithVerification(any, hash)).toEqual(bytes)
      expect(second.calls().get).toBe(1)
    }
  })

  test('does not ask a liar again for the same artifact', async () => {
    const first = mockDa({ name: 'first', failures: [{ kind: 'wrongBytes', times: 9 }] })
    const second = mockDa({ name: 'second' })
    for (const da of [first, second]) await da.put(bytes)
    const da = fallback([first, second])
    await da.getWithVerification(any, hash)
    await da.getWithVerification(any, hash)
    expect(first.calls().get).toBe(1)
  })

  test('does not start the second while the first answers in time', async () => {
    const first = mockDa({ name: 'first' })
    const second = mockDa({ name: 'second' })
    for (const da of [first, second]) await da.put(bytes)
    await fallback([first, second], { hedgeDelay: 1_000 }).getWithVerification(any, hash)
    expect(second.calls().get).toBe(0)
  })

  test('prefers what has been healthy, until the memory fades', async () => {
    let time = 0
    const health = createHealthBoard({ now: () => time, halfLife: 1_000 })
    const first = mockDa({ name: 'first', failures: [{ kind: 'unavailable' }] })
    const second = mockDa({ name: 'second' })
    for (const da of [first, second]) await da.put(bytes)
    const da = fallback([first, second], { health })
    await da.getWithVerification(any, hash)
    await da.getWithVerification(any, hash)
    expect(first.calls().get).toBe(1)
    time = 60_000
    await da.getWithVerification(any, hash)
    expect(first.calls().get).toBe(2)
  })

  test('writes to the next one when the first refuses', async () => {
    const first = mockDa({ name: 'first', failures: [{ kind: 'unavailable', on: 'put' }] })
    const second = mockDa({ name: 'second' })
    const receipt = await fallback([first, second]).put(bytes)
    expect(receipt.locator).toEqual({ kind: 'keccakStore', name: 'second' })
    expect(first.payments()).toBe(0)
  })

  test('stops at a write that may have been paid', async () => {
    const first = mockDa({ name: 'first', failures: [{ kind: 'outcomeUnknown', on: 'put' }] })
    const second = mockDa({ name: 'second' })
    await expect(fallback([first, second]).put(bytes)).rejects.toThrow(DaOutcomeUnknownError)
    expect(second.payments()).toBe(0)
    first.fail({ kind: 'outcomeUnknown', on: 'put' })
    await fallback([first, second], { continueAfterUnknownOutcome: true }).put(bytes)
    expect(second.payments()).toBe(1)
  })

  test('aborts through to the backends', async () => {
    const first = mockDa({ latency: 60_000 })
    const error = await fallback([first])
      .getWithVerification(any, hash, { timeout: 10 })
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'TIMEOUT' })
  })

  test('says all that was tried', async () => {
    const da = fallback([memoryDa(), mockDa({ failures: [{ kind: 'unavailable' }] })])
    await expect(da.getWithVerification(any, hash)).rejects.toMatchObject({
      code: 'DA_UNAVAILABLE',
      retryable: true,
      metaMessages: [
        expect.stringMatching(/^- memory: .*not held here/),
        expect.stringMatching(/^- mock: .*unavailable/),
      ],
    })
  })

  test('needs a backend', () => {
    expect(() => fallback([])).toThrow(/clients/)
  })
})

describe('replicated', () => {
  test('says which copies were written', async () => {
    const down = mockDa({ name: 'down', failures: [{ kind: 'unavailable', on: 'put' }] })
    const da = replicated([memoryDa({ name: 'a' }), down, memoryDa({ name: 'c' })], { quorum: 2 })
    const { receipts, failures, locator } = await da.put(bytes)
    expect(receipts.map(({ locator }) => locator)).toEqual([
      { kind: 'keccakStore', name: 'a' },
      { kind: 'keccakStore', name: 'c' },
    ])
    expect(locator).toEqual({ kind: 'keccakStore', name: 'a' })
    expect(failures).toMatchObject([{ source: 'mock', error: { code: 'DA_UNAVAILABLE' } }])
  })

  test('fails below the quorum, and hands over the copies there are', async () => {
    const down = mockDa({ failures: [{ kind: 'unavailable', on: 'put' }] })
    const error = await replicated([memoryDa(), down])
      .put(bytes)
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ReplicationError)
    expect((error as ReplicationError).receipts).toHaveLength(1)
    expect((error as ReplicationError).attempts).toHaveLength(1)
  })

  test('can insist on a permanent copy', async () => {
    const down = mockDa({ name: 'archive', failures: [{ kind: 'unavailable', on: 'put' }] })
    const short = mockDa({ name: 'short', expiresIn: 10 })
    const da = replicated([short, down], { quorum: 1, requirePermanent: true })
    await expect(da.put(bytes)).rejects.toThrow(/required copies/)
    await expect(da.put(bytes)).resolves.toMatchObject({ receipts: { length: 2 } })
  })

  test('checks its quorum', () => {
    for (const quorum of [0, 3, 1.5])
      expect(() => replicated([memoryDa(), mockDa()], { quorum })).toThrow(/quorum/)
  })
})
