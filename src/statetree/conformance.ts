/**
 * What every `NodeStore` has to do, as tests for any framework with `describe`, `test` and `expect`.
 *
 * Each test opens a store of its own; `reopen` closes one and opens it again where that means
 * something, so that what was written is shown to be kept.
 */
import type { TestApi } from '../core/interfaces/testApi.js'
import { concat, toHex, utf8 } from '../internal/bytes.js'
import { keccak } from '../internal/keccak.js'
import { keccakHasher, sha256Hasher } from './hash/hasher.js'
import { createStateTree } from './stateTree.js'
import type { NodeStore } from './store/store.js'
import {
  type StoreUnderTest,
  testClosed,
  testJunk,
  testKept,
  testNames,
  testTreeJunk,
} from './storeRules.js'
import { encodeNode } from './tree/nodes/node.js'
import { encodeNodeKey } from './tree/nodes/nodeKey.js'
import type { TreeWrite } from './tree/writes.js'

export type { TestApi } from '../core/interfaces/testApi.js'
export type { StoreUnderTest } from './storeRules.js'

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
export function testNodeStore(api: TestApi, under: StoreUnderTest): void {
  api.describe(`node store: ${under.name}`, () => {
    testVersions(api, under)
    testNodes(api, under)
    testRecords(api, under)
    testPruning(api, under)
    testIterators(api, under)
    testBytes(api, under)
    testKept(api, under)
    testClosed(api, under)
    testJunk(api, under)
    testNames(api, under)
    testTreeJunk(api, under)
  })
}

const keepOpen = async (store: NodeStore): Promise<NodeStore> => store

function testVersions(
  { test, expect }: TestApi,
  { open, reopen = keepOpen }: StoreUnderTest,
): void {
  test('is empty at first', async () => {
    const store = await open()
    expect(store.range()).toBe(undefined)
    expect(store.rootHash(0)).toBe(undefined)
    expect(store.record('nothing')).toBe(undefined)
    expect(createStateTree({ store }).get(key(0))).toBe(undefined)
    await store.close()
  })

  test('keeps versions, and answers for each', async () => {
    let store = await open()
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
      expect(tree.get(key(version * 10), { version })).toBe(toHex(keccak(utf8(`value ${version}`))))
    }
    expect(tree.get(key(60), { version: 1 })).toBe(undefined)
    await store.close()
  })

  test('goes on after it is reopened', async () => {
    let store = await open()
    await createStateTree({ store }).commit([put(1), put(2)], { version: 0 })
    store = await reopen(store)
    const tree = createStateTree({ store })
    const { root } = await tree.commit([put(3), { keyHash: key(1), valueHash: null }], {
      version: 1,
    })
    const fresh = await open()
    const other = await createStateTree({ store: fresh }).commit([put(2), put(3)], { version: 0 })
    expect(root).toBe(other.root)
    await store.close()
    await fresh.close()
  })

  test('takes the version after its newest one, and no other, whoever made it', async () => {
    const store = await open()
    const trees = [createStateTree({ store }), createStateTree({ store })]
    for (let version = 1; version <= 3; version++) {
      const made = await Promise.allSettled(
        trees.map((tree, i) => tree.commit([put(version * 10 + i)], { version })),
      )
      expect(made.filter(({ status }) => status === 'fulfilled').length).toBe(1)
      expect(createStateTree({ store }).size()).toBe(version)
    }
    const commit = { root: new Uint8Array(32), nodes: [], stale: [], records: [] }
    for (const version of [0, 2, 3, 5]) {
      await expect(store.commit({ ...commit, version })).rejects.toMatchObject({
        code: 'TREE_VERSION',
      })
    }
    expect(store.range()).toEqual({ oldest: 1, latest: 3 })
    await store.close()
  })
}

function testNodes({ test, expect }: TestApi, { open, reopen = keepOpen }: StoreUnderTest): void {
  test('holds the nodes of a retained version under their keys', async () => {
    let store = await open()
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
    let store = await open()
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
}

function testRecords({ test, expect }: TestApi, { open, reopen = keepOpen }: StoreUnderTest): void {
  test('writes records with their version, and alone', async () => {
    let store = await open()
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
}

function testPruning({ test, expect }: TestApi, { open, reopen = keepOpen }: StoreUnderTest): void {
  test('prunes in bounded steps and keeps what is retained', async () => {
    let store = await open()
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
}

function testIterators({ test, expect }: TestApi, { open }: StoreUnderTest): void {
  const show = ({ keyHash, valueHash }: { keyHash: Uint8Array; valueHash: Uint8Array }): string =>
    toHex(keyHash) + toHex(valueHash)
  const many = (from: number, value: number): TreeWrite[] =>
    [...Array(60).keys()].map((i) => put(from + i, value))

  test('yields one version to its end, whatever is committed meanwhile', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    await tree.commit(many(0, 1), { version: 1 })
    await tree.commit(many(30, 2), { version: 2 })
    const expected = [...tree.entries()].map(show)
    const held = tree.entries()
    const seen = []
    for (let version = 3; version < 8; version++) {
      for (let i = 0; i < 3; i++) seen.push(show(held.next().value as never))
      await tree.commit(many(version * 10, version), { version })
    }
    for (const entry of held) {
      seen.push(show(entry))
      entry.keyHash.fill(0)
    }
    expect(seen).toEqual(expected)
    await store.close()
  })

  test('ends an iterator with an error once its version is pruned', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    await tree.commit(many(0, 1), { version: 1 })
    const expected = [...tree.entries()].map(show)
    const held = tree.entries()
    const seen = [show(held.next().value as never)]
    for (let version = 2; version < 6; version++)
      await tree.commit(many(version * 10, version), { version })
    for (let done = false; !done; ) done = (await tree.prune({ oldest: 5 })).done
    await tree.commit(many(0, 9), { version: 6 })
    // What it yields before it notices is still its own version's.
    const rest = async (): Promise<void> => {
      for (const entry of held) seen.push(show(entry))
    }
    const ended = await Promise.allSettled([rest()])
    expect(seen).toEqual(expected.slice(0, seen.length))
    if (ended[0].status === 'rejected') {
      await expect(Promise.reject(ended[0].reason)).rejects.toMatchObject({
        code: 'TREE_VERSION_NOT_RETAINED',
      })
    } else expect(seen.length).toBe(expected.length)
    await store.close()
  })
}

function testBytes({ test, expect }: TestApi, { open, reopen = keepOpen }: StoreUnderTest): void {
  test('keeps bytes by their hash', async () => {
    let store = await open()
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

  test('keeps the values of a commit as they were at the call, for either hasher', async () => {
    for (const hasher of [keccakHasher(), sha256Hasher()]) {
      const store = await open()
      const tree = createStateTree({ store, hasher })
      const value = utf8('a value that its owner writes over')
      const expected = toHex(value)
      const committed = tree.commit([{ keyHash: key(1), value }], { version: 1 })
      value.fill(0)
      await committed
      expect(tree.get(key(1))).toBe(toHex(hasher.hash(utf8('a value that its owner writes over'))))
      expect(toHex((await tree.value(key(1))) ?? new Uint8Array(0))).toBe(expected)
      const wrong = { keyHash: key(2), valueHash: key(3), value: utf8('not what key 3 names') }
      await expect(tree.commit([wrong], { version: 2 })).rejects.toMatchObject({
        code: 'BYTES_CORRUPT',
      })
      expect(store.range()).toEqual({ oldest: 1, latest: 1 })
      await store.close()
    }
  })
}
