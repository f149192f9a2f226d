/** The time of the next block: a clock that tests move, or one that stands still. */
import { invalidParams } from '../nodeError.js'

/** Where a clock stands, for snapshots. */
export type ClockState = { offset: number; next: number | undefined }

/** The clock of a chain. All times are Unix seconds. */
export type ChainClock = {
  state(): ClockState
  restore(state: ClockState): void
  /** The time of a block after one of `parent`, without taking it. */
  peek(parent: number): number
  /** The same, taken. */
  take(parent: number): number
  /** Moves it on, from the newest block where that is ahead of it. */
  increase(seconds: number, parent: number): void
  setNext(seconds: number, parent: number): void
}

/**
 * Creates a clock.
 *
 * @param read - Seconds of now. `undefined` for a clock that stands still, one second a block.
 */
export function createChainClock(read: (() => number) | undefined): ChainClock {
  let offset = 0
  let next: number | undefined
  const peek = (parent: number): number => {
    if (next !== undefined) return next
    const now = read === undefined ? parent + 1 + offset : read() + offset
    return Math.max(now, parent + 1)
  }
  return {
    state: () => ({ offset, next }),
    restore: (state) => {
      offset = state.offset
      next = state.next
    },
    peek,
    take: (parent) => {
      const at = peek(parent)
      // What was set once holds from there on. A still clock has come to it.
      if (read === undefined) offset = 0
      else if (next !== undefined) offset = next - read()
      next = undefined
      return at
    },
    increase: (seconds, parent) => {
      if (!Number.isSafeInteger(seconds) || seconds < 0) {
        throw invalidParams('expected seconds that are not negative')
      }
      const behind = read === undefined ? 0 : Math.max(0, parent - (read() + offset))
      offset += seconds + behind
    },
    setNext: (seconds, parent) => {
      if (!Number.isSafeInteger(seconds) || seconds <= parent) {
        throw invalidParams(`Timestamp error: ${seconds} is lower than or equal to ${parent}`)
      }
      next = seconds
    },
  }
}
