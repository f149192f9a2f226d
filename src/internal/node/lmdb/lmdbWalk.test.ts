import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assertLmdbFile } from './lmdbFile.js'
import { openLmdb } from './openLmdb.js'

const base = mkdtempSync(join(tmpdir(), 'lmdb-walk-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const size = 4_096

type Table = {
  putSync(key: Uint8Array, value: Uint8Array): boolean
  removeSync(key: Uint8Array): boolean
}

async function write(
  path: string,
  rounds: number,
): Promise<{ next(): void; close(): Promise<void> }> {
  const { root, tables } = await openLmdb({
    ...{ path, needed: 'a test', options: { maxDbs: 4, overlappingSync: false } },
    tables: (from) => from.openDB({ name: 'rows', keyEncoding: 'binary', encoding: 'binary' }),
  })
  const table = tables as unknown as Table
  let round = 0
  const next = (): void => {
    round++
    root.transactionSync(() => {
      for (let i = 0; i < 100; i++) {
        const key = new Uint8Array(32)
        new DataView(key.buffer).setUint32(0, Math.imul((round * 37 + i) % 3_000, 0x9e3779b1))
        if ((round + i) % 5 === 0) table.removeSync(key)
        else table.putSync(key, new Uint8Array(i % 25 === 1 ? 5_000 + i * 90 : 200 + i))
      }
    })
  }
  for (let i = 0; i < rounds; i++) next()
  return { next, close: () => root.close() }
}

let whole: Uint8Array
beforeAll(async () => {
  const path = join(base, 'whole.mdb')
  const { close } = await write(path, 30)
  await close()
  whole = new Uint8Array(readFileSync(path))
})

/** Where things are in a file, found by their names from its newer first page on. */
function placesOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer)
  const at = (page: bigint | number): number => Number(page) * size
  const meta = view.getBigUint64(152, true) > view.getBigUint64(size + 152, true) ? 0 : size
  const nodes = (page: number): number[] =>
    Array.from({ length: view.getUint16(page + 20, true) / 2 }, (_, i) => {
      return page + 24 + view.getUint16(page + 24 + 2 * i, true)
    })
  const dataOf = (node: number): number => node + 8 + view.getUint16(node + 6, true)
  const free = at(view.getBigUint64(meta + 88, true))
  const [row] = nodes(at(view.getBigUint64(meta + 136, true))) as [number]
  const table = dataOf(row)
  const childOf = (node: number): number => at(view.getUint32(node, true))
  const isBranch = (page: number): boolean => view.getUint16(page + 18, true) === 1
  // The first branch above leaves.
  let branch = at(view.getBigUint64(table + 40, true))
  for (let down = childOf(nodes(branch)[0] as number); isBranch(down); ) {
    branch = down
    down = childOf(nodes(branch)[0] as number)
  }
  const below = nodes(branch)
  const leaves = below.map(childOf)
  const leaf = leaves[1] as number
  const long = leaves
    .slice(1)
    .flatMap(nodes)
    .find((node) => view.getUint16(node + 4, true) === 1) as number
  return { view, meta, nodes, dataOf, free, table, branch, below, leaf, long }
}
type Places = ReturnType<typeof placesOf>

const setters = {
  u16: (view: DataView, at: number, value: number) => view.setUint16(at, value, true),
  u32: (view: DataView, at: number, value: number) => view.setUint32(at, value, true),
  u64: (view: DataView, at: number, value: number) => view.setBigUint64(at, BigInt(value), true),
}
const { u16, u32, u64 } = setters

