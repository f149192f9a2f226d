/** Look-ups of a ledger in LMDB: memory stays flat, and a start reads what is new alone. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import type { Json } from '../../core/jsonText.js'
import { MissingPeerError } from '../../errors/common.js'
import { assertLmdbFile } from '../../internal/node/lmdbFile.js'
import type { LedgerLookup, LookupMark } from '../writer/lookup.js'

/**
 * Opens look-ups in a directory. They can be removed at any time while nobody has them open: they are
 * made again from the logs.
 *
 * @throws {MissingPeerError} when the optional peer `lmdb` is not installed.
 * @throws {DatabaseDamagedError} for a file that LMDB cannot open: remove it.
 */
export async function lmdbLookup({ directory }: { directory: string }): Promise<LedgerLookup> {
  const { open } = await import('lmdb').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'lmdb', needed: 'lmdbLookup' }, { cause })
  })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'lookup.mdb')
  await assertLmdbFile(path)
  const root: RootDatabase = open({
    path,
    maxDbs: 2,
    noSubdir: true,
  })
  const rows = root.openDB<Json, string>({ name: 'rows', encoding: 'json' })
  const marks = root.openDB<LookupMark, string>({ name: 'marks', encoding: 'json' })
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
