import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'

/** Checks an enclave's attestation document. Never throws on hostile bytes. */
export interface DocumentVerifier {
  verifyDocument(
    parameters: {
      document: Uint8Array
      /** Expected `keccak256(PCR0)`. */
      pcr0Commitment: Hex
      /** Expected `user_data`. */
      userData: Uint8Array
      /** Whether the document is judged at its own time, for evidence of the past. */
      archived: boolean
    },
    options?: IoOptions,
  ): Promise<
    | { status: 'valid' }
    | { status: 'reject'; code: string }
    | { status: 'inconclusive'; reason: string }
  >
}
