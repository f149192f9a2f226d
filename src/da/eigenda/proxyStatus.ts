/**
 * What the proxy's status codes mean. They are not what they seem:
 *
 * | status | on a read | on a write |
 * |---|---|---|
 * | 400 | malformed, or the keccak lane has no such key | too large, or malformed |
 * | 403 | this commitment mode is not enabled | same |
 * | 404, 405 | wrong path or mode, never "not found" | same |
 * | 418 | the certificate is invalid for good; JSON sent as text | – |
 * | 429 | slow down | slow down; nothing was paid |
 * | 500 | not found, expired, or a node is down | read-only, or failed after it may have been paid |
 * | 503 | – | fail over to another backend |
 */
import type { BaseError } from '../../errors/base.js'
import {
  DaConfigError,
  DaFailoverError,
  DaInvalidCertError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaProtocolError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaUnavailableError,
} from '../errors.js'
import { redactText } from '../internal/http.js'
import { payloadCapacity, SYMBOL_BYTES } from './payloadCodec.js'

/** An answer that is not 200. */
export type ProxyAnswer = {
  source: string
  status: number
  /** First bytes of the body as they came. */
  raw: string
  /** The same without long hex and credentials. */
  text: string
  retryAfter: string | null
}

/** The error that a read's answer stands for. */
export function readError(answer: ProxyAnswer, what: string): BaseError {
  const { source, status, text } = answer
  if (status === 418) return invalidCert(answer)
  if (status === 429) return new DaRateLimitedError({ source, retryAfter: retryAfterOf(answer) })
  if (status === 400) {
    if (/key not found/i.test(text)) return new DaNotFoundError({ source, what })
    return new DaRequestRejectedError({ source, reason: orStatus(text, status), status })
  }
  if (isMisconfigured(status)) return misconfigured(answer)
  if (noArchive.test(text)) return withoutArchive(answer)
  if (/not found/i.test(text) && status === 500) return new DaNotFoundError({ source, what })
  if (/no longer supported|unsupported/i.test(text) && status === 500) {
    return new DaRequestRejectedError({ source, reason: text, status })
  }
  if (status >= 500)
    return new DaUnavailableError({ source, reason: orStatus(text, status), status })
  return new DaProtocolError({ source, reason: `status ${status} on a read` })
}

/** The error that a write's answer stands for. */
export function writeError(answer: ProxyAnswer, byteLength: number, limit: number): BaseError {
  const { source, status, text } = answer
  if (status === 429) return new DaRateLimitedError({ source, retryAfter: retryAfterOf(answer) })
  if (status === 503) return new DaFailoverError({ source, reason: orStatus(text, status) })
  if (status === 413 || (status === 400 && /too large|larger than/i.test(text))) {
    return new DaPayloadTooLargeError({ source, byteLength, limit: saidLimit(text) ?? limit })
  }
  if (status === 400)
    return new DaRequestRejectedError({ source, reason: orStatus(text, status), status })
  if (isMisconfigured(status)) return misconfigured(answer)
  if (noArchive.test(text)) return withoutArchive(answer)
  if (status === 500 && /put routes are disabled/i.test(text)) {
    return new DaConfigError({
      source,
      reason: 'the proxy is read-only',
      hint: 'Give the proxy a signer key, or publish through another one.',
      status,
    })
  }
  if (status >= 500 || (status > 200 && status < 300)) {
    // A node or a secondary store may have failed after the dispersal was paid for, and a success is one.
    return new DaOutcomeUnknownError({
      source,
      reason: `status ${status}: ${orStatus(text, status)}`,
    })
  }
  return new DaProtocolError({ source, reason: `status ${status} on a write` })
}

// A proxy with a lower limit of its own says it in the answer, as bytes of the encoded blob.
function saidLimit(text: string): number | undefined {
  const bytes = Number(/max blob size (\d{1,9})/i.exec(text)?.[1] ?? Number.NaN)
  return bytes >= 2 * SYMBOL_BYTES ? payloadCapacity(Math.floor(bytes / SYMBOL_BYTES)) : undefined
}

const noArchive = /expected S3 backend|S3 is disabled/i

function withoutArchive({ source, status }: ProxyAnswer): BaseError {
  return new DaConfigError({
    source,
    reason: 'the proxy has no store behind its keccak lane',
    hint: 'Start the proxy with an S3 backend.',
    status,
  })
}

function isMisconfigured(status: number): boolean {
  return [401, 403, 404, 405, 407, 414, 431].includes(status)
}

function misconfigured({ source, status, text }: ProxyAnswer): BaseError {
  const hints: Record<number, string> = {
    401: 'Give the headers that the gateway in front of the proxy wants.',
    403: 'Start the proxy with `--apis.enabled` including `standard`, and `op-keccak` for the archive.',
    404: 'Check the base URL: the proxy answers 404 for wrong paths and modes only.',
    405: 'Check the base URL for a path or a double slash.',
    414: 'A commitment is up to 60 KB of URL: raise the header buffers of the server in front.',
    431: 'A commitment is up to 60 KB of URL: raise the header buffers of the server in front.',
  }
  return new DaConfigError({
    source,
    reason: `status ${status}${text === '' ? '' : `, ${text}`}`,
    hint: hints[status],
    status,
  })
}

function invalidCert({ source, raw, text }: ProxyAnswer): BaseError {
  // JSON sent with a text content type; a message with a whole certificate in it may be cut short.
  const statusCode = Number(/"StatusCode"\s*:\s*(\d{1,3})/.exec(raw)?.[1] ?? 0)
  const message = /"Msg"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(raw)?.[1]
  const reason = message === undefined || message === '' ? text : redactText(message)
  return new DaInvalidCertError({ source, statusCode, reason: orStatus(reason, 418) })
}

function retryAfterOf({ retryAfter }: ProxyAnswer): number | undefined {
  const seconds = Number(retryAfter ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined
}

function orStatus(text: string, status: number): string {
  return text === '' ? `status ${status} without a body` : text
}
