/** Errors of a verification: what could not be had, and what is not valid. */
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import type { AttestationOutcome, InconclusiveReason } from './outcome.js'

/** Something that a verification needs could not be obtained. */
export class InconclusiveError extends BaseError {
  override readonly name = 'InconclusiveError'
  override readonly code = 'ATTESTATION_INCONCLUSIVE'
  /** What could not be obtained. */
  readonly reason: InconclusiveReason
  /** The fact behind it, as a clause. */
  readonly detail: string

  constructor(
    { reason, detail }: { reason: InconclusiveReason; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The attestation could not be verified (${reason}): ${detail}.`, {
      retryable: reason !== 'INVALID_ARGUMENTS',
      metaMessages: ['It is neither valid nor evidence. Verify it again when this can be had.'],
      ...options,
    })
    this.reason = reason
    this.detail = detail
  }
}

/** An attestation is not valid. `outcome` says why. */
export class AttestationError extends BaseError {
  override readonly name = 'AttestationError'
  override readonly code = 'ATTESTATION_NOT_VALID'
  /** The outcome that is not `valid`. */
  readonly outcome: Exclude<AttestationOutcome, { status: 'valid' }>

  constructor(
    { outcome }: { outcome: Exclude<AttestationOutcome, { status: 'valid' }> },
    options: BaseErrorOptions = {},
  ) {
    const reason = outcome.status === 'consistent' ? outcome.level : outcome.reason
    super(`The attestation is not valid: ${outcome.status} (${reason}).`, {
      retryable: outcome.status === 'inconclusive' && outcome.retryable,
      metaMessages: [adviceOn(outcome)],
      ...options,
    })
    this.outcome = outcome
  }
}

function adviceOn(outcome: Exclude<AttestationOutcome, { status: 'valid' }>): string {
  if (outcome.status === 'inconclusive' && !outcome.retryable) {
    return `The call is wrong and stays so: ${outcome.detail}.`
  }
  if (outcome.status !== 'slashable' || outcome.challengeable) {
    return attestationAdvice[outcome.status]
  }
  return 'Do not act on it. It cannot be challenged: the contract accepts no response of this instance, and takes challenges of accepted responses only.'
}

const attestationAdvice = {
  consistent: 'Verify it at level quorum or result before acting on it.',
  reject: 'Do not act on it.',
  slashable: 'Do not act on it. Anyone may challenge it on chain with the evidence.',
  disputed: 'Do not act on it. Its result differs from a re-run on the attested inputs.',
  inconclusive: 'Verify it again when what is missing can be had.',
} as const
