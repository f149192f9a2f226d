import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** What can be wrong with the files of a log. */
export type LogFault = 'missing' | 'malformed' | 'inconsistent'

const sentences: Record<LogFault, string> = {
  missing: 'is not there, although the checkpoint implies it',
  malformed: 'does not have the bytes of a C2SP tlog-tiles file',
  inconsistent: 'does not lead to the root of the checkpoint',
}

/** A file of a log is missing, or is not what its checkpoint commits to. Nothing of it was used. */
export class LedgerLogError extends BaseError {
  override readonly name = 'LedgerLogError'
  override readonly code = 'LEDGER_LOG_INVALID'
  /** What is wrong. */
  readonly fault: LogFault
  /** Path of the file, or what was asked for. */
  readonly path: string

  constructor({ fault, path }: { fault: LogFault; path: string }, options: BaseErrorOptions = {}) {
    super(`\`${path}\` ${sentences[fault]}.`, {
      metaMessages: [
        fault === 'missing'
          ? 'Read from another copy of the log, or with a newer checkpoint.'
          : 'Keep the file and the checkpoint: together they show what the log served.',
      ],
      ...options,
    })
    this.fault = fault
    this.path = path
  }
}
