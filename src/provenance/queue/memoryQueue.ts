/** A queue in memory: for tests, and for a control plane whose jobs may be found again. */
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'
import {
  assertJob,
  assertRoom,
  backoffAfter,
  boundNames,
  boundsOf,
  isPoisoned,
  type JobQueue,
  type JobState,
  MAX_TRIES,
  type NewJob,
  noCounts,
  OTHERS_FIRST,
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
  leaseLast: number
  worker: string | undefined
  /** Workers whose leases of it ran out, and until when others are before them. */
  lost: { workers: readonly string[]; until: number }
  notTo: readonly string[]
  notYet: { workers: readonly string[]; until: number }
  reservedUntil: number
  reservation: string | undefined
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
  assertKnown('options', options, ['backoff', ...boundNames, 'now', 'randomId'])
  const { backoff = 1_000, now = Date.now, randomId = () => crypto.randomUUID() } = options
  assertCount('backoff', backoff, { least: 0 })
  const bounds = boundsOf(options)
  const jobs = new Map<string, Held>()
  const current = (leaseId: string): Held | undefined =>
    [...jobs.values()].find(
      (job) => job.state === 'leased' && job.leaseId === leaseId && job.leaseEnd > now(),
    )
  const reserved = (reservation: string): Held | undefined =>
    [...jobs.values()].find(
      (job) => job.reservation === reservation && !job.settled && isOver(job.state),
    )
  const end = (job: Held, state: JobState): void => {
    Object.assign(job, { state, leaseId: undefined })
  }
  const lose = (job: Held): void => {
    const { worker, tries } = job
    if (worker !== undefined) {
      const workers = [...new Set([...job.lost.workers, worker])]
      job.lost = { workers, until: now() + OTHERS_FIRST * backoff }
    }
    const lost = job.lost.workers
    end(job, isPoisoned({ tries, named: worker !== undefined, lost }) ? 'poisoned' : 'queued')
  }
  const isNotFor = ({ notTo, notYet, lost, notBefore }: Held, worker: string): boolean =>
    [{ workers: notTo, until: notBefore + bounds.notToTime }, notYet, lost].some(
      ({ workers, until }) => until > now() && workers.includes(worker),
    )
  const next = (worker: string | undefined): Held | undefined => {
    let best: Held | undefined
    let own = 0
    for (const job of jobs.values()) {
      if (job.state === 'leased' && job.leaseEnd <= now()) lose(job)
      if (job.state === 'leased' && worker !== undefined && job.worker === worker) own += 1
      if (own >= bounds.leasesOfOne) return undefined
      if (job.state !== 'queued' || job.notBefore > now()) continue
      if (worker !== undefined && isNotFor(job, worker)) continue
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
        ...{ notBefore: 0, leaseId: undefined, leaseEnd: 0, leaseLast: 0, worker: undefined },
        ...{ ...forAnybody(), lost: { workers: [], until: 0 } },
      })
      return true
    },
    lease: async (milliseconds, { worker } = {}) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = next(worker)
      if (job === undefined) return undefined
      const leaseId = randomId()
      const leaseLast = now() + bounds.leaseTime
      const leaseEnd = Math.min(now() + milliseconds, leaseLast)
      const lease = { leaseId, leaseEnd, leaseLast, worker }
      Object.assign(job, { state: 'leased', tries: job.tries + 1, ...lease })
      return { job: view(job), leaseId }
    },
    renew: async (leaseId, milliseconds, { worker } = {}) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = current(leaseId)
      if (job === undefined || (worker !== undefined && job.worker !== worker)) return false
      job.leaseEnd = Math.min(now() + milliseconds, job.leaseLast)
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
        .filter((job) => !job.settled && isOver(job.state) && job.reservedUntil <= now())
        .sort((a, b) => a.reservedUntil - b.reservedUntil || a.place - b.place)
        .slice(0, limit)
        .map(view)
    },
    reserve: async (id, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = jobs.get(id)
      if (job === undefined || job.settled || !isOver(job.state)) return undefined
      if (job.reservedUntil > now()) return undefined
      const reservation = randomId()
      Object.assign(job, { reservation, reservedUntil: now() + milliseconds })
      return reservation
    },
    release: async (reservation) => {
      const job = reserved(reservation)
      if (job !== undefined) Object.assign(job, { reservation: undefined, reservedUntil: now() })
    },
    settle: async (reservation) => {
      const job = reserved(reservation)
      if (job !== undefined) job.settled = true
      return job !== undefined
    },
    requeue: async (id) => {
      const job = jobs.get(id)
      if (job === undefined || !isOver(job.state)) return false
      Object.assign(job, {
        state: 'queued',
        tries: 0,
        settled: false,
        ...{ notBefore: 0, ...forAnybody(), lost: { workers: [], until: 0 } },
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

function forAnybody(): Pick<Held, 'notTo' | 'notYet' | 'reservedUntil' | 'reservation'> {
  return {
    ...{ notTo: [], notYet: { workers: [], until: 0 } },
    ...{ reservedUntil: 0, reservation: undefined },
  }
}

function isOver(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'poisoned'
}

function view({ id, payload, state, tries, result, settled }: Held): StoredJob {
  return { id, payload, state, tries, settled, ...(result === undefined ? {} : { result }) }
}
