/**
 * The host's side of the wire protocol: many requests over one connection, reconnecting when it is lost.
 */
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import type { CborMap } from '../cbor/read.js'
import type { CborInput } from '../cbor/write.js'
import { greetingBody, readBody, readErrorBody, readGreeting, writeBody } from './body.js'
import { type Connection, defaultWireLimits, runConnection, type WireLimits } from './connection.js'
import {
  EnclaveBusyError,
  EnclaveClosedError,
  EnclaveProtocolError,
  EnclaveRemoteError,
  EnclaveTransportError,
} from './errors.js'
import { type Frame, frameTypes, WIRE_VERSION } from './frame.js'
import type { EnclaveTransport } from './stream.js'

/** Something that happened on the wire, for logs and metrics. */
export type WireEvent =
  | { type: 'connect'; attempt: number }
  | { type: 'disconnect'; code: string }
  | { type: 'retry'; method: string; attempt: number }

/** Options of {@link createWireClient}. */
export type WireClientOptions = {
  transport: EnclaveTransport
  limits?: Partial<WireLimits> | undefined
  /** Most requests that wait for a free place. @default 4096 */
  maxQueue?: number | undefined
  /** Most further tries of an idempotent request that got no answer at all. @default 2 */
  retries?: number | undefined
  /** Takes frames that belong to no request of ours: ARTIFACT, TCP_OPEN, DATA, CLOSE. */
  onHostFrame?: ((frame: Frame, connection: Connection) => void | Promise<void>) | undefined
  /** Called when a connection is lost or replaced: what was agreed on it is void. */
  onDisconnect?: ((cause: unknown) => void) | undefined
  onEvent?: ((event: WireEvent) => void) | undefined
  /** For the jitter of reconnecting, 0 to 1. @default Math.random */
  random?: (() => number) | undefined
  implementation?: string | undefined
}

/** Sends requests to one enclave. */
export type WireClient = {
  /** @returns The body of the answer. */
  request(
    parameters: {
      method: string
      body: { readonly [key: string]: CborInput | undefined }
      idempotent: boolean
    },
    options?: IoOptions,
  ): Promise<CborMap>
  /** Lets what is in flight finish, then ends. */
  close(): Promise<void>
  /** Number of requests in flight. */
  inflight(): number
}

type Pending = { resolve: (body: CborMap) => void; reject: (cause: unknown) => void }

