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
  MAX_TRIES,
  noCounts,
  OTHERS_FIRST,
  type QueueBounds,
  type StoredJob,
} from './jobQueue.js'
import { createMemoryLines, type Held, isOver } from './memoryLines.js'

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
  const lines = createMemoryLines()
  const current = (leaseId: string): Held | undefined => {
    const job = lines.leasedBy(leaseId)
    return job?.state === 'leased' && job.leaseEnd > now() ? job : undefined
  }
  const reserved = (reservation: string): Held | undefined => {
    const job = lines.reservedBy(reservation)
    return job !== undefined && !job.settled && isOver(job.state) ? job : undefined
  }
  const lose = (job: Held): void => {
    const { worker, tries } = job
    const workers = [...new Set([...job.lost.workers, ...(worker === undefined ? [] : [worker])])]
    const until = worker === undefined ? job.lost.until : now() + OTHERS_FIRST * backoff
    const isOut = isPoisoned({ tries, named: worker !== undefined, lost: workers })
    const state = isOut ? 'poisoned' : 'queued'
    lines.change(job, { state, leaseId: undefined, lost: { workers, until } })
  }
  // Asked of each job that waits before the one that is leased: it makes nothing, and reads the clock never.
  const isNotFor = ({ notTo, notYet, lost, notBefore }: Held, worker: string, at: number) =>
    (notBefore + bounds.notToTime > at && notTo.includes(worker)) ||
    (notYet.until > at && notYet.workers.includes(worker)) ||
    (lost.until > at && lost.workers.includes(worker))
  const next = (worker: string | undefined): Held | undefined => {
    let own = 0
    for (const job of [...lines.leased()]) {
      if (job.leaseEnd <= now()) lose(job)
      else if (worker !== undefined && job.worker === worker) own += 1
    }
    if (own >= bounds.leasesOfOne) return undefined
    const at = now()
    const isFor = ({ job }: { job: Held }): boolean =>
      job.notBefore <= at && (worker === undefined || !isNotFor(job, worker, at))
    return lines.waiting().find(isFor)?.job
  }
  let places = 0
  return {
    put: async (job) => {
      assertJob(job)
      const { id, payload, priority = 0, requester } = job
      const { turn, all, own } = lines.lineOf(job)
      const known = lines.get(id)
      if (known !== undefined) {
        const isUntried = known.state === 'queued' && known.tries === 0
        if (isUntried && turn < known.turn) lines.change(known, { turn, requester })
        return false
      }
      assertRoom({ all, own }, bounds)
      lines.note({
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
      lines.change(job, { state: 'leased', tries: job.tries + 1, ...lease })
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
      const job = current(leaseId)
      if (job === undefined) return false
      const { notTo = [], notYet = { workers: [], milliseconds: 0 } } =
        ended.status === 'retry' ? ended : {}
      const isLast = ended.status === 'retry' && job.tries >= MAX_TRIES
      lines.change(job, {
        ...{ ...forAnybody(), result: ended.result, leaseId: undefined, notTo: [...notTo] },
        notYet: { workers: [...notYet.workers], until: now() + notYet.milliseconds },
        notBefore: now() + backoffAfter(job.tries, backoff),
        state: ended.status === 'done' ? 'done' : isLast ? 'failed' : 'queued',
      })
      return true
    },
    find: async (leaseId) => {
      const job = current(leaseId)
      return job && view(job)
    },
    get: async (id) => {
      const job = lines.get(id)
      return job && view(job)
    },
    unsettled: async (limit) => {
      assertCount('limit', limit)
      return [...lines.unsettled()]
        .filter((job) => job.reservedUntil <= now())
        .sort((a, b) => a.reservedUntil - b.reservedUntil || a.place - b.place)
        .slice(0, limit)
        .map(view)
    },
    reserve: async (id, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = lines.get(id)
      if (job === undefined || job.settled || !isOver(job.state)) return undefined
      if (job.reservedUntil > now()) return undefined
      const reservation = randomId()
      lines.change(job, { reservation, reservedUntil: now() + milliseconds })
      return reservation
    },
    keep: async (reservation, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const job = reserved(reservation)
      if (job !== undefined) job.reservedUntil = now() + milliseconds
      return job !== undefined
    },
    release: async (reservation) => {
      const job = reserved(reservation)
      if (job !== undefined) lines.change(job, { reservation: undefined, reservedUntil: now() })
    },
    settle: async (reservation) => {
      const job = reserved(reservation)
      if (job !== undefined) lines.change(job, { settled: true })
      return job !== undefined
    },
    requeue: async (id) => {
      const job = lines.get(id)
      if (job === undefined || !isOver(job.state)) return false
      delete job.result
      lines.change(job, {
        ...{ state: 'queued', tries: 0, settled: false },
        ...{ notBefore: 0, ...forAnybody(), lost: { workers: [], until: 0 } },
      })
      return true
    },
    counts: async () => {
      const counts = noCounts()
      for (const [state, jobs] of lines.counts()) counts[state] = jobs
      return counts
    },
    close: async () => undefined,
  }
}

function forAnybody(): Pick<Held, 'notTo' | 'notYet' | 'reservedUntil' | 'reservation'> {
  return {
    ...{ notTo: [], notYet: { workers: [], until: 0 } },
    ...{ reservedUntil: 0, reservation: undefined },
  }
}

function view({ id, payload, state, tries, result, settled }: Held): StoredJob {
  return { id, payload, state, tries, settled, ...(result === undefined ? {} : { result }) }
}
