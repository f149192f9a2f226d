/** What cases of {@link JobQueue} are made of. */
import { BaseError } from '../../errors/base.js'
import type { JobLease, JobQueue, QueueBounds } from './jobQueue.js'

/** A queue did not do what a case asks. */
export class QueueConformanceError extends BaseError {
  override readonly name = 'QueueConformanceError'
  override readonly code = 'QUEUE_CONFORMANCE_FAILED'
}

/** A case. */
export type QueueCase = { name: string; run(): Promise<void> }

/** Makes a case of work on a queue of its own. */
export type OnQueue = (
  name: string,
  work: (queue: JobQueue) => Promise<void>,
  bounds?: QueueBounds & { backoff?: number },
) => QueueCase

/** Milliseconds of a lease that does not end within a case. */
export const minute = 60_000

/** Leases a job that has to be there. */
export async function leaseOf(queue: JobQueue, milliseconds = minute): Promise<JobLease> {
  const lease = await queue.lease(milliseconds)
  if (lease === undefined) throw new QueueConformanceError('There is a job, and none was leased.')
  return lease
}

/** Both are the same as JSON. */
export function expect(actual: unknown, expected: unknown): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (found === wanted) return
  throw new QueueConformanceError(`Expected ${wanted}, got ${found}.`)
}

/** Lets time pass. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
