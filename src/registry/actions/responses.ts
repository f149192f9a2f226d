/** Signed evaluations: accept them, and challenge what operators should not have signed. */

import type { Address, Hex } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import type { Certificate } from '../../core/bn254/certificate.js'
import type { DocumentChallenge, ResultChallenge } from '../../core/challengeProofs.js'
import type { SignerWitness } from '../../core/interfaces/sinks.js'
import { assertResponse, type PolicyTaskResponse } from '../../core/response.js'
import { assertTask, type Task } from '../../core/task.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkAcceptSuperseded } from '../preflight/clients.js'
import { checkAccept, checkChallenge } from '../preflight/responses.js'
import { checkVerifierChallenge, verifierKinds } from '../preflight/verifierChallenges.js'
import { addressOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A signed evaluation with its task. */
export type AcceptResponseInput = {
  response: PolicyTaskResponse
  certificate: Certificate
  task: Task
}
/** A digest challenge: the accused response, its certificate and the signers to slash. */
export type ChallengeAttestationDigestInput = {
  response: PolicyTaskResponse
  certificate: Certificate
  /** Ascending by `operatorIndex`. */
  signers: readonly SignerWitness[]
}
/** A challenge of a result, with the proof of a re-run. */
export type ChallengePolicyResultInput = { response: PolicyTaskResponse; proof: ResultChallenge }
/** A challenge of an enclave's document, with the proof that it is invalid. */
export type ChallengeInvalidTeeAttestationInput = {
  response: PolicyTaskResponse
  proof: DocumentChallenge
}
/** Whether results of an instance that is not current any more are accepted for a client. */
export type AcceptSupersededInput = { client: Address; accepted: boolean }

/** What accepting a response emits. */
export type ResponseAcceptedEvent = {
  taskId: Hex
  policyClient: Address
  messageHash: Hex
  allowed: boolean
}
/** What a challenge that succeeds emits. */
export type ChallengeSucceededEvent = { messageHash: Hex }
/** What a challenge of a result that succeeds emits. */
export type ResultChallengeSucceededEvent = {
  messageHash: Hex
  taskId: Hex
  challenger: Address
  /** Who was slashed. */
  operators: readonly Address[]
}
/** What a challenge of a document that succeeds emits. */
export type DocumentChallengeSucceededEvent = {
  messageHash: Hex
  taskId: Hex
  challenger: Address
  /** Who was slashed. */
  operator: Address
  documentHash: Hex
}

function addressFor(
  name: 'responseRegistry' | 'challengeVerifier',
  client: WriteClient,
  { addresses }: WriteOptions,
): Address {
  return resolveAddress(name, { addresses, chainId: client.chain.id })
}

const accept: WriteTriple<AcceptResponseInput, ResponseAcceptedEvent, undefined> = defineWrite<
  AcceptResponseInput,
  ResponseAcceptedEvent,
  undefined
>({
  name: 'acceptResponse',
  prepare: (client, parameters) => {
    assertResponse(parameters.response)
    assertTask(parameters.task)
    return {
      address: addressFor('responseRegistry', client, parameters),
      ...functionOf(ResponseRegistry.accept),
      args: [parameters.response, parameters.certificate, parameters.task],
    }
  },
  preflight: (client, parameters) =>
    checkAccept(client, {
      ...parameters,
      responseRegistry: addressFor('responseRegistry', client, parameters),
    }),
  emits: ResponseRegistry.ResponseAccepted,
  event: ({ taskId, policyClient, messageHash, allowed }) =>
    ({ taskId, policyClient, messageHash, allowed }) as ResponseAcceptedEvent,
  result: () => undefined,
})

/** Lands a signed evaluation on chain. Open to all: the certificate is the permission. */
export const acceptResponse: WriteAction<AcceptResponseInput> = accept.send
/** Like {@link acceptResponse}, and waits for the receipt and its event. */
export const acceptResponseSync: SyncAction<AcceptResponseInput, ResponseAcceptedEvent> =
  accept.sync
/** Simulates {@link acceptResponse}. */
export const simulateAcceptResponse: SimulateAction<AcceptResponseInput, undefined> =
  accept.simulate
/** Checks and transaction of {@link acceptResponse}, nothing signed. */
export const dryRunAcceptResponse: DryRunAction<AcceptResponseInput> = accept.dryRun

const challenge: WriteTriple<ChallengeAttestationDigestInput, ChallengeSucceededEvent, undefined> =
  defineWrite<ChallengeAttestationDigestInput, ChallengeSucceededEvent, undefined>({
    name: 'challengeAttestationDigest',
    prepare: (client, parameters) => {
      assertResponse(parameters.response)
      return {
        address: addressFor('challengeVerifier', client, parameters),
        ...functionOf(ChallengeVerifier.challengeAttestationDigest),
        args: [parameters.response, parameters.certificate, parameters.signers],
      }
    },
    preflight: (client, parameters) =>
      checkChallenge(client, {
        ...parameters,
        challengeVerifier: addressFor('challengeVerifier', client, parameters),
      }),
    emits: ChallengeVerifier.ChallengeSucceeded,
    event: (args) => args as ChallengeSucceededEvent,
    result: () => undefined,
  })

/**
 * Challenges an accepted response whose digest, instance, expiration or enclave is not what the
 * chain says. A false challenge reverts before anything is slashed.
 */
export const challengeAttestationDigest: WriteAction<ChallengeAttestationDigestInput> =
  challenge.send
/** Like {@link challengeAttestationDigest}, and waits for the receipt and its event. */
export const challengeAttestationDigestSync: SyncAction<
  ChallengeAttestationDigestInput,
  ChallengeSucceededEvent
> = challenge.sync
/** Simulates {@link challengeAttestationDigest}. */
export const simulateChallengeAttestationDigest: SimulateAction<
  ChallengeAttestationDigestInput,
  undefined
> = challenge.simulate
/** Checks and transaction of {@link challengeAttestationDigest}, nothing signed. */
export const dryRunChallengeAttestationDigest: DryRunAction<ChallengeAttestationDigestInput> =
  challenge.dryRun

const resultChallenge: WriteTriple<
  ChallengePolicyResultInput,
  ResultChallengeSucceededEvent,
  undefined
> = defineWrite<ChallengePolicyResultInput, ResultChallengeSucceededEvent, undefined>({
  name: 'challengePolicyResult',
  prepare: (client, parameters) => {
    assertResponse(parameters.response)
    return {
      address: addressFor('challengeVerifier', client, parameters),
      ...functionOf(ChallengeVerifier.challengePolicyResult),
      args: [parameters.response, parameters.proof],
    }
  },
  preflight: (client, parameters) =>
    checkVerifierChallenge(client, {
      challengeVerifier: addressFor('challengeVerifier', client, parameters),
      response: parameters.response,
      kind: verifierKinds.result,
    }),
  emits: ChallengeVerifier.ResultChallengeSucceeded,
  event: (args) => args as ResultChallengeSucceededEvent,
  result: () => undefined,
})

/**
 * Challenges the result of an accepted response with the proof of a re-run. Reverts where no result
 * verifier is injected, a public value is not the response's, or the proof does not hold.
 */
export const challengePolicyResult: WriteAction<ChallengePolicyResultInput> = resultChallenge.send
/** Like {@link challengePolicyResult}, and waits for the receipt and its event. */
export const challengePolicyResultSync: SyncAction<
  ChallengePolicyResultInput,
  ResultChallengeSucceededEvent
> = resultChallenge.sync
/** Simulates {@link challengePolicyResult}. */
export const simulateChallengePolicyResult: SimulateAction<ChallengePolicyResultInput, undefined> =
  resultChallenge.simulate

const documentChallenge: WriteTriple<
  ChallengeInvalidTeeAttestationInput,
  DocumentChallengeSucceededEvent,
  undefined
> = defineWrite<ChallengeInvalidTeeAttestationInput, DocumentChallengeSucceededEvent, undefined>({
  name: 'challengeInvalidTeeAttestation',
  prepare: (client, parameters) => {
    assertResponse(parameters.response)
    return {
      address: addressFor('challengeVerifier', client, parameters),
      ...functionOf(ChallengeVerifier.challengeInvalidTeeAttestation),
      args: [parameters.response, parameters.proof],
    }
  },
  preflight: (client, parameters) =>
    checkVerifierChallenge(client, {
      challengeVerifier: addressFor('challengeVerifier', client, parameters),
      response: parameters.response,
      kind: verifierKinds.document,
    }),
  emits: ChallengeVerifier.DocumentChallengeSucceeded,
  event: (args) => args as DocumentChallengeSucceededEvent,
  result: () => undefined,
})

/**
 * Challenges an operator's enclave document with the proof that it is invalid. Only the operator
 * whose signature over the document is given can be slashed.
 */
export const challengeInvalidTeeAttestation: WriteAction<ChallengeInvalidTeeAttestationInput> =
  documentChallenge.send
/** Like {@link challengeInvalidTeeAttestation}, and waits for the receipt and its event. */
export const challengeInvalidTeeAttestationSync: SyncAction<
  ChallengeInvalidTeeAttestationInput,
  DocumentChallengeSucceededEvent
> = documentChallenge.sync
/** Simulates {@link challengeInvalidTeeAttestation}. */
export const simulateChallengeInvalidTeeAttestation: SimulateAction<
  ChallengeInvalidTeeAttestationInput,
  undefined
> = documentChallenge.simulate

const superseded: WriteTriple<AcceptSupersededInput, AcceptSupersededInput, undefined> =
  defineWrite<AcceptSupersededInput, AcceptSupersededInput, undefined>({
    name: 'setAcceptSuperseded',
    prepare: (client, parameters) => ({
      address: addressFor('responseRegistry', client, parameters),
      ...functionOf(ResponseRegistry.setAcceptSuperseded),
      args: [addressOf(parameters.client, 'client'), parameters.accepted],
    }),
    preflight: (client, parameters) =>
      checkAcceptSuperseded(client, {
        responseRegistry: addressFor('responseRegistry', client, parameters),
        policyClient: addressOf(parameters.client, 'client'),
      }),
    emits: ResponseRegistry.AcceptSupersededSet,
    event: (args) => args as AcceptSupersededInput,
    result: () => undefined,
  })

/** Lets results of a superseded instance be accepted for a client, or not. Its owner only. */
export const setAcceptSuperseded: WriteAction<AcceptSupersededInput> = superseded.send
/** Like {@link setAcceptSuperseded}, and waits. */
export const setAcceptSupersededSync: SyncAction<AcceptSupersededInput, AcceptSupersededInput> =
  superseded.sync
/** Simulates {@link setAcceptSuperseded}. */
export const simulateSetAcceptSuperseded: SimulateAction<AcceptSupersededInput, undefined> =
  superseded.simulate
/** Checks and transaction of {@link setAcceptSuperseded}, nothing signed. */
export const dryRunSetAcceptSuperseded: DryRunAction<AcceptSupersededInput> = superseded.dryRun
