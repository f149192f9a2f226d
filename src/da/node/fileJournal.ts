import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { DaUnavailableError } from '../errors.js'
import { decodeJournal, encodeJournal, type RetentionJournal } from '../retention/journal.js'
import { onDisk, readBounded, writeFileDurably } from './fileDa.js'

/**
 * Creates a journal in a file that is replaced as a whole and synced before a write returns.
 *
 * @throws {InvalidInputError} from `read` when the file is damaged.
 * @example
 * ```ts
 * import { fileJournal } from '@newton/policy-sdk/da/node'
 *
 * const journal = fileJournal({ path: '/tmp/newton-retention.json' })
 * ```
 */
export function fileJournal(options: { path: string }): RetentionJournal {
  assertOptions(options, { path: 'text' }, { required: ['path'] })
  const { path } = options
  return {
    async read() {
      const bytes = await onDisk('journal', () => readBounded(path, 64 * 1024 * 1024))
      if (bytes === undefined) return []
      if (typeof bytes === 'string')
        throw new DaUnavailableError({ source: 'journal', reason: `${path} is ${bytes}` })
      return decodeJournal(fromUtf8(bytes, 'journal'))
    },
    write(records) {
      const text = utf8(encodeJournal(records))
      return onDisk('journal', () => writeFileDurably(path, text))
    },
  }
}
