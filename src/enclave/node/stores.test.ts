import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { uint64Codec } from '../store/codec.js'
import { testKvStore } from '../store/conformance.js'
import { type KvStore, memoryKv } from '../store/kv.js'
import { memoryAnchor } from '../store/sealed/anchor.js'
import { openSealedKv } from '../store/sealed/kv.js'
import { createTypedStore, defineKey } from '../store/typedStore.js'
import { fileAnchor, fileBlobs, lmdbKv } from './index.js'

const folder = (): string => mkdtempSync(join(tmpdir(), 'kv-'))
const key = new Uint8Array(32).fill(4)
const b = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes)

/** A backend that opens its newest store anew. */
function persistent(
  open: (path: string, anchor: ReturnType<typeof memoryAnchor>) => Promise<KvStore>,
) {
  const places = new WeakMap<KvStore, { path: string; anchor: ReturnType<typeof memoryAnchor> }>()
  const openAt = async (
    path: string,
    anchor: ReturnType<typeof memoryAnchor>,
  ): Promise<KvStore> => {
    const kv = await open(path, anchor)
    places.set(kv, { path, anchor })
    return kv
  }
  return {
    open: () => openAt(folder(), memoryAnchor()),
    reopen: async (kv: KvStore) => {
      const { path, anchor } = places.get(kv) as {
        path: string
        anchor: ReturnType<typeof memoryAnchor>
      }
      await kv.close()
      return openAt(path, anchor)
    },
  }
}

const lmdb = persistent((path) => lmdbKv({ path }))
const sealed = persistent((path, anchor) =>
  openSealedKv({ key, blobs: fileBlobs({ directory: path }), anchor }),
)
const backends: Record<string, { open: () => Promise<KvStore> }> = {
  memory: { open: async () => memoryKv() },
  lmdb,
  'sealed files': sealed,
}

testKvStore({ describe, test, expect }, { name: 'memory', open: async () => memoryKv() })
testKvStore({ describe, test, expect }, { name: 'lmdb', ...lmdb })
testKvStore({ describe, test, expect }, { name: 'sealed files', ...sealed })

describe.each(Object.keys(backends))('typed store over %s', (name) => {
  const { open } = backends[name] as { open: () => Promise<KvStore> }

  test('behaves as a plain map under any sequence of batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom('a', 'b', 'ä', 'p/1'),
            fc.option(fc.uint8Array({ maxLength: 4 }), { nil: undefined }),
          ),
          { maxLength: 12 },
        ),
        async (steps) => {
          const kv = await open()
          const model = new Map<string, Uint8Array>()
          for (const [k, value] of steps) {
            const ranges = [{ prefix: '', keys: [...model.keys()].sort() }]
            const checks = [{ key: k, value: model.get(k) }]
            expect(await kv.commit({ checks, ranges, writes: [{ key: k, value }] })).toBe(true)
            if (value === undefined) model.delete(k)
            else model.set(k, value)
          }
          expect(await kv.keys('')).toEqual([...model.keys()].sort())
          for (const [k, value] of model) expect(await kv.get(k)).toEqual(value)
          await kv.close()
        },
      ),
      { numRuns: 15 },
    )
  }, 60_000)

  test('a hundred increments at once lose none, and each runs twice at most', async () => {
    const store = createTypedStore(await open())
    const count = defineKey('count', uint64Codec)
    let runs = 0
    await Promise.all(
      Array.from({ length: 100 }, () =>
        store.transaction(async (tx) => {
          runs++
          const before = (await tx.get(count)) ?? 0n
          await new Promise((resolve) => setTimeout(resolve, 1))
          tx.set(count, before + 1n)
        }),
      ),
    )
    expect(await store.get(count)).toBe(100n)
    expect(runs).toBeLessThanOrEqual(210)
    await store.close()
  })

  test('one seat, many claims that look at the list: one gets it', async () => {
    const store = createTypedStore(await open())
    const claim = (who: string): Promise<boolean> =>
      store.transaction(async (tx) => {
        if ((await tx.names('seat/')).length > 0) return false
        await new Promise((resolve) => setTimeout(resolve, 2))
        tx.set(defineKey(`seat/${who}`, uint64Codec), 1n)
        return true
      })
    const got = await Promise.all(['alice', 'bob', 'carol', 'dave'].map(claim))
    expect(got.filter(Boolean)).toEqual([true])
    expect(await store.transaction((tx) => tx.names('seat/'))).toHaveLength(1)
    await store.close()
  })

  test('an absent key that another one writes meanwhile is a conflict', async () => {
    const kv = await open()
    const store = createTypedStore(kv)
    const flag = defineKey('flag', uint64Codec)
    const out = defineKey('out', uint64Codec)
    let first = true
    const seen = await store.transaction(async (tx) => {
      const value = await tx.get(flag)
      if (first) {
        first = false
        await kv.commit({ checks: [], writes: [{ key: 'flag', value: uint64Codec.encode(7n) }] })
      }
      tx.set(out, value ?? 0n)
      return value
    })
    expect(seen).toBe(7n)
    expect(await store.get(out)).toBe(7n)
    await store.close()
  })

  test('a failure on a torn view is run again, one on a whole view is told', async () => {
    const kv = await open()
    const store = createTypedStore(kv)
    const left = defineKey('left', uint64Codec)
    const right = defineKey('right', uint64Codec)
    await store.transaction((tx) => {
      tx.set(left, 5n)
      tx.set(right, 5n)
    })
    let runs = 0
    const sum = await store.transaction(async (tx) => {
      const l = (await tx.get(left)) as bigint
      if (runs++ === 0) {
        const writes = [
          { key: 'left', value: uint64Codec.encode(1n) },
          { key: 'right', value: uint64Codec.encode(9n) },
        ]
        await kv.commit({ checks: [], writes })
      }
      const r = (await tx.get(right)) as bigint
      if (l + r !== 10n) throw new RangeError('the sum is always ten')
      return l + r
    })
    expect([sum, runs]).toEqual([10n, 2])
    await expect(
      store.transaction(() => {
        throw new RangeError('no')
      }),
    ).rejects.toThrow('no')
    await store.close()
  })

  test('a transaction that throws writes nothing; compare-and-set compares', async () => {
    const store = createTypedStore(await open())
    const count = defineKey('count', uint64Codec)
    const failing = store.transaction((tx) => {
      tx.set(count, 5n)
      throw new TypeError('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await store.get(count)).toBeUndefined()
    const swap = (expected: bigint | undefined, next: bigint | undefined): Promise<boolean> =>
      store.transaction((tx) => tx.compareAndSet(count, { expected, next }))
    expect(await swap(1n, 2n)).toBe(false)
    expect(await swap(undefined, 2n)).toBe(true)
    expect(await swap(undefined, 3n)).toBe(false)
    expect(await swap(2n, undefined)).toBe(true)
    expect(await store.get(count)).toBeUndefined()
    await store.close()
  })
})

test('names that are cut inside a character are refused where they are defined', () => {
  const cut = (user: string): string => `name/${user.slice(0, 8)}`
  for (const user of ['player1\u{1F600}', 'player1\u{1F916}']) {
    expect(() => defineKey(cut(user), uint64Codec)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'name' }),
    )
  }
})

