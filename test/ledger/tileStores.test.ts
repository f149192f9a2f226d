/** Every store that a ledger's files are kept in, by the suite that is exported for those of others. */
import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/core/interfaces/objectStore.js'
import { s3ObjectStore } from '../../src/da/index.js'
import {
  createLedgerHandler,
  httpTiles,
  logReader,
  memoryTiles,
  type NoteSigner,
  objectTiles,
  testTileStore,
  verifyCheckpoint,
} from '../../src/ledger/index.js'
import { posixTiles } from '../../src/ledger/node/index.js'
import { folder } from './ledgerDirectory.js'
import { fill, openTestLedger, schemas, verify } from './ledgerWorld.js'

const api = { describe, test, expect }

testTileStore(api, {
  name: 'memory',
  open: async () => memoryTiles(),
})

const directories = new WeakMap<object, string>()
testTileStore(api, {
  name: 'directory',
  open: async () => {
    const directory = folder()
    const store = posixTiles({ directory })
    directories.set(store, directory)
    return store
  },
  reopen: async (store) => posixTiles({ directory: directories.get(store) as string }),
})

/** A store that keeps S3's rules for the calls that are made, two keys a page. */
function fakeS3() {
  const objects = new Map<string, { bytes: Uint8Array; etag: string }>()
  const seen: { method: string; signed: boolean }[] = []
  let version = 0
  const state = { answer: undefined as Response | undefined }
  const fetch = async (input: string, init: RequestInit = {}): Promise<Response> => {
    init.signal?.throwIfAborted()
    const url = new URL(input)
    const headers = new Headers(init.headers)
    seen.push({ method: init.method ?? 'GET', signed: headers.has('authorization') })
    if (state.answer !== undefined) return state.answer
    const key = decodeURIComponent(url.pathname.replace('/ledgers', '').replace(/^\//, ''))
    const there = objects.get(key)
    if (url.searchParams.has('list-type')) return page(url.searchParams)
    if (init.method === 'PUT') {
      const match = headers.get('if-match')
      if (match === null ? there !== undefined : there?.etag !== match) {
        return new Response(null, { status: match !== null && there === undefined ? 404 : 412 })
      }
      version += 1
      const etag = `"${version}"`
      const bytes = new Uint8Array(init.body as unknown as Uint8Array).slice()
      objects.set(key, { bytes, etag })
      return new Response(null, { status: 200, headers: { etag } })
    }
    if (init.method === 'DELETE') {
      objects.delete(key)
      return new Response(null, { status: 204 })
    }
    if (there === undefined) {
      return new Response('<Error><Code>NoSuchKey</Code></Error>', { status: 404 })
    }
    return new Response(there.bytes.slice(), { status: 200, headers: { etag: there.etag } })
  }
  const page = (query: URLSearchParams): Response => {
    const prefix = query.get('prefix') ?? ''
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()
    const from = Number(query.get('continuation-token')?.replace('&', '') ?? 0)
    const shown = keys.slice(from, from + 2).map((key) => `<Key>${key.replace('&', '&amp;')}</Key>`)
    const next = from + 2 < keys.length
    const more = next ? `<NextContinuationToken>&amp;${from + 2}</NextContinuationToken>` : ''
    return new Response(
      `<ListBucketResult><IsTruncated>${next}</IsTruncated>${more}${shown.join('')}</ListBucketResult>`,
    )
  }
  return { objects, seen, state, fetch }
}

const s3 = (fetch: ReturnType<typeof fakeS3>['fetch']): ObjectStore =>
  s3ObjectStore({
    ...{ endpoint: 'https://s3.example', bucket: 'ledgers', fetch },
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  })

testTileStore(api, {
  name: 'S3',
  open: async () => objectTiles({ store: s3(fakeS3().fetch), prefix: 'a&b/' }),
})

describe('s3ObjectStore', () => {
  test('behavior: requests are signed, and a ledger lives in it', async () => {
    const fake = fakeS3()
    const store = objectTiles({ store: s3(fake.fetch), prefix: 'eval/' })
    const ledger = await openTestLedger({ store })
    await fill(ledger, 3)
    await ledger.close()
    const again = await openTestLedger({
      store: objectTiles({ store: s3(fake.fetch), prefix: 'eval/' }),
    })
    expect(again.head()?.seq).toBe(9n)
    await again.close()
    expect(fake.seen.every(({ signed }) => signed)).toBe(true)
    expect([...fake.objects.keys()].every((key) => key.startsWith('eval/'))).toBe(true)
  })

  test('error: what is no answer of such a store is a typed error, never a missing object', async () => {
    const fake = fakeS3()
    const store = s3(fake.fetch)
    const codeOf = (answer: Response, work: () => Promise<unknown>) => {
      fake.state.answer = answer
      return expect(work()).rejects
    }
    const error = (code: string) => `<Error><Code>${code}</Code></Error>`
    await codeOf(new Response(error('NoSuchBucket'), { status: 404 }), () =>
      store.get('a'),
    ).toMatchObject({ code: 'DA_CONFIG' })
    // An answer that does not end might say so at its end.
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65_536)) })
    await codeOf(new Response(endless, { status: 404 }), () => store.get('a')).toMatchObject({
      code: 'DA_BODY_LENGTH',
    })
    const broken = new ReadableStream({ start: (to) => to.error(new TypeError('reset')) })
    await codeOf(new Response(broken, { status: 404 }), () => store.get('a')).toMatchObject({
      code: 'DA_TRANSPORT',
    })
    await codeOf(new Response(error('InternalError'), { status: 500 }), () =>
      store.put('a', new Uint8Array(1), { ifNoneMatch: '*' }),
    ).toMatchObject({ code: 'DA_UNAVAILABLE', retryable: true })
    await codeOf(new Response('x', { status: 200 }), () => store.get('a')).toMatchObject({
      message: expect.stringContaining('ETag'),
    })
    await codeOf(new Response('<IsTruncated>true</IsTruncated>'), () =>
      store.list('a'),
    ).toMatchObject({
      message: expect.stringContaining('what follows'),
    })
    await codeOf(new Response(error('AccessDenied'), { status: 403 }), () =>
      store.delete('a'),
    ).toMatchObject({ code: 'DA_CONFIG' })
    expect(() => s3ObjectStore({ endpoint: 'nowhere', bucket: 'ledgers' })).toThrow(/endpoint/)
    expect(() => s3ObjectStore({ endpoint: 'https://s3.example', bucket: '../x' })).toThrow(
      /bucket/,
    )
  })
})

