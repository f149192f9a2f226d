import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { keccakHasher, sha256Hasher } from '../hash/hasher.js'
import { createStateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import { encodeBorshNode, encodeBorshNodeKey, encodeBorshProof } from './borsh.js'
import { verifyProof } from './proof.js'
import { toCompactProof, verifyTypedProof } from './typedProof.js'

const load = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`../../../test/vectors/jmt/${name}.json`, import.meta.url), 'utf8'),
  )

const hashers = {
  'keccak256 wasm': keccakHasher(),
  'keccak256 noble': keccakHasher({ engine: 'noble' }),
  sha256: sha256Hasher(),
}

test('the WebAssembly engine is in use here', () => {
  expect(keccakHasher().engine).toBe('wasm')
})

for (const [name, hasher] of Object.entries(hashers)) {
  describe(`roots, ${name}`, () => {
    for (const { n, root, nodes, leafCount } of load(`roots_${hasher.name}`).vectors) {
      if (n > 20_000 && hasher.engine === 'noble') continue
      test(`${n} keys`, async () => {
        const tree = createStateTree({ store: memoryStore(), hasher })
        const writes = []
        for (let i = 0; i < n; i++) {
          writes.push({
            keyHash: hasher.hash(utf8(`key${i}`)),
            valueHash: hasher.hash(utf8(`value${i}`)),
          })
        }
        const result = await tree.commit(writes, { version: 0 })
        expect(result.root).toBe(`0x${root}`)
        expect(result.stats.newNodes).toBe(nodes)
        expect(tree.size()).toBe(leafCount)
      })
    }
  })
}

describe('versions, keccak256', () => {
  for (const { name, versions } of load('versions_keccak256').scenarios) {
    test(name, async () => {
      const tree = createStateTree({ store: memoryStore(), hasher: keccakHasher() })
      let previousNull = false
      for (const expected of versions) {
        const writes = expected.ops.map((op: { keyHash: string; value: string | null }) =>
          op.value === null
            ? { keyHash: hexToBytes(op.keyHash), valueHash: null }
            : { keyHash: hexToBytes(op.keyHash), value: hexToBytes(op.value) },
        )
        const { root, batch, stats } = await tree.commit(writes, { version: expected.version })
        expect(root).toBe(`0x${expected.root}`)
        const nodes = batch.nodes().map(({ key, node, hash }) => ({
          version: key.version,
          path: bytesToHex(key.path).slice(0, key.nibbles),
          keyBorsh: bytesToHex(encodeBorshNodeKey(key)),
          node: {
            kind: node.type,
            hash: bytesToHex(hash),
            borsh: bytesToHex(encodeBorshNode(node)),
          },
        }))
        expect(nodes).toEqual(expected.nodes)
        const stale = batch.stale().map((key) => ({
          staleSince: expected.version,
          version: key.version,
          path: bytesToHex(key.path).slice(0, key.nibbles),
        }))
        // The one departure: a root that is written again, or was empty, is stale too.
        const oldRoot = { staleSince: expected.version, version: expected.version - 1, path: '' }
        const listed = expected.stale.some((entry: typeof oldRoot) => entry.path === '')
        const extra = expected.version > versions[0].version && !listed ? [oldRoot] : []
        if (extra.length > 0) expect(previousNull || expected.nodes.length === 1).toBe(true)
        expect(new Set(stale.map((entry) => JSON.stringify(entry)))).toEqual(
          new Set([...extra, ...expected.stale].map((entry) => JSON.stringify(entry))),
        )
        expect(stats.newNodes).toBe(expected.stats[0].newNodes)
        expect(stats.newLeaves).toBe(expected.stats[0].newLeaves)
        expect(stats.staleNodes).toBe(expected.stats[0].staleNodes + extra.length)
        previousNull = expected.nodes[0].node.kind === 'null'
      }
    })
  }
})

describe('proofs, keccak256', () => {
  const hasher = keccakHasher()
  for (const { n, root, inclusion, exclusion } of load('proofs_keccak256').trees) {
    test(`${n} keys`, async () => {
      const tree = createStateTree({ store: memoryStore(), hasher })
      const writes = []
      for (let i = 0; i < n; i++)
        writes.push({ keyHash: hasher.hash(utf8(`key${i}`)), value: utf8(`value${i}`) })
      const committed = await tree.commit(writes, { version: 0 })
      expect(committed.root).toBe(`0x${root}`)
      for (const { keyHash, value, proof: expected, kind } of [...inclusion, ...exclusion]) {
        const key = hexToBytes(keyHash)
        const typed = tree.proveTyped(key)
        expect(bytesToHex(encodeBorshProof(typed))).toBe(expected.borsh)
        const valueHash = value === undefined ? null : hasher.hash(hexToBytes(value))
        expect(
          verifyTypedProof({ root: committed.root, keyHash: key, valueHash, proof: typed }),
        ).toBe(true)
        const proof = tree.prove(key)
        expect(proof).toEqual(toCompactProof(typed, key))
        expect(verifyProof({ root: committed.root, keyHash: key, valueHash, proof })).toBe(true)
        expect(proof.type).toBe(value === undefined ? 'exclusion' : 'inclusion')
        if (kind === 'other_leaf') expect(proof.leaf).toBeDefined()
      }
    })
  }
})
