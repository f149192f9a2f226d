/** A bootstrap that was broken off, by a peer that lacks bytes, is away or drips, is finished by another. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { computeArtifactHash, computeKeyHash } from '../../src/core/artifact.js'
import { fromHex, utf8 } from '../../src/internal/bytes.js'
import { bootstrap } from '../../src/operator/node/process/tree.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { encodeDelta } from '../../src/statetree/pipeline/delta.js'
import { computeQueueHash } from '../../src/statetree/pipeline/queue/queue.js'
import { bootstrapTree } from '../../src/statetree/snapshot/bootstrap.js'
import { snapshotClient } from '../../src/statetree/snapshot/client.js'
import { fetchMissingBytes, lacksBytes } from '../../src/statetree/snapshot/missingBytes.js'
import { snapshotServer } from '../../src/statetree/snapshot/server.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import type { NodeStore } from '../../src/statetree/store/store.js'

type Answer = (request: Request) => Response | undefined | Promise<Response | undefined>

const base = mkdtempSync(join(tmpdir(), 'bootstrap-'))
let count = 0
afterAll(() => rmSync(base, { recursive: true, force: true }))
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const values = [1, 2, 3, 4, 5, 6].map((n) => utf8(`package p${n}`))
const hashes = values.map(computeArtifactHash)
const source = createStateTree({ store: memoryStore() })
const { root } = await source.commit(
  values.map((value, at) => ({ keyHash: fromHex(computeKeyHash(4, hashes[at] as never)), value })),
  { version: 1 },
)
const queue = { queue: [], quarantine: [] }
const zero = `0x${'00'.repeat(32)}` as const
const delta = encodeDelta({
  ...{ chainId: 1n, sequenceNo: 1n, prevDeltaHash: zero, cutoffBlock: 1n, cutoffBlockHash: zero },
  ...{ queueHash: computeQueueHash(queue), included: [], omitted: [], quarantined: [] },
  ...{ deleted: [], foreign: [] },
})
const deltaHash = computeArtifactHash(delta)
const commit = { sequenceNo: 1n, root, deltaHash, timestamp: 0n }
const serve = snapshotServer({
  tree: source,
  commitState: () => ({ queue, deltaHash }),
  delta: async (hash) => (hash === deltaHash ? delta : undefined),
})

const asked: string[] = []
const fetchOf =
  (answer: Answer = () => undefined) =>
  async (request: Request): Promise<Response> => {
    asked.push(new URL(request.url).pathname)
    return (await answer(request)) ?? serve(request)
  }
const peer = (answer?: Answer) =>
  snapshotClient({ url: 'http://peer.test', resumptions: 0, fetch: fetchOf(answer) })
const bytesAsked = (): string[] => asked.filter((path) => path.includes('/bytes/'))
beforeEach(() => void asked.splice(0))

const stores: [string, (path: string) => Promise<NodeStore>][] = [
  ['memory', async () => memoryStore()],
  ['lmdb', (path) => lmdbStore({ path })],
]
const losses: Record<string, () => Response> = {
  'it does not have': () => new Response('gone', { status: 404 }),
  'it has other bytes of': () => new Response('package q'),
  'it fails at': () => new Response('oops', { status: 500 }),
  'it hangs up at': () => {
    throw new Error('connection reset')
  },
}

describe.each(stores)('%s', (name, open) => {
  test.each(Object.entries(losses))(
    'error: BYTES_MISSING for what %s, the others are there, and another peer gives the rest',
    async (_, lose) => {
      for (const lost of [[0], [2], [5], [1, 3]].map((at) => at.map((n) => hashes[n] as string))) {
        const path = join(base, String(count++))
        let store = await open(path)
        const lacking = peer(({ url }) =>
          lost.some((hash) => url.endsWith(hash)) ? lose() : undefined,
        )
        for (let round = 0; round < 3; round++) {
          await expect(bootstrapTree({ store, client: lacking, commit })).rejects.toMatchObject({
            ...{ code: 'BYTES_MISSING', retryable: true },
            missing: expect.arrayContaining(lost),
          })
          for (const hash of hashes) expect(await store.bytes.has(hash)).toBe(!lost.includes(hash))
          expect(lacksBytes(store)).toBe(true)
          if (name === 'lmdb') {
            await store.close()
            store = await open(path)
          }
        }
        asked.splice(0)
        const tree = await bootstrapTree({ store, client: peer(), commit })
        expect(tree.root()).toBe(root)
        expect(bytesAsked()).toHaveLength(lost.length)
        for (const [at, hash] of hashes.entries())
          expect(await store.bytes.get(hash)).toEqual(values[at])
        expect(lacksBytes(store)).toBe(false)
        await store.close()
      }
    },
  )

  test('behavior: a peer that is away is not asked for everything, and a store with another version is refused', async () => {
    const store = await open(join(base, String(count++)))
    await bootstrapTree({ store, client: peer(), commit, bytes: false })
    expect(lacksBytes(store)).toBe(false)
    asked.splice(0)
    const away = peer(() => {
      throw new Error('connection refused')
    })
    await expect(bootstrapTree({ store, client: away, commit })).rejects.toMatchObject({
      missing: { length: hashes.length },
    })
    expect(bytesAsked()).toHaveLength(3)
    for (const other of [
      { ...commit, root: zero },
      { ...commit, sequenceNo: 2n },
    ])
      await expect(bootstrapTree({ store, client: peer(), commit: other })).rejects.toMatchObject({
        code: 'TREE_SNAPSHOT',
      })
    await store.close()
  })
})

test('behavior: files that were damaged are fetched anew', async () => {
  const path = join(base, String(count++))
  const store = await lmdbStore({ path })
  const tree = await bootstrapTree({ store, client: peer(), commit })
  for (const damage of ['xx', '', 'package p1 and more']) {
    const hash = hashes[0] as string
    writeFileSync(join(path, 'bytes', hash.slice(2, 4), hash.slice(2)), damage)
    asked.splice(0)
    await fetchMissingBytes(tree, { client: peer() })
    expect(bytesAsked()).toEqual([`/v1/bytes/${hash}`])
    expect(await tree.store.bytes.get(hash as never)).toEqual(values[0])
  }
  await store.close()
})

test('behavior: an operator asks its other bootnodes for the rest, also at a later start', async () => {
  const store = memoryStore()
  const first = hashes[0] as string
  const lacking = peer(({ url }) =>
    url.endsWith(first) ? new Response('', { status: 404 }) : undefined,
  )
  await expect(bootstrapTree({ store, client: lacking, commit })).rejects.toMatchObject({
    code: 'BYTES_MISSING',
  })
  const gone: Answer = () => new Response('', { status: 404 })
  const nodes: Record<string, Answer> = {
    'a.test': gone,
    'b.test': gone,
    'c.test': () => undefined,
  }
  vi.stubGlobal(
    'fetch',
    fetchOf((request) => nodes[new URL(request.url).host]?.(request)),
  )
  const logs: string[] = []
  const start = (names: string[]) =>
    bootstrap({} as never, {
      ...{ store, bootnodes: names.map((host) => `http://${host}`) },
      log: ({ event }) => void logs.push(event),
    })
  await expect(start(['a.test', 'b.test'])).rejects.toMatchObject({ code: 'BYTES_MISSING' })
  expect(logs).toEqual(['tree.bytes', 'tree.bytes'])
  await start(['a.test', 'c.test', 'b.test'])
  expect(await store.bytes.get(first as never)).toEqual(values[0])
  asked.splice(0)
  await start(['c.test'])
  expect(asked).toEqual([])
})

/** A body that gives one byte a second, and never ends. */
const drip = (): Response => {
  const second = () => new Promise((resolve) => setTimeout(resolve, 1_000))
  let isLeft = false
  return new Response(
    new ReadableStream({
      async pull(controller) {
        await second()
        if (!isLeft) controller.enqueue(Uint8Array.of(0x20))
      },
      cancel: () => {
        isLeft = true
      },
    }),
  )
}

