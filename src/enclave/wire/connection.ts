/**
 * One connection: frames out in order under a byte limit, frames in one after another, and an end that
 * comes once, with its cause.
 */
import { isPolicySdkError } from '../../errors/base.js'
import { EnclaveProtocolError, EnclaveTransportError } from './errors.js'
import { createFrameDecoder, encodeFrame, type Frame } from './frame.js'
import type { ByteStream } from './stream.js'

/** Limits of a connection. */
export type WireLimits = {
  /** Most bytes of a frame body. @default 4194304 */
  maxFrame: number
  /** Most requests in flight. @default 32 */
  maxInflight: number
  /** Most bytes that wait to be written. @default 16777216 */
  maxQueuedBytes: number
  /** Milliseconds for a frame header that has begun. @default 5000 */
  headerTimeout: number
  /** Milliseconds for a frame body that has begun. @default 30000 */
  bodyTimeout: number
  /** Milliseconds for connecting and greeting. @default 5000 */
  connectTimeout: number
  /** Milliseconds between pings; two without an answer end the connection. @default 15000 */
  pingInterval: number
}

/** Limits where nothing else is said. */
export const defaultWireLimits: WireLimits = {
  maxFrame: 4_194_304,
  maxInflight: 32,
  maxQueuedBytes: 16_777_216,
  headerTimeout: 5_000,
  bodyTimeout: 30_000,
  connectTimeout: 5_000,
  pingInterval: 15_000,
}

/** A running connection. */
export type Connection = {
  /** Queues a frame; resolves when it was handed over. Rejects when the connection has ended. */
  send(frame: Partial<Frame> & Pick<Frame, 'type'>): Promise<void>
  /** Lowers the frame limit for both directions. */
  limit(maxFrame: number): void
  maxFrame(): number
  /** Ends at once with a cause. Everything in flight fails with it. */
  fail(cause: unknown): void
  /** Ends after what is queued. */
  finish(): Promise<void>
  readonly ended: boolean
}

const empty = new Uint8Array(0)

/**
 * Runs a connection over a stream.
 *
 * @param handlers.onFrame - Takes each frame in order. While it returns a promise that is pending, nothing
 * more is read: that is the backpressure towards the peer. What it throws ends the connection.
 * @param handlers.onEnd - Called once, with the cause, or `undefined` where the peer ended in good order.
 */
export function runConnection(
  stream: ByteStream,
  limits: WireLimits,
  handlers: {
    onFrame: (frame: Frame) => void | Promise<void>
    onEnd: (cause: unknown) => void
  },
): Connection {
  const decoder = createFrameDecoder({ maxFrame: limits.maxFrame })
  let { maxFrame } = limits
  let ended = false
  let queued = 0
  let tail: Promise<void> = Promise.resolve()
  let room: (() => void)[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let waitingFor: 'nothing' | 'header' | 'body' = 'nothing'

  const end = (cause: unknown): void => {
    if (ended) return
    ended = true
    clearTimeout(timer)
    stream.destroy()
    for (const resume of room) resume()
    room = []
    handlers.onEnd(cause)
  }
  const fail = (cause: unknown): void => end(toTyped(cause))

  /** A frame that has begun must go on: the timer runs from its start, not from the last byte. */
  const watch = (progressed: boolean): void => {
    const next = decoder.waitingFor()
    if (next === waitingFor && !progressed) return
    waitingFor = next
    clearTimeout(timer)
    if (next === 'nothing' || ended) return
    const fault = next === 'header' ? 'header-timeout' : 'body-timeout'
    const after = next === 'header' ? limits.headerTimeout : limits.bodyTimeout
    timer = setTimeout(() => fail(new EnclaveProtocolError({ fault })), after)
  }

  const send = async (partial: Partial<Frame> & Pick<Frame, 'type'>): Promise<void> => {
    const frame: Frame = { requestId: 0, deadline: 0, body: empty, ...partial }
    if (frame.body.length > maxFrame) {
      throw new EnclaveProtocolError({
        fault: 'frame-too-large',
        details: `${frame.body.length} bytes to send`,
      })
    }
    while (!ended && queued > 0 && queued + frame.body.length > limits.maxQueuedBytes) {
      await new Promise<void>((resolve) => room.push(resolve))
    }
    if (ended) throw new EnclaveTransportError({ reason: 'it has ended' })
    const bytes = encodeFrame(frame)
    queued += bytes.length
    const written = tail.then(async () => {
      if (ended) throw new EnclaveTransportError({ reason: 'it has ended' })
      await stream.write(bytes)
    })
    tail = written.then(
      () => release(bytes.length),
      (cause) => {
        release(bytes.length)
        fail(cause)
      },
    )
    await written.catch((cause) => {
      throw toTyped(cause)
    })
  }
  const release = (bytes: number): void => {
    queued -= bytes
    const waiting = room
    room = []
    for (const resume of waiting) resume()
  }

  const read = async (): Promise<void> => {
    try {
      for await (const chunk of stream.incoming) {
        if (ended) return
        const frames = decoder.push(chunk)
        watch(frames.length > 0)
        for (const frame of frames) {
          await handlers.onFrame(frame)
          if (ended) return
        }
      }
      if (decoder.waitingFor() === 'nothing') end(undefined)
      else end(new EnclaveTransportError({ reason: 'the peer ended in the middle of a frame' }))
    } catch (cause) {
      fail(cause)
    }
  }
  void read()

  return {
    send,
    limit: (next) => {
      maxFrame = Math.min(maxFrame, next)
      decoder.limit(next)
    },
    maxFrame: () => maxFrame,
    fail,
    finish: async () => {
      await tail
      if (!ended) await stream.end().catch(() => undefined)
    },
    get ended() {
      return ended
    },
  }
}

function toTyped(cause: unknown): unknown {
  if (isPolicySdkError(cause)) return cause
  return new EnclaveTransportError({ reason: 'the stream broke' }, { cause })
}
