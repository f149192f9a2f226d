import { BaseError, type BaseErrorOptions, isPolicySdkError } from '../errors/index.js'

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
  /** Whether there is no such file to read. */
  readonly missing: boolean

  constructor(
    { path, action }: { path: string; action: 'read' | 'written' },
    options: BaseErrorOptions = {},
  ) {
    const { code } = (options.cause ?? {}) as NodeJS.ErrnoException
    const missing = action === 'read' && code === 'ENOENT'
    super(`${path} cannot be ${action}.`, {
      metaMessages: [
        missing ? 'There is no such file: check the path.' : 'Check the path and its permissions.',
      ],
      ...options,
    })
    this.missing = missing
  }
}

/** What Node throws about a file, as {@link FileAccessError}; everything else as it is. */
export function fileErrorOf(error: unknown): unknown {
  if (!(error instanceof Error) || isPolicySdkError(error)) return error
  const { code, path, syscall } = error as NodeJS.ErrnoException
  if (typeof path !== 'string' || !/^E[A-Z0-9]+$/.test(code ?? '')) return error
  const reads =
    code === 'ENOENT' || /^(?:stat|lstat|scandir|read|readlink|access)$/.test(syscall ?? '')
  return new FileAccessError({ path, action: reads ? 'read' : 'written' }, { cause: error })
}

/** There is no ledger where one was asked for. Nothing was made. */
export class LedgerNotFoundError extends BaseError {
  override readonly name = 'LedgerNotFoundError'
  override readonly code = 'LEDGER_NOT_FOUND'

  constructor({ source }: { source: string }, options: BaseErrorOptions = {}) {
    super(`There is no ledger at ${source}: it has no checkpoint of its meta log.`, {
      metaMessages: ['Check the path or URL. `newton-policy ledger init` makes a ledger.'],
      ...options,
    })
  }
}
