/** A text in a file that one process has at a time: replaced as a whole, under the kernel's lock. */
import { basename, dirname } from 'node:path'
import { DirectoryLockedError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { type DirectoryLock, lockFile } from '../../internal/node/lock.js'
import { DaUnavailableError } from '../errors.js'
import { makeDirectoryDurably, onDisk, readBounded, writeFileDurably } from './fileDa.js'

/** Most bytes that are read. */
const MOST_BYTES = 64 * 1024 * 1024

/** A file that is this process's from the first read or write on. */
export type LockedFile = {
  /** `undefined` where there is no file yet. */
  read(): Promise<string | undefined>
  write(text: string): Promise<void>
  /** Lets go of it. A later call takes it again. */
  close(): Promise<void>
}

// A lock must not end because nobody refers to its file any more.
const held = new Set<DirectoryLock>()

/** Opens a file; nothing is touched before the first call. `what` is its name in errors. */
export function createLockedFile({ path, what }: { path: string; what: string }): LockedFile {
  let lock: Promise<DirectoryLock> | undefined
  const take = async (): Promise<DirectoryLock> => {
    await makeDirectoryDurably(dirname(path))
    const taken = await lockFile({
      ...{ directory: dirname(path), name: `${basename(path)}.lock` },
      ...{ label: `${what}, process ${process.pid}`, needed: what },
      refuse: (holder) => new DirectoryLockedError({ directory: path, holder }),
    })
    held.add(taken)
    return taken
  }
  const locked = <value>(work: () => Promise<value>): Promise<value> =>
    onDisk(what, async () => {
      lock ??= take().catch((error: unknown) => {
        lock = undefined
        throw error
      })
      await lock
      return work()
    })
  return {
    read: () =>
      locked(async () => {
        const bytes = await readBounded(path, MOST_BYTES)
        if (typeof bytes === 'string')
          throw new DaUnavailableError({ source: what, reason: `${path} is ${bytes}` })
        return bytes && fromUtf8(bytes, what)
      }),
    write: (text) => locked(() => writeFileDurably(path, utf8(text))),
    async close() {
      const taken = await lock?.catch(() => undefined)
      lock = undefined
      if (taken === undefined) return
      held.delete(taken)
      await taken.release()
    },
  }
}
