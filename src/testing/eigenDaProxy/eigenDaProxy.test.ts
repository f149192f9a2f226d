import { bn254 } from '@noble/curves/bn254.js'
import { setupServer } from 'msw/node'
import type { Hex } from 'viem'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import { GROUP_ORDER } from '../../core/bn254/curve/points.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { daConformance } from '../../da/conformance/index.js'
import {
  blobSymbols,
  createArtifactSource,
  decodeEigenDaCommitment,
  decodePayload,
  type EigenDaOptions,
  eigenDa,
  encodeEigenDaCommitment,
  type FetchLike,
  memoryDa,
} from '../../da/index.js'
import { createKzg, createSrs, verifyEigenDaCert } from '../../da/kzg/index.js'
import { compressG1 } from '../../da/kzg/srs.js'
import { concat, fromHex, toHex } from '../../internal/bytes.js'
import { eigenDaProxyHandlers } from '../msw/index.js'
import {
  type FakeEigenDaProxyServer,
  startFakeEigenDaProxy,
} from '../node/fakeEigenDaProxyServer.js'
import { TOY_TAU, toyCommitment } from './certificate.js'
import { createFakeEigenDaProxy, type FakeEigenDaProxy } from './fakeProxy.js'
import { formatGoDuration, parseGoDuration } from './goDuration.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const sample = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255)
const quick = { reads: 3, writes: 3, baseDelay: 1, maxDelay: 2 }

/** Options of an adapter in front of `proxy`. */
const over = (proxy: FakeEigenDaProxy, more: Partial<EigenDaOptions> = {}): EigenDaOptions => ({
  url: 'http://proxy.test',
  fetch: proxy.fetch,
  retry: quick,
  ...more,
})

/** The toy ceremony's reference string. */
function toySrs(count: number) {
  const points: Uint8Array[] = []
  let power = 1n
  for (let i = 0; i < count; i++) {
    const { x, y } = bn254.G1.Point.BASE.multiply(power).toAffine()
    points.push(compressG1({ X: x, Y: y }))
    power = (power * TOY_TAU) % GROUP_ORDER
  }
  const tau = bn254.G2.Point.BASE.multiply(TOY_TAU).toAffine()
  return createSrs({
    points: concat(...points),
    tauG2: { X: [tau.x.c1, tau.x.c0], Y: [tau.y.c1, tau.y.c0] },
  })
}

/**
 * What holds of any proxy in memory mode, real or fake: the contract that the adapter is built on.
 */
