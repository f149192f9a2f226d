/** Level `quorum`: the certificate verifies against the table in force at the reference block. */
import {
  type Certificate,
  type OperatorSetInfo,
  verifyCertificate,
} from '../../core/bn254/index.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { Refusal } from './binding.js'
import { InconclusiveError } from './errors.js'
import { obtain } from './reader.js'

/** A certificate that verified, with the table it did under; or the refusal. */
export type QuorumCheck = { table: OperatorSetInfo; refusal?: undefined } | { refusal: Refusal }

/**
 * Verifies the certificate of a response. Staleness is judged at acceptance only, so not here.
 *
 * @throws {InconclusiveError} `CERTIFICATE_UNAVAILABLE` when the table cannot be read.
 */
export async function checkQuorum(
  parameters: {
    certificates: CertificateReader | undefined
    response: PolicyTaskResponse
    certificate: Certificate | undefined
  },
  options: IoOptions,
): Promise<QuorumCheck> {
  const { certificates, response, certificate } = parameters
  if (certificates === undefined || certificate === undefined) {
    const detail = `no ${certificate === undefined ? 'certificate' : 'certificate reader'} is given`
    throw new InconclusiveError({ reason: 'CERTIFICATE_UNAVAILABLE', detail })
  }
  const detail = `reading the operator table at block ${response.referenceBlock}`
  const { signal } = options
  const inForce = await obtain({ reason: 'CERTIFICATE_UNAVAILABLE', detail, signal }, () =>
    certificates.tableAt(response.referenceBlock, options),
  )
  if (inForce === null) {
    return refused('BAD_CERTIFICATE', 'no operator table was in force at the reference block')
  }
  const { table, quorumBps, referenceTimestamp } = inForce
  if (response.referenceTimestamp !== referenceTimestamp) {
    return refused(
      'UNKNOWN_OPERATOR',
      `signed under the table of ${response.referenceTimestamp}, in force was that of ${referenceTimestamp}`,
    )
  }
  const messageHash = computeMessageHash(response)
  const outcome = verifyCertificate({
    certificate,
    table,
    referenceTimestamp,
    messageHash,
    quorumBps,
  })
  if (outcome.status === 'valid') return { table }
  const foreign = outcome.code === 'UNKNOWN_OPERATOR' || outcome.code === 'WRONG_TABLE'
  const reason = foreign ? 'UNKNOWN_OPERATOR' : 'BAD_CERTIFICATE'
  return refused(reason, `${outcome.code}: ${outcome.detail}`)
}

function refused(reason: 'UNKNOWN_OPERATOR' | 'BAD_CERTIFICATE', detail: string): QuorumCheck {
  return { refusal: { reason, detail } }
}
