/**
 * Whether a file can be opened by LMDB, asked before it is: what LMDB refuses there ends the process
 * instead of the call, and so does a page that is not what its table says, or lies past the end of its file.
 *
 * ```
 * page 0, page 1: header(24: …, kind(u16) at 18) ‖ magic(u32) ‖ version(u32) ‖ address(8) ‖ size(8)
 *                 ‖ free table(48: page size(u32) ‖ flags(u16) ‖ depth(u16) …, root(u64) at 40) ‖ main table(48)
 *                 ‖ last page(8) ‖ transaction(8) ‖ boot(8)
 * ```
 * A file may rightly end before its last page: pages that were taken and given back in one transaction
 * are never written.
 */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { DatabaseDamagedError, DatabaseUnavailableError } from '../../../errors/common.js'
import { unavailable } from './lmdbFaults.js'
import { isDepth, kinds, tableAt } from './lmdbPages.js'
import { holdsTogether, type Snapshot } from './lmdbWalk.js'

const magic = 0xbeefc0de
const version = 2
/** Of the free table: keys are numbers, and each is there once; above them what the library keeps of itself. */
const freeFlags = { numbered: 0x08, unflushed: 0x1000, encrypted: 0x2000 } as const
/** Bytes of a meta page that are looked at. */
const looked = 168
/** Pages that a file may lack at its end, beside as many as it has. */
const lacking = 0x10_0000
/** How often a database that another process writes to meanwhile is looked at. */
const attempts = 3

/**
 * Checks what there is of a database file. None, or an empty one, is made anew by LMDB.
 *
 * @param options.leaves - How many leaves of tables are looked at: see {@link holdsTogether}.
 * @returns whether there is one.
 * @throws {DatabaseDamagedError} for a file that is none of LMDB's, or one that was cut.
 * @throws {DatabaseUnavailableError} for what is no file, or cannot be read.
 */
export async function assertLmdbFile(
  path: string,
  { leaves }: { leaves: number },
): Promise<boolean> {
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
    // What leads out of its pages is no page of LMDB either.
    const reason = await faultOf(file, leaves).catch((cause: unknown) => {
      if (cause instanceof RangeError) return 'a page of it cannot be read'
      throw cause
    })
    if (reason !== undefined) throw new DatabaseDamagedError({ path, reason })
    return true
  } finally {
    await file.close()
  }
}

type Meta = Snapshot & { isFlushed: boolean }

async function faultOf(file: FileHandle, leaves: number): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const found = await newest(file)
    if (typeof found === 'string') return found
    const { pageSize, last, isFlushed } = found
    // Asked after the snapshot, whose pages were written before it was.
    const { size } = await file.stat()
    const pages = Math.floor(size / pageSize)
    const isShort = last >= pages
    if (last > pages * 2 + lacking) return `it has ${size} bytes and names pages past its end`
    // What is past the end of a file is found by what names it, which may be any leaf.
    const parameters = { file, size, snapshot: found, leaves: isShort ? Infinity : leaves }
    if (await holdsTogether(parameters)) return undefined
    // Pages of a snapshot are written over once two newer ones are there, and nothing of this process holds it.
    const now = await newest(file)
    const isAnother = typeof now !== 'string' && now.transaction !== found.transaction
    if (isAnother && attempt < attempts) continue
    if (isAnother) return undefined
    if (isShort) return `it has ${size} bytes and names pages past its end`
    // LMDB goes back to an older snapshot where this one was lost on its way to the disk.
    return isFlushed ? 'its pages do not hold together' : undefined
  }
}

/** What the newer one of both first pages says, or what is wrong with them. */
async function newest(file: FileHandle): Promise<Meta | string> {
  const first = await metaAt(file, 0)
  if (first === undefined) return 'its first page is not one of LMDB'
  const pageSize = first.getUint32(48, true)
  const isSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0
  if (!isSize) return `its pages have ${pageSize} bytes`
  const second = await metaAt(file, pageSize)
  if (second === undefined) return 'its second page is not one of LMDB'
  const transactionOf = (view: DataView): bigint => view.getBigUint64(152, true)
  const view = transactionOf(second) > transactionOf(first) ? second : first
  const flags = view.getUint16(52, true)
  const free = { depth: view.getUint16(54, true), root: view.getBigUint64(88, true) }
  const main = tableAt(view, 96)
  const isKnown = (flags & 0xff) === freeFlags.numbered && (flags & freeFlags.encrypted) === 0
  if (view.getUint32(48, true) !== pageSize || main === undefined) return 'its tables are others'
  if (!isKnown || !isDepth(free.root, free.depth)) return 'its tables are others'
  const transaction = transactionOf(view)
  // The library writes the flushed snapshot between both pages as well.
  const between = await bytesAt(file, pageSize / 2)
  const isFlushed =
    (flags & freeFlags.unflushed) === 0 ||
    (between !== undefined && transactionOf(between) === transaction)
  const last = Number(view.getBigUint64(144, true))
  return { pageSize, transaction, last, free, main, isFlushed }
}

async function metaAt(file: FileHandle, position: number): Promise<DataView | undefined> {
  const view = await bytesAt(file, position)
  if (view === undefined) return undefined
  const isMeta = (view.getUint16(18, true) & kinds.meta) !== 0
  if (!isMeta || view.getUint32(24, true) !== magic) return undefined
  return (view.getUint32(28, true) & 0xffff) === version ? view : undefined
}

async function bytesAt(file: FileHandle, position: number): Promise<DataView | undefined> {
  const bytes = new Uint8Array(looked)
  const { bytesRead } = await file.read(bytes, 0, looked, position)
  return bytesRead < looked ? undefined : new DataView(bytes.buffer)
}
