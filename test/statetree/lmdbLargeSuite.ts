/** Many keys on LMDB; their number is the caller's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { uintToBytes } from '../../src/internal/bytes.js'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { verifyProof } from '../../src/statetree/proof/proof.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'

/** Writes `keys` keys in ten versions, reads them back from disk, and compares with memory. */
export function lmdbLargeSuite(keys: number): void {
  test(`${keys.toLocaleString('en')} keys on LMDB, in ten versions`, async () => {
    const path = mkdtempSync(join(tmpdir(), 'lmdb-large-'))
    try {
      const hasher = keccakHasher()
      let store = await lmdbStore({ path })
      // A cache smaller than the tree, so that most of it is read back from disk.
      let tree = createStateTree({ store, hasher, maxResidentRecords: Math.ceil(keys / 2) })
      const plain = createStateTree({ store: memoryStore(), hasher })
      const keyAt = (i: number): Uint8Array => hasher.hash(uintToBytes(i, 8))
      const share = Math.ceil(keys / 10)
      const times: number[] = []
      for (let version = 0; version < 10; version++) {
        const writes = [...Array(share).keys()].map((i) => ({
          keyHash: keyAt(version * share + i),
          valueHash: keyAt(i),
        }))
        // Some of what was there is changed or goes.
        for (let i = 0; version > 0 && i < share / 20; i++) {
          writes.push({
            keyHash: keyAt(i * 13),
            valueHash: i % 2 === 0 ? keyAt(version) : (null as never),
          })
        }
        const start = performance.now()
        const { root } = await tree.commit(writes, { version })
        times.push(performance.now() - start)
        expect(root).toBe((await plain.commit(writes, { version })).root)
      }
      const before = store.diskBytes()
      let steps = 0
      while (!(await tree.prune({ oldest: 9, limit: 5_000 })).done) steps++
      await store.close()
      store = await lmdbStore({ path })
      tree = createStateTree({ store, hasher })
      expect(tree.size()).toBe(plain.size())
      for (let i = 0; i < 500; i++) {
        const keyHash = keyAt(i * 37)
        const value = plain.get(keyHash)
        const proof = tree.prove(keyHash)
        expect(
          verifyProof({ root: tree.root(), keyHash, valueHash: value ?? null, proof, hasher }),
        ).toBe(true)
      }
      const perKey = (bytes: number): string => (bytes / tree.size()).toFixed(0)
      console.log(
        `LMDB with ${tree.size().toLocaleString('en')} keys: ${(before / 2 ** 20).toFixed(1)} MiB, ${perKey(before)} bytes a key; ` +
          `commits of ${share.toLocaleString('en')} took ${times.map((time) => time.toFixed(0)).join(', ')} ms; pruned in ${steps + 1} steps`,
      )
      await store.close()
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  }, 1_200_000)
}
