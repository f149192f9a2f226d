import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '../../errors/common.js'
import type { BlobStore } from '../store/sealed/blobs.js'

/** Milliseconds after which a file that was never finished is a dead process's. */
const abandonedAfter = 3_600_000

/**
 * Keeps sealed records in a folder, one file each. A file is flushed before it has its name, and the name
 * is on disk when writing resolves.
 *
 * @example
 * ```ts
 * import { fileBlobs } from '@newton/policy-sdk/enclave/node'
 *
 * const blobs = fileBlobs({ directory: './state' })
 * ```
 */
export function fileBlobs(parameters: { directory: string }): BlobStore {
  const { directory } = parameters
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidInputError({ field: 'directory', reason: 'expected a path' })
  }
  const path = (name: string): string => {
    // A name is never a path.
    if (!/^[0-9a-f-]{1,100}$/.test(name)) {
      throw new InvalidInputError({ field: 'name', reason: 'expected digits, a to f and hyphens' })
    }
    return join(directory, name)
  }
  let ready: Promise<unknown> | undefined
  const folder = (): Promise<unknown> => {
    ready ??= mkdir(directory, { recursive: true, mode: 0o700 }).catch((cause) => {
      ready = undefined
      throw cause
    })
    return ready
  }
  return {
    read: async (name) => {
      try {
        return new Uint8Array(await readFile(path(name)))
      } catch (cause) {
        if (isAbsent(cause)) return undefined
        throw cause
      }
    },
    write: async (name, blob) => {
      const place = path(name)
      await folder()
      const next = join(directory, `${randomUUID()}.next`)
      try {
        const file = await open(next, 'wx', 0o600)
        try {
          await file.writeFile(blob)
          await file.sync()
        } finally {
          await file.close()
        }
        await rename(next, place)
      } catch (cause) {
        await rm(next, { force: true })
        throw cause
      }
      await syncFolder(directory)
    },
    names: async () => {
      await folder()
      const names = await readdir(directory)
      for (const name of names.filter((entry) => entry.endsWith('.next'))) {
        await removeAbandoned(join(directory, name))
      }
      return names.filter((name) => /^[0-9a-f-]+$/.test(name))
    },
    delete: (name) => rm(path(name), { force: true }),
  }
}

async function syncFolder(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function removeAbandoned(file: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(file)
    if (Date.now() - mtimeMs > abandonedAfter) await rm(file, { force: true })
  } catch (cause) {
    // Its writer was faster.
    if (!isAbsent(cause)) throw cause
  }
}

function isAbsent(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}
