/** Options of everything that a caller makes here: what nothing could come of is refused by name. */
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import { isPolicySdkError } from '../errors/base.js'
import { createDaAdapter } from './adapter.js'
import { createArtifactSource } from './artifactSource.js'
import { memoryByteStore } from './cache/byteStore.js'
import { createLayeredArtifactCache } from './cache/layeredCache.js'
import { fallback } from './combined/fallback.js'
import { replicated } from './combined/replicated.js'
import { eigenDa } from './eigenda/eigenDa.js'
import { createHealthBoard } from './health.js'
import { https } from './https.js'
import { ipfs } from './ipfs/ipfs.js'
import { certCheck, checkDACertWith, createKzg, createSrs, kzgCheck } from './kzg/index.js'
import { memoryDa } from './memoryDa.js'
import { mockDa } from './mockDa.js'
import { diskByteStore } from './node/diskByteStore.js'
import { artifactPath, fileDa } from './node/fileDa.js'
import { fileJournal } from './node/fileJournal.js'
import { filePayments } from './node/filePayments.js'
import { guardedFetch } from './node/guardedFetch.js'
import { guardedHttps } from './node/guardedHttps.js'
import { nodeKzgWorker } from './node/kzgWorker.js'
import { s3ObjectStore } from './objectStore/conditional.js'
import { objectStore } from './objectStore/objectStore.js'
import { pushArtifact } from './pushArtifact.js'
import { createArtifactVerifier } from './verifier.js'

const root = await mkdtemp(join(tmpdir(), 'da-options-'))
afterAll(() => rm(root, { recursive: true, force: true }))
const directory = join(root, 'store')
const fetch = async (): Promise<Response> => new Response()
const url = 'http://127.0.0.1:1'
const points = { points: new Uint8Array(64) }
const srs = createSrs({ points: new Uint8Array(64) })

/** Each with options that it takes, and the names of its numbers, functions and others. */
const factories: Record<
  string,
  {
    make(options: object): unknown
    base: object
    required?: readonly string[]
    numbers?: readonly string[]
    functions?: readonly string[]
    others?: readonly string[]
  }
