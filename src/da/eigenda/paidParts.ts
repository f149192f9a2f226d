/** Commitments that were paid for by a write that did not end, for the next write of the same bytes. */
import type { Hex } from 'viem'

/** Milliseconds after which what was paid for is too old to be handed out as new. */
const REUSE_WITHIN = 86_400_000
/** A commitment is some kilobytes; a network that answers no read must not fill the memory. */
const MOST_PARTS = 1_024

export type PaidPart = {
  commitment: Hex
  /** Milliseconds since the epoch. */
  at: number
  /** Whether it was read back once, and what came was not these bytes. */
  isDoubted?: boolean | undefined
}

export type PaidParts = {
  get(key: string): PaidPart | undefined
  set(key: string, part: PaidPart): void
  delete(key: string): void
}

export function createPaidParts(now: () => number): PaidParts {
  const parts = new Map<string, PaidPart>()
  return {
    get(key) {
      const part = parts.get(key)
      if (part && now() - part.at >= REUSE_WITHIN) parts.delete(key)
      return parts.get(key)
    },
    set(key, part) {
      parts.delete(key)
      parts.set(key, part)
      const [oldest] = parts.keys()
      if (parts.size > MOST_PARTS && oldest !== undefined) parts.delete(oldest)
    },
    delete(key) {
      parts.delete(key)
    },
  }
}
