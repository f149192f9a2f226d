import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { fallback } from '../combined/fallback.js'
import { replicated } from '../combined/replicated.js'
import { memoryDa } from '../memoryDa.js'
import { type MockDa, type MockDaOptions, mockDa } from '../mockDa.js'
import { artifactPath, fileDa } from '../node/fileDa.js'
import { daConformance } from './index.js'

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

type Backend = {
  create(): DaClient | Promise<DaClient>
  /** What the suite does behind the client's back. */
  hooks?(client: DaClient): {
    corrupt(hash: Hex): void | Promise<void>
    stall?(): void
    refuse?(): void
  }
}

const mocks = new Map<DaClient, readonly MockDa[]>()
const ofMocks = (make: (mocks: readonly MockDa[]) => DaClient, options: MockDaOptions = {}) => ({
  create() {
    const members = ['a', 'b'].map((name) => mockDa({ ...options, name }))
    const client = make(members)
    mocks.set(client, members)
    return client
  },
  hooks: (client: DaClient) => ({
    corrupt: () => {
      for (const member of mocks.get(client) ?? []) member.fail({ kind: 'corrupted', times: 9 })
    },
    stall: () => {
      for (const member of mocks.get(client) ?? [])
        member.fail({ kind: 'slow', on: 'any', delay: 600_000, times: 99 })
    },
    refuse: () => {
      for (const member of mocks.get(client) ?? [])
        member.fail({ kind: 'unavailable', on: 'any', times: 99 })
    },
  }),
})

const folders = new Map<DaClient, string>()
const inFolder = async (): Promise<DaClient> => {
  const directory = await mkdtemp(join(tmpdir(), 'file-da-'))
  directories.push(directory)
  const client = fileDa({ directory })
  folders.set(client, directory)
  return client
}

const backends: Record<string, Backend> = {
  memoryDa: { create: () => memoryDa() },
  mockDa: ofMocks(([first]) => first as MockDa),
  'mockDa that expires': ofMocks(([first]) => first as MockDa, { expiresIn: 100 }),
  fileDa: {
    create: inFolder,
    hooks: (client) => ({ corrupt: (hash) => damage(folders.get(client) as string, hash) }),
  },
  fallback: ofMocks((members) => fallback(members, { hedgeDelay: 5 })),
  replicated: ofMocks((members) => replicated(members, { hedgeDelay: 5 })),
}

for (const [name, { create, hooks }] of Object.entries(backends)) {
  const suite = daConformance({
    create,
    corrupt: hooks ? (client, hash) => hooks(client).corrupt(hash) : 'cannot',
    stall: name === 'fileDa' || !hooks ? 'cannot' : (client) => hooks(client).stall?.(),
    ...(name === 'fileDa' || !hooks ? {} : { refuse: (client) => hooks(client).refuse?.() }),
  })
  describe(name, () => {
    for (const { name: what, run } of suite) test(what, run)
  })
}

async function damage(directory: string, hash: Hex): Promise<void> {
  const path = artifactPath(directory, hash)
  const bytes = await readFile(path)
  bytes[7] = (bytes[7] as number) ^ 1
  await writeFile(path, bytes)
}

/** Joins calls that are under way, whoever made them. */
function joined<value>(): (key: string, work: () => Promise<value>) => Promise<value> {
  const running = new Map<string, Promise<value>>()
  return (key, work) => {
    const run = running.get(key) ?? work().finally(() => running.delete(key))
    running.set(key, run)
    return run
  }
}

