import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { daConformance } from '../conformance/index.js'
import type { FetchLike } from '../internal/http.js'
import { type ObjectStoreOptions, objectStore } from './objectStore.js'
import type { S3Like } from './sdkStore.js'
import { signRequest } from './sigv4.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const locator: DaLocator = { kind: 'keccakStore', name: '' }
const bytes = text('{"type":"object"}')
const hash = computeArtifactHash(bytes)

const tagOf = (object: Uint8Array | undefined): string =>
  `"${computeArtifactHash(object ?? new Uint8Array()).slice(2, 34)}"`

/** A store that keeps S3's rules for the calls that are made. */
function fakeS3({ etags = true } = {}) {
  const objects = new Map<string, Uint8Array>()
  const { turn, stall } = createTurns()
  const log: string[] = []
  const next: { status: number; code: string }[] = []
  /** How many answers of writes that were made get lost. */
  const lost = { answers: 0 }
  const fetch: FetchLike = async (input, init) => {
    await turn(init.signal)
    const { pathname } = new URL(input)
    const headers = new Headers(init.headers)
    log.push(
      `${init.method} ${headers.get('if-none-match') ?? headers.get('if-match') ?? '-'} ${headers.has('authorization') ? 'signed' : 'plain'}`,
    )
    const error = (status: number, code: string): Response =>
      new Response(
        init.method === 'HEAD' ? null : `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`,
        { status },
      )
    const scripted = next.shift()
    if (scripted) return error(scripted.status, scripted.code)
    const held = objects.get(pathname)
    if (init.method === 'PUT') {
      if (held && headers.get('if-none-match') === '*') return error(412, 'PreconditionFailed')
      const wanted = headers.get('if-match')
      if (wanted !== null && !held) return error(404, 'NoSuchKey')
      if (wanted !== null && wanted !== tagOf(held)) return error(412, 'PreconditionFailed')
      objects.set(pathname, new Uint8Array(await new Response(init.body ?? null).arrayBuffer()))
      if (lost.answers-- > 0) throw new TypeError('fetch failed: socket hang up')
      return new Response(null, { status: 200 })
    }
    if (!held) return error(404, 'NoSuchKey')
    const length: Record<string, string> = { 'content-length': String(held.length) }
    if (etags) length['etag'] = tagOf(held)
    return new Response(init.method === 'HEAD' ? null : (held as unknown as BodyInit), {
      headers: length,
    })
  }
  return { fetch, objects, log, next, lost, stall }
}

