/**
 * Failures of data availability, one class per kind.
 *
 * Every one names the adapter it came from in `source`, so that a caller who tried several knows
 * which of them lied and which was merely away.
 */
import type { Hex } from 'viem'
import type { DaLocator } from '../core/locator.js'
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

type DaErrorOptions = BaseErrorOptions & { source: string }

/** Base of the failures that have one adapter as their source. */
export class DaError extends BaseError {
  override readonly name: string = 'DaError'
  override readonly code: string = 'DA'
  /** Name of the adapter or gateway, such as `eigenda` or a host name. */
  readonly source: string

  constructor(shortMessage: string, { source, ...options }: DaErrorOptions) {
    super(`${source}: ${shortMessage}`, options)
    this.source = source
  }
}

/** The backend does not hold the bytes, and says so. */
export class DaNotFoundError extends DaError {
  override readonly name = 'DaNotFoundError'
  override readonly code = 'DA_NOT_FOUND'

  constructor({ source, what }: { source: string; what: string }, options: BaseErrorOptions = {}) {
    super(`${what} is not held here.`, { ...options, source })
  }
}

/** The backend held the bytes once and no longer has to. Another copy is needed. */
export class DaExpiredError extends DaError {
  override readonly name = 'DaExpiredError'
  override readonly code = 'DA_EXPIRED'
  /** Milliseconds since the epoch when the backend's obligation ended. */
  readonly expiredAt: number

  constructor(
    { source, what, expiredAt }: { source: string; what: string; expiredAt: number },
    options: BaseErrorOptions = {},
  ) {
    super(`${what} expired at ${isoTime(expiredAt)}.`, {
      metaMessages: ['Read it from an archive, and let a RetentionKeeper renew what must stay.'],
      ...options,
      source,
    })
    this.expiredAt = expiredAt
  }
}

/** The backend cannot serve right now; the bytes may well be there. */
export class DaUnavailableError extends DaError {
  override readonly name = 'DaUnavailableError'
  override readonly code = 'DA_UNAVAILABLE'
  /** HTTP status, where there was one. */
  readonly status: number | undefined

  constructor(
    { source, reason, status }: { source: string; reason: string; status?: number | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`unavailable: ${reason}.`, { retryable: true, ...options, source })
    this.status = status
  }
}

/** The backend asks to slow down. */
export class DaRateLimitedError extends DaError {
  override readonly name = 'DaRateLimitedError'
  override readonly code = 'DA_RATE_LIMITED'
  /** Milliseconds the backend asked to wait, where it said. */
  readonly retryAfter: number | undefined

  constructor(
    { source, retryAfter }: { source: string; retryAfter?: number | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`rate-limited${retryAfter === undefined ? '' : `, try again in ${retryAfter} ms`}.`, {
      retryable: true,
      ...options,
      source,
    })
    this.retryAfter = retryAfter
  }
}

/** The backend says: publish somewhere else now. */
export class DaFailoverError extends DaError {
  override readonly name = 'DaFailoverError'
  override readonly code = 'DA_FAILOVER'

  constructor(
    { source, reason }: { source: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`cannot publish now: ${reason}.`, {
      metaMessages: ['Publish to another backend; this one may recover on its own.'],
      retryable: true,
      ...options,
      source,
    })
  }
}

/** The backend is not set up for this call: a wrong path or mode, read-only, a refused key. */
export class DaConfigError extends DaError {
  override readonly name = 'DaConfigError'
  override readonly code = 'DA_CONFIG'
  /** HTTP status, where there was one. */
  readonly status: number | undefined

  constructor(
    {
      source,
      reason,
      hint,
      status,
    }: { source: string; reason: string; hint?: string | undefined; status?: number | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`not usable as configured: ${reason}.`, {
      metaMessages: hint === undefined ? undefined : [hint],
      ...options,
      source,
    })
    this.status = status
  }
}

/** The bytes are more than the backend takes. Nothing was sent when the limit is known before. */
export class DaPayloadTooLargeError extends DaError {
  override readonly name = 'DaPayloadTooLargeError'
  override readonly code = 'DA_PAYLOAD_TOO_LARGE'

  constructor(
    {
      source,
      byteLength,
      limit,
    }: { source: string; byteLength: number | undefined; limit: number },
    options: BaseErrorOptions = {},
  ) {
    super(`${byteLength ?? 'the'} bytes are over the limit of ${limit} bytes.`, {
      metaMessages: ['Split the artifact over several commitments, or use another backend.'],
      ...options,
      source,
    })
  }
}

