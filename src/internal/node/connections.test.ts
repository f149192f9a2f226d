/** Bounds on connections, over real sockets. */
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { boundConnections } from './connections.js'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

/** A server whose connections are of an address by the order in which they come. */
async function start(
  bounds: Parameters<typeof boundConnections>[1],
  addressOf: (nth: number) => string | undefined,
): Promise<{ server: Server; port: number }> {
  const server = createServer((asked, response) => {
    if (asked.url !== '/slow') response.end('ok')
  })
  let nth = 0
  boundConnections(server, bounds, () => addressOf(nth++))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** Asks for a path and stays connected. What it is told, empty where it is cut. */
async function ask(port: number, path = '/'): Promise<{ socket: Socket; told: string }> {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
  const told = await new Promise<string>((resolve) => {
    socket.once('data', (bytes) => resolve(String(bytes)))
    socket.once('close', () => resolve(''))
    if (path === '/slow') setTimeout(() => resolve('waits'), 200)
  })
  return { socket, told }
}

test('behavior: an address has its bound, and keeps off no other', async () => {
  const { port } = await start({ connectionsPerAddress: 2 }, (nth) => (nth < 4 ? 'a' : 'b'))
  const first = await ask(port)
  expect(first.told).toMatch(/^HTTP\/1\.1 200/)
  expect((await ask(port)).told).toMatch(/200/)
  expect((await ask(port)).told).toBe('')
  first.socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect((await ask(port)).told).toMatch(/200/)
  expect((await ask(port)).told).toMatch(/200/)
})

test('behavior: idle connections make room for others, those at work do not', async () => {
  const { port } = await start({ connections: 3 }, (nth) => String(nth))
  const idle = [await ask(port), await ask(port)]
  const slow = await ask(port, '/slow')
  expect(slow.told).toBe('waits')
  expect((await ask(port)).told).toBe('')
  await expect.poll(() => idle.map(({ socket }) => socket.destroyed)).toEqual([true, true])
  expect(slow.socket.destroyed).toBe(false)
  expect((await ask(port, '/slow')).told).toBe('waits')
  expect((await ask(port, '/slow')).told).toBe('waits')
  // All are at work: nobody is cut for one more.
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  expect((await ask(port)).told).toBe('')
  expect(slow.socket.destroyed).toBe(false)
})

test('error: bounds that are none are refused', () => {
  for (const bounds of [{ connections: 0 }, { connectionsPerAddress: 1.5 }]) {
    expect(() => boundConnections(createServer(), bounds)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  }
})
