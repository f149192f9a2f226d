/** Waiting for a task's next change in this process. */
import type { Hex } from 'viem'

/** Changes of tasks. */
export type Changes = {
  tell(taskId: Hex): void
  /** The next change from now on: what happens between a look and the wait is not missed. */
  next(taskId: Hex): {
    within(milliseconds: number, signal?: AbortSignal | undefined): Promise<void>
    /** Has to be called, waited for or not. */
    forget(): void
  }
}

/** Creates changes that nobody waits for. */
export function createChanges(): Changes {
  const waiting = new Map<Hex, Set<() => void>>()
  return {
    tell(taskId) {
      for (const wake of waiting.get(taskId) ?? []) wake()
    },
    next(taskId) {
      let resolve = (): void => undefined
      const changed = new Promise<void>((done) => {
        resolve = done
      })
      const all = waiting.get(taskId) ?? new Set()
      waiting.set(taskId, all.add(resolve))
      return {
        async within(milliseconds, signal) {
          const timer = setTimeout(resolve, milliseconds)
          signal?.addEventListener('abort', resolve, { once: true })
          try {
            if (signal?.aborted !== true) await changed
          } finally {
            clearTimeout(timer)
            signal?.removeEventListener('abort', resolve)
          }
          signal?.throwIfAborted()
        },
        forget() {
          all.delete(resolve)
          if (all.size === 0 && waiting.get(taskId) === all) waiting.delete(taskId)
        },
      }
    },
  }
}
