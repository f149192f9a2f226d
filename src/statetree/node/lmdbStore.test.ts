import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { testNodeStore } from '../conformance.js'
import { sha256Hasher } from '../hash/hasher.js'
import { createStateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import type { NodeStore } from '../store/store.js'
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
