/** What every {@link JobQueue} has to do, as cases for any test runner. */
import type { JobLease, JobQueue, QueueBounds } from './jobQueue.js'
import { MAX_TRIES } from './jobQueue.js'
import { expect, leaseOf, minute, type OnQueue, type QueueCase, wait } from './queueChecks.js'
import { fairness } from './queueFairness.js'
import { leaseLimits } from './queueLeases.js'

/**
 * The cases, each over a queue of its own.
 *
 * @param open - Opens an empty queue whose first backoff is `backoff` milliseconds, with the bounds given.
 * @example
 * ```ts
 * import { memoryQueue, queueConformance } from '@newton/policy-sdk/provenance'
 *
 * for (const { run } of queueConformance(async (options) => memoryQueue(options))) await run()
 * ```
 */
export function queueConformance(
  open: (options: { backoff: number } & QueueBounds) => Promise<JobQueue>,
): readonly QueueCase[] {
  const on: OnQueue = (name, work, bounds = {}) => ({
    name,
    run: async () => {
      const queue = await open({ backoff: 1, ...bounds })
      try {
        await work(queue)
      } finally {
        await queue.close()
      }
    },
  })
  return [
    on('what is no job, and no limit, is refused', junk),
    on('a job is put once, leased once and done once', oneJob),
    on('smaller priorities go first, then the older job', order),
    ...fairness(on),
    ...leaseLimits(on),
    on('a lease that ran out is worth nothing, and the job goes on', lateResult),
    on('a renewed lease stays', renewal),
    on('a job that fails is tried again, and not for ever', failures),
    on('a job that loses its workers is poisoned', poison),
    on('a job is not given again to workers that it is not for', notTo),
    on('a job goes to others first, and to anybody in the end', notYet),
    on('the end of a job is taken care of by one at a time', reserved),
    on('the end of a job is kept by whoever takes care of it', kept),
    on('jobs that are over wait until they are settled', settlement),
    on('many workers at once share jobs without a double', concurrency),
  ]
}

async function junk(queue: JobQueue): Promise<void> {
  const bad: readonly unknown[] = [
    ...[undefined, null, 7, {}, { id: 'a' }, { id: 7, payload: '' }],
    ...[Number.NaN, 0.5, '1', 2 ** 40].map((priority) => ({ id: 'a', payload: '', priority })),
    { id: 'a', payload: '', priorty: 1 },
    ...[7, null, {}].map((requester) => ({ id: 'a', payload: '', requester })),
    ...['a\0', '\ud800', '\udc00a'].flatMap((text) => [
      { id: text, payload: '' },
      { id: 'a', payload: text },
      { id: 'a', payload: '', requester: text },
    ]),
  ]
  const refused = async (call: () => Promise<unknown>): Promise<string> => {
    const { code } = (await call().catch((error: unknown) => error)) as { code?: string }
    return code ?? 'taken'
  }
  for (const job of bad) expect(await refused(() => queue.put(job as never)), 'INVALID_INPUT')
  for (const limit of [0, -1, Number.NaN, undefined]) {
    expect(await refused(() => queue.unsettled(limit as never)), 'INVALID_INPUT')
    expect(await refused(() => queue.lease(limit as never)), 'INVALID_INPUT')
  }
  expect((await queue.counts()).queued, 0)
}

async function oneJob(queue: JobQueue): Promise<void> {
  expect(await queue.put({ id: 'a', payload: 'p' }), true)
  expect(await queue.put({ id: 'a', payload: 'other' }), false)
  const lease = await leaseOf(queue)
  expect([lease.job.id, lease.job.payload, lease.job.tries], ['a', 'p', 1])
  expect(await queue.lease(minute), undefined)
  expect((await queue.find(lease.leaseId))?.id, 'a')
  expect(await queue.finish('another', { status: 'done', result: 'r' }), false)
  expect(await queue.finish(lease.leaseId, { status: 'done', result: 'r' }), true)
  expect(await queue.finish(lease.leaseId, { status: 'done', result: 'again' }), false)
  expect(await queue.renew(lease.leaseId, minute), false)
  expect(await queue.find(lease.leaseId), undefined)
  const stored = await queue.get('a')
  expect([stored?.state, stored?.result], ['done', 'r'])
  expect(await queue.lease(minute), undefined)
  expect(await queue.get('b'), undefined)
}

