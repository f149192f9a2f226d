/**
 * Which callers may have another attempt. Receivers that do not answer hold an attempt for as long as they may:
 * they share a part of all, one at a time, so that those that answer are told at once.
 */

/** Places for attempts. */
export type DeliveryPlaces = {
  /** How many attempts may begin now, and callers that may have none of them. */
  next(): { limit: number; busy: readonly string[] }
  take(caller: string): void
  /** Gives a place back. `answered`: the receiver said something, whatever it was. */
  give(caller: string, answered: boolean): void
}

/**
 * Creates places for `concurrent` attempts.
 *
 * - A caller has `perCaller` once its receiver has answered, and one until then, and after each silence.
 * - The last quarter is for callers that have no other attempt under way.
 * - Callers whose receiver was silent last have half of all together, in turns.
 */
export function createPlaces({
  concurrent,
  perCaller,
}: {
  concurrent: number
  perCaller: number
}): DeliveryPlaces {
  const kept = Math.floor(concurrent / 4)
  const mostSilent = Math.max(1, Math.floor(concurrent / 2))
  const running = new Map<string, number>()
  const answering = new Set<string>()
  /** Those whose turn is longest ago come first. */
  const silent = new Set<string>()
  let size = 0
  return {
    next() {
      const open = concurrent - kept - size
      const limit = open > 0 ? open : concurrent - size
      if (limit <= 0) return { limit: 0, busy: [] }
      const busy = [...running]
        .filter(([caller, count]) => {
          return count >= (open > 0 && answering.has(caller) ? perCaller : 1)
        })
        .map(([caller]) => caller)
      const waiting = [...silent].filter((caller) => !running.has(caller))
      let free = mostSilent - (silent.size - waiting.length)
      for (const caller of waiting) {
        if (free-- <= 0) busy.push(caller)
        else {
          // It may have nothing to be told: the others come first the next time.
          silent.delete(caller)
          silent.add(caller)
        }
      }
      return { limit, busy }
    },
    take(caller) {
      size++
      running.set(caller, (running.get(caller) ?? 0) + 1)
    },
    give(caller, answered) {
      size--
      const count = (running.get(caller) ?? 0) - 1
      if (count > 0) running.set(caller, count)
      else running.delete(caller)
      if (answered) {
        answering.add(caller)
        silent.delete(caller)
      } else {
        answering.delete(caller)
        silent.add(caller)
      }
    },
  }
}
