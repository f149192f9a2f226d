/** A text in a file that one process has at a time: replaced as a whole, under the kernel's lock. */
import { lstat, readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DirectoryLockedError, InvalidInputError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { type FileLock, lockFile } from '../../internal/node/lock.js'
import { createOrder } from '../../internal/singleFlight.js'
import { DaUnavailableError } from '../errors.js'
import { makeDirectoryDurably, onDisk, readBounded, writeFileDurably } from './fileDa.js'

/** Most bytes that are read, and so that are written. */
const MOST_BYTES = 64 * 1024 * 1024
/** Links to links that are followed to a file that is not there yet. */
const MOST_LINKS = 40

/** A file that is this process's from the first read or write on. Calls are done in the order of being made. */
export type LockedFile = {
  /** `undefined` where there is no file yet. */
  read(): Promise<string | undefined>
  write(text: string): Promise<void>
  /** Lets go of it, after what is under way. Later calls are refused. */
  close(): Promise<void>
}

/** The file as it is, whatever links lead to it, and the lock on it. */
type Taken = { path: string; lock: FileLock }

// A lock must not end because nobody refers to its file any more.
const held = new Set<FileLock>()

/**
 * Opens a file; nothing is touched before the first call. `what` is its name in errors.
 *
 * @throws {InvalidInputError} for a path that is none.
 */
export function createLockedFile({ path, what }: { path: string; what: string }): LockedFile {
  if (path === '' || path.includes('\0'))
    throw new InvalidInputError({ field: 'path', reason: 'it names no file' })
  let taken: Promise<Taken> | undefined
  let isClosed = false
  const running = new Set<Promise<unknown>>()
  // What is asked for later is done later: a write that took long does not replace a newer one.
  const inTurn = createOrder()
  const refuse = (holder: string): Error => new DirectoryLockedError({ directory: path, holder })

  const take = async (): Promise<Taken> => {
    const real = await realTarget(path)
    const lock = await lockFile({
      ...{ directory: dirname(real), name: `${basename(real)}.lock` },
      ...{ label: `${what}, process ${process.pid}`, needed: what },
      refuse,
    })
    held.add(lock)
    try {
      // The lock goes by the name, and a second name of the file has another.
      const info = await lstat(real).catch(ifMissing)
      if (info?.isFile() === false)
        throw new InvalidInputError({ field: 'path', reason: 'what stands there is no file' })
      if (info !== undefined && info.nlink > 1) {
        const hint = 'Copy the file, or remove its other names.'
        throw new InvalidInputError({ field: 'path', reason: 'the file has several names', hint })
      }
      return { path: real, lock }
    } catch (error) {
      held.delete(lock)
      await lock.release()
      throw error
    }
  }
  const locked = async <value>(use: (path: string) => Promise<value>): Promise<value> => {
    if (isClosed) {
      const hint = 'Open the file anew.'
      throw new InvalidInputError({ field: what, reason: 'it was closed', hint })
    }
    const work = async (): Promise<value> => {
      taken ??= take().catch((error: unknown) => {
        taken = undefined
        throw error
      })
      const { path: real, lock } = await taken
      // Whoever removed the lock file let others in: what they wrote is not to be undone.
      const isLink = (await lstat(real).catch(ifMissing))?.isSymbolicLink()
      if (isLink || !(await lock.isCurrent()))
        throw refuse('somebody who removed or replaced its lock')
      return use(real)
    }
    const run = inTurn(() => onDisk(what, work))
    running.add(run)
    return run.finally(() => running.delete(run))
  }
  return {
    read: () =>
      locked(async (real) => {
        const bytes = await readBounded(real, MOST_BYTES)
        if (typeof bytes === 'string')
          throw new DaUnavailableError({ source: what, reason: `${path} is ${bytes}` })
        return bytes && fromUtf8(bytes, what)
      }),
    write: (text) =>
      locked((real) => {
        const bytes = utf8(text)
        if (bytes.length <= MOST_BYTES) return writeFileDurably(real, bytes)
        // What is written is to be read again: the file stays as it is.
        const reason = `${bytes.length} bytes, where ${MOST_BYTES} may be read`
        throw new DaUnavailableError({ source: what, reason })
      }),
    async close() {
      isClosed = true
      await Promise.allSettled(running)
      const own = await taken?.catch(() => undefined)
      taken = undefined
      if (own === undefined) return
      held.delete(own.lock)
      await own.lock.release()
    },
  }
}

/** The path without links, also of a file that is not there yet; its folder is made. */
async function realTarget(path: string, links = 0): Promise<string> {
  const found = await realpath(path).catch(ifMissing)
  if (found !== undefined) return found
  await makeDirectoryDurably(dirname(path))
  const folder = await realpath(dirname(path))
  const target = await readlink(path).catch(() => undefined)
  if (target === undefined || links >= MOST_LINKS) return join(folder, basename(path))
  return realTarget(resolve(folder, target), links + 1)
}

function ifMissing(error: unknown): undefined {
  if ((error as { code?: unknown })?.code !== 'ENOENT') throw error
  return undefined
}
