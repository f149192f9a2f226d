/**
 * Documents of enclaves, as evidence against one operator.
 *
 * ```
 * user_data of the document = keccak256(taskId ‖ messageHash)
 * the operator's BLS signature is over
 *   keccak256(abi.encode(keccak256("NewtonTeeDocumentV1"), messageHash, documentHash))
 * ```
 * A document without its operator's signature says nothing about anyone: whoever passes it on may
 * have made it.
 */
import type { Hex } from 'viem'
import {
  type Certificate,
  type G1Point,
  type G2Point,
  type OperatorInfoWitness,
  type OperatorSetInfo,
  verifyOperatorProof,
  verifySignature,
} from '../../core/bn254/index.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { fixedFromHex, toHex, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'

/** A document with its operator's word that it is theirs. */
export type SignedTeeDocument = {
  bytes: Uint8Array
  /** The operator's entry in the table. */
  operator: OperatorInfoWitness
  pubkeyG2: G2Point
  /** Over {@link computeTeeDocumentDigest}. */
  signature: G1Point
}

const typehash = toHex(keccak(utf8('NewtonTeeDocumentV1')))

/**
 * Computes what an operator signs to answer for a document.
 *
 * @throws {InvalidInputError} when `messageHash` is not 32 bytes.
 */
export function computeTeeDocumentDigest(parameters: {
  messageHash: Hex
  document: Uint8Array
}): Hex {
  return keccakHex(
    fixedFromHex(typehash, 32, 'typehash'),
    fixedFromHex(parameters.messageHash, 32, 'messageHash'),
    keccak(parameters.document),
  )
}

/** Computes the `user_data` that binds a document to a response: `keccak256(taskId ‖ messageHash)`. */
export function computeTeeUserData(response: PolicyTaskResponse): Uint8Array {
  const messageHash = fixedFromHex(computeMessageHash(response), 32, 'messageHash')
  return keccak(fixedFromHex(response.taskId, 32, 'taskId'), messageHash)
}

/** Whether a signer of the certificate answers for the document. Never throws. */
export function isSignersDocument(parameters: {
  document: SignedTeeDocument
  response: PolicyTaskResponse
  certificate: Certificate
  table: OperatorSetInfo
}): boolean {
  const { document, response, certificate, table } = parameters
  try {
    const { operatorIndex, operatorInfo: info, operatorInfoProof: proof } = document.operator
    const { operatorInfoTreeRoot: root, numOperators } = table
    if (!verifyOperatorProof({ info, operatorIndex, proof, root, numOperators })) return false
    if (certificate.nonSignerWitnesses.some((witness) => witness.operatorIndex === operatorIndex)) {
      return false
    }
    const messageHash = computeMessageHash(response)
    return verifySignature({
      digest: computeTeeDocumentDigest({ messageHash, document: document.bytes }),
      signature: document.signature,
      pubkey: info.pubkey,
      pubkeyG2: document.pubkeyG2,
    })
  } catch {
    return false
  }
}
