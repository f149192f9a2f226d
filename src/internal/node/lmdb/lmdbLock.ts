/**
 * Whether a lock file can be shared with the processes that hold it. LMDB ends the process where another
 * version of it holds the file, and waits without end where something holds it alone.
 *
 * ```
 * magic(u32) ‖ format(u32: version, and the kind and sizes of its locks) ‖ …
 * ```
 * Who holds a file is read from the kernel, on Linux alone. A lock file may be opened here only while nothing
 * of this process has it open: closing any handle of it lets go of all locks of the process.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { DatabaseUnavailableError } from '../../../errors/common.js'

const magic = 0xbeefc0de
const headBytes = 8
/** How often, and after how many milliseconds, a lock that is held alone is looked at again. */
const looks = 10
const pause = 100

type Holder = { pid: number; isAlone: boolean }
type Head = { magic: number; format: number }

/**
 * Checks who holds a lock file.
 *
 * @param parameters.file - The database.
 * @param parameters.openScratch - Opens and closes a database at a path, with the library that is used.
 * @throws {DatabaseUnavailableError} where another version of LMDB holds it, or something holds it alone.
 */
export async function assertShareable(parameters: {
  file: string
  lock: string
  openScratch: (path: string, whileOpen: () => Promise<void>) => Promise<void>
}): Promise<void> {
  const { file, lock, openScratch } = parameters
  const refused = (reason: string, hint: string, retryable?: true): DatabaseUnavailableError =>
    new DatabaseUnavailableError({ path: file, reason, hint }, { retryable })
  let holders = await holdersOf(lock)
  for (let look = 1; holders.some(({ isAlone }) => isAlone) && look < looks; look++) {
    // LMDB holds it alone for a moment, while it opens the first handle.
    await setTimeout(pause)
    holders = await holdersOf(lock)
  }
  const [holder] = holders
  if (holder === undefined) return
  const alone = holders.find(({ isAlone }) => isAlone)
  if (alone !== undefined) {
    const hint = 'Wait for that process, or end it.'
    throw refused(`process ${alone.pid} holds its lock file alone`, hint, true)
  }
  // Nothing may come between looking and closing it again: another call may open the database there.
  if (isOpenHere(lock)) return
  const found = headOf(lock)
  if (found.magic === magic && found.format === (await ownFormat(openScratch))) return
  throw refused(
    `another version of LMDB has it open, in process ${holder.pid}`,
    'End that process, or let it use the version of lmdb that this one has.',
  )
}

/** Other processes with a lock on a file, as `<n>: POSIX ADVISORY READ <pid> <device>:<inode> <from> <to>`. */
async function holdersOf(lock: string): Promise<Holder[]> {
  const listed = await readFile('/proc/locks', 'utf8').catch(() => '')
  if (listed === '') return []
  const { ino } = await stat(lock, { bigint: true })
  const holders: Holder[] = []
  for (const line of listed.split('\n')) {
    const [, kind, , way, pid, place, from] = line.split(/\s+/)
    // Devices are told apart otherwise by some file systems: the number of the file has to do.
    // The first byte is the file's lock; a reader holds another one, which has its process's number, alone.
    if (kind !== 'POSIX' || from !== '0' || place?.split(':').at(-1) !== String(ino)) continue
    if (Number(pid) > 0 && Number(pid) !== process.pid)
      holders.push({ pid: Number(pid), isAlone: way === 'WRITE' })
  }
  return holders
}

function isOpenHere(lock: string): boolean {
  const { dev, ino } = statSync(lock, { bigint: true })
  return readdirSync('/proc/self/fd').some((handle) => {
    // The handle of the listing itself is gone by now.
    const info = statSync(`/proc/self/fd/${handle}`, { bigint: true, throwIfNoEntry: false })
    return info !== undefined && info.dev === dev && info.ino === ino
  })
}

function headOf(lock: string): Head {
  const handle = openSync(lock, 'r')
  try {
    const view = new DataView(new ArrayBuffer(headBytes))
    readSync(handle, view, 0, headBytes, 0)
    return { magic: view.getUint32(0, true), format: view.getUint32(4, true) }
  } finally {
    closeSync(handle)
  }
}

let known: Promise<number> | undefined

/** What the library writes: it differs with the system, and with how the library was built. */
function ownFormat(
  openScratch: (path: string, whileOpen: () => Promise<void>) => Promise<void>,
): Promise<number> {
  known ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lmdb-'))
    try {
      let format = 0
      const path = join(folder, 'data.mdb')
      await openScratch(path, async () => {
        format = headOf(`${path}-lock`).format
      })
      return format
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })()
  known.catch(() => {
    known = undefined
  })
  return known
}
