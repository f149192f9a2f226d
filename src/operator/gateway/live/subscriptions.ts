/**
 * Updates of tasks for callers that stay connected, in the frames of the current protocol:
 *
 * ```
 * → { "type": "subscribe", "id": "sub-1", "method": "newton.task.0x…", "params": null }
 * ← { "type": "update", "subscription": "sub-1", "result": { "event", "task_id", "timestamp", "data" } }
 * ← { "type": "error", "subscription": "sub-1", "error": { "code", "name", "message", "retryable" } }
 * → { "type": "unsubscribe", "id": "sub-1" }
 * ```
 * `data` is what `newt_getTask` answers. Nothing is queued: a connection that does not take what it asked
 * for is cut, and asks again where the task stands. It knows no sockets: a server mounts it.
 */

import type { Hex } from 'viem'
import { refuse, toRefusal } from '../../rpc/envelope.js'
import { OperatorRpcError } from '../../rpc/errors.js'
import { rpcFaults } from '../../rpc/faults.js'
import { createMeter, resolveBounds, resolveLimits } from '../../rpc/limits.js'
import type { GatewayEvent } from '../events.js'
import { isDecided, isEnded, type StoredTask, type TaskState } from '../store/store.js'
import type { Standing } from '../waiting.js'
import { createCounts } from './counts.js'
import { readSubscriptionFrame, writeUpdate } from './frames.js'
import type { Identify } from './identifying.js'

/** Bounds of connections. What is over is refused at once. */
export type SubscriptionLimits = {
  /** Connections of all callers. Those whose key is none hold no place of them. @default 1_024 */
  connectionsInAll?: number | undefined
  /** @default 64 */
  connectionsPerCaller?: number | undefined
  /** Tasks that all callers follow at a time. @default 4_096 */
  tasksInAll?: number | undefined
  /** @default 256 */
  tasksPerCaller?: number | undefined
  /** Frames a second that one caller may send, averaged. @default 50 */
  perSecond?: number | undefined
  /** Frames that one caller may send at once after a pause. @default 200 */
  burst?: number | undefined
  /** Bytes that may wait for a connection to take them, before it is cut. @default 4 MiB */
  waitingBytes?: number | undefined
}

/** The server's end of a connection. */
export type SubscriptionSocket = {
  send(text: string): void
  close(code: number, reason: string): void
  /** Bytes that were handed over and have not left yet. */
  waiting(): number
}

/** A connection whose caller is known. */
export type SubscriptionConnection = {
  /** Takes a frame; `undefined` for one that is no text. */
  receive(text: string | undefined): void
  /** Has to be called when it is gone. */
  closed(): void
}

/** Tells callers of changes. */
export type Subscriptions = {
  /**
   * Looks who a connection is, and takes a place for it. `full`: it may come again later. `refused`: its key
   * is none. `unknown`: so it is, and may be told by a close code, which pages see and a refusal they do not.
   * Whoever is `admitted` or `unknown` has a place, which `leave` or the connection's `closed` gives back.
   */
  admit(
    authorization: string | undefined,
    /** Of the connection. */
    address?: string | undefined,
  ): Promise<
    | { status: 'full' }
    | { status: 'refused' }
    | { status: 'unknown'; leave: () => void }
    | {
        status: 'admitted'
        connect: (socket: SubscriptionSocket) => SubscriptionConnection
        leave: () => void
      }
  >
  /** Connections that are open, and tasks that are followed. */
  counts(): { connections: number; tasks: number }
  /** Closes all connections, and takes no more. */
  close(): void
}

/** Close codes: the key is none; too much was asked, or too little was taken; the server goes away. */
export const closeCodes = { unknown: 4_401, overloaded: 1_013, goingAway: 1_001 } as const

/** Milliseconds of one wait for a change, after which the task is looked at again. */
const TURN = 60_000
/** Connections without a key that are told so by a close code at a time. The others are refused. */
const UNKNOWN_PLACES = 32

type Place = {
  socket: SubscriptionSocket
  caller: string
  followed: Map<string, AbortController>
  /** Nothing more is said to it, or heard from it. */
  dropped: boolean
}

/**
 * Creates the subscriptions of a gateway.
 *
 * @throws {InvalidInputError} for bounds that are none.
 */