async function order(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'late', payload: '', priority: 1 })
  await queue.put({ id: 'first', payload: '' })
  await queue.put({ id: 'second', payload: '' })
  await queue.put({ id: 'urgent', payload: '', priority: -1 })
  const ids: string[] = []
  for (let i = 0; i < 4; i++) ids.push((await leaseOf(queue)).job.id)
  expect(ids, ['urgent', 'first', 'second', 'late'])
}

async function lateResult(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const late = await leaseOf(queue, 20)
  await wait(60)
  expect(await queue.finish(late.leaseId, { status: 'done', result: 'late' }), false)
  const next = await leaseOf(queue)
  expect([next.job.tries, next.leaseId === late.leaseId], [2, false])
  expect(await queue.finish(late.leaseId, { status: 'done', result: 'late' }), false)
  expect(await queue.renew(late.leaseId, minute), false)
  expect(await queue.finish(next.leaseId, { status: 'done', result: 'own' }), true)
  expect((await queue.get('a'))?.result, 'own')
}

async function renewal(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const lease = await leaseOf(queue, 500)
  expect(await queue.renew(lease.leaseId, minute), true)
  await wait(700)
  expect(await queue.lease(minute), undefined)
  expect(await queue.finish(lease.leaseId, { status: 'done', result: '' }), true)
}

async function failures(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const lease = await leaseOf(queue)
    expect(lease.job.tries, tries)
    expect(lease.job.result, tries === 1 ? undefined : `try ${tries - 1}`)
    expect(await queue.finish(lease.leaseId, { status: 'retry', result: `try ${tries}` }), true)
    const state = tries === MAX_TRIES ? 'failed' : 'queued'
    expect((await queue.get('a'))?.state, state)
    await wait(40)
  }
  expect(await queue.lease(minute), undefined)
}

async function poison(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    await leaseOf(queue, 1)
    await wait(10)
  }
  expect(await queue.lease(minute), undefined)
  expect((await queue.get('a'))?.state, 'poisoned')
  expect(await queue.requeue('a'), true)
  expect(await queue.requeue('a'), false)
  expect((await leaseOf(queue)).job.tries, 1)
}

async function notTo(queue: JobQueue): Promise<void> {
  for (const id of ['a', 'b']) await queue.put({ id, payload: '' })
  const lease = async (worker?: string): Promise<JobLease | undefined> =>
    queue.lease(minute, worker === undefined ? {} : { worker })
  const first = await lease('one')
  const retry = { status: 'retry', result: '' } as const
  await queue.finish(first?.leaseId ?? '', { ...retry, notTo: ['one', 'two'] })
  await wait(40)
  const jobs = [await lease('one'), await lease('two'), await lease('three')]
  expect(
    jobs.map((each) => each?.job.id),
    ['b', undefined, 'a'],
  )
  // Only the newest list counts, and a lease that names nobody is anybody's.
  await queue.finish(jobs[2]?.leaseId ?? '', { ...retry, notTo: ['three'] })
  await wait(40)
  expect(await lease('three'), undefined)
  await queue.finish((await lease())?.leaseId ?? '', retry)
  await wait(40)
  expect((await lease('one'))?.job.id, 'a')
}

async function notYet(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const { leaseId } = await leaseOf(queue)
  const later = { workers: ['one'], milliseconds: 400 }
  await queue.finish(leaseId, { status: 'retry', result: '', notYet: later })
  await wait(40)
  expect(await queue.lease(minute, { worker: 'one' }), undefined)
  await wait(400)
  expect((await queue.lease(minute, { worker: 'one' }))?.job.id, 'a')
}

