/** Where a verifier's claims go on chain, over a viem client. */

import * as VerificationRegistry from '../../core/abi/verificationRegistryAbi.js'
import type { ClaimSink } from '../../core/interfaces/provenance.js'
import { assertMembers } from '../../internal/options.js'
import { resolveAddress } from '../chain/addresses.js'
import { withClient, writerOf } from '../chain/client.js'
import { readAt, readTag, valueFrom } from '../chain/read.js'
import { functionOf } from '../chain/slices.js'
import { verificationResults } from '../rows/verificationResults.js'
import { submitClaimSync } from './provenance.js'
import type { SinkParameters } from './sinks.js'

/**
 * Records claims as the client's account, and waits for the receipt. A result that is on chain already
 * is not sent again.
 *
 * @example
 * ```ts
 * import { createClaimSink } from '@newton/policy-sdk/registry'
 *
 * const sink = createClaimSink({ client: walletClient, addresses })
 * sink.verifier
 * ```
 */
export function createClaimSink(parameters: SinkParameters): ClaimSink {
  assertMembers('parameters', parameters, ['client'])
  const { client: given, ...fixed } = parameters
  const client = writerOf('createClaimSink', given, {})
  return {
    verifier: client.account.address,
    submitClaim: async (claim, { replace = false, ...options } = {}) => {
      const held = await withClient('ClaimSink.submitClaim', { client, options }, async (bound) => {
        const { addresses } = fixed
        const [answer] = await readAt(bound, {
          block: await readTag(bound, 'latest'),
          calls: [
            {
              address: resolveAddress('verificationRegistry', {
                addresses,
                chainId: client.chain.id,
              }),
              ...functionOf(VerificationRegistry.getClaim),
              args: [claim.wasmHash, claim.buildInfoHash, client.account.address],
            },
          ],
        })
        return valueFrom(answer) as { result: number }
      })
      if (!replace && verificationResults[held.result] === claim.result) {
        return { transactionHash: undefined }
      }
      const { transactionHash } = await submitClaimSync(client, { ...fixed, ...options, ...claim })
      return { transactionHash }
    },
  }
}
