/** A store on a disk that runs full: a small file system in memory, where one may be mounted. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/internal/bytes.js'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { verifyProof } from '../../src/statetree/proof/proof.js'
import { createStateTree, type StateTree } from '../../src/statetree/stateTree.js'

const hasher = keccakHasher()
const base = mkdtempSync(join(tmpdir(), 'statetree-full-'))

/** Mounts 8 MiB at a directory. `false` where that is not allowed. */
function mount(directory: string): boolean {
  mkdirSync(directory, { recursive: true })
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]).status === 0
}

const probe = join(base, 'probe')
const allowed = process.platform === 'linux' && mount(probe)
if (allowed) spawnSync('umount', [probe])
else if (process.env['CI_REQUIRE_ALL']) throw new Error('a small file system is required here')
else console.warn('skipped: no file system of its own size can be mounted here')

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
beforeAll(() => void process.on('unhandledRejection', onRejection))
afterAll(() => {
  process.off('unhandledRejection', onRejection)
  rmSync(base, { recursive: true, force: true })
})

const key = (n: number): Uint8Array => hasher.hash(utf8(`key ${n}`))
const value = (n: number): Uint8Array => utf8(`value ${n} `.repeat(80))

describe.skipIf(!allowed)('a full disk', () => {
  test.each(['hashes', 'values'])(
    'is an error, and what was there is whole: %s',
    async (kind) => {
      const directory = join(base, kind)
      expect(mount(directory)).toBe(true)
      try {
        await fillAndGoOn(directory, kind === 'values')
      } finally {
        spawnSync('umount', [directory])
      }
      expect(rejections).toEqual([])
    },
    120_000,
  )
})

async function fillAndGoOn(directory: string, values: boolean): Promise<void> {
  const ballast = join(directory, 'ballast')
  writeFileSync(ballast, new Uint8Array(1 << 20))
  const path = join(directory, 'store')
  const roots = new Map<number, string>()
  const writes = (version: number) =>
    [...Array(200).keys()].map((i) => {
      const n = version * 137 + i
      if (values && i < 20) return { keyHash: key(n), value: value(n) }
      return { keyHash: key(n), valueHash: hasher.hash(value(n)) }
    })
  const commit = async (tree: StateTree, version: number): Promise<void> => {
    roots.set(version, (await tree.commit(writes(version), { version })).root)
  }

  let tree = createStateTree({ store: await lmdbStore({ path }) })
  let version = 1
  let failure: unknown
  for (; version < 3_000 && failure === undefined; version++) {
    await commit(tree, version).catch((error: unknown) => {
      failure = error
    })
  }
  version--
  const full = { code: 'STORE_WRITE', retryable: true }
  expect(failure).toMatchObject(full)
  for (let again = 0; again < 3; again++)
    await expect(tree.commit(writes(version), { version })).rejects.toMatchObject(full)
  await check(tree, { roots, latest: version - 1, values })

  // Room is made: the same handle goes on.
  rmSync(ballast)
  await commit(tree, version)
  await check(tree, { roots, latest: version, values })
  await tree.store.close()
  tree = createStateTree({ store: await lmdbStore({ path }) })
  await check(tree, { roots, latest: version, values })
  await commit(tree, version + 1)
  await tree.store.close()
}

async function check(
  tree: StateTree,
  at: { roots: Map<number, string>; latest: number; values: boolean },
): Promise<void> {
  expect(tree.range()).toEqual({ oldest: 1, latest: at.latest })
  for (const [version, root] of at.roots) expect(tree.root({ version })).toBe(root)
  const root = tree.root()
  for (let version = 1; version <= at.latest; version++) {
    const keyHash = key(version * 137 + 5)
    const valueHash = tree.get(keyHash) as `0x${string}`
    expect(verifyProof({ root, keyHash, valueHash, proof: tree.prove(keyHash) })).toBe(true)
    if (at.values) expect(await tree.value(keyHash)).toEqual(value(version * 137 + 5))
  }
}
