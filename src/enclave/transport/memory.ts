/** A pair of connected streams in one process, with backpressure, for tests and local runs. */
import { EnclaveTransportError } from '../wire/errors.js'
import type { ByteStream, EnclaveListener, EnclaveTransport } from '../wire/stream.js'

/** Options of the in-memory transport. */
export type MemoryTransportOptions = {
  /** Bytes a direction holds before `write` waits. @default 262144 */
  highWaterMark?: number | undefined
  /** Delivers in pieces of this many bytes at most, to test that nothing relies on boundaries. */
  pieceBytes?: number | undefined
}

/** A transport and the listener at its other end. */
export type MemoryTransport = { transport: EnclaveTransport; listener: EnclaveListener }

/**
 * Creates an in-memory transport.
 *
 * @example
 * ```ts
 * import { createMemoryTransport } from '@newton/policy-sdk/enclave'
 *
 * const { transport, listener } = createMemoryTransport()
 * ```
 */
export function createMemoryTransport(options: MemoryTransportOptions = {}): MemoryTransport {
  let accept: ((stream: ByteStream) => void) | undefined
  return {
    transport: {
      name: 'memory',
      connect: async () => {
        if (accept === undefined) throw new EnclaveTransportError({ reason: 'nobody listens' })
        const [near, far] = createStreamPair(options)
        accept(far)
        return near
      },
    },
    listener: {
      listen: async (onStream) => {
        accept = onStream
        return {
          close: async () => {
            accept = undefined
          },
        }
      },
    },
  }
}

/** Creates two streams, each giving what is written to the other. */
export function createStreamPair(options: MemoryTransportOptions = {}): [ByteStream, ByteStream] {
  const there = createPipe(options)
  const back = createPipe(options)
  const side = (incoming: Pipe, outgoing: Pipe): ByteStream => ({
    incoming: incoming.chunks,
    write: outgoing.write,
    end: async () => outgoing.end(),
    destroy: () => {
      incoming.break()
      outgoing.break()
    },
  })
  return [side(back, there), side(there, back)]
}

type Pipe = {
  chunks: AsyncIterable<Uint8Array>
  write(bytes: Uint8Array): Promise<void>
  end(): void
  break(): void
}

function createPipe({ highWaterMark = 262_144, pieceBytes }: MemoryTransportOptions): Pipe {
  const queue: Uint8Array[] = []
  let held = 0
  let state: 'open' | 'ended' | 'broken' = 'open'
  let wakeReader: (() => void) | undefined
  let wakeWriters: (() => void)[] = []
  const wake = (): void => {
    wakeReader?.()
    wakeReader = undefined
    if (held < highWaterMark || state !== 'open') {
      const waiting = wakeWriters
      wakeWriters = []
      for (const resume of waiting) resume()
    }
  }
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (state === 'broken') throw new EnclaveTransportError({ reason: 'the peer is gone' })
      const chunk = queue.shift()
      if (chunk !== undefined) {
        held -= chunk.length
        wake()
        yield chunk
      } else if (state === 'ended') return
      else
        await new Promise<void>((resolve) => {
          wakeReader = resolve
        })
    }
  }
  return {
    chunks: read(),
    write: async (bytes) => {
      if (state !== 'open') throw new EnclaveTransportError({ reason: 'the stream is closed' })
      const size = pieceBytes ?? Math.max(bytes.length, 1)
      for (let at = 0; at < bytes.length; at += size) queue.push(bytes.slice(at, at + size))
      held += bytes.length
      wake()
      if (held >= highWaterMark) await new Promise<void>((resolve) => wakeWriters.push(resolve))
      // The state can change while waiting.
      if ((state as string) === 'broken')
        throw new EnclaveTransportError({ reason: 'the peer is gone' })
    },
    end: () => {
      if (state === 'open') state = 'ended'
      wake()
    },
    break: () => {
      state = 'broken'
      queue.length = 0
      held = 0
      wake()
    },
  }
}