function proxyContract(
  name: string,
  connect: () => Promise<{ url: string; fetch: FetchLike }>,
): void {
  describe(`the proxy’s contract: ${name}`, () => {
    let url: string
    let call: FetchLike
    beforeAll(async () => {
      const target = await connect()
      url = target.url.replace(/\/+$/, '')
      call = target.fetch
    })
    const post = async (
      path: string,
      body: Uint8Array = text('hello'),
    ): Promise<{ status: number; bytes: Uint8Array }> => {
      const response = await call(`${url}${path}`, {
        method: 'POST',
        body: body as unknown as BodyInit,
        redirect: 'manual',
      })
      return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) }
    }
    const get = async (
      path: string,
    ): Promise<{ status: number; type: string | null; bytes: Uint8Array; text: string }> => {
      const response = await call(`${url}${path}`, { method: 'GET', redirect: 'manual' })
      const bytes = new Uint8Array(await response.arrayBuffer())
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        bytes,
        text: new TextDecoder().decode(bytes),
      }
    }
    const std = '?commitment_mode=standard'

    test('standard commitments are raw bytes of a certificate that parses', async () => {
      const { status, bytes } = await post(`/put${std}`)
      expect(status).toBe(200)
      const cert = decodeEigenDaCommitment(bytes)
      expect(encodeEigenDaCommitment(cert)).toBe(toHex(bytes))
      expect(cert.blobInclusionInfo.blobCertificate.blobHeader.commitment.length).toBe(2)
      for (const path of [`/get/${toHex(bytes)}${std}`, `/get/${toHex(bytes).slice(2)}${std}`]) {
        expect((await get(path)).bytes).toEqual(text('hello'))
      }
    })
    test('a trailing slash is another mode', async () => {
      const { status, bytes } = await post(`/put/${std}`)
      expect(status).toBe(200)
      expect([...bytes.subarray(0, 2)]).toEqual([1, 0])
      expect(() => decodeEigenDaCommitment(bytes)).toThrow(/op-stack/)
    })
    test('a double slash is redirected', async () => {
      expect((await post(`//put${std}`)).status).toBe(301)
    })
    test('GET /put is not allowed', async () => {
      expect((await get(`/put${std}`)).status).toBe(405)
    })
    test('a standard commitment without its mode is 404', async () => {
      const { bytes } = await post(`/put${std}`)
      if (bytes[0] === 0x01) return
      expect(await get(`/get/${toHex(bytes)}`)).toMatchObject({
        status: 404,
        text: '404 page not found\n',
      })
    })
    test('an unknown blob is 500, never 404', async () => {
      const { bytes } = await post(`/put${std}`)
      bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 1
      const answer = await get(`/get/${toHex(bytes)}${std}`)
      expect(answer.status).toBe(500)
      expect(answer.text).toMatch(/not found for key/)
      expect(answer.type).toBe('text/plain; charset=utf-8')
    })
    test('an unknown version byte is a 400 that says so twice', async () => {
      const answer = await get(`/get/0x06${'00'.repeat(8)}${std}`)
      expect(answer.status).toBe(400)
      expect(answer.text.match(/unsupported version byte 06/g)).toHaveLength(2)
    })
    test('a malformed inclusion block is 400', async () => {
      const { bytes } = await post(`/put${std}`)
      expect((await get(`/get/${toHex(bytes)}${std}&l1_inclusion_block_number=x`)).status).toBe(400)
    })
    test('the encoded payload is given on request', async () => {
      const { bytes } = await post(`/put${std}`)
      for (const flag of [
        'return_encoded_payload',
        'return_encoded_payload=true',
        'return_encoded_payload=1',
      ]) {
        const encoded = (await get(`/get/${toHex(bytes)}${std}&${flag}`)).bytes
        expect(encoded.length).toBe(64)
        expect(decodePayload(encoded)).toEqual(text('hello'))
      }
    })
    test('a body over 16 MiB is 400', async () => {
      const { status, bytes } = await post(`/put${std}`, new Uint8Array(16 * 1024 * 1024 + 1))
      expect(status).toBe(400)
      expect(new TextDecoder().decode(bytes)).toMatch(/reading at most 16777216 bytes/)
    })
    test('health answers GET and not HEAD', async () => {
      expect((await get('/health')).status).toBe(200)
      expect((await call(`${url}/health`, { method: 'HEAD' })).status).toBe(405)
    })
    test('an adapter in front of it works', async () => {
      const da = eigenDa({ url, fetch: call })
      const payload = sample(5_000)
      const receipt = await da.put(payload)
      expect(receipt.evidence.checks).toContain('readBack')
      expect(await da.getWithVerification(receipt.locator, receipt.artifactHash)).toEqual(payload)
      expect(await da.head(receipt.locator)).toEqual({ status: 'available' })
      expect((await da.config())?.apisEnabled).toContain('standard')
      // Memory mode makes certificates that commit and do nothing else.
      const [commitment] = receipt.locator.kind === 'eigenDa' ? receipt.locator.commitments : []
      expect((await verifyEigenDaCert(commitment as Hex)).status).toBe('refused')
    })
    test('failover and invalid certificates can be provoked, and are told apart', async () => {
      const patch = (body: unknown) =>
        call(`${url}/memstore/config`, { method: 'PATCH', body: JSON.stringify(body) })
      const da = eigenDa({ url, fetch: call, afterPut: 'nothing' })
      expect((await patch({ PutReturnsFailoverError: true })).status).toBe(200)
      await expect(da.put(text('x'))).rejects.toMatchObject({ code: 'DA_FAILOVER' })
      await patch({
        PutReturnsFailoverError: false,
        NullableDerivationError: { StatusCode: 3, Msg: 'no', Reset: false },
      })
      const { locator, artifactHash } = await da.put(text('y'))
      await patch({ NullableDerivationError: { Reset: true } })
      await expect(da.getWithVerification(locator, artifactHash)).rejects.toMatchObject({
        code: 'DA_INVALID_CERT',
        statusCode: 3,
      })
    })
  })
}

proxyContract('fake, as a fetch', async () => ({
  url: 'http://proxy.test',
  fetch: createFakeEigenDaProxy().fetch,
}))

describe('as a server', () => {
  let server: FakeEigenDaProxyServer
  beforeAll(async () => {
    server = await startFakeEigenDaProxy()
  })
  afterAll(() => server.close())
  proxyContract('fake, as a Node server', async () => ({
    url: server.url,
    fetch: (input, init) => fetch(input, init),
  }))

  test.each([
    ['reset', 'DA_TRANSPORT'],
    ['truncated', /DA_TRANSPORT|DA_BODY_LENGTH/],
    ['stalled', 'DA_TRANSPORT'],
    ['redirect', 'DA_PROTOCOL'],
  ] as const)('a connection that is %s is an error by name', async (kind, code) => {
    const da = eigenDa({ url: server.url, retry: { ...quick, reads: 1 }, stallTimeout: 100 })
    const { locator, artifactHash } = await da.put(sample(3_000))
    server.fail({ kind })
    const error = (await da
      .getWithVerification(locator, artifactHash)
      .catch((reason: unknown) => reason)) as { code: string }
    expect(error.code).toMatch(code)
    expect(await da.getWithVerification(locator, artifactHash)).toEqual(sample(3_000))
  })
  test('nobody listening is known not to have been paid, and is tried again', async () => {
    const closed = await startFakeEigenDaProxy()
    await closed.close()
    const da = eigenDa({ url: closed.url, retry: quick })
    await expect(da.put(text('x'))).rejects.toMatchObject({ code: 'DA_TRANSPORT', retryable: true })
  })
})

