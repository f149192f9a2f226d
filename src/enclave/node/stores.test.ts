import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { uint64Codec } from '../host/codec.js'
import { type KvStore, memoryKv } from '../host/kv.js'
import { openSealedKv } from '../host/sealedKv.js'
import { memoryAnchor, openState, type StateAnchor, sealState } from '../host/sealedState.js'
import { createTypedStore, defineKey } from '../host/typedStore.js'
import { fileBlob, lmdbKv } from './index.js'

const folder = (): string => mkdtempSync(join(tmpdir(), 'kv-'))
const key = new Uint8Array(32).fill(4)
const sealedFile = (
  anchor: StateAnchor = memoryAnchor(),
  path = join(folder(), 'state'),
): Promise<KvStore> => openSealedKv({ key, place: fileBlob({ path }), anchor })
const backends: Record<string, () => Promise<KvStore>> = {
  memory: async () => memoryKv(),
  lmdb: () => lmdbKv({ path: folder() }),
  'sealed file': () => sealedFile(),
}
const b = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes)

describe.each(Object.keys(backends))('KvStore: %s', (name) => {
  const open = backends[name] as () => Promise<KvStore>

  test('reads what was written, deletes, lists by prefix in order', async () => {
    const kv = await open()
    expect(await kv.get('a')).toBeUndefined()
    expect(
      await kv.commit({
        checks: [],
        writes: [
          { key: 'p/2', value: b(2) },
          { key: 'p/1', value: b() },
          { key: 'q', value: b(3) },
          { key: 'p', value: b(4) },
        ],
      }),
    ).toBe(true)
    expect(await kv.keys('p/')).toEqual(['p/1', 'p/2'])
    expect(await kv.keys('')).toEqual(['p', 'p/1', 'p/2', 'q'])
    expect(await kv.get('p/1')).toEqual(b())
    await kv.commit({ checks: [], writes: [{ key: 'p/1', value: undefined }] })
    expect(await kv.get('p/1')).toBeUndefined()
    await kv.close()
  })

  test('a batch whose check does not hold writes nothing', async () => {
    const kv = await open()
    await kv.commit({ checks: [], writes: [{ key: 'a', value: b(1) }] })
    const failing = [
      { key: 'a', value: undefined },
      { key: 'a', value: b(2) },
      { key: 'b', value: b(1) },
    ]
    for (const check of failing) {
      expect(await kv.commit({ checks: [check], writes: [{ key: 'c', value: b(9) }] })).toBe(false)
    }
    expect(await kv.get('c')).toBeUndefined()
    await kv.close()
  })

  test('values are copies', async () => {
    const kv = await open()
    const value = b(1, 2)
    await kv.commit({ checks: [], writes: [{ key: 'a', value }] })
    value.fill(9)
    const read = (await kv.get('a')) as Uint8Array
    read.fill(7)
    expect(await kv.get('a')).toEqual(b(1, 2))
    await kv.close()
  })

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
            await kv.commit({
              checks: [{ key: k, value: model.get(k) }],
              writes: [{ key: k, value }],
            })
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

  test('typed transactions: a hundred increments at once lose none', async () => {
    const kv = await open()
    const store = createTypedStore(kv)
    const count = defineKey('count', uint64Codec)
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 10 }, () =>
          store.transaction(async (tx) => tx.set(count, ((await tx.get(count)) ?? 0n) + 1n)),
        ),
      )
    }
    expect(await store.get(count)).toBe(100n)
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

describe('sealed state', () => {
  const set = (kv: KvStore, value: number): Promise<boolean> =>
    kv.commit({ checks: [], writes: [{ key: 'a', value: b(value) }] })

  test('is found again, and nothing of it is readable outside', async () => {
    const anchor = memoryAnchor()
    const path = join(folder(), 'state')
    const kv = await sealedFile(anchor, path)
    await kv.commit({
      checks: [],
      writes: [{ key: 'name', value: new TextEncoder().encode('hunter2') }],
    })
    await kv.close()
    expect(readFileSync(path).includes('hunter2')).toBe(false)
    expect(readFileSync(path).includes('name')).toBe(false)
    const again = await sealedFile(anchor, path)
    expect(new TextDecoder().decode(await again.get('name'))).toBe('hunter2')
  })

  test('an older state, a missing one, and one of a fork are refused', async () => {
    const anchor = memoryAnchor()
    const path = join(folder(), 'state')
    const kv = await sealedFile(anchor, path)
    await set(kv, 1)
    const old = readFileSync(path)
    await set(kv, 2)
    await kv.close()
    const newest = readFileSync(path)
    writeFileSync(path, old)
    await expect(sealedFile(anchor, path)).rejects.toMatchObject({ code: 'STATE_ROLLBACK' })
    await expect(sealedFile(anchor, join(folder(), 'none'))).rejects.toMatchObject({
      code: 'SEALED_STATE',
    })
    const fork = await sealState({
      key,
      sequence: 3n,
      previousHash: `0x${'11'.repeat(32)}`,
      state: b(0xa0),
    })
    writeFileSync(path, fork.blob)
    await expect(sealedFile(anchor, path)).rejects.toMatchObject({ code: 'STATE_ROLLBACK' })
    writeFileSync(path, newest)
    expect(await (await sealedFile(anchor, path)).get('a')).toEqual(b(2))
  })

  test('a writer that ended between the file and the anchor goes on from the file', async () => {
    const anchor = memoryAnchor()
    const path = join(folder(), 'state')
    const kv = await sealedFile(anchor, path)
    await set(kv, 1)
    const failing: StateAnchor = {
      latest: anchor.latest,
      advance: async () => Promise.reject(new TypeError('crash')),
    }
    const crashing = await sealedFile(failing, path)
    await expect(set(crashing, 2)).rejects.toThrow('crash')
    const again = await sealedFile(anchor, path)
    expect(await again.get('a')).toEqual(b(2))
    expect((await anchor.latest())?.sequence).toBe(2n)
  })

  test('no changed byte of it opens, and no other key', async () => {
    const { blob, stateHash } = await sealState({
      key,
      sequence: 1n,
      previousHash: `0x${'00'.repeat(32)}`,
      state: b(1, 2, 3),
    })
    const newest = { sequence: 1n, stateHash }
    expect((await openState({ key, blob, newest })).state).toEqual(b(1, 2, 3))
    for (let i = 0; i < blob.length; i++) {
      const changed = blob.slice()
      changed[i] = (changed[i] as number) ^ 1
      await expect(openState({ key, blob: changed, newest: undefined })).rejects.toMatchObject({
        code: expect.stringMatching(/^(SEALED_STATE|STATE_ROLLBACK)$/),
      })
    }
    await expect(openState({ key: new Uint8Array(32), blob, newest })).rejects.toMatchObject({
      code: 'SEALED_STATE',
    })
  })
})
