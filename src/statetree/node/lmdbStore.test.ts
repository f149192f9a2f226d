import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { afterAll, describe, expect, test } from 'vitest'
import { toHex } from '../../internal/bytes.js'
import { testNodeStore } from '../conformance.js'
import { keccakHasher, sha256Hasher } from '../hash/hasher.js'
import { createStateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import type { NodeStore, StoreCommit } from '../store/store.js'
import { encodeNode } from '../tree/nodes/node.js'
import { encodeNodeKey } from '../tree/nodes/nodeKey.js'
import { fileBytes } from './fileBytes.js'
import { lmdbStore } from './lmdbStore.js'

const base = mkdtempSync(join(tmpdir(), 'lmdb-store-'))
const paths = new Map<NodeStore, string>()
let count = 0
const open = async (path = join(base, String(count++))): Promise<NodeStore> => {
  const store = await lmdbStore({ path })
  paths.set(store, path)
  return store
}
afterAll(() => rmSync(base, { recursive: true, force: true }))

testNodeStore({ describe, test, expect }, { name: 'memory', open: async () => memoryStore() })
testNodeStore(
  { describe, test, expect },
  {
    name: 'lmdb',
    open: () => open(),
    async reopen(store) {
      await store.close()
      return open(paths.get(store))
    },
  },
)

test('error: another hasher', async () => {
  const store = await open()
  await createStateTree({ store }).commit(
    [{ keyHash: new Uint8Array(32), valueHash: new Uint8Array(32) }],
    { version: 0 },
  )
  expect(() => createStateTree({ store, hasher: sha256Hasher() })).toThrow(
    'hasher keccak256, expected sha256',
  )
  await store.close()
})

describe('fileBytes', () => {
  const hash = keccakHasher().hash
  const damages: [string, (whole: Uint8Array) => Uint8Array][] = [
    ['cut short', (whole) => whole.slice(0, 500)],
    ['changed', (whole) => whole.map((byte, i) => (i === 7 ? byte ^ 1 : byte))],
    ['empty', () => new Uint8Array(0)],
    ['longer', (whole) => Uint8Array.of(...whole, 0)],
  ]
  test.each(damages)(
    'a file that is %s is refused by get, and mended by put',
    async (_, damage) => {
      const directory = mkdtempSync(join(base, 'bytes-'))
      const bytes = await fileBytes({ directory })
      const whole = new Uint8Array(1_000).fill(7)
      const name = toHex(hash(whole))
      await bytes.put(name, whole)
      writeFileSync(join(directory, name.slice(2, 4), name.slice(2)), damage(whole))
      await expect(bytes.get(name)).rejects.toMatchObject({ code: 'BYTES_CORRUPT' })
      await bytes.put(name, whole)
      expect(await bytes.get(name)).toEqual(whole)
      expect(readdirSync(join(directory, 'incoming'))).toEqual([])
    },
  )

  test('error: STORE_WRITE where the file cannot be written, and nothing is left behind', async () => {
    const directory = mkdtempSync(join(base, 'bytes-'))
    const bytes = await fileBytes({ directory })
    const whole = new Uint8Array(10)
    const name = toHex(hash(whole))
    // A file stands where the folder has to be.
    writeFileSync(join(directory, name.slice(2, 4)), '')
    await expect(bytes.put(name, whole)).rejects.toMatchObject({
      code: 'STORE_WRITE',
      retryable: true,
    })
    rmSync(join(directory, name.slice(2, 4)))
    await bytes.put(name, whole)
    expect(await bytes.has(name)).toBe(true)
  })
})

test('behavior: a commit gives the store the nodes of its batch, in the order of their keys', async () => {
  const store = await open()
  const seen: StoreCommit[] = []
  const watched = {
    ...store,
    commit: (commit: StoreCommit) => {
      seen.push(commit)
      return store.commit(commit)
    },
  }
  const tree = createStateTree({ store: watched })
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  // Keys that differ in few bits, so that nodes are deep, lone leaves rise and empty again.
  const key = (n: number): Uint8Array => {
    const out = new Uint8Array(32).fill(n % 3 === 0 ? 0xff : 0)
    out[n % 5] = n % 7
    out[20] = n % 11
    return out
  }
  const inner = new Set<string>()
  try {
    for (let version = 1; version <= 40; version++) {
      const writes = Array.from({ length: 12 }, (_, i) => {
        const n = (version * 7_919 + i * 104_729) % 61
        const deletes = (version + i) % 3 === 0
        return { keyHash: key(n), valueHash: deletes ? null : key(n + version) }
      })
      const { batch } = await tree.commit(writes, { version })
      const last = seen.at(-1) as StoreCommit
      const [nodes, stale] = [[...last.nodes], [...last.stale]]
      const expected = batch
        .nodes()
        .filter(({ key: name, node }) => node.type !== 'leaf' || name.nibbles === 0)
      expect(nodes.map(([name]) => hex(name))).toEqual(
        expected.map(({ key: name }) => hex(encodeNodeKey(name))),
      )
      expect(nodes.map(([, value]) => hex(value))).toEqual(
        expected.map(({ node }) => hex(encodeNode(node))),
      )
      const replaced = batch.stale().map((name) => hex(encodeNodeKey(name)))
      expect(stale.map(hex)).toEqual(replaced.filter((name) => inner.has(name)))
      for (const [name] of nodes) inner.add(hex(name))
    }
  } finally {
    await store.close()
  }
})

test('behavior: nodes and names are kept whatever their order, and whatever came before', async () => {
  const store = await open()
  const name = (version: number, byte: number): Uint8Array =>
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, version, 2, byte)
  const nodes = [3, 1, 2, 2, 9, 4].map((byte) => [name(7, byte), Uint8Array.of(byte)] as const)
  const older = [name(1, 5), Uint8Array.of(5)] as const
  const root = new Uint8Array(32)
  await store.commit({ version: 1, root, nodes, stale: [], records: [] })
  const stale = [name(7, 9), name(7, 1)]
  await store.commit({ version: 2, root, nodes: [older], stale, records: [] })
  for (const [key, value] of [...nodes, older]) expect(store.getNode(key)).toEqual(value)
  for (const [removed, done] of [
    [1, false],
    [1, true],
    [0, true],
  ] as const)
    expect(await store.prune({ oldest: 2, limit: 1 })).toEqual({ removed, done })
  for (const [key, value] of [...nodes, older]) {
    const isGone = key[9] === 9 || key[9] === 1
    expect(store.getNode(key)).toEqual(isGone ? undefined : value)
  }
  await store.close()
})

