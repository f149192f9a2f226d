import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { toHex } from '../../internal/bytes.js'
import { testNodeStore } from '../conformance.js'
import { keccakHasher, sha256Hasher } from '../hash/hasher.js'
import { createStateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import type { NodeStore } from '../store/store.js'
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
