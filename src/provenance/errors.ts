import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** What can be wrong with build information. */
export type BuildInfoFault =
  | 'malformed'
  | 'duplicate'
  | 'incomplete'
  | 'too_large'
  | 'not_wasm'
  | 'present'

/** Build information, or the WASM that carries it, is not as its format says. Nothing of it is used. */
export class BuildInfoError extends BaseError {
  override readonly name = 'BuildInfoError'
  override readonly code = 'BUILD_INFO_INVALID'
  /** What is wrong. */
  readonly fault: BuildInfoFault

  constructor(
    { fault, reason }: { fault: BuildInfoFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The build information cannot be used: ${reason}.`, {
      metaMessages: [
        'Build the plugin again with `newton-policy plugin build`, which writes it, or have a manager submit it to the build information registry.',
      ],
      ...options,
    })
    this.fault = fault
  }
}

/** What can be wrong with a source archive. */
export type ArchiveFault =
  | 'malformed'
  | 'unsafe_path'
  | 'unsafe_entry'
  | 'too_large'
  | 'not_one_folder'
  | 'wrong_hash'

/** A source archive is malformed, or would write where it must not. Nothing of it was extracted. */
export class SourceArchiveError extends BaseError {
  override readonly name = 'SourceArchiveError'
  override readonly code = 'SOURCE_ARCHIVE_INVALID'
  /** What is wrong. */
  readonly fault: ArchiveFault

  constructor(
    { fault, reason }: { fault: ArchiveFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The source archive is refused: ${reason}.`, {
      metaMessages: ['Make it with `newton-policy plugin archive`.'],
      ...options,
    })
    this.fault = fault
  }
}
