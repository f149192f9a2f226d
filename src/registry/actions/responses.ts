/** Signed evaluations: accept them, and challenge what operators should not have signed. */
import type { Abi, Address, Hex } from 'viem'
import { challengeVerifierAbi } from '../../core/abi/challengeVerifierAbi.js'
import { responseRegistryAbi } from '../../core/abi/responseRegistryAbi.js'
import type { Certificate } from '../../core/bn254/certificate.js'
import type { SignerWitness } from '../../core/interfaces/sinks.js'
import { assertResponse, type PolicyTaskResponse } from '../../core/response.js'
import { assertTask, type Task } from '../../core/task.js'
import { resolveAddress } from '../addresses.js'
import { addressOf } from '../inputs.js'
import {
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from '../write.js'

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
      address: resolveAddress('responseRegistry', {
        addresses: parameters.addresses,
        chainId: client.chain.id,
      }),
      abi: responseRegistryAbi as Abi,
      functionName: 'accept',
      args: [parameters.response, parameters.certificate, parameters.task],
    }
  },
  eventName: 'ResponseAccepted',
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

const challenge: WriteTriple<ChallengeAttestationDigestInput, ChallengeSucceededEvent, undefined> =
  defineWrite<ChallengeAttestationDigestInput, ChallengeSucceededEvent, undefined>({
    name: 'challengeAttestationDigest',
    prepare: (client, parameters) => {
      assertResponse(parameters.response)
      return {
        address: resolveAddress('challengeVerifier', {
          addresses: parameters.addresses,
          chainId: client.chain.id,
        }),
        abi: challengeVerifierAbi as Abi,
        functionName: 'challengeAttestationDigest',
        args: [parameters.response, parameters.certificate, parameters.signers],
      }
    },
    eventName: 'ChallengeSucceeded',
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

const superseded: WriteTriple<AcceptSupersededInput, AcceptSupersededInput, undefined> =
  defineWrite<AcceptSupersededInput, AcceptSupersededInput, undefined>({
    name: 'setAcceptSuperseded',
    prepare: (client, parameters) => ({
      address: resolveAddress('responseRegistry', {
        addresses: parameters.addresses,
        chainId: client.chain.id,
      }),
      abi: responseRegistryAbi as Abi,
      functionName: 'setAcceptSuperseded',
      args: [addressOf(parameters.client, 'client'), parameters.accepted],
    }),
    eventName: 'AcceptSupersededSet',
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
