/** Level `quorum`: the certificate verifies against the table in force at the reference block. */
import {
  type Bn254Backend,
  type Certificate,
  type OperatorSetInfo,
  verifyCertificate,
} from '../../../core/bn254/index.js'
import type { CertificateReader, TableInForce } from '../../../core/interfaces/certificates.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../../core/response.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { InconclusiveError } from '../errors.js'
import { obtain } from '../reader.js'
import type { Refusal } from './binding.js'

/** A certificate that verified, with the table it did under; or the refusal. */
export type QuorumCheck = { table: OperatorSetInfo; refusal?: undefined } | { refusal: Refusal }

/**
 * Verifies the certificate of a response. Staleness is judged at acceptance only, so not where
 * `acceptedAt` is left out.
 *
 * @throws {InconclusiveError} `CERTIFICATE_UNAVAILABLE` when the table cannot be read.
 */
export async function checkQuorum(
  parameters: {
    certificates: CertificateReader | undefined
    response: PolicyTaskResponse
    certificate: Certificate | undefined
    /** Seconds: the timestamp of the block at which acceptance is judged. */
    acceptedAt?: bigint | undefined
    backend?: Bn254Backend | undefined
  },
  options: IoOptions,
): Promise<QuorumCheck> {
  const { certificates, response, certificate, acceptedAt, backend } = parameters
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
  assertTable(inForce)
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
    backend,
    staleness: stalenessAt(acceptedAt, inForce),
  })
  if (outcome.status === 'valid') return { table }
  if (outcome.code === 'CERTIFICATE_STALE') return refused('CERTIFICATE_STALE', outcome.detail)
  const foreign = outcome.code === 'UNKNOWN_OPERATOR' || outcome.code === 'WRONG_TABLE'
  const reason = foreign ? 'UNKNOWN_OPERATOR' : 'BAD_CERTIFICATE'
  return refused(reason, `${outcome.code}: ${outcome.detail}`)
}

/** A reader that answers with no table has not answered: nothing is said of the certificate by it. */
function assertTable(inForce: TableInForce): void {
  const { table, quorumBps, referenceTimestamp } = inForce ?? {}
  if (
    Number.isSafeInteger(referenceTimestamp) &&
    Number.isSafeInteger(quorumBps) &&
    typeof table === 'object' &&
    table !== null
  ) {
    return
  }
  const detail = 'the certificate reader answered with what is no operator table'
  throw new InconclusiveError({ reason: 'CERTIFICATE_UNAVAILABLE', detail })
}

function stalenessAt(
  acceptedAt: bigint | undefined,
  { maxStaleness }: TableInForce,
): { now: number; maxAge: number } | undefined {
  if (acceptedAt === undefined || maxStaleness === 0) return undefined
  if (maxStaleness === undefined) {
    const detail = 'the certificate reader does not tell how old a table may be'
    throw new InconclusiveError({ reason: 'CERTIFICATE_UNAVAILABLE', detail })
  }
  return { now: Number(acceptedAt), maxAge: maxStaleness }
}

function refused(
  reason: 'UNKNOWN_OPERATOR' | 'BAD_CERTIFICATE' | 'CERTIFICATE_STALE',
  detail: string,
): QuorumCheck {
  return { refusal: { reason, detail } }
}
