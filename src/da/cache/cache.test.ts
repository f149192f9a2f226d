import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { createMetricsRegistry } from '../../core/metrics.js'
import { createArtifactSource } from '../artifactSource.js'
import { mockDa } from '../mockDa.js'
import { diskByteStore } from '../node/diskByteStore.js'
import { artifactPath, fileDa, listFiles } from '../node/fileDa.js'
import { memoryByteStore } from './byteStore.js'
import { recordCacheMetrics } from './cacheMetrics.js'
import type { CacheEvent } from './events.js'
import { createLayeredArtifactCache } from './layeredCache.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const bytes = text('package example\n')
const hash = computeArtifactHash(bytes)

let root: string
const roots: string[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cache-'))
  roots.push(root)
})
afterAll(async () => {
  for (const path of roots) await rm(path, { recursive: true, force: true })
})

/** A network of one store, with its reads counted. */
async function network(...artifacts: Uint8Array[]) {
  const da = mockDa()
  for (const artifact of artifacts) await da.put(artifact)
  return { da, source: createArtifactSource({ clients: [da] }) }
}

describe('createLayeredArtifactCache', () => {
  test('one who overwrites its bytes changes nobody else’s, also in one flight', async () => {
    const { source } = await network(bytes)
    const cache = createLayeredArtifactCache({ da: source })
    const request = { hash, namespace: 4 } as const
    const [, second] = await Promise.all([
      cache.getArtifact(request).then((given) => given.fill(0)),
      cache.getArtifact(request).then(async (given) => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        return given
      }),
    ])
    expect(second).toEqual(bytes)
  })

  test('fetches once, then answers from disk, then from memory', async () => {
    const { da, source } = await network(bytes)
    const events: CacheEvent[] = []
    const disk = diskByteStore({ directory: root })
    const cache = createLayeredArtifactCache({
      da: source,
      disk,
      onEvent: (event) => events.push(event),
    })
    let made = 0
    // As whoever makes a form does: what is made is kept in the cache's memory.
    const form = () =>
      cache.memory.get({ form: 'rego', key: hash }, async (signal) => {
        const value = { source: await cache.getArtifact({ hash, namespace: 4 }, { signal }) }
        made += 1
        return { value, weight: bytes.length }
      })
    const first = await form()
    expect(await form()).toBe(first)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect({ made, network: da.calls().get }).toEqual({ made: 1, network: 1 })
    const lookups = events.flatMap((event) =>
      event.type === 'cache.lookup' ? [`${event.tier} ${event.result}`] : [],
    )
    expect(lookups).toEqual(['L1 miss', 'L2 miss', 'L3 hit', 'L1 hit', 'L2 hit'])

    // A new process finds the bytes on disk.
    const next = createLayeredArtifactCache({
      da: source,
      disk: diskByteStore({ directory: root }),
    })
    expect(await next.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect(da.calls().get).toBe(1)
  })

  test('concurrent misses fetch once', async () => {
    const { da, source } = await network(bytes)
    const cache = createLayeredArtifactCache({ da: source, disk: memoryByteStore() })
    await Promise.all(Array.from({ length: 50 }, () => cache.getArtifact({ hash, namespace: 6 })))
    expect(da.calls().get).toBe(1)
  })

  test('a damaged file is reported, replaced, and never handed out', async () => {
    const { da, source } = await network(bytes)
    const events: CacheEvent[] = []
    const cache = createLayeredArtifactCache({
      da: source,
      disk: diskByteStore({ directory: root }),
      onEvent: (event) => events.push(event),
    })
    await cache.getArtifact({ hash, namespace: 4 })
    const [file] = await listFiles(root)
    const held = await readFile(file as string)
    held[3] = (held[3] as number) ^ 1
    await writeFile(file as string, held)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'cache.wrongCopy', tier: 'L2', source: 'disk', hash }),
    )
    expect(da.calls().get).toBe(2)
    expect(new Uint8Array(await readFile(file as string))).toEqual(bytes)
  })

  test('a tier that lies is passed over, and its bytes never reach a higher tier', async () => {
    const disk = memoryByteStore()
    const liar: ArtifactSource = { getArtifact: async () => text('<html>') }
    const { source } = await network(bytes)
    const events: CacheEvent[] = []
    const cache = createLayeredArtifactCache({
      da: liar,
      peers: source,
      disk,
      onEvent: (event) => events.push(event),
    })
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect(events).toContainEqual(expect.objectContaining({ type: 'cache.wrongCopy', tier: 'L3' }))

    // One of ours whose function was replaced is one of theirs.
    const replaced = Object.assign((await network(bytes)).source, liar)
    for (const da of [replaced, { ...source, ...liar }]) {
      const doubting = createLayeredArtifactCache({ da, disk: memoryByteStore() })
      await expect(doubting.getArtifact({ hash, namespace: 4 })).rejects.toMatchObject({
        code: 'DA_ARTIFACT_UNAVAILABLE',
      })
    }

    const alone = createLayeredArtifactCache({ da: liar, disk: memoryByteStore() })
    await expect(alone.getArtifact({ hash, namespace: 4 })).rejects.toMatchObject({
      code: 'DA_ARTIFACT_UNAVAILABLE',
    })
  })

  test('what a caller does to its copy changes nothing', async () => {
    const { source } = await network(bytes)
    const cache = createLayeredArtifactCache({ da: source, disk: memoryByteStore() })
    ;(await cache.getArtifact({ hash, namespace: 4 })).fill(0)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
  })

  test('a disk that fails costs nothing but time', async () => {
    const { source } = await network(bytes)
    const events: CacheEvent[] = []
    const broken = async (): Promise<never> => {
      throw new TypeError('no disk')
    }
    const disk = { ...memoryByteStore(), read: broken, write: broken, has: broken }
    const cache = createLayeredArtifactCache({
      da: source,
      disk,
      onEvent: (event) => events.push(event),
    })
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect(events.filter(({ type }) => type === 'cache.storeFailed')).toHaveLength(2)
  })

  test('tells of its memory: each filling and each departure, by form', async () => {
    const evicted: string[] = []
    const sizes: number[] = []
    const cache = createLayeredArtifactCache({
      memory: { maxBytes: 48, maxEntries: 10 },
      onEvent(event) {
        if (event.type === 'cache.evict') evicted.push(`${event.form} ${event.reason}`)
        if (event.type === 'cache.size') sizes.push(event.bytes)
      },
    })
    for (const key of ['a', 'b', 'c'])
      cache.memory.set({ form: 'wasm', key }, { value: {}, weight: 24 })
    expect(sizes).toEqual([24, 48, 48, 48])
    expect(evicted).toEqual(['wasm size'])
  })

  test('warms its templates, and reports the ones that failed', async () => {
    const { source, da } = await network(bytes)
    const ids: Hex[] = [1, 2, 3].map((n): Hex => `0x${`0${n}`.repeat(32)}`)
    const prepared: Hex[] = []
    const results: string[] = []
    const cache = createLayeredArtifactCache({
      da: source,
      disk: memoryByteStore(),
      alwaysWarm: ids,
      artifactsOf: async (id) => {
        if (id === ids[2]) throw new TypeError('no index')
        const nowhere = computeArtifactHash(text('nowhere'))
        return [{ hash: id === ids[0] ? hash : nowhere, namespace: 6 }]
      },
      prepare: async ({ hash: of }) => prepared.push(of),
      onEvent: (event) => {
        if (event.type === 'cache.prewarm') results.push(event.result)
      },
    })
    const report = await cache.warm()
    expect(report.map(({ status }) => status)).toEqual(['warm', 'failed', 'failed'])
    expect(results).toEqual(['ok', 'error', 'error'])
    expect(prepared).toEqual([hash])
    const before = da.calls().get
    expect(await cache.getArtifact({ hash, namespace: 6 })).toEqual(bytes)
    expect(da.calls().get).toBe(before)
    const stopped = AbortSignal.abort(new TypeError('stopped'))
    await expect(cache.warm({ signal: stopped })).rejects.toThrow('stopped')
  })

  test('put takes only what hashes right', async () => {
    const disk = memoryByteStore()
    const cache = createLayeredArtifactCache({ disk })
    await cache.put(hash, bytes)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    await expect(cache.put(hash, text('other'))).rejects.toMatchObject({ code: 'DA_INTEGRITY' })
  })

  test('metrics carry the agreed names', async () => {
    const { source } = await network(bytes)
    const metrics = createMetricsRegistry()
    const cache = createLayeredArtifactCache({
      da: source,
      memory: { maxEntries: 1 },
      onEvent: recordCacheMetrics(metrics).onCacheEvent,
    })
    const keep = (form: string, key: string) =>
      cache.memory.get({ form, key }, async () => ({ value: {}, weight: bytes.length }))
    await keep('wasm', 'a')
    await keep('wasm', 'a')
    await keep('rego', 'a')
    await keep('rego', 'b')
    await cache.getArtifact({ hash, namespace: 6 })
    // Forms of every kind are told apart by a label; compiled plugins have their own names elsewhere.
    expect(metrics.value('artifact_cache_lookups_total', { tier: 'L1', result: 'hit' })).toBe(1)
    expect(metrics.value('artifact_cache_lookups_total', { tier: 'L1', result: 'miss' })).toBe(3)
    expect(metrics.value('artifact_cache_lookups_total', { tier: 'L3', result: 'hit' })).toBe(1)
    expect(metrics.value('artifact_cache_entries', { form: 'rego' })).toBe(1)
    expect(metrics.value('artifact_cache_ram_bytes', { form: 'wasm' })).toBe(bytes.length)
    const evicted = { form: 'rego', reason: 'count' }
    expect(metrics.value('artifact_cache_evictions_total', evicted)).toBe(1)
    const page = metrics.text()
    expect(page).not.toContain('wasm_module_')
    for (const line of page.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) \S+ .+|[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+]?(\d[\d.e+-]*|Inf|NaN))$/,
      )
    }
  })
})