export function createSubscriptions(parameters: {
  identify: Identify
  standing: Pick<Standing, 'after' | 'describe'>
  limits?: SubscriptionLimits | undefined
  now: () => number
  onEvent: (event: GatewayEvent) => void
}): Subscriptions {
  const { identify, standing, now, onEvent } = parameters
  const limits = resolveSubscriptionLimits(parameters.limits)
  const rate = createMeter(
    { ...resolveLimits(), perSecond: limits.perSecond, burst: limits.burst, concurrent: 1e9 },
    now,
    'gateway',
  )
  const open = new Set<Place>()
  const perCaller = createCounts()
  const tasksPerCaller = createCounts()
  let connections = 0
  // They count as no connections: whoever has no key keeps nobody off who has one.
  let unknown = 0
  let tasks = 0
  let ended = false

  const tell = (
    outcome: (GatewayEvent & { type: 'subscriptions.connection' })['outcome'],
    caller?: string,
  ): void => onEvent({ type: 'subscriptions.connection', outcome, caller, connections })
  const send = (place: Place, text: string): void => {
    if (place.dropped) return
    // What it has not taken so far is enough: it is cut before more is kept for it.
    if (place.socket.waiting() > limits.waitingBytes) {
      tell('slow', place.caller)
      drop(place, closeCodes.overloaded, 'it takes too little')
      return
    }
    place.socket.send(text)
  }
  const drop = (place: Place, code: number, reason: string): void => {
    if (place.dropped) return
    place.dropped = true
    for (const following of place.followed.values()) following.abort()
    place.socket.close(code, reason)
  }
  const follow = async (
    place: Place,
    { id, taskId, signal }: { id: string; taskId: Hex; signal: AbortSignal },
  ): Promise<void> => {
    const { caller } = place
    let since: TaskState | undefined
    let decided = false
    for (;;) {
      const task: StoredTask = await standing.after(
        taskId,
        { caller, since, wait: TURN },
        { signal },
      )
      if (task.state === since) continue
      since = task.state
      // The answer is told once, with the update that says that there is one.
      const first = isDecided(task) && !decided
      decided ||= isDecided(task)
      const status = await standing.describe(task, { answer: first })
      if (signal.aborted) return
      send(place, writeUpdate({ id, task, status, first, timestamp: now() }))
      if (isEnded(task)) return
    }
  }
  const start = (place: Place, { id, taskId }: { id: string; taskId: Hex }): void => {
    const { caller, followed } = place
    if (followed.has(id)) throw refuse('INVALID_REQUEST', 'its id is in use', { by: 'gateway' })
    const full = tasks >= limits.tasksInAll || tasksPerCaller.of(caller) >= limits.tasksPerCaller
    if (full) {
      const detail = 'too many tasks are followed'
      throw refuse('OVERLOADED', detail, { by: 'gateway', retryAfter: 1_000 })
    }
    const controller = new AbortController()
    followed.set(id, controller)
    tasks++
    tasksPerCaller.add(caller, 1)
    onEvent({ type: 'subscriptions.task', outcome: 'followed', subscriptions: tasks })
    const { signal } = controller
    const work = async (): Promise<void> => {
      let ended = true
      try {
        await follow(place, { id, taskId, signal })
      } catch (error) {
        ended = signal.aborted
        if (!ended) reject(place, id, error)
      }
      if (followed.get(id) === controller) followed.delete(id)
      tasks--
      tasksPerCaller.add(caller, -1)
      if (ended) onEvent({ type: 'subscriptions.task', outcome: 'ended', subscriptions: tasks })
    }
    // It ends by itself, and throws nothing.
    work().catch(() => undefined)
  }
  const reject = (place: Place, id: string | null, error: unknown): void => {
    const { fault, shortMessage } = toRefusal(error, 'gateway')
    const { code, retryable } = rpcFaults[fault]
    onEvent({
      ...{ type: 'subscriptions.task', outcome: fault, subscriptions: tasks },
      ...(fault === 'INTERNAL' ? { error } : {}),
    })
    const told = { code, name: fault, message: shortMessage, retryable }
    send(place, JSON.stringify({ type: 'error', subscription: id, error: told }))
  }
  const receive = (place: Place, text: string | undefined): void => {
    if (place.dropped) return
    let id: string | null = null
    try {
      rate.admit(place.caller)()
      const frame = readSubscriptionFrame(text)
      id = frame.id
      if (frame.type === 'subscribe') start(place, frame)
      else place.followed.get(frame.id)?.abort()
    } catch (error) {
      if (error instanceof OperatorRpcError && error.fault === 'OVERLOADED' && id === null) {
        tell('busy', place.caller)
        drop(place, closeCodes.overloaded, 'it sends too much')
      } else reject(place, id, error)
    }
  }
  const connect = (caller: string, leave: () => void, socket: SubscriptionSocket) => {
    const place: Place = { socket, caller, followed: new Map(), dropped: false }
    open.add(place)
    tell('opened', caller)
    // It closed while the handshake was made.
    if (ended) drop(place, closeCodes.goingAway, 'the gateway closes')
    return {
      receive: (text: string | undefined) => receive(place, text),
      closed: () => {
        if (!open.delete(place)) return
        place.dropped = true
        for (const following of place.followed.values()) following.abort()
        leave()
        tell('closed', caller)
      },
    }
  }
  return {
    counts: () => ({ connections, tasks }),
    async admit(authorization, address) {
      const asked = ended ? 'full' : await nameOf(identify, authorization, address)
      if (asked === 'full') {
        tell('refused')
        return { status: 'full' }
      }
      const { caller } = asked
      if (caller === undefined) {
        tell('refused')
        if (unknown >= UNKNOWN_PLACES) return { status: 'refused' }
        unknown++
        return { status: 'unknown', leave: once(() => unknown--) }
      }
      const full = connections >= limits.connectionsInAll
      if (full || perCaller.of(caller) >= limits.connectionsPerCaller) {
        tell('refused', caller)
        return { status: 'full' }
      }
      connections++
      perCaller.add(caller, 1)
      const leave = once(() => {
        connections--
        perCaller.add(caller, -1)
      })
      return { status: 'admitted', leave, connect: (socket) => connect(caller, leave, socket) }
    },
    close() {
      ended = true
      for (const place of open) drop(place, closeCodes.goingAway, 'the gateway closes')
    },
  }
}

/** Who a caller is; nobody where it cannot be found out. */
async function nameOf(
  identify: Identify,
  ...given: Parameters<Identify>
): Promise<'full' | { caller: string | undefined }> {
  try {
    return { caller: await identify(...given) }
  } catch (error) {
    const full = error instanceof OperatorRpcError && error.fault === 'OVERLOADED'
    return full ? 'full' : { caller: undefined }
  }
}

/** Bounds with their defaults. */
function resolveSubscriptionLimits(limits: SubscriptionLimits = {}): {
  [name in keyof SubscriptionLimits]-?: number
} {
  return resolveBounds<SubscriptionLimits>('subscriptionLimits', limits, {
    connectionsInAll: 1_024,
    connectionsPerCaller: 64,
    tasksInAll: 4_096,
    tasksPerCaller: 256,
    perSecond: 50,
    burst: 200,
    waitingBytes: 4_194_304,
  })
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    work()
  }
}
