import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

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

  constructor(
    { reason, retryable }: { reason: string; retryable: boolean },
    options: BaseErrorOptions = {},
  ) {
    super(`The application enclave refused the call with ${reason}.`, { retryable, ...options })
    this.reason = reason
  }
}

/** An enclave is bound to another contract. */
export class AppContractError extends BaseError {
  override readonly name = 'AppContractError'
  override readonly code = 'APP_CONTRACT'

  constructor(
    { contract, bound }: { contract: string; bound: string },
    options: BaseErrorOptions = {},
  ) {
    super(`This enclave is bound to the contract ${bound}, not to ${contract}.`, options)
  }
}
