import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate } from '../bn254/certificate.js'
import type { DocumentChallenge, ResultChallenge } from '../challengeProofs.js'
import type { DaLocator } from '../locator.js'
import type { PolicyTaskResponse } from '../response.js'
import type { StateCommit } from '../stateCommit.js'
import type { Task } from '../task.js'
import type { BlockReference } from './registryReader.js'

/** Lands state commits and announces their deltas. */
export interface CommitSink {
  commitStateRoot(
    parameters: { commit: StateCommit; certificate: Certificate },
    options?: IoOptions,
  ): Promise<{ transactionHash: Hex }>
  announceCommit(
    parameters: { sequenceNo: bigint; deltaHash: Hex; locators: readonly DaLocator[] },
    options?: IoOptions,
  ): Promise<{ transactionHash: Hex }>
  /** The latest committed root; `null` before the first commit. */
  latest(options?: IoOptions): Promise<{ sequenceNo: bigint; root: Hex; timestamp: bigint } | null>
}

/** What a signer of a certificate is proved with: its place in the operator table. */
export type SignerWitness = {
  operatorIndex: number
  operatorInfoProof: Hex
  operatorInfo: { pubkey: { X: bigint; Y: bigint }; weights: readonly bigint[] }
}

/** What is known of earlier sendings of a write, and who wants to know of new ones. */
export type SendingOptions = IoOptions & {
  /** Hashes of what was sent for this very write before; none of it is doubled. */
  previous?: readonly Hex[] | undefined
  /** Told each hash before its transaction leaves; sending waits for its promise. */
  onTransactionHash?: ((hash: Hex) => unknown) | undefined
}

/** Lands signed evaluations on chain, and tells what has landed. */
export interface ResponseSink {
  /** Lands a response and waits for the receipt. What a contract refuses is an error with its name. */
  acceptResponse(
    parameters: { response: PolicyTaskResponse; certificate: Certificate; task: Task },
    options?: SendingOptions,
  ): Promise<{ transactionHash: Hex }>
  /**
   * The response of a task that is accepted at the end of the newest block, `null` where none is, and
   * whether that is so in a block that stays.
   */
  acceptedResponse(
    taskId: Hex,
    options?: IoOptions,
  ): Promise<{ messageHash: Hex; final: boolean } | null>
}

/** Files challenges on chain. */
export interface ChallengeSink {
  challengeAttestationDigest(
    parameters: {
      response: PolicyTaskResponse
      certificate: Certificate
      signers: readonly SignerWitness[]
    },
    options?: SendingOptions,
  ): Promise<{ transactionHash: Hex }>
  /** Files a result that a re-run contradicts. Left out: such challenges are not filed. */
  challengePolicyResult?(
    parameters: { response: PolicyTaskResponse; proof: ResultChallenge },
    options?: SendingOptions,
  ): Promise<{ transactionHash: Hex }>
  /** Files a document that does not attest. Left out: such challenges are not filed. */
  challengeInvalidTeeAttestation?(
    parameters: { response: PolicyTaskResponse; proof: DocumentChallenge },
    options?: SendingOptions,
  ): Promise<{ transactionHash: Hex }>
  /**
   * Which of these signers the contract has slashed for a message, at the end of the newest block.
   * Without it nobody can tell whether a challenge outlived a reorganization.
   */
  slashedSigners?(
    parameters: {
      messageHash: Hex
      /** Indices in the operator table that the message names. */
      operatorIndices: readonly number[]
    },
    options?: IoOptions,
  ): Promise<{ block: BlockReference; slashed: readonly number[] }>
}
