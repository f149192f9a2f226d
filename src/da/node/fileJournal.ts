import { assertList, assertOptions } from '../../internal/options.js'
import type { RetentionJournal } from '../retention/journal/journal.js'
import {
  keptRecord,
  type RenewalRecord,
  readRecords,
  refuse,
  textOf,
} from '../retention/journal/records.js'
import { createLockedFile } from './lockedFile.js'
import { createRecordLog } from './recordLog.js'

/** A journal in a file, and its end. */
export type FileJournal = RetentionJournal & {
  /** Lets another process have the file, after what is under way; later calls are refused. */
  close(): Promise<void>
}

/**
 * Creates a journal in a file that is synced before a write returns: replaced as a whole while it is short,
 * and extended by what has changed when it is long.
 *
 * The file is this journal's alone from the first call until `close`, or until the process ends: two
 * keepers that do not see each other's steps would both pay. Needs the optional peer
 * `fs-native-extensions`, for the kernel's lock.
 *
 * Links are followed: the lock is on the file they lead to. One that was removed or replaced meanwhile ends
 * the journal, which reads and writes nothing more.
 *
 * @throws {InvalidInputError} for a path that names no file, from `write` for what is no record, and from
 * `read` and `write` after `close` and for a file with several hard links.
 * @throws {DirectoryLockedError} from `read` and `write`, naming who has the file.
 * @throws {MissingPeerError} from `read` and `write` without the peer.
 * @throws {InvalidInputError} from `read` when the file is damaged.
 * @example
 * ```ts
 * import { fileJournal } from '@newton/policy-sdk/da/node'
 *
 * const journal = fileJournal({ path: './newton-retention.json' })
 * ```
 */
export function fileJournal(options: { path: string }): FileJournal {
  assertOptions(options, { path: 'text' }, { required: ['path'] })
  const file = createLockedFile({ path: options.path, what: 'journal' })
  const log = createRecordLog(file, {
    check(records) {
      assertList('journal', records)
      return (records as readonly RenewalRecord[]).map(keptRecord)
    },
    keyOf: ({ artifactHash }) => artifactHash,
    textOf,
    keyField: 'artifactHash',
    decode: readRecords,
    refuse,
  })
  return { ...log, close: file.close }
}
