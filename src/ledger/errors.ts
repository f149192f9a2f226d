import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** What can be wrong with the files of a log. */
export type LogFault = 'missing' | 'malformed' | 'inconsistent'

const sentences: Record<LogFault, string> = {
  missing: 'is not there, although the checkpoint implies it',
  malformed: 'does not have the bytes of a C2SP tlog-tiles file',
  inconsistent: 'does not lead to the root of the checkpoint',
}

/** A file of a log is missing, or is not what its checkpoint commits to. Nothing of it was used. */
export class LedgerLogError extends BaseError {
  override readonly name = 'LedgerLogError'
  override readonly code = 'LEDGER_LOG_INVALID'
  /** What is wrong. */
  readonly fault: LogFault
  /** Path of the file, or what was asked for. */
  readonly path: string

  constructor({ fault, path }: { fault: LogFault; path: string }, options: BaseErrorOptions = {}) {
    super(`\`${path}\` ${sentences[fault]}.`, {
      metaMessages: [
        fault === 'missing'
          ? 'Read from another copy of the log, or with a newer checkpoint.'
          : 'Keep the file and the checkpoint: together they show what the log served.',
      ],
      ...options,
    })
    this.fault = fault
    this.path = path
  }
}

/** What a witness remembers cannot be relied on, so nothing is cosigned. */
export class WitnessStateError extends BaseError {
  override readonly name = 'WitnessStateError'
  override readonly code = 'WITNESS_STATE'
  /** Origin of the log that it is about. */
  readonly origin: string

  constructor(
    { origin, fault }: { origin: string; fault: 'damaged' | 'contended' },
    options: BaseErrorOptions = {},
  ) {
    super(
      fault === 'damaged'
        ? `What the witness keeps of \`${origin}\` does not have its own cosignature.`
        : `What the witness keeps of \`${origin}\` changes faster than it can be extended.`,
      {
        retryable: fault === 'contended',
        metaMessages: [
          fault === 'damaged'
            ? 'Put the newest cosigned note back; without it the witness could cosign a fork.'
            : 'Try again; if it stays so, see whether the store keeps what it is given.',
        ],
        ...options,
      },
    )
    this.origin = origin
  }
}

/** Why there is no cosignature. */
export type WitnessFault =
  | 'unreachable'
  | 'unknown'
  | 'refused'
  | 'inconsistent'
  | 'ahead'
  | 'answer'

const witnessHelp: Record<WitnessFault, string> = {
  unreachable:
    'Try again later: the log goes on without this witness as long as its quorum is met.',
  unknown: 'Ask the operator of the witness to add the log’s verifier key.',
  refused: 'See that the log signs with the key that the witness knows for this origin.',
  inconsistent: 'Keep the checkpoint and stop the log: the witness cosigned another history.',
  ahead: 'Keep the checkpoint and stop the log: the witness cosigned a larger tree.',
  answer: 'Do not count this witness: its answer is no cosignature of its key.',
}

/** A witness did not cosign a checkpoint. */
export class WitnessRefusedError extends BaseError {
  override readonly name = 'WitnessRefusedError'
  override readonly code = 'WITNESS_REFUSED'
  /** Why. */
  readonly fault: WitnessFault
  /** Name of the witness's key. */
  readonly witness: string

  constructor(
    { witness, fault, detail }: { witness: string; fault: WitnessFault; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The witness \`${witness}\` did not cosign: ${detail}.`, {
      retryable: fault === 'unreachable',
      metaMessages: [witnessHelp[fault]],
      ...options,
    })
    this.fault = fault
    this.witness = witness
  }
}

/** What a client remembers of a log cannot be used. */
export class PinError extends BaseError {
  override readonly name = 'PinError'
  override readonly code = 'LEDGER_PIN'
  /** Origin of the log. */
  readonly origin: string

