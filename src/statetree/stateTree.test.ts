import { describe, expect, test } from 'vitest'
import { mapStore } from '../../test/statetree/mapStore.js'
import { utf8 } from '../internal/bytes.js'
import { keccakHasher, sha256Hasher } from './hash/hasher.js'
import { createStateTree } from './stateTree.js'
import { memoryStore } from './store/memoryStore.js'

const hasher = keccakHasher()
const write = (n: number) => ({
  keyHash: hasher.hash(Uint8Array.of(n)),
  valueHash: hasher.hash(Uint8Array.of(n, 1)),
})

describe('createStateTree', () => {
  test('error: TREE_BATCH_EXPIRED after the versions are pruned', async () => {
    const tree = createStateTree({ store: memoryStore() })
    await tree.commit([write(1)], { version: 0 })
    const { batch } = await tree.commit([write(2)], { version: 1 })
    await tree.commit([write(3)], { version: 2 })
    expect(batch.nodes().length).toBe(3)
    expect(batch.stale().length).toBe(1)
    await tree.prune({ oldest: 2 })
    expect(() => batch.nodes()).toThrow(expect.objectContaining({ code: 'TREE_BATCH_EXPIRED' }))
    const backed = createStateTree({ store: mapStore() })
    const first = await backed.commit([write(1)], { version: 0 })
    await backed.commit([write(2)], { version: 1 })
    expect(() => first.batch.stale()).toThrow(
      expect.objectContaining({ code: 'TREE_BATCH_EXPIRED' }),
    )
  })

  test('error: TREE_CORRUPT_NODE for a root that is not there', async () => {
    const store = mapStore()
    await createStateTree({ store }).commit([write(1), write(2)], { version: 0 })
    store.nodes.clear()
    expect(() => createStateTree({ store }).get(write(1).keyHash)).toThrow(
      expect.objectContaining({ code: 'TREE_CORRUPT_NODE' }),
    )
  })

  test('error: TREE_STORE_MISMATCH for another hasher', async () => {
    for (const store of [memoryStore(), mapStore()]) {
      await createStateTree({ store }).commit([write(1)], { version: 0 })
      expect(() => createStateTree({ store, hasher: sha256Hasher() })).toThrow(
        expect.objectContaining({ code: 'TREE_STORE_MISMATCH' }),
      )
    }
  })

  test('error: malformed writes change nothing', async () => {
    const tree = createStateTree({ store: memoryStore() })
    await tree.commit([write(1)], { version: 0 })
    const root = tree.root()
    const bad: unknown[] = [
      null,
      {},
      { keyHash: new Uint8Array(31), valueHash: new Uint8Array(32) },
      { keyHash: '0x12', valueHash: null },
      { keyHash: new Uint8Array(32), valueHash: new Uint8Array(33) },
      { keyHash: new Uint8Array(32), value: 'text' },
    ]
    for (const one of bad) {
      await expect(async () =>
        tree.commit([write(2), one as never], { version: 1 }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    const corrupt = { keyHash: new Uint8Array(32), valueHash: new Uint8Array(32), value: utf8('x') }
    await expect(tree.commit([corrupt], { version: 1 })).rejects.toMatchObject({
      code: 'BYTES_CORRUPT',
    })
    expect(tree.root()).toBe(root)
    expect(tree.range()).toEqual({ oldest: 0, latest: 0 })
    await expect(tree.prune({ oldest: 5 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(tree.prune({ oldest: 0, limit: 0 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(() => tree.prove('0x1234')).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })

  test.each([1.5, Number.NaN, -1, '0', undefined])(
    'error: INVALID_INPUT for the entry at %s',
    async (index) => {
      const tree = createStateTree({ store: memoryStore() })
      await tree.commit([{ keyHash: new Uint8Array(32), value: utf8('v') }], { version: 1 })
      expect(tree.entryAt(0)?.keyHash).toEqual(new Uint8Array(32))
      expect(tree.entryAt(1)).toBeUndefined()
      expect(() => tree.entryAt(index as number)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field: 'index' }),
      )
    },
  )

  test('hex and bytes are the same key; two handles see one store', async () => {
    const store = memoryStore()
    const [a, b] = [createStateTree({ store }), createStateTree({ store })]
    await a.commit([{ keyHash: `0x${'AB'.repeat(32)}`, value: utf8('v') }], { version: 1 })
    expect(b.get(new Uint8Array(32).fill(0xab))).toBe(a.get(`0x${'ab'.repeat(32)}`))
    expect(await b.value(`0x${'ab'.repeat(32)}`)).toEqual(utf8('v'))
    expect(b.size()).toBe(1)
  })
})