/** Each thing that LMDB believes, changed. */
const damages: Record<string, (places: Places) => void> = {
  'a first page with another version': ({ view, meta }) => u32(view, meta + 28, 1),
  'a last page beyond all': ({ view, meta }) => u64(view, meta + 144, 2 ** 40),
  'a table of free pages with other keys': ({ view, meta }) => u16(view, meta + 52, 0x4000),
  'a table of tables with many values a key': ({ view, meta }) => u16(view, meta + 100, 4),
  'a table with many values a key': ({ view, table }) => u16(view, table + 4, 4),
  'a table of fewer levels': ({ view, table }) =>
    u16(view, table + 6, view.getUint16(table + 6, true) - 1),
  'a table of more levels': ({ view, table }) =>
    u16(view, table + 6, view.getUint16(table + 6, true) + 1),
  'a table that begins elsewhere': ({ view, table, leaf }) => u64(view, table + 40, leaf / size),
  'a branch that is zeros': ({ view, branch }) => new Uint8Array(view.buffer, branch, size).fill(0),
  'a branch of another number': ({ view, branch }) => u64(view, branch, 5),
  'a branch of a later transaction': ({ view, branch }) => u64(view, branch + 8, 2 ** 32),
  'a branch of one page': ({ view, branch }) => u16(view, branch + 20, 2),
  'a branch with the same page twice': ({ view, below }) =>
    u16(view, below[0] as number, view.getUint16(below[1] as number, true)),
  'a branch that names the first page': ({ view, below }) => u32(view, below[0] as number, 0),
  'a branch that names a page past the end': ({ view, below }) =>
    u32(view, below[0] as number, 0xffff_ffff),
  'a branch with its keys in another order': ({ view, below }) =>
    new Uint8Array(view.buffer, (below[1] as number) + 8, 4).fill(0xff),
  'a free page that is in use': ({ view, nodes, dataOf, free, branch }) =>
    u64(view, dataOf(nodes(free).at(-1) as number) + 8, branch / size),
  'a free page that is none': ({ view, nodes, dataOf, free }) =>
    u64(view, dataOf(nodes(free).at(-1) as number) + 8, 2 ** 33),
  'more free pages than are listed': ({ view, nodes, dataOf, free }) =>
    u64(view, dataOf(nodes(free).at(-1) as number), 100_000),
}
const inLeaves: Record<string, (places: Places) => void> = {
  'a leaf that is zeros': ({ view, leaf }) => new Uint8Array(view.buffer, leaf, size).fill(0),
  'a leaf of another number': ({ view, leaf }) => u64(view, leaf, 5),
  'a leaf of a later transaction': ({ view, leaf }) => u64(view, leaf + 8, 2 ** 32),
  'a leaf that says it is a branch': ({ view, leaf }) => u16(view, leaf + 18, 1),
  'a leaf with more nodes': ({ view, leaf }) => u16(view, leaf + 20, 4_000),
  'a leaf whose nodes begin earlier': ({ view, leaf }) =>
    u16(view, leaf + 22, view.getUint16(leaf + 22, true) - 2),
  'a node past the end of its page': ({ view, leaf }) => u16(view, leaf + 24, 4_090),
  'two nodes at one place': ({ view, leaf }) =>
    u16(view, leaf + 24, view.getUint16(leaf + 26, true)),
  'a key past the end of its page': ({ view, nodes, leaf }) =>
    u16(view, (nodes(leaf)[0] as number) + 6, 0x8020),
  'a value past the end of its page': ({ view, nodes, leaf }) =>
    u16(view, (nodes(leaf)[0] as number) + 2, 0x100),
  'a value that says it is long': ({ view, nodes, leaf }) =>
    u16(view, (nodes(leaf)[0] as number) + 4, 1),
  'a value that says it is a table': ({ view, nodes, leaf }) =>
    u16(view, (nodes(leaf)[0] as number) + 4, 2),
  'a long value past the end': ({ view, dataOf, long }) => u64(view, dataOf(long), 2 ** 31),
  'a long value that is longer than its pages': ({ view, long }) => u32(view, long, 2 ** 30),
  'a long value at pages of another': ({ view, dataOf, long, branch }) =>
    u64(view, dataOf(long), branch / size),
  'a long value whose page says otherwise': ({ view, dataOf, long }) =>
    u32(view, Number(view.getBigUint64(dataOf(long), true)) * size + 20, 1),
}

function damaged(damage: (places: Places) => void): string {
  const copy = whole.slice()
  damage(placesOf(copy))
  expect(Buffer.compare(copy, whole)).not.toBe(0)
  const path = join(base, 'damaged.mdb')
  writeFileSync(path, copy)
  return path
}
const refusal = { code: 'DATABASE_DAMAGED', retryable: false }

test.each(Object.entries(damages))('error: DATABASE_DAMAGED for %s', async (_, damage) => {
  const path = damaged(damage)
  for (const leaves of [0, Number.POSITIVE_INFINITY])
    await expect(assertLmdbFile(path, { leaves })).rejects.toMatchObject(refusal)
})

test.each(Object.entries(inLeaves))('error: DATABASE_DAMAGED for %s', async (_, damage) => {
  const path = damaged(damage)
  const all = { leaves: Number.POSITIVE_INFINITY }
  await expect(assertLmdbFile(path, all)).rejects.toMatchObject(refusal)
  // Leaves of a table that has too many are not looked at.
  await expect(assertLmdbFile(path, { leaves: 0 })).resolves.toBe(true)
})

test('behavior: what LMDB wrote is whole, also while it is written to', async () => {
  const path = join(base, 'written.mdb')
  const { next, close } = await write(path, 0)
  for (let round = 0; round < 60; round++) {
    next()
    for (const leaves of [0, Number.POSITIVE_INFINITY]) {
      const looking = assertLmdbFile(path, { leaves })
      if (round % 2 === 0) for (let i = 0; i < 4; i++) setImmediate(next)
      await expect(looking).resolves.toBe(true)
    }
  }
  await close()
}, 120_000)

test('behavior: a snapshot that was not flushed is left to LMDB, which goes back to an older one', async () => {
  const path = damaged(({ view, meta, branch }) => {
    new Uint8Array(view.buffer, branch, size).fill(0)
    u16(view, meta + 52, view.getUint16(meta + 52, true) | 0x1000)
  })
  await expect(assertLmdbFile(path, { leaves: 0 })).resolves.toBe(true)
})
