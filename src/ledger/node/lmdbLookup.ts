/** Look-ups of a ledger in LMDB: memory stays flat, and a start reads what is new alone. */
import { join } from 'node:path'
import type { Json } from '../../core/jsonText.js'
import { openLmdb } from '../../internal/node/lmdb/openLmdb.js'
import type { LedgerLookup, LookupMark } from '../writer/lookup.js'

/**
 * Opens look-ups in a directory. They can be removed at any time while nobody has them open: they are
 * made again from the logs.
 *
 * @throws {MissingPeerError} when the optional peer `lmdb` is not installed.
 * @throws {DatabaseDamagedError} for a file that LMDB cannot open: remove it.
 * @throws {DatabaseUnavailableError} where its files cannot be made, read or written.
 */
export async function lmdbLookup({ directory }: { directory: string }): Promise<LedgerLookup> {
  const { root, tables } = await openLmdb({
    ...{ path: join(directory, 'lookup.mdb'), mode: 0o700, needed: 'lmdbLookup' },
    options: { maxDbs: 2 },
    tables: (from) => ({
      rows: from.openDB<Json, string>({ name: 'rows', encoding: 'json' }),
      marks: from.openDB<LookupMark, string>({ name: 'marks', encoding: 'json' }),
    }),
  })
  const { rows, marks } = tables
  return {
    get: (key) => rows.get(key),
    apply: (changes, mark) => {
      root.transactionSync(() => {
        // Inside a transaction these have happened when they return.
        for (const [key, value] of changes) void rows.put(key, value)
        void marks.put('mark', mark)
      })
    },
    mark: () => marks.get('mark'),
    clear: () => {
      root.transactionSync(() => {
        rows.clearSync()
        marks.clearSync()
      })
    },
    close: () => root.close(),
  }
}
