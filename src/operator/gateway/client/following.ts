/**
 * Where a task stands, again and again: told over a connection where there is one, asked for where there
 * is none, where it says nothing, and where it cannot be kept. What is told is read as what is asked for.
 */
import type { Hex } from 'viem'
import type { GatewayClient, TaskUpdate } from '../../../gateway/index.js'
import { sleep } from '../../../internal/pause.js'
import { isDecided, type TaskState } from '../store/store.js'
import { type TaskStatus, topicOf } from '../wire.js'

/** Milliseconds of silence after which the gateway is asked: a lost update costs no more. */
const SILENCE = 20_000
/** Milliseconds for a connection to come up, before the gateway is asked meanwhile. */
const CONNECTING = 3_000
/** Connections that fail in a row, after which the gateway is asked only. */
const FAILURES = 3
/** Updates that wait to be read: they are a task's states, of which there are few. */
const WAITING = 64

/** What tells where a task stands. */
export type StatusSource = {
  /** The next status, which may be the same as the last. */
  next(last: { state: TaskState } | undefined, signal: AbortSignal): Promise<TaskStatus>
  stop(): void
}

/** Asks where a task stands, each call waiting at the gateway for a decision. */
export function pollStatus(
  ask: (wait: number, signal: AbortSignal) => Promise<TaskStatus>,
  /** Seconds of the longest wait of one call. */
  wait: number,
): StatusSource {
  return {
    async next(last, signal) {
      // What is decided is told at once: the chain is what is waited for.
      if (last !== undefined && isDecided(last)) await sleep(1_000, signal)
      return ask(last === undefined ? 0 : wait, signal)
    },
    stop: () => undefined,
  }
}

/**
 * Follows a task over a connection, and asks where that is of no use.
 *
 * @param parts.read - Reads what was told; throws where it is malformed or of another task.
 */
export function followStatus(
  taskId: Hex,
  parts: {
    subscribe: GatewayClient['subscribe']
    read: (told: unknown) => TaskStatus
    ask: (wait: number, signal: AbortSignal) => Promise<TaskStatus>
    wait: number
  },
): StatusSource {
  const { subscribe, read, ask, wait } = parts
  const polled = pollStatus(ask, wait)
  const updates: TaskUpdate[] = []
  let wake: (() => void) | undefined
  let connected = false
  let lost = false
  const stop = subscribe({
    topic: topicOf(taskId),
    maxFailures: FAILURES,
    isLast: () => false,
    onUpdate: (update) => {
      if (updates.length < WAITING) updates.push(update)
      wake?.()
    },
    onEvent: ({ type }) => {
      if (type === 'unreadable') return
      connected = type !== 'disconnected'
      wake?.()
    },
    onError: () => {
      lost = true
      wake?.()
    },
  })
  /** Whether something was told, rather than nothing for that long. */
  const told = async (milliseconds: number, signal: AbortSignal): Promise<boolean> => {
    const woken = await new Promise<boolean>((resolve) => {
      const end = (by: boolean): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        wake = undefined
        resolve(by)
      }
      const onAbort = (): void => end(true)
      const timer = setTimeout(() => end(false), milliseconds)
      signal.addEventListener('abort', onAbort, { once: true })
      wake = () => end(true)
      if (updates.length > 0 || lost || signal.aborted) end(true)
    })
    signal.throwIfAborted()
    return woken
  }
  return {
    async next(last, signal) {
      // A first look tells at once that there is no such task, whatever becomes of the connection.
      if (last === undefined) return ask(0, signal)
      for (;;) {
        const update = updates.shift()
        if (update !== undefined) {
          const status = read(update.data)
          // Too large for an update: it is asked for.
          const whole = !isDecided(status) || status.failure !== undefined || isDecided(last)
          return whole || status.answer !== undefined ? status : ask(0, signal)
        }
        if (lost) return polled.next(last, signal)
        if (!(await told(connected ? SILENCE : CONNECTING, signal))) return ask(0, signal)
      }
    },
    stop,
  }
}
