import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaLocator } from '../core/locator.js'
import { https } from './https.js'
import type { FetchLike } from './internal/http.js'
import { guardedFetch } from './node/guardedFetch.js'

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7) & 255)
const hash = computeArtifactHash(bytes)
const at = (url: string): DaLocator => ({ kind: 'https', url })
const good = at('https://mirror.example/a.wasm')

/** A body that breaks off after `stop` bytes. */
function broken(body: Uint8Array, stop: number): ReadableStream<Uint8Array> {
  let sent = false
  return new ReadableStream({
    pull(controller) {
      if (sent) return controller.error(new TypeError('terminated'))
      sent = true
      controller.enqueue(body.slice(0, stop))
    },
  })
}

describe('https', () => {
  test('reads a URL', async () => {
    const fetch: FetchLike = async () => new Response(bytes as unknown as BodyInit)
    expect(await https({ fetch }).getWithVerification(good, hash)).toEqual(bytes)
  })

  test.each([
    'https://localhost/a',
    'https://127.0.0.1/a',
    'https://127.1/a',
    'https://2130706433/a',
    'https://0x7f.0.0.1/a',
    'https://10.0.0.8/a',
    'https://172.16.0.1/a',
    'https://192.168.1.1/a',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/a',
    'https://0.0.0.0/a',
    'https://[::1]/a',
    'https://[fe80::1]/a',
    'https://[fd00::1]/a',
    'https://[::ffff:127.0.0.1]/a',
    'https://metadata.internal/a',
    'https://printer.local/a',
    'https://intranet/a',
    'https://kubernetes.default.svc/a',
    'https://nas.home/a',
    'https://168.63.129.16/a',
    'https://mirror.example:8443/a',
    'https://mirror.example:22/a',
    'http://mirror.example/a',
    'file:///etc/passwd',
    'https://user:secret@mirror.example/a',
  ])('never asks %s', async (url) => {
    let asked = 0
    const fetch: FetchLike = async () => {
      asked += 1
      return new Response('x')
    }
    await expect(https({ fetch }).getWithVerification(at(url), hash)).rejects.toMatchObject({
      code: 'DA_FORBIDDEN_ADDRESS',
    })
    expect(asked).toBe(0)
  })

  test('redirects are refused, or followed as far as allowed and to public addresses only', async () => {
    const targets: Record<string, string> = {
      'https://mirror.example/a.wasm': 'https://other.example/b',
      'https://other.example/b': '/c',
      'https://evil.example/': 'https://169.254.169.254/latest',
      'https://plain.example/': 'http://other.example/c',
      'https://loop.example/': 'https://loop.example/',
    }
    const fetch: FetchLike = async (url) => {
      const to = targets[url]
      return to === undefined
        ? new Response(bytes as unknown as BodyInit)
        : new Response(null, { status: 302, headers: { location: to } })
    }
    await expect(https({ fetch }).get(good)).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
      message: expect.stringMatching(/redirected to https:\/\/other\.example\/b/),
    })
    await expect(https({ fetch, maxRedirects: 1 }).get(good)).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
    })
    expect(await https({ fetch, maxRedirects: 2 }).getWithVerification(good, hash)).toEqual(bytes)
    const da = https({ fetch, maxRedirects: 9 })
    for (const url of ['https://evil.example/', 'https://plain.example/']) {
      await expect(da.get(at(url))).rejects.toMatchObject({ code: 'DA_FORBIDDEN_ADDRESS' })
    }
    await expect(da.get(at('https://loop.example/'))).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
    await expect(
      https({ fetch, maxRedirects: 9, hosts: ['mirror.example'] }).get(good),
    ).rejects.toMatchObject({ code: 'DA_FORBIDDEN_ADDRESS' })
  })

  test('a size is a limit, announced or not', async () => {
    const announced: FetchLike = async () =>
      new Response(bytes as unknown as BodyInit, { headers: { 'content-length': '10000' } })
    const silent: FetchLike = async () => new Response(new Blob([bytes]).stream())
    for (const fetch of [announced, silent]) {
      await expect(https({ fetch, maxBytes: 9_999 }).get(good)).rejects.toMatchObject({
        code: 'DA_BODY_LENGTH',
      })
      expect(await https({ fetch, maxBytes: 10_000 }).getWithVerification(good, hash)).toEqual(
        bytes,
      )
    }
  })

  test('a broken body is continued where it broke', async () => {
    const asked: (string | undefined)[] = []
    const fetch: FetchLike = async (_url, init) => {
      const { range } = (init.headers ?? {}) as Record<string, string | undefined>
      asked.push(range)
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
      const headers = {
        etag: '"v1"',
        ...(from > 0 ? { 'content-range': `bytes ${from}-9999/10000` } : {}),
      }
      return new Response(broken(bytes.slice(from), 4_000), {
        status: from > 0 ? 206 : 200,
        headers,
      })
    }
    const whole: FetchLike = async (url, init) => {
      const { range } = (init.headers ?? {}) as Record<string, string | undefined>
      if (range !== 'bytes=8000-') return fetch(url, init)
      asked.push(range)
      return new Response(bytes.slice(8_000) as unknown as BodyInit, {
        status: 206,
        headers: { 'content-range': 'bytes 8000-9999/10000' },
      })
    }
    expect(await https({ fetch: whole }).getWithVerification(good, hash)).toEqual(bytes)
    expect(asked).toEqual([undefined, 'bytes=4000-', 'bytes=8000-'])
    await expect(https({ fetch, maxResumes: 1 }).get(good)).rejects.toMatchObject({
      code: 'DA_TRANSPORT',
    })
  })

  test('a file that changed meanwhile is read from its start', async () => {
    let calls = 0
    const fetch: FetchLike = async () => {
      calls += 1
      return calls === 1
        ? new Response(broken(new Uint8Array(10_000), 4_000), { headers: { etag: '"v1"' } })
        : new Response(bytes as unknown as BodyInit, { headers: { etag: '"v2"' } })
    }
    expect(await https({ fetch }).getWithVerification(good, hash)).toEqual(bytes)
  })

  test('a part that was not asked for is refused', async () => {
    const fetch: FetchLike = async () =>
      new Response('part', { status: 206, headers: { 'content-range': 'bytes 0-3/10' } })
    await expect(https({ fetch }).get(good)).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
  })

  test.each([
    [404, 'DA_NOT_FOUND'],
    [410, 'DA_NOT_FOUND'],
    [403, 'DA_REQUEST_REJECTED'],
    [429, 'DA_RATE_LIMITED'],
    [500, 'DA_UNAVAILABLE'],
  ])('status %i', async (status, code) => {
    const fetch: FetchLike = async () => new Response('no', { status })
    await expect(https({ fetch }).get(good)).rejects.toMatchObject({
      code,
      source: 'mirror.example',
    })
  })

  test('HTML with 200 is caught by the hash, an empty body by name', async () => {
    await expect(
      https({ fetch: async () => new Response('<html>') }).getWithVerification(good, hash),
    ).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
    await expect(https({ fetch: async () => new Response(null) }).get(good)).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
    })
  })

  test('writes nowhere', async () => {
    await expect(https({ fetch: guardedFetch() }).put(bytes)).rejects.toMatchObject({
      code: 'DA_CONFIG',
    })
  })
})

