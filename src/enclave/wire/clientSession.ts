/** One greeted connection of a client: what is in flight on it, and where its frames go. */
import type { CborMap } from '../cbor/read.js'
import { greetingBody, readBody, readErrorBody, readGreeting } from './body.js'
import { type Connection, runConnection } from './connection.js'
import { EnclaveProtocolError, EnclaveRemoteError, EnclaveTransportError } from './errors.js'
import { type Frame, frameTypes, WIRE_VERSION } from './frame.js'
import type { WireLimits } from './limits.js'
import type { ByteStream } from './stream.js'

/** A request that waits for its answer. */
export type Pending = { resolve: (body: CborMap) => void; reject: (cause: unknown) => void }

/** A greeted connection. */
export type ClientSession = {
  connection: Connection
  pending: Map<number, Pending>
  /** Places given away to calls that have not sent their request yet. */
  reserved: number
  /** Ids whose late answer is dropped, each once. */
  abandoned: Set<number>
  maxInflight: number
  leaving: boolean
  missedPongs: number
  pinger: ReturnType<typeof setInterval> | undefined
}

/** What a session tells its client. All of it is called in the very step in which it happens. */
export type SessionHandlers = {
  /** The greeting is done: requests may follow. */
  onOpen: (session: ClientSession) => void
  /** A request was answered: its place is free. */
  onAnswer: () => void
  /** The peer asked for no more requests. */
  onLeave: (session: ClientSession) => void
  onEnd: (session: ClientSession, cause: unknown) => void
  onHostFrame: ((frame: Frame, connection: Connection) => void | Promise<void>) | undefined
}

/** Greets over a stream. Resolves when the peer has greeted back; rejects where it does not. */
export async function openSession(
  stream: ByteStream,
  options: {
    limits: WireLimits
    implementation: string
    signal: AbortSignal
    handlers: SessionHandlers
  },
): Promise<ClientSession> {
  const { limits, implementation, signal, handlers } = options
  let opened = false
  const greeting = deferred()
  const connection = runConnection(stream, limits, {
    onFrame: (frame) => {
      if (opened) return onFrame(session, frame, handlers)
      opened = true
      // Read here and now: the next frame may be in the same piece of bytes.
      agree(session, frame, limits)
      startPings(session, limits)
      handlers.onOpen(session)
      greeting.resolve()
      return undefined
    },
    onEnd: (cause) => {
      greeting.reject(cause ?? new EnclaveTransportError({ reason: 'the peer ended' }))
      endSession(session, cause, handlers)
    },
  })
  const session: ClientSession = {
    connection,
    pending: new Map(),
    reserved: 0,
    abandoned: new Set(),
    maxInflight: limits.maxInflight,
    leaving: false,
    missedPongs: 0,
    pinger: undefined,
  }
  signal.addEventListener('abort', () => opened || connection.fail(signal.reason), { once: true })
  const { maxFrame, maxInflight } = limits
  const hello = greetingBody({ versions: [WIRE_VERSION], maxFrame, maxInflight, implementation })
  await connection.send({ type: frameTypes.HELLO, body: hello })
  await greeting.promise
  if (connection.ended) throw new EnclaveTransportError({ reason: 'it ended after the greeting' })
  return session
}

function agree(session: ClientSession, frame: Frame, limits: WireLimits): void {
  if (frame.type === frameTypes.ERROR) {
    const { code, reason, retryable } = readErrorBody(frame.body)
    throw new EnclaveRemoteError({ remoteCode: code, reason, retryable })
  }
  if (frame.type !== frameTypes.HELLO_ACK) throw new EnclaveProtocolError({ fault: 'hello' })
  const agreed = readGreeting(frame.body)
  if (!agreed.versions.includes(WIRE_VERSION)) throw new EnclaveProtocolError({ fault: 'version' })
  session.connection.limit(agreed.maxFrame)
  session.maxInflight = Math.min(limits.maxInflight, agreed.maxInflight)
}

function startPings(session: ClientSession, limits: WireLimits): void {
  session.pinger = setInterval(() => {
    if (session.missedPongs >= 2) {
      const reason = 'the enclave does not answer pings'
      session.connection.fail(new EnclaveTransportError({ reason }))
      return
    }
    session.missedPongs++
    session.connection.send({ type: frameTypes.PING }).catch(() => undefined)
  }, limits.pingInterval)
  // A ping must not keep a Node process alive; browsers give a number.
  ;(session.pinger as { unref?: () => void }).unref?.()
}

function endSession(session: ClientSession, cause: unknown, handlers: SessionHandlers): void {
  clearInterval(session.pinger)
  const reason = cause ?? new EnclaveTransportError({ reason: 'the enclave ended it' })
  const { pending } = session
  session.pending = new Map()
  if (reason instanceof EnclaveTransportError) reason.sent = pending.size > 0
  for (const entry of pending.values()) entry.reject(reason)
  handlers.onEnd(session, reason)
}

async function onFrame(
  session: ClientSession,
  frame: Frame,
  handlers: SessionHandlers,
): Promise<void> {
  const { type, requestId } = frame
  if (type === frameTypes.RESPONSE || (type === frameTypes.ERROR && requestId !== 0)) {
    onAnswer(session, frame, handlers)
    return
  }
  switch (type) {
    case frameTypes.ERROR: {
      const { code, reason } = readErrorBody(frame.body)
      throw new EnclaveTransportError({ reason: `the enclave closed it with ${reason ?? code}` })
    }
    case frameTypes.PING:
      await session.connection.send({ type: frameTypes.PONG })
      return
    case frameTypes.PONG:
      session.missedPongs = 0
      return
    case frameTypes.GOAWAY:
      session.leaving = true
      if (session.pending.size === 0) void session.connection.finish()
      handlers.onLeave(session)
      return
    case frameTypes.ARTIFACT:
    case frameTypes.TCP_OPEN:
    case frameTypes.DATA:
    case frameTypes.CLOSE:
      if (handlers.onHostFrame === undefined) break
      await handlers.onHostFrame(frame, session.connection)
      return
  }
  throw new EnclaveProtocolError({ fault: 'unexpected-frame', details: `type ${type}` })
}

function onAnswer(session: ClientSession, frame: Frame, handlers: SessionHandlers): void {
  const { type, requestId } = frame
  const entry = session.pending.get(requestId)
  if (entry === undefined) {
    if (session.abandoned.delete(requestId)) return
    throw new EnclaveProtocolError({ fault: 'unknown-response', details: `request ${requestId}` })
  }
  // Read before the request is settled, so that a bad body fails it with the connection.
  const body = type === frameTypes.RESPONSE ? readBody(frame.body) : undefined
  const remote = type === frameTypes.ERROR ? readErrorBody(frame.body) : undefined
  session.pending.delete(requestId)
  handlers.onAnswer()
  if (body !== undefined) entry.resolve(body)
  else if (remote !== undefined) {
    const { code, reason, retryable } = remote
    entry.reject(new EnclaveRemoteError({ remoteCode: code, reason, retryable }))
  }
}

function deferred(): {
  promise: Promise<void>
  resolve: () => void
  reject: (cause: unknown) => void
} {
  let resolve: () => void = () => undefined
  let reject: (cause: unknown) => void = () => undefined
  const promise = new Promise<void>((done, fail) => {
    resolve = done
    reject = fail
  })
  // It may be rejected before anybody waits for it.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
