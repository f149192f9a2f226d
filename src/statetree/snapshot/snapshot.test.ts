import { bytesToHex } from '@noble/hashes/utils.js'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { mapStore } from '../../../test/statetree/mapStore.js'
import { applyOps, type Model, randomOps, seeded } from '../../../test/statetree/model.js'
import { computeKeyHash } from '../../core/artifact.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { keccakHasher } from '../hash/hasher.js'
import { proveRange } from '../proof/rangeProof.js'
import { createStateTree, type StateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import { decodeChunk, encodeChunk, keyAfter, snapshotChunk } from './chunk.js'
import { snapshotClient } from './client.js'
import { restoreSnapshot } from './restore.js'
import { snapshotServer } from './server.js'

const hasher = keccakHasher()

async function source(seed: number): Promise<{ tree: StateTree; root: Hex; model: Model }> {
  const next = seeded(seed)
  const tree = createStateTree({ store: memoryStore() })
  let model: Model = new Map()
  for (let version = 0; version <= 3; version++) {
    const ops = randomOps(next, [...model.keys()], seed % 5 === 0 ? 0 : next(40))
    model = applyOps(model, ops)
    await tree.commit(ops, { version })
  }
  return { tree, root: tree.root(), model }
}

describe('restoreSnapshot', () => {
  test('equals the source for random histories, over stores, with interruptions', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { tree, root, model } = await source(seed)
      const next = seeded(seed + 77)
      const store = seed % 2 === 0 ? mapStore() : memoryStore()
      let restore = await restoreSnapshot({ store, version: 3, root })
      for (let from = restore.next(); from !== undefined; from = restore.next()) {
        const chunk = snapshotChunk(tree, { version: 3, from, maxLeaves: 1 + next(9) })
        expect(decodeChunk(encodeChunk(chunk))).toEqual(chunk)
        await restore.addChunk(encodeChunk(chunk))
        expect(store.range()).toBeUndefined()
        if (next(3) === 0) restore = await restoreSnapshot({ store, version: 3, root })
      }
      const restored = await restore.finish()
      expect(restored.root()).toBe(root)
      expect(store.range()).toEqual({ oldest: 3, latest: 3 })
      expect(store.recordNames('restore/')).toEqual([])
      const leaves = [...restored.entries()].map((e) => [
        bytesToHex(e.keyHash),
        bytesToHex(e.valueHash),
      ])
      expect(leaves).toEqual([...model].sort())
      for (const key of [...model.keys(), 'ab'.repeat(32)]) {
        expect(restored.prove(`0x${key}`)).toEqual(tree.prove(`0x${key}`))
      }
      // It goes on like the source.
      const ops = randomOps(next, [...model.keys()], 10)
      expect((await restored.commit(ops, { version: 4 })).root).toBe(
        (await tree.commit(ops, { version: 4 })).root,
      )
    }
  })

  test('a wrong, missing, cut or repeated chunk changes nothing, and a right one goes on', async () => {
    const { tree, root } = await source(3)
    const store = mapStore()
    const restore = await restoreSnapshot({ store, version: 3, root })
    const chunkAt = (from: Uint8Array) => snapshotChunk(tree, { version: 3, from, maxLeaves: 5 })
    const first = chunkAt(new Uint8Array(32))
    const second = chunkAt(keyAfter(first.to) as Uint8Array)
    await expect(restore.finish()).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
    await expect(restore.addChunk(second)).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
    const bad = [
      { ...first, entries: first.entries.slice(1) },
      { ...first, entries: first.entries.map((e) => ({ ...e, valueHash: new Uint8Array(32) })) },
      { ...first, to: second.to },
      { ...first, to: new Uint8Array(32).fill(0xff) },
      { ...first, proof: second.proof },
    ]
    for (const chunk of bad) {
      await expect(restore.addChunk(chunk)).rejects.toMatchObject({ code: 'TREE_INVALID_PROOF' })
    }
    const encoded = encodeChunk(first)
    for (let length = 0; length < encoded.length; length += 97) {
      await expect(restore.addChunk(encoded.slice(0, length))).rejects.toMatchObject({
        code: 'TREE_MALFORMED_ENCODING',
      })
    }
    expect(restore.leaves()).toBe(0)
    await restore.addChunk(first)
    await expect(restore.addChunk(first)).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
    await restore.addChunk(second)
    expect(restore.leaves()).toBe(first.entries.length + second.entries.length)
    for (let from = restore.next(); from !== undefined; from = restore.next())
      await restore.addChunk(chunkAt(from))
    expect((await restore.finish()).root()).toBe(root)
  })

  test('error: TREE_SNAPSHOT for a chunk that ends where no leaf is: proofs of nothing are without end', async () => {
    const { tree, root, model } = await source(3)
    const restore = await restoreSnapshot({ store: memoryStore(), version: 3, root })
    const upTo = (from: Uint8Array, to: Uint8Array) => ({
      ...{ from, to },
      ...proveRange(tree, { from, to }, { version: 3 }),
    })
    const from = restore.next() as Uint8Array
    const [first] = [...tree.entries({ version: 3 })]
    const leaf = (first as { keyHash: Uint8Array }).keyHash
    const empty = upTo(from, from)
    expect(empty.entries).toEqual([])
    const beyond = upTo(from, keyAfter(leaf) as Uint8Array)
    expect(beyond.entries.length).toBeGreaterThan(0)
    for (const chunk of [empty, beyond, encodeChunk(empty)]) {
      await expect(restore.addChunk(chunk)).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
      expect(restore.next()).toEqual(from)
    }
    // One leaf at a time is slow, and ends.
    let chunks = 0
    for (let at = restore.next(); at !== undefined; at = restore.next(), chunks++)
      await restore.addChunk(snapshotChunk(tree, { version: 3, from: at, maxLeaves: 1 }))
    expect(chunks).toBeLessThanOrEqual(model.size + 1)
    expect((await restore.finish()).root()).toBe(root)
  })

  test('another root needs `discard`, and a full store is refused', async () => {
    const { tree, root } = await source(4)
    const store = mapStore()
    const restore = await restoreSnapshot({ store, version: 3, root })
    await restore.addChunk(
      snapshotChunk(tree, { version: 3, from: new Uint8Array(32), maxLeaves: 3 }),
    )
    const other = { store, version: 2, root: tree.root({ version: 2 }) }
    await expect(restoreSnapshot(other)).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
    expect((await restoreSnapshot({ ...other, discard: true })).leaves()).toBe(0)
    await expect(restoreSnapshot({ store: tree.store, version: 3, root })).rejects.toMatchObject({
      code: 'TREE_SNAPSHOT',
    })
  })
})