describe.skipIf(process.platform === 'win32')('what is not a file', () => {
  const pipe = async (path: string): Promise<void> => void execFileSync('mkfifo', [path])
  const device = (path: string): Promise<void> => symlink('/dev/zero', path)

  test.each([
    ['a pipe', pipe],
    ['a device', device],
    ['a directory', (path: string) => mkdir(path)],
  ] as const)('%s of an artifact’s name is not read', async (what, place) => {
    const { source } = await network(bytes)
    const path = artifactPath(root, hash)
    await mkdir(dirname(path), { recursive: true })
    await place(path)
    const store = fileDa({ directory: root })
    const locator = { kind: 'keccakStore', name: '' } as const
    await expect(store.getWithVerification(locator, hash)).rejects.toMatchObject({
      code: 'DA_INTEGRITY',
    })
    expect(await store.head?.(locator, { artifactHash: hash })).toMatchObject({ status: 'missing' })

    const cached = join(root, hash.slice(2, 4), `${hash}.bin`)
    await place(cached)
    const disk = diskByteStore({ directory: root })
    expect(await disk.read(hash)).toBeUndefined()
    const cache = createLayeredArtifactCache({ da: source, disk })
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    // The right bytes take the place, where they can: a directory is left for its owner.
    if (what === 'a directory') return
    expect(await disk.read(hash)).toEqual(bytes)
    await store.put(bytes)
    expect(await store.getWithVerification(locator, hash)).toEqual(bytes)
  })
})

