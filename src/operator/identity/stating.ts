/** The operator's side: its identity, signed anew now and then and not for each who asks. */
import type { Hex } from 'viem'
import type { G1Point } from '../../core/bn254/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { createRecall } from '../../internal/singleFlight.js'
import { normalizeUrl, type OperatorIdentity, writeIdentity } from './identity.js'

/** Completes and signs what an operator states: a signing guard does. */
export type IdentitySigner = {
  signIdentity(
    parameters: Pick<OperatorIdentity, 'urls' | 'pcr0Commitment' | 'issuedAt'>,
    options?: IoOptions,
  ): Promise<{ identity: OperatorIdentity; signature: G1Point }>
}

/** Milliseconds for which a signed identity is given again: strangers make nobody sign. */
const LIFE = 60_000

/**
 * Makes what `GET /identity` answers.
 *
 * @param parameters.urls - Base URLs at which this operator is reached; asked each time it signs.
 * @param parameters.now - Milliseconds. @default Date.now
 * @example
 * ```ts
 * import { createIdentity } from '@newton/policy-sdk/operator'
 * import { listenOperator } from '@newton/policy-sdk/operator/node'
 *
 * const identity = createIdentity({ guard, pcr0Commitment, urls: () => ['https://operator.example'] })
 * const server = await listenOperator({ rpc, identity, port: 8700 })
 * ```
 */
export function createIdentity(parameters: {
  guard: IdentitySigner
  pcr0Commitment: Hex
  urls: () => readonly string[]
  now?: (() => number) | undefined
}): (options?: IoOptions) => Promise<string> {
  const { guard, pcr0Commitment, now = Date.now } = parameters
  const recall = createRecall<string>({ operation: 'the identity', life: LIFE, most: 1, now })
  return (options = {}) =>
    recall('identity', options, async (io) => {
      const { identity, signature } = await guard.signIdentity(
        {
          urls: [...new Set(parameters.urls().map(normalizeUrl))],
          pcr0Commitment,
          issuedAt: BigInt(Math.floor(now() / 1_000)),
        },
        io,
      )
      return JSON.stringify(writeIdentity(identity, signature))
    })
}
