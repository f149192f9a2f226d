/** Bounds on the connections of a server, which cost a file handle each, whoever holds them. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { assertCount } from '../options.js'
import { addressGroup } from '../privateAddress.js'

/** How many connections a server has at a time. What is over is cut at once. */
export type ConnectionBounds = {
  /** Of all. Where they are all taken, those that wait for a next request are closed first. @default 4_096 */
  connections?: number | undefined
  /**
   * Of one IPv4 address, or one /64 of IPv6 addresses. Those of this machine have no bound of their own; a proxy
   * on another one needs as many as it brings. @default 256
   */
  connectionsPerAddress?: number | undefined
}

/** Milliseconds between two times that idle connections are closed to make room: each costs somebody a new one. */
const ROOM_PAUSE = 1_000

/**
 * Bounds the connections of a server.
 *
 * @param addressOf - Whom a connection counts as. @default by its address
 * @throws {InvalidInputError} for bounds that are none.
 */
export function boundConnections(
  server: Server,
  bounds: ConnectionBounds,
  addressOf: (socket: Socket) => string | undefined = (socket) =>
    addressGroup(socket.remoteAddress),
): void {
  const { connections = 4_096, connectionsPerAddress = 256 } = bounds
  assertCount('connections', connections)
  assertCount('connectionsPerAddress', connectionsPerAddress)
  const perAddress = new Map<string, number>()
  let open = 0
  let made = Number.NEGATIVE_INFINITY
  const hasRoom = (): boolean => {
    if (open < connections) return true
    if (performance.now() - made < ROOM_PAUSE) return false
    made = performance.now()
    // They are gone by the next one: this one is cut, and comes again.
    server.closeIdleConnections()
    return false
  }
  server.on('connection', (socket: Socket) => {
    const address = addressOf(socket)
    const own = address === undefined ? 0 : (perAddress.get(address) ?? 0)
    if (own >= connectionsPerAddress || !hasRoom()) {
      socket.destroy()
      return
    }
    open++
    if (address !== undefined) perAddress.set(address, own + 1)
    socket.once('close', () => {
      open--
      if (address === undefined) return
      const left = (perAddress.get(address) ?? 1) - 1
      if (left > 0) perAddress.set(address, left)
      else perAddress.delete(address)
    })
  })
}