type Session = {
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

/** Creates the client. It connects with the first request. */
export function createWireClient(options: WireClientOptions): WireClient {
  const { transport, maxQueue = 4096, retries = 2, random = Math.random } = options
  if (typeof transport?.connect !== 'function') {
    throw new InvalidInputError({ field: 'transport', reason: 'expected a transport' })
  }
  const limits: WireLimits = { ...defaultWireLimits, ...options.limits }
  let session: Session | undefined
  let connecting: Promise<Session> | undefined
  let failures = 0
  let closed = false
  let nextId = 1
  let waiting: (() => void)[] = []

  const wakeOne = (): void => waiting.shift()?.()
  const wakeAll = (): void => {
    const all = waiting
    waiting = []
    for (const resume of all) resume()
  }

  const connect = async (): Promise<Session> => {
    if (failures > 0) await pause(backoff(failures, random))
    options.onEvent?.({ type: 'connect', attempt: failures + 1 })
    try {
      const opened = await withDeadline(
        'Connecting to the enclave',
        { timeout: limits.connectTimeout },
        (signal) => open(signal),
      )
      return opened
    } catch (cause) {
      failures++
      if (cause instanceof TimeoutError)
        throw new EnclaveTransportError({ reason: 'no greeting in time' }, { cause })
      if (cause instanceof EnclaveProtocolError || cause instanceof EnclaveTransportError)
        throw cause
      if (cause instanceof EnclaveRemoteError) throw cause
      throw new EnclaveTransportError({ reason: 'connecting failed' }, { cause })
    }
  }

  const open = async (signal: AbortSignal): Promise<Session> => {
    const stream = await transport.connect({ signal })
    let greeted: ((frame: Frame) => void) | undefined
    let refused: ((cause: unknown) => void) | undefined
    const greeting = new Promise<Frame>((resolve, reject) => {
      greeted = resolve
      refused = reject
    })
    const connection = runConnection(stream, limits, {
      onFrame: (frame) => {
        if (greeted === undefined) return onFrame(current, frame)
        const first = greeted
        greeted = undefined
        first(frame)
      },
      onEnd: (cause) => {
        refused?.(cause ?? new EnclaveTransportError({ reason: 'the peer ended' }))
        onEnd(current, cause)
      },
    })
    const current: Session = {
      connection,
      pending: new Map(),
      reserved: 0,
      abandoned: new Set(),
      maxInflight: limits.maxInflight,
      leaving: false,
      missedPongs: 0,
      pinger: undefined,
    }
    signal.addEventListener('abort', () => session !== current && connection.fail(signal.reason), {
      once: true,
    })
    const { maxFrame, maxInflight } = limits
    const implementation = options.implementation ?? 'newton-policy-sdk'
    const hello = greetingBody({ versions: [WIRE_VERSION], maxFrame, maxInflight, implementation })
    await connection.send({ type: frameTypes.HELLO, body: hello })
    const answer = await greeting
    const agreed = readAnswer(answer)
    if (agreed === undefined || !agreed.versions.includes(WIRE_VERSION)) {
      const cause = new EnclaveProtocolError({ fault: agreed === undefined ? 'hello' : 'version' })
      connection.fail(cause)
      throw cause
    }
    if (connection.ended) throw new EnclaveTransportError({ reason: 'it ended after the greeting' })
    connection.limit(agreed.maxFrame)
    current.maxInflight = Math.min(maxInflight, agreed.maxInflight)
    current.pinger = setInterval(() => ping(current), limits.pingInterval)
    // A ping must not keep a Node process alive; browsers give a number.
    ;(current.pinger as { unref?: () => void }).unref?.()
    session = current
    return current
  }

  const ping = (current: Session): void => {
    if (current.missedPongs >= 2) {
      current.connection.fail(
        new EnclaveTransportError({ reason: 'the enclave does not answer pings' }),
      )
      return
    }
    current.missedPongs++
    current.connection.send({ type: frameTypes.PING }).catch(() => undefined)
  }

  const onFrame = async (current: Session, frame: Frame): Promise<void> => {
    const { type, requestId } = frame
    if (type === frameTypes.RESPONSE || (type === frameTypes.ERROR && requestId !== 0)) {
      const entry = current.pending.get(requestId)
      if (entry === undefined) {
        if (current.abandoned.delete(requestId)) return
        throw new EnclaveProtocolError({
          fault: 'unknown-response',
          details: `request ${requestId}`,
        })
      }
      // Read before the request is settled, so that a bad body fails it with the connection.
      const body = type === frameTypes.RESPONSE ? readBody(frame.body) : undefined
      const remote = type === frameTypes.ERROR ? readErrorBody(frame.body) : undefined
      current.pending.delete(requestId)
      failures = 0
      wakeOne()
      if (body !== undefined) entry.resolve(body)
      else if (remote !== undefined) {
        const { code, reason, retryable } = remote
        entry.reject(new EnclaveRemoteError({ remoteCode: code, reason, retryable }))
      }
      return
    }
    switch (type) {
      case frameTypes.ERROR: {
        const { code, reason } = readErrorBody(frame.body)
        throw new EnclaveTransportError({ reason: `the enclave closed it with ${reason ?? code}` })
      }
      case frameTypes.PING:
        await current.connection.send({ type: frameTypes.PONG })
        return
      case frameTypes.PONG:
        current.missedPongs = 0
        return
      case frameTypes.GOAWAY:
        leave(current)
        return
      case frameTypes.ARTIFACT:
      case frameTypes.TCP_OPEN:
      case frameTypes.DATA:
      case frameTypes.CLOSE:
        if (options.onHostFrame === undefined) break
        await options.onHostFrame(frame, current.connection)
        return
    }
    throw new EnclaveProtocolError({ fault: 'unexpected-frame', details: `type ${type}` })
  }

  /** New requests take another connection; this one ends when its last request does. */
  const leave = (current: Session): void => {
    current.leaving = true
    if (session === current) session = undefined
    if (current.pending.size === 0) void current.connection.finish()
    wakeAll()
  }

  const onEnd = (current: Session, cause: unknown): void => {
    clearInterval(current.pinger)
    if (session === current) session = undefined
    const reason = cause ?? new EnclaveTransportError({ reason: 'the enclave ended it' })
    const { pending } = current
    current.pending = new Map()
    for (const entry of pending.values()) entry.reject(reason)
    wakeAll()
    options.onEvent?.({ type: 'disconnect', code: (reason as { code?: string }).code ?? 'UNKNOWN' })
    options.onDisconnect?.(reason)
  }

  const ready = async (): Promise<Session> => {
    if (closed) throw new EnclaveClosedError()
    if (session?.connection.ended === false) return session
    connecting ??= connect().finally(() => {
      connecting = undefined
    })
    return connecting
  }

  /** Waits for a connection with a free place. */
  const admitted = async (signal: AbortSignal): Promise<Session> => {
    for (;;) {
      signal.throwIfAborted()
      const current = await ready()
      if (closed) throw new EnclaveClosedError()
      if (current.connection.ended || current.leaving) {
        // A peer that greets and goes at once must not be asked again without a pause.
        failures++
        throw new EnclaveTransportError({ reason: 'it ended before the request was sent' })
      }
      if (current.pending.size + current.reserved < current.maxInflight) {
        // Taken here and now, because other callers run before this one continues.
        current.reserved++
        return current
      }
      if (waiting.length >= maxQueue) {
        throw new EnclaveBusyError({ limit: current.maxInflight + waiting.length })
      }
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
    }
  }

  const once = async (
    body: Uint8Array,
    signal: AbortSignal,
    deadline: () => number,
  ): Promise<CborMap> => {
    const current = await admitted(signal)
    current.reserved--
    const requestId = freshId(current)
    let forget = (): void => undefined
    const answer = new Promise<CborMap>((resolve, reject) => {
      current.pending.set(requestId, { resolve, reject })
      const onAbort = (): void => {
        if (!current.pending.delete(requestId)) return
        // The answer may be on its way: it is dropped for this id, once.
        current.abandoned.add(requestId)
        current.connection.send({ type: frameTypes.CANCEL, requestId }).catch(() => undefined)
        wakeOne()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      forget = () => signal.removeEventListener('abort', onAbort)
    })
    try {
      current.connection
        .send({ type: frameTypes.REQUEST, requestId, deadline: deadline(), body })
        .catch((cause: unknown) => {
          const entry = current.pending.get(requestId)
          current.pending.delete(requestId)
          entry?.reject(cause)
        })
      return await answer
    } finally {
      forget()
      if (current.leaving && current.pending.size === 0) void current.connection.finish()
    }
  }

  const freshId = (current: Session): number => {
    for (;;) {
      const id = nextId
      nextId = nextId >= 0xffff_ffff ? 1 : nextId + 1
      if (!current.pending.has(id) && !current.abandoned.has(id)) return id
    }
  }

  return {
    request: async ({ method, body, idempotent }, io = {}) => {
      if (closed) throw new EnclaveClosedError()
      const { timeout } = io
      const started = Date.now()
      const encoded = writeBody({ ...body, method })
      const deadline = (): number =>
        timeout === undefined ? 0 : Math.max(1, Math.ceil(timeout - (Date.now() - started)))
      return await withDeadline(`The enclave request ${method}`, io, async (signal) => {
        for (let attempt = 0; ; attempt++) {
          try {
            return await once(encoded, signal, deadline)
          } catch (cause) {
            // Only where nothing came back at all: an answer, even a broken one, is not asked for again.
            const lost = cause instanceof EnclaveTransportError
            if (!lost || !idempotent || attempt >= retries || closed || signal.aborted) throw cause
            options.onEvent?.({ type: 'retry', method, attempt: attempt + 1 })
          }
        }
      })
    },
    close: async () => {
      if (closed) return
      closed = true
      const current = session
      wakeAll()
      if (current === undefined) return
      await current.connection.send({ type: frameTypes.GOAWAY }).catch(() => undefined)
      while (current.pending.size > 0 && !current.connection.ended) await pause(5)
      clearInterval(current.pinger)
      await current.connection.finish()
      current.connection.fail(new EnclaveClosedError())
    },
    inflight: () => session?.pending.size ?? 0,
  }
}

function readAnswer(frame: Frame): ReturnType<typeof readGreeting> | undefined {
  if (frame.type === frameTypes.HELLO_ACK) return readGreeting(frame.body)
  if (frame.type === frameTypes.ERROR) {
    const { code, reason, retryable } = readErrorBody(frame.body)
    throw new EnclaveRemoteError({ remoteCode: code, reason, retryable })
  }
  return undefined
}

/** 100 ms doubled per failure up to 5 s, of which a random half is taken off. */
function backoff(failures: number, random: () => number): number {
  const most = Math.min(5_000, 100 * 2 ** (failures - 1))
  return most * (0.5 + random() * 0.5)
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
