/** Each known defect of the reference crate and of other trees, shown to be absent here. */
import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/internal/bytes.js'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { PLACEHOLDER_HASH } from '../../src/statetree/hash/scheme.js'
import { proveMany, verifyMultiProof } from '../../src/statetree/proof/multiproof.js'
import { verifyProof } from '../../src/statetree/proof/proof.js'
import { verifyRangeProof } from '../../src/statetree/proof/rangeProof.js'
import { verifyTypedProof } from '../../src/statetree/proof/typedProof.js'
import { assertUpdate, proveUpdate, verifyUpdate } from '../../src/statetree/proof/updateProof.js'
import { snapshotChunk } from '../../src/statetree/snapshot/chunk.js'
import { restoreSnapshot } from '../../src/statetree/snapshot/restore.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import type { TreeEntry } from '../../src/statetree/tree/iterate.js'
import { mapStore } from './mapStore.js'
import { seeded } from './model.js'

const hasher = keccakHasher()
const key = (n: number): Uint8Array => hasher.hash(Uint8Array.of(n & 255, n >> 8))
const put = (n: number, value = n) => ({ keyHash: key(n), valueHash: key(value + 1_000) })

async function treeOf(count: number) {
  const tree = createStateTree({ store: mapStore(), hasher })
  await tree.commit(
    [...Array(count).keys()].map((n) => put(n)),
    { version: 0 },
  )
  return tree
}

describe('update proofs', () => {
  test('1. an empty proof does not make the delete of a present key a no-op', async () => {
    const tree = await treeOf(5)
    const root = tree.root()
    const writes = [{ keyHash: key(2), valueHash: null }]
    const empty = {
      oldRoot: root,
      newRoot: root,
      writes,
      proof: [{ leaf: undefined, siblings: [] }],
    }
    expect(() => assertUpdate(empty)).toThrow('another root')
    // Nor does any true proof of another key.
    const other = tree.proveTyped(new Uint8Array(32).fill(0xaa))
    expect(verifyUpdate({ ...empty, proof: [other] })).toBe(false)
    const single = await treeOf(1)
    const alone = {
      oldRoot: single.root(),
      newRoot: single.root(),
      writes: [{ keyHash: key(0), valueHash: null }],
    }
    expect(verifyUpdate({ ...alone, proof: [{ leaf: undefined, siblings: [] }] })).toBe(false)
  })

  test('2. a leaf that has nothing to do with the key is refused, not a crash', async () => {
    const tree = await treeOf(40)
    const far = tree.proveTyped(key(7))
    const next = seeded(3)
    for (let i = 0; i < 200; i++) {
      const keyHash = hasher.hash(Uint8Array.of(next(256), 9, 9))
      const claim = {
        oldRoot: tree.root(),
        newRoot: tree.root(),
        writes: [{ keyHash, valueHash: key(1) }],
        proof: [far],
      }
      expect(verifyUpdate(claim)).toBe(false)
    }
    const honest = proveUpdate(tree, [{ keyHash: key(99), valueHash: key(1) }])
    expect(verifyUpdate({ ...honest, writes: [{ keyHash: key(99), valueHash: key(1) }] })).toBe(
      true,
    )
  })
})

