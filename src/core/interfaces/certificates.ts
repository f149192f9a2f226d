import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate } from '../bn254/certificate.js'
import type { OperatorSetInfo } from '../bn254/operatorTable.js'

/**
 * Reads operator tables as the certificate verifier on chain has them in force at a block.
 * `null`: no table was in force yet.
 */
export interface CertificateReader {
  tableAt(
    block: bigint,
    options?: IoOptions,
  ): Promise<{ referenceTimestamp: number; quorumBps: number; table: OperatorSetInfo } | null>
  /** The contract's own verdict, without staleness. */
  verifyCertificateAt(
    parameters: { block: bigint; certificate: Certificate },
    options?: IoOptions,
  ): Promise<boolean>
}
