import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Bytes that are no EigenDA commitment, or a certificate with a malformed member. */
export class InvalidCommitmentError extends BaseError {
  override readonly name = 'InvalidCommitmentError'
  override readonly code = 'DA_INVALID_COMMITMENT'
  /** Member of the certificate, such as `batchHeader.batchRoot`. */
  readonly field: string

  constructor(
    { field, reason }: { field: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`EigenDA commitment: \`${field}\` is not valid: ${reason}.`, options)
    this.field = field
  }
}

/** An encoded payload that breaks a rule of codec version 0. */
export class InvalidEncodedPayloadError extends BaseError {
  override readonly name = 'InvalidEncodedPayloadError'
  override readonly code = 'DA_INVALID_ENCODED_PAYLOAD'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The encoded payload is not valid: ${reason}.`, options)
  }
}
