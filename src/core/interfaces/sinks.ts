import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate } from '../bn254/certificate.js'
import type { DaLocator } from '../locator.js'
import type { PolicyTaskResponse } from '../response.js'
import type { StateCommit } from '../stateCommit.js'

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

/** Files challenges on chain. */
export interface ChallengeSink {
  challengeAttestationDigest(
    parameters: {
      response: PolicyTaskResponse
      certificate: Certificate
      signers: readonly SignerWitness[]
    },
    options?: IoOptions,
  ): Promise<{ transactionHash: Hex }>
}