test('error: a store of an older layout', async () => {
  const path = join(base, 'older')
  await (await lmdbStore({ path })).close()
  const root = openLmdb({ path: join(path, 'tree.mdb'), noSubdir: true, maxDbs: 8 })
  const meta = root.openDB({ name: 'meta', keyEncoding: 'binary', encoding: 'binary' })
  await meta.put(Buffer.from('layout'), Buffer.from('1'))
  await root.close()
  await expect(lmdbStore({ path })).rejects.toMatchObject({ code: 'TREE_STORE_MISMATCH' })
})

test('error: options that are none, and folders that cannot be', async () => {
  const junk = [undefined, null, 5, {}, { path: 5 }, { path: base, bytes: 5 }, { pth: base }]
  for (const options of junk) {
    await expect(lmdbStore(options as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(fileBytes(options as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
  const file = join(base, 'no-folder')
  writeFileSync(file, 'text')
  // Node's own recursive mkdir never ends for the last one.
  for (const path of [file, join(file, 'below'), '/proc/newton/below']) {
    await expect(lmdbStore({ path })).rejects.toMatchObject({ code: 'STORE_WRITE' })
    await expect(fileBytes({ directory: path })).rejects.toMatchObject({ code: 'STORE_WRITE' })
  }
  for (const options of [
    null,
    5,
    { store: null },
    { store: {} },
    { store: memoryStore(), stor: 1 },
  ])
    expect(() => createStateTree(options as never)).toThrowError(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  for (const maxResidentRecords of [0, Number.NaN, -1, '5', null])
    expect(() =>
      createStateTree({ store: memoryStore(), maxResidentRecords } as never),
    ).toThrowError(expect.objectContaining({ code: 'INVALID_INPUT' }))
})

test('error: a database that was emptied beside the bytes of its tree is no new one', async () => {
  const path = join(base, String(count++))
  let store = await open(path)
  const value = new TextEncoder().encode('package example')
  const keyHash = new Uint8Array(32).fill(1)
  await createStateTree({ store }).commit([{ keyHash, value }], { version: 1 })
  await store.close()
  expect(() => store.range()).toThrowError(expect.objectContaining({ code: 'TREE_STORE_CLOSED' }))
  writeFileSync(join(path, 'tree.mdb'), '')
  await expect(lmdbStore({ path })).rejects.toMatchObject({ code: 'DATABASE_DAMAGED' })
  // One that was never written is made anew.
  const fresh = join(base, String(count++))
  store = await open(fresh)
  await store.close()
  writeFileSync(join(fresh, 'tree.mdb'), '')
  store = await open(fresh)
  expect(store.range()).toBeUndefined()
  await store.close()
})
