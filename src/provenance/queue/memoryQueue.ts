/** A queue in memory: for tests, and for a control plane whose jobs may be found again. */
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'
import {
  assertJob,
  assertRoom,
  backoffAfter,
  boundsOf,
  type JobQueue,
  type JobState,
  MAX_TRIES,
  type NewJob,
  noCounts,
  type QueueBounds,
  type StoredJob,
} from './jobQueue.js'

type Held = StoredJob & {
  priority: number
  requester: string | undefined
  turn: number
  place: number
  notBefore: number
  leaseId: string | undefined
  leaseEnd: number
  notTo: readonly string[]
  notYet: { workers: readonly string[]; until: number }
  reservedUntil: number
}

/** Options that every queue has. */
export type QueueOptions = QueueBounds & {
  /** Milliseconds before a second try, doubled with each. @default 1000 */
  backoff?: number | undefined
}

/**
 * Creates a queue in memory.
 *
 * @example
 * ```ts
 * import { memoryQueue } from '@newton/policy-sdk/provenance'
 *
 * const queue = memoryQueue()
 * await queue.put({ id: 'a', payload: '{}' })
 * const lease = await queue.lease(60_000)
 * ```
 */
export function memoryQueue(
  options: QueueOptions & {
    now?: (() => number) | undefined
    /** Ids of leases; nobody may guess one. */
    randomId?: (() => string) | undefined
  } = {},
): JobQueue {
  assertKnown('options', options, ['backoff', 'waiting', 'waitingOfOne', 'now', 'randomId'])
  const { backoff = 1_000, now = Date.now, randomId = () => crypto.randomUUID() } = options
  assertCount('backoff', backoff, { least: 0 })
  const bounds = boundsOf(options)
  const jobs = new Map<string, Held>()
  const current = (leaseId: string): Held | undefined =>
    [...jobs.values()].find(
      (job) => job.state === 'leased' && job.leaseId === leaseId && job.leaseEnd > now(),
    )
  const end = (job: Held, state: JobState): void => {
    Object.assign(job, { state, leaseId: undefined })
  }
  const next = (worker: string | undefined): Held | undefined => {
    let best: Held | undefined
    for (const job of jobs.values()) {
      if (job.state === 'leased' && job.leaseEnd <= now()) {
        // Whoever had it is gone. The last time, the job is what drove it away.
        end(job, job.tries >= MAX_TRIES ? 'poisoned' : 'queued')
      }
      if (job.state !== 'queued' || job.notBefore > now()) continue
      if (worker !== undefined && isNotFor(job, worker, now())) continue
      if (best === undefined || isBefore(job, best)) best = job
    }
    return best
  }
  let places = 0
  return {
    put: async (job) => {
      assertJob(job)
      const { id, payload, priority = 0, requester } = job
      const { turn, all, own } = lineOf(jobs.values(), job)
      const known = jobs.get(id)
      if (known !== undefined) {
        const isUntried = known.state === 'queued' && known.tries === 0
        if (isUntried && turn < known.turn) Object.assign(known, { turn, requester })
        return false
      }
      assertRoom({ all, own }, bounds)
      jobs.set(id, {
        ...{ id, payload, priority, requester, turn, place: places++ },
        ...{ state: 'queued', tries: 0, settled: false },
        ...{ notBefore: 0, leaseId: undefined, leaseEnd: 0, ...forAnybody() },
      })
      return true
    },
    lease: async (milliseconds, { worker } = {}) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = next(worker)
      if (job === undefined) return undefined
      const leaseId = randomId()
      const leaseEnd = now() + milliseconds
      Object.assign(job, { state: 'leased', leaseId, leaseEnd, tries: job.tries + 1 })
      return { job: view(job), leaseId }
    },
    renew: async (leaseId, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = current(leaseId)
      if (job === undefined) return false
      job.leaseEnd = now() + milliseconds
      return true
    },
    finish: async (leaseId, ended) => {
      const { status, result } = ended
      const job = current(leaseId)
      if (job === undefined) return false
      job.result = result
      Object.assign(job, forAnybody())
      if (ended.status === 'retry') {
        const { notTo = [], notYet = { workers: [], milliseconds: 0 } } = ended
        const { workers, milliseconds } = notYet
        Object.assign(job, {
          ...{ notTo: [...notTo], notYet: { workers: [...workers], until: now() + milliseconds } },
        })
      }
      if (status === 'done') end(job, 'done')
      else end(job, job.tries >= MAX_TRIES ? 'failed' : 'queued')
      job.notBefore = now() + backoffAfter(job.tries, backoff)
      return true
    },
    find: async (leaseId) => {
      const job = current(leaseId)
      return job && view(job)
    },
    get: async (id) => {
      const job = jobs.get(id)
      return job && view(job)
    },
    unsettled: async (limit) => {
      assertCount('limit', limit)
      return [...jobs.values()]
        .filter(({ state, settled }) => !settled && isOver(state))
        .slice(0, limit)
        .map(view)
    },
    reserve: async (id, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = jobs.get(id)
      if (job === undefined || job.settled || !isOver(job.state)) return false
      if (job.reservedUntil > now()) return false
      job.reservedUntil = now() + milliseconds
      return true
    },
    release: async (id) => {
      const job = jobs.get(id)
      if (job !== undefined) job.reservedUntil = 0
    },
    settle: async (id) => {
      const job = jobs.get(id)
      if (job !== undefined && isOver(job.state)) job.settled = true
    },
    requeue: async (id) => {
      const job = jobs.get(id)
      if (job === undefined || !isOver(job.state)) return false
      Object.assign(job, {
        state: 'queued',
        tries: 0,
        settled: false,
        notBefore: 0,
        ...forAnybody(),
      })
      delete job.result
      return true
    },
    counts: async () => {
      const counts = noCounts()
      for (const { state } of jobs.values()) counts[state] += 1
      return counts
    },
    close: async () => undefined,
  }
}

/** The turn of one more job, and what waits already. */
function lineOf(
  jobs: Iterable<Held>,
  { priority = 0, requester }: NewJob,
): { turn: number; all: number; own: number } {
  let [last, all, own] = [0, 0, 0]
  for (const job of jobs) {
    const isWaiting = job.state === 'queued'
    const isOwn = job.requester === requester
    if (isWaiting) all += 1
    if (isWaiting && isOwn) own += 1
    const counts = job.tries > 0 || (isOwn && !isOver(job.state))
    if (counts && job.priority === priority && job.turn > last) last = job.turn
  }
  return { turn: last + 1, all, own }
}

function isBefore(a: Held, b: Held): boolean {
  const by = a.priority - b.priority || a.turn - b.turn || a.place - b.place
  return by < 0
}

function forAnybody(): Pick<Held, 'notTo' | 'notYet' | 'reservedUntil'> {
  return { notTo: [], notYet: { workers: [], until: 0 }, reservedUntil: 0 }
}

function isNotFor({ notTo, notYet }: Held, worker: string, now: number): boolean {
  return notTo.includes(worker) || (notYet.until > now && notYet.workers.includes(worker))
}

function isOver(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'poisoned'
}

function view({ id, payload, state, tries, result, settled }: Held): StoredJob {
  return { id, payload, state, tries, settled, ...(result === undefined ? {} : { result }) }
}
