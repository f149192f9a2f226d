/**
 * What every `NodeStore` has to do, as tests for any framework with `describe`, `test` and `expect`.
 *
 * Each test opens a store of its own; `reopen` closes one and opens it again where that means
 * something, so that what was written is shown to be kept.
 */
import { concat, toHex, utf8 } from '../internal/bytes.js'
import { keccak } from '../internal/keccak.js'
import { createStateTree } from './stateTree.js'
import type { NodeStore } from './store/store.js'
import { encodeNode } from './tree/node.js'
import { encodeNodeKey } from './tree/nodeKey.js'
import type { TreeWrite } from './tree/writes.js'

/** The part of a test framework that the suite uses. Vitest and Jest have it. */
export type TestApi = {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>): void
  expect(actual: unknown): {
    toBe(expected: unknown): void
    toEqual(expected: unknown): void
    rejects: { toMatchObject(expected: object): Promise<void> }
  }
}

/** How the suite gets at stores. */
export type StoreUnderTest = {
  name: string
  /** A new, empty store. */
  open(): Promise<NodeStore>
  /** Closes a store and opens it again with its content. Without it, the store is kept open. */
  reopen?: ((store: NodeStore) => Promise<NodeStore>) | undefined
}

const key = (n: number): Uint8Array => keccak(utf8(`key ${n}`))
const put = (n: number, value = n): TreeWrite => ({
  keyHash: key(n),
  valueHash: keccak(utf8(`value ${value}`)),
})

/**
 * Declares the conformance suite of a node store.
 *
 * @example
 * ```ts
 * import { memoryStore, testNodeStore } from '@newton/policy-sdk/statetree'
 * import { describe, expect, test } from 'vitest'
 *
 * testNodeStore({ describe, test, expect }, { name: 'memory', open: async () => memoryStore() })
 * ```
 */