describe('with msw', () => {
  const proxy = createFakeEigenDaProxy()
  const server = setupServer()
  beforeAll(async () => {
    server.use(...(await eigenDaProxyHandlers(proxy, 'http://eigenda.example')))
    server.listen({ onUnhandledRequest: 'bypass' })
  })
  afterAll(() => server.close())
  test('handlers answer for the proxy', async () => {
    const da = eigenDa({ url: 'http://eigenda.example', retry: quick })
    const { locator, artifactHash } = await da.put(sample(1_000))
    expect(await da.getWithVerification(locator, artifactHash)).toEqual(sample(1_000))
    expect(proxy.dispersals()).toBe(1)
  })
})

const realProxy = process.env['EIGENDA_PROXY_URL']
if (realProxy === undefined)
  console.log('skipped: the contract against a real proxy, because EIGENDA_PROXY_URL is not set')
else
  proxyContract('real', async () => ({
    url: realProxy,
    fetch: (input, init) => fetch(input, init),
  }))

describe('conformance', () => {
  const behind = new Map<DaClient, FakeEigenDaProxy>()
  const overFake = (more: Partial<EigenDaOptions> = {}): DaClient => {
    const proxy = createFakeEigenDaProxy()
    const client = eigenDa(over(proxy, more))
    behind.set(client, proxy)
    return client
  }
  const backends: Record<string, () => DaClient> = {
    eigenDa: () => overFake(),
    'eigenDa with KZG': () => overFake({ kzg: createKzg({ srs: toySrs(64) }) }),
    'eigenDa in parts': () => overFake({ maxPayloadBytes: 20_000, afterPut: 'nothing' }),
    'eigenDa.archive': () => {
      const proxy = createFakeEigenDaProxy()
      const client = eigenDa.archive({ url: 'http://proxy.test', fetch: proxy.fetch })
      behind.set(client, proxy)
      return client
    },
  }
  for (const [name, create] of Object.entries(backends)) {
    const suite = daConformance({
      create,
      corrupt: (client) => behind.get(client)?.fail({ kind: 'poisoned', times: 99 }),
      stall: (client) =>
        behind
          .get(client)
          ?.fail(
            { kind: 'silent', on: 'get', times: 99 },
            { kind: 'silent', on: 'put', times: 99 },
          ),
      sizes: [1, 31, 32, 1_000, 70_000],
    })
    describe(name, () => {
      for (const { name: what, run } of suite) test(what, run)
    })
  }
})

test('behavior: the fake takes a URL alone, as any fetch does', async () => {
  const { fetch } = createFakeEigenDaProxy()
  const get = fetch as (url: string) => Promise<Response>
  expect((await get('http://proxy.test/health')).status).toBe(200)
})

