/**
 * Whether a file can be opened by LMDB, asked before it is: what LMDB refuses there ends the process
 * instead of the call, and so does a page of a map that lies past the end of its file.
 *
 * ```
 * page 0, page 1: header(24: …, flags(u16) at 18) ‖ magic(u32) ‖ version(u32) ‖ address(8) ‖ size(8)
 *                 ‖ free table(48: page size(u32) …, root(u64) at 40) ‖ main table(48) ‖ last page(8) ‖ transaction(8)
 * other pages:    header(24: …, flags at 18, twice the nodes(u16) at 20) ‖ places of nodes(u16 each, from byte 24)
 * node:           low(u16) ‖ high(u16) ‖ flags(u16) ‖ key length(u16) ‖ key ‖ data
 *                 of a branch low ‖ high ‖ flags is the page below, of a leaf low ‖ high the length of the data
 * ```
 * A file may rightly end before its last page: pages that were taken and given back in one transaction
 * are never written. So where it does, the pages that are reached are looked at, and those alone count.
 */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { DatabaseDamagedError, DatabaseUnavailableError } from '../../../errors/common.js'
import { unavailable } from './lmdbFaults.js'

const magic = 0xbeefc0de
const metaFlag = 0x08
const noPage = 0xffff_ffff_ffff_ffffn
/** Bytes of a meta page that are looked at. */
const looked = 160

/**
 * Checks what there is of a database file. None, or an empty one, is made anew by LMDB.
 *
 * @returns whether there is one.
 * @throws {DatabaseDamagedError} for a file that is none of LMDB's, or one that was cut.
 * @throws {DatabaseUnavailableError} for what is no file, or cannot be read.
 */
export async function assertLmdbFile(path: string): Promise<boolean> {
  let file: FileHandle
  try {
    // Looked at first: opening a pipe waits for its other end.
    const info = await stat(path)
    if (!info.isFile()) {
      const hint = 'Move it away, or give another path.'
      throw new DatabaseUnavailableError({ path, reason: 'what stands there is no file', hint })
    }
    if (info.size === 0) return false
    file = await open(path)
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return false
    throw unavailable(path, cause)
  }
  try {
    const { size } = await file.stat()
    // What leads out of its pages is no page of LMDB either.
    const reason = await faultOf(file, size).catch((cause: unknown) => {
      if (cause instanceof RangeError) return 'a page of it cannot be read'
      throw cause
    })
    if (reason !== undefined) throw new DatabaseDamagedError({ path, reason })
    return true
  } finally {
    await file.close()
  }
}

type Meta = { pageSize: number; transaction: bigint; roots: readonly bigint[]; last: bigint }
type Reading = { file: FileHandle; size: number; pageSize: number }

const flags = { branch: 0x01, leaf: 0x02, bigData: 0x01, subTable: 0x02 } as const
const headerBytes = 24

async function faultOf(file: FileHandle, size: number): Promise<string | undefined> {
  const first = await metaAt(file, 0)
  if (first === undefined) return 'its first page is not one of LMDB'
  const { pageSize } = first
  const isSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0
  if (!isSize) return `its pages have ${pageSize} bytes`
  const second = await metaAt(file, pageSize)
  if (second === undefined) return 'its second page is not one of LMDB'
  // The newer one counts.
  const { roots, last } = second.transaction > first.transaction ? second : first
  if ((last + 1n) * BigInt(pageSize) <= BigInt(size)) return undefined
  return (await isWhole({ file, size, pageSize }, roots))
    ? undefined
    : `it has ${size} bytes and names pages past its end`
}

/** Whether every page that is reached from the roots is in the file, and is what it should be. */
async function isWhole(at: Reading, roots: readonly bigint[]): Promise<boolean> {
  const { file, size, pageSize } = at
  const ends = (page: bigint, count = 1n): boolean => (page + count) * BigInt(pageSize) <= size
  const todo = [...roots]
  const seen = new Set<bigint>()
  const bytes = new Uint8Array(pageSize)
  const view = new DataView(bytes.buffer)
  for (let page = todo.pop(); page !== undefined; page = todo.pop()) {
    if (page === noPage || seen.has(page)) continue
    seen.add(page)
    if (!ends(page)) return false
    await file.read(bytes, 0, pageSize, Number(page) * pageSize)
    if (view.getBigUint64(0, true) !== page) return false
    const kind = view.getUint16(18, true)
    const nodes = view.getUint16(20, true) >> 1
    for (let i = 0; i < nodes; i++) {
      const node = headerBytes + view.getUint16(headerBytes + 2 * i, true)
      const [low, high, flag, key] = [0, 2, 4, 6].map((word) => view.getUint16(node + word, true))
      const length = (low as number) + (high as number) * 0x10000
      const data = node + 8 + (key as number)
      if ((kind & flags.branch) !== 0) todo.push(BigInt(length) + (BigInt(flag as number) << 32n))
      else if (((flag as number) & flags.subTable) !== 0)
        todo.push(view.getBigUint64(data + 40, true))
      else if (((flag as number) & flags.bigData) !== 0) {
        const pages = Math.floor((headerBytes - 1 + length) / pageSize) + 1
        if (!ends(view.getBigUint64(data, true), BigInt(pages))) return false
      }
    }
  }
  return true
}

async function metaAt(file: FileHandle, position: number): Promise<Meta | undefined> {
  const bytes = new Uint8Array(looked)
  const { bytesRead } = await file.read(bytes, 0, looked, position)
  if (bytesRead < looked) return undefined
  const view = new DataView(bytes.buffer)
  const isMeta = (view.getUint16(18, true) & metaFlag) !== 0
  if (!isMeta || view.getUint32(24, true) !== magic) return undefined
  return {
    pageSize: view.getUint32(48, true),
    transaction: view.getBigUint64(152, true),
    roots: [view.getBigUint64(88, true), view.getBigUint64(136, true)],
    last: view.getBigUint64(144, true),
  }
}