  constructor(
    { origin, fault }: { origin: string; fault: 'damaged' | 'contended' },
    options: BaseErrorOptions = {},
  ) {
    super(
      fault === 'damaged'
        ? `The pinned checkpoint of \`${origin}\` is damaged, or of a log that is not trusted.`
        : `The pinned checkpoint of \`${origin}\` was moved by somebody else meanwhile.`,
      {
        retryable: fault === 'contended',
        metaMessages: [
          fault === 'damaged'
            ? 'Restore it from a copy: a fresh pin would accept a log that was rewritten.'
            : 'Compare again: nothing was pinned.',
        ],
        ...options,
      },
    )
    this.origin = origin
  }
}

/** What is anchored is not what the log says now: one of them was rewritten. */
export class AnchorConflictError extends BaseError {
  override readonly name = 'AnchorConflictError'
  override readonly code = 'LEDGER_ANCHOR_CONFLICT'
  /** Origin of the log. */
  readonly origin: string
  /** Entries of the log at its latest anchor. */
  readonly anchored: bigint

  constructor(
    { origin, anchored, size }: { origin: string; anchored: bigint; size: bigint },
    options: BaseErrorOptions = {},
  ) {
    super(
      anchored > size
        ? `\`${origin}\` has ${size} entries, and ${anchored} are anchored.`
        : `The first ${anchored} entries of \`${origin}\` are not those that are anchored.`,
      {
        metaMessages: [
          'Stop writing to the log and keep it as it is. Restore it from a copy that reaches the anchor.',
        ],
        ...options,
      },
    )
    this.origin = origin
    this.anchored = anchored
  }
}

/** A signer answered what is no signature of its key. Nothing was sent. */
export class EventSignatureError extends BaseError {
  override readonly name = 'EventSignatureError'
  override readonly code = 'LEDGER_EVENT_SIGNATURE'
  /** Fingerprint of the key. */
  readonly keyId: string

  constructor({ keyId }: { keyId: string }, options: BaseErrorOptions = {}) {
    super(`The signer of ${keyId} answered what is no Ed25519 signature of that key.`, {
      metaMessages: ['Compare `publicKey` of the signer with the key that it signs with.'],
      ...options,
    })
    this.keyId = keyId
  }
}

/** A file of a store is not what the writer left there: another writer, or damage. */
export class TileConflictError extends BaseError {
  override readonly name = 'TileConflictError'
  override readonly code = 'LEDGER_FILE_CONFLICT'
  /** Path of the file. */
  readonly path: string

  constructor({ path, reason }: { path: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`\`${path}\` was not written: ${reason}.`, {
      metaMessages: ['What is there stays. Look for another writer of this ledger, then run fsck.'],
      ...options,
    })
    this.path = path
  }
}

/** An event does not follow the ledger's newest one. Nothing was appended. */
export class LedgerChainError extends BaseError {
  override readonly name = 'LedgerChainError'
  override readonly code = 'LEDGER_STALE_HEAD'

  constructor(
    { expected, given }: { expected: string; given: string },
    options: BaseErrorOptions = {},
  ) {
    super(`An event follows ${given}, and the newest event is ${expected}.`, {
      metaMessages: ['Sign it again on top of the newest event.'],
      retryable: true,
      ...options,
    })
  }
}

/** This instance of a ledger has ended. What it acknowledged is kept; the rest is unknown. */
export class LedgerStoppedError extends BaseError {
  override readonly name = 'LedgerStoppedError'
  override readonly code = 'LEDGER_STOPPED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The ledger has stopped: ${reason}.`, {
      metaMessages: [
        'Open it again: opening finishes or discards what was under way. Then send again what was not acknowledged; what is there answers with its receipt.',
      ],
      ...options,
    })
  }
}

/** Another process writes this ledger. */
export class LedgerLockedError extends BaseError {
  override readonly name = 'LedgerLockedError'
  override readonly code = 'LEDGER_LOCKED'

  constructor(
    { directory, holder }: { directory: string; holder: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The ledger in \`${directory}\` is written by ${holder}.`, {
      metaMessages: ['End that process, or read without opening for writing.'],
      ...options,
    })
  }
}