> = {
  https: {
    make: (options) => https(options as never),
    base: { fetch },
    numbers: ['maxBytes', 'maxRedirects', 'maxResumes', 'stallTimeout'],
    functions: ['fetch', 'onEvent', 'now'],
    others: ['hosts'],
  },
  createKzg: {
    make: (options) => createKzg(options as never),
    base: { srs },
    required: ['srs'],
    numbers: ['workerThreshold'],
    others: ['srs', 'msm', 'worker'],
  },
  kzgCheck: {
    make: (options) => kzgCheck(createKzg({ srs }), options),
    base: {},
    numbers: ['partBytes'],
  },
  certCheck: {
    make: (options) => certCheck(options),
    base: {},
    numbers: ['timeout'],
    functions: ['checkDACert'],
    others: ['payer'],
  },
  checkDACertWith: {
    make: (options) => checkDACertWith(options as never),
    base: { router: '0x17ec4112c4BbD540E2c1fE0A49D264a280176F0D', call: async () => '0x01' },
    required: ['router', 'call'],
    functions: ['call'],
    others: ['router'],
  },
  createArtifactVerifier: {
    make: (options) => createArtifactVerifier(options as never),
    base: { checks: [] },
    required: ['checks'],
    others: ['checks', 'required'],
  },
  guardedHttps: {
    make: (options) => guardedHttps(options),
    base: {},
    numbers: ['maxBytes', 'maxRedirects', 'maxResumes', 'stallTimeout'],
    functions: ['fetch', 'onEvent', 'now'],
    others: ['hosts'],
  },
  nodeKzgWorker: {
    // What it takes starts a thread: only refusals are looked at here.
    make: (options) => (options === points ? points : nodeKzgWorker(options as never)),
    base: points,
    required: ['points'],
    others: ['script'],
  },
  createSrs: {
    make: (options) => createSrs(options as never),
    base: { points: async () => new Uint8Array() },
    required: ['points'],
    numbers: ['length'],
    others: ['msm', 'tauG2'],
  },
  memoryDa: { make: memoryDa, base: {}, numbers: ['maxBytes'], functions: ['now'] },
  mockDa: { make: mockDa, base: {}, numbers: ['maxBytes', 'seed', 'expiresIn'] },
  eigenDa: {
    make: (options) => eigenDa(options as never),
    base: { url },
    required: ['url'],
    numbers: ['maxPayloadBytes', 'maxParts', 'kzgMaxSymbols', 'stallTimeout'],
    functions: ['fetch', 'checkCert', 'currentBlock', 'random', 'now'],
    others: ['afterPut', 'payments', 'probe', 'retry', 'timeouts', 'kzg', 'headers'],
  },
  'eigenDa.retry': {
    make: (retry) => eigenDa({ url, retry: retry as never }),
    base: {},
    numbers: ['reads', 'writes', 'baseDelay', 'maxDelay'],
  },
  'eigenDa.timeouts': {
    make: (timeouts) => eigenDa({ url, timeouts: timeouts as never }),
    base: {},
    numbers: ['put', 'get'],
  },
  'eigenDa.archive': {
    make: (options) => eigenDa.archive(options as never),
    base: { url },
    required: ['url'],
    numbers: ['maxBytes', 'stallTimeout'],
    functions: ['fetch', 'random', 'now'],
    others: ['retry', 'headers'],
  },
  ipfs: {
    make: (options) => ipfs(options as never),
    base: { gateways: [url] },
    required: ['gateways'],
    numbers: ['hedgeDelay', 'maxBytes', 'maxBlocks', 'maxDepth', 'stallTimeout'],
    functions: ['fetch', 'upload'],
    others: ['car', 'pinned', 'headers', 'health'],
  },
  objectStore: {
    make: (options) => objectStore(options as never),
    base: { bucket: 'bucket', endpoint: url },
    required: ['bucket'],
    numbers: ['maxBytes', 'stallTimeout'],
    functions: ['fetch', 'random'],
    others: ['retry', 'credentials', 'name', 'prefix'],
  },
  s3ObjectStore: {
    make: (options) => s3ObjectStore(options as never),
    base: { bucket: 'bucket', endpoint: url },
    required: ['bucket', 'endpoint'],
    numbers: ['maxBytes', 'timeout'],
    functions: ['fetch', 'now'],
    others: ['region', 'credentials'],
  },
  fileDa: {
    make: (options) => fileDa(options as never),
    base: { directory },
    required: ['directory'],
    numbers: ['maxBytes'],
    functions: ['now'],
    others: ['name'],
  },
  diskByteStore: {
    make: (options) => diskByteStore(options as never),
    base: { directory },
    required: ['directory'],
    numbers: ['maxBytes'],
    functions: ['isNeeded', 'onEvict', 'now'],
  },
  fileJournal: {
    make: (options) => fileJournal(options as never),
    base: { path: join(root, 'journal.json') },
    required: ['path'],
    others: ['path'],
  },
  filePayments: {
    make: (options) => filePayments(options as never),
    base: { path: join(root, 'payments.json') },
    required: ['path'],
    others: ['path'],
  },
  memoryByteStore: {
    make: memoryByteStore,
    base: {},
    numbers: ['maxBytes', 'maxEntries'],
    functions: ['isNeeded'],
  },
  createHealthBoard: {
    make: createHealthBoard,
    base: {},
    numbers: ['halfLife', 'rememberWrongCopy', 'maxWrongCopies'],
    functions: ['now'],
  },
  fallback: {
    make: (options) => fallback([memoryDa()], options),
    base: {},
    numbers: ['hedgeDelay', 'putTimeout'],
    functions: ['clock'],
    others: ['continueAfterUnknownOutcome', 'health'],
  },
  replicated: {
    make: (options) => replicated([memoryDa()], options),
    base: {},
    numbers: ['hedgeDelay', 'putTimeout', 'quorumGrace', 'quorum'],
    others: ['requirePermanent', 'health'],
  },
  createArtifactSource: {
    make: (options) => createArtifactSource(options as never),
    base: { clients: [] },
    required: ['clients'],
    numbers: ['attemptTimeout', 'hedgeDelay'],
    functions: ['locatorsOf', 'onEvent', 'now'],
    others: ['health'],
  },
  createLayeredArtifactCache: {
    make: createLayeredArtifactCache,
    base: {},
    numbers: ['hedgeDelay'],
    functions: ['artifactsOf', 'prepare', 'onEvent'],
    others: ['disk', 'da', 'peers', 'memory', 'alwaysWarm'],
  },
  guardedFetch: { make: guardedFetch, base: {}, functions: ['resolve', 'isForbidden'] },
}

