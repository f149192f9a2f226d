import { join } from 'node:path'
import { MissingPeerError } from '../../errors/common.js'
import { assertLmdbFile } from '../../internal/node/lmdbFile.js'
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
 */
export async function lmdbKv(parameters: { path: string }): Promise<KvStore> {
  const lmdb = await import('lmdb').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'lmdb', needed: 'The LMDB store' }, { cause })
  })
  // A path with an extension is the file itself, any other one a folder.
  await assertLmdbFile(parameters.path)
  await assertLmdbFile(join(parameters.path, 'data.mdb'))
  const database = lmdb.open<Uint8Array, string>({
    path: parameters.path,
    encoding: 'binary',
    keyEncoding: 'binary' as never,
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