describe('snapshotServer and snapshotClient', () => {
  test('a restore over transfers that break off', async () => {
    const tree = createStateTree({ store: memoryStore() })
    const artifact = new Uint8Array(200_000).map((_, i) => i % 251)
    const secret = utf8('sealed')
    const writes = [...Array(50).keys()].map((i) => ({
      keyHash: hasher.hash(Uint8Array.of(i)),
      valueHash: hasher.hash(Uint8Array.of(i)),
    }))
    const hash = keccakHex(artifact)
    await tree.commit(
      [
        ...writes,
        { keyHash: computeKeyHash(6, hash), valueHash: hash, value: artifact },
        {
          keyHash: computeKeyHash(3, keccakHex(secret)),
          valueHash: keccakHex(secret),
          value: secret,
        },
      ],
      { version: 1 },
    )
    const handler = snapshotServer({ tree, maxLeaves: 7 })
    const next = seeded(5)
    const ranges: string[] = []
    // Answers break off in the middle three times out of four.
    const fetch = async (request: Request): Promise<Response> => {
      const range = request.headers.get('range')
      if (range !== null) ranges.push(range)
      const response = await handler(request)
      const body = new Uint8Array(await response.arrayBuffer())
      if (!/snapshot\/1\/|bytes/.test(request.url) || next(4) === 0)
        return new Response(body, response)
      const cut = Math.floor(body.length / 2)
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(body.slice(0, cut))
        },
        pull(controller) {
          controller.error(new TypeError('connection reset'))
        },
      })
      return new Response(stream, { status: response.status, headers: response.headers })
    }
    const client = snapshotClient({ url: 'https://peer.example/', fetch, resumptions: 50 })
    const manifest = await client.manifest()
    expect(manifest).toMatchObject({ version: 1, root: tree.root(), leaves: 52 })
    const restore = await restoreSnapshot({ store: memoryStore(), version: 1, root: tree.root() })
    for (let from = restore.next(); from !== undefined; from = restore.next()) {
      await restore.addChunk(await client.chunk({ version: 1, from }))
    }
    expect((await restore.finish()).root()).toBe(tree.root())
    expect(await client.bytes(hash)).toEqual(artifact)
    expect(ranges.length).toBeGreaterThan(0)
    // Private values are proved, never served.
    await expect(client.bytes(keccakHex(secret))).rejects.toMatchObject({ code: 'BYTES_NOT_FOUND' })
  })

  test('behavior: parts of an artifact, and what is no delta, are read and hashed once', async () => {
    const store = memoryStore()
    const reads: Hex[] = []
    let failures = 1
    const bytes = {
      ...store.bytes,
      async get(hash: Hex) {
        reads.push(hash)
        if (failures-- > 0) throw new TypeError('disk')
        return store.bytes.get(hash)
      },
    }
    const tree = createStateTree({ store: { ...store, bytes } })
    const artifacts = [...Array(6).keys()].map((i) => new Uint8Array(1_000).fill(i))
    await tree.commit(
      artifacts.map((value) => {
        const hash = keccakHex(value)
        return { keyHash: computeKeyHash(6, hash), valueHash: hash, value }
      }),
      { version: 1 },
    )
    const handler = snapshotServer({ tree })
    const get = (path: string, range = 'bytes=0-0'): Promise<Response> =>
      handler(new Request(`https://peer.example/v1/${path}`, { headers: { range } }))
    const [first, ...others] = artifacts.map((value) => keccakHex(value)) as [Hex, ...Hex[]]
    await expect(get(`bytes/${first}`)).rejects.toThrow('disk')
    for (let at = 0; at < 1_000; at += 100) {
      const part = await get(`bytes/${first}`, `bytes=${at}-${at + 99}`)
      expect(part.status).toBe(206)
      expect(new Uint8Array(await part.arrayBuffer())).toEqual(artifacts[0]?.slice(at, at + 100))
    }
    expect(reads).toEqual([first, first])
    for (let i = 0; i < 5; i++) expect((await get(`delta/${first}`)).status).toBe(404)
    expect(reads.length).toBe(3)
    // A few are kept, not all.
    for (const hash of [...others, first]) expect((await get(`bytes/${hash}`)).status).toBe(206)
    expect(reads.length).toBe(9)
    // What is not there may come.
    const delta = new Uint8Array(3)
    for (let i = 0; i < 2; i++) expect((await get(`delta/${keccakHex(delta)}`)).status).toBe(404)
    expect(reads.length).toBe(11)
  })

  test('what a lying node says is refused', async () => {
    const { tree } = await source(6)
    const hash = keccakHex(utf8('x'))
    const lying = snapshotClient({
      url: 'https://peer.example',
      fetch: async () => new Response('others'),
    })
    await expect(lying.bytes(hash)).rejects.toMatchObject({ code: 'BYTES_CORRUPT' })
    await expect(lying.chunk({ version: 1, from: new Uint8Array(32) })).rejects.toMatchObject({
      code: 'TREE_MALFORMED_ENCODING',
    })
    const odd = snapshotClient({
      url: 'https://peer.example',
      fetch: async () => Response.json({ version: 'x' }),
    })
    await expect(odd.manifest()).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
    const handler = snapshotServer({ tree })
    for (const [path, status] of [
      ['/v1/snapshot/99', 404],
      ['/v1/snapshot/x', 404],
      ['/v1/snapshot/3/0x12', 400],
      ['/v1/bytes/0x12', 404],
      [`/v1/delta/${hash}`, 404],
      ['/other', 404],
      [`/v1/other/${hash}`, 404],
    ] as const) {
      expect((await handler(new Request(`https://peer.example${path}`))).status, path).toBe(status)
    }
    expect(
      (await handler(new Request('https://peer.example/v1/snapshot', { method: 'POST' }))).status,
    ).toBe(405)
  })
})

