/**
 * The host's side of the wire protocol: many requests over one connection, reconnecting when it is lost.
 */
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import type { CborMap } from '../cbor/read.js'
import type { CborInput } from '../cbor/write.js'
import { writeBody } from './body.js'
import { type ClientSession, openSession, type SessionHandlers } from './clientSession.js'
import type { Connection } from './connection.js'
import {
  EnclaveBusyError,
  EnclaveClosedError,
  EnclaveProtocolError,
  EnclaveRemoteError,
  EnclaveTransportError,
} from './errors.js'
import { type Frame, frameTypes } from './frame.js'
import { defaultWireLimits, readLimits, type WireLimits } from './limits.js'
import type { EnclaveTransport } from './stream.js'
import { createWaiters } from './waiters.js'

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
  /** Most further tries of an idempotent request that got no whole answer. @default 2 */
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

/** A request. */
export type WireRequest = {
  method: string
  body: { readonly [key: string]: CborInput | undefined }
  idempotent: boolean
}

/** Sends requests to one enclave. */
export type WireClient = {
  /** @returns The body of the answer. */
  request(parameters: WireRequest, options?: IoOptions): Promise<CborMap>
  /** @returns The body of the answer and the connection it came over. */
  exchange(
    parameters: WireRequest,
    options?: IoOptions,
  ): Promise<{ body: CborMap; connection: Connection }>
  /** The connection that the next request takes, where there is one. */
  current(): Connection | undefined
  /** Lets what is in flight finish, then ends. */
  close(): Promise<void>
  /** Number of requests in flight. */
  inflight(): number
}

/** Cancelled requests whose answer may be missing before the peer counts as broken. */
const mostAbandoned = 4_096

type Exchanged = { body: CborMap; connection: Connection }

/** Creates the client. It connects with the first request. */
export function createWireClient(options: WireClientOptions): WireClient {
  const { maxQueue = 4096, retries = 2 } = options
  if (typeof options.transport?.connect !== 'function') {
    throw new InvalidInputError({ field: 'transport', reason: 'expected a transport' })
  }
  const waiters = createWaiters()
  const connector = createConnector(options, waiters)

  /** Waits for a connection with a free place. */
  const admitted = async (signal: AbortSignal): Promise<ClientSession> => {
    for (;;) {
      signal.throwIfAborted()
      const current = await connector.ready()
      if (current.connection.ended || current.leaving) {
        connector.countFailure()
        throw new EnclaveTransportError({ reason: 'it ended before the request was sent' })
      }
      if (current.pending.size + current.reserved < current.maxInflight) {
        // Taken here and now, because other callers run before this one continues.
        current.reserved++
        return current
      }
      if (waiters.size() >= maxQueue) {
        throw new EnclaveBusyError({ limit: current.maxInflight + waiters.size() })
      }
      await waiters.wait(signal)
    }
  }
  const once = async (
    body: Uint8Array,
    signal: AbortSignal,
    deadline: () => number,
  ): Promise<Exchanged> => {
    const session = await admitted(signal)
    session.reserved--
    const sent = { requestId: connector.freshId(session), body, deadline: deadline() }
    return sendRequest(session, sent, { signal, onCancel: waiters.wakeOne })
  }
  const exchange: WireClient['exchange'] = async ({ method, body, idempotent }, io = {}) => {
    connector.assertOpen()
    const { timeout } = io
    const started = Date.now()
    const encoded = writeBody({ ...body, method })
    const deadline = (): number =>
      timeout === undefined ? 0 : Math.max(1, Math.ceil(timeout - (Date.now() - started)))
    return withDeadline(`The enclave request ${method}`, io, async (signal) => {
      for (let attempt = 0; ; attempt++) {
        try {
          return await once(encoded, signal, deadline)
        } catch (cause) {
          // Only where no whole answer came back: one that is refused is not asked for again.
          const lost = cause instanceof EnclaveTransportError && connector.isOpen()
          if (!lost || !idempotent || attempt >= retries || signal.aborted) throw cause
          options.onEvent?.({ type: 'retry', method, attempt: attempt + 1 })
        }
      }
    })
  }
  return {
    exchange,
    request: async (parameters, io) => (await exchange(parameters, io)).body,
    current: () => connector.current()?.connection,
    close: connector.close,
    inflight: () => connector.current()?.pending.size ?? 0,
  }
}