/** The backend refused the request as malformed. The same request will fail again. */
export class DaRequestRejectedError extends DaError {
  override readonly name = 'DaRequestRejectedError'
  override readonly code = 'DA_REQUEST_REJECTED'
  /** HTTP status, where there was one. */
  readonly status: number | undefined

  constructor(
    { source, reason, status }: { source: string; reason: string; status?: number | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`rejected the request: ${reason}.`, { ...options, source })
    this.status = status
  }
}

/** A certificate that is permanently unusable. Drop the locator that carries it. */
export class DaInvalidCertError extends DaError {
  override readonly name = 'DaInvalidCertError'
  override readonly code = 'DA_INVALID_CERT'
  /** 1 parse, 2 recency, 3 refused on chain, 4 blob not decodable; other numbers as received. */
  readonly statusCode: number

  constructor(
    { source, statusCode, reason }: { source: string; statusCode: number; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`the certificate is invalid for good (code ${statusCode}): ${reason}.`, {
      metaMessages: ['Drop this locator and use another one of the same artifact.'],
      ...options,
      source,
    })
    this.statusCode = statusCode
  }
}

/** The answer does not have the shape this protocol requires: HTML, a redirect, a short body. */
export class DaProtocolError extends DaError {
  override readonly name = 'DaProtocolError'
  override readonly code = 'DA_PROTOCOL'

  constructor(
    { source, reason }: { source: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`answered outside the protocol: ${reason}.`, { ...options, source })
  }
}

/** The body ended before, or went on after, the length it was announced or allowed to have. */
export class DaBodyLengthError extends DaError {
  override readonly name = 'DaBodyLengthError'
  override readonly code = 'DA_BODY_LENGTH'

  constructor(
    {
      source,
      received,
      allowed,
      kind,
    }: { source: string; received: number; allowed: number; kind: 'truncated' | 'oversized' },
    options: BaseErrorOptions = {},
  ) {
    super(
      kind === 'truncated'
        ? `the body ended after ${received} of ${allowed} bytes.`
        : `the body is longer than the ${allowed} bytes allowed.`,
      { retryable: kind === 'truncated', ...options, source },
    )
  }
}

/** Bytes arrived and are not the artifact: their keccak-256 is another. Never handed out. */
export class DaIntegrityError extends DaError {
  override readonly name = 'DaIntegrityError'
  override readonly code = 'DA_INTEGRITY'
  /** What was asked for. */
  readonly expected: Hex | undefined
  /** What arrived, where that can be said as one hash. */
  readonly actual: Hex | undefined
  /** Commitments received for this write, where it was one that is paid for: keep them. */
  readonly commitments: readonly Hex[]
  /** Where the bytes are, if what was read back was wrong and not what was written. */
  readonly locator: DaLocator | undefined

  constructor(
    {
      source,
      reason,
      expected,
      actual,
      commitments = [],
      locator,
    }: {
      source: string
      reason: string
      expected?: Hex | undefined
      actual?: Hex | undefined
      commitments?: readonly Hex[] | undefined
      locator?: DaLocator | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    super(`wrong bytes: ${reason}.`, {
      metaMessages:
        commitments.length === 0
          ? ['The bytes were dropped. Read from another source, and report this one.']
          : ['It was paid for: write again, which reads the same certificate back first.'],
      ...options,
      source,
    })
    this.expected = expected
    this.actual = actual
    this.commitments = commitments
    this.locator = locator
  }
}

/** A connection failed before an answer arrived. */
export class DaTransportError extends DaError {
  override readonly name = 'DaTransportError'
  override readonly code = 'DA_TRANSPORT'

  constructor(
    { source, reason }: { source: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`no answer: ${reason}.`, { retryable: true, ...options, source })
  }
}

/**
 * A write may or may not have been carried out. It is not repeated by the SDK, because a second
 * dispersal would be paid for again.
 */
export class DaOutcomeUnknownError extends DaError {
  override readonly name = 'DaOutcomeUnknownError'
  override readonly code = 'DA_OUTCOME_UNKNOWN'
  /** Commitments received for this write, where there are any: what was paid for so far. */
  readonly commitments: readonly Hex[]
  /** Where the bytes are if the write went through, when all of it was answered. */
  readonly locator: DaLocator | undefined

  constructor(
    {
      source,
      reason,
      commitments = [],
      locator,
    }: {
      source: string
      reason: string
      commitments?: readonly Hex[] | undefined
      locator?: DaLocator | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    super(`the write may have happened: ${reason}.`, {
      metaMessages: [
        locator === undefined
          ? 'Nothing was repeated. Publish again only if paying twice is acceptable.'
          : 'Nothing was repeated. Read `locator` of this error back before anything is paid again.',
      ],
      ...options,
      source,
    })
    this.commitments = commitments
    this.locator = locator
  }
}

/** The adapter has no way to read this kind of locator. */
export class UnsupportedLocatorError extends DaError {
  override readonly name = 'UnsupportedLocatorError'
  override readonly code = 'DA_UNSUPPORTED_LOCATOR'

