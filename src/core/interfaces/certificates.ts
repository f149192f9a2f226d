import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate, OperatorTable } from '../bn254/certificate.js'

/**
 * Reads operator tables as the certificate verifier on chain has them in force at a block.
 * `null`: no table was in force yet.
 */
export interface CertificateReader {
  tableAt(
    block: bigint,
    options?: IoOptions,
  ): Promise<{ referenceTimestamp: number; quorumBps: number; table: OperatorTable } | null>
  /** The contract's own verdict, without staleness. */
  verifyCertificateAt(
    parameters: { block: bigint; certificate: Certificate },
    options?: IoOptions,
  ): Promise<boolean>
}