test('a typed store that was closed says so', async () => {
  for (const { open } of Object.values(backends)) {
    const store = createTypedStore(await open())
    await store.close()
    await expect(store.get(defineKey('a', uint64Codec))).rejects.toMatchObject({
      name: 'StoreClosedError',
      code: 'STORE_CLOSED',
    })
  }
})

describe('sealed files', () => {
  const put = (kv: KvStore, value: number): Promise<boolean> =>
    kv.commit({ checks: [], writes: [{ key: 'name', value: b(value) }] })

  test('nothing of the content is readable outside', async () => {
    const directory = folder()
    const kv = await openSealedKv({ key, blobs: fileBlobs({ directory }), anchor: memoryAnchor() })
    const value = new TextEncoder().encode('hunter2')
    await kv.commit({ checks: [], writes: [{ key: 'password', value }] })
    await kv.close()
    for (const file of readdirSync(directory)) {
      expect(readFileSync(join(directory, file)).includes('hunter2')).toBe(false)
      expect(readFileSync(join(directory, file)).includes('password')).toBe(false)
    }
  })

  test('what a killed writer left half done is passed by', async () => {
    const directory = folder()
    const anchor = memoryAnchor()
    const open = (): Promise<KvStore> =>
      openSealedKv({ key, blobs: fileBlobs({ directory }), anchor })
    await put(await open(), 1)
    writeFileSync(join(directory, 'half.next'), b(1, 2))
    writeFileSync(join(directory, `${'2'.padStart(20, '0')}-${'ab'.repeat(32)}`), b(1, 2))
    const again = await open()
    expect(await again.get('name')).toEqual(b(1))
    expect(await put(again, 2)).toBe(true)
  })

  test('an anchor in another folder outlives the process; of two writers one goes on', async () => {
    const [directory, anchored] = [folder(), folder()]
    const open = (): Promise<KvStore> =>
      openSealedKv({
        key,
        blobs: fileBlobs({ directory }),
        anchor: fileAnchor({ directory: anchored }),
      })
    const first = await open()
    for (let n = 1; n <= 100; n++) await put(first, n)
    expect(readdirSync(anchored)).toHaveLength(64)
    const second = await open()
    expect(await second.get('name')).toEqual(b(100))
    const outcomes = await Promise.allSettled([put(first, 101), put(second, 102)])
    const lost = outcomes.filter(({ status }) => status === 'rejected')
    expect(lost).toMatchObject([{ reason: { code: 'STORE_STOPPED' } }])
    const winner = outcomes[0]?.status === 'fulfilled' ? 101 : 102
    expect(await (await open()).get('name')).toEqual(b(winner))
    writeFileSync(join(anchored, '9'.repeat(20)), 'nonsense')
    await expect(open()).rejects.toMatchObject({ code: 'SEALED_STATE' })
    expect(() => fileAnchor({ directory: '' })).toThrow('directory')
  })

  test('a name is never a path', async () => {
    const blobs = fileBlobs({ directory: folder() })
    for (const name of ['../x', '/etc/passwd', '', 'a/b', 'a.next']) {
      await expect(blobs.read(name)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await expect(blobs.write(name, b(1))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })
})
