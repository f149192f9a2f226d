import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { clip } from '../wire/errors.js'

/** What an enclave answered does not fit what it was asked, or not its own document. */
export class EnclaveResultError extends BaseError {
  override readonly name = 'EnclaveResultError'
  override readonly code = 'ENCLAVE_RESULT'
  /** Member at fault. */
  readonly field: string

  constructor(
    { field, reason }: { field: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    const at = clip(field)
    super(`The enclave's answer is refused: \`${at}\`, ${clip(reason)}.`, options)
    this.field = at
  }
}

/** The signing request names another enclave build than the one that is connected. */
export class EnclaveBuildError extends BaseError {
  override readonly name = 'EnclaveBuildError'
  override readonly code = 'ENCLAVE_BUILD'

  constructor(
    { named, connected }: { named: string; connected: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The request names the build ${named}, the connected enclave is ${connected}.`, {
      metaMessages: ['Abstain, or connect to an enclave of the named build.'],
      ...options,
    })
  }
}

/** Inside the enclave, something was asked that the host's snapshot does not hold. */
export class NotInSnapshotError extends BaseError {
  override readonly name = 'NotInSnapshotError'
  override readonly code = 'NOT_IN_SNAPSHOT'

  constructor({ what }: { what: string }, options: BaseErrorOptions = {}) {
    super(`The host's snapshot does not hold ${what}.`, options)
  }
}

/** An artifact could not be had from the host, or its bytes miss their hash. */
export class EnclaveArtifactError extends BaseError {
  override readonly name = 'EnclaveArtifactError'
  override readonly code = 'ENCLAVE_ARTIFACT'

  constructor({ hash, reason }: { hash: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`The artifact ${hash} could not be had from the host: ${reason}.`, {
      retryable: true,
      ...options,
    })
  }
}
