/**
 * A response: what operators sign for one task.
 *
 * `messageHash = keccak256(abi.encode(keccak256("NewtonPolicyTaskResponseV1"), response))`
 */
import { type Address, decodeAbiParameters, encodeAbiParameters, type Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex, toHex, uintToBytes, utf8 } from '../internal/bytes.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { assertUint } from './intent.js'

/** What operators sign for one task. */
export type PolicyTaskResponse = {
  chainId: bigint
  policyRegistry: Address
  taskId: Hex
  policyClient: Address
  intentHash: Hex
  policyInstanceId: Hex
  artifactDigest: Hex
  inputsHash: Hex
  /** `keccak256(PCR0)` of the enclave build, zero where none is named. */
  pcr0Commitment: Hex
  /** One ABI word: 1 for allow, else 0. */
  evaluationResult: Hex
  referenceBlock: bigint
  referenceBlockHash: Hex
  /** Unix seconds of the operator table in force at the reference block. */
  referenceTimestamp: number
  /** Valid while `block.number < expirationBlock`. */
  expirationBlock: bigint
}

/** ABI parameter of {@link PolicyTaskResponse}. */
export const policyTaskResponseAbi = {
  name: 'response',
  type: 'tuple',
  components: [
    { name: 'chainId', type: 'uint256' },
    { name: 'policyRegistry', type: 'address' },
    { name: 'taskId', type: 'bytes32' },
    { name: 'policyClient', type: 'address' },
    { name: 'intentHash', type: 'bytes32' },
    { name: 'policyInstanceId', type: 'bytes32' },
    { name: 'artifactDigest', type: 'bytes32' },
    { name: 'inputsHash', type: 'bytes32' },
    { name: 'pcr0Commitment', type: 'bytes32' },
    { name: 'evaluationResult', type: 'bytes' },
    { name: 'referenceBlock', type: 'uint64' },
    { name: 'referenceBlockHash', type: 'bytes32' },
    { name: 'referenceTimestamp', type: 'uint32' },
    { name: 'expirationBlock', type: 'uint64' },
  ],
} as const

/** `keccak256("NewtonPolicyTaskResponseV1")`. */
export const POLICY_TASK_RESPONSE_TYPEHASH: Hex = toHex(keccak(utf8('NewtonPolicyTaskResponseV1')))

/**
 * Computes the message hash of a response: what the certificate's `messageHash` must be.
 *
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeMessageHash, type PolicyTaskResponse } from '@newton/policy-sdk'
 *
 * declare const response: PolicyTaskResponse
 * computeMessageHash(response)
 * ```
 */
export function computeMessageHash(response: PolicyTaskResponse): Hex {
  assertResponse(response)
  const encoded = encodeAbiParameters(
    [{ type: 'bytes32' }, policyTaskResponseAbi],
    [POLICY_TASK_RESPONSE_TYPEHASH, response],
  )
  return keccakHex(fromHex(encoded))
}

/** Encodes a response as `abi.encode(response)`. Throws `InvalidInputError` naming the member. */
export function encodeResponse(response: PolicyTaskResponse): Hex {
  assertResponse(response)
  return encodeAbiParameters([policyTaskResponseAbi], [response])
}

/**
 * Decodes `abi.encode(response)`.
 *
 * @throws {InvalidInputError} where the bytes are no response, or not its one canonical encoding.
 */
export function decodeResponse(encoded: Hex): PolicyTaskResponse {
  fromHex(encoded, 'response')
  let response: PolicyTaskResponse
  try {
    ;[response] = decodeAbiParameters([policyTaskResponseAbi], encoded)
  } catch (cause) {
    throw new InvalidInputError(
      { field: 'response', reason: 'expected abi.encode(PolicyTaskResponse)' },
      { cause },
    )
  }
  if (encodeResponse(response) !== encoded.toLowerCase()) {
    throw new InvalidInputError({ field: 'response', reason: 'not the canonical ABI encoding' })
  }
  return response
}

/** Checks the shape of a response. Throws `InvalidInputError` naming the malformed member. */
export function assertResponse(response: PolicyTaskResponse): void {
  if (typeof response !== 'object' || response === null) {
    throw new InvalidInputError({ field: 'response', reason: 'expected an object' })
  }
  const path = (member: string): string => `response.${member}`
  assertUint(response.chainId, 32, path('chainId'))
  fixedFromHex(response.policyRegistry, 20, path('policyRegistry'))
  fixedFromHex(response.policyClient, 20, path('policyClient'))
  for (const member of [
    'taskId',
    'intentHash',
    'policyInstanceId',
    'artifactDigest',
    'inputsHash',
    'pcr0Commitment',
    'referenceBlockHash',
  ] as const) {
    fixedFromHex(response[member], 32, path(member))
  }
  fromHex(response.evaluationResult, path('evaluationResult'))
  assertUint(response.referenceBlock, 8, path('referenceBlock'))
  assertUint(response.expirationBlock, 8, path('expirationBlock'))
  if (typeof response.referenceTimestamp !== 'number') {
    throw new InvalidInputError({
      field: path('referenceTimestamp'),
      reason: 'expected a number of seconds',
    })
  }
  uintToBytes(response.referenceTimestamp, 4, path('referenceTimestamp'))
}
