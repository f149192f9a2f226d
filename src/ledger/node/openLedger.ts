/** A ledger in a directory of this machine. */
import { join } from 'node:path'
import { assertChoice, assertKnown, checkedClock } from '../../internal/options.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import { type CreateLedgerParameters, createLedger, type Ledger } from '../intake/ledger.js'
import { memoryLookup } from '../writer/lookup.js'
import { type OpenWriterParameters, openWriter } from '../writer/writer.js'
import { holdDirectory } from './directory.js'
import { opensslVerify } from './ed25519.js'
import { lmdbLookup } from './lmdbLookup.js'
import { posixTiles } from './posixTiles.js'

/** What {@link openLedger} takes. */
export type OpenLedgerParameters = Omit<OpenWriterParameters, 'store' | 'lookup'> &
  Omit<CreateLedgerParameters, 'writer' | 'verify' | 'schemas'> & {
    directory: string
    schemas: EventSchemas
    /** Where look-ups are kept: in LMDB beside the logs, or in memory. @default 'lmdb' */
    lookup?: 'lmdb' | 'memory' | undefined
  }

const known = [
  'ledger',
  'checkpointSeed',
  'keepPartials',
  'maxBatch',
  'maxWaiting',
  'cutInterval',
  'now',
  'onStop',
  'schemas',
  'maxAhead',
  'requireVerifiedWasm',
  'directory',
  'lookup',
]

/**
 * Opens the ledger in a directory, which belongs to this process until `close`.
 *
 * @throws {LedgerLockedError} where another process has it.
 * @throws {LedgerStateError} where its files contradict each other.
 * @throws {MissingPeerError} without `fs-native-extensions`, or `lmdb` unless `lookup: 'memory'`.
 * @example
 * ```ts
 * import { openLedger } from '@newton/policy-sdk/ledger/node'
 * import { loadEventSchemas } from '@newton/policy-sdk/ledger/schemas'
 *
 * const ledger = await openLedger({
 *   directory: '/var/lib/newton/ledger',
 *   ledger: 'ledger.example/eval',
 *   checkpointSeed: crypto.getRandomValues(new Uint8Array(32)),
 *   schemas: await loadEventSchemas(),
 * })
 * await ledger.close()
 * ```
 */
export async function openLedger(parameters: OpenLedgerParameters): Promise<Ledger> {
  assertKnown('parameters', parameters, known)
  const { directory, lookup = 'lmdb', schemas, maxAhead, requireVerifiedWasm, ...rest } = parameters
  assertChoice('lookup', lookup, ['lmdb', 'memory'])
  const now = checkedClock('now', rest.now ?? Date.now)
  const held = await holdDirectory(directory)
  try {
    const rows =
      lookup === 'memory'
        ? memoryLookup()
        : await lmdbLookup({ directory: join(directory, '.index') })
    try {
      const writer = await openWriter({
        ...rest,
        now,
        store: posixTiles({ directory }),
        lookup: rows,
      })
      const ledger = createLedger({
        writer,
        schemas,
        verify: opensslVerify(),
        now,
        maxAhead,
        requireVerifiedWasm,
      })
      const close = async (): Promise<void> => {
        try {
          await ledger.close()
        } finally {
          await held.release()
        }
      }
      return { ...ledger, close }
    } catch (error) {
      await rows.close()
      throw error
    }
  } catch (error) {
    await held.release()
    throw error
  }
}
