/** The directory of a ledger: nobody else's, and one writer's at a time. */
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import { LedgerLockedError } from '../errors.js'

/** A directory that is held. */
export type HeldDirectory = { release(): Promise<void> }

type LockBinding = { tryLock(fd: number): boolean; unlock(fd: number): void }

/**
 * Holds a directory, made where it is missing, until `release` or the end of the process: the lock is
 * the kernel's, on an open file, and falls with its holder.
 *
 * @throws {InvalidInputError} where others can read the directory, or it is someone else's.
 * @throws {LedgerLockedError} where another process holds it.
 * @throws {MissingPeerError} when the optional peer `fs-native-extensions` is not installed.
 */
export async function holdDirectory(directory: string): Promise<HeldDirectory> {
  const { tryLock, unlock } = await loadBinding()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await assertPrivate(directory)
  await mkdir(join(directory, '.state'), { recursive: true, mode: 0o700 })
  const file = await open(join(directory, '.state/lock'), 'a+', 0o600)
  try {
    if (!tryLock(file.fd)) throw new LedgerLockedError({ directory, holder: await holderOf(file) })
    await file.truncate(0)
    await file.write(`process ${process.pid}\n`, 0)
    // Files that a crash left before they had a name.
    await rm(join(directory, '.state/tmp'), { recursive: true, force: true })
  } catch (error) {
    await file.close()
    throw error
  }
  let held = true
  return {
    release: async () => {
      if (!held) return
      held = false
      unlock(file.fd)
      await file.close()
    },
  }
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

async function holderOf(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(256), 0, 256, 0)
  const text = new TextDecoder().decode(buffer.subarray(0, bytesRead)).trim()
  return text === '' ? 'another process' : text
}

async function loadBinding(): Promise<LockBinding> {
  try {
    // Named by a variable: the package has no types of its own.
    const peer: string = 'fs-native-extensions'
    const loaded = (await import(peer)) as LockBinding | { default: LockBinding }
    return 'default' in loaded ? loaded.default : loaded
  } catch (cause) {
    throw new MissingPeerError({ peer: 'fs-native-extensions', needed: 'openLedger' }, { cause })
  }
}
