import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { fetchTransport } from './fetchTransport.js'
import {
  checkRequest,
  contentCodings,
  type HttpTransport,
  PrivateAddressError,
  performRequest,
  ResponseTooLargeError,
  resolveHttpPolicy,
  UnreadableResponseError,
} from './http.js'
import type { GuestRequest } from './protocol.js'

const request = (more: Partial<GuestRequest> = {}): GuestRequest => ({
  url: 'https://api.example.com/a',
  method: 'GET',
  headers: [],
  body: undefined,
  ...more,
})
const policy = resolveHttpPolicy()
const answering =
  (more: Partial<Awaited<ReturnType<HttpTransport>>> = {}): HttpTransport =>
  async () => ({
    status: 200,
    headers: [],
    body: utf8('{}'),
    ...more,
  })

describe('resolveHttpPolicy', () => {
  test('behavior: lists are its own: what is added later was not checked', () => {
    const given = { hosts: ['api.example.com'], methods: ['GET'] }
    const own = resolveHttpPolicy(given)
    given.hosts.push('other.example.org')
    given.methods.push('TRACE')
    expect(own).toMatchObject({ hosts: ['api.example.com'], methods: ['GET'] })
    expect(() => checkRequest(request({ url: 'https://other.example.org/' }), own)).toThrow(
      expect.objectContaining({ code: 'PLUGIN_HTTP_REFUSED' }),
    )
  })

  test.each(
    'api.example.com *.example.com API.Example.com 127.0.0.1:8080 api.example.com:443 a.example:80 [::1] [::1]:80 localhost'.split(
      ' ',
    ),
  )('behavior: %s is a host', (host) => {
    expect(resolveHttpPolicy({ hosts: [host] }).hosts).toEqual([host])
  })

  test.each(
    'https://x.com x.com/ x.com/a x.com?a x.com#a u@x.com * *. *.*.com a*.com .. x.com:99999 x_y:z'.split(
      ' ',
    ),
  )('error: %s is no host', (host) => {
    expect(() => resolveHttpPolicy({ hosts: [host] })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'http.hosts[0]' }),
    )
  })
})

test.each([99, 100, 101, 199, 600, 999, Number.NaN])(
  'error: a status of %d is no answer, whoever answers it',
  async (status) => {
    const answer = await performRequest(request(), policy, { transport: answering({ status }) })
    expect(answer).toEqual({ error: 'request failed' })
  },
)

describe('checkRequest', () => {
  test('behavior: the default policy', () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      expect(() => checkRequest(request({ method }), policy)).not.toThrow()
    expect(() => checkRequest(request({ headers: [['X-Api-Key', 'a b']] }), policy)).not.toThrow()
  })

  test.each([
    ['a method', { method: 'PATCH' }],
    ['a method in lower case', { method: 'get' }],
    ['a header with a line break', { headers: [['a', 'b\r\nHost: evil']] as const }],
    ['a header name with a colon', { headers: [['a:b', 'c']] as const }],
    ['an empty header name', { headers: [['', 'c']] as const }],
    ['a host header', { headers: [['HOST', 'evil.example']] as const }],
    ['a length header', { headers: [['Content-Length', '0']] as const }],
    ['an encoding header', { headers: [['transfer-encoding', 'chunked']] as const }],
    ['a name without dots', { url: 'http://router/' }],
  ])('error: %s', (_, more) => {
    expect(() => checkRequest(request(more), policy)).toThrow(
      expect.objectContaining({ code: 'PLUGIN_HTTP_REFUSED' }),
    )
  })

  test.each([
    '127.0.0.1 127.1 0x7f.1 0177.0.0.1 2130706433 0 ①②⑦.⓪.⓪.① 127。0。0。1 localhost localhost. a.localhost 127.0.0.1.. x.local.. localhost...',
    '[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::7f00:1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::]',
    '10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 192.0.0.192 169.254.169.254 224.0.0.1 255.255.255.255',
    '[fe80::1] [fd00::1] [fec0::1] [ff02::1] [2001::1] metadata.google.internal x.local router',
  ])('error: inside, however it is written: %s', (hosts) => {
    for (const host of hosts.split(' ')) {
      const url = `http://${host}:8080/secret`
      expect(() => checkRequest(request({ url }), policy), host).toThrow(
        expect.objectContaining({ code: 'PLUGIN_HTTP_REFUSED' }),
      )
    }
  })

  test('error: a request that is too large', () => {
    const limit = expect.objectContaining({ code: 'PLUGIN_LIMIT', limit: 'requestBytes' })
    expect(() => checkRequest(request({ body: new Uint8Array(1_048_576) }), policy)).toThrow(limit)
    expect(() =>
      checkRequest(request({ headers: new Array(101).fill(['a', 'b']) }), policy),
    ).toThrow(limit)
  })
})

