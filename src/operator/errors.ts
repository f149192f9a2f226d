/** Errors of the operator network: one class per kind of failure. */
import type { Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** Something else was signed for the same task or window before: a second signature is refused. */
export class EquivocationRefusedError extends BaseError {
  override readonly name = 'EquivocationRefusedError'
  override readonly code = 'EQUIVOCATION_REFUSED'
  /** What kind of statement it is. */
  readonly kind: string
  /** Digest of what the journal holds. */
  readonly recorded: Hex
  /** Digest of what was asked for. */
  readonly asked: Hex

  constructor(
    { kind, key, recorded, asked }: { kind: string; key: Hex; recorded: Hex; asked: Hex },
    options: BaseErrorOptions = {},
  ) {
    super(`Another ${kind} was signed for ${key} before: ${recorded}, not ${asked}.`, {
      metaMessages: [
        'Nothing was signed. Two statements about one task or window are a fault of this operator.',
        'Where this was not expected, look for a second process with the same key.',
      ],
      ...options,
    })
    this.kind = kind
    this.recorded = recorded
    this.asked = asked
  }
}

/**
 * A statement lies at or below the height from which this journal can speak: another one may have
 * been signed for it that the journal does not know.
 */
export class JournalFloorError extends BaseError {
  override readonly name = 'JournalFloorError'
  override readonly code = 'JOURNAL_FLOOR'

  constructor(
    {
      kind,
      height,
      floor,
      reason,
    }: { kind: string; height: bigint; floor: bigint; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`No ${kind} at ${height} is signed: ${reason}, so only what is above ${floor} is.`, {
      metaMessages: ['Other operators carry the quorum; this one signs what comes after.'],
      ...options,
    })
  }
}

/** What a journal holds is damaged, of another operator, or has a gap. */
export class JournalDamagedError extends BaseError {
  override readonly name = 'JournalDamagedError'
  override readonly code = 'JOURNAL_DAMAGED'

  constructor(
    { segment, offset, reason }: { segment: number; offset: number; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The signing journal is damaged in segment ${segment} at byte ${offset}: ${reason}.`, {
      metaMessages: [
        'Nothing is signed without it. Restore the newest backup, or retire the key:',
        'a new journal beside a used key may sign a second, different response.',
      ],
      ...options,
    })
  }
}

/** There is no journal where there should be one, or one where a new one was to be made. */
export class JournalMissingError extends BaseError {
  override readonly name = 'JournalMissingError'
  override readonly code = 'JOURNAL_MISSING'

  constructor({ found }: { found: boolean }, options: BaseErrorOptions = {}) {
    super(
      found
        ? 'There already is a signing journal, so no new one is made.'
        : 'There is no signing journal.',
      {
        metaMessages: [
          found
            ? 'Open it without `create`, or choose another directory for another key.'
            : 'A key that was used without its journal may sign twice: restore the backup. For a key that was never used pass `create: true`.',
        ],
        ...options,
      },
    )
  }
}

/** A record could not be made durable. Nothing is signed by this process any more. */
export class JournalFailedError extends BaseError {
  override readonly name = 'JournalFailedError'
  override readonly code = 'JOURNAL_FAILED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The signing journal stopped: ${reason}.`, {
      metaMessages: [
        'Nothing was signed, and nothing will be until the process is started anew.',
        'Look at the disk first: after a failed sync a second one may succeed without having written.',
      ],
      ...options,
    })
  }
}

/** One thing that is wrong with a configuration. */
export type ConfigurationFault = {
  /** Its dotted path, such as `chain.rpc_urls`. */
  setting: string
  /** The file, flag or variable it came from; `undefined` where it is missing. */
  from: string | undefined
  reason: string
}

/** A configuration cannot be used. All faults are named at once. */
export class ConfigurationError extends BaseError {
  override readonly name = 'ConfigurationError'
  override readonly code = 'CONFIGURATION'
  readonly faults: readonly ConfigurationFault[]

  constructor(
    { faults }: { faults: readonly ConfigurationFault[] },
    options: BaseErrorOptions = {},
  ) {
    super(`The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}.`, {
      metaMessages: faults.map(
        ({ setting, from, reason }) =>
          `${setting}${from === undefined ? '' : ` (${from})`}: ${reason}`,
      ),
      ...options,
    })
    this.faults = faults
  }
}

/** A key file cannot be used. Never says what is in it. */
export class KeystoreError extends BaseError {
  override readonly name = 'KeystoreError'
  override readonly code = 'KEYSTORE'

  constructor({ path, reason }: { path: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`The key in ${path} cannot be used: ${reason}.`, options)
  }
}

/** A remote signer did not sign. */
export class RemoteSignerError extends BaseError {
  override readonly name = 'RemoteSignerError'
  override readonly code = 'REMOTE_SIGNER'

  constructor(
    { host, reason, retryable }: { host: string; reason: string; retryable: boolean },
    options: BaseErrorOptions = {},
  ) {
    super(`The remote signer at ${host} did not sign: ${reason}.`, { retryable, ...options })
  }
}
