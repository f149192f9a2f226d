/** That no worker holds a queue up, silent or not: cases of {@link JobQueue}. */
import type { JobLease, JobQueue } from './jobQueue.js'
import { MAX_TRIES } from './jobQueue.js'
import { expect, minute, type OnQueue, type QueueCase, wait } from './queueChecks.js'

/** The cases. */
export function leaseLimits(on: OnQueue): QueueCase[] {
  return [
    on('what a silent worker let lie goes to others', silent, { backoff: 1_000 }),
    on('a job that a worker lost is its own again in the end', lostAndFound, { backoff: 2 }),
    on('one worker that comes to nothing poisons a job late', alone, { backoff: 0 }),
    on('a job that drove away several workers is poisoned', several, { backoff: 0 }),
    on('a worker has so many leases at a time', bound, { leasesOfOne: 2 }),
    on('a lease ends, however often it is renewed', lastEnd, { leaseTime: 2_000 }),
    on('a lease is renewed by its own worker', ownWorker),
    on('a job that is for nobody who is there comes to an end', forNobody, {
      ...{ backoff: 0, notToTime: 50 },
    }),
  ]
}

const nothing = 1
const leaseTo = (queue: JobQueue, worker: string, ms = minute): Promise<JobLease | undefined> =>
  queue.lease(ms, { worker })

/** Leases for a worker that says nothing until the lease is over. */
async function lose(queue: JobQueue, worker: string): Promise<string | undefined> {
  const lease = await leaseTo(queue, worker, nothing)
  await wait(5)
  return lease?.job.id
}

async function silent(queue: JobQueue): Promise<void> {
  const jobs = ['a', 'b', 'c']
  for (const id of jobs) await queue.put({ id, payload: '' })
  const lost: (string | undefined)[] = []
  for (let i = 0; i < 4 * MAX_TRIES; i++) lost.push(await lose(queue, 'silent'))
  expect(lost.filter((id) => id !== undefined).sort(), jobs)
  for (const id of jobs) {
    const lease = await leaseTo(queue, 'honest')
    expect([lease?.job.id, lease?.job.tries], [id, 2])
    expect(await queue.finish(lease?.leaseId ?? '', { status: 'done', result: '' }), true)
  }
  expect((await queue.counts()).poisoned, 0)
}

async function lostAndFound(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  expect(await lose(queue, 'one'), 'a')
  // What others answer meanwhile changes nothing of that, and neither does that one of them cannot.
  const other = await leaseTo(queue, 'other')
  await queue.finish(other?.leaseId ?? '', { status: 'retry', result: '' })
  await wait(500)
  expect((await leaseTo(queue, 'one'))?.job.tries, 3)
}

async function alone(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  for (let tries = 1; tries <= 2 * MAX_TRIES; tries++) {
    expect(await lose(queue, 'one'), 'a')
    expect((await queue.get('a'))?.tries, tries)
  }
  expect(await leaseTo(queue, 'one'), undefined)
  expect((await queue.get('a'))?.state, 'poisoned')
  // Put back, it has lost nobody.
  expect(await queue.requeue('a'), true)
  for (let tries = 1; tries <= MAX_TRIES; tries++) await lose(queue, 'two')
  expect((await leaseTo(queue, 'two'))?.job.tries, MAX_TRIES + 1)
}

async function several(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  for (let tries = 1; tries < MAX_TRIES; tries++) expect(await lose(queue, 'one'), 'a')
  expect(await lose(queue, 'two'), 'a')
  expect(await leaseTo(queue, 'three'), undefined)
  expect((await queue.get('a'))?.state, 'poisoned')
}

async function bound(queue: JobQueue): Promise<void> {
  for (const id of ['a', 'b', 'c', 'd', 'e']) await queue.put({ id, payload: '' })
  const [first] = [await leaseTo(queue, 'one'), await leaseTo(queue, 'one')]
  expect(await leaseTo(queue, 'one'), undefined)
  expect((await leaseTo(queue, 'two'))?.job.id, 'c')
  expect(await queue.finish(first?.leaseId ?? '', { status: 'done', result: '' }), true)
  expect((await leaseTo(queue, 'one', nothing))?.job.id, 'd')
  await wait(30)
  // What ran out is none of them, and who names nobody has no bound.
  expect((await leaseTo(queue, 'one'))?.job.id, 'e')
  expect((await queue.lease(minute))?.job.id, 'd')
}

async function lastEnd(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const lease = await leaseTo(queue, 'one')
  const id = lease?.leaseId ?? ''
  expect(await queue.renew(id, minute, { worker: 'one' }), true)
  await wait(2_200)
  expect([await queue.renew(id, minute), await queue.find(id)], [false, undefined])
  expect(await queue.finish(id, { status: 'done', result: '' }), false)
  expect((await leaseTo(queue, 'two'))?.job.tries, 2)
}

async function ownWorker(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const lease = await leaseTo(queue, 'one')
  const id = lease?.leaseId ?? ''
  const by = async (worker: string): Promise<boolean> => queue.renew(id, minute, { worker })
  expect(
    [await by('two'), await by('one'), await queue.renew(id, minute)],
    [true, true, true].map((_, i) => i > 0),
  )
}

async function forNobody(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const lease = await leaseTo(queue, 'only')
    expect(lease?.job.tries, tries)
    const finished = { status: 'retry', result: `${tries}`, notTo: ['only'] } as const
    expect(await queue.finish(lease?.leaseId ?? '', finished), true)
    if (tries < MAX_TRIES) expect(await leaseTo(queue, 'only'), undefined)
    await wait(120)
  }
  const { state, result } = (await queue.get('a')) ?? {}
  expect([state, result, await leaseTo(queue, 'only')], ['failed', `${MAX_TRIES}`, undefined])
}
