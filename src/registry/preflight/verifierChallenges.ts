/** Checks before signing of challenges that an injected verifier decides. */

import { type Address, zeroAddress } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import type { WriteClient } from '../chain/client.js'
import { failed, holds, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'
import { isKept, type KeptResponse, keptResponseCall } from '../rows/quorum/accepted.js'

/** The contract's numbers of what a verifier decides. */
export const verifierKinds = { result: 0, document: 1, relay: 2 } as const

/**
 * Checks that a response is accepted and open, and that the verifier in force at its acceptance is
 * there and does not rest. Whether the proof holds, the call says.
 */
export async function checkVerifierChallenge(
  client: WriteClient,
  parameters: {
    challengeVerifier: Address
    response: PolicyTaskResponse
    kind: (typeof verifierKinds)[keyof typeof verifierKinds]
  },
): Promise<PreflightCheck[]> {
  const { challengeVerifier, response, kind } = parameters
  const head = await readTag(client, 'latest')
  const read = async (calls: readonly ReadCall[]): Promise<unknown[]> =>
    (await readAt(client, { block: head, calls })).map(valueFrom)
  const own = callsOf(challengeVerifier)
  const [registry] = (await read([own(ChallengeVerifier.responseRegistry)])) as [Address]
  const [accepted] = (await read([keptResponseCall(registry, response.taskId)])) as [KeptResponse]
  if (!isKept(accepted, computeMessageHash(response))) {
    return [
      failed(
        'ResponseNotAccepted',
        `this response of task ${response.taskId} was not accepted`,
        'Only what was accepted can be challenged.',
      ),
    ]
  }
  const [openUntil, verifier] = (await read([
    own(ChallengeVerifier.openUntilFor, [kind, response.taskId, response.expirationBlock]),
    own(ChallengeVerifier.verifierAt, [kind, BigInt(accepted.acceptedAt)]),
  ])) as [bigint, Address]
  const [suspension] = (await read([own(ChallengeVerifier.suspensionOf, [kind, verifier])])) as [
    { untilBlock: bigint },
  ]
  const next = head.number + 1n
  return [
    passed('ResponseNotAccepted', `accepted in block ${accepted.acceptedAt}`),
    holds('VerifierNotSet', {
      ok: verifier !== zeroAddress,
      detail: `the verifier in force in block ${accepted.acceptedAt} is ${verifier}`,
      fix: 'There was none when it was accepted: it cannot be challenged this way.',
    }),
    holds('VerifierResting', {
      ok: suspension.untilBlock <= next,
      detail: `its suspension ends with block ${suspension.untilBlock}, the next block is ${next}`,
      fix: 'Wait until then: the response stays open for as long beyond its window.',
    }),
    holds('ChallengeWindowClosed', {
      ok: next <= openUntil,
      detail: `open until block ${openUntil}, the next block is ${next}`,
      fix: 'It is too late.',
    }),
  ]
}