export function testNodeStore({ describe, test, expect }: TestApi, under: StoreUnderTest): void {
  const reopen = under.reopen ?? (async (store: NodeStore) => store)

  describe(`node store: ${under.name}`, () => {
    test('is empty at first', async () => {
      const store = await under.open()
      expect(store.range()).toBe(undefined)
      expect(store.rootHash(0)).toBe(undefined)
      expect(store.record('nothing')).toBe(undefined)
      expect(createStateTree({ store }).get(key(0))).toBe(undefined)
      await store.close()
    })

    test('keeps versions, and answers for each', async () => {
      let store = await under.open()
      let tree = createStateTree({ store })
      const roots: string[] = []
      for (let version = 1; version <= 5; version++) {
        const writes = [...Array(20).keys()].map((i) => put(version * 10 + i, version))
        roots.push((await tree.commit(writes, { version })).root)
      }
      store = await reopen(store)
      tree = createStateTree({ store })
      expect(store.range()).toEqual({ oldest: 1, latest: 5 })
      for (let version = 1; version <= 5; version++) {
        expect(tree.root({ version })).toBe(roots[version - 1])
        expect(tree.size({ version })).toBe(20 + (version - 1) * 10)
        expect(tree.get(key(version * 10), { version })).toBe(
          toHex(keccak(utf8(`value ${version}`))),
        )
      }
      expect(tree.get(key(60), { version: 1 })).toBe(undefined)
      await store.close()
    })

    test('goes on after it is reopened', async () => {
      let store = await under.open()
      await createStateTree({ store }).commit([put(1), put(2)], { version: 0 })
      store = await reopen(store)
      const tree = createStateTree({ store })
      const { root } = await tree.commit([put(3), { keyHash: key(1), valueHash: null }], {
        version: 1,
      })
      const fresh = await under.open()
      const other = await createStateTree({ store: fresh }).commit([put(2), put(3)], { version: 0 })
      expect(root).toBe(other.root)
      await store.close()
      await fresh.close()
    })

    test('holds the nodes of a retained version under their keys', async () => {
      let store = await under.open()
      const tree = createStateTree({ store })
      const { batch } = await tree.commit(
        [...Array(40).keys()].map((i) => put(i)),
        { version: 0 },
      )
      const nodes = batch.nodes()
      store = await reopen(store)
      for (const { key: name, node } of nodes) {
        // Leaves lie inside their parents.
        if (node.type === 'leaf') continue
        const expected = encodeNode(node)
        expect(toHex(store.getNode(encodeNodeKey(name)) ?? new Uint8Array(0))).toBe(toHex(expected))
      }
      const missing = { version: 7, nibbles: 2, path: Uint8Array.of(0xab) }
      expect(store.getNode(encodeNodeKey(missing))).toBe(undefined)
      await store.close()
    })

    test('keeps an empty tree and commits without change', async () => {
      let store = await under.open()
      let tree = createStateTree({ store })
      await tree.commit([], { version: 0 })
      await tree.commit([put(1)], { version: 1 })
      await tree.commit([], { version: 2 })
      await tree.commit([{ keyHash: key(1), valueHash: null }], { version: 3 })
      await tree.commit([], { version: 4 })
      store = await reopen(store)
      tree = createStateTree({ store })
      expect(tree.root({ version: 0 })).toBe(tree.root({ version: 4 }))
      expect(tree.root({ version: 1 })).toBe(tree.root({ version: 2 }))
      expect((await tree.commit([put(1)], { version: 5 })).root).toBe(tree.root({ version: 1 }))
      await store.close()
    })

    test('writes records with their version, and alone', async () => {
      let store = await under.open()
      const tree = createStateTree({ store })
      await tree.commit([put(1)], {
        version: 0,
        records: [
          ['a/1', utf8('one')],
          ['b', utf8('two')],
        ],
      })
      await store.writeRecords([
        ['a/2', utf8('three')],
        ['b', null],
      ])
      store = await reopen(store)
      expect(toHex(store.record('a/1') ?? new Uint8Array(0))).toBe(toHex(utf8('one')))
      expect(store.record('b')).toBe(undefined)
      expect(store.recordNames('a/')).toEqual(['a/1', 'a/2'])
      await store.close()
    })

    test('prunes in bounded steps and keeps what is retained', async () => {
      let store = await under.open()
      let tree = createStateTree({ store })
      const roots = []
      for (let version = 0; version < 12; version++) {
        const writes = [...Array(15).keys()].map((i) => put(i * (version + 1), version))
        roots.push((await tree.commit(writes, { version })).root)
      }
      let steps = 0
      for (let done = false; !done; steps++) done = (await tree.prune({ oldest: 9, limit: 7 })).done
      expect(steps > 3).toBe(true)
      expect(await tree.prune({ oldest: 9 })).toEqual({ removed: 0, done: true })
      expect(await tree.prune({ oldest: 3 })).toEqual({ removed: 0, done: true })
      store = await reopen(store)
      tree = createStateTree({ store })
      expect(store.range()).toEqual({ oldest: 9, latest: 11 })
      for (const version of [9, 10, 11]) {
        expect(tree.root({ version })).toBe(roots[version])
        for (const { keyHash, valueHash } of tree.entries({ version })) {
          expect(tree.get(keyHash, { version })).toBe(toHex(valueHash))
        }
      }
      await store.close()
    })

    test('keeps bytes by their hash', async () => {
      let store = await under.open()
      const bytes = concat(utf8('bytes of a value'), new Uint8Array(100_000))
      const hash = toHex(keccak(bytes))
      expect(await store.bytes.get(hash)).toBe(undefined)
      await store.bytes.put(hash, bytes)
      await store.bytes.put(hash, bytes)
      await expect(store.bytes.put(hash, utf8('others'))).rejects.toMatchObject({
        code: 'BYTES_CORRUPT',
      })
      store = await reopen(store)
      expect(await store.bytes.has(hash)).toBe(true)
      expect(toHex((await store.bytes.get(hash)) ?? new Uint8Array(0))).toBe(toHex(bytes))
      expect((await store.bytes.list()).includes(hash)).toBe(true)
      await store.bytes.delete(hash)
      await store.bytes.delete(hash)
      expect(await store.bytes.has(hash)).toBe(false)
      await store.close()
    })
  })
}
