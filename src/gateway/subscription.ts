/**
 * Updates of a task over WebSocket, across as many connections as it takes.
 *
 * ```
 * → { "type": "subscribe", "id": "sub-1", "method": "newton.task.0x…", "params": null }
 * ← { "type": "update", "subscription": "sub-1", "result": { "event", "task_id", "timestamp", "data" } }
 * ```
 * A connection that is lost, silent for too long, or refused for now is made again after a growing
 * wait. Updates sent meanwhile are lost: `reconnected` says so. The API key goes into the URL, as
 * the gateway wants it, and into nothing else.
 */

import type { Json } from '../core/canonicalJson.js'
import { InvalidInputError, TimeoutError } from '../errors/common.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { GatewaySubscriptionError } from './errors.js'

/** Makes a socket that is connecting. */
export type WebSocketFactory = (url: string) => WebSocketLike

/** The part of the platform's `WebSocket` that is used. */
export type WebSocketLike = {
  send(data: string): void
  close(code?: number, reason?: string): void
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
}

/** Where sockets are opened. */
export type SubscriptionTransport = {
  url: string
  apiKey: string | undefined
  create: WebSocketFactory
}

/** One update of a task. `success` and the failures end it. */
export type TaskUpdate = {
  event: string
  taskId: string | undefined
  timestamp: number | undefined
  data: Json
}

/** What a subscription tells its caller. */
export type SubscriptionEvent =
  | { type: 'connected' | 'reconnected' }
  | { type: 'disconnected'; delay: number }
  | { type: 'unreadable' }

/** Parameters of a subscription. */
export type SubscribeParameters = {
  /** The topic that `sendTask` gave, such as `newton.task.0x…`. */
  topic: string
  onUpdate: (update: TaskUpdate) => void
  /** Whether nothing is told after an update. @default `success` and the failures */
  isLast?: ((update: TaskUpdate) => boolean) | undefined
  /** The subscription ended for good. Not called after it was stopped or the task ended. */
  onError?: ((error: GatewaySubscriptionError) => void) | undefined
  onEvent?: ((event: SubscriptionEvent) => void) | undefined
  /** Failed connections in a row after which it ends. @default 8 */
  maxFailures?: number | undefined
  /** Milliseconds before the n-th connection in a row. @default 500 doubling to 30,000 */
  reconnectDelay?: ((failures: number) => number) | undefined
  /** Milliseconds of silence after which a connection is taken for dead. @default 60_000 */
  idleTimeout?: number | undefined
}

const endings = new Set(['success', 'failed', 'failure', 'timeout'])
const isEnding = ({ event }: TaskUpdate): boolean => endings.has(event)
/** Largest frame that is read, in characters. */
export const MAX_FRAME = 1_000_000
/** Close codes that say the key is refused: trying again changes nothing. */
const refusals = new Set([1008, 4001, 4401, 4403])

/**
 * Follows a task until it ends, the caller stops it, or it cannot be reached.
 *
 * @throws {InvalidInputError} where the platform has no WebSocket and none was passed.
 */
export function subscribeTask(
  transport: SubscriptionTransport,
  parameters: SubscribeParameters,
): () => void {
  const { topic, onUpdate, onError, onEvent, isLast = isEnding } = parameters
  const seen = new Set<string>()
  return keepConnected(transport, parameters, {
    onEnd: (reason) => onError?.(new GatewaySubscriptionError({ topic, reason })),
    onMessage(message, { stop, end }) {
      if (message.type === 'error') {
        end('the gateway refused it')
        return
      }
      if (message.type !== 'update' || message.subscription !== subscriptionId) return
      const update = readUpdate(message.result)
      if (update === undefined) {
        onEvent?.({ type: 'unreadable' })
        return
      }
      // After a reconnection the gateway may repeat itself.
      const key = JSON.stringify(update)
      if (seen.has(key)) return
      if (seen.size < 1_024) seen.add(key)
      if (isLast(update)) stop()
      onUpdate(update)
    },
  })
}

type Frame = { type?: unknown; subscription?: unknown; result?: unknown }
type Listener = {
  onMessage: (
    message: Frame,
    connection: { stop: () => void; end: (reason: string) => void },
  ) => void
  /** The connection ended for good, other than by its owner. */
  onEnd: (reason: string) => void
}

