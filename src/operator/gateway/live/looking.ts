/**
 * Looks at tasks that another gateway works on, for all who wait for them: one question a turn, however many
 * wait. Each asking on its own would cost a store as many questions a second as there are subscriptions.
 */
import type { Hex } from 'viem'
import type { GatewayStore, TaskState } from '../store/store.js'

/** Somebody who waits for a change of a task. */
type Waiting = {
  taskId: Hex
  /** The state that is known. */
  seen: TaskState
  /** Milliseconds between two looks. */
  every: number
  /** When it was looked at, by the clock of `performance`. */
  looked: number
  wake: () => void
}

/** Looks for all. */
export type Looking = {
  /** Wakes once a look shows another state than `seen`, or no task any more. Returns what ends it. */
  watch(task: { taskId: Hex; seen: TaskState; every: number }, wake: () => void): () => void
  /** Those who wait. */
  size(): number
}

/** Tasks of one question. */
const TOGETHER = 1_024

/**
 * Looks each `turn` milliseconds while somebody waits, and not otherwise. A look that fails wakes nobody: whoever
 * waits has an end of its own.
 */
export function createLooking(parameters: {
  store: Pick<GatewayStore, 'states'>
  /** Milliseconds. */
  turn: number
}): Looking {
  const { store, turn } = parameters
  const waiting = new Set<Waiting>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let looking = false

  const look = async (): Promise<void> => {
    const at = performance.now()
    // Half a turn early is no later than the next one.
    const due = [...waiting].filter(({ looked, every }) => at - looked >= every - turn / 2)
    const ids = [...new Set(due.map(({ taskId }) => taskId))]
    for (let from = 0; from < ids.length; from += TOGETHER) {
      const part = new Set(ids.slice(from, from + TOGETHER))
      const states = await store.states([...part])
      for (const one of due) {
        if (!part.has(one.taskId)) continue
        one.looked = at
        if (states.get(one.taskId) !== one.seen && waiting.delete(one)) one.wake()
      }
    }
  }
  const arm = (): void => {
    if (looking || timer !== undefined || waiting.size === 0) return
    timer = setTimeout(async () => {
      timer = undefined
      looking = true
      try {
        await look()
      } catch {
        // It is told by the store, and asked for again at the next turn.
      }
      looking = false
      arm()
    }, turn)
  }
  return {
    size: () => waiting.size,
    watch(task, wake) {
      const one: Waiting = { ...task, looked: performance.now(), wake }
      waiting.add(one)
      arm()
      return () => {
        waiting.delete(one)
        if (waiting.size > 0 || timer === undefined) return
        clearTimeout(timer)
        timer = undefined
      }
    },
  }
}
