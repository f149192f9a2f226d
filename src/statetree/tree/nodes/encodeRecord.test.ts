import { expect, test } from 'vitest'
import { mapStore } from '../../../../test/statetree/mapStore.js'
import { seeded } from '../../../../test/statetree/model.js'
import { bytesEqual } from '../../../internal/bytes.js'
import { createStateTree } from '../../stateTree.js'
import type { StoreCommit } from '../../store/store.js'
import type { TreeWrite } from '../writes.js'
import { encodeNode } from './node.js'
import { encodeNodeKey } from './nodeKey.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Keys of which many share long beginnings, so that leaves move up and down within nodes and between them. */
function keys(next: (below: number) => number, count: number): Uint8Array[] {
  return [...Array(count)].map(() =>
    new Uint8Array(32).map((_, i) => (i === 0 ? next(3) * 85 : i < 3 || i > 30 ? next(256) : 7)),
  )
}

/** Some runs of puts and deletes of `known`, in one commit. */
function someWrites(next: (below: number) => number, known: readonly Uint8Array[]): TreeWrite[] {
  const writes: TreeWrite[] = []
  const runs = 1 + next(3)
  for (let run = 0; run < runs; run++) {
    const isPut = run % 2 === 0 ? next(4) > 0 : next(4) === 0
    const count = 1 + next(next(8) === 0 ? 120 : 6)
    for (let i = 0; i < count; i++) {
      const keyHash = known[next(known.length)] as Uint8Array
      const valueHash = isPut ? new Uint8Array(32).map(() => next(256)) : null
      writes.push({ keyHash, valueHash })
    }
  }
  return writes
}

test.each([1, 2, 3, 4, 5, 6])(
  'what a store gets is what the tree has, whatever a node was before: history %d',
  async (seed) => {
    const next = seeded(seed)
    const base = mapStore()
    let got = new Map<string, string>()
    const store = {
      ...base,
      async commit(commit: StoreCommit) {
        got = new Map([...commit.nodes].map(([key, value]) => [hex(key), hex(value)]))
        await base.commit(commit)
      },
    }
    let tree = createStateTree({ store })
    const known = keys(next, 40 + seed * 60)
    await tree.commit(
      known.map((keyHash) => ({ keyHash, valueHash: keyHash })),
      { version: 1 },
    )
    let [kept, whole] = [0, 0]
    // Past 128, where a version takes another byte.
    for (let version = 2; version < 170; version++) {
      const writes = someWrites(next, known)
      if (next(6) === 0) {
        base.failNext()
        await expect(tree.commit(writes, { version })).rejects.toThrow('disk full')
      }
      // Nothing is loaded, or kept of what was stored.
      if (next(40) === 0) tree = createStateTree({ store })
      const { batch } = await tree.commit(next(9) === 0 ? [] : writes, { version })
      const expected = new Map<string, string>()
      for (const { key, node } of batch.nodes()) {
        // Leaves lie in their parents.
        if (node.type === 'leaf' && key.nibbles > 0) continue
        expected.set(hex(encodeNodeKey(key)), hex(encodeNode(node)))
      }
      expect(got).toEqual(expected)
      for (const { node } of batch.nodes()) {
        if (node.type !== 'internal') continue
        if (node.children.some((child) => child.version < version)) kept++
        else whole++
      }
    }
    expect(kept).toBeGreaterThan(100)
    expect(whole).toBeGreaterThan(5)
    const reopened = createStateTree({ store })
    for (const { keyHash, valueHash } of tree.entries())
      expect(
        bytesEqual(Buffer.from((reopened.get(keyHash) ?? '').slice(2), 'hex'), valueHash),
      ).toBe(true)
    expect(reopened.root()).toBe(tree.root())
  },
)

test('nodes that are encoded while their commit is applied are what later ones are made of', async () => {
  const next = seeded(7)
  const store = mapStore()
  const tree = createStateTree({ store })
  const known = keys(next, 300)
  const some = (): Uint8Array => known[next(known.length)] as Uint8Array
  let encoded = 0
  for (let version = 1; version < 10; version++) {
    // One run of puts, of more leaves than are hashed at once; sometimes few, and never the same ones.
    const count = version === 1 ? 0 : version % 4 === 0 ? 5 : 150 + next(100)
    const puts = count === 0 ? known : [...Array(count)].map(some)
    const writes = puts.map((keyHash) => ({ keyHash, valueHash: some() }))
    const { batch } = await tree.commit(writes, { version })
    for (const { key, node } of batch.nodes()) {
      if (node.type === 'leaf') continue
      expect(hex(store.nodes.get(hex(encodeNodeKey(key))) as Uint8Array)).toBe(
        hex(encodeNode(node)),
      )
      encoded++
    }
  }
  expect(encoded).toBeGreaterThan(500)
  expect([...createStateTree({ store }).entries()]).toEqual([...tree.entries()])
})
