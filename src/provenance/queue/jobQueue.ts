/**
 * Jobs that are leased to workers, each result taken once.
 *
 * ```
 * queued --lease--> leased --finish(done)--> done
 *   ^                  |
 *   |---- retry -------|--- last try failed --> failed
 *   |---- ran out -----|--- last lease ran out --> poisoned
 * ```
 * A lease has an id of its own. Only the current one, before it ends, can finish a job.
 *
 * A lease that ran out says as much of its worker as of its job: others are given the job first, and it
 * is poisoned only where it drove away more than one of them, or one of them twice as often. A worker has
 * a few leases at a time, and none of them for longer than a build takes, however often it renews.
 *
 * Of equal priority, requesters take turns: a job's turn is the one after the last of its requester's that
 * wait, and after the last that was leased. So whoever puts a thousand waits behind its own, nobody behind
 * another's thousand, and who was served before has lost nothing by it.
 */

import { InvalidInputError } from '../../errors/common.js'
import {
  assertCount,
  assertKnown,
  assertObject,
  assertText,
  MAX_TIMER,
} from '../../internal/options.js'
import { QueueFullError } from '../errors.js'

/** Where a job is. */
export type JobState = 'queued' | 'leased' | 'done' | 'failed' | 'poisoned'

/** A job to put. */
export type NewJob = {
  /** Names the job: put again under the same id, it is the same job. */
  id: string
  payload: string
  /** Smaller goes first, whoever asks for it. @default 0 */
  priority?: number | undefined
  /** Who asks for it, and pays. Jobs that name nobody are one requester's. */
  requester?: string | undefined
}

/** How many jobs may wait, and how many a worker may have. A job that is leased does not wait. */
export type QueueBounds = {
  /** In total. @default 10000 */
  waiting?: number | undefined
  /** Of one requester. @default 1000 */
  waitingOfOne?: number | undefined
  /** Leases of one worker at a time. @default 4 */
  leasesOfOne?: number | undefined
  /** Milliseconds after which a lease ends, renewed or not. @default 1800000, 30 minutes */
  leaseTime?: number | undefined
  /**
   * Milliseconds after which a job that waits is anybody's, of those too that it is not for: nobody else may
   * be there, and what can never be leased never ends. @default 86400000, a day
   */
  notToTime?: number | undefined
}

/** A job as it stands. */
export type StoredJob = {
  id: string
  payload: string
  state: JobState
  /** Leases that it had. */
  tries: number
  /** What the last finish brought. */
  result?: string | undefined
  /** Whether its result was taken care of. */
  settled: boolean
}

/** A lease. */
export type JobLease = { job: StoredJob; leaseId: string }

/** How a lease ends. */
export type JobResult =
  | { status: 'done'; result: string }
  /** Another try may succeed. */
  | {
      status: 'retry'
      result: string
      /** Workers that are not given this job again, for as long as others may come (`notToTime`). */
      notTo?: readonly string[] | undefined
      /** Workers that are not given it for so long: others come first. */
      notYet?: { workers: readonly string[]; milliseconds: number } | undefined
    }

