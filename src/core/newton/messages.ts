/**
 * Messages of the current protocol: build, hash, encode and decode them.
 *
 * ```
 * taskHash         = keccak256(abi.encode(taskId, taskCreatedBlock, intent, intentSignature, policyClient,
 *                    wasmArgs, quorumNumbers, quorumThresholdPercentage, initializationTimestamp))
 * consensusDigest  = keccak256(abi.encode(taskResponse))                        what operators BLS-sign
 * responseHash     = keccak256(abi.encode(taskResponse, responseCertificate))
 * attestationHash  = keccak256(abi.encode(attestation))
 * signatoryRecord  = keccak256(uint32 taskCreatedBlock ‖ keccak256(X ‖ Y)_0 ‖ …)
 * ```
 * None of these binds a chain or a contract beyond `intent.chainId`; our own messages do.
 */
import { type Address, decodeAbiParameters, encodeAbiParameters, type Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { concat, fromHex, uintToBytes } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import { type G1Point, g1Words } from '../bn254/curve/points.js'
import { evaluateResult } from '../evaluationResult.js'
import type { Intent } from '../intent.js'
import {
  newtonAttestationAbi,
  newtonResponseCertificateAbi,
  newtonTaskAbi,
  newtonTaskHashAbi,
  newtonTaskResponseAbi,
} from './abi.js'

/** A task as the task manager keeps it by hash. */
export type NewtonTask = {
  taskId: Hex
  policyClient: Address
  taskCreatedBlock: number
  /** 0 to 100. */
  quorumThresholdPercentage: number
  intent: Intent
  intentSignature: Hex
  wasmArgs: Hex
  quorumNumbers: Hex
  /** Unix seconds of the ingestion off chain. */
  initializationTimestamp: bigint
}

/** One oracle's data inside a response. */
export type NewtonPolicyData = {
  wasmArgs: Hex
  data: Hex
  policyDataAddress: Address
  expireBlock: number
}

/** A response as operators sign it. */
export type NewtonTaskResponse = {
  taskId: Hex
  policyClient: Address
  policyId: Hex
  policyAddress: Address
  intent: Intent
  intentSignature: Hex
  evaluationResult: Hex
  policyTaskData: {
    policyId: Hex
    policyAddress: Address
    /** The Rego source. */
    policy: Hex
    policyData: readonly NewtonPolicyData[]
  }
  policyConfig: { policyParams: Hex; expireAfter: number }
  initializationTimestamp: bigint
}

/** What the contract keeps beside a response. */
export type NewtonResponseCertificate = {
  referenceBlock: number
  responseExpireBlock: number
  hashOfNonSigners: Hex
  signatureData: Hex
}

/** What a policy client spends. */
export type NewtonAttestation = {
  taskId: Hex
  policyId: Hex
  policyClient: Address
  expiration: number
  intent: Intent
  intentSignature: Hex
}

/**
 * Computes `TaskLib.taskHash`. The order of its fields is not that of the struct.
 *
 * @throws {InvalidInputError} when a member does not fit its type.
 */
export function computeNewtonTaskHash(task: NewtonTask): Hex {
  const values = [
    task?.taskId,
    task?.taskCreatedBlock,
    task?.intent,
    task?.intentSignature,
    task?.policyClient,
    task?.wasmArgs,
    task?.quorumNumbers,
    task?.quorumThresholdPercentage,
    task?.initializationTimestamp,
  ] as const
  return hash('task', () => encodeAbiParameters(newtonTaskHashAbi, values))
}

/**
 * Computes the consensus digest: what operators sign for a task on the source chain, and the
 * `messageHash` of a certificate on a destination chain.
 *
 * @throws {InvalidInputError} when a member does not fit its type.
 * @example
 * ```ts
 * import { computeNewtonConsensusDigest, type NewtonTaskResponse } from '@newton/policy-sdk/newton'
 *
 * declare const response: NewtonTaskResponse
 * computeNewtonConsensusDigest(response)
 * ```
 */
export function computeNewtonConsensusDigest(response: NewtonTaskResponse): Hex {
  return hash('taskResponse', () => encodeAbiParameters([newtonTaskResponseAbi], [response]))
}

/** Computes the hash the task manager stores: of response and certificate together. */
export function computeNewtonResponseHash(
  response: NewtonTaskResponse,
  certificate: NewtonResponseCertificate,
): Hex {
  return hash('taskResponse', () =>
    encodeAbiParameters(
      [newtonTaskResponseAbi, newtonResponseCertificateAbi],
      [response, certificate],
    ),
  )
}

/** Computes the hash under which an attestation is spent. */
export function computeNewtonAttestationHash(attestation: NewtonAttestation): Hex {
  return hash('attestation', () => encodeAbiParameters([newtonAttestationAbi], [attestation]))
}

/** Computes an operator id of the current protocol: `keccak256(X ‖ Y)` of its G1 key. */
export function computePubkeyHash(pubkey: G1Point): Hex {
  return keccakHex(g1Words(pubkey))
}

/**
 * Computes the signatory record: `keccak256(uint32 taskCreatedBlock ‖ hashes of non-signers)`.
 *
 * @throws {InvalidInputError} for a block that is no uint32 or a key that is no pair of uint256.
 */
export function computeSignatoryRecord(parameters: {
  taskCreatedBlock: number
  nonSigners: readonly G1Point[]
}): Hex {
  const { taskCreatedBlock, nonSigners } = parameters
  const hashes = nonSigners.map((pubkey) => keccak(g1Words(pubkey)))
  return keccakHex(uintToBytes(taskCreatedBlock, 4, 'taskCreatedBlock'), concat(...hashes))
}

/**
 * Builds the attestation that a policy client spends, from a response that the contract accepted.
 *
 * `expiration` is the certificate's `responseExpireBlock`.
 */
export function buildNewtonAttestation(parameters: {
  response: NewtonTaskResponse
  expiration: number
}): NewtonAttestation {
  const { taskId, policyId, policyClient, intent, intentSignature } = parameters.response
  const { expiration } = parameters
  return { taskId, policyId, policyClient, expiration, intent, intentSignature }
}

/** Whether a response allows: exactly what the contract reads, and nothing else. */
export function isNewtonAllow(response: NewtonTaskResponse): boolean {
  return evaluateResult(response?.evaluationResult)
}

/** Encodes a task as `abi.encode(task)`. */
export function encodeNewtonTask(task: NewtonTask): Hex {
  return encode('task', () => encodeAbiParameters([newtonTaskAbi], [task]))
}

/** Decodes `abi.encode(task)`; other encodings of the same value are refused. */
export function decodeNewtonTask(encoded: Hex): NewtonTask {
  const read = (): NewtonTask => decodeAbiParameters([newtonTaskAbi], encoded)[0]
  return decode({ field: 'task', encoded }, { read, write: encodeNewtonTask })
}

/** Encodes a response as `abi.encode(taskResponse)`, the preimage of the consensus digest. */
export function encodeNewtonTaskResponse(response: NewtonTaskResponse): Hex {
  return encode('taskResponse', () => encodeAbiParameters([newtonTaskResponseAbi], [response]))
}

/** Decodes `abi.encode(taskResponse)`; other encodings of the same value are refused. */
export function decodeNewtonTaskResponse(encoded: Hex): NewtonTaskResponse {
  const read = (): NewtonTaskResponse => decodeAbiParameters([newtonTaskResponseAbi], encoded)[0]
  return decode({ field: 'taskResponse', encoded }, { read, write: encodeNewtonTaskResponse })
}

/** Encodes an attestation as `abi.encode(attestation)`. */
export function encodeNewtonAttestation(attestation: NewtonAttestation): Hex {
  return encode('attestation', () => encodeAbiParameters([newtonAttestationAbi], [attestation]))
}

/** Decodes `abi.encode(attestation)`; other encodings of the same value are refused. */
export function decodeNewtonAttestation(encoded: Hex): NewtonAttestation {
  const read = (): NewtonAttestation => decodeAbiParameters([newtonAttestationAbi], encoded)[0]
  return decode({ field: 'attestation', encoded }, { read, write: encodeNewtonAttestation })
}

/** One value's canonical ABI decoding. Internal to this folder. */
export function decode<value>(
  { field, encoded }: { field: string; encoded: Hex },
  { read, write }: { read: () => value; write: (decoded: value) => Hex },
): value {
  fromHex(encoded, field)
  let decoded: value
  try {
    decoded = read()
  } catch (cause) {
    throw new InvalidInputError({ field, reason: 'it does not decode' }, { cause })
  }
  if (write(decoded) !== encoded.toLowerCase()) {
    throw new InvalidInputError({ field, reason: 'not the canonical ABI encoding' })
  }
  return decoded
}

/** One value's ABI encoding, its failures typed. Internal to this folder. */
export function encode(field: string, write: () => Hex): Hex {
  try {
    return write()
  } catch (cause) {
    throw new InvalidInputError({ field, reason: 'a member does not fit its type' }, { cause })
  }
}

function hash(field: string, write: () => Hex): Hex {
  return keccakHex(fromHex(encode(field, write)))
}
