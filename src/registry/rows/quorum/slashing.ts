/** Who is slashed for a message, as the contract has it. */
import * as ChallengeVerifier from '../../../core/abi/challengeVerifierAbi.js'
import type { ChallengeSink } from '../../../core/interfaces/sinks.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { functionOf } from '../../chain/slices.js'

/** Creates the reader of slashed signers, by their indices in the table that the message names. */
export function createSlashingReader(parameters: {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
}): NonNullable<ChallengeSink['slashedSigners']> {
  const { client, addresses } = parameters
  return ({ messageHash, operatorIndices }, options = {}) =>
    withClient('slashedSigners', { client, options }, async (bound) => {
      const chainId = await chainIdOf(bound)
      const address = resolveAddress('challengeVerifier', { addresses, chainId })
      const call = { address, ...functionOf(ChallengeVerifier.isSlashed) }
      const block = await readTag(bound, 'latest')
      const calls = operatorIndices.map((index) => ({ ...call, args: [messageHash, index] }))
      const slashed = (await readAt(bound, { block, calls })).map(valueFrom)
      return { block, slashed: operatorIndices.filter((_, at) => slashed[at] === true) }
    })
}
