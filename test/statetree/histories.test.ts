import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import { historiesSuite } from './historiesSuite.js'
import { mapStore } from './mapStore.js'
import { applyOps, type Model, modelRoot, randomKey, seeded } from './model.js'

// The long form is histories.deep.test.ts.
historiesSuite(200)

describe('order', () => {
  test('forward, reverse, shuffled and one by one give one root', async () => {
    const hasher = keccakHasher()
    for (let seed = 1; seed <= 50; seed++) {
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
        return { keyHash, valueHash: next(4) === 0 ? null : hasher.hash(Uint8Array.of(next(256))) }
      })
      model = applyOps(model, ops)
      const [a, b] = [await plain.commit(ops, { version }), await backed.commit(ops, { version })]
      expect(a.root).toBe(b.root)
      expect(a.stats).toEqual(b.stats)
    }
    expect(plain.root()).toBe(modelRoot(model))
  })
})