describe('a disk that hangs', () => {
  const never = (): Promise<never> => new Promise(() => undefined)

  test('behavior: reads and writes are not waited for, and it is left alone after a few', async () => {
    for (const part of ['read', 'write'] as const) {
      const artifacts = [1, 2, 3, 4, 5, 6].map((value) => text(`package p${value}\n`))
      const { source } = await network(...artifacts)
      let calls = 0
      const events: CacheEvent[] = []
      const cache = createLayeredArtifactCache({
        disk: {
          ...memoryByteStore(),
          [part]: () => {
            calls += 1
            return never()
          },
        },
        da: source,
        onEvent: (event) => events.push(event),
      })
      const got = await Promise.all(
        artifacts.map((one) =>
          cache.getArtifact({ hash: computeArtifactHash(one), namespace: 4 }, { timeout: 1_000 }),
        ),
      )
      expect(got).toEqual(artifacts)
      expect(events).toContainEqual(
        expect.objectContaining({ type: 'cache.storeFailed', operation: part }),
      )
      const before = calls
      const again = artifacts[0] as Uint8Array
      await cache.getArtifact({ hash: computeArtifactHash(again), namespace: 4 }, { timeout: 200 })
      expect(calls).toBe(before)
    }
  })

  test('behavior: one that recovers is used again, and has the bytes of the call', async () => {
    const { source } = await network(bytes)
    const behind = memoryByteStore()
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const disk = {
      ...behind,
      write: async (key: string, own: Uint8Array) => {
        await gate
        await behind.write(key, own)
      },
    }
    const cache = createLayeredArtifactCache({ disk, da: source })
    const got = await cache.getArtifact({ hash, namespace: 4 })
    got.fill(0)
    release()
    await expect.poll(() => behind.has(hash)).toBe(true)
    expect(await behind.read(hash)).toEqual(bytes)
    const own = bytes.slice()
    await cache.put(hash, own)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
  })

  test('error: what is no bytes is a miss', async () => {
    const { source } = await network(bytes)
    const disk = { ...memoryByteStore(), read: async () => 'text' as never }
    const cache = createLayeredArtifactCache({ disk, da: source })
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
  })
})