const refused = (name: string, work: () => unknown): void => {
  let error: unknown
  try {
    work()
  } catch (thrown) {
    error = thrown
  }
  expect(error, name).toMatchObject({ code: 'INVALID_INPUT' })
}

describe.each(Object.entries(factories))('%s', (name, { make, base, ...names }) => {
  const { required = [], numbers = [], functions = [], others = [] } = names

  test('error: each option, by name', () => {
    expect(make(base), name).toBeDefined()
    for (const option of numbers)
      for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY, '5', null, {}])
        refused(`${option}: ${String(value)}`, () => make({ ...base, [option]: value }))
    for (const option of functions)
      for (const value of [null, 5, 'text', {}])
        refused(`${option}: ${String(value)}`, () => make({ ...base, [option]: value }))
    for (const option of others)
      for (const value of [null, 5, () => 0])
        refused(`${option}: ${String(value)}`, () => make({ ...base, [option]: value }))
    refused('misspelled', () => make({ ...base, maxbytes: 5 }))
    for (const option of required) refused(option, () => make({ ...base, [option]: undefined }))
    for (const value of [null, 5, 'text']) refused(String(value), () => make(value as never))
    if (required.length > 0) refused('nothing', () => make(undefined as never))
  })
})

test('error: clients that are none, or say nothing of their retention', () => {
  const da = memoryDa()
  const junk = [
    null,
    5,
    {},
    { ...da, put: 5 },
    { ...da, getWithVerification: undefined },
    { ...da, retention: undefined },
    { ...da, retention: { kind: 'expires', seconds: Number.NaN } },
    { ...da, retention: { kind: 'expires' } },
    { ...da, retention: { kind: 'forever' } },
  ]
  for (const [index, client] of junk.entries()) {
    const clients = [da, client] as never[]
    for (const make of [fallback, replicated]) refused(`${index}`, () => make(clients))
    refused(`${index}`, () => createArtifactSource({ clients }))
  }
  refused('twice', () => replicated([da, da]))
  const definition = {
    kind: 'mine',
    retention: { kind: 'permanent' },
    supports: () => true,
    put: async () => ({ locator: { kind: 'keccakStore', name: '' } as const, checks: [] }),
    read: async () => undefined as never,
  } as const
  for (const name of ['kind', 'retention', 'supports', 'put', 'read'])
    refused(name, () => createDaAdapter({ ...definition, [name]: undefined } as never))
  refused('nothing', () => createDaAdapter(undefined as never))
  const locator = { kind: 'keccakStore', name: '' } as const
  return expect(
    createDaAdapter(definition).get(locator, {
      artifactHash: computeArtifactHash(Uint8Array.of(1)),
    }),
  ).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
})

