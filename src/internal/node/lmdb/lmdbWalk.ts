/**
 * Whether a snapshot of LMDB holds together: every page that is reached is in the file, is what it should be,
 * and is reached once, and pages that are said to be free are not. Pages are read in their order in the file,
 * level by level, so that a walk costs about as much as reading what is reached.
 */
import type { FileHandle } from 'node:fs/promises'
import {
  childrenOf,
  dataOf,
  hasNodes,
  isPage,
  kinds,
  type LongValue,
  namesOf,
  noPage,
  type Pages,
  type TableRoot,
} from './lmdbPages.js'

/** What a first page says of the snapshot that it begins. */
export type Snapshot = {
  pageSize: number
  transaction: bigint
  last: number
  free: TableRoot
  main: TableRoot
}

/** Bytes that are read at once. */
const readBytes = 1024 * 1024
/** Pages between two that are wanted which are read along with them. */
const gap = 8

type Walk = {
  file: FileHandle
  snapshot: Snapshot
  /** Bytes of the file. */
  size: number
  pages: Pages
  /** A bit for each page that was reached, or is free. */
  reached: Uint8Array
  /** Leaves that are still looked at. */
  leaves: number
}
type Use = 'free' | 'main' | 'own'

/**
 * Follows all tables of a snapshot.
 *
 * @param parameters.leaves - How many leaves of tables are looked at. Where a table has more than are left,
 * all but its first leaf and their long values are taken as they are. Branches, the table of tables and that of free pages are
 * always looked at.
 */
export async function holdsTogether(parameters: {
  file: FileHandle
  size: number
  snapshot: Snapshot
  leaves: number
}): Promise<boolean> {
  const { file, size, snapshot, leaves } = parameters
  const { pageSize, transaction, last } = snapshot
  const bytes = new Uint8Array(Math.max(readBytes, pageSize))
  const view = new DataView(bytes.buffer)
  const walk: Walk = {
    ...{ file, size, snapshot, leaves },
    pages: { view, bytes, pageSize, last, transaction },
    reached: new Uint8Array(Math.floor(last / 8) + 1),
  }
  const tables = await walkTable(walk, snapshot.main, 'main')
  if (tables === undefined) return false
  for (const table of tables) {
    const below = await walkTable(walk, table, 'own')
    // A table of a table would be one of keys with many values, and there are none.
    if (below === undefined || below.length > 0) return false
  }
  return (await walkTable(walk, snapshot.free, 'free')) !== undefined
}

/** The tables that a table names. `undefined` where it does not hold together. */
async function walkTable(
  walk: Walk,
  { root, depth }: TableRoot,
  use: Use,
): Promise<TableRoot[] | undefined> {
  const tables: TableRoot[] = []
  if (root === noPage) return tables
  let level = [Number(root)]
  for (let height = depth; height > 0; height--) {
    if (!level.every((page) => claim(walk, page, 1))) return undefined
    const isLeaf = height === 1
    if (isLeaf && use === 'own') {
      if (level.length > walk.leaves) {
        if (!level.every((page) => isInFile(walk, page))) return undefined
        // The first one shows whether the table has as many levels as it says.
        level = level.slice(0, 1)
      } else walk.leaves -= level.length
    }
    const found = await walkLevel(walk, level, { isLeaf, use })
    if (found === undefined) return undefined
    level = found.children
    tables.push(...found.tables)
  }
  return tables
}

type Found = { children: number[]; tables: TableRoot[] }

async function walkLevel(
  walk: Walk,
  level: readonly number[],
  { isLeaf, use }: { isLeaf: boolean; use: Use },
): Promise<Found | undefined> {
  const { pages } = walk
  const found: Found = { children: [], tables: [] }
  const values: LongValue[] = []
  const kind = isLeaf ? kinds.leaf : kinds.branch
  const isWhole = await eachPage(walk, level, (page, base) => {
    if (!isPage(pages, base, { page, kind })) return false
    if (!hasNodes(pages, base, { isLeaf, isNumbered: use === 'free' })) return false
    if (!isLeaf) {
      for (const child of childrenOf(pages, base)) found.children.push(child)
      return true
    }
    const names = namesOf(pages, base)
    if (names === undefined || (use === 'free' && names.tables.length > 0)) return false
    found.tables.push(...names.tables)
    for (const value of names.values) values.push(value)
    if (use !== 'free') return true
    return dataOf(pages, base).every(({ at, length }) =>
      claimFree(walk, pages.view, { at, length }),
    )
  })
  if (!isWhole || !(await haveValues(walk, values))) return undefined
  if (use === 'free' && !(await haveFree(walk, values))) return undefined
  return found
}

