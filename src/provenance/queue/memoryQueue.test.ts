import { describe, expect, test } from 'vitest'
import { QueueFullError } from '../errors.js'
import type { JobQueue } from './jobQueue.js'
import { memoryQueue } from './memoryQueue.js'
import { QueueConformanceError } from './queueChecks.js'
import { queueConformance } from './queueConformance.js'

describe('memoryQueue', () => {
  test.each(queueConformance(async (options) => memoryQueue(options)))('$name', ({ run }) => run())

  test('behavior: the next try waits, twice as long each time', async () => {
    let now = 0
    const queue = memoryQueue({ backoff: 100, now: () => now })
    await queue.put({ id: 'a', payload: '' })
    for (const delay of [100, 200, 400, 800]) {
      const lease = await queue.lease(10)
      await queue.finish(lease?.leaseId ?? '', { status: 'retry', result: '' })
      now += delay - 1
      expect(await queue.lease(10)).toBeUndefined()
      now += 1
    }
    expect((await queue.lease(10))?.job.tries).toBe(5)
  })

  test('behavior: a lease looks at what it may have, not at all that waits or is over', async () => {
    let looks = 0
    const now = (): number => {
      looks += 1
      return 0
    }
    const queue = memoryQueue({ now, waitingOfOne: 2_000 })
    for (let i = 0; i < 2_000; i++) await queue.put({ id: `${i}`, payload: '' })
    looks = 0
    for (let i = 0; i < 1_000; i++) {
      const lease = await queue.lease(10, { worker: 'w' })
      expect(lease?.job.id).toBe(`${i}`)
      await queue.finish(lease?.leaseId ?? '', { status: 'done', result: '' })
    }
    expect(looks).toBeLessThan(10_000)
  })

  test('error: more than it takes', async () => {
    const queue = memoryQueue({ waiting: 1 })
    await queue.put({ id: 'a', payload: '' })
    const error = await queue.put({ id: 'b', payload: '' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(QueueFullError)
    expect(error).toMatchObject({ code: 'QUEUE_FULL', of: 'queue', retryable: true })
  })

  test('error: options that are no numbers', async () => {
    expect(() => memoryQueue({ backoff: Number.NaN })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
    for (const bounds of [{ waiting: 0 }, { waitingOfOne: 1.5 }, { waiting: '9' as never }]) {
      expect(() => memoryQueue(bounds)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    }
    await expect(memoryQueue().lease(0)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('queueConformance', () => {
  test('error: what a case asks and did not get', async () => {
    const [first] = queueConformance(async () => ({ ...memoryQueue(), put: async () => false }))
    await expect(first?.run()).rejects.toBeInstanceOf(QueueConformanceError)
  })

  const broken = (change: (queue: JobQueue) => Partial<JobQueue>): Promise<boolean>[] =>
    queueConformance(async (options) => {
      const queue = memoryQueue(options)
      return { ...queue, ...change(queue) }
    }).map(({ run }) =>
      run().then(
        () => true,
        () => false,
      ),
    )

  test.each<[string, (queue: JobQueue) => Partial<JobQueue>]>([
    ['puts twice', () => ({ put: async () => true })],
    ['takes any lease', () => ({ finish: async () => true })],
    ['renews any lease', () => ({ renew: async () => true })],
    ['never settles', () => ({ settle: async () => true })],
    ['leases for a minute', (queue) => ({ lease: () => queue.lease(60_000) })],
    ['leases nothing', () => ({ lease: async () => undefined })],
    ['knows no requester', (queue) => ({ put: ({ requester: _, ...job }) => queue.put(job) })],
  ])('behavior: a queue that %s is found out', async (_, change) => {
    expect(await Promise.all(broken(change))).toContain(false)
  })
})