describe('writes', () => {
  let proxy: FakeEigenDaProxy
  beforeEach(() => {
    proxy = createFakeEigenDaProxy()
  })

  test('the URL’s traps are avoided whatever the base looks like', async () => {
    for (const url of [
      'http://proxy.test',
      'http://proxy.test/',
      'http://proxy.test//',
      'http://proxy.test/?',
    ]) {
      const da = eigenDa(over(proxy, { url }))
      const { locator, artifactHash } = await da.put(text(url))
      await da.getWithVerification(locator, artifactHash)
    }
    expect(new Set(proxy.log.filter((line) => line.startsWith('POST')))).toEqual(
      new Set(['POST /put?commitment_mode=standard']),
    )
    for (const url of [
      'ftp://x',
      'proxy.test',
      'http://user:pass@proxy.test',
      'http://proxy.test/?a=b',
      'http://proxy.test/#a',
    ]) {
      expect(() => eigenDa({ url })).toThrow(/`url` is not valid/)
    }
  })
  test('headers and fetch of the caller are used', async () => {
    await eigenDa(over(proxy, { headers: { authorization: 'Bearer x' } })).put(text('x'))
    expect(proxy.lastHeaders?.get('authorization')).toBe('Bearer x')
  })
  test('an op-stack answer is refused', async () => {
    const da = eigenDa(
      over(proxy, {
        probe: false,
        fetch: (input, init) => proxy.fetch(input.replace('/put?', '/put/?'), init),
      }),
    )
    await expect(da.put(text('x'))).rejects.toMatchObject({
      code: 'DA_OUTCOME_UNKNOWN',
      message: expect.stringMatching(/op-stack/),
      cause: { code: 'DA_PROTOCOL' },
    })
  })
  test.each([
    // It was taken, and paid for, for all that is known.
    ['html', 'DA_OUTCOME_UNKNOWN'],
    ['empty', 'DA_OUTCOME_UNKNOWN'],
    ['redirect', 'DA_PROTOCOL'],
    ['oversized', 'DA_OUTCOME_UNKNOWN'],
  ] as const)('an answer that is %s is refused by name and not repeated', async (kind, code) => {
    proxy.fail({ kind, on: 'put', times: 9 })
    await expect(eigenDa(over(proxy)).put(text('x'))).rejects.toMatchObject({ code })
    expect(proxy.dispersals()).toBe(1)
  })
  test.each(['reset', 'truncated', 'silent', 'stalled'] as const)(
    'a write that ends %s is not paid for twice',
    async (kind) => {
      proxy.fail({ kind, on: 'put', times: 9 })
      const da = eigenDa(over(proxy, { stallTimeout: 30 }))
      const error = await da.put(text('x'), { timeout: 200 }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', retryable: false })
      expect(proxy.dispersals()).toBe(1)
    },
  )
  test('a caller who leaves gets the reason of the signal', async () => {
    proxy.fail({ kind: 'silent', on: 'put' })
    const controller = new AbortController()
    const reason = new DOMException('left', 'AbortError')
    const put = eigenDa(over(proxy)).put(text('x'), { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    await expect(put).rejects.toBe(reason)
  })
  test('429 is tried again, 503 fails over, 500 stays open', async () => {
    proxy.fail({ kind: 'status', status: 429, on: 'put', times: 2, body: 'slow down' })
    await eigenDa(over(proxy)).put(text('a'))
    expect(proxy.dispersals(text('a'))).toBe(1)
    proxy.fail({ kind: 'status', status: 503, on: 'put', body: 'failover' })
    await expect(eigenDa(over(proxy)).put(text('b'))).rejects.toMatchObject({ code: 'DA_FAILOVER' })
    for (const status of [500, 502, 504]) {
      proxy.fail({ kind: 'status', status, on: 'put', body: 'eth RPC is down' })
      await expect(eigenDa(over(proxy)).put(text('c'))).rejects.toMatchObject({
        code: 'DA_OUTCOME_UNKNOWN',
      })
    }
    expect(proxy.log.filter((line) => line.startsWith('POST'))).toHaveLength(3 + 1 + 3)
  })
  test.each([400, 401, 403, 404, 405, 413, 414])('%i is final', async (status) => {
    proxy.fail({ kind: 'status', status, on: 'put', body: 'no' })
    const error = (await eigenDa(over(proxy))
      .put(text('x'))
      .catch((reason: unknown) => reason)) as { code: string; retryable: boolean }
    expect(error.code).toMatch(/DA_REQUEST_REJECTED|DA_CONFIG|DA_PAYLOAD_TOO_LARGE/)
    expect(error.retryable).toBe(false)
    expect(proxy.log.filter((line) => line.startsWith('POST'))).toHaveLength(1)
  })
  test('a read-only proxy, or one without the mode, is found before anything is sent', async () => {
    for (const settings of [{ readOnly: true }, { apis: ['op-generic'] }]) {
      const odd = createFakeEigenDaProxy(settings)
      await expect(eigenDa(over(odd)).put(text('x'))).rejects.toMatchObject({ code: 'DA_CONFIG' })
      expect(odd.log.filter((line) => line.startsWith('POST'))).toHaveLength(0)
      await expect(eigenDa(over(odd, { probe: false })).put(text('x'))).rejects.toMatchObject({
        code: 'DA_CONFIG',
      })
    }
  })
  test('a proxy without /config is taken as it is', async () => {
    const old = createFakeEigenDaProxy({ hasConfigRoute: false })
    const da = eigenDa(over(old))
    expect(await da.config()).toBeUndefined()
    await da.put(text('x'))
  })
  test('too many bytes are noticed before anything is sent', async () => {
    const da = eigenDa(over(proxy, { maxParts: 1 }))
    await expect(da.put(new Uint8Array(16_252_898))).rejects.toMatchObject({
      code: 'DA_PAYLOAD_TOO_LARGE',
    })
    expect(proxy.log.filter((line) => line.startsWith('POST'))).toHaveLength(0)
    // The proxy's own, lower limit counts too, and is the one that is named.
    const lower = createFakeEigenDaProxy({ config: { maxBlobSizeBytes: 4_096 * 32 } })
    const refused = {
      code: 'DA_PAYLOAD_TOO_LARGE',
      message: expect.stringMatching(/limit of 126945 bytes/),
    }
    await expect(eigenDa(over(lower, { maxParts: 1 })).put(sample(126_946))).rejects.toMatchObject(
      refused,
    )
    expect(lower.log.filter((line) => line.startsWith('POST'))).toHaveLength(0)
    await expect(
      eigenDa(over(lower, { maxParts: 1, probe: false })).put(sample(126_946)),
    ).rejects.toMatchObject(refused)
    // One that was lowered after the start says nothing of it until bytes are sent.
    proxy.configure({ maxBlobSizeBytes: 4_096 * 32 })
    await expect(eigenDa(over(proxy, { maxParts: 1 })).put(sample(126_946))).rejects.toMatchObject(
      refused,
    )
  })
  test('a certificate for other bytes is refused, by KZG and by reading back', async () => {
    for (const more of [{ kzg: createKzg({ srs: toySrs(8) }) }, {}]) {
      proxy.fail({ kind: 'otherCertificate', on: 'put' })
      await expect(eigenDa(over(proxy, more)).put(text('mine'))).rejects.toMatchObject({
        code: 'DA_INTEGRITY',
      })
    }
    // One byte more makes another length, which needs neither.
    proxy.fail({ kind: 'otherCertificate', on: 'put' })
    await expect(
      eigenDa(over(proxy, { afterPut: 'nothing' })).put(sample(31)),
    ).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
  })
  test('what was checked is in the receipt', async () => {
    const kzg = createKzg({ srs: toySrs(8) })
    const checked = async (more: Partial<EigenDaOptions>, length: number) =>
      (await eigenDa(over(proxy, more)).put(sample(length))).evidence.checks
    expect(await checked({ kzg }, 100)).toEqual(['certificate', 'kzg'])
    expect(await checked({ kzg }, 1_000)).toEqual(['certificate', 'readBack'])
    expect(await checked({ kzg, kzgMaxSymbols: 2 }, 100)).toEqual(['certificate', 'readBack'])
    expect(await checked({ kzg, checkCert: async () => ({ checks: ['inclusion'] }) }, 100)).toEqual(
      ['certificate', 'kzg', 'cert', 'cert.inclusion'],
    )
    const refusing = async (): Promise<never> => {
      throw new TypeError('refused')
    }
    await expect(checked({ kzg, checkCert: refusing }, 100)).rejects.toMatchObject({
      code: 'DA_OUTCOME_UNKNOWN',
    })
  })
  test('large artifacts are split, and paid parts are not paid for again', async () => {
    const da = eigenDa(over(proxy, { maxPayloadBytes: 1_000, maxParts: 4, afterPut: 'nothing' }))
    const bytes = sample(3_500)
    proxy.fail({ kind: 'status', status: 429, on: 'put', times: 0 })
    let seen = 0
    const flaky = eigenDa(
      over(proxy, {
        maxPayloadBytes: 1_000,
        afterPut: 'nothing',
        fetch: (input, init) => {
          if (init.method === 'POST' && ++seen === 3)
            proxy.fail({ kind: 'status', status: 503, on: 'put' })
          return proxy.fetch(input, init)
        },
      }),
    )
    const error = await flaky.put(bytes).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', commitments: { length: 2 } })
    const { locator, artifactHash } = await flaky.put(bytes)
    expect(proxy.dispersals()).toBe(4)
    expect(locator).toMatchObject({ kind: 'eigenDa', commitments: { length: 4 } })
    expect(await da.getWithVerification(locator, artifactHash)).toEqual(bytes)
    // A finished write is finished: the next one is a new dispersal, as renewal needs.
    await flaky.put(bytes)
    expect(proxy.dispersals()).toBe(8)
  })
  /** The proxy, whose reads fail while the relay is down. */
  const behind =
    (relay: { isDown: boolean }): NonNullable<EigenDaOptions['fetch']> =>
    async (input, init) =>
      relay.isDown && String(input).includes('/get/')
        ? new Response('relay is down', { status: 503 })
        : proxy.fetch(input, init)

  test('a write whose read-back fails is not paid for again, and says where the bytes are', async () => {
    const relay = { isDown: true }
    const da = eigenDa(over(proxy, { fetch: behind(relay) }))
    const error = await da.put(text('x')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } })
    relay.isDown = false
    const { locator } = await da.put(text('x'))
    expect(locator).toEqual((error as { locator: unknown }).locator)
    expect(proxy.dispersals()).toBe(1)
  })
  test('a read-back that does not end within the time says what was paid for', async () => {
    const stuck =
      (how: 'hangs' | 'fails'): NonNullable<EigenDaOptions['fetch']> =>
      async (input, init) => {
        if (!isStuck || !String(input).includes('/get/')) return proxy.fetch(input, init)
        if (how === 'fails') return new Response('relay is down', { status: 500 })
        return new Promise<never>((_, reject) => {
          init.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
        })
      }
    let isStuck = true
    for (const [index, how] of (['hangs', 'fails'] as const).entries()) {
      isStuck = true
      const bytes = text(`of ${how}`)
      const retry = { reads: 1_000, baseDelay: 5, maxDelay: 5 }
      const da = eigenDa(over(proxy, { fetch: stuck(how), retry }))
      const write = (): Promise<unknown> =>
        da.put(bytes, { timeout: 60 }).catch((reason: unknown) => reason)
      // Each of two callers of one write is told.
      const errors = await Promise.all([write(), write()])
      for (const error of errors) {
        expect(error).toMatchObject({
          code: 'DA_OUTCOME_UNKNOWN',
          commitments: { length: 1 },
          locator: { kind: 'eigenDa' },
        })
      }
      isStuck = false
      const { locator } = await da.put(bytes)
      expect(locator).toEqual((errors[0] as { locator: unknown }).locator)
      expect(proxy.dispersals()).toBe(index + 1)
    }
  })
  test('one page of a relay makes nobody pay again; two make the next write a new one', async () => {
    let pages = 0
    let dispersals = 0
    const fetch: NonNullable<EigenDaOptions['fetch']> = async (input, init) => {
      if (!String(input).includes('/get/') || pages === 0) return proxy.fetch(input, init)
      pages -= 1
      return new Response(page, { headers: { 'content-type': 'application/octet-stream' } })
    }
    let page: Uint8Array<ArrayBuffer> = new Uint8Array(0)
    for (const other of [text('<html>login</html>'), sample(64), sample(2_048)]) {
      page = new Uint8Array(other)
      const bytes = text(`beside ${other.length}`)
      const da = eigenDa(over(proxy, { fetch }))
      pages = 1
      await expect(da.put(bytes)).rejects.toMatchObject({ code: expect.stringMatching(/^DA_/) })
      await da.put(bytes)
      dispersals += 1
      expect(proxy.dispersals()).toBe(dispersals)
      pages = 2
      await expect(da.put(bytes)).rejects.toMatchObject({ code: expect.stringMatching(/^DA_/) })
      await da.put(bytes)
      dispersals += 2
      expect(proxy.dispersals()).toBe(dispersals)
    }
  })
  test('other bytes, or none, in a read-back: the error has the certificate, and the next write reads it', async () => {
    const pages = { html: text('<html>login</html>'), other: sample(64), none: text('') }
    for (const [name, page] of Object.entries(pages)) {
      let isSpoiled = true
      const fetch: NonNullable<EigenDaOptions['fetch']> = async (input, init) =>
        isSpoiled && String(input).includes('/get/')
          ? new Response(new Uint8Array(page))
          : proxy.fetch(input, init)
      const da = eigenDa(over(proxy, { fetch }))
      const before = proxy.dispersals()
      const error = await da.put(text(`under ${name}`)).catch((reason: unknown) => reason)
      expect(error, name).toMatchObject({
        code: expect.stringMatching(/^(DA_INTEGRITY|DA_OUTCOME_UNKNOWN)$/),
        commitments: { length: 1 },
        locator: { kind: 'eigenDa' },
      })
      isSpoiled = false
      const { locator } = await da.put(text(`under ${name}`))
      expect(locator).toEqual((error as { locator: unknown }).locator)
      expect(proxy.dispersals() - before).toBe(1)
    }
  })
  test('a certificate for other bytes is told with what was paid; what is none is not', async () => {
    for (const more of [{ kzg: createKzg({ srs: toySrs(8) }) }, {}]) {
      const other = createFakeEigenDaProxy()
      const fetch: NonNullable<EigenDaOptions['fetch']> = (input, init) =>
        String(input).includes('/put?')
          ? other.fetch(input, { ...init, body: new Uint8Array(more.kzg ? 1 : 2_000) })
          : other.fetch(input, init)
      const error = await eigenDa(over(other, { ...more, fetch }))
        .put(text('mine'))
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'DA_INTEGRITY', commitments: { length: 1 } })
    }
    proxy.fail({ kind: 'html', on: 'put' })
    const error = await eigenDa(over(proxy))
      .put(text('x'))
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', commitments: [], locator: undefined })
  })
  test('what was paid for a day ago is not handed out as new', async () => {
    let at = 1_000_000
    const relay = { isDown: false }
    const da = eigenDa(over(proxy, { now: () => at, fetch: behind(relay) }))
    const failing = async () => {
      relay.isDown = true
      await expect(da.put(text('x'))).rejects.toMatchObject({ code: 'DA_OUTCOME_UNKNOWN' })
      relay.isDown = false
    }
    await failing()
    at += 3_600_000
    expect((await da.put(text('x'))).expiresAt).toBe(1_000 + 14 * 86_400)
    await failing()
    at += 86_400_000
    await da.put(text('x'))
    expect(proxy.dispersals()).toBe(3)
  })
  test('a certificate that was refused is not handed out again', async () => {
    let refuses = true
    const checkCert = async () => {
      if (refuses) throw new TypeError('refused')
      return { checks: ['inclusion'] }
    }
    const da = eigenDa(over(proxy, { checkCert }))
    await expect(da.put(text('x'))).rejects.toMatchObject({ code: 'DA_OUTCOME_UNKNOWN' })
    refuses = false
    await da.put(text('x'))
    expect(proxy.dispersals()).toBe(2)
  })
  test('two writes of the same bytes at once are paid for once', async () => {
    const da = eigenDa(over(proxy))
    const [one, other] = await Promise.all([da.put(text('x')), da.put(text('x'))])
    expect(other).toEqual(one)
    expect(proxy.dispersals()).toBe(1)
  })
  test('one not-found right after the dispersal does not fail the write', async () => {
    proxy.fail({ kind: 'status', status: 500, on: 'get', times: 1, body: 'blob not found' })
    const { evidence } = await eigenDa(over(proxy)).put(text('x'))
    expect(evidence.checks).toContain('readBack')
  })
  test('renewal keeps the commitment, or is refused', async () => {
    const da = eigenDa(over(proxy))
    const bytes = sample(500)
    const first = await da.put(bytes)
    const second = await da.renew(first.locator, bytes)
    const pointOf = (locator: typeof first.locator) =>
      locator.kind === 'eigenDa'
        ? decodeEigenDaCommitment(locator.commitments[0] as Hex).blobInclusionInfo.blobCertificate
            .blobHeader.commitment.commitment
        : undefined
    expect(second.locator).not.toEqual(first.locator)
    expect(pointOf(second.locator)).toEqual(pointOf(first.locator))
    expect(pointOf(first.locator)).toEqual(await toyCommitment(bytes))
    await expect(da.renew(first.locator, sample(500, 9))).rejects.toMatchObject({
      code: 'DA_INTEGRITY',
    })
  })
  test('a receipt says until when', async () => {
    const da = eigenDa(over(proxy, { now: () => 1_000_000_000 }))
    expect((await da.put(text('x'))).expiresAt).toBe(1_000_000 + 14 * 86_400)
  })
})

