/** That requesters take turns, and that no one of them fills a queue: cases of {@link JobQueue}. */
import type { JobQueue } from './jobQueue.js'
import { expect, leaseOf, minute, type OnQueue, type QueueCase, wait } from './queueChecks.js'

/** The cases. */
export function fairness(on: OnQueue): QueueCase[] {
  return [
    on('requesters take turns, whatever came first', turns),
    on('a newcomer waits behind nobody’s many, and who was served has lost nothing', newcomer),
    on('whoever asks again and again has one turn at a time', again),
    on('a job that hangs holds no place for its requester’s others', hanging),
    on('a job goes at the earlier turn of those who ask for it', sharedJob),
    on('turns are those of one priority', priorities),
    on('no requester fills a queue, and no number of them more than it takes', full, {
      ...{ waiting: 5, waitingOfOne: 3 },
    }),
  ]
}

/** Puts jobs of a requester, named by it and counted. */
async function put(queue: JobQueue, requester: string, from: number, to = from): Promise<void> {
  for (let at = from; at <= to; at++) {
    expect(await queue.put({ id: `${requester}${at}`, payload: '', requester }), true)
  }
}

/** Leases and ends jobs, in their order. */
async function served(queue: JobQueue, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    const { job, leaseId } = await leaseOf(queue)
    ids.push(job.id)
    await queue.finish(leaseId, { status: 'done', result: '' })
  }
  return ids
}

async function turns(queue: JobQueue): Promise<void> {
  await put(queue, 'a', 1, 4)
  await queue.put({ id: 'nobody1', payload: '' })
  await queue.put({ id: 'nobody2', payload: '' })
  await put(queue, 'b', 1, 2)
  await put(queue, 'c', 1)
  const expected = ['a1', 'nobody1', 'b1', 'c1', 'a2', 'nobody2', 'b2', 'a3', 'a4']
  expect(await served(queue, 9), expected)
}

async function newcomer(queue: JobQueue): Promise<void> {
  await put(queue, 'a', 1, 9)
  expect(await served(queue, 4), ['a1', 'a2', 'a3', 'a4'])
  await put(queue, 'b', 1, 2)
  expect(await served(queue, 4), ['a5', 'b1', 'a6', 'b2'])
  // It has had two, and that is forgotten.
  await put(queue, 'b', 3)
  await put(queue, 'c', 1)
  expect(await served(queue, 5), ['a7', 'b3', 'c1', 'a8', 'a9'])
}

async function again(queue: JobQueue): Promise<void> {
  await put(queue, 'a', 1, 4)
  // One of a is being built all the while.
  const ids = [(await leaseOf(queue)).job.id]
  for (let at = 1; at <= 3; at++) {
    await put(queue, 'b', at)
    ids.push(...(await served(queue, 2)))
  }
  expect(ids, ['a1', 'a2', 'b1', 'a3', 'b2', 'a4', 'b3'])
}

async function hanging(queue: JobQueue): Promise<void> {
  await put(queue, 'x', 1)
  await put(queue, 'a', 1, 5)
  const { job, leaseId } = await leaseOf(queue)
  expect(job.id, 'x1')
  const notYet = { workers: ['w'], milliseconds: minute }
  await queue.finish(leaseId, { status: 'retry', result: '', notYet })
  await wait(40)
  const next = async (): Promise<string | undefined> => {
    const lease = await queue.lease(minute, { worker: 'w' })
    await queue.finish(lease?.leaseId ?? '', { status: 'done', result: '' })
    return lease?.job.id
  }
  const ids = [await next(), await next(), await next()]
  await put(queue, 'x', 2, 4)
  for (let i = 0; i < 5; i++) ids.push(await next())
  expect(ids, ['a1', 'a2', 'a3', 'a4', 'x2', 'a5', 'x3', 'x4'])
}

async function sharedJob(queue: JobQueue): Promise<void> {
  await put(queue, 'a', 1, 4)
  const also = (id: string, requester: string): Promise<boolean> =>
    queue.put({ id, payload: '', requester })
  expect(await also('a4', 'b'), false)
  // A later turn is no reason to wait longer, and a job that was leased has had its turn.
  expect(await also('a1', 'a'), false)
  const { job, leaseId } = await leaseOf(queue)
  expect([job.id, await also('a1', 'c')], ['a1', false])
  expect(await queue.finish(leaseId, { status: 'done', result: '' }), true)
  expect([await also('a1', 'c'), (await queue.get('a1'))?.state], [false, 'done'])
  expect(await served(queue, 3), ['a4', 'a2', 'a3'])
}

async function priorities(queue: JobQueue): Promise<void> {
  await put(queue, 'a', 1, 3)
  const urgent = ['u1', 'u2', 'u3', 'u4', 'u5']
  for (const id of urgent) await queue.put({ id, payload: '', requester: 'u', priority: -1 })
  expect(await served(queue, 5), urgent)
  await put(queue, 'b', 1)
  expect(await served(queue, 4), ['a1', 'b1', 'a2', 'a3'])
}

async function full(queue: JobQueue): Promise<void> {
  const taken = async (id: string, requester: string): Promise<unknown> => {
    const said: unknown = await queue
      .put({ id, payload: '', requester })
      .catch((error: unknown) => error)
    if (typeof said === 'boolean') return said
    const { code, of, retryable } = said as { code?: string; of?: string; retryable?: boolean }
    return [code, of, retryable]
  }
  await put(queue, 'a', 1, 3)
  expect(await taken('a4', 'a'), ['QUEUE_FULL', 'requester', true])
  await put(queue, 'b', 1, 2)
  expect(await taken('c1', 'c'), ['QUEUE_FULL', 'queue', true])
  // What is there already takes no room.
  expect(await taken('a1', 'c'), false)
  expect([(await queue.counts()).queued, await queue.get('c1')], [5, undefined])
  // A job that is leased does not wait.
  await leaseOf(queue)
  expect([await taken('c1', 'c'), (await queue.counts()).queued], [true, 5])
}
