/** The tree on disk, and beside a plain LMDB. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { createStateTree, memoryStore } from '../../src/statetree/index.js'
import { lmdbStore } from '../../src/statetree/node/index.js'
import { packNames } from '../../src/statetree/node/staleNames.js'
import type { StoreCommit } from '../../src/statetree/store/store.js'
import { type Cell, hasher, middle, pairs } from './cell.js'

export async function durable(size: number): Promise<Cell> {
  const path = mkdtempSync(join(tmpdir(), 'bench-tree-'))
  try {
    const store = await lmdbStore({ path })
    const tree = createStateTree({ store, hasher })
    const data = pairs(size)
    const start = performance.now()
    await tree.commit(data, { version: 1 })
    const bulk = performance.now() - start
    const updates: number[] = []
    for (let version = 2; version < 12; version++) {
      const extra = pairs(1_000, version * 10_000_000)
      const at = performance.now()
      await tree.commit(extra, { version })
      updates.push(performance.now() - at)
    }
    updates.sort((a, b) => a - b)
    const disk = store.diskBytes() / size
    await store.close()
    const reopened = await lmdbStore({ path })
    const picked = data.slice(0, 1_000)
    // Each time with nothing loaded; the first ones warm the code up, as in the other cells.
    let prove = Number.POSITIVE_INFINITY
    for (let run = 0; run < 7; run++) {
      const cold = createStateTree({ store: reopened, hasher })
      const at = performance.now()
      for (const { keyHash } of picked) cold.prove(keyHash)
      prove = Math.min(prove, performance.now() - at)
    }
    await reopened.close()
    return {
      bulk: (size / bulk) * 1_000,
      update: updates[5] as number,
      prove: (prove / picked.length) * 1_000,
      disk,
    }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

/**
 * Commits of 1,500 keys to a tree of `size`, about 5,000 nodes and names of nodes each, and in turn with
 * each the same into a plain LMDB with as much in it, flushed as the tree's, and the same commit to a tree
 * in memory: what it takes to apply and to hash.
 */
export async function besideRawLmdb(size: number): Promise<Cell> {
  const path = mkdtempSync(join(tmpdir(), 'bench-tree-'))
  try {
    const store = await lmdbStore({ path: join(path, 'tree') })
    let last: StoreCommit | undefined
    const written: number[] = []
    const watched = {
      ...store,
      commit: async (commit: StoreCommit) => {
        last = commit
        const at = performance.now()
        await store.commit(commit)
        written.push(performance.now() - at)
      },
    }
    const root = open({ path: join(path, 'raw.mdb'), noSubdir: true, overlappingSync: false })
    const plain = root.openDB<Uint8Array, Uint8Array>({
      ...{ name: 'records', keyEncoding: 'binary', encoding: 'binary' },
    })
    const listed = root.openDB<Uint8Array, Uint8Array>({
      ...{ name: 'lists', keyEncoding: 'binary', encoding: 'binary' },
    })
    type Records = (readonly [key: Uint8Array, value: Uint8Array])[]
    const timed = (table: typeof plain, records: Records): number => {
      const at = performance.now()
      root.transactionSync(() => {
        for (const [key, value] of records) void table.put(key, value)
      })
      return performance.now() - at
    }
    const before = (key: Uint8Array): Uint8Array => Buffer.concat([new Uint8Array(8), key])
    /** A record for each name, and lists of names as the store writes them. */
    const write = ({ nodes, stale, version }: StoreCommit): [each: number, lists: number] => {
      const names = [...stale].map((key): Records[number] => [before(key), new Uint8Array(0)])
      const lists = packNames(stale).map((list, i): Records[number] => [
        before(Uint8Array.of(version, i)),
        list,
      ])
      return [timed(plain, [...nodes, ...names]), timed(listed, [...nodes, ...lists])]
    }
    const tree = createStateTree({ store: watched, hasher })
    const inMemory = createStateTree({ store: memoryStore(), hasher })
    await tree.commit(pairs(size), { version: 1 })
    await inMemory.commit(pairs(size), { version: 1 })
    write(last as StoreCommit)
    const ours: number[] = []
    const raw: number[] = []
    const rawLists: number[] = []
    const hashed: number[] = []
    for (let version = 2; version < 42; version++) {
      const extra = pairs(1_500, version * 10_000_000)
      let at = performance.now()
      await tree.commit(extra, { version })
      ours.push(performance.now() - at)
      const [each, lists] = write(last as StoreCommit)
      raw.push(each)
      rawLists.push(lists)
      at = performance.now()
      await inMemory.commit(extra, { version })
      hashed.push(performance.now() - at)
    }
    await store.close()
    await root.close()
    // The first ones warm the code up, as in the other cells.
    const warm = (times: number[]): number => middle(times.slice(-20))
    return {
      ...{ durable: warm(ours), raw: warm(raw), rawLists: warm(rawLists) },
      ...{ hashed: warm(hashed), written: warm(written) },
    }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}
