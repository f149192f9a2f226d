import { assertOptions } from '../../internal/options.js'
import type { RetentionJournal } from '../retention/journal/journal.js'
import { decodeJournal, encodeJournal } from '../retention/journal/records.js'
import { createLockedFile } from './lockedFile.js'

/** A journal in a file, and its end. */
export type FileJournal = RetentionJournal & {
  /** Lets another process have the file, after what is under way; later calls are refused. */
  close(): Promise<void>
}

/**
 * Creates a journal in a file that is replaced as a whole and synced before a write returns.
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
  return {
    async read() {
      const text = await file.read()
      return text === undefined ? [] : decodeJournal(text)
    },
    write: async (records) => file.write(encodeJournal(records)),
    close: file.close,
  }
}