async function reserved(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  const early = [await queue.reserve('a', minute), await queue.reserve('b', minute)]
  expect(early, [undefined, undefined])
  const over = async (result: string): Promise<void> => {
    await queue.finish((await leaseOf(queue)).leaseId, { status: 'done', result })
  }
  await over('first')
  const taken = await Promise.all([1, 2, 3].map(() => queue.reserve('a', minute)))
  const [first = ''] = taken.filter((each) => each !== undefined)
  expect([taken.filter((each) => each !== undefined).length, await queue.unsettled(9)], [1, []])
  await queue.release(first)
  const late = (await queue.reserve('a', 1)) ?? ''
  await wait(30)
  const next = (await queue.reserve('a', minute)) ?? ''
  // Whoever was late neither frees it nor settles it for the one who has it now.
  await queue.release(first)
  await queue.release(late)
  expect([await queue.settle(late), await queue.reserve('a', minute)], [false, undefined])
  // Nor does the one who has it settle what came after.
  expect(await queue.requeue('a'), true)
  expect(await queue.settle(next), false)
  await over('second')
  expect([await queue.settle(next), (await queue.unsettled(9)).length], [false, 1])
  const own = (await queue.reserve('a', minute)) ?? ''
  expect([await queue.settle(own), await queue.settle(own)], [true, false])
  await queue.release(own)
  expect([await queue.reserve('a', minute), await queue.unsettled(9)], [undefined, []])
}

async function kept(queue: JobQueue): Promise<void> {
  await queue.put({ id: 'a', payload: '' })
  await queue.finish((await leaseOf(queue)).leaseId, { status: 'done', result: '' })
  const own = (await queue.reserve('a', 2_000)) ?? ''
  expect(await queue.keep(own, minute), true)
  await wait(2_200)
  expect([await queue.reserve('a', minute), await queue.unsettled(9)], [undefined, []])
  // One that ran out is kept while nobody else has it.
  expect(await queue.keep(own, 1), true)
  await wait(30)
  expect(await queue.keep(own, 1), true)
  await wait(30)
  const next = (await queue.reserve('a', minute)) ?? ''
  expect([await queue.keep(own, minute), await queue.settle(own)], [false, false])
  expect([await queue.settle(next), await queue.keep(next, minute)], [true, false])
}

async function settlement(queue: JobQueue): Promise<void> {
  for (const id of ['a', 'b', 'c']) await queue.put({ id, payload: '' })
  for (let i = 0; i < 2; i++) {
    const { leaseId } = await leaseOf(queue)
    await queue.finish(leaseId, { status: 'done', result: '' })
  }
  const ids = async (limit: number): Promise<string[]> =>
    (await queue.unsettled(limit)).map(({ id }) => id)
  expect(await ids(1), ['a'])
  expect(await ids(10), ['a', 'b'])
  // What cannot be taken care of comes after the others, and holds none of them up.
  await queue.release((await queue.reserve('a', minute)) ?? '')
  expect([await ids(1), await ids(10)], [['b'], ['b', 'a']])
  expect(await queue.settle((await queue.reserve('a', minute)) ?? ''), true)
  expect([await queue.settle('b'), await queue.reserve('c', minute)], [false, undefined])
  expect(await ids(10), ['b'])
  const { leaseId } = await leaseOf(queue)
  await queue.finish(leaseId, { status: 'done', result: '' })
  expect(await ids(10), ['b', 'c'])
  const { queued, leased, done } = await queue.counts()
  expect([queued, leased, done], [0, 0, 3])
}

async function concurrency(queue: JobQueue): Promise<void> {
  const jobs = Array.from({ length: 40 }, (_, i) => `job ${i}`)
  for (const id of jobs) await queue.put({ id, payload: '' })
  const done: string[] = []
  const work = async (): Promise<void> => {
    for (;;) {
      const lease = await queue.lease(minute)
      if (lease === undefined) return
      if (await queue.finish(lease.leaseId, { status: 'done', result: '' })) done.push(lease.job.id)
    }
  }
  await Promise.all([work(), work(), work(), work()])
  expect([...done].sort(), [...jobs].sort())
}
