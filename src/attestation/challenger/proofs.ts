/** Builds the challenges that rest on a proof, from what a verification found. */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import type { OperatorInfoWitness } from '../../core/bn254/index.js'
import type {
  DocumentChallenge,
  DocumentPublicValues,
  ResultChallenge,
  ResultPublicValues,
} from '../../core/challengeProofs.js'
import { encodeEvaluationResult, evaluateResult } from '../../core/evaluationResult.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { InvalidInputError } from '../../errors/common.js'
import { keccakHex } from '../../internal/keccak.js'
import type { Evidence } from '../verify/evidence.js'
import type { SignedTeeDocument } from '../verify/teeDocument.js'

/** What the values of a result challenge are taken from: evidence of kind `result`. */
export type ResultEvidence = Pick<Evidence, 'response' | 'certificate' | 'expected' | 'rerun'>

/**
 * Takes the public values of a proof of a re-run from evidence of a wrong result.
 *
 * @throws {InvalidInputError} where the evidence holds no re-run, no honest preimage, or a re-run
 * with the signed decision.
 * @example
 * ```ts
 * import { type ResultEvidence, resultPublicValues } from '@newton/policy-sdk/attestation'
 *
 * declare const evidence: ResultEvidence
 * resultPublicValues(evidence).result
 * ```
 */
export function resultPublicValues(
  evidence: Pick<ResultEvidence, 'response' | 'expected' | 'rerun'>,
): ResultPublicValues {
  const { response, expected, rerun } = evidence
  const { preimage } = expected
  if (rerun === undefined || preimage === null) {
    const reason = 'expected evidence of kind result, with a re-run and the digest of the chain'
    throw new InvalidInputError({ field: 'evidence', reason })
  }
  // The contract compares decisions, not bytes, and refuses a challenge that changes none.
  if (evaluateResult(response.evaluationResult) === rerun.allow) {
    throw new InvalidInputError({ field: 'evidence', reason: 'the re-run has the signed decision' })
  }
  return {
    messageHash: computeMessageHash(response),
    taskId: response.taskId,
    intentHash: response.intentHash,
    policyTemplateId: preimage.policyTemplateId,
    policyInstanceId: response.policyInstanceId,
    artifactDigest: response.artifactDigest,
    paramsHash: preimage.paramsHash,
    inputsHash: response.inputsHash,
    referenceBlockHash: response.referenceBlockHash,
    result: encodeEvaluationResult(rerun.allow),
  }
}

/**
 * Builds a challenge of a result: evidence, the proof of the re-run, and the signers to slash.
 *
 * @throws {InvalidInputError} as {@link resultPublicValues}, and for no signer, one named twice or
 * one that the certificate names as a non-signer.
 * @example
 * ```ts
 * import {
 *   buildResultChallenge,
 *   type OperatorInfoWitness,
 *   type ResultEvidence,
 * } from '@newton/policy-sdk/attestation'
 *
 * declare const evidence: ResultEvidence
 * declare const signers: OperatorInfoWitness[]
 * buildResultChallenge({ evidence, proof: '0x', signers })
 * ```
 */
export function buildResultChallenge(parameters: {
  evidence: ResultEvidence
  proof: Hex
  /** In any order. */
  signers: readonly OperatorInfoWitness[]
}): ResultChallenge {
  const { evidence, proof } = parameters
  const { certificate } = evidence
  const values = resultPublicValues(evidence)
  const signers = [...parameters.signers].sort((a, b) => a.operatorIndex - b.operatorIndex)
  const absent = new Set(certificate.nonSignerWitnesses.map((witness) => witness.operatorIndex))
  const wrong = signers.find(
    ({ operatorIndex }, position) =>
      absent.has(operatorIndex) || signers[position - 1]?.operatorIndex === operatorIndex,
  )
  if (signers.length === 0 || wrong !== undefined) {
    const reason =
      wrong === undefined
        ? 'expected one signer at least'
        : `operator ${wrong.operatorIndex} did not sign, or is named twice`
    throw new InvalidInputError({ field: 'signers', reason })
  }
  return { values, proof, certificate, signers }
}

/**
 * Takes the public values of a proof about a document from the response it was made for.
 *
 * @throws {InvalidInputError} where the response names no enclave.
 */
export function documentPublicValues(parameters: {
  response: PolicyTaskResponse
  document: Uint8Array
}): DocumentPublicValues {
  const { response, document } = parameters
  const { artifactDigest, pcr0Commitment } = response
  if (pcr0Commitment === ZERO_HASH) {
    const reason = 'the response names no enclave'
    throw new InvalidInputError({ field: 'response.pcr0Commitment', reason })
  }
  const messageHash = computeMessageHash(response)
  return { messageHash, artifactDigest, pcr0Commitment, documentHash: keccakHex(document) }
}

/**
 * Builds a challenge of an enclave's document against the operator that signed for it.
 *
 * @throws {InvalidInputError} where the response names no enclave.
 * @example
 * ```ts
 * import { buildDocumentChallenge, type SignedTeeDocument } from '@newton/policy-sdk/attestation'
 * import type { PolicyTaskResponse } from '@newton/policy-sdk'
 *
 * declare const response: PolicyTaskResponse
 * declare const document: SignedTeeDocument
 * buildDocumentChallenge({ response, document, proof: '0x' })
 * ```
 */
export function buildDocumentChallenge(parameters: {
  response: PolicyTaskResponse
  document: SignedTeeDocument
  proof: Hex
}): DocumentChallenge {
  const { response, document, proof } = parameters
  const { bytes, operator, pubkeyG2, signature } = document
  const values = documentPublicValues({ response, document: bytes })
  return { values, proof, operator, pubkeyG2, signature }
}
