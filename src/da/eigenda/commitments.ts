/** What the adapter reads out of commitments and failures. */
import type { Hex } from 'viem'
import type { DaLocator } from '../../core/locator.js'
import { BaseError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import {
  DaIntegrityError,
  DaInvalidCertError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaProtocolError,
  DaUnavailableError,
} from '../errors.js'
import { decodeEigenDaCommitment, type EigenDaCert } from './cert/cert.js'
import { InvalidCommitmentError } from './errors.js'
import { blobSymbols, MAX_BLOB_SYMBOLS } from './payloadCodec.js'

export function commitmentsOf(locator: DaLocator): readonly Hex[] {
  return locator.kind === 'eigenDa' ? locator.commitments : []
}

export function certOf(source: string, commitment: Hex): EigenDaCert {
  let cert: EigenDaCert
  try {
    cert = decodeEigenDaCommitment(commitment)
  } catch (cause) {
    throw new DaInvalidCertError({ source, statusCode: 1, reason: messageOf(cause) }, { cause })
  }
  const { length } = cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
  if (length < 2 || length > MAX_BLOB_SYMBOLS || !Number.isInteger(Math.log2(length))) {
    throw new DaInvalidCertError({
      source,
      statusCode: 1,
      reason: `no artifact has a blob of ${length} symbols`,
    })
  }
  return cert
}

// The same bytes have the same commitment whenever they are dispersed.
export function assertSameBlob(source: string, previous: Hex | undefined, renewed: Hex): void {
  if (previous === undefined) return
  const of = (commitment: Hex) =>
    decodeEigenDaCommitment(commitment).blobInclusionInfo.blobCertificate.blobHeader.commitment
      .commitment
  const [before, after] = [of(previous), of(renewed)]
  if (before.X !== after.X || before.Y !== after.Y) {
    throw new DaIntegrityError({
      source,
      reason: 'the renewed certificate commits to another blob',
    })
  }
}

export function isRetryable(error: unknown): boolean {
  return (error as { retryable?: unknown })?.retryable === true
}

/** Failures after which a write may have been carried out all the same. */
export function isOpenOutcome(error: unknown): boolean {
  return (
    (error as { code?: unknown })?.code === 'DA_TRANSPORT' ||
    (error as { code?: unknown })?.code === 'DA_BODY_LENGTH'
  )
}

export function messageOf(error: unknown): string {
  const { shortMessage } = (error ?? {}) as { shortMessage?: unknown }
  return typeof shortMessage === 'string' ? shortMessage.replace(/\.$/, '') : String(error)
}

/** The certificate of a fresh write: it must parse and be for a blob of the right length. */
export function checkedCert(source: string, commitment: Hex, part: Uint8Array): EigenDaCert {
  let cert: EigenDaCert
  try {
    cert = decodeEigenDaCommitment(commitment)
  } catch (cause) {
    if (!(cause instanceof InvalidCommitmentError)) throw cause
    throw new DaProtocolError(
      { source, reason: `the answer to a write is no commitment (${cause.shortMessage})` },
      { cause },
    )
  }
  const { length } = cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
  if (length !== blobSymbols(part.length)) {
    throw new DaIntegrityError({
      source,
      reason: `the certificate is for ${length} symbols, not ${blobSymbols(part.length)}`,
    })
  }
  return cert
}

/** A record that fails, before anything was sent. */
export function unopened(source: string, error: unknown): unknown {
  if (error instanceof BaseError && !(error instanceof TimeoutError)) return error
  const reason = `the record of payments failed, and nothing was sent (${messageOf(error)})`
  return new DaUnavailableError({ source, reason }, { cause: error })
}

/** A failure after something was paid for, with what that is. */
export function paidError(
  error: unknown,
  paid: { source: string; commitments: readonly Hex[]; locator: DaLocator | undefined },
): Error {
  if (error instanceof DaIntegrityError) {
    const { expected, actual } = error
    const reason = messageOf(error).replace(/^wrong bytes: /, '')
    return new DaIntegrityError({ ...paid, reason, expected, actual }, { cause: error })
  }
  return new DaOutcomeUnknownError({ ...paid, reason: messageOf(error) }, { cause: error })
}

/** Whether the network says for certain that it does not have a blob. */
export function isMissing(error: unknown): boolean {
  return [error, (error as { cause?: unknown })?.cause].some((e) => e instanceof DaNotFoundError)
}
