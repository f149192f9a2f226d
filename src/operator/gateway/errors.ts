/** Errors of clients of a gateway. */
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** A gateway's answer is malformed, or not the answer to what was asked. */
export class GatewayAnswerError extends BaseError {
  override readonly name = 'GatewayAnswerError'
  override readonly code = 'GATEWAY_ANSWER'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The gateway's answer is not used: ${reason.replace(/\.$/, '')}.`, {
      metaMessages: [
        'There is no decision: treat it as not allowed. Another gateway may be asked.',
      ],
      ...options,
    })
  }
}
