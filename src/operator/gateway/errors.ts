/** Errors of clients of a gateway. */
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { inOneLine } from '../../errors/words.js'

/** A gateway's answer is malformed, or not the answer to what was asked. */
export class GatewayAnswerError extends BaseError {
  override readonly name = 'GatewayAnswerError'
  override readonly code = 'GATEWAY_ANSWER'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    // It may name what the gateway sent.
    super(`The gateway's answer is not used: ${inOneLine(reason, 1_024).replace(/\.$/, '')}.`, {
      metaMessages: [
        'There is no decision: treat it as not allowed. Another gateway may be asked.',
      ],
      ...options,
    })
  }
}
