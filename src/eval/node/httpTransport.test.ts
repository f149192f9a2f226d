import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchTransport } from '../plugins/fetchTransport.js'
import { performRequest, resolveHttpPolicy } from '../plugins/http.js'
import type { GuestAnswer } from '../plugins/protocol.js'
import { nodeHttpTransport } from './httpTransport.js'

const plain = Buffer.from(JSON.stringify({ score: 7, text: 'a'.repeat(10_000) }))
const limit = 65_536
const policy = resolveHttpPolicy({ allowPrivate: true, maxResponseBytes: limit, timeout: 5_000 })
const transports = { node: nodeHttpTransport(), fetch: fetchTransport() }

/** What the server sends: the value of `content-encoding`, and the body on the wire. */
const replies: Record<string, readonly [string | string[] | undefined, Buffer]> = {
  plain: [undefined, plain],
  identity: ['identity', plain],
  gzip: ['gzip', gzipSync(plain)],
  'x-gzip': ['X-GZIP', gzipSync(plain)],
  deflate: ['deflate', deflateSync(plain)],
  'raw deflate': ['deflate', deflateRawSync(plain)],
  br: ['br', brotliCompressSync(plain)],
  'gzip in br': ['gzip, br', brotliCompressSync(gzipSync(plain))],
}
const odd: typeof replies = {
  zstd: ['zstd', plain],
  'gzip and a stranger': ['gzip, zstd', gzipSync(plain)],
  'four codings': ['gzip, gzip, gzip, gzip', gzipSync(gzipSync(gzipSync(gzipSync(plain))))],
  'not gzip': ['gzip', plain],
}
const cut = gzipSync(plain).subarray(0, -20)
const bombs: typeof replies = {
  'plain bomb': [undefined, Buffer.alloc(limit + 1)],
  'gzip bomb': ['gzip', gzipSync(Buffer.alloc(50_000_000))],
  'br bomb': ['br', brotliCompressSync(Buffer.alloc(50_000_000))],
  'gzip in gzip bomb': ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(50_000_000)))],
}

/** Answers that are none, byte for byte. */
const torn: Record<string, string> = {
  'a body shorter than it says': 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc',
  'two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 100\r\n\r\nabc',
  'a length and chunks':
    'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'a line break in a header': 'HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n',
  'no HTTP': 'SSH-2.0-OpenSSH_9.6\r\n',
}
const endless: Record<string, string> = {
  'never a head': '',
  'never a body': 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc',
  'never the last chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n',
}
Object.assign(torn, endless)

