/** Files of a ledger in an S3-like store: the way past one machine. */
import type { ObjectStore } from '../../core/interfaces/objectStore.js'
import type { TileFile, TileStore } from '../../core/interfaces/tileStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { TileConflictError } from '../errors.js'
import { assertPath } from './path.js'

/**
 * Keeps a ledger in an object store with conditional writes. Files that never change are written with
 * `If-None-Match: *`; what changes, with `If-Match` on the version that was read, so that of two
 * writers one is refused.
 *
 * @param parameters.prefix - Put before every path, such as `ledgers/main/`.
 * @example
 * ```ts
 * import type { ObjectStore } from '@newton/policy-sdk'
 * import { objectTiles } from '@newton/policy-sdk/ledger'
 *
 * declare const store: ObjectStore
 * const tiles = objectTiles({ store, prefix: 'ledgers/main/' })
 * ```
 */
export function objectTiles(parameters: {
  store: ObjectStore
  prefix?: string | undefined
  /** Requests at a time. @default 8 */
  concurrency?: number | undefined
}): TileStore {
  const { store, prefix = '', concurrency = 8 } = parameters
  if (prefix !== '' && !prefix.endsWith('/')) {
    throw new InvalidInputError({ field: 'prefix', reason: 'it ends with a slash' })
  }
  const keyOf = (path: string): string => `${prefix}${assertPath(path)}`
  const createOne = async ({ path, bytes }: TileFile, options: IoOptions): Promise<void> => {
    const key = keyOf(path)
    if (await store.put(key, bytes, { ...options, ifNoneMatch: '*' })) return
    const there = await store.get(key, options)
    // Refused and not there: removed in between, which nobody does with a file that is written.
    if (there === undefined || !bytesEqual(there.bytes, bytes)) {
      throw new TileConflictError({ path, reason: 'it is there with other bytes' })
    }
  }
  return {
    async read(path, options = {}) {
      const found = await store.get(keyOf(path), options)
      return found && { bytes: found.bytes, version: found.etag }
    },
    async create(files, options = {}) {
      await mapBounded(files, concurrency, (file) => createOne(file, options))
    },
    async replace({ path, bytes, version }, options = {}) {
      const condition = version === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: version }
      const written = await store.put(keyOf(path), bytes, { ...options, ...condition })
      if (written === undefined) {
        throw new TileConflictError({ path, reason: 'it was changed by someone else' })
      }
      return { version: written.etag }
    },
    async remove(paths, options = {}) {
      await mapBounded(paths, concurrency, (path) => store.delete(keyOf(path), options))
    },
    async list(folder, options = {}) {
      const keys = await store.list(`${keyOf(folder)}/`, options)
      return keys.map((key) => key.slice(prefix.length))
    },
  }
}
