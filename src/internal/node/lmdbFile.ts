/**
 * Whether a file can be opened by LMDB, asked before it is: what LMDB refuses there ends the process
 * instead of the call, and so does a page of a map that lies past the end of its file.
 *
 * ```
 * page 0, page 1: header(24: …, flags(u16) at 18) ‖ magic(u32) ‖ version(u32) ‖ address(8) ‖ size(8)
 *                 ‖ free table(48: page size(u32) …, root(u64) at 40) ‖ main table(48) ‖ last page(8) ‖ transaction(8)
 * ```
 */
import { type FileHandle, open } from 'node:fs/promises'
import { DatabaseDamagedError } from '../../errors/common.js'

const magic = 0xbeefc0de
const metaFlag = 0x08
const noPage = 0xffff_ffff_ffff_ffffn
/** Bytes of a meta page that are looked at. */
const looked = 160

/**
 * Checks what there is of a database file. None, or an empty one, is made anew by LMDB.
 *
 * @throws {DatabaseDamagedError} for a file that is none of LMDB's, or one that was cut.
 */
export async function assertLmdbFile(path: string): Promise<void> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch {
    // Not there, or not to be read: LMDB says so itself.
    return
  }
  try {
    const info = await file.stat()
    if (!info.isFile() || info.size === 0) return
    const reason = await faultOf(file, info.size)
    if (reason !== undefined) throw new DatabaseDamagedError({ path, reason })
  } finally {
    await file.close()
  }
}

type Meta = { pageSize: number; transaction: bigint; roots: readonly bigint[] }

async function faultOf(file: FileHandle, size: number): Promise<string | undefined> {
  const first = await metaAt(file, 0)
  if (first === undefined) return 'its first page is not one of LMDB'
  const { pageSize } = first
  const isSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0
  if (!isSize) return `its pages have ${pageSize} bytes`
  const second = await metaAt(file, pageSize)
  if (second === undefined) return 'its second page is not one of LMDB'
  // The newer one counts.
  const { roots } = second.transaction > first.transaction ? second : first
  const cut = roots.some((page) => page !== noPage && (page + 1n) * BigInt(pageSize) > BigInt(size))
  return cut ? `it has ${size} bytes and names pages past its end` : undefined
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
  }
}
