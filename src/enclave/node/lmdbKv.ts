import { MissingPeerError } from '../../errors/common.js'
import { type KvStore, sameValue } from '../host/kv.js'

/**
 * Opens a store in LMDB. Durable once a commit resolves.
 *
 * @param parameters.path - A folder.
 * @throws {MissingPeerError} where the package `lmdb` is not installed.
 */
export async function lmdbKv(parameters: { path: string }): Promise<KvStore> {
  const lmdb = await import('lmdb').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'lmdb', needed: 'The LMDB store' }, { cause })
  })
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
  return {
    get: async (key) => read(key),
    keys: async (prefix) => {
      const start = Buffer.from(prefix, 'utf8')
      const found: string[] = []
      for (const key of database.getKeys({ start: start as unknown as string })) {
        const bytes = Buffer.from(key as unknown as Uint8Array)
        if (!bytes.subarray(0, start.length).equals(start)) break
        found.push(bytes.toString('utf8'))
      }
      return found
    },
    commit: ({ checks, writes }) =>
      database.transaction(() => {
        if (!checks.every(({ key, value }) => sameValue(read(key), value))) return false
        for (const { key, value } of writes) {
          if (value === undefined) database.removeSync(keyOf(key))
          else database.putSync(keyOf(key), value)
        }
        return true
      }),
    close: () => database.close(),
  }
}
