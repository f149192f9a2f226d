import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Steps of the verification, in their order. */
export const nitroStages = [
  'policy',
  'size',
  'cose',
  'header',
  'payload',
  'kind',
  'root',
  'chain',
  'signature',
  'time',
  'debug',
  'measurements',
  'binding',
  'revocation',
  'registry',
  'nonce',
] as const

/** A step of the verification. */
export type NitroStage = (typeof nitroStages)[number]

/** Every code with what it says. The set is closed and its members never change. */
const sentences = {
  POLICY: 'the policy given to the verifier is not usable',
  MALFORMED: 'the document is not well-formed',
  PAYLOAD_SIZE: 'the payload is larger than 16384 bytes',
  TRAILING: 'there are bytes after the end',
  NON_CANONICAL_OUTER: 'the COSE structure is not in the one form that AWS produces',
  UNPROTECTED_NOT_EMPTY: 'the unprotected header, which no signature covers, is not empty',
  ALG: 'the protected header is not exactly { alg: ES384 }',
  SIG_LENGTH: 'the signature is not 96 bytes long',
  SIGNATURE: 'the signature of the document does not verify',
  FIELD_MISSING: 'a required field is missing',
  FIELD_TYPE: 'a field has the wrong type',
  FIELD_LENGTH: 'a field has a length outside its limits',
  DUPLICATE_KEY: 'a key occurs twice',
  NOT_ENCLAVE_DOC: 'the document comes from an ordinary machine (NitroTPM) and not from an enclave',
  DIGEST: 'the digest is not SHA384',
  TIMESTAMP: 'the timestamp is impossible',
  PCR_COUNT: 'the number of PCRs is not 1 to 32',
  PCR_KEY_TYPE: 'a PCR index is not an integer',
  PCR_INDEX: 'a PCR index is not 0 to 31',
  PCR_LENGTH: 'a PCR is not 48 bytes long',
  PCR_MISSING: 'a PCR that the policy names is not in the document',
  PCR_MISMATCH: 'no expected measurement matches the document',
  CABUNDLE: 'the certificate bundle is not usable',
  UNTRUSTED_ROOT: 'the chain does not start at a trusted root',
  CHAIN: 'a certificate was not issued by the one before it',
  CERT_DER: 'a certificate is not well-formed',
  CERT_ALG: 'a certificate does not use ECDSA with P-384 and SHA-384',
  CERT_EXPIRED: 'a certificate has expired',
  CERT_NOT_YET_VALID: 'a certificate is not valid yet',
  BASIC_CONSTRAINTS: 'a certificate is a CA where it must not be, or the reverse',
  KEY_USAGE: 'a certificate may not be used for this',
  PATH_LEN: 'the chain is longer than one of its CAs allows',
  CRITICAL_EXTENSION: 'a certificate has a critical extension that is not understood',
  LEAF_KEY: 'the key of the signing certificate is not a P-384 key',
  REVOKED: 'a certificate is revoked',
  DEBUG_MODE: 'the enclave runs in debug mode, so it keeps nothing secret',
  STALE: 'the document is older than the policy allows',
  FUTURE: 'the document comes from the future',
  NONCE_MISMATCH: 'the nonce is not the expected one',
  NONCE_REUSED: 'the nonce was used before',
  USER_DATA_MISMATCH: 'the user data is not the expected one',
  PUBLIC_KEY_MISMATCH: 'the public key is not the expected one',
  REGISTRY_INACTIVE: 'the measurement is not active in the registry at the block that matters',
  REGISTRY_ROOT: 'the registry names another root certificate',
  REGISTRY_UNAVAILABLE: 'the registry could not be read',
} as const

/** Why a document was refused. */
export type NitroErrorCode = keyof typeof sentences

/** All codes of {@link NitroAttestationError}. */
export const nitroErrorCodes: readonly NitroErrorCode[] = Object.keys(sentences) as NitroErrorCode[]

/** A Nitro attestation document was refused. */
export class NitroAttestationError extends BaseError {
  override readonly name = 'NitroAttestationError'
  override readonly code: NitroErrorCode
  /** The step that refused it. */
  readonly stage: NitroStage
  /** Byte offset inside the document, where there is one. */
  readonly offset: number | undefined
  /**
   * Newton's `AttestationContext.failureReason`: 1 certificate chain, 2 measurement not whitelisted,
   * 3 binding to the task, 4 expired.
   */
  readonly newtonFailureReason: 1 | 2 | 3 | 4

  constructor(
    fault: {
      code: NitroErrorCode
      stage: NitroStage
      details?: string | undefined
      offset?: number | undefined
      metaMessages?: readonly string[] | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    super(`The attestation document is refused: ${sentences[fault.code]}.`, {
      retryable: fault.code === 'REGISTRY_UNAVAILABLE',
      ...options,
      details: fault.details ?? options.details,
      metaMessages: fault.metaMessages ?? options.metaMessages,
    })
    this.code = fault.code
    this.stage = fault.stage
    this.offset = fault.offset
    this.newtonFailureReason = failureReason(fault.code)
  }
}

function failureReason(code: NitroErrorCode): 1 | 2 | 3 | 4 {
  switch (code) {
    case 'CERT_EXPIRED':
    case 'CERT_NOT_YET_VALID':
    case 'TIMESTAMP':
    case 'STALE':
    case 'FUTURE':
      return 4
    case 'DEBUG_MODE':
    case 'PCR_MISSING':
    case 'PCR_MISMATCH':
    case 'REGISTRY_INACTIVE':
    case 'REGISTRY_UNAVAILABLE':
      return 2
    case 'NONCE_MISMATCH':
    case 'NONCE_REUSED':
    case 'USER_DATA_MISMATCH':
    case 'PUBLIC_KEY_MISMATCH':
      return 3
    default:
      return 1
  }
}
