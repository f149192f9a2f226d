/** The enclave's side of the wire protocol: one connection, many requests. */
import { BaseError, isPolicySdkError } from '../../errors/base.js'
import type { CborMap } from '../cbor/read.js'
import type { CborInput } from '../cbor/write.js'
import { errorBody, greetingBody, readBody, readGreeting, textOf, writeBody } from './body.js'
import { type Connection, runConnection } from './connection.js'
import { EnclaveProtocolError, type RemoteErrorCode } from './errors.js'
import { type Frame, frameTypes, WIRE_VERSION } from './frame.js'
import { defaultServerLimits, readLimits, type ServerLimits } from './limits.js'
import { type ConnectionPool, createConnectionPool, type PoolPlace } from './pool.js'
import type { ByteStream } from './stream.js'

/** Answers one request. What it throws is sent as a code, never as text. */
export type WireHandler = (
  request: { method: string; body: CborMap },
  context: { signal: AbortSignal; connection: Connection },
) => Promise<{ readonly [key: string]: CborInput | undefined }>

/** Options of {@link serveConnection}. */
export type ServeOptions = {
  handler: WireHandler
  limits?: Partial<ServerLimits> | undefined
  /** What all connections of a server share. Without it, the connection is alone. */
  pool?: ConnectionPool | undefined
  implementation?: string | undefined
  /** Takes frames that answer the enclave's own questions: ARTIFACT, TCP_OPEN, DATA, CLOSE. */
  onEnclaveFrame?: ((frame: Frame, connection: Connection) => void | Promise<void>) | undefined
  onEnd?: ((cause: unknown) => void) | undefined
}

/** A connection that is being served. */
export type ServedConnection = {
  /** Tells the peer to take its next requests elsewhere, and ends after those in flight. */
  goAway(): Promise<void>
  /** Drops it. */
  destroy(cause: unknown): void
}

/** A request ends with a code of the protocol itself. */
export class WireRefusal extends BaseError {
  override readonly name = 'WireRefusal'
  override readonly code = 'WIRE_REFUSAL'
  readonly remoteCode: RemoteErrorCode
  /** Code of the cause, where there is one to tell. */
  readonly reason: string | undefined

  constructor({
    remoteCode,
    retryable = false,
    reason,
  }: {
    remoteCode: RemoteErrorCode
    retryable?: boolean | undefined
    reason?: string | undefined
  }) {
    super(`The request is answered with ${remoteCode}.`, { retryable })
    this.remoteCode = remoteCode
    this.reason = reason
  }
}

/** A connection while it is served. */
type Served = {
  options: ServeOptions
  limits: ServerLimits
  connection: Connection
  place: PoolPlace
  /** Requests that are not answered yet. */
  running: Map<number, AbortController>
  /** Requests whose work has not ended, answered or not. */
  working: number
  greeted: boolean
  leaving: boolean
}

/** Serves requests over one stream until it ends. */
export function serveConnection(stream: ByteStream, options: ServeOptions): ServedConnection {
  const limits = readLimits(options.limits, defaultServerLimits)
  const pool = options.pool ?? createConnectionPool(limits)
  const running = new Map<number, AbortController>()
  const idle = createIdleTimer(limits, () => served.running.size > 0)
  let served: Served

  const place = pool.enter({
    drop: (cause) => served.connection.fail(cause),
    busy: () => served.running.size > 0,
  })
  const connection = runConnection(stream, limits, {
    onFrame: async (frame) => {
      place?.progress()
      idle.touch()
      if (served.greeted) await onFrame(served, frame)
      else await onHello(served, frame)
    },
    onHeld: (bytes) => place?.hold(bytes),
    onSent: () => place?.progress(),
    onEnd: (cause) => {
      idle.stop()
      place?.leave()
      for (const controller of running.values()) controller.abort(cause)
      running.clear()
      options.onEnd?.(cause)
    },
  })
  served = {
    options,
    limits,
    connection,
    place: place as PoolPlace,
    running,
    working: 0,
    greeted: false,
    leaving: false,
  }
  idle.start(connection)
  // Later, so that the owner has what this function returns when it hears of the end.
  if (place === undefined) {
    queueMicrotask(() => connection.fail(new EnclaveProtocolError({ fault: 'budget' })))
  }
  return {
    goAway: async () => {
      served.leaving = true
      await connection.send({ type: frameTypes.GOAWAY }).catch(() => undefined)
      if (running.size === 0) await connection.finish()
    },
    destroy: connection.fail,
  }
}

/** Ends a connection that does not greet, or later sends nothing and waits for nothing. */
function createIdleTimer(
  limits: ServerLimits,
  busy: () => boolean,
): { start(connection: Connection): void; touch(): void; stop(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined
  let owner: Connection | undefined
  const arm = (after: number, fault: 'hello' | 'idle'): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      if (fault === 'idle' && busy()) arm(after, fault)
      else owner?.fail(new EnclaveProtocolError({ fault }))
    }, after)
    // It must not keep a Node process alive; browsers give a number.
    ;(timer as { unref?: () => void }).unref?.()
  }
  return {
    start: (connection) => {
      owner = connection
      arm(limits.connectTimeout, 'hello')
    },
    touch: () => arm(limits.idleTimeout, 'idle'),
    stop: () => clearTimeout(timer),
  }
}