/** A store's turn to answer, which does not come any more once it is stalled. */
function createTurns() {
  let isStalled = false
  return {
    turn: async (signal: AbortSignal | null | undefined): Promise<void> => {
      if (!isStalled) return
      await new Promise((_, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
      )
    },
    stall: () => {
      isStalled = true
    },
  }
}

const over = (s3: ReturnType<typeof fakeS3>, more: Partial<ObjectStoreOptions> = {}) =>
  objectStore({
    endpoint: 'https://s3.example.com/',
    bucket: 'artifacts',
    fetch: s3.fetch,
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    retry: { baseDelay: 1, maxDelay: 2 },
    ...more,
  })

/** The SDK's shape over the same rules. */
function fakeSdk(objects = new Map<string, Uint8Array>(), turns = createTurns()): S3Like {
  const { turn } = turns
  const fail = (name: string, httpStatusCode: number): never => {
    throw Object.assign(new TypeError(name), { name, $metadata: { httpStatusCode } })
  }
  return {
    async putObject({ Key, Body, IfMatch, IfNoneMatch }, { abortSignal }) {
      abortSignal.throwIfAborted()
      await turn(abortSignal)
      const held = objects.get(Key)
      if (IfNoneMatch === '*' && held) fail('PreconditionFailed', 412)
      if (IfMatch !== undefined && IfMatch !== tagOf(held)) fail('PreconditionFailed', 412)
      objects.set(Key, Body)
    },
    async getObject({ Key }, { abortSignal }) {
      await turn(abortSignal)
      const held = objects.get(Key) ?? fail('NoSuchKey', 404)
      return {
        Body: { transformToByteArray: async () => held.slice() },
        ContentLength: held.length,
        ETag: tagOf(held),
      }
    },
    async headObject({ Key }, { abortSignal }) {
      await turn(abortSignal)
      return { ContentLength: (objects.get(Key) ?? fail('NotFound', 404)).length }
    },
  }
}

describe('bodies that the SDK hands on', () => {
  const answering = (pull: (to: ReadableStreamDefaultController) => void, length?: number) => {
    const state = { isCancelled: false, pulled: 0 }
    const s3: S3Like = {
      ...fakeSdk(),
      getObject: async () => ({
        Body: {
          transformToByteArray: () => expect.fail('it is read without end'),
          transformToWebStream: () =>
            new ReadableStream({
              pull: (to) => {
                state.pulled += 1
                pull(to)
              },
              cancel: () => {
                state.isCancelled = true
              },
            }),
        },
        ContentLength: length,
      }),
    }
    const da = objectStore({ bucket: 'artifacts', s3, maxBytes: 1_000_000, retry: { tries: 1 } })
    const read = da.getWithVerification({ kind: 'keccakStore', name: '' }, hash)
    return { state, read }
  }
  test('error: one without an end is read to the limit, and let go', async () => {
    const { state, read } = answering((to) => to.enqueue(new Uint8Array(65_536)))
    await expect(read).rejects.toMatchObject({ code: 'DA_BODY_LENGTH' })
    expect(state.isCancelled).toBe(true)
    expect(state.pulled).toBeLessThan(20)
  })
  test('error: one that says that it is too long is let go unread', async () => {
    const { state, read } = answering((to) => to.enqueue(new Uint8Array(1)), 1_000_001)
    await expect(read).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
    expect(state.isCancelled).toBe(true)
  })
  test('behavior: one of the right length is read', async () => {
    const { read } = answering((to) => {
      to.enqueue(bytes.slice())
      to.close()
    })
    expect(await read).toEqual(bytes)
  })
})

describe('conformance', () => {
  type Behind = { objects: Map<string, Uint8Array>; stall(): void }
  const behind = new Map<DaClient, Behind>()
  const kept = (client: DaClient, store: Behind): DaClient => {
    behind.set(client, store)
    return client
  }
  const overFetch = (more: Partial<ObjectStoreOptions> = {}): DaClient => {
    const s3 = fakeS3()
    return kept(over(s3, more), s3)
  }
  const overSdk = (): DaClient => {
    const objects = new Map<string, Uint8Array>()
    const turns = createTurns()
    const s3 = fakeSdk(objects, turns)
    const options = { bucket: 'artifacts', s3, retry: { baseDelay: 1, maxDelay: 2 } }
    return kept(objectStore(options), { objects, stall: turns.stall })
  }
  for (const [name, create] of Object.entries({
    'signed fetch': () => overFetch(),
    'public bucket': () => overFetch({ credentials: undefined, prefix: 'a b/c+d/' }),
    'AWS SDK': overSdk,
  })) {
    const suite = daConformance({
      create,
      corrupt: (client) => {
        for (const object of behind.get(client)?.objects.values() ?? [])
          object[0] = (object[0] as number) ^ 1
      },
      stall: (client) => behind.get(client)?.stall(),
    })
    describe(name, () => {
      for (const { name: what, run } of suite) test(what, run)
    })
  }
})

describe('objectStore', () => {
  test('keys are the hash, writes never overwrite', async () => {
    const s3 = fakeS3()
    const da = over(s3, { prefix: 'v1/' })
    await da.put(bytes)
    await da.put(bytes)
    expect([...s3.objects.keys()]).toEqual([`/artifacts/v1/${hash.slice(2)}`])
    expect(s3.log).toEqual(['PUT * signed', 'PUT * signed', 'GET - signed'])
  })
  test('damage at rest is replaced by a write of the artifact, just that version of it', async () => {
    const s3 = fakeS3()
    const key = `/artifacts/${hash.slice(2)}`
    s3.objects.set(key, text('other'))
    await expect(over(s3).getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_INTEGRITY',
    })
    await over(s3).put(bytes)
    expect(s3.objects.get(key)).toEqual(bytes)
    expect(s3.log.slice(-3)).toEqual([
      'PUT * signed',
      'GET - signed',
      `PUT ${tagOf(text('other'))} signed`,
    ])
    const objects = new Map([[hash.slice(2), text('other')]])
    await objectStore({ bucket: 'artifacts', s3: fakeSdk(objects) }).put(bytes)
    expect(objects.get(hash.slice(2))).toEqual(bytes)
  })
  test('what changes while it is replaced is looked at again', async () => {
    const s3 = fakeS3()
    const key = `/artifacts/${hash.slice(2)}`
    s3.objects.set(key, text('other'))
    const racing: FetchLike = async (input, init) => {
      const answer = await s3.fetch(input, init)
      // Another writer repairs it between our reading and our writing.
      if (init.method === 'GET') s3.objects.set(key, bytes)
      return answer
    }
    const { evidence } = await over(s3, { fetch: racing }).put(bytes)
    expect(evidence.checks).toEqual(['keccak256'])
    const removed: FetchLike = async (input, init) => {
      const answer = await s3.fetch(input, init)
      if (init.method === 'PUT' && answer.status === 412) s3.objects.clear()
      return answer
    }
    await over(s3, { fetch: removed }).put(bytes)
    expect(s3.objects.get(key)).toEqual(bytes)
  })
  test('what cannot be told apart, or changes all the time, is not overwritten', async () => {
    const key = `/artifacts/${hash.slice(2)}`
    const blind = fakeS3({ etags: false })
    blind.objects.set(key, text('other'))
    await expect(over(blind).put(bytes)).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
    expect(blind.objects.get(key)).toEqual(text('other'))
    const busy = fakeS3()
    let n = 0
    busy.objects.set(key, text('other'))
    const changing: FetchLike = async (input, init) => {
      const answer = await busy.fetch(input, init)
      if (init.method === 'GET') busy.objects.set(key, text(`other ${n++}`))
      return answer
    }
    await expect(over(busy, { fetch: changing }).put(bytes)).rejects.toMatchObject({
      code: 'DA_INTEGRITY',
    })
    expect(n).toBe(3)
  })
  test('a store that is busy is asked again', async () => {
    const s3 = fakeS3()
    s3.next.push(
      { status: 503, code: 'SlowDown' },
      { status: 500, code: 'InternalError' },
      { status: 409, code: 'ConditionalRequestConflict' },
    )
    await over(s3).put(bytes)
    expect(s3.log).toHaveLength(4)
  })
  test('a write whose answer was lost is there, and the refusal of the next try says so', async () => {
    const s3 = fakeS3()
    s3.lost.answers = 1
    const receipt = await over(s3).put(bytes)
    expect(receipt.byteLength).toBe(bytes.length)
    expect([...s3.objects.values()]).toEqual([bytes])
  })
  test('a conflict that does not end is told, after as many tries as were agreed', async () => {
    const s3 = fakeS3()
    const conflict = { status: 409, code: 'ConditionalRequestConflict' }
    s3.next.push(...Array.from({ length: 9 }, () => conflict))
    const retry = { tries: 3, baseDelay: 1 }
    await expect(over(s3, { retry }).put(bytes)).rejects.toMatchObject({ retryable: true })
    expect(s3.log).toHaveLength(3)
  })
  test.each([
    [403, 'AccessDenied', 'DA_CONFIG'],
    [404, 'NoSuchBucket', 'DA_CONFIG'],
    [501, 'NotImplemented', 'DA_CONFIG'],
    [400, 'InvalidRequest', 'DA_REQUEST_REJECTED'],
  ])('%i %s is final', async (status, code, expected) => {
    const s3 = fakeS3()
    s3.next.push({ status, code })
    await expect(over(s3).put(bytes)).rejects.toMatchObject({ code: expected })
    expect(s3.log).toHaveLength(1)
  })
  test('checks what it is given', () => {
    expect(() => objectStore({ bucket: 'x', endpoint: 'https://s3.example.com' })).toThrow(/bucket/)
    expect(() => objectStore({ bucket: 'artifacts' })).toThrow(/endpoint/)
    expect(() => objectStore({ bucket: 'artifacts', endpoint: 'ftp://s3' })).toThrow(/endpoint/)
  })
})

