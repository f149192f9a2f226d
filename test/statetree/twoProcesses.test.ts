/** Two processes, and two trees, that write to one store. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { lmdbStore } from '../../src/statetree/node/lmdbStore.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import type { NodeStore } from '../../src/statetree/store/store.js'
import { mapStore } from './mapStore.js'

const hasher = keccakHasher()
const key = (n: number): Uint8Array => hasher.hash(Uint8Array.of(n & 255, n >> 8))
const put = (n: number, value = n) => ({ keyHash: key(n), valueHash: key(value + 1_000) })

let base: string
const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
const script = join(cache, `statetree-holder-${process.pid}.mjs`)
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'statetree-two-'))
  mkdirSync(cache, { recursive: true })
  await build({
    entryPoints: [fileURLToPath(new URL('holderChild.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['lmdb'],
  })
})
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
  rmSync(script, { force: true })
})

const stores: [string, () => Promise<NodeStore>][] = [
  ['memory', async () => memoryStore()],
  ['map', async () => mapStore()],
  ['lmdb', () => lmdbStore({ path: mkdtempSync(join(base, 'trees-')) })],
]

describe.each(stores)('two trees on one store: %s', (_name, open) => {
  test('of two commits of one version one lands, and the tree is that one’s', async () => {
    for (const first of [1, 2]) {
      const store = await open()
      const [a, b] = [createStateTree({ store, hasher }), createStateTree({ store, hasher })]
      const before = [...Array(50).keys()].map((n) => put(n))
      if (first === 2) await a.commit(before, { version: 1 })
      const value = new Uint8Array(5)
      const both = await Promise.allSettled([
        a.commit([...before, { keyHash: key(500), value }], { version: first }),
        b.commit([...before, put(600)], { version: first }),
      ])
      const landed = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value.root] : []))
      expect(landed).toHaveLength(1)
      expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'TREE_VERSION' },
      })
      for (const tree of [a, b, createStateTree({ store, hasher })]) {
        expect(tree.root()).toBe(landed[0])
        expect([...tree.entries()]).toHaveLength(51)
        expect(tree.size()).toBe(51)
      }
      // Both go on, in turn, and see what the other wrote.
      await b.commit([put(700)], { version: first + 1 })
      await a.commit([put(701)], { version: first + 2 })
      while (!(await b.prune({ oldest: first + 2, limit: 10 })).done) {}
      const fresh = createStateTree({ store, hasher })
      expect([...fresh.entries()]).toHaveLength(53)
      expect(b.root()).toBe(fresh.root())
      await store.close()
    }
  })
})

type Holder = {
  child: ChildProcess
  pid: number
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

/** A process that opens a store, commits version 1, and keeps it open. */
function holder(path: string): Promise<Holder> {
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return new Promise((resolve, reject) => {
    child.on('close', () => reject(new TypeError('the holder ended')))
    child.stdout?.on('data', () =>
      resolve({
        child,
        pid: child.pid as number,
        end(signal) {
          child.kill(signal)
          return ended
        },
      }),
    )
  })
}

describe('two processes', () => {
  test('the second is refused and told who has the store; a killed one’s store is taken over', async () => {
    const path = join(base, 'held')
    const other = await holder(path)
    await expect(lmdbStore({ path })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      pid: other.pid,
      message: expect.stringContaining(`process ${other.pid}`),
    })
    await other.end('SIGKILL')
    const store = await lmdbStore({ path })
    const tree = createStateTree({ store, hasher })
    expect(tree.range()).toEqual({ oldest: 1, latest: 1 })
    await tree.commit([put(9)], { version: 2 })
    await store.close()
    const again = await lmdbStore({ path })
    expect(again.range()).toEqual({ oldest: 1, latest: 2 })
    await again.close()
  }, 30_000)

  test('a second handle of the same process is refused until the first is closed', async () => {
    const path = join(base, 'handles')
    const first = await lmdbStore({ path })
    await expect(lmdbStore({ path })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      pid: process.pid,
    })
    await createStateTree({ store: first, hasher }).commit([put(1)], { version: 1 })
    await first.close()
    await (await lmdbStore({ path })).close()
  })

  test('a writer that was replaced writes nothing more', async () => {
    const path = join(base, 'fenced')
    const store = await lmdbStore({ path })
    const tree = createStateTree({ store, hasher })
    await tree.commit([put(1)], { version: 1 })
    // What the record of a holder on another host looks like to it: somebody else has the store.
    const { open } = await import('lmdb')
    const raw = open({ path: join(path, 'tree.mdb'), noSubdir: true, maxDbs: 8 })
    const meta = raw.openDB({ name: 'meta', keyEncoding: 'binary', encoding: 'binary' })
    const other = { pid: 7, host: 'another-host', start: '', token: 'theirs' }
    meta.putSync(Buffer.from('writer'), Buffer.from(JSON.stringify(other)))
    const refused = { code: 'STORE_LOCKED', pid: 7, host: 'another-host' }
    await expect(tree.commit([put(2)], { version: 2 })).rejects.toMatchObject(refused)
    await expect(tree.prune({ oldest: 1 })).rejects.toMatchObject(refused)
    await expect(store.writeRecords([['a', null]])).rejects.toMatchObject(refused)
    expect(tree.range()).toEqual({ oldest: 1, latest: 1 })
    await store.close()
    await raw.close()
    // Whether that host's process runs cannot be known from here: the newcomer takes over.
    const taken = await lmdbStore({ path })
    await createStateTree({ store: taken, hasher }).commit([put(2)], { version: 2 })
    await taken.close()
  })
})