async function onHello(served: Served, frame: Frame): Promise<void> {
  const { connection, limits, options } = served
  if (frame.type !== frameTypes.HELLO) throw new EnclaveProtocolError({ fault: 'hello' })
  const greeting = readGreeting(frame.body)
  if (!greeting.versions.includes(WIRE_VERSION)) {
    const body = errorBody({ code: 'UNSUPPORTED_VERSION', retryable: false })
    await connection.send({ type: frameTypes.ERROR, body })
    await connection.finish()
    throw new EnclaveProtocolError({ fault: 'version' })
  }
  served.greeted = true
  const { maxFrame, maxInflight } = limits
  const implementation = options.implementation ?? 'newton-policy-sdk'
  const body = greetingBody({ versions: [WIRE_VERSION], maxFrame, maxInflight, implementation })
  await connection.send({ type: frameTypes.HELLO_ACK, body })
  connection.limit(greeting.maxFrame)
}

async function onFrame(served: Served, frame: Frame): Promise<void> {
  const { connection, running, options } = served
  switch (frame.type) {
    case frameTypes.REQUEST:
      await onRequest(served, frame)
      return
    case frameTypes.CANCEL:
      // A cancel may cross the answer: an unknown id is no fault.
      running
        .get(frame.requestId)
        ?.abort(new WireRefusal({ remoteCode: 'CANCELLED', retryable: true }))
      return
    case frameTypes.PING:
      await connection.send({ type: frameTypes.PONG })
      return
    case frameTypes.PONG:
      return
    case frameTypes.GOAWAY:
      served.leaving = true
      if (running.size === 0) await connection.finish()
      return
    case frameTypes.ARTIFACT:
    case frameTypes.TCP_OPEN:
    case frameTypes.DATA:
    case frameTypes.CLOSE:
      if (options.onEnclaveFrame === undefined) break
      await options.onEnclaveFrame(frame, connection)
      return
  }
  const fault = frame.type === frameTypes.HELLO ? 'hello' : 'unexpected-frame'
  throw new EnclaveProtocolError({ fault, details: `type ${frame.type}` })
}

async function onRequest(served: Served, frame: Frame): Promise<void> {
  const { running, limits, place } = served
  const { requestId, deadline } = frame
  if (requestId === 0 || running.has(requestId)) {
    throw new EnclaveProtocolError({ fault: 'request-id', details: `request ${requestId}` })
  }
  const body = readBody(frame.body)
  const method = textOf(body, 'method')
  const endWork =
    served.leaving || served.working >= limits.maxInflight
      ? undefined
      : place.startWork(frame.body.length)
  if (endWork === undefined) {
    // Awaited: who does not read its refusals is not read either.
    const code = served.leaving ? 'GOING_AWAY' : 'BUSY'
    await answerError(served.connection, requestId, { code, retryable: true })
    return
  }
  served.working++
  const controller = new AbortController()
  running.set(requestId, controller)
  const timer = startDeadline(deadline, controller)
  const context = { signal: controller.signal, connection: served.connection }
  const work = startHandler(served.options.handler, { method, body }, context)
  const answered = answer(served, { requestId, work, signal: controller.signal }).finally(() => {
    clearTimeout(timer)
    running.delete(requestId)
    if (served.leaving && running.size === 0) void served.connection.finish()
  })
  // The place is given back when the work has really ended and its answer is gone.
  void Promise.allSettled([work, answered]).then(() => {
    served.working--
    endWork()
  })
}

async function startHandler(
  handler: WireHandler,
  ...[request, context]: Parameters<WireHandler>
): ReturnType<WireHandler> {
  return handler(request, context)
}

function startDeadline(
  deadline: number,
  controller: AbortController,
): ReturnType<typeof setTimeout> | undefined {
  if (deadline === 0) return undefined
  return setTimeout(
    () => controller.abort(new WireRefusal({ remoteCode: 'DEADLINE', retryable: true })),
    Math.min(deadline, 2 ** 31 - 1),
  )
}

async function answer(
  { connection }: Served,
  request: { requestId: number; work: ReturnType<WireHandler>; signal: AbortSignal },
): Promise<void> {
  const { requestId, work, signal } = request
  try {
    const body = writeBody(await untilAborted(work, signal))
    if (body.length > connection.maxFrame())
      throw new WireRefusal({ remoteCode: 'RESPONSE_TOO_LARGE' })
    await connection.send({ type: frameTypes.RESPONSE, requestId, body })
  } catch (cause) {
    await answerError(connection, requestId, describe(cause))
  }
}

async function answerError(
  connection: Connection,
  requestId: number,
  error: Parameters<typeof errorBody>[0],
): Promise<void> {
  await connection
    .send({ type: frameTypes.ERROR, requestId, body: errorBody(error) })
    .catch(() => undefined)
}

/** What the peer is told about a failure: codes only, since texts can quote what must not leave. */
function describe(cause: unknown): Parameters<typeof errorBody>[0] {
  if (cause instanceof WireRefusal) {
    return { code: cause.remoteCode, reason: cause.reason, retryable: cause.retryable }
  }
  if (isPolicySdkError(cause)) {
    return { code: 'EVALUATION_FAILED', reason: cause.code, retryable: cause.retryable }
  }
  return { code: 'ENCLAVE_INTERNAL', retryable: false }
}

/** The peer is answered when its signal fires, even where the work goes on. */
async function untilAborted<value>(work: Promise<value>, signal: AbortSignal): Promise<value> {
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}
