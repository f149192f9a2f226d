/** Rules of the conformance suite for what should not be asked of a store: after its end, and junk. */
import type { TestApi } from '../core/interfaces/testApi.js'
import { toHex, utf8 } from '../internal/bytes.js'
import { keccak } from '../internal/keccak.js'
import { verifyProof } from './proof/proof.js'
import { createStateTree, type StateTree } from './stateTree.js'
import type { NodeStore, StoreCommit } from './store/store.js'

/** How the suite gets at stores. */
export type StoreUnderTest = {
  name: string
  /** A new, empty store. */
  open(): Promise<NodeStore>
  /** Closes a store and opens it again with its content. Without it, the store is kept open. */
  reopen?: ((store: NodeStore) => Promise<NodeStore>) | undefined
}

const key = keccak(utf8('a key'))
const write = { keyHash: key, valueHash: keccak(utf8('a value')) }
const refused = { code: 'INVALID_INPUT' }

async function attempt(work: () => unknown): Promise<unknown> {
  return work()
}

/** What every store answers once it is closed. */
export function testClosed({ test, expect }: TestApi, { open }: StoreUnderTest): void {
  test('refuses every call after its end with one error, and a second end with none', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    await tree.commit([write], { version: 1 })
    const held = tree.entries()
    await store.close()
    await store.close()
    const commit: StoreCommit = { version: 2, root: key, nodes: [], stale: [], records: [] }
    const calls: (() => unknown)[] = [
      () => store.range(),
      () => store.rootHash(1),
      () => store.getNode(new Uint8Array(9)),
      () => store.record('a'),
      () => store.recordNames(''),
      () => store.commit(commit),
      () => store.writeRecords([]),
      () => store.prune({ oldest: 1, limit: 1 }),
      () => tree.range(),
      () => tree.root(),
      () => tree.get(key),
      () => tree.prove(key),
      () => tree.commit([write], { version: 2 }),
      () => tree.prune({ oldest: 1 }),
      () => createStateTree({ store }).root(),
    ]
    for (const call of calls)
      await expect(attempt(call)).rejects.toMatchObject({ code: 'TREE_STORE_CLOSED' })
    // What an iterator has in memory it may still give; what it asks for it is refused.
    const rest = await Promise.allSettled([attempt(() => [...held])])
    if (rest[0].status === 'rejected')
      await expect(Promise.reject(rest[0].reason)).rejects.toMatchObject({
        code: 'TREE_STORE_CLOSED',
      })
  })

  test('an end during a commit leaves the old version or the new one, and one error', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    await tree.commit([write], { version: 1 })
    const value = new Uint8Array(100_000).fill(7)
    const commits = [2, 3, 4].map((version) =>
      tree.commit([{ keyHash: keccak(Uint8Array.of(version)), value }], { version }),
    )
    await store.close()
    for (const outcome of await Promise.allSettled(commits)) {
      if (outcome.status === 'fulfilled') continue
      await expect(Promise.reject(outcome.reason)).rejects.toMatchObject({
        code: 'TREE_STORE_CLOSED',
      })
    }
  })
}

/** What every store refuses before anything of it is kept. */
export function testJunk({ test, expect }: TestApi, { open }: StoreUnderTest): void {
  test('refuses records, versions and prunes that are none, and keeps nothing of them', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    const records: unknown[] = [
      [['a', 'no bytes']],
      [['a', undefined]],
      [['a', [1]]],
      [[5, key]],
      [['', key]],
      [null],
      'text',
      5,
      null,
    ]
    const both = [
      ['good', key],
      ['bad', 'no bytes'],
    ]
    for (const junk of [...records, both]) {
      const given = junk as StoreCommit['records']
      await expect(attempt(() => store.writeRecords(given))).rejects.toMatchObject(refused)
      const commit = { version: 1, root: key, nodes: [], stale: [], records: given }
      await expect(attempt(() => store.commit(commit))).rejects.toMatchObject(refused)
      await expect(
        attempt(() => tree.commit([write], { version: 1, records: given })),
      ).rejects.toMatchObject(refused)
    }
    for (const version of [Number.NaN, -1, 1.5, 2 ** 53, '1', null, undefined] as number[]) {
      const commit = { version, root: key, nodes: [], stale: [], records: [] }
      await expect(attempt(() => store.commit(commit))).rejects.toMatchObject(refused)
      expect(store.rootHash(version)).toBe(undefined)
    }
    expect(store.range()).toBe(undefined)
    expect(store.recordNames('')).toEqual([])
    await tree.commit([write], { version: 1 })
    for (const junk of [Number.NaN, -1, 1.5, '1', null] as number[]) {
      await expect(attempt(() => store.prune({ oldest: junk, limit: 1 }))).rejects.toMatchObject(
        refused,
      )
      await expect(attempt(() => store.prune({ oldest: 1, limit: junk }))).rejects.toMatchObject(
        refused,
      )
    }
    expect(store.range()).toEqual({ oldest: 1, latest: 1 })
    await store.close()
  })
}