describe('guardedFetch', () => {
  let server: Server
  let port: number
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/redirect') response.writeHead(302, { location: '/other' }).end()
      else
        response
          .writeHead(200, { 'x-host': request.headers.host ?? '' })
          .end(`${request.method} ${request.url}`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => void server.close())

  test.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['::1'],
    ['fe80::1'],
    ['::ffff:10.0.0.1'],
    ['64:ff9b::7f00:1'],
  ])('a name that resolves to %s is not connected to', async (address) => {
    const fetch = guardedFetch({
      resolve: async () => [{ address, family: address.includes(':') ? 6 : 4 }],
    })
    await expect(fetch(`http://innocent.example:${port}/`, {})).rejects.toMatchObject({
      code: 'DA_FORBIDDEN_ADDRESS',
    })
  })
  test('one private address among public ones is enough', async () => {
    const fetch = guardedFetch({
      resolve: async () => [
        { address: '93.184.216.34', family: 4 },
        { address: '192.168.0.1', family: 4 },
      ],
    })
    await expect(fetch('http://innocent.example/', {})).rejects.toMatchObject({
      code: 'DA_FORBIDDEN_ADDRESS',
    })
  })
  test('literal addresses are checked without asking', async () => {
    for (const url of [`http://127.0.0.1:${port}/`, `http://[::1]:${port}/`]) {
      await expect(guardedFetch()(url, {})).rejects.toMatchObject({ code: 'DA_FORBIDDEN_ADDRESS' })
    }
  })
  test('the connection goes to the address that was checked, under the name that was asked', async () => {
    let resolved = 0
    const fetch = guardedFetch({
      // The second answer would be another: it is never asked for.
      resolve: async () => [{ address: ++resolved === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }],
      isForbidden: (address) => address !== '127.0.0.1',
    })
    const response = await fetch(`http://innocent.example:${port}/path?q=1`, {
      method: 'POST',
      body: 'x',
    })
    expect(await response.text()).toBe('POST /path?q=1')
    expect(response.headers.get('x-host')).toBe(`innocent.example:${port}`)
    expect(resolved).toBe(1)
  })
  test('where the first address does not answer, the next that was checked is tried', async () => {
    const fetch = guardedFetch({
      // Nobody listens on IPv6, as on a machine without it.
      resolve: async () => [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ],
      isForbidden: () => false,
    })
    const response = await fetch(`http://innocent.example:${port}/path`, {})
    expect(await response.text()).toBe('GET /path')
  })
  test('redirects are not followed', async () => {
    const fetch = guardedFetch({
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      isForbidden: () => false,
    })
    const response = await fetch(`http://innocent.example:${port}/redirect`, {})
    expect([response.status, response.headers.get('location')]).toEqual([302, '/other'])
  })
  test('under https(): refused by name', async () => {
    const da = https({
      fetch: guardedFetch({ resolve: async () => [{ address: '10.0.0.1', family: 4 }] }),
    })
    await expect(da.get(good)).rejects.toMatchObject({
      code: 'DA_FORBIDDEN_ADDRESS',
      message: expect.stringMatching(/resolves to 10\.0\.0\.1/),
    })
  })
})
