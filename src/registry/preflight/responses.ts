/** Checks before signing of the acceptance of a response and of its challenge. */

import type { Address } from 'viem'
import * as BN254CertificateVerifier from '../../core/abi/bn254CertificateVerifierAbi.js'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import type { Certificate } from '../../core/bn254/certificate.js'
import { computeIntentHash } from '../../core/intent.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { SignerWitness } from '../../core/interfaces/sinks.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeTaskId, type Task } from '../../core/task.js'
import type { WriteClient } from '../chain/client.js'
import {
  equal,
  failed,
  holds,
  type PreflightCheck,
  passed,
  warning,
} from '../chain/preflightCheck.js'
import { readAt, readBlock, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'
import { isKept, type KeptResponse, keptResponseCall } from '../rows/quorum/accepted.js'
import { revocationChecks } from './revocations.js'

/** Blocks whose hash every chain still knows. */
const NATIVE_HASHES = 256n

/** Checks the acceptance of a response. */
export async function checkAccept(
  client: WriteClient,
  parameters: {
    responseRegistry: Address
    response: PolicyTaskResponse
    certificate: Certificate
    task: Task
  },
): Promise<PreflightCheck[]> {
  const { responseRegistry, response, certificate, task } = parameters
  const head = await readTag(client, 'latest')
  const own = callsOf(responseRegistry)
  const first = await readAt(client, {
    block: head,
    calls: [
      keptResponseCall(responseRegistry, response.taskId),
      own(ResponseRegistry.policyRegistry),
      own(ResponseRegistry.taskResponseWindow),
      own(ResponseRegistry.acceptsSuperseded, [response.policyClient]),
      own(ResponseRegistry.certificateVerifier),
      own(ResponseRegistry.isRevoked, [response.policyClient, response.taskId]),
      own(ResponseRegistry.revokedBefore, [response.policyClient]),
      own(ResponseRegistry.maxExpireAfter),
    ],
  })
  type Read = [KeptResponse, Address, bigint, boolean, Address, boolean, bigint, bigint]
  const [accepted, registry, window, superseded, verifier, revoked, revokedUpTo, longest] =
    first.map(valueFrom) as Read
  const [current, fresh] = (
    await readAt(client, {
      block: head,
      calls: [
        callsOf(registry)(PolicyRegistry.currentInstance, [response.policyClient]),
        callsOf(verifier)(BN254CertificateVerifier.isFresh, [response.referenceTimestamp]),
      ],
    })
  ).map(valueFrom)
  return [
    holds('AlreadyAccepted', {
      ok: accepted.acceptedAt === 0,
      detail:
        accepted.acceptedAt === 0
          ? 'no response of this task was accepted yet'
          : `a response of this task was accepted in block ${accepted.acceptedAt}`,
      fix: 'Nothing to do: the first response of a task stands.',
    }),
    ...domainChecks(client, { response, registry }),
    ...taskChecks(response, task),
    ...(await referenceChecks(client, { response, head, window })),
    ...expirationChecks(response, { next: head.number + 1n, longest }),
    ...revocationChecks(response, { revoked, revokedUpTo }),
    superseded === true
      ? passed('PolicyInstanceSuperseded', 'the client accepts superseded instances')
      : holds('PolicyInstanceSuperseded', {
          ok: current !== ZERO_HASH && current === response.policyInstanceId.toLowerCase(),
          detail: `the client’s current instance is ${current}, the response’s ${response.policyInstanceId}`,
          fix: 'Have the task evaluated again, or let the owner call setAcceptSuperseded.',
        }),
    ...certificateChecks(response, certificate),
    equal('IntentChainMismatch', {
      found: task.intent.chainId,
      wanted: client.chain.id,
      fix: 'Send it on the chain of the intent.',
    }),
    holds('CertificateStale', {
      ok: fresh === true,
      detail: `the operator table of ${response.referenceTimestamp} is ${fresh === true ? '' : 'not '}fresh`,
      fix: 'Have the task signed under a newer operator table.',
    }),
    await quorumCheck(client, { verifier, response, certificate, head }),
  ]
}

/** Checks the challenge of a response’s digest. */
export async function checkChallenge(
  client: WriteClient,
  parameters: {
    challengeVerifier: Address
    response: PolicyTaskResponse
    certificate: Certificate
    signers: readonly SignerWitness[]
  },
): Promise<PreflightCheck[]> {
  const { challengeVerifier, response, certificate, signers } = parameters
  const head = await readTag(client, 'latest')
  const own = callsOf(challengeVerifier)
  const [responses, openUntil, mismatch] = await readAt(client, {
    block: head,
    calls: [
      own(ChallengeVerifier.responseRegistry),
      own(ChallengeVerifier.openUntil, [response.taskId, response.expirationBlock]),
      own(ChallengeVerifier.findMismatch, [response]),
    ],
  })
  const registryCall = callsOf(valueFrom(responses) as Address)
  const [accepted, registry, verifier] = (
    await readAt(client, {
      block: head,
      calls: [
        keptResponseCall(valueFrom(responses) as Address, response.taskId),
        registryCall(ResponseRegistry.policyRegistry),
        registryCall(ResponseRegistry.certificateVerifier),
      ],
    })
  ).map(valueFrom) as [KeptResponse, Address, Address]
  const checks = domainChecks(client, { response, registry })
  if (!isKept(accepted, computeMessageHash(response))) {
    checks.push(
      failed(
        'ResponseNotAccepted',
        accepted.acceptedAt === 0
          ? `no response of task ${response.taskId} was accepted`
          : `another response of task ${response.taskId} was accepted`,
        'Only what was accepted can be challenged.',
      ),
    )
    return checks
  }
  checks.push(
    passed('ResponseNotAccepted', `accepted in block ${accepted.acceptedAt}`),
    holds('ReferenceBlockHashUnchecked', {
      ok: accepted.blockHashChecked,
      detail: 'whether the reference block’s hash was compared at acceptance',
      fix: 'Such a response cannot be challenged.',
    }),
    holds('ChallengeWindowClosed', {
      ok: head.number + 1n <= (valueFrom(openUntil) as bigint),
      detail: `open until block ${valueFrom(openUntil)}, the next block is ${head.number + 1n}`,
      fix: 'It is too late.',
    }),
    mismatch?.ok === true
      ? holds('ChallengeFailed', {
          ok: mismatch.value !== 0,
          detail: mismatch.value === 0 ? 'nothing is false about it' : `mismatch ${mismatch.value}`,
          fix: 'The response is what the registries say: there is nothing to challenge.',
        })
      : failed(
          mismatch?.error.errorName ?? 'ChallengeFailed',
          mismatch?.error.shortMessage ?? 'the registries cannot be read',
          'Wait for the next block.',
        ),
    ...certificateChecks(response, certificate),
    signersCheck(signers),
    await quorumCheck(client, { verifier, response, certificate, head }),
  )
  return checks
}

function expirationChecks(
  response: PolicyTaskResponse,
  { next, longest }: { next: bigint; longest: bigint },
): PreflightCheck[] {
  const latest = response.referenceBlock + longest
  return [
    holds('ResponseExpired', {
      ok: next < response.expirationBlock,
      detail: `it expires at block ${response.expirationBlock}, the next block is ${next}`,
      fix: 'Have the task evaluated again.',
    }),
    holds('ExpirationTooFar', {
      ok: response.expirationBlock <= latest,
      detail: `it expires at block ${response.expirationBlock}, this chain allows ${latest} at most`,
      fix: `Deploy instances with \`expireAfter\` of ${longest} or less, and have the task evaluated again.`,
    }),
  ]
}

function domainChecks(
  client: WriteClient,
  { response, registry }: { response: PolicyTaskResponse; registry: Address },
): PreflightCheck[] {
  return [
    equal('WrongChain', {
      found: response.chainId,
      wanted: client.chain.id,
      fix: 'Send it to the chain it was made for.',
    }),
    equal('WrongPolicyRegistry', {
      found: response.policyRegistry,
      wanted: registry,
      fix: 'Use the contracts that the response was made for.',
    }),
  ]
}

function taskChecks(response: PolicyTaskResponse, task: Task): PreflightCheck[] {
  const pairs: [string, unknown, unknown][] = [
    ['chainId', task.chainId, response.chainId],
    ['policyRegistry', task.policyRegistry, response.policyRegistry],
    ['policyClient', task.policyClient, response.policyClient],
    ['intentHash', computeIntentHash(task.intent), response.intentHash],
    ['referenceBlock', task.referenceBlock, response.referenceBlock],
    ['referenceBlockHash', task.referenceBlockHash, response.referenceBlockHash],
  ]
  const other = pairs
    .filter(([, left, right]) => String(left).toLowerCase() !== String(right).toLowerCase())
    .map(([field]) => field)
  return [
    equal('TaskIdMismatch', {
      found: response.taskId,
      wanted: computeTaskId(task),
      fix: 'Send the task that the response answers.',
    }),
    holds('TaskFieldMismatch', {
      ok: other.length === 0,
      detail: other.length === 0 ? 'task and response agree' : `they differ in ${other.join(', ')}`,
      fix: 'Send the task that the response answers.',
    }),
  ]
}

async function referenceChecks(
  client: WriteClient,
  parameters: { response: PolicyTaskResponse; head: BlockReference; window: bigint },
): Promise<PreflightCheck[]> {
  const { response, head, window } = parameters
  const { referenceBlock, referenceBlockHash } = response
  if (referenceBlock > head.number) {
    return [
      failed(
        'ReferenceBlockNotMined',
        `the reference block is ${referenceBlock}, the newest ${head.number}`,
        'Wait for the reference block; if it is far ahead, the response is of another chain.',
      ),
    ]
  }
  const block = await readBlock(client, referenceBlock)
  const age = head.number + 1n - referenceBlock
  return [
    passed('ReferenceBlockNotMined', `block ${referenceBlock} is mined`),
    age <= NATIVE_HASHES
      ? passed('ReferenceBlockHashUnavailable', `the reference block is ${age} blocks back`)
      : warning(
          'ReferenceBlockHashUnavailable',
          `the reference block is ${age} blocks back, hashes are kept for ${NATIVE_HASHES} everywhere`,
          'It works only where the chain keeps older hashes (EIP-2935).',
        ),
    equal('ReferenceBlockHashMismatch', {
      found: referenceBlockHash,
      wanted: block?.hash,
      fix: 'The response is of another branch of the chain: have the task evaluated again.',
    }),
    holds('ReferenceBlockTooOld', {
      ok: age <= window,
      detail: `the reference block is ${age} blocks back, the window is ${window}`,
      fix: 'Have the task evaluated again at a newer block.',
    }),
  ]
}

function certificateChecks(
  response: PolicyTaskResponse,
  certificate: Certificate,
): PreflightCheck[] {
  return [
    equal('CertificateMessageHashMismatch', {
      found: certificate.messageHash,
      wanted: computeMessageHash(response),
      fix: 'Use the certificate of this response.',
    }),
    equal('ReferenceTimestampMismatch', {
      found: certificate.referenceTimestamp,
      wanted: response.referenceTimestamp,
      fix: 'Use the certificate of this response.',
    }),
  ]
}

function signersCheck(signers: readonly SignerWitness[]): PreflightCheck {
  const sorted = signers.every(
    ({ operatorIndex }, index) =>
      index === 0 || operatorIndex > (signers[index - 1]?.operatorIndex as number),
  )
  return holds('SignersNotSorted', {
    ok: sorted,
    detail: `${signers.length} signers${sorted ? '' : ', not in ascending order'}`,
    fix: 'Sort them by `operatorIndex`, each once.',
  })
}

/** The verifier's own word, by a call that is not sent. */
async function quorumCheck(
  client: WriteClient,
  parameters: {
    verifier: Address
    response: PolicyTaskResponse
    certificate: Certificate
    head: BlockReference
  },
): Promise<PreflightCheck> {
  const { verifier, response, certificate, head } = parameters
  const { referenceBlock } = response
  const rule = 'CertificateVerifies'
  if (referenceBlock > head.number) {
    return failed(rule, 'the reference block is not mined', 'Wait for it.')
  }
  const [result] = await readAt(client, {
    block: head,
    calls: [
      callsOf(verifier)(BN254CertificateVerifier.verifyCertificateAt, [
        referenceBlock,
        certificate,
      ]),
    ],
    // For the contract the newest block is not over yet.
    ...(referenceBlock === head.number ? { asBlock: head.number + 1n } : {}),
  })
  if (result?.ok === true) return passed(rule, 'the certificate verifies at quorum')
  return failed(
    result?.error.errorName ?? rule,
    result?.error.shortMessage ?? 'the verifier does not answer',
    'The certificate is not one of a quorum of the operators in force at the reference block.',
  )
}