describe('hex in the place of bytes', () => {
  // Keys of bytes 0 to 9 are those that a string's characters are taken for as numbers.
  const digits = (n: number) => {
    const bytes = new Uint8Array(32)
    for (let i = 2; i < 32; i++) bytes[i] = (i * n) % 10
    return bytes
  }
  const asText = (bytes: Uint8Array): Hex =>
    `0x${[...bytes.slice(2)].map(String).join('')}${'0'.repeat(34)}`
  const [keyHash, valueHash] = [digits(7), digits(3)]

  test('a leaf of text is the bytes it spells, and proves nothing of others', async () => {
    const tree = createStateTree({ store: memoryStore() })
    const { root } = await tree.commit([{ keyHash, valueHash }], { version: 1 })
    const leaf = { keyHash: asText(keyHash), valueHash: asText(valueHash) } as never
    const writes = [{ keyHash, valueHash: null }]
    expect(
      verifyUpdate({ oldRoot: root, newRoot: root, writes, proof: [{ leaf, siblings: [] }] }),
    ).toBe(false)
    const range = { from: new Uint8Array(32), to: new Uint8Array(32).fill(255) }
    const proof = { tags: new Uint8Array(0), hashes: new Uint8Array(0) }
    expect(verifyRangeProof({ root, range, entries: [leaf], proof })).toBe(false)
    // The same leaf, spelled right, is the leaf.
    const spelled = { keyHash: toHex(keyHash), valueHash: toHex(valueHash) } as never
    expect(verifyRangeProof({ root, range, entries: [spelled], proof })).toBe(true)
    for (const verify of [verifyProof, verifyTypedProof] as const) {
      const typed = { leaf, siblings: [] } as never
      expect(verify({ root, keyHash, valueHash: null, proof: typed })).toBe(false)
    }
  })
})

