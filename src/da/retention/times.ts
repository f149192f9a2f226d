/**
 * Times that durability is decided on. Most of them are somebody's word: a node's, a publisher's, a
 * clock's. One that cannot be true counts as expired, since a copy too many costs one payment and a
 * copy too few is the last one.
 */
import { InvalidInputError } from '../../errors/common.js'

/** Seconds by which the clocks of a keeper, a node and a publisher may differ. */
const TOLERANCE = 3_600

/** The expiry of a copy of which nothing believable is known: it is due, and long so. */
export const NO_EXPIRY = Number.NEGATIVE_INFINITY

/** Whether a copy that is there at `at` may be kept until `expiresAt` where one is for `seconds`. */
export function isPossibleExpiry(
  expiresAt: number,
  { at, seconds }: { at: number; seconds: number },
): boolean {
  return Number.isFinite(expiresAt) && expiresAt <= at + seconds + TOLERANCE
}

/** Whether something that is written down may have happened by `at`. */
export function isPast(then: number, at: number): boolean {
  return Number.isFinite(then) && then <= at + TOLERANCE
}

/** Why an expiry is not believed. */
export function impossibleExpiry(what: string, expiresAt: unknown): InvalidInputError {
  return new InvalidInputError({
    field: what,
    reason: `it puts the expiry at ${String(expiresAt)}, beyond what is kept from now on`,
    hint: 'Look at the clock of this machine and at the node that is asked.',
  })
}

/**
 * Unix seconds.
 *
 * @throws {InvalidInputError} when the clock gives no time: whatever is due by it would never be.
 */
export function secondsOf(now: () => number): number {
  const seconds = Math.floor(now() / 1_000)
  if (Number.isSafeInteger(seconds)) return seconds
  throw new InvalidInputError({ field: 'now', reason: 'the clock gives no milliseconds' })
}
