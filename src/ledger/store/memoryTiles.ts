/** Files of a ledger in memory: for tests, and for browsers. */
import type { StoredFile, TileFile, TileStore } from '../../core/interfaces/tileStore.js'
import { bytesEqual, copyBytes } from '../../internal/bytes.js'
import { TileConflictError } from '../errors.js'
import { assertPath } from './path.js'

/** A store in memory. What is in it is gone with it. */
export type MemoryTiles = TileStore & {
  /** The files themselves, by path. Changing one is damage. */
  readonly files: Map<string, Uint8Array>
}

/**
 * Creates a store in memory.
 *
 * @example
 * ```ts
 * import { memoryTiles } from '@newton/policy-sdk/ledger'
 *
 * const store = memoryTiles()
 * await store.create([{ path: 'a/b', bytes: new Uint8Array([1]) }])
 * ```
 */
export function memoryTiles(): MemoryTiles {
  const files = new Map<string, Uint8Array>()
  const versions = new Map<string, number>()
  let count = 0
  const set = ({ path, bytes }: TileFile): string => {
    files.set(path, copyBytes(bytes))
    count += 1
    versions.set(path, count)
    return String(count)
  }
  const versionOf = (path: string): string | undefined =>
    files.has(path) ? String(versions.get(path) ?? 0) : undefined
  return {
    files,
    async read(path, options = {}): Promise<StoredFile | undefined> {
      options.signal?.throwIfAborted()
      assertPath(path)
      const bytes = files.get(path)
      const version = versionOf(path)
      return bytes && version !== undefined ? { bytes: copyBytes(bytes), version } : undefined
    },
    async create(added, options = {}): Promise<void> {
      options.signal?.throwIfAborted()
      for (const file of added) {
        assertPath(file.path)
        const there = files.get(file.path)
        if (there !== undefined && !bytesEqual(there, file.bytes)) {
          throw new TileConflictError({ path: file.path, reason: 'it is there with other bytes' })
        }
      }
      for (const file of added) if (!files.has(file.path)) set(file)
    },
    async replace(file, options = {}): Promise<{ version: string }> {
      options.signal?.throwIfAborted()
      assertPath(file.path)
      if (versionOf(file.path) !== file.version) {
        throw new TileConflictError({ path: file.path, reason: 'it was changed by someone else' })
      }
      return { version: set(file) }
    },
    async remove(paths, options = {}): Promise<void> {
      options.signal?.throwIfAborted()
      for (const path of paths) files.delete(assertPath(path))
    },
    async list(folder, options = {}): Promise<string[]> {
      options.signal?.throwIfAborted()
      return [...files.keys()].filter((path) => path.startsWith(`${assertPath(folder)}/`))
    },
  }
}
