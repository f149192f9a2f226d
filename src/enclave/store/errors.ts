import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** A sealed state is older than, or no successor of, what its anchor knows. */
export class StateRollbackError extends BaseError {
  override readonly name = 'StateRollbackError'
  override readonly code = 'STATE_ROLLBACK'
  /** Sequence of the state that was found or offered. */
  readonly sequence: bigint
  /** Sequence that the anchor asks for. */
  readonly expected: bigint

  constructor(
    { sequence, expected }: { sequence: bigint; expected: bigint },
    options: BaseErrorOptions = {},
  ) {
    super(
      sequence === expected
        ? `The sealed state of sequence ${sequence} does not follow the one that the anchor knows.`
        : `The sealed state has sequence ${sequence}, expected ${expected}.`,
      {
        metaMessages: ['Restore the newest state. An older one is never opened.'],
        ...options,
      },
    )
    this.sequence = sequence
    this.expected = expected
  }
}

/** A sealed state does not open: another key, missing or changed bytes. */
export class SealedStateError extends BaseError {
  override readonly name = 'SealedStateError'
  override readonly code = 'SEALED_STATE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The sealed state is refused: ${reason}.`, options)
  }
}

/** A transaction of a store lost against others again and again. */
export class StoreConflictError extends BaseError {
  override readonly name = 'StoreConflictError'
  override readonly code = 'STORE_CONFLICT'

  constructor({ attempts }: { attempts: number }, options: BaseErrorOptions = {}) {
    super(`A transaction met conflicting writes ${attempts} times.`, {
      retryable: true,
      ...options,
    })
  }
}

/** What a store is kept in failed. */
export class StoreFailedError extends BaseError {
  override readonly name = 'StoreFailedError'
  override readonly code = 'STORE_FAILED'
  /** `not-written`: nothing changed. `unknown`: the next call, or the next start, finds out. */
  readonly outcome: 'not-written' | 'unknown'

  constructor(
    { step, outcome }: { step: string; outcome: 'not-written' | 'unknown' },
    options: BaseErrorOptions = {},
  ) {
    super(`The store failed: ${step} did not succeed.`, {
      retryable: true,
      metaMessages: [
        outcome === 'unknown'
          ? 'Whether the write happened is decided by the next call or the next start: ask again.'
          : 'Nothing was written. Try again.',
      ],
      ...options,
    })
    this.outcome = outcome
  }
}

/** A store was closed by its owner. */
export class StoreClosedError extends BaseError {
  override readonly name = 'StoreClosedError'
  override readonly code = 'STORE_CLOSED'

  constructor(options: BaseErrorOptions = {}) {
    super('The store was closed here.', options)
  }
}

/** A sealed store gave up for good: another writer moved the anchor on, or the state was handed over. */
export class StoreStoppedError extends BaseError {
  override readonly name = 'StoreStoppedError'
  override readonly code = 'STORE_STOPPED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The sealed store has stopped: ${reason}.`, {
      metaMessages: ['Open the store anew; what was not confirmed before is not in it.'],
      ...options,
    })
  }
}

/** A line has ended, and a reorganization could still undo that: its successor waits. */
export class HandOverPendingError extends BaseError {
  override readonly name = 'HandOverPendingError'
  override readonly code = 'HAND_OVER_PENDING'

  constructor(options: BaseErrorOptions = {}) {
    super('The end of the line before is not final yet.', {
      retryable: true,
      metaMessages: ['Open the store again once it is. Keep the build before ready until then.'],
      ...options,
    })
  }
}