test('error: what an adapter says of an expiry that is none goes to nobody', async () => {
  for (const expiresAt of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const da = createDaAdapter({
      kind: 'mine',
      retention: { kind: 'permanent' },
      supports: () => true,
      put: async () => ({ locator: { kind: 'keccakStore', name: '' }, checks: [], expiresAt }),
      read: async () => Uint8Array.of(1),
    })
    expect(await da.put(Uint8Array.of(1))).not.toHaveProperty('expiresAt')
  }
})

test('error: what is pushed, and to whom', async () => {
  const good = { operators: ['https://operator.example'], namespace: 4, bytes: Uint8Array.of(1) }
  const asked: string[] = []
  const own = async (to: unknown): Promise<Response> => {
    asked.push(String(to))
    return new Response('<html>', { status: 200 })
  }
  const junk = [
    undefined,
    null,
    {},
    { ...good, operators: 'http://a' },
    { ...good, operators: [5] },
    { ...good, operators: ['ftp://a'] },
    { ...good, operators: ['http://user:secret@a'] },
    { ...good, namespace: 99 },
    { ...good, bytes: 'text' },
    { ...good, bytes: new Uint8Array(0) },
  ]
  for (const parameters of junk) {
    const given = parameters && { fetch: own, ...parameters }
    await expect(pushArtifact(given as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
  expect(asked).toEqual([])
})

test('error: INVALID_INPUT for operators that are no base URL, and for options that are none', async () => {
  const sent: unknown[] = []
  const fetch = async (url: unknown): Promise<Response> => {
    sent.push(url)
    return new Response()
  }
  const call = {
    operators: ['https://a.example'],
    namespace: 4,
    bytes: Uint8Array.of(1),
    fetch,
  } as const
  for (const tail of ['/base?x=1', '/base#f', '/base?x=1#f', '?', '#'])
    await expect(
      pushArtifact({ ...call, operators: [`https://a.example${tail}`] } as never),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'operators[0]' })
  for (const options of [null, 5, 'text'])
    await expect(pushArtifact(call as never, options as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  expect(sent).toEqual([])
})

describe('files', () => {
  const bytes = new TextEncoder().encode('package example\n')
  const hash = computeArtifactHash(bytes)
  const locator = { kind: 'keccakStore', name: '' } as const

  test('error: a directory that is a file', async () => {
    const file = join(root, 'file')
    await writeFile(file, 'no directory')
    const disk = diskByteStore({ directory: join(file, 'below') })
    const journal = fileJournal({ path: join(file, 'below', 'journal.json') })
    const da = fileDa({ directory: join(file, 'below') })
    for (const call of [
      () => disk.read(hash),
      () => disk.write(hash, bytes),
      () => disk.has(hash),
      () => disk.usage(),
      () => disk.remove(hash),
      () => journal.read(),
      () => journal.write([]),
      () => da.put(bytes),
      () => da.getWithVerification(locator, hash),
    ]) {
      const error = await call().catch((reason: unknown) => reason)
      expect(isPolicySdkError(error), String(error)).toBe(true)
      expect(error).toMatchObject({ code: 'DA_UNAVAILABLE' })
    }
  })

  test('error: bytes that are none', async () => {
    for (const store of [diskByteStore({ directory }), memoryByteStore()]) {
      for (const value of ['abc', undefined, null, [1], {}])
        await expect(store.write(hash, value as never)).rejects.toMatchObject({ field: 'bytes' })
      expect((await store.usage()).entries).toBe(0)
    }
  })

  test('behavior: a directory or a huge file in an artifact’s place is replaced', async () => {
    const da = fileDa({ directory })
    const path = artifactPath(directory, hash)
    await mkdir(join(path, 'inside'), { recursive: true })
    await da.put(bytes)
    expect(await da.getWithVerification(locator, hash)).toEqual(bytes)
    await rm(path)
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'w')
    await file.truncate(9 * 1024 ** 3)
    await file.close()
    await da.put(bytes)
    expect(await da.getWithVerification(locator, hash)).toEqual(bytes)
  })
})