describe('reads', () => {
  const bytes = sample(2_000)
  const hash = computeArtifactHash(bytes)
  const publish = async (more: Partial<EigenDaOptions> = {}) => {
    const proxy = createFakeEigenDaProxy()
    const da = eigenDa(over(proxy, more))
    const { locator } = await da.put(bytes)
    return { proxy, da, locator }
  }

  test.each([
    ['poisoned', 'DA_INTEGRITY'],
    ['html', 'DA_INTEGRITY'],
    ['empty', 'DA_PROTOCOL'],
    ['oversized', 'DA_BODY_LENGTH'],
    ['redirect', 'DA_PROTOCOL'],
  ] as const)('a body that is %s is refused by name', async (kind, code) => {
    const { proxy, da, locator } = await publish()
    proxy.fail({ kind, times: 9 })
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({ code })
  })
  test.each(['truncated', 'stalled', 'reset'] as const)(
    'a body that is %s is tried again',
    async (kind) => {
      const { proxy, da, locator } = await publish({ stallTimeout: 20 })
      proxy.fail({ kind, times: 2 })
      expect(await da.getWithVerification(locator, hash)).toEqual(bytes)
    },
  )
  test('a hostile gateway is remembered, the next source is tried, and the caller is told', async () => {
    for (const kind of [
      'poisoned',
      'html',
      'truncated',
      'redirect',
      'stalled',
      'oversized',
    ] as const) {
      const { proxy, da, locator } = await publish({
        stallTimeout: 10,
        retry: { ...quick, reads: 1 },
      })
      const backup = memoryDa()
      await backup.put(bytes)
      proxy.fail({ kind, times: 99 })
      const events: string[] = []
      const source = createArtifactSource({
        clients: [da, backup],
        onEvent: (event) => events.push(`${event.type} ${'source' in event ? event.source : ''}`),
      })
      const request = { hash, namespace: 6, locators: [locator] } as const
      expect(await source.getArtifact(request)).toEqual(bytes)
      const told =
        kind === 'stalled' ? 'artifact.attemptFailed eigenda' : 'artifact.wrongCopy eigenda'
      expect(events).toEqual([told, 'artifact.fetched memory'])
      const before = proxy.log.length
      await source.getArtifact(request)
      expect(proxy.log.length - before).toBe(kind === 'stalled' ? 1 : 0)
    }
  })
  test('a 418 is final, also as text and with a long certificate in it', async () => {
    const { proxy, da, locator } = await publish()
    proxy.fail({
      kind: 'status',
      status: 418,
      body: JSON.stringify({
        StatusCode: 1,
        Msg: `cert parsing failed for cert ${'ab'.repeat(9_000)}`,
      }),
    })
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_INVALID_CERT',
      statusCode: 1,
    })
    const reads = proxy.log.filter(
      (line) => line.startsWith('GET /get') && !line.includes('encoded'),
    )
    expect(reads).toHaveLength(1)
    proxy.fail({ kind: 'status', status: 418, body: 'teapot' })
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_INVALID_CERT',
      statusCode: 0,
    })
  })
  test('error text carries no long hex', async () => {
    const { proxy, da, locator } = await publish({ retry: { ...quick, reads: 1 } })
    proxy.fail({
      kind: 'status',
      status: 500,
      body: `failed with serializedCert ${'ab'.repeat(2_000)}: eth RPC is down`,
    })
    const error = (await da
      .getWithVerification(locator, hash)
      .catch((reason: unknown) => reason)) as Error
    expect(error.message).toMatch(/eth RPC is down/)
    expect(error.message.length).toBeLessThan(600)
  })
  test('not found means expired or not yet, by the age of the certificate', async () => {
    const proxy = createFakeEigenDaProxy()
    const { locator } = await eigenDa(over(proxy)).put(bytes)
    const [commitment] = locator.kind === 'eigenDa' ? locator.commitments : []
    const cert = decodeEigenDaCommitment(commitment as Hex)
    cert.batchHeader.referenceBlockNumber = 1_000
    const gone = { kind: 'eigenDa', commitments: [encodeEigenDaCommitment(cert)] } as const
    const at = (block: bigint) => eigenDa(over(proxy, { currentBlock: async () => block }))
    await expect(at(1_000n + 101_100n).getWithVerification(gone, hash)).rejects.toMatchObject({
      code: 'DA_EXPIRED',
      retryable: false,
    })
    await expect(at(1_000n + 101_099n).getWithVerification(gone, hash)).rejects.toMatchObject({
      code: 'DA_UNAVAILABLE',
      retryable: true,
    })
    await expect(eigenDa(over(proxy)).getWithVerification(gone, hash)).rejects.toMatchObject({
      code: 'DA_NOT_FOUND',
    })
    expect(await at(200_000n).head(gone)).toEqual({ status: 'missing' })
    expect(await at(2_000n).head(gone)).toEqual({ status: 'unknown' })
  })
  test('blobs expire in the memory store', async () => {
    let time = 0
    const proxy = createFakeEigenDaProxy({ now: () => time, config: { blobExpiration: 1_000 } })
    const da = eigenDa(over(proxy))
    const { locator } = await da.put(bytes)
    time = 1_000
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_NOT_FOUND',
    })
  })
  test('a certificate of another artifact never gives its bytes', async () => {
    const { proxy, da } = await publish()
    const { locator } = await eigenDa(over(proxy)).put(sample(2_000, 5))
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_INTEGRITY',
    })
  })
  test('a malformed commitment is refused without a request', async () => {
    const { proxy, da } = await publish()
    const before = proxy.log.length
    for (const commitment of ['0x', '0x0102', toHex(text('<html>'))] as Hex[]) {
      await expect(
        da.getWithVerification({ kind: 'eigenDa', commitments: [commitment] }, hash),
      ).rejects.toMatchObject({ code: 'DA_INVALID_CERT' })
    }
    expect(proxy.log.length).toBe(before)
  })
  test('reads are retried a bounded number of times', async () => {
    const { proxy, da, locator } = await publish()
    const before = proxy.log.length
    proxy.fail({ kind: 'status', status: 502, times: 99 })
    await expect(da.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_UNAVAILABLE',
    })
    expect(proxy.log.length - before).toBe(3)
  })
})

