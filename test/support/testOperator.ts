/** An operator for development: its key, its tree, and the rules it follows before it signs. */
import type { Address, Hex } from 'viem'
import type { SignatureShare } from '../../src/core/bn254/certificate.js'
import { type BlsKey, computeSignableDigest } from '../../src/core/bn254/index.js'
import type {
  Evaluation,
  EvaluationRequest,
  Evaluator,
} from '../../src/core/interfaces/evaluator.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../src/core/response.js'
import type { IoOptions } from '../../src/internal/deadline.js'
import {
  applyCommit,
  type CommitContext,
  type CommitPipeline,
  type CommitProposal,
  signCommit,
  validateProposal,
} from '../../src/statetree/index.js'

/** What an operator is made of. */
export type OperatorParts = {
  address: Address
  key: BlsKey
  pipeline: CommitPipeline
  evaluator: Evaluator
  /** `keccak256(PCR0)` of its enclave build. */
  pcr0Commitment: Hex
}

/** An operator. */
export type TestOperator = OperatorParts & {
  /** Validates a proposed commit and signs it. Throws where it must not sign. */
  signCommit(
    proposal: CommitProposal,
    context: CommitContext,
    options?: IoOptions,
  ): Promise<SignatureShare>
  /** Takes a commit that landed into its own tree. Returns the root. */
  applyCommit(proposal: CommitProposal, options?: IoOptions): Promise<Hex>
  /** Evaluates a task and signs the response. */
  evaluate(
    request: EvaluationRequest,
    options?: IoOptions,
  ): Promise<{ evaluation: Evaluation; share: SignatureShare }>
  /**
   * Signs whatever it is given. An honest operator has no such function: it is how tests build
   * dishonest ones.
   */
  signAnything(response: PolicyTaskResponse): SignatureShare
}

/** Creates an operator. */
export function createTestOperator(parts: OperatorParts): TestOperator {
  const { address, key, pipeline, evaluator, pcr0Commitment } = parts
  const sign = (response: PolicyTaskResponse): SignatureShare => {
    const messageHash = computeMessageHash(response)
    const { referenceTimestamp } = response
    return {
      operator: address,
      signature: key.sign(computeSignableDigest({ referenceTimestamp, messageHash })),
    }
  }
  return {
    ...parts,
    signCommit: async (proposal, context, options) => {
      const verdict = await validateProposal(pipeline, { proposal, pcr0Commitment }, options)
      return signCommit({ proposal, verdict, operator: address, signer: key }, context)
    },
    applyCommit: (proposal, options) => applyCommit(pipeline, proposal, options),
    evaluate: async (request, options) => {
      const evaluation = await evaluator.evaluate(request, options)
      return { evaluation, share: sign(evaluation.response) }
    },
    signAnything: sign,
  }
}
