/** Where tasks stand: told at once, or after the next change. */
import type { Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import type { IoOptions } from '../../internal/deadline.js'
import { refuse } from '../rpc/envelope.js'
import { createLooking } from './live/looking.js'
import { type GatewayStore, isDecided, type StoredTask, type TaskState } from './store/store.js'
import { writeTaskStatus } from './wire.js'

/** Changes of tasks. */
export type Changes = {
  tell(taskId: Hex): void
  /** The next change from now on: what happens between a look and the wait is not missed. */
  next(taskId: Hex): {
    within(milliseconds: number, signal?: AbortSignal | undefined): Promise<void>
    /** Ends this wait alone. */
    wake(): void
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
        wake: () => resolve(),
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

/** Where tasks stand, for callers that may know it. */
export type Standing = {
  /** Once it is decided or `wait` milliseconds are over. */
  status(
    taskId: Hex,
    from: { caller: string; wait?: number | undefined },
    options?: IoOptions,
  ): Promise<JsonObject>
  /** Once its state is another than `since`, or `wait` milliseconds are over. */
  after(
    taskId: Hex,
    from: { caller: string; since: TaskState | undefined; wait: number },
    options?: IoOptions,
  ): Promise<StoredTask>
  /** With the answer where it is decided and asked for. */
  describe(task: StoredTask, parts?: { answer: boolean }): Promise<JsonObject>
}

/** Milliseconds between two looks at a task whose answer is there: the chain is no faster. */
const LANDING_TURN = 1_000

/** Tells where tasks stand. What another gateway works on is only seen in the store. */
export function createStanding(parameters: {
  store: GatewayStore
  changes: Changes
  answers: Answers
  pollInterval: number
  now: () => number
  auditors: ReadonlySet<string>
  /** A task that this gateway works on, as it kept it last. */
  here: (taskId: Hex) => StoredTask | undefined
}): Standing {
  const { store, changes, answers, pollInterval, now, auditors, here } = parameters
  const looking = createLooking({ store, turn: pollInterval })
  const wait = async (
    taskId: Hex,
    from: { caller: string; milliseconds: number; until: (task: StoredTask) => boolean },
    options?: IoOptions,
  ): Promise<StoredTask> => {
    const end = now() + from.milliseconds
    for (;;) {
      const changed = changes.next(taskId)
      let leave: (() => void) | undefined
      try {
        const held = here(taskId)
        // Who waits need not ask the store for what was kept from here; who does not gets what it holds.
        const known = held !== undefined && held.state !== 'failed' && end > now()
        const task = known ? held : await store.find(taskId)
        if (task === undefined || (task.caller !== from.caller && !auditors.has(from.caller))) {
          throw refuse('UNKNOWN_TASK', 'this caller has no such task', { by: 'gateway' })
        }
        const left = end - now()
        if (from.until(task) || left <= 0) return task
        // What is worked on here tells of itself.
        if (held === undefined) {
          const every = isDecided(task) ? Math.max(pollInterval, LANDING_TURN) : pollInterval
          leave = looking.watch({ taskId, seen: task.state, every }, changed.wake)
        }
        await changed.within(left, options?.signal)
      } finally {
        leave?.()
        changed.forget()
      }
    }
  }
  const describe: Standing['describe'] = async (task, parts = { answer: true }) => {
    const { taskId, state, failure } = task
    const told = parts.answer && isDecided(task)
    return writeTaskStatus({
      ...{ taskId, state, failure },
      answer: told ? await answers.find(taskId) : undefined,
    })
  }
  return {
    describe,
    status: async (taskId, { caller, wait: milliseconds = 0 }, options) =>
      describe(await wait(taskId, { caller, milliseconds, until: isDecided }, options)),
    after: (taskId, { caller, since, wait: milliseconds }, options) =>
      wait(taskId, { caller, milliseconds, until: ({ state }) => state !== since }, options),
  }
}

/** Answers of tasks. */
export type Answers = {
  keep(taskId: Hex, answer: JsonObject): void
  find(taskId: Hex): Promise<JsonObject | undefined>
}

/** Answers that are asked for as soon as they are there: they need not be read back. They never change. */
const RECENT = 64

/** Answers of a store, the newest at hand. */
export function createAnswers(store: GatewayStore): Answers {
  const recent = new Map<Hex, JsonObject>()
  return {
    keep(taskId, answer) {
      recent.set(taskId, answer)
      for (const oldest of recent.keys()) {
        if (recent.size <= RECENT) break
        recent.delete(oldest)
      }
    },
    async find(taskId) {
      const known = recent.get(taskId)
      if (known !== undefined) return known
      const kept = await store.answer(taskId)
      return kept === undefined ? undefined : (JSON.parse(kept.answer) as JsonObject)
    },
  }
}
