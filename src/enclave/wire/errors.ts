import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Rules of the wire protocol that a peer can break. Any of them ends the connection. */
export type WireFault =
  | 'magic'
  | 'version'
  | 'type'
  | 'flags'
  | 'frame-too-large'
  | 'body'
  | 'hello'
  | 'request-id'
  | 'unknown-response'
  | 'unexpected-frame'
  | 'header-timeout'
  | 'body-timeout'
  | 'artifact'
  | 'tunnel'
  | 'unattested'
  | 'idle'
  | 'budget'

const sentences: Record<WireFault, string> = {
  magic: 'a frame does not start with NPEV',
  version: 'the peer speaks no version that is known here',
  type: 'a frame has an unknown type',
  flags: 'a frame sets flags, which are reserved',
  'frame-too-large': 'a frame is larger than agreed',
  body: 'the body of a frame is not what its type asks for',
  hello: 'the greeting is missing, repeated or not acceptable',
  'request-id': 'a request id is zero or in use',
  'unknown-response': 'an answer belongs to no request',
  'unexpected-frame': 'a frame is not allowed at this point',
  'header-timeout': 'a frame header did not arrive in time',
  'body-timeout': 'a frame body did not arrive in time',
  artifact: 'an artifact answer does not fit its question',
  tunnel: 'a tunnel frame belongs to no tunnel',
  unattested: 'the peer asks for something before it is attested',
  idle: 'the peer sent nothing for too long',
  budget: 'all peers together use more than is there, and this one moves least',
}

/** The peer broke the wire protocol. The connection is closed; nothing more is read from it. */
export class EnclaveProtocolError extends BaseError {
  override readonly name = 'EnclaveProtocolError'
  override readonly code = 'ENCLAVE_PROTOCOL'
  /** The rule that was broken. */
  readonly fault: WireFault

  constructor(
    { fault, details }: { fault: WireFault; details?: string | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`The enclave connection is closed: ${sentences[fault]}.`, {
      retryable: true,
      ...options,
      details: details === undefined ? undefined : clip(details),
    })
    this.fault = fault
  }
}

/** The connection to the enclave was lost or could not be made. Nothing was decided. */
export class EnclaveTransportError extends BaseError {
  override readonly name = 'EnclaveTransportError'
  override readonly code = 'ENCLAVE_TRANSPORT'
  /** Whether requests were in work on the connection that was lost. */
  sent = false

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The connection to the enclave failed: ${reason}.`, {
      retryable: true,
      metaMessages: ['Try again: nothing was decided.'],
      ...options,
    })
  }
}

/** Too many requests wait for the enclave. */
export class EnclaveBusyError extends BaseError {
  override readonly name = 'EnclaveBusyError'
  override readonly code = 'ENCLAVE_BUSY'

  constructor({ limit }: { limit: number }, options: BaseErrorOptions = {}) {
    super(`${limit} requests are in flight or wait for the enclave.`, {
      retryable: true,
      ...options,
    })
  }
}

/** The handle was closed by its owner. */
export class EnclaveClosedError extends BaseError {
  override readonly name = 'EnclaveClosedError'
  override readonly code = 'ENCLAVE_CLOSED'

  constructor(options: BaseErrorOptions = {}) {
    super('The enclave connection was closed here.', options)
  }
}

/** Codes of the body of an ERROR frame. Others read as `ENCLAVE_INTERNAL`. */
export const remoteErrorCodes = [
  'UNSUPPORTED_VERSION',
  'PROTOCOL',
  'BUSY',
  'DEADLINE',
  'CANCELLED',
  'UNKNOWN_METHOD',
  'INVALID_REQUEST',
  'EVALUATION_FAILED',
  'RESPONSE_TOO_LARGE',
  'GOING_AWAY',
  'ENCLAVE_INTERNAL',
] as const

/** A code of the body of an ERROR frame. */
export type RemoteErrorCode = (typeof remoteErrorCodes)[number]

const onlyCodes =
  'Only codes leave an enclave. `simulate` with the same policy, params and arguments says what and where.'

/** The enclave answered a request with an error. An error is no decision. */
export class EnclaveRemoteError extends BaseError {
  override readonly name = 'EnclaveRemoteError'
  override readonly code = 'ENCLAVE_REMOTE'
  /** The enclave's own code. */
  readonly remoteCode: RemoteErrorCode
  /** Code of the error inside the enclave, such as `PLUGIN_LIMIT`, where it is known. */
  readonly reason: string | undefined

  constructor(
    fault: { remoteCode: RemoteErrorCode; reason?: string | undefined; retryable: boolean },
    options: BaseErrorOptions = {},
  ) {
    const suffix = fault.reason === undefined ? '' : ` (${fault.reason})`
    super(`The enclave answered with the error ${fault.remoteCode}${suffix}: no decision.`, {
      retryable: fault.retryable,
      metaMessages: fault.remoteCode === 'EVALUATION_FAILED' ? [onlyCodes] : undefined,
      ...options,
    })
    this.remoteCode = fault.remoteCode
    this.reason = fault.reason
  }
}

/** Text that a peer may have had a part in, at most 200 characters of it. */
export function clip(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`
}
