/**
 * The one place where LMDB is opened. Where its lock file cannot be opened, mapped or written to, LMDB
 * ends the process (a segmentation fault, or a bus error on a full disk) instead of the call, as where it
 * cannot write the first pages of a new database: all of that is asked before.
 *
 * The lock file is never opened here once it has its name: locks of LMDB belong to the process, and
 * closing any handle of that file would let go of those of a database that this process has open.
 */
import { randomUUID } from 'node:crypto'
import { access, constants, link, lstat, open, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RootDatabase, RootDatabaseOptions } from 'lmdb'
import { DatabaseUnavailableError, MissingPeerError } from '../../../errors/common.js'
import { makeDirectory } from '../directories.js'
import { unavailable } from './lmdbFaults.js'
import { assertLmdbFile } from './lmdbFile.js'
import { assertShareable } from './lmdbLock.js'

/** Bytes of a lock file that is made here. LMDB takes the size that it finds, and needs 8 KiB. */
const LOCK_BYTES = 16 * 1024
/** Bytes of it that are written to when a database is opened: as much has to be on the disk. */
const LOCK_HEAD = 4_096
/** Bytes that have to be free where a database or a lock file has no place of its own yet. */
const LEAST_FREE = 1024 * 1024
/** Bytes that are written for a trial there: what is free is not free to everybody. */
const TRIAL_BYTES = 128 * 1024
/** Handles that a database takes, and some of what Node opens meanwhile. */
const HANDLES = 8
/** What LMDB gives its own files, less what the process keeps from others. */
const LOCK_MODE = 0o664
/** Leaves that are looked at when a database is opened: 64 MiB of the library's pages, read in a moment. */
const LEAVES = 16_384

/**
 * Opens a database and its tables.
 *
 * @param parameters.path - The file; with `isFolder` the folder of `data.mdb`.
 * @param parameters.needed - What cannot be done without the optional peer.
 * @param parameters.tables - Opens the tables. Where it throws, the database is closed again.
 * @param parameters.mode - Of folders that are made.
 * @param parameters.checkAll - Whether the leaves of a large database are looked at, too.
 * @throws {MissingPeerError} when the optional peer `lmdb` is not installed.
 * @throws {DatabaseDamagedError} for a file that is none of LMDB's, or one that was cut.
 * @throws {DatabaseUnavailableError} where its files cannot be made, read or written.
 */
export async function openLmdb<tables>(parameters: {
  path: string
  isFolder?: boolean
  needed: string
  mode?: number
  checkAll?: boolean | undefined
  options: RootDatabaseOptions
  tables: (root: RootDatabase) => tables
}): Promise<{ root: RootDatabase; tables: tables }> {
  const { path, isFolder = false, needed, mode, checkAll, options, tables } = parameters
  const lmdb = await import('lmdb').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'lmdb', needed }, { cause })
  })
  const file = isFolder ? join(path, 'data.mdb') : path
  try {
    await makeDirectory(dirname(file), mode)
    const isThere = await assertLmdbFile(file, {
      leaves: checkAll === true ? Infinity : LEAVES,
    })
    await assertHandles(dirname(file))
    if (!isThere) await assertRoom(dirname(file))
    const lock = isFolder ? join(path, 'lock.mdb') : `${path}-lock`
    await prepareLock(file, lock)
    await assertShareable({
      ...{ file, lock },
      async openScratch(at, whileOpen) {
        await assertRoom(dirname(at))
        await prepareLock(at, `${at}-lock`)
        const scratch = lmdb.open({ path: at, noSubdir: true })
        await whileOpen()
        await scratch.close()
      },
    })
    const root = lmdb.open({ ...options, path, noSubdir: !isFolder })
    try {
      return { root, tables: tables(root) }
    } catch (error) {
      await root.close()
      throw error
    }
  } catch (cause) {
    throw unavailable(file, cause)
  }
}

/** Makes a lock file with a place on the disk, or looks at the one that is there. */
async function prepareLock(file: string, lock: string): Promise<void> {
  const info = (await lstat(lock).catch(ifMissing)) ?? (await makeLock(lock))
  if (info === undefined) return assertRoom(dirname(lock))
  if (!info.isFile()) {
    const reason = `its lock file ${lock} is ${info.isSymbolicLink() ? 'a link' : 'no file'}`
    const hint = 'Remove it while no process has the database open.'
    throw new DatabaseUnavailableError({ path: file, reason, hint })
  }
  await access(lock, constants.R_OK | constants.W_OK)
  // One that is shorter, or was lengthened and never written to, gets its place when LMDB writes.
  if (info.size < LOCK_HEAD || info.blocks * 512 < LOCK_HEAD) await assertRoom(dirname(lock))
}

/**
 * Writes a lock file under another name and gives it its own: whole or not at all, and not over another.
 * `undefined` where the file system has no names to give.
 */
async function makeLock(lock: string) {
  const draft = `${lock}.${randomUUID()}`
  try {
    await writeZeros(draft, LOCK_BYTES)
    const isNamed = await link(draft, lock).then(
      () => true,
      (error: unknown) => (error as { code?: unknown }).code === 'EEXIST',
    )
    return isNamed ? await lstat(lock) : undefined
  } finally {
    await rm(draft, { force: true })
  }
}

async function writeZeros(path: string, length: number): Promise<void> {
  const handle = await open(path, 'wx', LOCK_MODE)
  try {
    await handle.writeFile(new Uint8Array(length))
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function assertRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < LEAST_FREE)
    throw Object.assign(new Error(`less than ${LEAST_FREE} bytes are free`), { code: 'ENOSPC' })
  const trial = join(folder, `.room.${randomUUID()}`)
  try {
    await writeZeros(trial, TRIAL_BYTES)
  } finally {
    await rm(trial, { force: true })
  }
}

/** LMDB ends the process where it cannot have its handles, too. */
async function assertHandles(folder: string): Promise<void> {
  // Windows opens no folders, and has no such limit.
  if (process.platform === 'win32') return
  const taken = await Promise.allSettled(Array.from({ length: HANDLES }, () => open(folder)))
  for (const one of taken) if (one.status === 'fulfilled') await one.value.close()
  const refused = taken.find((one) => one.status === 'rejected')
  // A folder that may be written and not be listed cannot be opened: the handles were not what was missing.
  if (refused !== undefined && refused.reason?.code !== 'EACCES') throw refused.reason
}

function ifMissing(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== 'ENOENT') throw error
  return undefined
}
