/** Who is there, and what is kept while a claim is recorded. */
import type { JobQueue } from '../queue/jobQueue.js'
import type { BuildOutcome } from '../worker/protocol.js'

/** Milliseconds in which a worker that was heard of is there: it asks each second, or renews a lease. */
const thereMs = 600_000

/** Workers that are there. */
export type Presence = {
  note(worker: string, said?: BuildOutcome): void
  all(): string[]
  /** Whether a worker isolates its builds, for all that it has said. */
  mayIsolate(worker: string): boolean
}

/** Creates it: nobody is there. */
export function createPresence(now: () => number): Presence {
  const seen = new Map<string, { at: number; isOpen: boolean }>()
  return {
    note: (worker, said) => {
      const isKnown = said !== undefined && said.status !== 'worker_failed'
      const isOpen = isKnown ? said.isolation === 'none' : (seen.get(worker)?.isOpen ?? false)
      seen.set(worker, { at: now(), isOpen })
    },
    all: () => {
      for (const [name, { at }] of seen) if (now() - at > thereMs) seen.delete(name)
      return [...seen.keys()]
    },
    mayIsolate: (worker) => seen.get(worker)?.isOpen !== true,
  }
}

/**
 * Milliseconds of a reservation. Another plane takes over from one that has died, and finds the claim on
 * chain where it was made.
 */
export const settleMs = 30_000
/** Times that a reservation is renewed: what hangs for ten minutes is another's to try. */
const maxRenewals = 60

/** Does work while a reservation is kept, however slow the chain is. */
export async function whileKept(
  queue: Pick<JobQueue, 'keep'>,
  reservation: string,
  work: (keep: () => Promise<boolean>) => Promise<void>,
): Promise<void> {
  const keep = (): Promise<boolean> => queue.keep(reservation, settleMs)
  let renewals = 0
  const timer = setInterval(() => {
    renewals += 1
    if (renewals >= maxRenewals) clearInterval(timer)
    // A database that is away may be back before the reservation ends.
    keep().catch(() => undefined)
  }, settleMs / 3)
  try {
    await work(keep)
  } finally {
    clearInterval(timer)
  }
}
