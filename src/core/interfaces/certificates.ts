import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate } from '../bn254/certificate.js'
import type { OperatorSetInfo } from '../bn254/operatorTable.js'

/** The operator table in force at a block. */
export type TableInForce = {
  referenceTimestamp: number
  quorumBps: number
  table: OperatorSetInfo
  /**
   * Seconds after `referenceTimestamp` for which the contract accepts certificates, 0 for ever, as it
   * is set now. Left out by readers that do not know it: acceptance cannot be judged then.
   */
  maxStaleness?: number | undefined
}

/**
 * Reads operator tables as the certificate verifier on chain has them in force at a block.
 * `null`: no table was in force yet.
 */
export interface CertificateReader {
  tableAt(block: bigint, options?: IoOptions): Promise<TableInForce | null>
  /** The contract's own verdict, without staleness. */
  verifyCertificateAt(
    parameters: { block: bigint; certificate: Certificate },
    options?: IoOptions,
  ): Promise<boolean>
}