describe('versions', () => {
  test('3. a version gap is refused and the tree is kept', async () => {
    for (const store of [memoryStore(), mapStore()]) {
      const tree = createStateTree({ store, hasher })
      await tree.commit([put(1), put(2)], { version: 0 })
      const root = tree.root()
      await expect(tree.commit([put(3)], { version: 7 })).rejects.toMatchObject({
        code: 'TREE_VERSION',
      })
      await expect(tree.commit([put(3)], { version: 2 })).rejects.toMatchObject({
        code: 'TREE_VERSION',
      })
      expect(tree.root()).toBe(root)
      expect(tree.range()).toEqual({ oldest: 0, latest: 0 })
      await expect(
        createStateTree({ store: mapStore() }).commit([], { version: 2 }),
      ).rejects.toMatchObject({ code: 'TREE_VERSION' })
    }
  })

  test('4. fifty commits without change leave one node to keep', async () => {
    for (const write of [[], [{ keyHash: key(99), valueHash: null }]]) {
      for (const start of [[], [put(1)], [put(1), put(2), put(3)]]) {
        const store = mapStore()
        const tree = createStateTree({ store, hasher })
        await tree.commit(start, { version: 0 })
        const nodes = store.nodes.size
        for (let version = 1; version <= 50; version++) await tree.commit(write, { version })
        while (!(await tree.prune({ oldest: 50, limit: 20 })).done) {}
        expect(store.nodes.size).toBe(nodes)
      }
    }
  })

  test('6. a version is committed once, the first one too', async () => {
    const tree = createStateTree({ store: memoryStore(), hasher })
    await tree.commit([put(1)], { version: 0 })
    await expect(tree.commit([put(2)], { version: 0 })).rejects.toMatchObject({
      code: 'TREE_VERSION',
    })
    expect(tree.get(key(1))).toBeDefined()
    // Two at once: one of them.
    const both = await Promise.allSettled([
      tree.commit([put(3)], { version: 1 }),
      tree.commit([put(4)], { version: 1 }),
    ])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(tree.get(key(4))).toBeUndefined()
  })

  test('bad numbers are refused', async () => {
    const tree = createStateTree({ store: memoryStore(), hasher })
    for (const version of [-1, 0.5, Number.NaN, 2 ** 60, '1' as never]) {
      await expect(tree.commit([], { version })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(() => tree.root({ version: 3 })).toThrow('not in the tree')
    await tree.commit([], { version: 1 })
    for (const version of [0, 2, 1.5, Number.NaN])
      expect(() => tree.root({ version })).toThrow('not in the tree')
  })
})

describe('5. restore', () => {
  test('a truncated snapshot does not finish', async () => {
    const tree = await treeOf(30)
    const restore = await restoreSnapshot({ store: mapStore(), version: 0, root: tree.root() })
    await restore.addChunk(
      snapshotChunk(tree, { version: 0, from: new Uint8Array(32), maxLeaves: 10 }),
    )
    await expect(restore.finish()).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
  })

  test('a refused chunk does not spoil the restore', async () => {
    const tree = await treeOf(30)
    const restore = await restoreSnapshot({ store: mapStore(), version: 0, root: tree.root() })
    const chunk = snapshotChunk(tree, { version: 0, from: new Uint8Array(32), maxLeaves: 100 })
    await expect(
      restore.addChunk({ ...chunk, entries: chunk.entries.slice(0, -1) }),
    ).rejects.toMatchObject({ code: 'TREE_INVALID_PROOF' })
    await restore.addChunk(chunk)
    expect((await restore.finish()).root()).toBe(tree.root())
  })

  test('an empty tree is restored', async () => {
    const tree = await treeOf(0)
    expect(tree.root()).toBe(`0x${bytesToHex(PLACEHOLDER_HASH)}`)
    const restore = await restoreSnapshot({ store: mapStore(), version: 0, root: tree.root() })
    const from = restore.next() as Uint8Array
    await restore.addChunk(snapshotChunk(tree, { version: 0, from }))
    const restored = await restore.finish()
    expect(restored.size()).toBe(0)
    expect(restored.prove(key(1))).toEqual(tree.prove(key(1)))
  })
})

describe('pruning', () => {
  test('7. node counts of the twelve-node tree, as the crate has them', async () => {
    const file = new URL('../vectors/jmt/versions_keccak256.json', import.meta.url)
    const { scenarios } = JSON.parse(readFileSync(file, 'utf8'))
    const { versions } = scenarios.find(
      ({ name }: { name: string }) => name === 'diem_batch_insertion_separate',
    )
    const tree = createStateTree({ store: memoryStore(), hasher })
    let nodes = 0
    const stale: number[] = []
    for (const { version, ops } of versions) {
      const writes = ops.map((op: { keyHash: string; value: string }) => ({
        keyHash: `0x${op.keyHash}`,
        value: hexToBytes(op.value),
      }))
      const { stats, batch } = await tree.commit(writes, { version })
      nodes += stats.newNodes
      stale.push(batch.stale().length)
    }
    expect(nodes).toBe(26)
    const left = stale.slice(1).map((count) => {
      nodes -= count
      return nodes
    })
    expect(left).toEqual([25, 23, 21, 18, 14, 12])
  })

  test('7. only what no retained version needs goes', async () => {
    const store = mapStore()
    const tree = createStateTree({ store, hasher })
    await tree.commit(
      [...Array(50).keys()].map((n) => put(n)),
      { version: 0 },
    )
    for (let version = 1; version <= 20; version++)
      await tree.commit([put(version, version * 7)], { version })
    while (!(await tree.prune({ oldest: 15, limit: 3 })).done) {}
    // Nodes of version 0 are still there: most of the tree is.
    expect(tree.size({ version: 15 })).toBe(50)
    for (const version of [15, 20]) {
      for (const { keyHash, valueHash } of tree.entries({ version })) {
        const proof = tree.prove(keyHash, { version })
        expect(verifyProof({ root: tree.root({ version }), keyHash, valueHash, proof })).toBe(true)
      }
    }
    expect(() => tree.get(key(1), { version: 14 })).toThrow('not in the tree')
  })

  test('12. a damaged or missing node is an error, not a wrong answer', async () => {
    const store = mapStore()
    await createStateTree({ store, hasher }).commit(
      [...Array(200).keys()].map((n) => put(n)),
      { version: 0 },
    )
    const names = [...store.nodes.keys()]
    for (const name of names.slice(0, 30)) {
      const node = store.nodes.get(name) as Uint8Array
      for (const change of [
        undefined,
        node.slice(1),
        node.map((byte, i) => (i === node.length - 5 ? byte ^ 1 : byte)),
      ]) {
        if (change === undefined) store.nodes.delete(name)
        else store.nodes.set(name, change)
        const tree = createStateTree({ store, hasher })
        const read = (): unknown => [...tree.entries()]
        expect(read).toThrow(/missing|decoded|hash/)
        store.nodes.set(name, node)
      }
    }
    expect([...createStateTree({ store, hasher }).entries()].length).toBe(200)
  })
})

describe('shape of keys', () => {
  test('8, 9. keys that share 63 nibbles, and their neighbours, at every version', async () => {
    const tree = createStateTree({ store: mapStore(), hasher })
    const near = (last: number): Uint8Array => {
      const bytes = new Uint8Array(32).fill(0x11)
      bytes[31] = last
      return bytes
    }
    const lasts = [0x10, 0x11, 0x1f, 0x20, 0xf0]
    for (const [version, last] of lasts.entries()) {
      await tree.commit([{ keyHash: near(last), valueHash: key(last) }], { version })
    }
    await tree.commit([{ keyHash: near(0x11), valueHash: null }], { version: 5 })
    for (let version = 0; version <= 5; version++) {
      const root = tree.root({ version })
      for (let last = 0; last < 256; last++) {
        const keyHash = near(last)
        const index = lasts.indexOf(last)
        const there = index !== -1 && index <= version && !(last === 0x11 && version === 5)
        const proof = tree.prove(keyHash, { version })
        const valueHash = there ? key(last) : null
        expect(verifyProof({ root, keyHash, valueHash, proof }), `${version} ${last}`).toBe(true)
      }
    }
  })

  test('10. the value hash is in the leaf, and values are found by it', async () => {
    const tree = createStateTree({ store: memoryStore(), hasher })
    const value = new Uint8Array(1_000).fill(5)
    await tree.commit([{ keyHash: key(1), value }], { version: 0 })
    await tree.commit([put(2), put(3)], { version: 1 })
    expect(await tree.value(key(1))).toEqual(value)
    expect(tree.get(key(1))).toBe(`0x${bytesToHex(hasher.hash(value))}`)
  })

  test('14. a 64-byte preimage is neither leaf nor inner node of another', async () => {
    // The inner node of two leaves, sent as if it were a leaf.
    const tree = await treeOf(2)
    const [a, b] = [...tree.entries()] as [TreeEntry, TreeEntry]
    const proofs = [tree.prove(a.keyHash), tree.prove(b.keyHash)]
    const inner = { type: 'inclusion' as const, depth: 0, present: 0n, siblings: new Uint8Array(0) }
    const [left, right] = [proofs[1]!.siblings.slice(0, 32), proofs[0]!.siblings.slice(0, 32)]
    expect(verifyProof({ root: tree.root(), keyHash: left, valueHash: right, proof: inner })).toBe(
      false,
    )
    // A multiproof with a leaf nobody claims, or claims nobody proves.
    const proof = proveMany(tree, [a.keyHash])
    expect(
      verifyMultiProof({
        root: tree.root(),
        claims: [{ keyHash: b.keyHash, valueHash: key(1_001) }],
        proof,
      }),
    ).toBe(false)
  })

  test('a key at depth 256 and shifts by 32', async () => {
    const tree = createStateTree({ store: memoryStore(), hasher })
    const one = new Uint8Array(32)
    const two = new Uint8Array(32)
    two[31] = 1
    const { root } = await tree.commit(
      [
        { keyHash: one, valueHash: key(1) },
        { keyHash: two, valueHash: key(2) },
      ],
      { version: 0 },
    )
    const proof = tree.prove(two)
    expect(proof.depth).toBe(256)
    expect(verifyProof({ root, keyHash: two, valueHash: key(2), proof })).toBe(true)
    for (const depth of [255, 224, 32, 0]) {
      expect(
        verifyProof({ root, keyHash: two, valueHash: key(2), proof: { ...proof, depth } }),
      ).toBe(false)
    }
    for (let bit = 0; bit < 256; bit++) {
      const keyHash = new Uint8Array(32)
      keyHash[bit >> 3] = 0x80 >> (bit & 7)
      const there = bit === 255
      const absent = tree.prove(keyHash)
      expect(absent.depth).toBe(there ? 256 : bit + 1)
      expect(verifyProof({ root, keyHash, valueHash: there ? key(2) : null, proof: absent })).toBe(
        true,
      )
    }
  })
})