/** Keeps jobs. Time is that of the store, never of a caller. */
export interface JobQueue {
  /**
   * Puts a job; `false` where its id is there already. One that nobody has leased yet goes at the earlier
   * turn of those who asked for it.
   *
   * @throws {QueueFullError} where as many wait as may.
   */
  put(job: NewJob): Promise<boolean>
  /**
   * Leases the next job for `milliseconds`: the next that may be this worker's, where one is named, and none
   * where it has as many as it may.
   */
  lease(
    milliseconds: number,
    options?: { worker?: string | undefined },
  ): Promise<JobLease | undefined>
  /**
   * Makes a lease end in `milliseconds` from now, and never later than any may; `false` where it is over,
   * or another worker's than the one that is named.
   */
  renew(
    leaseId: string,
    milliseconds: number,
    options?: { worker?: string | undefined },
  ): Promise<boolean>
  /** Ends a lease; `false` where it is over or another's, and then nothing changes. */
  finish(leaseId: string, result: JobResult): Promise<boolean>
  /** The job of a current lease. */
  find(leaseId: string): Promise<StoredJob | undefined>
  get(id: string): Promise<StoredJob | undefined>
  /**
   * Jobs whose end nobody takes care of, oldest first: those that somebody could not take care of come last,
   * and those that are reserved are left out.
   */
  unsettled(limit: number): Promise<readonly StoredJob[]>
  /**
   * Takes the end of a job for `milliseconds`, to take care of it: names this reservation, and is `undefined`
   * where another has it, or it is settled, or not over.
   */
  reserve(id: string, milliseconds: number): Promise<string | undefined>
  /** Makes a reservation end in `milliseconds` from now; `false` where another has it by now. */
  keep(reservation: string, milliseconds: number): Promise<boolean>
  /** Gives it back, where nobody else has it by now: whoever had it could not. */
  release(reservation: string): Promise<void>
  /**
   * Notes that the end of a job was taken care of; `false` where another has it by now, or the job was put
   * back: its next end is another one.
   */
  settle(reservation: string): Promise<boolean>
  /** Puts a job that is over back, with all its tries before it. */
  requeue(id: string): Promise<boolean>
  counts(): Promise<Readonly<Record<JobState, number>>>
  close(): Promise<void>
}

/** Tries of a job. */
export const MAX_TRIES = 5

/** Times of the first backoff in which a job goes to others than those that lost it. */
export const OTHERS_FIRST = 120

/** Whether the job is what drove its workers away, and not the worker what let it lie. */
export function isPoisoned(job: {
  tries: number
  /** Whether the lease that ran out named its worker. */
  named: boolean
  /** Workers whose leases ran out. */
  lost: readonly string[]
}): boolean {
  const { tries, named, lost } = job
  return tries >= MAX_TRIES && (!named || lost.length > 1 || tries >= 2 * MAX_TRIES)
}

/** Milliseconds before the next try. */
export function backoffAfter(tries: number, base: number): number {
  return base * 2 ** Math.max(0, tries - 1)
}

/** States as counts of nothing. */
export function noCounts(): Record<JobState, number> {
  return { queued: 0, leased: 0, done: 0, failed: 0, poisoned: 0 }
}

/** Refuses what is no job: a priority that is no number would be before and after all others. */
export function assertJob(job: NewJob): void {
  assertObject('job', job)
  assertKnown('job', job, ['id', 'payload', 'priority', 'requester'])
  assertText('job.id', job.id)
  assertText('job.payload', job.payload)
  assertCount('job.priority', job.priority ?? 0, { least: -2_147_483_648, most: 2_147_483_647 })
  if (job.requester !== undefined) assertText('job.requester', job.requester)
  for (const name of ['id', 'payload', 'requester'] as const) {
    // A database holds neither, and a queue in memory is no other queue.
    if (/[\0\p{Cs}]/u.test(job[name] ?? '')) {
      throw new InvalidInputError({ field: `job.${name}`, reason: 'it is no text' })
    }
  }
}

/** Bounds with their defaults. */
export function boundsOf({
  waiting = 10_000,
  waitingOfOne = 1_000,
  leasesOfOne = 4,
  leaseTime = 1_800_000,
  notToTime = 86_400_000,
}: QueueBounds): { [name in keyof QueueBounds]-?: number } {
  assertCount('waiting', waiting)
  assertCount('waitingOfOne', waitingOfOne)
  assertCount('leasesOfOne', leasesOfOne)
  assertCount('leaseTime', leaseTime, { most: MAX_TIMER })
  assertCount('notToTime', notToTime, { most: MAX_TIMER })
  return { waiting, waitingOfOne, leasesOfOne, leaseTime, notToTime }
}

/** Names of bounds. */
export const boundNames = ['waiting', 'waitingOfOne', 'leasesOfOne', 'leaseTime', 'notToTime']

/** What waits: in total, and of the one who asks. */
export type Waiting = { all: number; own: number }

/** Refuses one more. */
export function assertRoom({ all, own }: Waiting, bounds: ReturnType<typeof boundsOf>): void {
  if (all >= bounds.waiting) throw new QueueFullError('queue')
  if (own >= bounds.waitingOfOne) throw new QueueFullError('requester')
}
