import type { Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

// None of these errors carries a cause or a message that could hold plaintext.

/** Bytes are not a sealed envelope of the expected form. */
export class EnvelopeInvalidError extends BaseError {
  override readonly name = 'EnvelopeInvalidError'
  override readonly code = 'ENVELOPE_INVALID'
  /** Member of the envelope at fault. */
  readonly field: string

  constructor(
    { field, reason }: { field: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The sealed envelope is not valid: \`${field}\`, ${reason}.`, options)
    this.field = field
  }
}

/** An envelope was sealed for something else than what it is opened for. */
export class EnvelopeMismatchError extends BaseError {
  override readonly name = 'EnvelopeMismatchError'
  override readonly code = 'ENVELOPE_MISMATCH'
  readonly field: string

  constructor(
    { field, expected, actual }: { field: string; expected: string; actual: string },
    options: BaseErrorOptions = {},
  ) {
    super(
      `The envelope was sealed for another ${field}: expected ${expected}, got ${actual}.`,
      options,
    )
    this.field = field
  }
}

/** No key here opens the envelope. */
export class EnvelopeKeyUnknownError extends BaseError {
  override readonly name = 'EnvelopeKeyUnknownError'
  override readonly code = 'ENVELOPE_KEY_UNKNOWN'

  constructor({ keyId }: { keyId: Hex }, options: BaseErrorOptions = {}) {
    super(`No key here has the id ${keyId}.`, {
      metaMessages: ['Seal again to the key that a verified document of the active build names.'],
      ...options,
    })
  }
}

/** The envelope does not open: another key, another context, or changed bytes. HPKE does not say which. */
export class EnvelopeOpenError extends BaseError {
  override readonly name = 'EnvelopeOpenError'
  override readonly code = 'ENVELOPE_OPEN_FAILED'

  constructor(options: BaseErrorOptions = {}) {
    super('The envelope does not open under this key and context.', options)
  }
}

/** An envelope of version 1 is not taken here. */
export class EnvelopeV1RefusedError extends BaseError {
  override readonly name = 'EnvelopeV1RefusedError'
  override readonly code = 'ENVELOPE_V1_REFUSED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`An envelope of version 1 is refused: ${reason}.`, {
      metaMessages: ['Seal with version 2, which binds the data instance.'],
      ...options,
    })
  }
}

/** A sequence is not above the committed one. */
export class EnvelopeSequenceError extends BaseError {
  override readonly name = 'EnvelopeSequenceError'
  override readonly code = 'ENVELOPE_SEQUENCE'

  constructor(
    { sequence, committed }: { sequence: bigint; committed: bigint },
    options: BaseErrorOptions = {},
  ) {
    super(`Sequence ${sequence} is not above the committed ${committed}.`, {
      metaMessages: ['Seal again with the next sequence. The first one is 1.'],
      ...options,
    })
  }
}

/** The plaintext does not fit the secrets schema, or is no JSON object. Names places, never values. */
export class SecretsInvalidError extends BaseError {
  override readonly name = 'SecretsInvalidError'
  override readonly code = 'SECRETS_INVALID'
  /** Where the plaintext does not fit, as `profile:path`. Names not in the schema read as `*`. */
  readonly places: readonly string[]

  constructor(
    { reason, places = [] }: { reason: string; places?: readonly string[] | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`The secrets are refused: ${reason}.`, { ...options, metaMessages: places })
    this.places = places
  }
}

/** A key is not one that secrets may be sealed to. */
export class RecipientRefusedError extends BaseError {
  override readonly name = 'RecipientRefusedError'
  override readonly code = 'RECIPIENT_REFUSED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`Secrets are not sealed to this key: ${reason}.`, options)
  }
}