let server: Server
let port: number
beforeAll(async () => {
  server = createServer((request, response) => {
    const name = decodeURIComponent(request.url?.slice(1) ?? '')
    response.sendDate = false
    if (request.headers['x-injected'] !== undefined || name.includes('x-injected')) {
      response.end(JSON.stringify(request.headers['x-injected'] ?? 'in the path'))
      return
    }
    if (name === '101') {
      response.socket?.end(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      )
      return
    }
    const raw = torn[name]
    if (raw !== undefined) {
      response.socket?.write(raw)
      if (!name.startsWith('never')) response.socket?.end()
      return
    }
    if (name === 'headers') {
      const many = Array.from({ length: 3_000 }, (_, index) => [`x-h${index}`, 'v'])
      response.writeHead(200, Object.fromEntries(many))
    }
    const [coding, body] = { ...replies, ...odd, ...bombs, cut: ['gzip', cut] as const }[name] ?? [
      undefined,
      Buffer.alloc(0),
    ]
    if (coding !== undefined) response.setHeader('content-encoding', coding)
    if (name === 'empty gzip') response.setHeader('content-encoding', 'gzip')
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

const ask = (
  name: string,
  transport: keyof typeof transports,
  bounds: typeof policy = policy,
): Promise<GuestAnswer> =>
  performRequest(
    {
      url: `http://127.0.0.1:${port}/${encodeURIComponent(name)}`,
      method: 'GET',
      headers: [],
      body: undefined,
    },
    bounds,
    { transport: transports[transport] },
  )

describe('a transport of its own', () => {
  const alone = (url: string, bounds: object = {}) =>
    nodeHttpTransport()(
      { url, method: 'GET', headers: [], body: undefined },
      {
        ...{ signal: AbortSignal.timeout(5_000), maxResponseBytes: limit, allowPrivate: false },
        ...bounds,
      },
    )

  test.each(
    '127.0.0.1 2130706433 0x7f.1 0177.0.0.1 127.1 0.0.0.0 [::ffff:7f00:1] [::1] ①②⑦.⓪.⓪.① u:p@127.0.0.1 localhost 127.0.0.1..'.split(
      ' ',
    ),
  )('error: %s is private, and nothing is sent', async (host) => {
    let asked = 0
    const count = (): void => void asked++
    server.on('connection', count)
    await expect(alone(`http://${host}:${port}/plain`)).rejects.toMatchObject({
      code: 'HTTP_PRIVATE_ADDRESS',
    })
    server.off('connection', count)
    expect(asked).toBe(0)
  })

  test('error: bounds that are none', async () => {
    const url = `http://127.0.0.1:${port}/plain`
    for (const bounds of [{ maxResponseBytes: Number.NaN }, { allowPrivate: 'no' }]) {
      await expect(alone(url, bounds)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(await alone(url, { allowPrivate: true })).toMatchObject({ status: 200 })
  })
})

describe('content codings', () => {
  test.each(Object.keys(replies))(
    'behavior: %s is the same bytes on every transport',
    async (name) => {
      const answer = await ask(name, 'node')
      expect(answer).toMatchObject({ status: 200 })
      if ('error' in answer) return
      expect(Buffer.from(answer.body).equals(plain)).toBe(true)
      const [coding] = replies[name] ?? []
      const kept = answer.headers.filter(([header]) => header === 'content-encoding')
      expect(kept).toEqual(coding === undefined ? [] : [['content-encoding', coding]])
      expect(await ask(name, 'fetch')).toEqual(answer)
    },
  )

  test('behavior: an empty body has no coding to take off', async () => {
    const answer = await ask('empty gzip', 'node')
    expect(answer).toMatchObject({ status: 200, body: new Uint8Array() })
    expect(await ask('empty gzip', 'fetch')).toEqual(answer)
  })

  test.each(Object.keys(odd))('error: %s is no answer on any transport', async (name) => {
    for (const transport of ['node', 'fetch'] as const)
      expect(await ask(name, transport), transport).toEqual({ error: 'request failed' })
  })

  test.each(Object.keys(bombs))('error: a %s ends at the limit', async (name) => {
    for (const transport of ['node', 'fetch'] as const)
      await expect(ask(name, transport), transport).rejects.toMatchObject({
        code: 'PLUGIN_LIMIT',
        limit: 'responseBytes',
      })
  })

  test('error: a body that ends inside its coding is no answer', async () => {
    expect(await ask('cut', 'node')).toEqual({ error: 'request failed' })
  })

  test.each(Object.keys(torn).filter((name) => !Object.hasOwn(endless, name)))(
    'error: %s is no answer',
    async (name) => {
      for (const transport of ['node', 'fetch'] as const)
        expect(await ask(name, transport), transport).toEqual({ error: 'request failed' })
    },
  )

  test.each(Object.keys(endless))('error: %s ends at the timeout', async (name) => {
    for (const transport of ['node', 'fetch'] as const)
      expect(await ask(name, transport, { ...policy, timeout: 150 }), transport).toEqual({
        error: 'timeout',
      })
  })

  test('error: thousands of headers are no answer', async () => {
    for (const transport of ['node', 'fetch'] as const)
      expect(await ask('headers', transport), transport).toEqual({ error: 'request failed' })
  })

  test('behavior: a line break in a URL stays in its path', async () => {
    for (const path of [
      'a\r\nx-injected: 1',
      'a%0d%0ax-injected: 1',
      'a HTTP/1.1\r\nx-injected: 1',
    ]) {
      const url = `http://127.0.0.1:${port}/${path}`
      const request = { url, method: 'GET', headers: [], body: undefined }
      for (const transport of Object.values(transports))
        expect(await performRequest(request, policy, { transport }), path).toMatchObject({
          body: Uint8Array.from(Buffer.from('"in the path"')),
        })
    }
  })

  test('error: a server that leaves HTTP fails the request at once', async () => {
    const slow = { ...policy, timeout: 60_000 }
    const request = {
      url: `http://127.0.0.1:${port}/101`,
      method: 'GET',
      headers: [],
      body: undefined,
    }
    expect(await performRequest(request, slow, { transport: transports.node })).toEqual({
      error: 'request failed',
    })
  })
})
