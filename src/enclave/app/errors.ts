import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'

/** A sequence number is not the next one of its contract. */
export class AppSequenceError extends BaseError {
  override readonly name = 'AppSequenceError'
  override readonly code = 'APP_SEQUENCE'
  /** `replay`: done already with another request. `gap`: earlier ones are missing. `rollback`: the chain is ahead of this state. */
  readonly fault: 'replay' | 'gap' | 'rollback'

  constructor(
    parameters: {
      fault: 'replay' | 'gap' | 'rollback'
      contract: string
      sequence: bigint
      committed: bigint
    },
    options: BaseErrorOptions = {},
  ) {
    const { fault, contract, sequence, committed } = parameters
    super(
      `Sequence ${sequence} of ${contract} is refused as a ${fault}: ${committed} is committed.`,
      {
        retryable: fault === 'gap',
        ...options,
      },
    )
    this.fault = fault
  }
}

/** An application enclave refused a call. */
export class AppCallError extends BaseError {
  override readonly name = 'AppCallError'
  override readonly code = 'APP_CALL'
  /** Code of the failure inside. */
  readonly reason: string
  /** Whether it was the application's own handler that failed. */
  readonly byHandler: boolean

  constructor(
    { reason, retryable, byHandler = false }: CallFailure,
    options: BaseErrorOptions = {},
  ) {
    super(`The application enclave failed the call with ${reason}.`, { retryable, ...options })
    this.reason = reason
    this.byHandler = byHandler
  }
}

type CallFailure = { reason: string; retryable: boolean; byHandler?: boolean | undefined }

/**
 * A handler's refusal: thrown by it, attested by the enclave, and the end of the request. Nothing that the
 * handler wrote is kept; the sequence of an event is used.
 *
 * For faults of the user, on input that was proved. A host that brings a bad proof is answered with any
 * other error, so that it can bring a better one.
 */
export class AppRefusalError extends BaseError {
  override readonly name = 'AppRefusalError'
  override readonly code = 'APP_REFUSAL'
  /** Why, as a code: capital letters, digits and underscores. */
  readonly reason: string
  /** The document that attests the refusal, on the host's side. */
  readonly document: Uint8Array | undefined

  constructor(
    { reason, document }: { reason: string; document?: Uint8Array | undefined },
    options: BaseErrorOptions = {},
  ) {
    if (!reasonForm.test(reason)) {
      throw new InvalidInputError({
        field: 'reason',
        reason: 'expected 2 to 64 capital letters, digits and underscores, a letter first',
      })
    }
    super(`The application refuses the request with ${reason}.`, options)
    this.reason = reason
    this.document = document
  }
}

/** Form of reasons that cross between enclave and host. */
export const reasonForm = /^[A-Z][A-Z0-9_]{1,63}$/

/** A transaction can never succeed: sending it again is of no use. */
export class TransactionRejectedError extends BaseError {
  override readonly name = 'TransactionRejectedError'
  override readonly code = 'TRANSACTION_REJECTED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The transaction was rejected: ${reason}.`, {
      metaMessages: ['It is kept as a dead letter: retry it once its cause is gone, or skip it.'],
      ...options,
    })
  }
}

/** An enclave is bound to another contract. */
export class AppContractError extends BaseError {
  override readonly name = 'AppContractError'
  override readonly code = 'APP_CONTRACT'

  constructor(
    { contract, bound }: { contract: string; bound: string | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(
      bound === undefined
        ? `This enclave has no contract yet, so not ${contract} either.`
        : `This enclave is bound to the contract ${bound}, not to ${contract}.`,
      options,
    )
  }
}

/** The application could not build a request from an event. Tried again, then a dead letter. */
export class EventBuildError extends BaseError {
  override readonly name = 'EventBuildError'
  override readonly code = 'EVENT_BUILD'

  constructor(options: BaseErrorOptions = {}) {
    super('The request of an event could not be built.', { retryable: true, ...options })
  }
}