/** What a call comes to in faked time, and the milliseconds that it took. */
async function later(call: Promise<unknown>): Promise<{ error: unknown; took: number }> {
  const began = performance.now()
  let end: { error: unknown } | undefined
  call.then(
    () => {
      end = { error: undefined }
    },
    (error: unknown) => {
      end = { error }
    },
  )
  for (let step = 0; end === undefined && step < 20_000; step++) {
    await vi.advanceTimersByTimeAsync(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { error: end?.error ?? 'it goes on', took: performance.now() - began }
}
const fakeTimes = (): unknown =>
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })

test.each(['/snapshot/1', '/snapshot/1/', '/delta/', '/bytes/'])(
  'error: a bootnode that drips at %s is left',
  async (part) => {
    const store = memoryStore()
    const client = snapshotClient({
      url: 'http://peer.test',
      fetch: fetchOf(({ url }) => {
        const path = new URL(url).pathname
        return (part === '/snapshot/1' ? path.endsWith(part) : path.includes(part))
          ? drip()
          : undefined
      }),
    })
    fakeTimes()
    const { error, took } = await later(bootstrapTree({ store, client, commit }))
    expect(error).toMatchObject({
      retryable: true,
      code: part === '/bytes/' ? 'BYTES_MISSING' : 'TREE_SNAPSHOT',
    })
    expect(took).toBeLessThan(20 * 60_000)
  },
)

test('error: a bootnode whose every answer is in time, and which would take years, is left', async () => {
  const client = snapshotClient({
    url: 'http://peer.test',
    fetch: fetchOf(async () => {
      await new Promise((resolve) => setTimeout(resolve, 25_000))
      return undefined
    }),
  })
  const store = memoryStore()
  fakeTimes()
  const tree = await later(bootstrapTree({ store, client, commit }))
  expect(tree.error).toMatchObject({ code: 'BYTES_MISSING' })
  expect(tree.took).toBeLessThan(6 * 60_000)
})
