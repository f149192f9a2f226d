import { createServer, type RequestListener, type Server } from 'node:http'
import { createPublicClient } from 'viem'
import { afterEach, expect, test } from 'vitest'
import { nodeRpc } from './rpcTransport.js'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}
/** Answers each call by what `answer` makes of its body and of the number of the call. */
const answering =
  (answer: (body: { method: string; params: unknown; id: number }, turn: number) => object) =>
  (): RequestListener => {
    let turn = 0
    return (incoming, outgoing) => {
      let text = ''
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      incoming.on('end', () => outgoing.end(JSON.stringify(answer(JSON.parse(text), turn++))))
    }
  }
const clientOf = (url: string, options: { timeout?: number; maxBytes?: number } = {}) =>
  createPublicClient({ transport: nodeRpc(url, { timeout: 2_000, ...options }) })

test('default: calls and their parameters, over one connection', async () => {
  const seen: unknown[] = []
  const host = await serve(
    answering((body) => {
      seen.push(body)
      return { jsonrpc: '2.0', id: body.id, result: '0x10' }
    })(),
  )
  const sockets = new Set()
  server?.on('connection', (socket) => sockets.add(socket))
  const client = clientOf(`http://${host}/path?key=1`)
  expect(await client.getChainId()).toBe(16)
  expect(await client.getBalance({ address: `0x${'11'.repeat(20)}`, blockNumber: 7n })).toBe(16n)
  expect(seen).toMatchObject([
    { jsonrpc: '2.0', method: 'eth_chainId', id: 1 },
    { method: 'eth_getBalance', params: [`0x${'11'.repeat(20)}`, '0x7'], id: 2 },
  ])
  expect(sockets.size).toBe(1)
})

test('behavior: many calls at once under one signal are no leak to warn of', async () => {
  const host = await serve(answering(({ id }) => ({ jsonrpc: '2.0', id, result: '0x1' }))())
  const warnings: Error[] = []
  const listen = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listen)
  const { signal } = new AbortController()
  const transport = nodeRpc(`http://${host}`, { timeout: 2_000 })({ retryCount: 0 })
  const calls = Array.from({ length: 30 }, () =>
    transport.request({ method: 'eth_chainId' }, { signal } as never),
  )
  expect(await Promise.all(calls)).toEqual(calls.map(() => '0x1'))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warnings).toEqual([])
})

test('behavior: the key of a URL is sent, and is in no error', async () => {
  let header: string | undefined
  let path: string | undefined
  const host = await serve((incoming, outgoing) => {
    header = incoming.headers.authorization
    path = incoming.url
    outgoing.statusCode = 401
    outgoing.end('no')
  })
  const asked = clientOf(`http://me:p%40ss@${host}/rpc?key=hidden`).getChainId()
  const error = await asked.catch((cause: Error) => cause)
  expect(String(error)).toContain('Status: 401')
  expect(String(error)).not.toMatch(/hidden|p@ss|p%40ss/)
  expect(header).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  expect(path).toBe('/rpc?key=hidden')
})

test('error: a refusal of the node has its code, and is not asked again', async () => {
  let asked = 0
  const host = await serve(
    answering(() => {
      asked++
      return { jsonrpc: '2.0', id: 1, error: { code: -32_601, message: 'no such method' } }
    })(),
  )
  await expect(clientOf(`http://${host}`).getChainId()).rejects.toMatchObject({ code: -32_601 })
  expect(asked).toBe(1)
})

test('behavior: a connection that breaks, and a node that is busy, are asked again', async () => {
  let turn = 0
  const host = await serve((incoming, outgoing) => {
    turn++
    if (turn === 1) incoming.socket.destroy()
    else if (turn === 2) {
      outgoing.statusCode = 503
      outgoing.end('busy')
    } else outgoing.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: '0x1' }))
  })
  expect(await clientOf(`http://${host}`).getChainId()).toBe(1)
  expect(turn).toBe(3)
})

test('error: a node that says nothing, too much, or no JSON', async () => {
  const silent = await serve(() => undefined)
  const client = createPublicClient({
    transport: (config) =>
      nodeRpc(`http://${silent}`, { timeout: 50 })({ ...config, retryCount: 0 }),
  })
  await expect(client.getChainId()).rejects.toMatchObject({ name: 'TimeoutError' })
  const controller = new AbortController()
  setTimeout(() => controller.abort(new Error('enough')), 20)
  const given = clientOf(`http://${silent}`).request(
    { method: 'eth_chainId' },
    { signal: controller.signal },
  )
  await expect(given).rejects.toThrow()
  server?.closeAllConnections()
  server?.close()
  const long = await serve((_, outgoing) => outgoing.end('x'.repeat(10_000)))
  await expect(clientOf(`http://${long}`, { maxBytes: 1_000 }).getChainId()).rejects.toMatchObject({
    name: 'ResponseBodyTooLargeError',
  })
  server?.close()
  const page = await serve((_, outgoing) => outgoing.end('<html>'))
  await expect(clientOf(`http://${page}`).getChainId()).rejects.toMatchObject({
    name: 'HttpRequestError',
  })
})
