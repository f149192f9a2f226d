/**
 * What one page of LMDB has to be. LMDB believes all of it: a place, a length or a transaction that is
 * another leads it out of the page or the file, and ends the process.
 *
 * ```
 * header  number(u64) ‖ transaction(u64) ‖ pad(u16) ‖ kind(u16) ‖ lower(u16) ‖ upper(u16); room follows, byte 24 on
 * room    places of nodes(u16 each) up to lower ‖ nothing ‖ nodes from upper to its end, without gaps
 * node    low(u16) ‖ high(u16) ‖ flags(u16) ‖ key length(u16) ‖ key ‖ data, to an even length
 *         of a branch low ‖ high ‖ flags is the page below, of a leaf low ‖ high the length of the data
 * data    of a long value first page(u64) ‖ transaction(u64) ‖ pages(u64)
 *         of a table pad(u32) ‖ flags(u16) ‖ depth(u16) ‖ four counts(u64 each) ‖ root(u64)
 * ```
 */

/** A run of pages that were read, and the snapshot that they are of. */
export type Pages = {
  view: DataView
  bytes: Uint8Array
  pageSize: number
  /** Its last page. */
  last: number
  transaction: bigint
}

/** A table: where it starts, and how many levels it has. */
export type TableRoot = { root: bigint; depth: number }
/** A value that lies on pages of its own. */
export type LongValue = { page: number; pages: number; length: number }

export const kinds = { branch: 0x01, leaf: 0x02, long: 0x04, meta: 0x08 } as const
/** The root of a table that is empty. */
export const noPage = 0xffff_ffff_ffff_ffffn

const headerBytes = 24
const nodeBytes = 8
const longBytes = 24
const tableBytes = 48
const nodeFlags = { long: 0x01, table: 0x02 } as const
/** The highest tree that LMDB follows. */
const maxDepth = 32

/** Whether a page begins here that is this one, of this kind, and of no later transaction. */
export function isPage(
  { view, transaction }: Pages,
  base: number,
  { page, kind }: { page: number; kind: number },
): boolean {
  return (
    view.getUint32(base, true) === page % 0x1_0000_0000 &&
    view.getUint32(base + 4, true) === Math.floor(page / 0x1_0000_0000) &&
    // LMDB takes a page of a later transaction for one in memory, and writes to its map.
    view.getBigUint64(base + 8, true) <= transaction &&
    view.getUint16(base + 18, true) === kind
  )
}

/** Whether the nodes of a branch or leaf are where they should be, one after the other, in order. */
export function hasNodes(
  { view, bytes, pageSize }: Pages,
  base: number,
  { isLeaf, isNumbered }: { isLeaf: boolean; isNumbered: boolean },
): boolean {
  const room = pageSize - headerBytes
  const lower = view.getUint16(base + 20, true)
  const upper = view.getUint16(base + 22, true)
  if (lower % 2 !== 0 || lower > upper || upper > room) return false
  const start = base + headerBytes
  // A branch of the free table may have one node for a while.
  if (lower === 0 || (!isLeaf && !isNumbered && lower === 2)) return false
  let used = 0
  let before = -1
  for (let i = 0; i < lower; i += 2) {
    const place = view.getUint16(start + i, true)
    if (place < upper || place + nodeBytes > room) return false
    const node = start + place
    const keyBytes = view.getUint16(node + 6, true)
    const size = nodeBytes + keyBytes + (isLeaf ? dataBytes(view, node) : 0)
    if (place + size > room) return false
    used += size + (size & 1)
    const isFirst = i === 0
    // The first key of a branch stands for all that is less.
    if (isFirst && !isLeaf) continue
    if (keyBytes === 0 || (isNumbered && keyBytes !== 8)) return false
    if (before >= 0 && !isNumbered && !isLess(bytes, view, before, node)) return false
    before = node
  }
  return used === room - upper
}

/** Pages below a branch. */
export function childrenOf({ view }: Pages, base: number): number[] {
  const children: number[] = []
  for (const node of nodesOf(view, base))
    children.push(
      view.getUint16(node, true) +
        view.getUint16(node + 2, true) * 0x1_0000 +
        view.getUint16(node + 4, true) * 0x1_0000_0000,
    )
  return children
}

/** What a leaf names: tables and values on pages of their own. `undefined` where that cannot be. */
export function namesOf(
  { view, pageSize, last }: Pages,
  base: number,
): { tables: TableRoot[]; values: LongValue[] } | undefined {
  const tables: TableRoot[] = []
  const values: LongValue[] = []
  const start = base + headerBytes
  const lower = view.getUint16(base + 20, true)
  for (let i = 0; i < lower; i += 2) {
    const node = start + view.getUint16(start + i, true)
    const flags = view.getUint16(node + 4, true)
    if (flags === 0) continue
    const data = node + nodeBytes + view.getUint16(node + 6, true)
    const length = view.getUint32(node, true)
    if (flags === nodeFlags.long) {
      const page = Number(view.getBigUint64(data, true))
      const pages = Number(view.getBigUint64(data + 16, true))
      const least = Math.floor((headerBytes - 1 + length) / pageSize) + 1
      if (page < 2 || pages < least || page + pages - 1 > last) return undefined
      values.push({ page, pages, length })
    } else {
      if (flags !== nodeFlags.table || length !== tableBytes) return undefined
      const table = tableAt(view, data)
      if (table === undefined) return undefined
      tables.push(table)
    }
  }
  return { tables, values }
}

/** A table of keys of bytes, each once: all that this package keeps. */
export function tableAt(view: DataView, at: number): TableRoot | undefined {
  const depth = view.getUint16(at + 6, true)
  const root = view.getBigUint64(at + 40, true)
  if (view.getUint16(at + 4, true) !== 0) return undefined
  return isDepth(root, depth) ? { root, depth } : undefined
}

export function isDepth(root: bigint, depth: number): boolean {
  return root === noPage ? depth === 0 : depth > 0 && depth < maxDepth
}

/** Where the data of each node of a leaf of the free table begin, and their length if they are in the leaf. */
export function dataOf({ view }: Pages, base: number): { at: number; length: number }[] {
  return [...nodesOf(view, base)]
    .filter((node) => view.getUint16(node + 4, true) === 0)
    .map((node) => {
      return {
        at: node + nodeBytes + view.getUint16(node + 6, true),
        length: dataBytes(view, node),
      }
    })
}

/** Bytes of a node's data that are in the leaf. */
function dataBytes(view: DataView, node: number): number {
  const isLong = (view.getUint16(node + 4, true) & nodeFlags.long) !== 0
  return isLong ? longBytes : view.getUint32(node, true)
}

function* nodesOf(view: DataView, base: number): Iterable<number> {
  const start = base + headerBytes
  const lower = view.getUint16(base + 20, true)
  for (let i = 0; i < lower; i += 2) yield start + view.getUint16(start + i, true)
}

function isLess(bytes: Uint8Array, view: DataView, left: number, right: number): boolean {
  const ours = view.getUint16(left + 6, true)
  const theirs = view.getUint16(right + 6, true)
  const both = Math.min(ours, theirs)
  for (let i = nodeBytes; i < nodeBytes + both; i++) {
    const difference = (bytes[left + i] as number) - (bytes[right + i] as number)
    if (difference !== 0) return difference < 0
  }
  return ours < theirs
}
