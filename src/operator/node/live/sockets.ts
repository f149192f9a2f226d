/** WebSockets of a gateway's server: heartbeats, bounds, and an end to whoever takes nothing. */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket, WebSocketServer } from 'ws'
import { MissingPeerError } from '../../../errors/common.js'
import type { UpgradeServer } from '../../../internal/node/serve.js'
import {
  closeCodes,
  type SubscriptionConnection,
  type Subscriptions,
} from '../../gateway/live/subscriptions.js'

/** Bytes of a client's frame. */
const MAX_FRAME = 4_096
/** Milliseconds that a connection that is closed has to go. */
const CLOSING = 2_000
/** Milliseconds for one whose key is none: as long as it takes to hand over the code. */
const CLOSING_UNKNOWN = 250

/**
 * Serves subscriptions on `/ws`. A key comes as `authorization: Bearer <key>`, or as `api_key` of the URL
 * from pages, which set no headers.
 *
 * @param options.heartbeat - Milliseconds between two; who does not answer one is gone by the next.
 * @throws {MissingPeerError} when the optional peer `ws` is not installed.
 */
export async function openSockets(
  subscriptions: Subscriptions,
  { heartbeat = 20_000 }: { heartbeat?: number | undefined } = {},
): Promise<UpgradeServer> {
  const { WebSocketServer } = await load()
  const sockets = new WebSocketServer({
    ...{ noServer: true, maxPayload: MAX_FRAME, perMessageDeflate: false },
  })
  const beat = setInterval(() => beatAll(sockets), heartbeat)
  beat.unref()
  const take = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://gateway')
    if (url.pathname !== '/ws') return refuse(socket, '404 Not Found')
    const key = url.searchParams.get('api_key')
    const admitted = await subscriptions.admit(
      request.headers.authorization ?? (key === null ? undefined : `Bearer ${key}`),
      request.socket.remoteAddress,
    )
    if (admitted.status === 'full') return refuse(socket, '503 Service Unavailable')
    if (admitted.status === 'refused') return refuse(socket, '401 Unauthorized')
    // The handshake answers itself what is no WebSocket request, and ends the socket.
    socket.once('close', admitted.leave)
    if (socket.destroyed) admitted.leave()
    sockets.handleUpgrade(request, socket, head, (opened) => {
      if (admitted.status === 'admitted') attach(opened, admitted.connect)
      else {
        opened.on('error', ignore)
        end(opened, closeCodes.unknown, 'the key is none', CLOSING_UNKNOWN)
      }
    })
  }
  return {
    attach(server: Server) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        socket.on('error', ignore)
        take(request, socket, head).catch(() => socket.destroy())
      })
    },
    close() {
      clearInterval(beat)
      for (const socket of sockets.clients) end(socket, closeCodes.goingAway, 'the gateway closes')
      sockets.close()
    },
  }
}

const alive = new WeakSet<WebSocket>()

function attach(
  socket: WebSocket,
  connect: (socket: {
    send: (text: string) => void
    close: (code: number, reason: string) => void
    waiting: () => number
  }) => SubscriptionConnection,
): void {
  alive.add(socket)
  const connection = connect({
    send: (text) => {
      if (socket.readyState === socket.OPEN) socket.send(text, ignore)
    },
    close: (code, reason) => end(socket, code, reason),
    waiting: () => socket.bufferedAmount,
  })
  socket.on('error', ignore)
  socket.on('pong', () => alive.add(socket))
  socket.on('message', (data: RawData, binary: boolean) =>
    connection.receive(binary ? undefined : String(data)),
  )
  socket.on('close', connection.closed)
}

/** A frame that pages see, as they see no pings, and a ping that has to be answered. */
function beatAll(sockets: WebSocketServer): void {
  for (const socket of sockets.clients) {
    if (!alive.delete(socket)) {
      socket.terminate()
      continue
    }
    if (socket.readyState !== socket.OPEN) continue
    socket.ping(undefined, undefined, ignore)
    socket.send('{"type":"heartbeat"}', ignore)
  }
}

/** Closes; who does not close as well within a moment is cut. */
function end(socket: WebSocket, code: number, reason: string, within = CLOSING): void {
  socket.close(code, reason)
  const cut = setTimeout(() => socket.terminate(), within)
  cut.unref()
  socket.once('close', () => clearTimeout(cut))
}

function refuse(socket: Duplex, status: string): void {
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n`,
    () => socket.destroy(),
  )
}

/** A connection that fails is closed next, which is what is looked at. */
function ignore(): void {}

async function load(): Promise<typeof import('ws')> {
  try {
    return await import('ws')
  } catch (cause) {
    const needed = 'Telling callers of changes (`sockets: false` goes without)'
    throw new MissingPeerError({ peer: 'ws', needed }, { cause })
  }
}
