/**
 * One connection: frames out in order under a byte limit, frames in one after another, and an end that
 * comes once, with its cause.
 */
import { isPolicySdkError } from '../../errors/base.js'
import { EnclaveProtocolError, EnclaveTransportError } from './errors.js'
import { createFrameDecoder, encodeFrame, type Frame, type FrameDecoder } from './frame.js'
import type { WireLimits } from './limits.js'
import type { ByteStream } from './stream.js'

/** Most bytes of a frame body until both sides have greeted. */
export const GREETING_MAX_FRAME = 4_096

/** A running connection. */
export type Connection = {
  /** Queues a frame; resolves when it was handed over. Rejects when the connection has ended. */
  send(frame: Partial<Frame> & Pick<Frame, 'type'>): Promise<void>
  /** Sets the frame limit that the greeting agreed on, never above the own one, for both directions. */
  limit(maxFrame: number): void
  maxFrame(): number
  /** Ends at once with a cause. Everything in flight fails with it. */
  fail(cause: unknown): void
  /** Ends after what is queued. */
  finish(): Promise<void>
  readonly ended: boolean
}

/** What a connection tells its owner. */
export type ConnectionHandlers = {
  /**
   * Takes each frame in order. While it returns a promise that is pending, nothing more is read: that is
   * the backpressure towards the peer. What it throws ends the connection.
   */
  onFrame: (frame: Frame) => void | Promise<void>
  /** Called once, with the cause, or `undefined` where the peer ended in good order. */
  onEnd: (cause: unknown) => void
  /** Told of bytes that are held from now on (positive) or no longer, in both directions. */
  onHeld?: ((bytes: number) => void) | undefined
  /** Told when a frame was handed over. */
  onSent?: (() => void) | undefined
}

/** Runs a connection over a stream. Until {@link Connection.limit} is called, frames are of greeting size. */
export function runConnection(
  stream: ByteStream,
  limits: WireLimits,
  handlers: ConnectionHandlers,
): Connection {
  const decoder = createFrameDecoder({ maxFrame: Math.min(limits.maxFrame, GREETING_MAX_FRAME) })
  const state = { ended: false, maxFrame: limits.maxFrame }
  const end = (cause: unknown): void => {
    if (state.ended) return
    state.ended = true
    watch.stop()
    stream.destroy()
    outbox.release()
    handlers.onEnd(cause)
  }
  const fail = (cause: unknown): void => end(toTyped(cause))
  const watch = createFrameWatch(decoder, { limits, fail })
  const outbox = createOutbox(stream, { limits, state, fail, ...handlers })
  void readFrames({ stream, decoder, watch, state, end, fail, handlers })

  return {
    send: outbox.send,
    limit: (next) => {
      state.maxFrame = Math.min(state.maxFrame, next)
      decoder.limit(state.maxFrame)
    },
    maxFrame: () => state.maxFrame,
    fail,
    finish: async () => {
      await outbox.drained()
      if (!state.ended) await stream.end().catch(() => undefined)
    },
    get ended() {
      return state.ended
    },
  }
}

type State = { ended: boolean; maxFrame: number }
type FrameWatch = { check(progressed: boolean): void; stop(): void }

/** A frame that has begun must go on: the timer runs from its start, not from the last byte. */
function createFrameWatch(
  decoder: FrameDecoder,
  { limits, fail }: { limits: WireLimits; fail: (cause: unknown) => void },
): FrameWatch {
  let timer: ReturnType<typeof setTimeout> | undefined
  let waitingFor: 'nothing' | 'header' | 'body' = 'nothing'
  return {
    check: (progressed) => {
      const next = decoder.waitingFor()
      if (next === waitingFor && !progressed) return
      waitingFor = next
      clearTimeout(timer)
      if (next === 'nothing') return
      const fault = next === 'header' ? 'header-timeout' : 'body-timeout'
      const after = next === 'header' ? limits.headerTimeout : limits.bodyTimeout
      timer = setTimeout(() => fail(new EnclaveProtocolError({ fault })), after)
    },
    stop: () => clearTimeout(timer),
  }
}

/** Frames on their way out: in order, and no more bytes at once than agreed. */
function createOutbox(
  stream: ByteStream,
  context: Pick<ConnectionHandlers, 'onHeld' | 'onSent'> & {
    limits: WireLimits
    state: State
    fail: (cause: unknown) => void
  },
): Pick<Connection, 'send'> & { drained(): Promise<void>; release(): void } {
  const { limits, state, fail, onHeld, onSent } = context
  let queued = 0
  let tail: Promise<void> = Promise.resolve()
  let room: (() => void)[] = []
  const release = (): void => {
    const waiting = room
    room = []
    for (const resume of waiting) resume()
  }
  const enqueue = async (frame: Frame): Promise<void> => {
    while (!state.ended && queued > 0 && queued + frame.body.length > limits.maxQueuedBytes) {
      await new Promise<void>((resolve) => room.push(resolve))
    }
    if (state.ended) throw new EnclaveTransportError({ reason: 'it has ended' })
    const bytes = encodeFrame(frame)
    queued += bytes.length
    const written = tail.then(async () => {
      if (state.ended) throw new EnclaveTransportError({ reason: 'it has ended' })
      await stream.write(bytes)
      onSent?.()
    })
    const settle = (): void => {
      queued -= bytes.length
      release()
    }
    tail = written.then(settle, (cause) => {
      settle()
      fail(cause)
    })
    await written.catch((cause) => {
      throw toTyped(cause)
    })
  }
  return {
    send: async (partial) => {
      const frame: Frame = { requestId: 0, deadline: 0, body: empty, ...partial }
      const { length } = frame.body
      if (length > state.maxFrame) {
        throw new EnclaveProtocolError({
          fault: 'frame-too-large',
          details: `${length} bytes to send`,
        })
      }
      onHeld?.(length)
      try {
        await enqueue(frame)
      } finally {
        onHeld?.(-length)
      }
    },
    drained: () => tail,
    release,
  }
}

async function readFrames(context: {
  stream: ByteStream
  decoder: FrameDecoder
  watch: FrameWatch
  state: State
  end: (cause: unknown) => void
  fail: (cause: unknown) => void
  handlers: ConnectionHandlers
}): Promise<void> {
  const { stream, decoder, watch, state, end, fail, handlers } = context
  let held = 0
  const hold = (next: number): void => {
    if (next !== held) handlers.onHeld?.(next - held)
    held = next
  }
  try {
    for await (const chunk of stream.incoming) {
      if (state.ended) return
      const frames = decoder.push(chunk)
      if (state.ended) return
      watch.check(frames.length > 0)
      hold(decoder.held())
      for (const frame of frames) {
        if (state.ended) return
        await handlers.onFrame(frame)
      }
      if (state.ended) return
    }
    if (decoder.waitingFor() === 'nothing') end(undefined)
    else end(new EnclaveTransportError({ reason: 'the peer ended in the middle of a frame' }))
  } catch (cause) {
    fail(cause)
  } finally {
    hold(0)
  }
}

const empty = new Uint8Array(0)

function toTyped(cause: unknown): unknown {
  if (isPolicySdkError(cause)) return cause
  return new EnclaveTransportError({ reason: 'the stream broke' }, { cause })
}
