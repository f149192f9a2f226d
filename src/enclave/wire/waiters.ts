/** Callers that wait for a free place, in the order they came. */

/** A queue of callers. */
export type Waiters = {
  /** Resolves when this caller is woken, or its signal fires. */
  wait(signal: AbortSignal): Promise<void>
  wakeOne(): void
  wakeAll(): void
  size(): number
}

/** Creates an empty queue. */
export function createWaiters(): Waiters {
  let waiting: (() => void)[] = []
  const wakeOne = (): void => waiting.shift()?.()
  return {
    wait: async (signal) => {
      await new Promise<void>((resolve) => {
        const onAbort = (): void => {
          waiting = waiting.filter((other) => other !== wake)
          resolve()
        }
        const wake = (): void => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        waiting.push(wake)
        signal.addEventListener('abort', onAbort, { once: true })
      })
      // The place that this call was woken for goes to the next one.
      if (signal.aborted) wakeOne()
    },
    wakeOne,
    wakeAll: () => {
      const all = waiting
      waiting = []
      for (const resume of all) resume()
    },
    size: () => waiting.length,
  }
}