describe('httpTiles', () => {
  test('behavior: a log is read and proved over HTTP; what is not there is not there', async () => {
    const files = memoryTiles()
    const ledger = await openTestLedger({ store: files })
    await fill(ledger, 4)
    await ledger.flush()
    const handler = createLedgerHandler({ ledger, store: files, moduleId: 'eval', schemas, verify })
    const store = httpTiles({
      url: 'https://ledger.example/',
      fetch: (url, init) => handler(new Request(String(url), init)),
    })
    const { key } = ledger.signers.get('decisions') as NoteSigner
    const note = (await store.read('decisions/checkpoint'))?.bytes as Uint8Array
    const opened = verifyCheckpoint(note, { log: key })
    if (opened.status !== 'verified') throw new Error(opened.reason)
    const read = async (path: string) => (await store.read(`decisions/${path}`))?.bytes
    const { entry } = await logReader({ checkpoint: opened.checkpoint, read }).entry(3n)
    expect(new TextDecoder().decode(entry)).toContain('number 3')
    expect(await store.read('decisions/tile/0/999')).toBe(undefined)
    await ledger.close()
  })

  test('error: LEDGER_UNREACHABLE for a host that does not answer, or says something else', async () => {
    const of = (fetch: typeof globalThis.fetch) =>
      httpTiles({ url: 'https://ledger.example', fetch })
    const unreachable = { code: 'LEDGER_UNREACHABLE', retryable: true }
    await expect(
      of(() => Promise.reject(new TypeError('down'))).read('meta/checkpoint'),
    ).rejects.toMatchObject(unreachable)
    await expect(
      of(async () => new Response('', { status: 503 })).read('meta/checkpoint'),
    ).rejects.toMatchObject(unreachable)
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1_048_576)) })
    await expect(
      of(async () => new Response(endless)).read('meta/checkpoint'),
    ).rejects.toMatchObject({ ...unreachable, message: expect.stringContaining('too long') })
    expect(() => httpTiles({ url: 'file:///x' })).toThrow(/URL/)
  })
})