describe('contentCodings', () => {
  test('behavior: in the order they were applied, by one name each', () => {
    const headers = [
      ['Content-Encoding', 'X-GZIP, identity'],
      ['content-encoding', ' br ,deflate'],
    ] as const
    expect(contentCodings(headers)).toEqual(['gzip', 'br', 'deflate'])
    expect(contentCodings([['x-content-encoding', 'zstd']])).toEqual([])
  })

  test('error: what not every platform decodes', () => {
    for (const value of ['zstd', 'gzip;q=1', 'gzip,gzip,gzip,gzip', 'constructor'])
      expect(() => contentCodings([['content-encoding', value]])).toThrow(UnreadableResponseError)
  })
})

describe('performRequest', () => {
  test('behavior: headers in lower case, sorted, without those of the connection', async () => {
    const headers = [
      ['X-B', '2'],
      ['Connection', 'close'],
      ['x-a', '1'],
      ['Content-Encoding', 'gzip'],
      ['X-B', '1'],
    ] as const
    const answer = await performRequest(request(), policy, { transport: answering({ headers }) })
    expect(answer).toMatchObject({
      headers: [
        ['content-encoding', 'gzip'],
        ['x-a', '1'],
        ['x-b', '2'],
        ['x-b', '1'],
      ],
    })
  })

  test('behavior: failures and timeouts are answers that are the same everywhere', async () => {
    const failing: HttpTransport = async () =>
      Promise.reject(new TypeError('connect ECONNREFUSED 10.1.2.3'))
    expect(await performRequest(request(), policy, { transport: failing })).toEqual({
      error: 'request failed',
    })
    const slow: HttpTransport = () => new Promise(() => {})
    const quick = resolveHttpPolicy({ timeout: 10 })
    expect(await performRequest(request(), quick, { transport: slow })).toEqual({
      error: 'timeout',
    })
  })

  test('error: limits and private addresses end the run', async () => {
    const large: HttpTransport = async () => Promise.reject(new ResponseTooLargeError(5))
    await expect(performRequest(request(), policy, { transport: large })).rejects.toMatchObject({
      limit: 'responseBytes',
    })
    const ignoring = answering({ body: new Uint8Array(1_048_577) })
    await expect(performRequest(request(), policy, { transport: ignoring })).rejects.toMatchObject({
      limit: 'responseBytes',
    })
    const inside: HttpTransport = async () =>
      Promise.reject(new PrivateAddressError('a.example', '10.0.0.1'))
    await expect(performRequest(request(), policy, { transport: inside })).rejects.toMatchObject({
      code: 'PLUGIN_HTTP_REFUSED',
    })
  })

  test('error: the caller cancels', async () => {
    const controller = new AbortController()
    const waiting = performRequest(request(), policy, {
      transport: () => new Promise(() => {}),
      signal: controller.signal,
    })
    controller.abort(new TypeError('stop'))
    await expect(waiting).rejects.toThrow('stop')
  })
})

describe('fetchTransport', () => {
  test('behavior: no redirects, no credentials, no cache, and the size is bounded while reading', async () => {
    let seen: RequestInit | undefined
    let cancelled = false
    const body = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1_000)),
        cancel: () => {
          cancelled = true
        },
      })
    const transport = fetchTransport({
      fetch: async (_, init) => {
        seen = init
        return new Response(body())
      },
    })
    const options = {
      signal: new AbortController().signal,
      maxResponseBytes: 5_000,
      allowPrivate: false,
    }
    await expect(transport(request(), options)).rejects.toMatchObject({
      code: 'HTTP_RESPONSE_TOO_LARGE',
    })
    expect(cancelled).toBe(true)
    expect(seen).toMatchObject({ redirect: 'manual', credentials: 'omit', cache: 'no-store' })
    const empty = fetchTransport({ fetch: async () => new Response(null, { status: 204 }) })
    expect(await empty(request(), options)).toEqual({
      status: 204,
      headers: [],
      body: new Uint8Array(),
    })
  })
})