/** What a ledger keeps about itself contradicts itself. It was not opened, and nothing was changed. */
export class LedgerStateError extends BaseError {
  override readonly name = 'LedgerStateError'
  override readonly code = 'LEDGER_STATE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The ledger cannot be opened: ${reason}.`, {
      metaMessages: [
        'Do not write to it. Keep a copy, run `newton-policy ledger fsck`, and restore what it names from a replica.',
      ],
      ...options,
    })
  }
}

/** More is waiting to be appended than the ledger takes. This was not taken. */
export class LedgerBusyError extends BaseError {
  override readonly name = 'LedgerBusyError'
  override readonly code = 'LEDGER_BUSY'

  constructor({ waiting }: { waiting: number }, options: BaseErrorOptions = {}) {
    super(`${waiting} events are waiting to be appended.`, {
      metaMessages: ['Send it again later.'],
      retryable: true,
      ...options,
    })
  }
}

/** The ledger's clock is far behind this one. The record is kept, and sent again later. */
export class LedgerBehindError extends BaseError {
  override readonly name = 'LedgerBehindError'
  override readonly code = 'LEDGER_CLOCK_BEHIND'

  constructor({ detail }: { detail: string }, options: BaseErrorOptions = {}) {
    super(`The ledger does not take the record yet: ${detail}.`, {
      metaMessages: ['Compare the clocks of both machines.'],
      retryable: true,
      ...options,
    })
  }
}

/** The ledger cannot be reached, or what answers is no ledger. Nothing is known of what was sent. */
export class LedgerUnreachableError extends BaseError {
  override readonly name = 'LedgerUnreachableError'
  override readonly code = 'LEDGER_UNREACHABLE'

  constructor({ url, detail }: { url: string; detail: string }, options: BaseErrorOptions = {}) {
    super(`The ledger at \`${url}\` cannot be reached: ${detail}.`, {
      retryable: true,
      metaMessages: ['See whether it runs, and whether URL and module id are its own.'],
      ...options,
    })
  }
}

/** The ledger answered with what is no receipt of what was sent. It is sent again. */
export class LedgerReceiptError extends BaseError {
  override readonly name = 'LedgerReceiptError'
  override readonly code = 'LEDGER_RECEIPT'

  constructor({ eventId }: { eventId: string }, options: BaseErrorOptions = {}) {
    super(`The ledger answered with what is no receipt of the event ${eventId}.`, {
      retryable: true,
      metaMessages: ['See what answers under its address: the record stays in the outbox.'],
      ...options,
    })
  }
}

/** A sink that was closed delivers nothing. */
export class LedgerSinkClosedError extends BaseError {
  override readonly name = 'LedgerSinkClosedError'
  override readonly code = 'LEDGER_SINK_CLOSED'

  constructor(options: BaseErrorOptions = {}) {
    super('The sink is closed: it takes no records and delivers none.', {
      metaMessages: ['Create another one over the same outbox: it delivers what is kept there.'],
      ...options,
    })
  }
}

/** The outbox of a sink is damaged, or cannot be written. */
export class LedgerOutboxError extends BaseError {
  override readonly name = 'LedgerOutboxError'
  override readonly code = 'LEDGER_OUTBOX'

  constructor(
    { path, fault }: { path: string; fault: 'damaged' | 'unwritten' },
    options: BaseErrorOptions = {},
  ) {
    super(
      fault === 'damaged'
        ? `\`${path}\` does not hold a record for the ledger.`
        : `A record for the ledger could not be kept in \`${path}\`.`,
      {
        retryable: fault === 'unwritten',
        metaMessages: [
          fault === 'damaged'
            ? 'Put it back from a copy, or move it away: its record is then not delivered.'
            : 'Make room on the disk. What was to be recorded is asked for again.',
        ],
        ...options,
      },
    )
  }
}
