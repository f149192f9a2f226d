/** The windows in which responses are given and challenged, as the deployed contracts have them. */

import type { Address } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import type { ChallengeWindows } from '../../core/chains.js'
import type { ReadClient } from '../chain/client.js'
import { RpcInconsistentError } from '../chain/errors.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf, functionOf } from '../chain/slices.js'

/**
 * Reads both windows at the newest block.
 *
 * @param challengeVerifier - It names the registry of responses that it judges.
 * @throws {ContractNotFoundError} where there is no contract.
 */
export async function readWindows(
  client: ReadClient,
  challengeVerifier: Address,
): Promise<ChallengeWindows> {
  const block = await readTag(client, 'latest')
  const challenges = callsOf(challengeVerifier)
  const [window, responses] = await readAt(client, {
    block,
    calls: [
      challenges(ChallengeVerifier.challengeWindow),
      challenges(ChallengeVerifier.responseRegistry),
    ],
  })
  const responseWindow: ReadCall = {
    address: valueFrom(responses) as Address,
    ...functionOf(ResponseRegistry.taskResponseWindow),
  }
  const [taskResponseWindow] = await readAt(client, { block, calls: [responseWindow] })
  return {
    challengeWindow: asBlocks(valueFrom(window)),
    taskResponseWindow: asBlocks(valueFrom(taskResponseWindow)),
  }
}

function asBlocks(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  throw new RpcInconsistentError('a window is no number')
}
