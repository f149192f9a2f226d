/**
 * Files of a ledger in a directory, at the paths at which C2SP serves them.
 *
 * A file is written under another name, synced, renamed, and its folder synced: it is there whole or
 * not at all. Files are read-only; nothing is ever written over but the commit point and checkpoints.
 */
import { createHash, randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { TileFile, TileStore } from '../../core/interfaces/tileStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { TileConflictError } from '../errors.js'
import { assertPath } from '../store/path.js'
import { type DurableFs, nodeFs } from './durableFs.js'

const temporary = '.state/tmp'

/**
 * A store in a directory, which is there already. That one process writes to it is up to the caller:
 * `openLedger` holds a lock.
 *
 * @example
 * ```ts
 * import { posixTiles } from '@newton/policy-sdk/ledger/node'
 *
 * const store = posixTiles({ directory: '/var/lib/newton/ledger' })
 * ```
 */
export function posixTiles(parameters: {
  directory: string
  fs?: DurableFs | undefined
}): TileStore {
  const { directory, fs = nodeFs() } = parameters
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidInputError({ field: 'directory', reason: 'expected a path' })
  }
  const at = (path: string): string => join(directory, assertPath(path))
  const folders = folderMaker(fs, directory)
  /** Writes under a name that nobody reads, and answers it. */
  const writeAside = async (bytes: Uint8Array): Promise<string> => {
    await folders.make(temporary)
    const name = join(directory, temporary, randomUUID())
    await fs.writeFile(name, bytes)
    return name
  }
  const createOne = async ({ path, bytes }: TileFile): Promise<void> => {
    const there = await fs.readFile(at(path))
    if (there !== undefined) {
      if (bytesEqual(there, bytes)) return
      throw new TileConflictError({ path, reason: 'it is there with other bytes' })
    }
    await folders.make(dirname(path))
    await fs.rename(await writeAside(bytes), at(path))
  }
  return {
    async read(path, options = {}) {
      options.signal?.throwIfAborted()
      const bytes = await fs.readFile(at(path))
      if (bytes === undefined) return undefined
      // Few ask for it, and it is a hash over all of the file.
      return {
        bytes,
        get version() {
          return versionOf(bytes)
        },
      }
    },
    async create(files, options = {}) {
      options.signal?.throwIfAborted()
      await Promise.all(files.map(createOne))
      // Also of those that were there: a crash may have left a name that is not durable yet.
      const touched = new Set(files.map(({ path }) => dirname(path)))
      await Promise.all([...touched].map((folder) => fs.syncFolder(join(directory, folder))))
    },
    async replace({ path, bytes, version }, options = {}) {
      options.signal?.throwIfAborted()
      await folders.make(dirname(path))
      const aside = await writeAside(bytes)
      const there = await fs.readFile(at(path))
      if ((there && versionOf(there)) !== version) {
        await fs.remove(aside)
        throw new TileConflictError({ path, reason: 'it was changed by someone else' })
      }
      await fs.rename(aside, at(path))
      await fs.syncFolder(dirname(at(path)))
      return { version: versionOf(bytes) }
    },
    async remove(paths, options = {}) {
      options.signal?.throwIfAborted()
      // In their order: what names others is named first.
      for (const path of paths) await fs.remove(at(path))
      for (const folder of new Set(paths.map((path) => dirname(path)))) {
        if (folder.endsWith('.p')) await fs.removeFolder(join(directory, folder))
        if (folder.endsWith('.p')) folders.forget(folder)
      }
    },
    async list(folder, options = {}) {
      options.signal?.throwIfAborted()
      return listAll(fs, directory, assertPath(folder))
    },
  }
}

function versionOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Makes folders with their parents, each name durable before anything is in it. */
function folderMaker(fs: DurableFs, directory: string) {
  const made = new Map<string, Promise<void>>()
  const makeOne = async (path: string): Promise<void> => {
    const parent = dirname(path)
    if (parent !== '.') await make(parent)
    await fs.makeFolder(join(directory, path))
    await fs.syncFolder(join(directory, parent))
  }
  function make(path: string): Promise<void> {
    if (path === '.') return Promise.resolve()
    let making = made.get(path)
    if (making === undefined) {
      making = makeOne(path)
      made.set(path, making)
      making.catch(() => made.delete(path))
      // Folders of partial tiles come and go; the others are few.
      if (made.size > 4_096) made.clear()
    }
    return making
  }
  return { make, forget: (path: string): void => void made.delete(path) }
}

async function listAll(fs: DurableFs, directory: string, folder: string): Promise<string[]> {
  const found: string[] = []
  for (const { name, isFolder } of await fs.list(join(directory, folder))) {
    const path = `${folder}/${name}`
    if (isFolder) found.push(...(await listAll(fs, directory, path)))
    else found.push(path)
  }
  return found
}
