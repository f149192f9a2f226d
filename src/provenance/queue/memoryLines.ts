/** Jobs of a queue in memory by what is asked of them: no lease looks at all that ever were. */
import type { JobState, NewJob, StoredJob } from './jobQueue.js'

/** A job that is kept. */
export type Held = StoredJob & {
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

/** Jobs in their places. */
export type MemoryLines = {
  get(id: string): Held | undefined
  /** Notes a job as it stands; after a change of its state, its turn, its lease or its reservation as well. */
  note(job: Held): void
  /** Changes a job, and notes it. */
  change(job: Held, change: Partial<Held>): void
  /** Jobs that wait, the next first. */
  waiting(): readonly { readonly job: Held }[]
  leased(): Iterable<Held>
  /** Jobs that are over and not settled. */
  unsettled(): Iterable<Held>
  leasedBy(leaseId: string): Held | undefined
  reservedBy(reservation: string): Held | undefined
  /** The turn of one more job, and what waits already. */
  lineOf(job: NewJob): { turn: number; all: number; own: number }
  counts(): Iterable<readonly [JobState, number]>
}

/** Creates empty lines. */
export function createMemoryLines(): MemoryLines {
  const jobs = new Map<string, Held>()
  /** As each was noted last, to find it where it is. */
  const noted = new Map<Held, Pick<Held, 'state' | 'leaseId' | 'reservation'> & { key: Key }>()
  const waiting: { key: Key; job: Held }[] = []
  const leases = new Map<string, Held>()
  const reservations = new Map<string, Held>()
  const leased = new Set<Held>()
  const unsettled = new Set<Held>()
  const counts = new Map<JobState, number>()
  /** Jobs that are not over, by requester. */
  const open = new Map<string | undefined, Line>()
  /** The last turn that was leased, by priority. */
  const served = new Map<number, number>()
  const count = (state: JobState, by: number): void => {
    counts.set(state, (counts.get(state) ?? 0) + by)
  }
  const openOf = (requester: string | undefined): Line => {
    const own = open.get(requester) ?? { jobs: new Set(), queued: 0, last: new Map() }
    open.set(requester, own)
    return own
  }
  const remove = (job: Held): void => {
    const before = noted.get(job)
    if (before === undefined) return
    const { state, leaseId, reservation, key } = before
    count(state, -1)
    if (state === 'queued') waiting.splice(placeOf(waiting, key), 1)
    if (leaseId !== undefined) leases.delete(leaseId)
    if (reservation !== undefined) reservations.delete(reservation)
    leased.delete(job)
    unsettled.delete(job)
    const own = open.get(key.requester)
    if (own === undefined || !own.jobs.delete(job)) return
    if (state === 'queued') own.queued -= 1
    if (own.jobs.size === 0) open.delete(key.requester)
    // Whose turn was leased counts for everybody; one that has gone to another requester for nobody here.
    else if (job.tries === 0 && own.last.get(key.priority) === key.turn) {
      const turns = [...own.jobs].filter(({ priority }) => priority === key.priority)
      own.last.set(
        key.priority,
        turns.reduce((last, { turn }) => Math.max(last, turn), 0),
      )
    }
  }
  const note = (job: Held): void => {
    remove(job)
    const { id, state, leaseId, reservation, priority, turn, place, requester } = job
    const key = { priority, turn, place, requester }
    jobs.set(id, job)
    noted.set(job, { state, leaseId, reservation, key })
    count(state, 1)
    if (state === 'queued') waiting.splice(placeOf(waiting, key), 0, { key, job })
    if (state === 'leased') leased.add(job)
    if (leaseId !== undefined) leases.set(leaseId, job)
    if (reservation !== undefined) reservations.set(reservation, job)
    if (!isOver(state)) {
      const own = openOf(requester)
      own.jobs.add(job)
      if (state === 'queued') own.queued += 1
      own.last.set(priority, Math.max(own.last.get(priority) ?? 0, turn))
    } else if (!job.settled) unsettled.add(job)
    if (job.tries > 0) served.set(priority, Math.max(served.get(priority) ?? 0, turn))
  }
  return {
    get: (id) => jobs.get(id),
    note,
    change: (job, change) => note(Object.assign(job, change)),
    waiting: () => waiting,
    leased: () => leased,
    unsettled: () => unsettled,
    leasedBy: (leaseId) => leases.get(leaseId),
    reservedBy: (reservation) => reservations.get(reservation),
    lineOf: ({ priority = 0, requester }) => {
      const own = open.get(requester)
      const last = Math.max(served.get(priority) ?? 0, own?.last.get(priority) ?? 0)
      return { turn: last + 1, all: waiting.length, own: own?.queued ?? 0 }
    },
    counts: () => counts,
  }
}

/** Whether nobody builds it any more. */
export function isOver(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'poisoned'
}

/** Jobs of a requester that are not over: how many of them wait, and the last turn of each priority. */
type Line = { jobs: Set<Held>; queued: number; last: Map<number, number> }

type Key = Pick<Held, 'priority' | 'turn' | 'place' | 'requester'>

/** Where a key is in the line, or would be. */
function placeOf(line: readonly { key: Key }[], key: Key): number {
  let [low, high] = [0, line.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare((line[middle] as { key: Key }).key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function compare(a: Key, b: Key): number {
  return a.priority - b.priority || a.turn - b.turn || a.place - b.place
}
