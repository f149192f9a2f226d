/** The enclave's side of the wire protocol: one connection, many requests. */
import { BaseError, isPolicySdkError } from '../../errors/base.js'
import type { CborMap } from '../cbor/read.js'
import type { CborInput } from '../cbor/write.js'
import { errorBody, greetingBody, readBody, readGreeting, textOf, writeBody } from './body.js'
import { type Connection, defaultWireLimits, runConnection, type WireLimits } from './connection.js'
import { EnclaveProtocolError, type RemoteErrorCode } from './errors.js'
import { type Frame, frameTypes, WIRE_VERSION } from './frame.js'
import type { ByteStream } from './stream.js'

/** Answers one request. What it throws is sent as a code, never as text. */
export type WireHandler = (
  request: { method: string; body: CborMap },
  context: { signal: AbortSignal; connection: Connection },
) => Promise<{ readonly [key: string]: CborInput | undefined }>

/** Options of {@link serveConnection}. */
export type ServeOptions = {
  handler: WireHandler
  limits?: Partial<WireLimits> | undefined
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

/** Serves requests over one stream until it ends. */
export function serveConnection(stream: ByteStream, options: ServeOptions): ServedConnection {
  const limits: WireLimits = { ...defaultWireLimits, ...options.limits }
  const running = new Map<number, AbortController>()
  let greeted = false
  let leaving = false
  const stopGreetingTimer = startGreetingTimer()

  const connection = runConnection(stream, limits, {
    onFrame: async (frame) => {
      if (greeted) await onFrame(frame)
      else await onHello(frame)
    },
    onEnd: (cause) => {
      stopGreetingTimer()
      for (const controller of running.values()) controller.abort(cause)
      running.clear()
      options.onEnd?.(cause)
    },
  })

  function startGreetingTimer(): () => void {
    const timer = setTimeout(
      () => connection.fail(new EnclaveProtocolError({ fault: 'hello' })),
      limits.connectTimeout,
    )
    return () => clearTimeout(timer)
  }

  const onHello = async (frame: Frame): Promise<void> => {
    if (frame.type !== frameTypes.HELLO) throw new EnclaveProtocolError({ fault: 'hello' })
    const greeting = readGreeting(frame.body)
    if (!greeting.versions.includes(WIRE_VERSION)) {
      const body = errorBody({ code: 'UNSUPPORTED_VERSION', retryable: false })
      await connection.send({ type: frameTypes.ERROR, body })
      await connection.finish()
      throw new EnclaveProtocolError({ fault: 'version' })
    }
    greeted = true
    stopGreetingTimer()
    const { maxFrame, maxInflight } = limits
    const implementation = options.implementation ?? 'newton-policy-sdk'
    const body = greetingBody({ versions: [WIRE_VERSION], maxFrame, maxInflight, implementation })
    await connection.send({ type: frameTypes.HELLO_ACK, body })
    connection.limit(greeting.maxFrame)
  }

  const onFrame = async (frame: Frame): Promise<void> => {
    switch (frame.type) {
      case frameTypes.REQUEST:
        onRequest(frame)
        return
      case frameTypes.CANCEL:
        // A cancel may cross the answer: an unknown id is no fault.
        running.get(frame.requestId)?.abort(new WireRefusal({ remoteCode: 'CANCELLED' }))
        return
      case frameTypes.PING:
        await connection.send({ type: frameTypes.PONG })
        return
      case frameTypes.PONG:
        return
      case frameTypes.GOAWAY:
        leaving = true
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

  const onRequest = (frame: Frame): void => {
    const { requestId, deadline } = frame
    if (requestId === 0 || running.has(requestId)) {
      throw new EnclaveProtocolError({ fault: 'request-id', details: `request ${requestId}` })
    }
    const body = readBody(frame.body)
    const method = textOf(body, 'method')
    if (leaving || running.size >= limits.maxInflight) {
      void answerError(requestId, { code: leaving ? 'GOING_AWAY' : 'BUSY', retryable: true })
      return
    }
    const controller = new AbortController()
    running.set(requestId, controller)
    const timer =
      deadline === 0
        ? undefined
        : setTimeout(
            () => controller.abort(new WireRefusal({ remoteCode: 'DEADLINE', retryable: true })),
            deadline,
          )
    void run(requestId, { method, body }, controller.signal).finally(() => {
      clearTimeout(timer)
      running.delete(requestId)
      if (leaving && running.size === 0) void connection.finish()
    })
  }

  const run = async (
    requestId: number,
    request: { method: string; body: CborMap },
    signal: AbortSignal,
  ): Promise<void> => {
    try {
      const answer = await untilAborted(options.handler(request, { signal, connection }), signal)
      const body = writeBody(answer)
      if (body.length > connection.maxFrame())
        throw new WireRefusal({ remoteCode: 'RESPONSE_TOO_LARGE' })
      await connection.send({ type: frameTypes.RESPONSE, requestId, body })
    } catch (cause) {
      await answerError(requestId, describe(cause))
    }
  }

  const answerError = async (
    requestId: number,
    error: Parameters<typeof errorBody>[0],
  ): Promise<void> => {
    await connection
      .send({ type: frameTypes.ERROR, requestId, body: errorBody(error) })
      .catch(() => undefined)
  }

  return {
    goAway: async () => {
      leaving = true
      await connection.send({ type: frameTypes.GOAWAY }).catch(() => undefined)
      if (running.size === 0) await connection.finish()
    },
    destroy: connection.fail,
  }
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

/** A handler that ignores its signal must not hold its place for ever. */
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