/** Whether the pages of long values are theirs. */
async function haveValues(walk: Walk, values: readonly LongValue[]): Promise<boolean> {
  const counts = new Map(values.map(({ page, pages }) => [page, pages]))
  if (!values.every(({ page, pages }) => claim(walk, page, pages))) return false
  if (!values.every(({ page, pages }) => isInFile(walk, page, pages))) return false
  const { pages } = walk
  return eachPage(walk, [...counts.keys()], (page, base) => {
    const isThis = isPage(pages, base, { page, kind: kinds.long })
    return isThis && pages.view.getUint32(base + 20, true) === counts.get(page)
  })
}

/** Whether long lists of free pages name pages that are. */
async function haveFree(walk: Walk, lists: readonly LongValue[]): Promise<boolean> {
  for (const { page, length } of lists) {
    const bytes = new Uint8Array(length)
    const at = page * walk.snapshot.pageSize + 24
    const { bytesRead } = await walk.file.read(bytes, 0, length, at)
    if (bytesRead < length) return false
    if (!claimFree(walk, new DataView(bytes.buffer), { at: 0, length })) return false
  }
  return true
}

/** `count(u64) ‖ entries(i64 each)`: a page, or less its count before the first of several, or nothing. */
function claimFree(
  walk: Walk,
  view: DataView,
  { at, length }: { at: number; length: number },
): boolean {
  if (length < 8) return false
  const count = Number(view.getBigUint64(at, true))
  if ((count + 1) * 8 > length) return false
  for (let i = 1; i <= count; i++) {
    const entry = Number(view.getBigInt64(at + 8 * i, true))
    if (entry === 0) continue
    if (entry > 0) {
      if (!claim(walk, entry, 1)) return false
      continue
    }
    i++
    if (i > count) return false
    if (!claim(walk, Number(view.getBigInt64(at + 8 * i, true)), -entry)) return false
  }
  return true
}

/** Whether pages are some that there can be, and nothing else has them. */
function claim({ reached, snapshot }: Walk, page: number, count: number): boolean {
  if (page < 2 || page + count - 1 > snapshot.last) return false
  for (let at = page; at < page + count; at++) {
    const byte = Math.floor(at / 8)
    const bit = 1 << (at % 8)
    if (((reached[byte] as number) & bit) !== 0) return false
    reached[byte] = (reached[byte] as number) | bit
  }
  return true
}

function isInFile({ size, snapshot }: Walk, page: number, count = 1): boolean {
  return (page + count) * snapshot.pageSize <= size
}

/** Reads pages in their order, and looks at each where it was read to. Ends with the first that is wrong. */
async function eachPage(
  walk: Walk,
  wanted: readonly number[],
  look: (page: number, base: number) => boolean,
): Promise<boolean> {
  const { file, pages, snapshot } = walk
  const { pageSize } = snapshot
  const sorted = Float64Array.from(wanted).sort()
  const most = Math.floor(pages.bytes.length / pageSize)
  for (let i = 0; i < sorted.length; ) {
    const first = sorted[i] as number
    let last = first
    let end = i + 1
    for (; end < sorted.length; end++) {
      const next = sorted[end] as number
      if (next - last > gap || next - first >= most) break
      last = next
    }
    if (!isInFile(walk, last)) return false
    const length = (last - first + 1) * pageSize
    const { bytesRead } = await file.read(pages.bytes, 0, length, first * pageSize)
    if (bytesRead < length) return false
    for (; i < end; i++) {
      const page = sorted[i] as number
      if (!look(page, (page - first) * pageSize)) return false
    }
  }
  return true
}
