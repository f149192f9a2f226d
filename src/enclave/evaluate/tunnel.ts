/**
 * Connections of plugins, carried through the host in frames TCP_OPEN, DATA and CLOSE.
 *
 * The host sees names and ports, and bytes that TLS has closed: TLS ends inside the enclave, against the
 * image's own CA set. The request id of a frame is the tunnel's number, chosen by the enclave.
 */
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { countOf, readBody, textOf, writeBody } from '../wire/body.js'
import type { Connection } from '../wire/connection.js'
import { EnclaveProtocolError, EnclaveTransportError } from '../wire/errors.js'
import { type Frame, frameTypes } from '../wire/frame.js'
import type { ByteStream } from '../wire/stream.js'

/** Most bytes of one DATA frame. */
export const TUNNEL_PIECE = 65_536
/** Most bytes of one tunnel that wait to be read inside. */
export const MAX_TUNNEL_BYTES = 8_388_608
/** Most open tunnels of one connection. */
export const MAX_TUNNELS = 64

/** Opens a connection to a name and port. */
export type TunnelDial = (
  target: { host: string; port: number },
  options?: IoOptions,
) => Promise<ByteStream>

/** The host's side. */
export type TunnelHost = {
  onFrame(frame: Frame, connection: Connection): Promise<void>
  closeAll(): void
}

/** The enclave's side. */
export type TunnelGuest = {
  dial: TunnelDial
  onFrame(frame: Frame): void
  closeAll(cause: unknown): void
}

/**
 * Creates the host's side.
 *
 * @param parameters.dial - Opens the connection on the host.
 * @param parameters.allow - Decides by name and port. There is no default.
 */
export function createTunnelHost(parameters: {
  dial: TunnelDial
  allow: (target: { host: string; port: number }) => boolean
}): TunnelHost {
  const { dial, allow } = parameters
  const open = new Map<number, ByteStream | 'opening'>()
  const close = (id: number): void => {
    const stream = open.get(id)
    open.delete(id)
    if (stream !== undefined && stream !== 'opening') stream.destroy()
  }
  const pump = async (id: number, stream: ByteStream, connection: Connection): Promise<void> => {
    try {
      for await (const chunk of stream.incoming) {
        for (let at = 0; at < chunk.length; at += TUNNEL_PIECE) {
          const body = chunk.subarray(at, at + TUNNEL_PIECE)
          await connection.send({ type: frameTypes.DATA, requestId: id, body })
        }
      }
    } catch {
      // The peer is told below that it is over; why is nobody's business inside.
    }
    if (open.get(id) === stream) {
      open.delete(id)
      await connection.send({ type: frameTypes.CLOSE, requestId: id }).catch(() => undefined)
    }
  }
  const start = async (frame: Frame, connection: Connection): Promise<void> => {
    const id = frame.requestId
    const target = readTarget(frame)
    if (id === 0 || open.has(id))
      throw new EnclaveProtocolError({ fault: 'tunnel', details: `tunnel ${id}` })
    if (open.size >= MAX_TUNNELS || allow(target) !== true) {
      await connection.send({ type: frameTypes.CLOSE, requestId: id })
      return
    }
    open.set(id, 'opening')
    let stream: ByteStream
    try {
      stream = await dial(target, { timeout: 10_000 })
    } catch {
      open.delete(id)
      await connection.send({ type: frameTypes.CLOSE, requestId: id })
      return
    }
    if (!open.has(id)) {
      stream.destroy()
      return
    }
    open.set(id, stream)
    await connection.send({
      type: frameTypes.TCP_OPEN,
      requestId: id,
      body: writeBody({ open: true }),
    })
    void pump(id, stream, connection)
  }
  return {
    onFrame: async (frame, connection) => {
      const id = frame.requestId
      if (frame.type === frameTypes.TCP_OPEN) {
        // Not awaited: dialing must not hold up the frames behind it.
        start(frame, connection).catch((cause) => connection.fail(cause))
        return
      }
      const stream = open.get(id)
      if (frame.type === frameTypes.CLOSE) close(id)
      else if (stream !== undefined && stream !== 'opening') {
        await stream.write(frame.body).catch(async () => {
          close(id)
          await connection.send({ type: frameTypes.CLOSE, requestId: id })
        })
      }
      // DATA that crossed a CLOSE of ours is dropped.
    },
    closeAll: () => {
      for (const id of [...open.keys()]) close(id)
    },
  }
}