describe('diskByteStore', () => {
  test('evicts the oldest use first, and never what the tree needs', async () => {
    const items = ['a', 'b', 'c', 'd'].map((name) => text(name.repeat(100)))
    const names = items.map(computeArtifactHash)
    let time = 1_000_000
    const evicted: string[] = []
    const store = diskByteStore({
      directory: root,
      maxBytes: 250,
      now: () => (time += 1_000),
      isNeeded: (name) => name === names[0],
      onEvict: (name) => evicted.push(name),
    })
    for (const index of [0, 1]) await store.write(names[index] as Hex, items[index] as Uint8Array)
    await store.read(names[0] as Hex)
    await store.write(names[2] as Hex, items[2] as Uint8Array)
    expect(evicted).toEqual([names[1]])
    await store.write(names[3] as Hex, items[3] as Uint8Array)
    expect(evicted).toEqual([names[1], names[2]])
    expect(await store.usage()).toEqual({ entries: 2, bytes: 200 })
    expect(await store.read(names[1] as Hex)).toBeUndefined()
  })

  test('keeps the order of use over a restart, and clears leftovers of a crash', async () => {
    const items = ['a', 'b'].map((name) => text(name.repeat(100)))
    const names = items.map(computeArtifactHash)
    const store = diskByteStore({ directory: root, now: () => 1_000 })
    await store.write(names[0] as Hex, items[0] as Uint8Array)
    const leftover = join(root, 'x.bin.tmp')
    await writeFile(leftover, 'half')
    await utimes(leftover, new Date(0), new Date(0))
    const files = (await listFiles(root)).filter((path) => path.endsWith('.bin'))
    await utimes(files[0] as string, new Date(5_000_000), new Date(5_000_000))
    const evicted: string[] = []
    const next = diskByteStore({
      directory: root,
      maxBytes: 100,
      onEvict: (name) => evicted.push(name),
    })
    await next.write(names[1] as Hex, items[1] as Uint8Array)
    expect(evicted).toEqual([names[0]])
    expect((await listFiles(root)).some((path) => path.endsWith('.tmp'))).toBe(false)
  })

  test('refuses keys that could leave its directory', async () => {
    const store = diskByteStore({ directory: root })
    for (const key of ['../x', '0x/../../etc', 'row-../../x', '']) {
      await expect(store.write(key, bytes)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })
})
