import { assertOptions } from '../../internal/options.js'
import { checkedPayments, type PaymentRecord, refuse } from '../eigenda/payments.js'
import { createLockedFile } from './lockedFile.js'
import { createRecordLog } from './recordLog.js'

/** A record of payments in a file, and its end. */
export type FilePayments = PaymentRecord & {
  /** Lets another process have the file, after what is under way; later calls are refused. */
  close(): Promise<void>
}

/**
 * Creates a record of payments in a file that is synced before a write returns: what was paid for and could
 * not be checked is used again after a crash. It is replaced as a whole while it is short, and extended by
 * what has changed when it is long.
 *
 * The file is this record's alone from the first call until `close`, or until the process ends; give
 * one record to all clients of a process. Needs the optional peer `fs-native-extensions`.
 *
 * Links are followed: the lock is on the file they lead to. One that was removed or replaced meanwhile ends
 * the record, which reads and writes nothing more.
 *
 * @throws {InvalidInputError} for a path that names no file, from `write` for what is no payment, and from
 * `read` and `write` after `close` and for a file with several hard links.
 * @throws {DirectoryLockedError} from `read` and `write`, naming who has the file.
 * @throws {MissingPeerError} from `read` and `write` without the peer.
 * @throws {InvalidInputError} from `read` when the file is damaged.
 * @example
 * ```ts
 * import { eigenDa } from '@newton/policy-sdk/da'
 * import { filePayments } from '@newton/policy-sdk/da/node'
 *
 * const payments = filePayments({ path: './newton-payments.json' })
 * const da = eigenDa({ url: 'http://127.0.0.1:3100', payments })
 * ```
 */
export function filePayments(options: { path: string }): FilePayments {
  assertOptions(options, { path: 'text' }, { required: ['path'] })
  const file = createLockedFile({ path: options.path, what: 'payments' })
  const log = createRecordLog(file, {
    check: checkedPayments,
    keyOf: ({ key }) => key,
    textOf: (payment) => JSON.stringify(payment),
    keyField: 'key',
    decode: checkedPayments,
    refuse,
  })
  return { ...log, close: file.close }
}
