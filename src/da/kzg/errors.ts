import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Points that are not the mainnet reference string: wrong form, wrong order or another secret. */
export class InvalidSrsError extends BaseError {
  override readonly name = 'InvalidSrsError'
  override readonly code = 'KZG_INVALID_SRS'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The reference string is not usable: ${reason}.`, {
      metaMessages: ['Use the prefix of the mainnet `g1.point` file; any host may serve it.'],
      ...options,
    })
  }
}

/** The reference string supplied is shorter than the blob. */
export class SrsTooShortError extends BaseError {
  override readonly name = 'SrsTooShortError'
  override readonly code = 'KZG_SRS_TOO_SHORT'

  constructor(
    { needed, available }: { needed: number; available: number },
    options: BaseErrorOptions = {},
  ) {
    super(
      `A blob of ${needed} symbols needs as many points, and ${available} were supplied.`,
      options,
    )
  }
}

/** A certificate commits to other bytes. */
export class CommitmentMismatchError extends BaseError {
  override readonly name = 'CommitmentMismatchError'
  override readonly code = 'KZG_COMMITMENT_MISMATCH'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The certificate is not for these bytes: ${reason}.`, options)
  }
}

/** The check of a certificate that failed. */
export type CertFault =
  | 'MALFORMED'
  | 'INCLUSION'
  | 'PAYER_SIGNATURE'
  | 'UNEXPECTED_PAYER'
  | 'POINT'
  | 'LENGTH'
  | 'LENGTH_COMMITMENT'
  | 'LENGTH_PROOF'
  | 'REFUSED_ON_CHAIN'

/** A certificate that does not verify. `fault` says which check failed. */
export class InvalidCertError extends BaseError {
  override readonly name = 'InvalidCertError'
  override readonly code = 'KZG_INVALID_CERT'
  readonly fault: CertFault

  constructor(
    { fault, reason }: { fault: CertFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The certificate does not verify (${fault}): ${reason}.`, options)
    this.fault = fault
  }
}

/** The worker that computes commitments failed or was stopped. */
export class KzgWorkerError extends BaseError {
  override readonly name = 'KzgWorkerError'
  override readonly code = 'KZG_WORKER'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The commitment worker failed: ${reason}.`, options)
  }
}
