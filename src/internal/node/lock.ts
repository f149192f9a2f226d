/** A directory belongs to one process: a lock that the kernel frees when its holder dies. */
import { constants, type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryLockedError, InvalidInputError, MissingPeerError } from '../../errors/common.js'

/** A held lock. */
export type DirectoryLock = { release(): Promise<void> }

/** A held lock on a file that can be looked at. */
export type FileLock = DirectoryLock & {
  /** Whether the file of its name is still the one that is locked: one that was removed keeps nobody out. */
  isCurrent(): Promise<boolean>
}

type LockBinding = { tryLock(fd: number): boolean; unlock(fd: number): void }

/**
 * Takes a directory for this process, made where it is missing.
 *
 * The lock is on an open file, never on its age or on a process number: it is free when its holder
 * is dead and not before.
 *
 * @param options.role - Named to whom the lock is refused.
 * @throws {DirectoryLockedError} naming the holder.
 * @throws {InvalidInputError} where a link, a folder or a file with several names stands in the lock's place.
 * @throws {MissingPeerError} when the optional peer `fs-native-extensions` is not installed.
 * @example
 * ```ts
 * import { lockDirectory } from '@newton/policy-sdk/operator/node'
 *
 * const lock = await lockDirectory({ directory: './newton-operator', role: 'operator' })
 * await lock.release()
 * ```
 */
export async function lockDirectory(options: {
  directory: string
  role: string
}): Promise<DirectoryLock> {
  const { directory, role } = options
  return lockFile({
    ...{
      directory,
      name: 'LOCK',
      label: `${role}, process ${process.pid}`,
      needed: 'lockDirectory',
    },
    refuse: (holder) => new DirectoryLockedError({ directory, holder }),
  })
}

/** Takes one file of a directory, made where both are missing: the kernel's lock on an open file. */
export async function lockFile(options: {
  directory: string
  name: string
  /** Told to whom the lock is refused. */
  label: string
  /** What cannot be done without the optional peer. */
  needed: string
  refuse: (holder: string) => Error
}): Promise<FileLock> {
  const { directory, name, label, needed, refuse } = options
  const { tryLock, unlock } = await loadBinding(needed)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, name)
  const file = await openLock(path)
  try {
    // Its text is replaced, and what anybody put in its place is not ours to replace.
    const info = await file.stat()
    if (!info.isFile() || info.nlink > 1) throw noLock(path)
    if (!tryLock(file.fd)) throw refuse(await readHolder(file))
    await file.truncate(0)
    await file.write(`${label}\n`, 0)
  } catch (error) {
    await file.close()
    throw error
  }
  let held = true
  return {
    isCurrent: async () => {
      if (!held) return false
      const own = await file.stat({ bigint: true })
      const named = await stat(path, { bigint: true }).catch(() => undefined)
      return own.ino === named?.ino && own.dev === named.dev
    },
    release: async () => {
      if (!held) return
      held = false
      unlock(file.fd)
      await file.close()
    },
  }
}

// Windows has no such flag, and links there are made by administrators.
const { O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDWR } = constants

async function openLock(path: string): Promise<FileHandle> {
  try {
    return await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (cause) {
    // What the system says of a link, of a folder, and of what is neither.
    const code = String((cause as { code?: unknown }).code)
    if (['ELOOP', 'EMLINK', 'EISDIR', 'ENXIO'].includes(code)) throw noLock(path, cause)
    throw cause
  }
}

function noLock(path: string, cause?: unknown): InvalidInputError {
  const reason = `its lock ${path} is a link, has several names, or is no file`
  const hint = 'Remove it while nobody has what it locks.'
  return new InvalidInputError({ field: 'path', reason, hint }, { cause })
}

async function readHolder(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(256), 0, 256, 0)
  const text = new TextDecoder().decode(buffer.subarray(0, bytesRead)).trim()
  return text === '' ? 'another process' : text
}

async function loadBinding(needed: string): Promise<LockBinding> {
  try {
    // Named by a variable: the package has no types of its own.
    const peer: string = 'fs-native-extensions'
    const loaded = (await import(peer)) as LockBinding | { default: LockBinding }
    return 'default' in loaded ? loaded.default : loaded
  } catch (cause) {
    throw new MissingPeerError({ peer: 'fs-native-extensions', needed }, { cause })
  }
}
