import { extname } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { openLmdb } from '../../internal/node/lmdb/openLmdb.js'
import { StoreClosedError, StoreFailedError } from '../store/errors.js'
import {
  assertBatch,
  assertKey,
  assertPrefix,
  batchHolds,
  copyBatch,
  type KvStore,
} from '../store/kv.js'

/**
 * Opens a store in LMDB. Durable once a commit resolves. Several processes may share it.
 *
 * Nothing notices an older copy of the folder: `createAppEnclave` takes it where that is said aloud.
 *
 * @param parameters.path - A folder.
 * @throws {MissingPeerError} where the package `lmdb` is not installed.
 * @throws {DatabaseDamagedError} for a file that LMDB cannot open.
 * @throws {DatabaseUnavailableError} where its files cannot be made, read or written.
 */
export async function lmdbKv(parameters: { path: string }): Promise<KvStore> {
  const { path } = parameters
  const { tables: database } = await openLmdb({
    // A path with an extension is the file itself, any other one a folder.
    ...{ path, isFolder: extname(path) === '', needed: 'The LMDB store' },
    options: { encoding: 'binary', keyEncoding: 'binary' as never },
    tables: (root) => root as RootDatabase<Uint8Array, string>,
  })
  const keyOf = (key: string): string => Buffer.from(key, 'utf8') as unknown as string
  const read = (key: string): Uint8Array | undefined => {
    const value = database.get(keyOf(key))
    return value === undefined ? undefined : new Uint8Array(value)
  }
  const list = (prefix: string): string[] => {
    const start = Buffer.from(prefix, 'utf8')
    const found: string[] = []
    for (const key of database.getKeys({ start: start as unknown as string })) {
      const bytes = Buffer.from(key as unknown as Uint8Array)
      if (!bytes.subarray(0, start.length).equals(start)) break
      found.push(bytes.toString('utf8'))
    }
    // LMDB orders bytes; the contract orders UTF-16 units.
    return found.sort()
  }
  let closed = false
  const guarded = async <result>(step: string, work: () => result): Promise<Awaited<result>> => {
    if (closed) throw new StoreClosedError()
    try {
      return await work()
    } catch (cause) {
      throw new StoreFailedError({ step, outcome: 'unknown' }, { cause })
    }
  }
  return {
    get: async (key) => {
      assertKey(key)
      return guarded('reading from LMDB', () => read(key))
    },
    keys: async (prefix) => {
      assertPrefix(prefix)
      return guarded('listing in LMDB', () => list(prefix))
    },
    commit: async (batch) => {
      assertBatch(batch)
      const copy = copyBatch(batch)
      return guarded('writing to LMDB', () =>
        database.transaction(() => {
          if (!batchHolds(copy, { value: read, keys: list })) return false
          for (const { key, value } of copy.writes) {
            if (value === undefined) database.removeSync(keyOf(key))
            else database.putSync(keyOf(key), value)
          }
          return true
        }),
      )
    },
    close: async () => {
      if (closed) return
      closed = true
      await database.close()
    },
  }
}
