/** The few calls of a file system that durability is made of. A test puts another one in its place. */
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'

/** A file system. Nothing is durable before the call that makes it so has answered. */
export type DurableFs = {
  /** Bytes of a file, or `undefined` where there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>
  /** Makes a new file with these bytes, and the bytes durable. Its name is not, yet. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>
  /** Gives a file another name, in place of what had it. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>
  /** Removes a folder, if it is empty. */
  removeFolder(path: string): Promise<void>
  /** Makes a folder, if it is not there. */
  makeFolder(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>
  /** Names in a folder; none where there is no folder. */
  list(path: string): Promise<{ name: string; isFolder: boolean }[]>
}

/** The file system of Node. */
export function nodeFs(): DurableFs {
  return {
    readFile: (path) =>
      readFile(path).then(
        (bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        unless('ENOENT', undefined),
      ),
    writeFile: async (path, bytes) => {
      const file = await open(path, 'wx', 0o444)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    },
    rename,
    remove: (path) => rm(path).catch(unless('ENOENT', undefined)),
    removeFolder: (path) =>
      rmdir(path).catch((error: NodeJS.ErrnoException) => {
        if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error
      }),
    makeFolder: (path) => mkdir(path, { mode: 0o700 }).catch(unless('EEXIST', undefined)),
    syncFolder: async (path) => {
      const folder = await open(path, 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    },
    list: async (path) => {
      const entries = await readdir(path, { withFileTypes: true }).catch(unless('ENOENT', []))
      return entries.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
    },
  }
}

function unless<value>(code: string, value: value): (error: NodeJS.ErrnoException) => value {
  return (error) => {
    if (error.code === code) return value
    throw error
  }
}
