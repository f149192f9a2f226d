/**
 * Challenges that rest on a proof: another result of a re-run, or a document that does not attest.
 *
 * ```
 * ResultPublicValues   { messageHash, taskId, intentHash, policyTemplateId, policyInstanceId,
 *                        artifactDigest, paramsHash, inputsHash, referenceBlockHash, bytes result }
 * DocumentPublicValues { messageHash, artifactDigest, pcr0Commitment, documentHash }
 * ```
 * The contract compares each value with the accepted response before it asks the injected verifier.
 */
import { encodeAbiParameters, type Hex } from 'viem'
import type { Certificate, OperatorInfoWitness } from './bn254/certificate.js'
import type { G1Point, G2Point } from './bn254/curve/points.js'

/** What a proof of a re-run is about. */
export type ResultPublicValues = {
  readonly messageHash: Hex
  readonly taskId: Hex
  readonly intentHash: Hex
  readonly policyTemplateId: Hex
  readonly policyInstanceId: Hex
  readonly artifactDigest: Hex
  readonly paramsHash: Hex
  readonly inputsHash: Hex
  readonly referenceBlockHash: Hex
  /** The evaluation result that the re-run gave. */
  readonly result: Hex
}

/** What a proof about an attestation document is about. */
export type DocumentPublicValues = {
  readonly messageHash: Hex
  readonly artifactDigest: Hex
  readonly pcr0Commitment: Hex
  /** keccak-256 of the document's bytes. */
  readonly documentHash: Hex
}

/** A proof that the attested inputs give another result, and who signed. ABI-ready. */
export type ResultChallenge = {
  readonly values: ResultPublicValues
  /** For the injected result verifier. */
  readonly proof: Hex
  readonly certificate: Certificate
  /** Ascending by `operatorIndex`. */
  readonly signers: readonly OperatorInfoWitness[]
}

/** A proof that a document is invalid, and the accused operator's word that it is theirs. ABI-ready. */
export type DocumentChallenge = {
  readonly values: DocumentPublicValues
  /** For the injected document verifier. */
  readonly proof: Hex
  readonly operator: OperatorInfoWitness
  readonly pubkeyG2: G2Point
  readonly signature: G1Point
}

const word = (name: string) => ({ name, type: 'bytes32' }) as const

const resultParameter = {
  type: 'tuple',
  components: [
    word('messageHash'),
    word('taskId'),
    word('intentHash'),
    word('policyTemplateId'),
    word('policyInstanceId'),
    word('artifactDigest'),
    word('paramsHash'),
    word('inputsHash'),
    word('referenceBlockHash'),
    { name: 'result', type: 'bytes' },
  ],
} as const

const documentParameter = {
  type: 'tuple',
  components: [
    word('messageHash'),
    word('artifactDigest'),
    word('pcr0Commitment'),
    word('documentHash'),
  ],
} as const

/**
 * Encodes the public values of a re-run's proof, `abi.encode(values)`: what a prover commits to.
 *
 * @example
 * ```ts
 * import { encodeResultPublicValues, type ResultPublicValues } from '@newton/policy-sdk/attestation'
 *
 * declare const values: ResultPublicValues
 * encodeResultPublicValues(values)
 * ```
 */
export function encodeResultPublicValues(values: ResultPublicValues): Hex {
  return encodeAbiParameters([resultParameter], [values])
}

/**
 * Encodes the public values of a proof about a document, `abi.encode(values)`.
 *
 * @example
 * ```ts
 * import {
 *   type DocumentPublicValues,
 *   encodeDocumentPublicValues,
 * } from '@newton/policy-sdk/attestation'
 *
 * declare const values: DocumentPublicValues
 * encodeDocumentPublicValues(values)
 * ```
 */
export function encodeDocumentPublicValues(values: DocumentPublicValues): Hex {
  return encodeAbiParameters([documentParameter], [values])
}