// Examples of the Amazon S3 API reference, "Signature Calculations for the Authorization Header".
describe('signRequest', () => {
  const credentials = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  }
  const sign = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body: Uint8Array = new Uint8Array(0),
  ) =>
    signRequest(
      { method, url: new URL(`https://examplebucket.s3.amazonaws.com${path}`), headers, body },
      { credentials, region: 'us-east-1', now: Date.UTC(2013, 4, 24) },
    )['authorization']
  test('GET object', () => {
    expect(sign('GET', '/test.txt', { Range: 'bytes=0-9' })).toMatch(
      /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
    )
  })
  test('PUT object', () => {
    const headers = {
      Date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    }
    expect(sign('PUT', '/test%24file.text', headers, text('Welcome to Amazon S3.'))).toMatch(
      /Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/,
    )
  })
  test('GET bucket lifecycle', () => {
    expect(sign('GET', '/?lifecycle')).toMatch(
      /Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543$/,
    )
  })
  test('GET bucket, list objects', () => {
    expect(sign('GET', '/?max-keys=2&prefix=J')).toMatch(
      /Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/,
    )
  })
})

// Made by aws4fetch 1 of the same requests.
test.each([
  [
    'PUT',
    'v1/abc',
    'hello',
    undefined,
    '89e71a2fff835a247ba4d87b573fee1b7a00aba0f726955af5d1cfb331741966',
  ],
  [
    'GET',
    "a b/c+d/é漢/x!'()*~",
    '',
    'tok/en+x==',
    '1cfe484533010d685851897717b0a92a3f1ee4daa43a5620be333da863b2c8f8',
  ],
  [
    'HEAD',
    'v1/%2F&=',
    '',
    undefined,
    'c9cc02884cb7de5e16c341cae5cb7ed41a7d093835b9cc26a9995ff3c05f6c25',
  ],
])(
  '%s %s is signed as another implementation does',
  (method, key, body, sessionToken, expected) => {
    const path = key.split('/').map(encodeURIComponent).join('/')
    const headers: Record<string, string> =
      method === 'PUT' ? { 'content-type': 'application/octet-stream', 'if-none-match': '*' } : {}
    const url = new URL(`https://s3.example.com/artifacts/${path}`)
    const secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
    const signed = signRequest(
      { method, url, headers, body: text(body) },
      {
        credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey, sessionToken },
        region: 'eu-west-1',
        now: 1_700_000_000_000,
      },
    )
    expect(signed['authorization']).toMatch(new RegExp(`Signature=${expected}$`))
  },
)