/** Keeps one connection up: makes it when it is needed, pauses after failures, forgets it when it ends. */
function createConnector(
  options: WireClientOptions,
  waiters: ReturnType<typeof createWaiters>,
): {
  ready(): Promise<ClientSession>
  current(): ClientSession | undefined
  isOpen(): boolean
  assertOpen(): void
  /** A peer that greets and goes at once must not be asked again without a pause. */
  countFailure(): void
  freshId(session: ClientSession): number
  close(): Promise<void>
} {
  const { transport, random = Math.random, implementation = 'newton-policy-sdk' } = options
  const limits = readLimits(options.limits, defaultWireLimits)
  let session: ClientSession | undefined
  let connecting: Promise<ClientSession> | undefined
  let failures = 0
  let closed = false
  let nextId = 1

  const forget = (ended: ClientSession): void => {
    if (session === ended) session = undefined
    waiters.wakeAll()
  }
  const handlers: SessionHandlers = {
    onOpen: (opened) => {
      session = opened
    },
    onAnswer: () => {
      failures = 0
      waiters.wakeOne()
    },
    onLeave: forget,
    onEnd: (ended, cause) => {
      forget(ended)
      options.onEvent?.({ type: 'disconnect', code: codeOf(cause) })
      options.onDisconnect?.(cause)
    },
    onHostFrame: options.onHostFrame,
  }
  const connect = async (): Promise<ClientSession> => {
    if (failures > 0) await pause(backoff(failures, random))
    options.onEvent?.({ type: 'connect', attempt: failures + 1 })
    const { connectTimeout: timeout } = limits
    try {
      return await withDeadline('Connecting to the enclave', { timeout }, async (signal) => {
        const stream = await transport.connect({ signal })
        return openSession(stream, { limits, implementation, signal, handlers })
      })
    } catch (cause) {
      failures++
      throw connectFailure(cause)
    }
  }
  const assertOpen = (): void => {
    if (closed) throw new EnclaveClosedError()
  }
  return {
    ready: async () => {
      assertOpen()
      if (session?.connection.ended === false) return session
      connecting ??= connect().finally(() => {
        connecting = undefined
      })
      const opened = await connecting
      assertOpen()
      return opened
    },
    current: () => session,
    isOpen: () => !closed,
    assertOpen,
    countFailure: () => {
      failures++
    },
    freshId: ({ pending, abandoned }) => {
      for (;;) {
        const id = nextId
        nextId = nextId >= 0xffff_ffff ? 1 : nextId + 1
        if (!pending.has(id) && !abandoned.has(id)) return id
      }
    },
    close: async () => {
      if (closed) return
      closed = true
      const last = session
      waiters.wakeAll()
      if (last !== undefined) await finishSession(last)
    },
  }
}

async function sendRequest(
  session: ClientSession,
  sent: { requestId: number; deadline: number; body: Uint8Array },
  { signal, onCancel }: { signal: AbortSignal; onCancel: () => void },
): Promise<Exchanged> {
  const { connection, pending, abandoned } = session
  const { requestId } = sent
  let forget = (): void => undefined
  const answer = new Promise<CborMap>((resolve, reject) => {
    pending.set(requestId, { resolve, reject })
    const onAbort = (): void => {
      if (!pending.delete(requestId)) return
      // The answer may be on its way: it is dropped for this id, once.
      abandoned.add(requestId)
      if (abandoned.size > mostAbandoned)
        connection.fail(new EnclaveTransportError({ reason: 'cancels are not answered' }))
      connection.send({ type: frameTypes.CANCEL, requestId }).catch(() => undefined)
      onCancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    forget = () => signal.removeEventListener('abort', onAbort)
  })
  try {
    connection.send({ type: frameTypes.REQUEST, ...sent }).catch((cause: unknown) => {
      const entry = pending.get(requestId)
      pending.delete(requestId)
      entry?.reject(cause)
    })
    return { body: await answer, connection }
  } finally {
    forget()
    if (session.leaving && session.pending.size === 0) void connection.finish()
  }
}

/** Says goodbye, lets what is in flight finish, and ends. */
async function finishSession(session: ClientSession): Promise<void> {
  const { connection } = session
  await connection.send({ type: frameTypes.GOAWAY }).catch(() => undefined)
  while (session.pending.size > 0 && !connection.ended) await pause(5)
  clearInterval(session.pinger)
  await connection.finish()
  connection.fail(new EnclaveClosedError())
}

function connectFailure(cause: unknown): unknown {
  if (cause instanceof TimeoutError)
    return new EnclaveTransportError({ reason: 'no greeting in time' }, { cause })
  const typed =
    cause instanceof EnclaveProtocolError ||
    cause instanceof EnclaveTransportError ||
    cause instanceof EnclaveRemoteError
  return typed ? cause : new EnclaveTransportError({ reason: 'connecting failed' }, { cause })
}

function codeOf(cause: unknown): string {
  return (cause as { code?: string } | undefined)?.code ?? 'UNKNOWN'
}

/** 100 ms doubled per failure up to 5 s, of which a random half is taken off. */
function backoff(failures: number, random: () => number): number {
  const most = Math.min(5_000, 100 * 2 ** (failures - 1))
  return most * (0.5 + random() * 0.5)
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