describe('the keccak lane', () => {
  const bytes = text('package example\n')
  const hash = computeArtifactHash(bytes)
  test('is keyed by exactly the artifact’s hash', async () => {
    const proxy = createFakeEigenDaProxy()
    const archive = eigenDa.archive({ url: 'http://proxy.test/', fetch: proxy.fetch })
    const { locator } = await archive.put(bytes)
    expect(locator).toEqual({ kind: 'eigenDaArchive' })
    expect(await archive.getWithVerification(locator, hash)).toEqual(bytes)
    expect(proxy.log).toEqual([`POST /put/0x00${hash.slice(2)}`, `GET /get/0x00${hash.slice(2)}`])
    expect(proxy.dispersals()).toBe(0)
  })
  test('not found is 400 there', async () => {
    const archive = eigenDa.archive({
      url: 'http://proxy.test',
      fetch: createFakeEigenDaProxy().fetch,
    })
    await expect(
      archive.getWithVerification({ kind: 'eigenDaArchive' }, hash),
    ).rejects.toMatchObject({ code: 'DA_NOT_FOUND' })
    expect(await archive.head?.({ kind: 'eigenDaArchive' }, { artifactHash: hash })).toEqual({
      status: 'missing',
    })
  })
  test('a write may be repeated, it is free', async () => {
    const proxy = createFakeEigenDaProxy()
    const archive = eigenDa.archive({
      url: 'http://proxy.test',
      fetch: proxy.fetch,
      retry: { baseDelay: 1, maxDelay: 2 },
    })
    proxy.fail({ kind: 'status', status: 500, on: 'put' }, { kind: 'reset', on: 'put' })
    const { locator } = await archive.put(bytes)
    expect(await archive.getWithVerification(locator, hash)).toEqual(bytes)
  })
  test('a proxy without a store, or without the mode, is a matter of configuration', async () => {
    for (const settings of [{ archive: false }, { apis: ['standard'] }]) {
      const archive = eigenDa.archive({
        url: 'http://proxy.test',
        fetch: createFakeEigenDaProxy(settings).fetch,
      })
      await expect(
        archive.getWithVerification({ kind: 'eigenDaArchive' }, hash),
      ).rejects.toMatchObject({ code: 'DA_CONFIG' })
    }
    const none = eigenDa.archive({
      url: 'http://proxy.test',
      fetch: createFakeEigenDaProxy({ archive: false }).fetch,
    })
    await expect(none.put(bytes)).rejects.toMatchObject({ code: 'DA_CONFIG' })
  })
})

describe('Go durations', () => {
  test('are read and printed as Go does', () => {
    const pairs: [string, number][] = [
      ['0s', 0],
      ['250ms', 250],
      ['1.5s', 1_500],
      ['25m0s', 1_500_000],
      ['336h0m0s', 1_209_600_000],
      ['1h1m1s', 3_661_000],
    ]
    for (const [duration, milliseconds] of pairs) {
      expect(parseGoDuration(duration)).toBe(milliseconds)
      expect(formatGoDuration(milliseconds)).toBe(duration)
    }
    for (const bad of ['', '5', 'x', '1d', '1s2']) expect(parseGoDuration(bad)).toBeUndefined()
  })
})

test('symbols of the fake are those of the codec', () => {
  expect(blobSymbols(5)).toBe(2)
  expect(fromHex('0x00')).toHaveLength(1)
})