/** What a store keeps is what it was given, all of it or nothing, and what it prunes is gone. */
export function testKept(api: TestApi, store: StoreUnderTest): void {
  testLarge(api, store)
  const { test, expect } = api
  const { open, reopen = async (store) => store } = store
  const read = (store: NodeStore, name: string): string =>
    toHex(store.record(name) ?? Uint8Array.of(0, 0, 0))
  const filled = (length: number): Uint8Array => new Uint8Array(length).fill(7)

  test('keeps records of any length, apart from what was given and what is read', async () => {
    let store = await open()
    const lengths = [0, 1, 2_000, 5_000, 300_000]
    const given = lengths.map((length) => [`long/${length}`, filled(length)] as const)
    await store.writeRecords(given.slice(0, 3))
    const tree = createStateTree({ store })
    const { root } = await tree.commit([write], { version: 1, records: given.slice(3) })
    for (const [, value] of given) value.fill(0)
    for (const [name] of given) store.record(name)?.fill(1)
    const range = store.range()
    if (range !== undefined) Object.assign(range, { oldest: 5, latest: 5 })
    store.rootHash(1)?.fill(1)
    for (let round = 0; round < 2; round++) {
      for (const length of lengths)
        expect(read(store, `long/${length}`)).toBe(toHex(filled(length)))
      expect(store.range()).toEqual({ oldest: 1, latest: 1 })
      expect(toHex(store.rootHash(1) ?? new Uint8Array(0))).toBe(root)
      store = await reopen(store)
    }
    await store.close()
  })

  test('keeps nothing of a commit that it refuses', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    await store.writeRecords([['a', key]])
    await tree.commit([write], { version: 1 })
    const root = tree.root()
    for (const version of [1, 3]) {
      const records: StoreCommit['records'] = [
        ['a', null],
        ['b', key],
      ]
      const commit = { version, root: keccak(key), nodes: [], stale: [], records }
      await expect(attempt(() => store.commit(commit))).rejects.toMatchObject({
        code: 'TREE_VERSION',
      })
    }
    expect(read(store, 'a')).toBe(toHex(key))
    expect(store.record('b')).toBe(undefined)
    expect(store.range()).toEqual({ oldest: 1, latest: 1 })
    expect(createStateTree({ store }).root()).toBe(root)
    await store.close()
  })
}

function testLarge(
  { test, expect }: TestApi,
  { open, reopen = async (store) => store }: StoreUnderTest,
): void {
  test('keeps all of a large commit', async () => {
    let store = await open()
    const tree = createStateTree({ store })
    const keys = [...Array(3_000).keys()].map((i) => keccak(Uint8Array.of(i >> 8, i)))
    const { root } = await tree.commit(
      keys.map((keyHash) => ({ keyHash, valueHash: key })),
      { version: 1 },
    )
    store = await reopen(store)
    const again = createStateTree({ store })
    expect([...again.entries()].length).toBe(keys.length)
    for (const keyHash of keys) {
      const proof = again.prove(keyHash)
      expect(verifyProof({ root, keyHash, valueHash: key, proof })).toBe(true)
    }
    await store.close()
  })

  test('has no roots and nodes left that it has pruned', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    const rootNode = (version: number): Uint8Array => new Uint8Array(9).fill(version, 7, 8)
    for (let version = 1; version < 5; version++)
      await tree.commit(
        [...Array(40).keys()].map((i) => ({
          keyHash: keccak(Uint8Array.of(i)),
          valueHash: keccak(Uint8Array.of(i, version)),
        })),
        { version },
      )
    for (let version = 1; version < 5; version++)
      expect(store.getNode(rootNode(version)) === undefined).toBe(false)
    const { removed, done } = await tree.prune({ oldest: 4 })
    expect(done && removed > 40).toBe(true)
    for (let version = 1; version < 4; version++) {
      expect(store.rootHash(version)).toBe(undefined)
      expect(store.getNode(rootNode(version))).toBe(undefined)
    }
    expect(store.getNode(rootNode(4)) === undefined).toBe(false)
    await store.close()
  })
}