describe('the suite itself', () => {
  type Get = DaClient['get']
  const broken: Record<string, { breakIt(client: MockDa): MockDa; noticedBy: RegExp }> = {
    'reads that are not hashed': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: (locator, artifactHash, io) =>
          client.get(locator, { ...io, artifactHash }),
      }),
      noticedBy: /damaged where they are held/,
    },
    'reads that are not hashed, through a `get` of its own': {
      breakIt(client) {
        const own: MockDa = { ...client }
        own.getWithVerification = (locator, artifactHash, io) =>
          own.get(locator, { ...io, artifactHash })
        return own
      },
      noticedBy: /from its own `get`/,
    },
    'hashing the first read alone': {
      breakIt(client) {
        const seen = new Set<string>()
        const own: typeof client = {
          ...client,
          async getWithVerification(locator, hash, io) {
            if (!seen.has(hash)) {
              seen.add(hash)
              return client.getWithVerification(locator, hash, io)
            }
            return own.get(locator, { ...io, artifactHash: hash })
          },
        }
        return own
      },
      noticedBy: /damaged after they were read|from its own `get`/,
    },
    'an expiry in milliseconds': {
      breakIt: (client) => ({
        ...client,
        retention: { kind: 'expires', seconds: 100 },
        put: async (bytes, io) => ({ ...(await client.put(bytes, io)), expiresAt: Date.now() }),
      }),
      noticedBy: /^names what was put/,
    },
    'a retention of no number': {
      breakIt: (client) => ({
        ...client,
        retention: { kind: 'expires', seconds: Number.NaN },
        put: async (bytes, io) => ({ ...(await client.put(bytes, io)), expiresAt: 1 }),
      }),
      noticedBy: /^names what was put/,
    },
    'a deaf ear for `timeout`': {
      breakIt: (client) => ({
        ...client,
        get: (locator, io) => client.get(locator, { ...io, timeout: undefined }),
      }),
      noticedBy: /^ends when the time is up/,
    },
    'a deaf ear for `timeout` of writes': {
      breakIt: (client) => ({
        ...client,
        put: (bytes, io) => client.put(bytes, { ...io, timeout: undefined }),
      }),
      noticedBy: /^ends when the time is up/,
    },
    'a deaf ear for `signal` once it has begun': {
      breakIt(client) {
        const get: Get = (locator, io = {}) => {
          io.signal?.throwIfAborted()
          return client.get(locator, { ...io, signal: undefined })
        }
        return { ...client, get: async (locator, io) => get(locator, io) }
      },
      noticedBy: /^ends when the caller leaves/,
    },
    'a deaf ear for aborts': {
      breakIt: (client) => ({
        ...client,
        get: (locator, io) => client.get(locator, { ...io, signal: undefined }),
      }),
      noticedBy: /^stops at once for a caller who left/,
    },
    'no progress': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: (locator, hash, io) =>
          client.getWithVerification(locator, hash, { ...io, onProgress: undefined }),
      }),
      noticedBy: /^reports progress/,
    },
    'progress that stops on the way': {
      breakIt: (client) => ({
        ...client,
        put: (bytes, io) => {
          io?.onProgress?.({ loaded: 1 })
          return client.put(bytes, { ...io, onProgress: undefined })
        },
      }),
      noticedBy: /^reports progress/,
    },
    'its own buffer handed back': {
      breakIt(client) {
        const kept = new Map<string, Uint8Array>()
        const get: Get = async (locator, io = {}) => {
          const key = io.artifactHash ?? ''
          const bytes = kept.get(key) ?? (await client.get(locator, io))
          kept.set(key, bytes)
          return bytes
        }
        return { ...client, get }
      },
      noticedBy: /^keeps its bytes apart/,
    },
    'the buffer of the caller kept': {
      breakIt: (client) => ({
        ...client,
        put: async (bytes, io) => {
          await Promise.resolve()
          return client.put(bytes, io)
        },
      }),
      noticedBy: /^takes the bytes as they are/,
    },
    'a flipped byte': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: async (locator, expected, io) => {
          const bytes = await client.getWithVerification(locator, expected, io)
          bytes[0] = (bytes[0] as number) ^ 1
          return bytes
        },
      }),
      noticedBy: /^returns the 33 bytes/,
    },
    'a wrong length in receipts': {
      breakIt: (client) => ({
        ...client,
        put: async (bytes, io) => ({ ...(await client.put(bytes, io)), byteLength: 1 }),
      }),
      noticedBy: /^names what was put/,
    },
    'untyped errors': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: (locator, expected, io) =>
          client.getWithVerification(locator, expected, io).catch(() => {
            throw new TypeError('something')
          }),
      }),
      noticedBy: /^fails with a typed error/,
    },
    'one buffer for all who read at once': {
      breakIt(client) {
        const reading = joined<Uint8Array>()
        return {
          ...client,
          get: (locator, io = {}) => {
            const work = () => client.get(locator, io)
            return io.signal || io.timeout ? work() : reading(`get ${io.artifactHash}`, work)
          },
        }
      },
      noticedBy: /^gives each of several readers/,
    },
    'one buffer for all who read at once, after it was hashed': {
      breakIt(client) {
        const reading = joined<Uint8Array>()
        return {
          ...client,
          getWithVerification: (locator, hash, io = {}) => {
            const work = () => client.getWithVerification(locator, hash, io)
            return io.signal || io.timeout ? work() : reading(hash, work)
          },
        }
      },
      noticedBy: /^gives each of several readers/,
    },
    'views of one buffer for all who read at once': {
      breakIt(client) {
        const pool = new Uint8Array(100_000)
        let next = 0
        return {
          ...client,
          get: async (locator, io) => {
            const bytes = await client.get(locator, io)
            if (bytes.length > 1_000) return bytes
            next = (next + 1_000) % 99_000
            pool.set(bytes, next)
            return pool.subarray(next, next + bytes.length)
          },
        }
      },
      noticedBy: /^gives each of several readers/,
    },
    'the end of one reader for all': {
      breakIt(client) {
        const reading = joined<Uint8Array>()
        return {
          ...client,
          get: async (locator, io = {}) =>
            (await reading(`${io.artifactHash}`, () => client.get(locator, io))).slice(),
        }
      },
      noticedBy: /^goes on for a reader/,
    },
    'a second write of the same bytes at once that fails': {
      breakIt(client) {
        const writing = new Set<string>()
        return {
          ...client,
          async put(bytes, io) {
            const key = String(bytes)
            if (writing.has(key)) throw new Error('EEXIST')
            writing.add(key)
            try {
              return await client.put(bytes, io)
            } finally {
              writing.delete(key)
            }
          },
        }
      },
      noticedBy: /^takes the same bytes several times at once/,
    },
    'listeners that stay': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: (locator, hash, io) => {
          io?.signal?.addEventListener('abort', () => undefined, { once: true })
          return client.getWithVerification(locator, hash, io)
        },
      }),
      noticedBy: /^leaves nothing on a caller’s signal/,
    },
    'untyped errors of writes': {
      breakIt: (client) => ({
        ...client,
        put: (bytes, io) =>
          client.put(bytes, io).catch((error: { code?: string; name?: string }) => {
            if (error.code === 'INVALID_INPUT' || error.code === 'TIMEOUT') throw error
            if (error.name === 'AbortError') throw error
            throw new TypeError('fetch failed')
          }),
      }),
      noticedBy: /^fails with typed errors where what is behind it/,
    },
    'an expiry that is over': {
      breakIt: (client) => ({
        ...client,
        retention: { kind: 'expires', seconds: 100 },
        put: async (bytes, io) => ({ ...(await client.put(bytes, io)), expiresAt: 1 }),
      }),
      noticedBy: /^gives receipts that expire within/,
    },
    'an expiry after its retention': {
      breakIt: (client) => ({
        ...client,
        retention: { kind: 'expires', seconds: 100 },
        put: async (bytes, io) => ({
          ...(await client.put(bytes, io)),
          expiresAt: Math.floor(Date.now() / 1_000) + 86_400,
        }),
      }),
      noticedBy: /^gives receipts that expire within/,
    },
    'hashes in small letters alone': {
      breakIt: (client) => ({
        ...client,
        getWithVerification: async (locator, hash, io) => {
          if (/[A-F]/.test(hash)) throw new TypeError('no hash')
          return client.getWithVerification(locator, hash, io)
        },
      }),
      noticedBy: /^takes a hash in capitals/,
    },
    'no expiry in receipts': {
      breakIt: (client) => ({ ...client, retention: { kind: 'expires', seconds: 1 } }),
      noticedBy: /^names what was put/,
    },
  }
  test.each(Object.entries(broken))('error: DA_CONFORMANCE for %s', async (_, bad) => {
    const failures: string[] = []
    const cases = daConformance({
      create: () => bad.breakIt(mockDa()),
      corrupt: (client) => client.fail({ kind: 'corrupted', times: 9 }),
      stall: (client) => client.fail({ kind: 'slow', on: 'any', delay: 600_000, times: 99 }),
      refuse: (client) => client.fail({ kind: 'unavailable', on: 'any', times: 99 }),
      patience: 300,
      sizes: [33],
    })
    for (const { name, run } of cases) {
      await run().catch((error: { code?: string }) => {
        if (error.code === 'DA_CONFORMANCE') failures.push(name)
      })
    }
    expect(failures).toContainEqual(expect.stringMatching(bad.noticedBy))
  })

  test.each(['corrupt', 'stall'] as const)('error: INVALID_INPUT without %s', (field) => {
    const options = { create: () => memoryDa(), corrupt: 'cannot', stall: 'cannot' } as const
    expect(() => daConformance({ ...options, [field]: undefined as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field }),
    )
  })
})
