/** Certificates at once, for worlds whose operators are known to sign well: nothing is checked. */
import type { Hex } from 'viem'
import {
  assembleCertificate,
  type Certificate,
  type SignatureShare,
} from '../../src/core/bn254/certificate.js'
import { sumG1, sumG2 } from '../../src/core/bn254/curve/pointSums.js'
import type { OperatorTable, TableOperator } from '../../src/core/bn254/index.js'

export function joinShares(parameters: {
  table: OperatorTable
  referenceTimestamp: number
  messageHash: Hex
  shares: readonly SignatureShare[]
}): Certificate {
  const { table, shares } = parameters
  const signers = shares.map(({ operator }) => table.indexOf(operator))
  return assembleCertificate({
    ...parameters,
    signature: sumG1(shares.map(({ signature }) => signature)),
    apk: sumG2(signers.map((index) => (table.operators[index] as TableOperator).pubkeyG2)),
    signers,
  })
}