/** Names of records and nodes mean the same in every store, or nothing in any. */
export function testNames({ test, expect }: TestApi, { open }: StoreUnderTest): void {
  test('takes any well-formed name up to 1,024 bytes, and refuses all others alike', async () => {
    const store = await open()
    const names = ['a', 'é', 'z\u{10000}', 'z\uffff', '\0', 'x'.repeat(1_024), 'é'.repeat(512)]
    await store.writeRecords(names.map((name) => [name, utf8(name)] as const))
    expect(store.recordNames('')).toEqual([...names].sort())
    for (const name of names) expect(store.record(name)).toEqual(utf8(name))
    const junk: unknown[] = [
      ...['', 'b\ud800', '\udc00b', 'x'.repeat(1_025), 'é'.repeat(513), '\u{10000}'.repeat(300)],
      ...[undefined, null, 5, {}, key],
    ]
    for (const name of junk as string[]) {
      await expect(attempt(() => store.record(name))).rejects.toMatchObject(refused)
      await expect(attempt(() => store.writeRecords([[name, key]]))).rejects.toMatchObject(refused)
      await expect(attempt(() => store.writeRecords([[name, null]]))).rejects.toMatchObject(refused)
      if (name !== '')
        await expect(attempt(() => store.recordNames(name))).rejects.toMatchObject(refused)
    }
    for (const nodeKey of [0, 8, 42, 5_000].map((length) => new Uint8Array(length)))
      await expect(attempt(() => store.getNode(nodeKey))).rejects.toMatchObject(refused)
    await expect(attempt(() => store.getNode('0x' as never))).rejects.toMatchObject(refused)
    for (const root of [new Uint8Array(5), new Uint8Array(33), '0x', undefined] as Uint8Array[]) {
      const commit = { version: 1, root, nodes: [], stale: [], records: [] }
      await expect(attempt(() => store.commit(commit))).rejects.toMatchObject(refused)
    }
    expect(store.range()).toBe(undefined)
    expect(store.recordNames('').length).toBe(names.length)
    await store.close()
  })
}

/** What a tree refuses, on whatever store. */
export function testTreeJunk({ test, expect }: TestApi, { open }: StoreUnderTest): void {
  test('a tree on it reads no other version than the one that was meant', async () => {
    const store = await open()
    const tree = createStateTree({ store })
    for (const junk of [5, undefined, null, '', 'text', {}, true])
      await expect(attempt(() => tree.commit(junk as never, { version: 1 }))).rejects.toMatchObject(
        refused,
      )
    for (const junk of [undefined, null, 5, {}, { verison: 1 }])
      await expect(attempt(() => tree.commit([write], junk as never))).rejects.toMatchObject(
        refused,
      )
    expect(store.range()).toBe(undefined)
    await tree.commit([write], { version: 1 })
    await tree.commit([{ keyHash: key, valueHash: null }], { version: 2 })
    const reads: ((tree: StateTree, at: never) => unknown)[] = [
      (own, at) => own.get(key, at),
      (own, at) => own.root(at),
      (own, at) => own.size(at),
      (own, at) => own.prove(key, at),
      (own, at) => own.proveTyped(key, at),
      (own, at) => own.value(key, at),
      (own, at) => own.entryAt(0, at),
      (own, at) => own.entries(at),
    ]
    for (const read of reads) {
      for (const at of [5, null, 'text', { verison: 1 }, { version: null }])
        await expect(attempt(() => read(tree, at as never))).rejects.toMatchObject(refused)
      for (const version of [0, 3, 1.5, Number.NaN, -1, '1'])
        await expect(attempt(() => read(tree, { version } as never))).rejects.toMatchObject({
          code: 'TREE_VERSION_NOT_RETAINED',
        })
    }
    for (const oldest of [-1, 1.5, 3, Number.NaN, null])
      await expect(attempt(() => tree.prune({ oldest } as never))).rejects.toMatchObject(refused)
    for (const junk of [undefined, null, 5, {}])
      await expect(attempt(() => tree.prune(junk as never))).rejects.toMatchObject(refused)
    expect(store.range()).toEqual({ oldest: 1, latest: 2 })
    await store.close()
  })
}
