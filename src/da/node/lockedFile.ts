/** A text in a file that one process has at a time, under the kernel's lock. */
import type { BigIntStats } from 'node:fs'
import {
  type FileHandle,
  lstat,
  open,
  readdir,
  readlink,
  realpath,
  rm,
  stat,
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DirectoryLockedError, InvalidInputError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { type FileLock, lockFile } from '../../internal/node/lock.js'
import { createOrder } from '../../internal/singleFlight.js'
import { DaUnavailableError } from '../errors.js'
import { makeDirectoryDurably, onDisk, readBounded, writeFileDurably } from './fileDa.js'

/** Most bytes that are read, and so that are written. */
const MOST_BYTES = 64 * 1024 * 1024
/** What a file is written to before it gets its name. */
const DRAFT = /\.[0-9a-f]{8}-[0-9a-f-]{27}\.tmp$/
/** Links to links that are followed to a file that is not there yet. */
const MOST_LINKS = 40

/** The file while it is this process's turn. */
export type HeldFile = {
  /** `undefined` where there is no file yet. */
  read(): Promise<string | undefined>
  /** Replaces the file as a whole. What is returned names its state, for {@link HeldFile.append}. */
  write(text: string): Promise<string>
  /**
   * Writes behind what is there, and returns the new state. Nothing is written, and `undefined` is returned,
   * where the file is another than that of `state`, has several names, or would be too long to be read. A
   * crash leaves the beginning of `text`, with zeros where something of it is missing.
   */
  append(text: string, state: string): Promise<string | undefined>
  /** Finds out whether `bytes` bytes could be appended, and leaves the file as it is; returns as `append`. */
  reserve(bytes: number, state: string): Promise<string | undefined>
}

/** A file that is this process's from the first read or write on. Calls are done in the order of being made. */
export type LockedFile = {
  /** Does something with the file that nothing else is done with meanwhile. */
  use<value>(work: (file: HeldFile) => Promise<value>): Promise<value>
  /** `undefined` where there is no file yet. */
  read(): Promise<string | undefined>
  /** Replaces the file as a whole. */
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
      await removeDrafts(real).catch(() => undefined)
      return { path: real, lock }
    } catch (error) {
      held.delete(lock)
      await lock.release()
      throw error
    }
  }
  const use: LockedFile['use'] = async (work) => {
    if (isClosed) {
      const hint = 'Open the file anew.'
      throw new InvalidInputError({ field: what, reason: 'it was closed', hint })
    }
    const held = async (): ReturnType<typeof work> => {
      taken ??= take().catch((error: unknown) => {
        taken = undefined
        throw error
      })
      const { path: real, lock } = await taken
      // Whoever removed the lock file let others in: what they wrote is not to be undone.
      const isLink = (await lstat(real).catch(ifMissing))?.isSymbolicLink()
      if (isLink || !(await lock.isCurrent()))
        throw refuse('somebody who removed or replaced its lock')
      return work(heldFile(real, what))
    }
    const run = inTurn(() => onDisk(what, held))
    running.add(run)
    return run.finally(() => running.delete(run))
  }
  return {
    use,
    read: () => use((file) => file.read()),
    async write(text) {
      await use((file) => file.write(text))
    },
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

/** Removes what killed writers have left: nobody else writes to the file of a held lock. */
async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder)) {
    const isDraft = name.startsWith(`${basename(path)}.`) && DRAFT.test(name)
    if (isDraft) await rm(join(folder, name), { force: true })
  }
}

function heldFile(path: string, what: string): HeldFile {
  /** Opens the file where it is the one of `state` with `more` bytes of room. */
  async function behind(
    { state, more }: { state: string; more: number },
    work: (file: FileHandle, size: number) => Promise<void>,
  ): Promise<string | undefined> {
    const file = await open(path, 'r+').catch(ifMissing)
    if (file === undefined) return undefined
    try {
      const info = await file.stat({ bigint: true })
      const size = Number(info.size)
      const isOwn = info.isFile() && info.nlink === 1n && stateOf(info) === state
      if (!isOwn || size + more > MOST_BYTES) return undefined
      try {
        await work(file, size)
      } catch (error) {
        // What is left of a write that failed is nothing to read again.
        await file.truncate(size).catch(() => undefined)
        throw error
      }
      return stateOf(await file.stat({ bigint: true }))
    } finally {
      await file.close()
    }
  }
  async function extend(file: FileHandle, bytes: Uint8Array, size: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.length - done
      done += (await file.write(bytes, done, rest, size + done)).bytesWritten
    }
    await file.datasync()
  }
  return {
    async read() {
      const bytes = await readBounded(path, MOST_BYTES)
      if (typeof bytes === 'string')
        throw new DaUnavailableError({ source: what, reason: `${path} is ${bytes}` })
      return bytes && fromUtf8(bytes, what)
    },
    async write(text) {
      const bytes = utf8(text)
      if (bytes.length <= MOST_BYTES) {
        await writeFileDurably(path, bytes)
        return stateOf(await stat(path, { bigint: true }))
      }
      // What is written is to be read again: the file stays as it is.
      const reason = `${bytes.length} bytes, where ${MOST_BYTES} may be read`
      throw new DaUnavailableError({ source: what, reason })
    },
    async append(text, state) {
      const bytes = utf8(text)
      return behind({ state, more: bytes.length }, (file, size) => extend(file, bytes, size))
    },
    reserve: (bytes, state) =>
      behind({ state, more: bytes }, async (file, size) => {
        await extend(file, utf8(`${' '.repeat(bytes - 1)}\n`), size)
        await file.truncate(size)
      }),
  }
}

/** Differs where somebody else wrote to the file or put another one in its place. */
function stateOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs}`
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