test.each(['../x/', './x/', 'a/../b/', '/x/', "it's/", 'a!/', 'a(1)/', 'a*/', '..'])(
  'the prefix %j is refused',
  (prefix) => {
    const options = {
      endpoint: 'http://store.test',
      region: 'us-east-1',
      bucket: 'bucket',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    }
    expect(() => objectStore({ ...options, prefix })).toThrow(/prefix/)
    expect(() => objectStore({ ...options, prefix: 'policies/v1.0/' })).not.toThrow()
  },
)

describe('a clock that is wrong', () => {
  const hour = 3_600_000
  const storeTime = Date.parse('2026-01-02T03:04:05Z')
  /** A store that refuses what was signed at another time than its own, as S3 does. */
  function strict(options: { date?: string; skewed?: boolean } = {}) {
    const inner = fakeS3()
    const times: number[] = []
    const fetch: FetchLike = async (input, init) => {
      const stamp = new Headers(init.headers).get('x-amz-date') ?? ''
      const [, y, mo, d, h, mi, s] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(stamp) ?? []
      const at = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
      times.push(at)
      const isSkewed = options.skewed ?? Math.abs(at - storeTime) > 900_000
      if (!isSkewed) return inner.fetch(input, init)
      const body = '<Error><Code>RequestTimeTooSkewed</Code></Error>'
      const headers = { date: options.date ?? new Date(storeTime).toUTCString() }
      return new Response(init.method === 'HEAD' ? null : body, { status: 403, headers })
    }
    return { fetch, times }
  }
  const open = (fetch: FetchLike, ahead: number): DaClient =>
    objectStore({
      ...{ endpoint: 'https://s3.example', bucket: 'artifacts', fetch },
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      now: () => storeTime + ahead,
    })

  test.each([hour, -hour, 30 * 24 * hour])(
    'behavior: %i ms off, each kind of request is made again at the time of the store, once',
    async (ahead) => {
      for (const first of ['put', 'get'] as const) {
        const { fetch, times } = strict()
        const client = open(fetch, ahead)
        if (first === 'put') await client.put(bytes)
        else await client.getWithVerification(locator, hash).catch(() => undefined)
        expect(times.slice(0, 2)).toEqual([storeTime + ahead, storeTime])
        const { length } = times
        await client.put(bytes)
        expect(times.slice(length).every((at) => at === storeTime)).toBe(true)
      }
    },
  )

  test('error: refused for another reason, or by a store that names no time', async () => {
    for (const [options, ahead] of [
      [{ skewed: true }, 60_000],
      [{ skewed: true, date: 'yesterday' }, hour],
    ] as const) {
      const { fetch, times } = strict(options)
      await expect(open(fetch, ahead).put(bytes)).rejects.toMatchObject({ code: 'DA_CONFIG' })
      expect(times).toHaveLength(1)
    }
    const { fetch, times } = strict({ skewed: true })
    await expect(open(fetch, hour).put(bytes)).rejects.toMatchObject({ code: 'DA_CONFIG' })
    expect(times).toHaveLength(2)
  })
})
