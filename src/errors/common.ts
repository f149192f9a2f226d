import { BaseError, type BaseErrorOptions } from './base.js'

/** An argument is malformed. `field` is the path of the offending value, such as `refs[2]`. */
export class InvalidInputError extends BaseError {
  override readonly name = 'InvalidInputError'
  override readonly code = 'INVALID_INPUT'
  /** Path of the offending value inside the arguments. */
  readonly field: string

  constructor(
    { field, reason, hint }: { field: string; reason: string; hint?: string | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`\`${field}\` is not valid: ${reason}.`, {
      ...options,
      metaMessages: hint === undefined ? options.metaMessages : [hint],
    })
    this.field = field
  }
}

/** An operation did not end within its `timeout`. Its outcome is unknown. */
export class TimeoutError extends BaseError {
  override readonly name = 'TimeoutError'
  override readonly code = 'TIMEOUT'

  constructor(
    { operation, timeout }: { operation: string; timeout: number },
    options: BaseErrorOptions = {},
  ) {
    super(`${operation} did not end within ${timeout} ms.`, {
      retryable: true,
      metaMessages: ['Raise `timeout`, or try again: nothing was decided.'],
      ...options,
    })
  }
}

/** An optional peer dependency is not installed. */
export class MissingPeerError extends BaseError {
  override readonly name = 'MissingPeerError'
  override readonly code = 'MISSING_PEER'

  constructor({ peer, needed }: { peer: string; needed: string }, options: BaseErrorOptions = {}) {
    super(`${needed} needs the package \`${peer}\`, which is not installed.`, {
      metaMessages: [`Install it: npm install ${peer}`],
      ...options,
    })
  }
}

/** The file of a database is damaged, or was written by something else. */
export class DatabaseDamagedError extends BaseError {
  override readonly name = 'DatabaseDamagedError'
  override readonly code = 'DATABASE_DAMAGED'
  /** The file. */
  readonly path: string

  constructor({ path, reason }: { path: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`The database ${path} cannot be opened: ${reason}.`, {
      metaMessages: ['Put a whole copy in its place, or move it away and begin anew.'],
      ...options,
    })
    this.path = path
  }
}

/** A database cannot be opened where it is: no room, no right to it, or something else stands there. */
export class DatabaseUnavailableError extends BaseError {
  override readonly name = 'DatabaseUnavailableError'
  override readonly code = 'DATABASE_UNAVAILABLE'
  /** The file. */
  readonly path: string

  constructor(
    { path, reason, hint }: { path: string; reason: string; hint: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The database ${path} cannot be opened: ${reason}.`, {
      metaMessages: [hint],
      ...options,
    })
    this.path = path
  }
}

/** A directory belongs to another process that is running. */
export class DirectoryLockedError extends BaseError {
  override readonly name = 'DirectoryLockedError'
  override readonly code = 'DIRECTORY_LOCKED'

  constructor(
    { directory, holder }: { directory: string; holder: string },
    options: BaseErrorOptions = {},
  ) {
    super(`${directory} belongs to ${holder}.`, {
      metaMessages: ['Stop that process, or give this one a directory of its own.'],
      ...options,
    })
  }
}