/** Keeps a socket open, each one after the last, until it is stopped, refused, or lost too often. */
function keepConnected(
  transport: SubscriptionTransport,
  parameters: SubscribeParameters,
  { onMessage, onEnd }: Listener,
): () => void {
  const { topic, onEvent, maxFailures = 8, idleTimeout = 60_000 } = parameters
  const reconnectDelay =
    parameters.reconnectDelay ?? ((failures) => Math.min(500 * 2 ** (failures - 1), 30_000))
  let stopped = false
  let failures = 0
  let connections = 0
  let socket: WebSocketLike | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const stop = (): void => {
    stopped = true
    clearTimeout(timer)
    const open = socket
    socket = undefined
    if (open !== undefined) detach(open)
  }
  const end = (reason: string): void => {
    if (stopped) return
    stop()
    onEnd(reason)
  }
  const lost = (from: WebSocketLike | undefined, reason: string): void => {
    if (stopped || from !== socket) return
    clearTimeout(timer)
    if (from !== undefined) detach(from)
    socket = undefined
    failures++
    if (failures >= maxFailures) {
      end(reason)
      return
    }
    const delay = reconnectDelay(failures)
    onEvent?.({ type: 'disconnected', delay })
    timer = setTimeout(connect, delay)
  }
  const watchSilence = (of: WebSocketLike): void => {
    clearTimeout(timer)
    timer = setTimeout(() => lost(of, 'the connection went silent'), idleTimeout)
  }
  const receive = (of: WebSocketLike, frame: unknown): void => {
    if (stopped || of !== socket) return
    watchSilence(of)
    const message = readFrame(frame)
    if (message === undefined) {
      onEvent?.({ type: 'unreadable' })
      return
    }
    // The server answers, so whatever comes next is a new run of failures.
    failures = 0
    onMessage(message, { stop, end })
  }
  function connect(): void {
    if (stopped) return
    const opening = openSocket(transport)
    if (opening === undefined) {
      lost(undefined, 'no socket can be opened')
      return
    }
    socket = opening
    watchSilence(opening)
    attach(opening, {
      onOpen: () => {
        if (stopped || opening !== socket) return
        onEvent?.({ type: connections++ === 0 ? 'connected' : 'reconnected' })
        opening.send(subscribeFrame(topic))
      },
      onFrame: (frame) => receive(opening, frame),
      onRefused: () => end('the gateway refused the API key'),
      onLost: (reason) => lost(opening, reason),
    })
  }
  connect()
  return stop
}

/**
 * Waits for the update that ends a task.
 *
 * @throws {GatewaySubscriptionError} when the gateway cannot be reached; `TimeoutError`; the signal's
 * reason.
 */
export function waitForTaskUpdate(
  transport: SubscriptionTransport,
  topic: string,
  options: IoOptions = {},
): Promise<TaskUpdate> {
  const { signal, timeout = 120_000 } = options
  return withDeadline(`waiting for ${topic}`, { signal, timeout }, (inner) => {
    return new Promise<TaskUpdate>((resolve, reject) => {
      const stop = subscribeTask(transport, {
        topic,
        onUpdate: (update) => {
          if (isEnding(update)) resolve(update)
        },
        onError: reject,
      })
      inner.addEventListener('abort', stop, { once: true })
      if (inner.aborted) {
        stop()
        reject(inner.reason ?? new TimeoutError({ operation: topic, timeout }))
      }
    })
  })
}

const subscriptionId = 'sub-1'

/** A socket that is connecting; `undefined` where the platform refuses to make one. */
function openSocket(transport: SubscriptionTransport): WebSocketLike | undefined {
  try {
    return transport.create(withKey(transport))
  } catch (error) {
    if (error instanceof InvalidInputError) throw error
    // The platform's message may hold the URL, and with it the key.
    return undefined
  }
}

function withKey({ url, apiKey }: SubscriptionTransport): string {
  if (apiKey === undefined) return url
  const full = new URL(url)
  full.searchParams.set('api_key', apiKey)
  return full.href
}

function attach(
  socket: WebSocketLike,
  listener: {
    onOpen: () => void
    onFrame: (frame: unknown) => void
    onRefused: () => void
    onLost: (reason: string) => void
  },
): void {
  socket.onopen = listener.onOpen
  socket.onmessage = (event: { data: unknown }): void => listener.onFrame(event.data)
  socket.onerror = (): void => listener.onLost('the connection failed')
  socket.onclose = (event: { code?: number }): void => {
    if (refusals.has(event?.code ?? 0)) listener.onRefused()
    else listener.onLost('the connection was closed')
  }
}

function detach(socket: WebSocketLike): void {
  socket.onopen = null
  socket.onmessage = null
  socket.onclose = null
  // Closing a socket that is still connecting may raise one more error: it is expected.
  socket.onerror = (): void => undefined
  try {
    socket.close(1000)
  } catch {}
}

function subscribeFrame(topic: string): string {
  return JSON.stringify({ type: 'subscribe', id: subscriptionId, method: topic, params: null })
}

function readFrame(frame: unknown): Frame | undefined {
  if (typeof frame !== 'string' || frame.length > MAX_FRAME) return undefined
  try {
    const message: unknown = JSON.parse(frame)
    return typeof message === 'object' && message !== null ? message : undefined
  } catch {
    return undefined
  }
}

function readUpdate(result: unknown): TaskUpdate | undefined {
  if (typeof result !== 'object' || result === null) return undefined
  const { event, task_id, timestamp, data } = result as Record<string, unknown>
  if (typeof event !== 'string') return undefined
  return {
    event,
    taskId: typeof task_id === 'string' ? task_id : undefined,
    timestamp: typeof timestamp === 'number' ? timestamp : undefined,
    data: (data ?? null) as Json,
  }
}
