/** Checks before signing of the use of an accepted response. */
import { type Address, getAddress } from 'viem'
import * as PolicyClientRegistry from '../../core/abi/policyClientRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import { type Certificate, computeCertificateHash } from '../../core/bn254/certificate.js'
import { computeIntentHash, type Intent } from '../../core/intent.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { fixedFromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { WriteClient } from '../chain/client.js'
import { equal, failed, holds, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'
import { type KeptResponse, keptResponseCall } from '../rows/quorum/accepted.js'
import { revocationChecks } from './revocations.js'

/** Checks that a client can use a response for an intent, as its registry will. */
export async function checkExecution(
  client: WriteClient,
  parameters: {
    responseRegistry: Address
    response: PolicyTaskResponse
    certificate: Certificate
    intent: Intent
  },
): Promise<PreflightCheck[]> {
  const { responseRegistry, response, certificate, intent } = parameters
  const { policyClient, taskId } = response
  const block = await readTag(client, 'latest')
  const own = callsOf(responseRegistry)
  const read = async <values>(calls: readonly ReadCall[]): Promise<values> =>
    (await readAt(client, { block, calls })).map(valueFrom) as values
  const [kept, clients, policies, superseded, revoked, revokedUpTo] = await read<
    [KeptResponse, Address, Address, boolean, boolean, bigint]
  >([
    keptResponseCall(responseRegistry, taskId),
    own(ResponseRegistry.clientRegistry),
    own(ResponseRegistry.policyRegistry),
    own(ResponseRegistry.acceptsSuperseded, [policyClient]),
    own(ResponseRegistry.isRevoked, [policyClient, taskId]),
    own(ResponseRegistry.revokedBefore, [policyClient]),
  ])
  const checks = [senderCheck(client, intent), ...keptChecks(kept, { response, certificate })]
  if (checks.some(({ ok }) => !ok)) return checks
  const [active, movedAt] = await read<[boolean, bigint]>([
    callsOf(clients)(PolicyClientRegistry.isRegisteredClient, [policyClient]),
    callsOf(policies)(PolicyRegistry.lastMovedAt, [policyClient]),
  ])
  const next = block.number + 1n
  return [
    ...checks,
    holds('ResponseExpired', {
      ok: next < response.expirationBlock,
      detail: `it expires at block ${response.expirationBlock}, the next block is ${next}`,
      fix: 'Have the intent evaluated again.',
    }),
    equal('IntentMismatch', {
      found: computeIntentHash(intent),
      wanted: response.intentHash,
      fix: 'Pass the very intent that was evaluated.',
    }),
    holds('EvaluationDenied', {
      ok: kept.allowed,
      detail: `the policy ${kept.allowed ? 'allowed' : 'denied'} it`,
      fix: 'Nothing that is sent again changes that.',
    }),
    holds('ClientNotActive', {
      ok: active,
      detail: `the client ${policyClient} is ${active ? '' : 'not '}active`,
      fix: 'Have the client’s owner register or activate it.',
    }),
    ...revocationChecks(response, { revoked, revokedUpTo }),
    holds('PolicySlotMoved', {
      ok: superseded || movedAt <= response.referenceBlock,
      detail: `the policy slot moved in block ${movedAt}, the reference block is ${response.referenceBlock}`,
      fix: 'Have the intent evaluated again, under the policy of now.',
    }),
  ]
}

function senderCheck(client: WriteClient, intent: Intent): PreflightCheck {
  return equal('NotIntentSender', {
    found: getAddress(client.account.address),
    wanted: intent.from,
    fix: 'Send it from the account that it was evaluated for.',
  })
}

/** Whether this response with this certificate is what was accepted, and is not used yet. */
function keptChecks(
  kept: KeptResponse,
  { response, certificate }: { response: PolicyTaskResponse; certificate: Certificate },
): PreflightCheck[] {
  if (kept.acceptedAt === 0) {
    return [
      failed(
        'ResponseNotAccepted',
        `no response of task ${response.taskId} was accepted`,
        'Accept it first: `acceptResponseSync`.',
      ),
    ]
  }
  const commitment = keccakHex(
    fixedFromHex(computeMessageHash(response), 32, 'messageHash'),
    fixedFromHex(computeCertificateHash(certificate), 32, 'certificateHash'),
  )
  return [
    passed('ResponseNotAccepted', `accepted in block ${kept.acceptedAt}`),
    equal('CommitmentMismatch', {
      found: commitment,
      wanted: kept.commitment,
      fix: 'Pass response and certificate as they were accepted: `getAcceptedResponse` reads both.',
    }),
    holds('AlreadyConsumed', {
      ok: !kept.consumed,
      detail: `it was ${kept.consumed ? '' : 'not '}used`,
      fix: 'An allow is used once: have the intent evaluated again.',
    }),
  ]
}
