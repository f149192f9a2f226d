import { SnapshotError } from '../errors.js'

/** Milliseconds before a pace is looked at. */
const GRACE = 60_000

/**
 * Counts what a peer gives, and refuses one that gives less than `least` a second on average: each of its
 * answers may be in time, and all of them still take years.
 *
 * @param parameters.what - Says of the error what comes, such as `its leaves come`.
 */
export function createPace({
  what,
  least,
}: {
  what: string
  least: number
}): (amount: number) => void {
  const began = performance.now()
  let total = 0
  return (amount) => {
    total += amount
    const measured = performance.now() - began
    if (measured > GRACE && total < (least * measured) / 1_000)
      throw new SnapshotError({ reason: `${what} too slowly` }, { retryable: true })
  }
}
