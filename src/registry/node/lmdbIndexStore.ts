/** An index in LMDB: one transaction a step, one writer at a time. */
import { join } from 'node:path'
import { isPolicySdkError } from '../../errors/base.js'
import { openLmdb } from '../../internal/node/lmdb/openLmdb.js'
import { writerLock } from '../../statetree/node/writerLock.js'
import { IndexStoreError } from '../chain/errors.js'
import type { IndexHandle, IndexStore } from '../events/indexer/store.js'

const WRITER = 'writer'

/**
 * Keeps an index in a directory.
 *
 * A second handle, in this process or another, is refused while the first may still run, and told who
 * has it; a handle that a killed process left is taken over. Whenever the process dies, the store has
 * a step whole or not at all.
 *
 * @throws {MissingPeerError} from `open`, when the optional peer `lmdb` is not installed.
 * @throws {DatabaseDamagedError} from `open`, for a file that LMDB cannot open.
 * @throws {DatabaseUnavailableError} from `open`, where its files cannot be made, read or written.
 * @throws {StoreLockedError} from `open` and from writes, when another handle has the store.
 * @throws {IndexStoreError} from writes, when the disk is full or fails.
 * @example
 * ```ts
 * import { createChainEvents, indexRegistry } from '@newton/policy-sdk/registry'
 * import { lmdbIndexStore } from '@newton/policy-sdk/registry/node'
 *
 * const events = await createChainEvents({ client, addresses })
 * const store = lmdbIndexStore({ path: './index' })
 * const index = await indexRegistry({ events, fromBlock: 0n, store })
 * ```
 */
export function lmdbIndexStore({ path }: { path: string }): IndexStore {
  return { open: () => openHandle(path) }
}

async function openHandle(path: string): Promise<IndexHandle> {
  const { root, tables } = await openLmdb({
    ...{ path: join(path, 'index.mdb'), needed: 'lmdbIndexStore' },
    // A transaction that returns is on disk, and one that fails says so where it was begun.
    options: { maxDbs: 2, overlappingSync: false },
    tables: (from) => ({
      records: from.openDB<Uint8Array, string>({ name: 'records', encoding: 'binary' }),
      meta: from.openDB<Uint8Array, string>({ name: 'meta', encoding: 'binary' }),
    }),
  })
  const { records, meta } = tables
  const lock = writerLock(
    {
      read: () => meta.get(WRITER),
      write: (value) => meta.put(WRITER, value),
      remove: () => meta.remove(WRITER),
    },
    path,
  )
  const transact = (work: () => void): void => {
    try {
      root.transactionSync(work)
    } catch (cause) {
      if (isPolicySdkError(cause)) throw cause
      const reason = cause instanceof Error ? cause.message : 'the transaction failed'
      throw new IndexStoreError({ reason: `a write to ${path} failed: ${reason}` }, { cause })
    }
  }
  try {
    transact(() => lock.claim())
  } catch (error) {
    await root.close()
    throw error
  }
  return {
    *records() {
      for (const { key, value } of records.getRange()) {
        yield [key, Uint8Array.from(value)] as const
      }
    },
    async write(changes) {
      transact(() => {
        lock.assertHeld()
        for (const [key, value] of changes) {
          // Inside a transaction these have happened when they return.
          if (value === null) void records.remove(key)
          else void records.put(key, value)
        }
      })
    },
    async close() {
      try {
        transact(() => lock.release())
      } catch {
        // On a full disk the claim stays; it names a handle that is gone once the process is.
      }
      await root.close()
    },
  }
}