  constructor({ source, kind }: { source: string; kind: string }, options: BaseErrorOptions = {}) {
    super(`a locator of kind ${kind} cannot be read here.`, { ...options, source })
  }
}

/** An address that must not be reached: private, loopback, link-local, or a forbidden scheme. */
export class ForbiddenAddressError extends DaError {
  override readonly name = 'ForbiddenAddressError'
  override readonly code = 'DA_FORBIDDEN_ADDRESS'

  constructor(
    { source, reason }: { source: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`address refused: ${reason}.`, { ...options, source })
  }
}

/** One failed try of several. */
export type DaAttempt = {
  /** Name of the source tried. */
  readonly source: string
  /** What came of it. */
  readonly error: unknown
}

/** Fewer backends took the write than were required. What did succeed is in `receipts`. */
export class ReplicationError extends BaseError {
  override readonly name = 'ReplicationError'
  override readonly code = 'DA_REPLICATION'
  /** Receipts of the writes that did succeed. */
  readonly receipts: readonly unknown[]
  /** The writes that did not. */
  readonly attempts: readonly DaAttempt[]

  constructor(
    {
      required,
      receipts,
      attempts,
    }: { required: number; receipts: readonly unknown[]; attempts: readonly DaAttempt[] },
    options: BaseErrorOptions = {},
  ) {
    super(`${receipts.length} of ${required} required copies were written.`, {
      cause: attempts[0]?.error,
      retryable: attempts.some(({ error }) => error instanceof BaseError && error.retryable),
      metaMessages: attempts.map(describeAttempt),
      ...options,
    })
    this.receipts = receipts
    this.attempts = attempts
  }

  /** Commitments that were received by a write that did not end: what was paid for so far. */
  get commitments(): readonly Hex[] {
    return paidBy(this)?.commitments ?? []
  }

  /** Where a copy is that was written, or else one that was paid for and could not be checked. */
  get locator(): DaLocator | undefined {
    return paidBy(this)?.locator
  }
}

/** Of a write to several, the first that has anything; a copy that was written comes before the others. */
function paidBy({
  receipts,
  attempts,
}: ReplicationError): { commitments: readonly Hex[]; locator: DaLocator | undefined } | undefined {
  const [receipt] = receipts as readonly { locator: DaLocator }[]
  if (receipt !== undefined) return { commitments: [], locator: receipt.locator }
  const kinds = [DaOutcomeUnknownError, DaIntegrityError, ReplicationError]
  return attempts
    .map(({ error }) => error)
    .filter((error) => kinds.some((kind) => error instanceof kind))
    .map((error) => error as DaOutcomeUnknownError | DaIntegrityError | ReplicationError)
    .find(({ commitments, locator }) => commitments.length > 0 || locator !== undefined)
}

/** No source had the right bytes. `attempts` says what each of them did. */
export class ArtifactUnavailableError extends BaseError {
  override readonly name = 'ArtifactUnavailableError'
  override readonly code = 'DA_ARTIFACT_UNAVAILABLE'
  /** Name of the artifact. */
  readonly artifactHash: Hex
  /** Every try, in order. */
  readonly attempts: readonly DaAttempt[]

  constructor(
    { artifactHash, attempts }: { artifactHash: Hex; attempts: readonly DaAttempt[] },
    options: BaseErrorOptions = {},
  ) {
    super(
      attempts.length === 0
        ? `No source is known for artifact ${artifactHash}.`
        : `None of ${attempts.length} tries gave artifact ${artifactHash}.`,
      {
        cause: attempts[0]?.error,
        retryable:
          attempts.length === 0 ||
          attempts.some(({ error }) => error instanceof BaseError && error.retryable),
        metaMessages: attempts.map(describeAttempt),
        ...options,
      },
    )
    this.artifactHash = artifactHash
    this.attempts = attempts
  }
}

function describeAttempt({ source, error }: DaAttempt): string {
  const reason = error instanceof BaseError ? error.shortMessage : String(error)
  return reason.startsWith(`${source}: `) ? `- ${reason}` : `- ${source}: ${reason}`
}

/** A time as text, also for values `Date` cannot show. */
export function isoTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime()) ? `${milliseconds} ms` : date.toISOString()
}
