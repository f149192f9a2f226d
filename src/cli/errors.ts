import { BaseError, type BaseErrorOptions } from '../errors/index.js'

/** The command line itself is wrong: an unknown command or option, a missing or malformed value. */
export class UsageError extends BaseError {
  override readonly name = 'UsageError'
  override readonly code = 'USAGE'

  constructor(message: string, options: BaseErrorOptions = {}) {
    super(message, options)
  }
}

/** A file that a command needs cannot be read or written. */
export class FileAccessError extends BaseError {
  override readonly name = 'FileAccessError'
  override readonly code = 'FILE_ACCESS'

  constructor(
    { path, action }: { path: string; action: 'read' | 'written' },
    options: BaseErrorOptions = {},
  ) {
    super(`${path} cannot be ${action}.`, {
      metaMessages: ['Check the path and its permissions.'],
      ...options,
    })
  }
}