test.each<[string, () => unknown]>([
  ['a fetch that fails', () => Promise.reject(new TypeError('fetch failed'))],
  [
    'one that throws',
    () => {
      throw new RangeError('no')
    },
  ],
  ['one that answers nothing', async () => undefined],
])('error: TREE_SNAPSHOT, to be tried again, after %s', async (_, fetch) => {
  const url = 'http://node.test'
  const client = snapshotClient({ url, fetch: fetch as never, resumptions: 1 })
  const hash: Hex = `0x${'11'.repeat(32)}`
  for (const call of [
    () => client.manifest(),
    () => client.chunk({ version: 1, from: new Uint8Array(32) }),
    () => client.bytes(hash),
    () => client.delta(hash),
    () => client.read({ namespace: 4, name: hash }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'TREE_SNAPSHOT', retryable: true })
  for (const odd of [undefined, {}, { namespace: 4 }, { namespace: 4, name: 5 }])
    await expect(client.read(odd as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

describe('answers that stop', () => {
  const bytes = utf8('package example\n')
  const hash = keccakHex(bytes)
  const stuck = (first: Uint8Array): Response =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(first) }))

  test('behavior: a body that stalls is taken up again where it stopped', async () => {
    const ranges: (string | null)[] = []
    const client = snapshotClient({
      url: 'https://peer.example',
      stallTimeout: 20,
      fetch: async ({ headers }) => {
        ranges.push(headers.get('range'))
        if (ranges.length === 1) return stuck(bytes.slice(0, 5))
        return new Response(bytes.slice(5), { status: 206 })
      },
    })
    expect(await client.bytes(hash)).toEqual(bytes)
    expect(ranges).toEqual([null, 'bytes=5-'])
  })

  test('error: TIMEOUT within the caller’s time, with the request ended, for headers and for bodies', async () => {
    for (const answer of [
      async () => stuck(bytes.slice(0, 5)),
      () => new Promise<Response>(() => undefined),
    ]) {
      const signals: AbortSignal[] = []
      const client = snapshotClient({
        url: 'https://peer.example',
        fetch: (request) => {
          signals.push(request.signal)
          return answer()
        },
      })
      const { signal } = new AbortController()
      const io = { signal, timeout: 30 }
      const leaf = { namespace: 4, name: hash }
      for (const call of [client.bytes(hash, io), client.manifest(1, io), client.read(leaf, io)])
        await expect(call).rejects.toMatchObject({ code: 'TIMEOUT' })
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
    }
  })

  test('error: a caller who leaves while a body is under way gets its own reason', async () => {
    const client = snapshotClient({
      url: 'https://peer.example',
      fetch: async () => stuck(bytes.slice(0, 5)),
    })
    const controller = new AbortController()
    setTimeout(() => controller.abort(new TypeError('stopped')), 20)
    await expect(client.bytes(hash, { signal: controller.signal })).rejects.toThrow('stopped')
  })

  test('behavior: an answer in as many parts as it has bytes is read at once', async () => {
    let left = 200_000
    let asked = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        for (let i = 0; i < 1_000; i++) controller.enqueue(Uint8Array.of(7))
        left -= 1_000
        if (left === 0) controller.close()
      },
    })
    const client = snapshotClient({
      url: 'https://peer.example',
      fetch: async () => {
        asked++
        return new Response(body)
      },
    })
    const bytes = new Uint8Array(200_000).fill(7)
    expect(await client.bytes(keccakHex(bytes))).toEqual(bytes)
    expect(asked).toBe(1)
  })

  test('error: TREE_SNAPSHOT for what is longer than is taken, also without an end', async () => {
    const endless = (): Response =>
      new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1_000)) }))
    const client = snapshotClient({
      url: 'https://peer.example',
      maxBytes: 5_000,
      fetch: async () => endless(),
    })
    for (const call of [client.bytes(hash), client.read({ namespace: 4, name: hash })])
      await expect(call).rejects.toMatchObject({ shortMessage: expect.stringMatching(/over 5000/) })
  })
})
