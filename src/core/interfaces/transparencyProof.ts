import type { IoOptions } from '../../internal/deadline.js'

/** What a verifier of transparency proofs answers. */
export type TransparencyProofVerdict =
  | { status: 'verified'; origin: string; index: bigint; size: bigint; root: Uint8Array }
  | { status: 'invalid'; reason: string }

/** Decides whether a log that is trusted holds an entry. */
export interface TransparencyProofVerifier {
  /** Never rejects for what a proof says; only for a signal or a deadline. */
  verifyEntry(
    parameters: { entry: Uint8Array; proof: Uint8Array | string },
    options?: IoOptions,
  ): Promise<TransparencyProofVerdict>
}
