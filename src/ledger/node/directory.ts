/** The directory of a ledger: nobody else's, and one writer's at a time. */
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '../../errors/common.js'
import { type DirectoryLock, lockFile } from '../../internal/node/lock.js'
import { LedgerLockedError } from '../errors.js'

/** A directory that is held. */
export type HeldDirectory = DirectoryLock

/**
 * Holds a directory, made where it is missing, until `release` or the end of the process: the lock is
 * the kernel's, on an open file, and falls with its holder.
 *
 * @throws {InvalidInputError} where others can read the directory, or it is someone else's.
 * @throws {LedgerLockedError} where another process holds it.
 * @throws {MissingPeerError} when the optional peer `fs-native-extensions` is not installed.
 */
export async function holdDirectory(directory: string): Promise<HeldDirectory> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await assertPrivate(directory)
  const state = join(directory, '.state')
  const lock = await lockFile({
    ...{ directory: state, name: 'lock', label: `process ${process.pid}`, needed: 'openLedger' },
    refuse: (holder) => new LedgerLockedError({ directory, holder }),
  })
  try {
    // Files that a crash left before they had a name.
    await rm(join(state, 'tmp'), { recursive: true, force: true })
  } catch (error) {
    await lock.release()
    throw error
  }
  return lock
}

async function assertPrivate(directory: string): Promise<void> {
  const { mode, uid } = await stat(directory)
  if ((mode & 0o077) !== 0) {
    throw new InvalidInputError({
      field: 'directory',
      reason: `others can read ${directory}`,
      hint: `Give it to its owner alone: chmod 700 ${directory}`,
    })
  }
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new InvalidInputError({ field: 'directory', reason: `${directory} is someone else’s` })
  }
}