/** Creates the enclave's side over one connection. */
export function createTunnelGuest(connection: Connection): TunnelGuest {
  type Tunnel = {
    opened: (ok: boolean) => void
    /** Returns the bytes that wait. */
    push: (chunk: Uint8Array | undefined) => number
  }
  const tunnels = new Map<number, Tunnel>()
  let nextId = 1

  const dial: TunnelDial = (target, options = {}) =>
    withDeadline('Opening a connection through the host', options, async (signal) => {
      const id = nextId++
      const { incoming, push } = createInbox()
      const opened = new Promise<boolean>((resolve) => {
        tunnels.set(id, { opened: resolve, push })
        signal.addEventListener('abort', () => resolve(false), { once: true })
      })
      const close = (): void => {
        if (!tunnels.delete(id)) return
        push(undefined)
        connection.send({ type: frameTypes.CLOSE, requestId: id }).catch(() => undefined)
      }
      await connection.send({ type: frameTypes.TCP_OPEN, requestId: id, body: writeBody(target) })
      if (!(await opened)) {
        close()
        signal.throwIfAborted()
        throw new EnclaveTransportError({
          reason: `the host does not connect to ${target.host}:${target.port}`,
        })
      }
      return {
        incoming,
        write: async (bytes) => {
          if (!tunnels.has(id)) throw new EnclaveTransportError({ reason: 'the tunnel is closed' })
          for (let at = 0; at < bytes.length; at += TUNNEL_PIECE) {
            const body = bytes.slice(at, at + TUNNEL_PIECE)
            await connection.send({ type: frameTypes.DATA, requestId: id, body })
          }
        },
        end: async () => close(),
        destroy: close,
      }
    })
  return {
    dial,
    onFrame: (frame) => {
      const tunnel = tunnels.get(frame.requestId)
      // What crossed a CLOSE of ours is dropped; a number never used is a fault.
      if (tunnel === undefined) {
        if (frame.requestId > 0 && frame.requestId < nextId) return
        throw new EnclaveProtocolError({ fault: 'tunnel', details: `tunnel ${frame.requestId}` })
      }
      if (frame.type === frameTypes.TCP_OPEN) tunnel.opened(true)
      else if (frame.type === frameTypes.DATA) {
        // A host that floods a tunnel that nobody reads loses the connection, not the enclave's memory.
        if (tunnel.push(frame.body) > MAX_TUNNEL_BYTES) {
          throw new EnclaveProtocolError({ fault: 'tunnel', details: 'more than is read' })
        }
      } else {
        tunnels.delete(frame.requestId)
        tunnel.opened(false)
        tunnel.push(undefined)
      }
    },
    closeAll: () => {
      for (const tunnel of tunnels.values()) {
        tunnel.opened(false)
        tunnel.push(undefined)
      }
      tunnels.clear()
    },
  }
}

function readTarget(frame: Frame): { host: string; port: number } {
  const body = readBody(frame.body)
  const host = textOf(body, 'host')
  const port = countOf(body, 'port')
  if (host.length < 1 || host.length > 253 || port < 1 || port > 65_535) {
    throw new EnclaveProtocolError({
      fault: 'tunnel',
      details: 'a target that is no name and port',
    })
  }
  return { host, port }
}

function createInbox(): {
  incoming: AsyncIterable<Uint8Array>
  push: (chunk: Uint8Array | undefined) => number
} {
  const queue: Uint8Array[] = []
  let held = 0
  let ended = false
  let wake: (() => void) | undefined
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = queue.shift()
      if (chunk !== undefined) {
        held -= chunk.length
        yield chunk
      } else if (ended) return
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  return {
    incoming: read(),
    push: (chunk) => {
      if (chunk === undefined) ended = true
      else {
        queue.push(chunk)
        held += chunk.length
      }
      wake?.()
      wake = undefined
      return held
    },
  }
}
