/** Random histories of a tree against the recursion that defines it; their number is the caller's. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { keccakHasher, sha256Hasher } from '../../src/statetree/hash/hasher.js'
import { verifyProof } from '../../src/statetree/proof/proof.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import type { NodeStore } from '../../src/statetree/store/store.js'
import { previewRoot } from '../../src/statetree/tree/preview.js'
import { type MapStore, mapStore } from './mapStore.js'
import { applyOps, type Model, modelRoot, randomKey, randomOps, seeded } from './model.js'

async function run(
  seed: number,
  setup: { hasher: ReturnType<typeof keccakHasher>; mapped: boolean },
): Promise<void> {
  const { hasher, mapped } = setup
  const next = seeded(seed)
  const store: NodeStore & Partial<MapStore> = mapped ? mapStore() : memoryStore()
  // A tiny cache makes the tree load from its store over and over.
  let tree = createStateTree({
    store,
    hasher,
    maxResidentRecords: mapped && next(2) === 0 ? 8 : 1_000_000,
  })
  const models: Model[] = []
  let model: Model = new Map()
  let oldest = 0
  const versions = 2 + next(6)
  // Whole-message hashing: another code path than the node hashing under test, and quick.
  const hash = hasher.name === 'sha256' ? sha256 : hasher.hash
  for (let version = 0; version < versions; version++) {
    const ops = randomOps(next, [...model.keys()], next(5) === 0 ? 0 : next(30))
    model = applyOps(model, ops)
    const before = version === 0 ? undefined : tree.root()
    expect(previewRoot(tree, ops)).toBe(modelRoot(model, hash))
    expect(version === 0 ? undefined : tree.root()).toBe(before)
    if (store.failNext !== undefined && next(4) === 0) {
      store.failNext()
      await expect(tree.commit(ops, { version })).rejects.toThrow('disk full')
      expect(version === 0 ? undefined : tree.root()).toBe(before)
    }
    const { root, batch, stats } = await tree.commit(ops, { version })
    expect(root, `seed ${seed} version ${version}`).toBe(modelRoot(model, hash))
    expect(tree.size()).toBe(model.size)
    expect(batch.nodes().length).toBe(stats.newNodes)
    expect(batch.stale().length).toBe(stats.staleNodes)
    models.push(model)
    if (mapped && next(3) === 0) tree = createStateTree({ store, hasher })
    if (next(4) === 0) {
      oldest = Math.max(oldest, next(version + 1))
      const { done } = await tree.prune({ oldest, limit: 1 + next(40) })
      if (done && next(2) === 0)
        expect(await tree.prune({ oldest })).toEqual({ removed: 0, done: true })
    }
  }
  for (let version = oldest; version < versions; version++) {
    const at = models[version] as Model
    const root = tree.root({ version })
    expect(root).toBe(modelRoot(at, hash))
    const entries = [...tree.entries({ version })].map((e) => [
      bytesToHex(e.keyHash),
      bytesToHex(e.valueHash),
    ])
    expect(entries).toEqual([...at].sort())
    const keys = [...at.keys()].map((key): Uint8Array => hexToBytes(key))
    for (let i = 0; i < 6; i++) keys.push(randomKey(next))
    for (const keyHash of keys) {
      const value = at.get(bytesToHex(keyHash))
      expect(tree.get(keyHash, { version })).toBe(value === undefined ? undefined : `0x${value}`)
      const proof = tree.prove(keyHash, { version })
      const valueHash = value === undefined ? null : hexToBytes(value)
      expect(verifyProof({ root, keyHash, valueHash, proof, hasher })).toBe(true)
      expect(verifyProof({ root, keyHash, valueHash: new Uint8Array(32), proof, hasher })).toBe(
        false,
      )
    }
    entries.forEach(([keyHash], i) => {
      expect(bytesToHex(tree.entryAt(i, { version })!.keyHash)).toBe(keyHash)
    })
  }
  // Everything can be pruned down to the last version, and then to its nodes alone.
  while (!(await tree.prune({ oldest: versions - 1, limit: 50 })).done) {}
  expect(tree.root()).toBe(modelRoot(model, hash))
  if (store.nodes !== undefined) {
    const fresh = mapStore()
    await createStateTree({ store: fresh, hasher }).commit(
      [...model].map(([k, v]) => ({ keyHash: hexToBytes(k), valueHash: hexToBytes(v) })),
      { version: 0 },
    )
    // What is left is as many nodes as a tree of the same map has: nothing leaks.
    expect(store.nodes.size).toBe(fresh.nodes.size)
  } else if (store.resident !== undefined) {
    const fresh = memoryStore()
    await createStateTree({ store: fresh, hasher }).commit(
      [...model].map(([k, v]) => ({ keyHash: hexToBytes(k), valueHash: hexToBytes(v) })),
      { version: 0 },
    )
    expect(store.resident.arena.live).toBe(fresh.resident!.arena.live)
  }
}

export function historiesSuite(histories: number): void {
  describe('random histories against the recursion', () => {
    test(`keccak256 in memory, ${histories}`, async () => {
      const hasher = keccakHasher()
      for (let seed = 1; seed <= histories; seed++) await run(seed, { hasher, mapped: false })
    }, 600_000)
    test(`keccak256 over a store, ${histories}`, async () => {
      const hasher = keccakHasher()
      for (let seed = 1; seed <= histories; seed++) await run(seed + 1e6, { hasher, mapped: true })
    }, 600_000)
    test(`sha256, ${histories / 10}`, async () => {
      const hasher = sha256Hasher()
      for (let seed = 1; seed <= histories / 10; seed++)
        await run(seed + 2e6, { hasher, mapped: seed % 2 === 0 })
    }, 600_000)
  })
  describe('order', () => {
    test('forward, reverse, shuffled and one by one give one root', async () => {
      const hasher = keccakHasher()
      for (let seed = 1; seed <= histories / 20; seed++) {
        const next = seeded(seed)
        const ops = [...Array(60)].map(() => ({
          keyHash: randomKey(next),
          valueHash: new Uint8Array(32).fill(next(200) + 1),
        }))
        const unique = [...new Map(ops.map((op) => [bytesToHex(op.keyHash), op])).values()]
        const expected = modelRoot(applyOps(new Map(), unique))
        const shuffled = [...unique].sort(() => next(3) - 1)
        for (const order of [unique, [...unique].reverse(), shuffled]) {
          const tree = createStateTree({ store: memoryStore(), hasher })
          expect((await tree.commit(order, { version: 0 })).root).toBe(expected)
          const single = createStateTree({ store: memoryStore(), hasher })
          for (const [i, op] of order.entries()) await single.commit([op], { version: i })
          expect(single.root()).toBe(expected)
        }
      }
    }, 120_000)

    test('30 versions of 1,000 writes, in memory and over a store', async () => {
      const hasher = keccakHasher()
      const plain = createStateTree({ store: memoryStore(), hasher })
      const backed = createStateTree({ store: mapStore(), hasher, maxResidentRecords: 20_000 })
      const next = seeded(99)
      let model: Model = new Map()
      for (let version = 0; version < 30; version++) {
        const ops = [...Array(1_000)].map(() => {
          const keyHash = hasher.hash(Uint8Array.of(next(256), next(40)))
          return {
            keyHash,
            valueHash: next(4) === 0 ? null : hasher.hash(Uint8Array.of(next(256))),
          }
        })
        model = applyOps(model, ops)
        const [a, b] = [await plain.commit(ops, { version }), await backed.commit(ops, { version })]
        expect(a.root).toBe(b.root)
        expect(a.stats).toEqual(b.stats)
      }
      expect(plain.root()).toBe(modelRoot(model))
    })
  })
}
