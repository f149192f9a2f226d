/** Errors of calls between operators and whoever asks them. */
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { inOneLine } from '../../errors/words.js'
import { type RpcFault, rpcFaults } from './faults.js'

/** Most characters of a refusal. */
const MOST_WORDS = 1_024

/** Who refuses a call. */
export type Refuser = 'operator' | 'gateway'

/** A call was refused, by this operator or by the one that was asked. `fault` says why. */
export class OperatorRpcError extends BaseError {
  override readonly name = 'OperatorRpcError'
  override readonly code = 'OPERATOR_RPC'
  readonly fault: RpcFault
  /** The JSON-RPC code. */
  readonly rpcCode: number
  /** Milliseconds after which the call may be made again, where the operator said so. */
  readonly retryAfter: number | undefined

  constructor(
    {
      fault,
      detail,
      retryAfter,
      by = 'operator',
    }: {
      fault: RpcFault
      detail: string
      retryAfter?: number | undefined
      /** Who refuses. @default 'operator' */
      by?: Refuser | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    // It may be what a stranger says.
    super(`The ${by} refuses the call (${fault}): ${inOneLine(detail, MOST_WORDS)}.`, {
      retryable: rpcFaults[fault].retryable,
      metaMessages: [
        rpcFaults[fault].retryable
          ? 'The same call may succeed later.'
          : 'The same call will be refused again.',
      ],
      ...options,
    })
    this.fault = fault
    this.rpcCode = rpcFaults[fault].code
    this.retryAfter = retryAfter
  }
}

/** An operator cannot be reached, or does not answer in time. */
export class OperatorUnreachableError extends BaseError {
  override readonly name = 'OperatorUnreachableError'
  override readonly code = 'OPERATOR_UNREACHABLE'

  constructor(
    { operator, reason }: { operator: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`Operator ${operator} cannot be reached: ${reason}.`, {
      retryable: true,
      metaMessages: ['The others go on without it.'],
      ...options,
    })
  }
}

/** Whoever answers at an operator's URL does not show that it is that operator. */
export class OperatorIdentityError extends BaseError {
  override readonly name = 'OperatorIdentityError'
  override readonly code = 'OPERATOR_IDENTITY'
  /** What is wrong with its identity. */
  readonly fault: string

  constructor(
    { operator, fault }: { operator: string; fault: string },
    options: BaseErrorOptions = {},
  ) {
    super(`Operator ${operator} does not prove that the URL is its own: ${fault}.`, {
      metaMessages: [
        'It is called for nothing. Compare its URL with its `identity.urls`, its key with the table,',
        'and the clocks of both machines.',
      ],
      ...options,
    })
    this.fault = fault
  }
}

/** An operator's answer is not what the method gives. */
export class OperatorAnswerError extends BaseError {
  override readonly name = 'OperatorAnswerError'
  override readonly code = 'OPERATOR_ANSWER'

  constructor(
    { operator, method, reason }: { operator: string; method: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`Operator ${operator} answers ${method} with what is no answer: ${reason}.`, {
      metaMessages: ['It counts as silent. Nothing of the answer is used.'],
      ...options,
    })
  }
}
