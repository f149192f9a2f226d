/** Errors of the commit pipeline. */
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

export { ArtifactNotCommittedError } from '../../core/artifactNotCommitted.js'

/** The cutoff of a window is not final here yet: abstain, and try again later. */
export class CutoffNotFinalError extends BaseError {
  override readonly name = 'CutoffNotFinalError'
  override readonly code = 'CUTOFF_NOT_FINAL'

  constructor(
    { timestamp, finalized }: { timestamp: bigint; finalized: bigint },
    options: BaseErrorOptions = {},
  ) {
    super(
      `The cutoff of the window ${timestamp} is not final: the finalized head is block ${finalized}.`,
      {
        retryable: true,
        metaMessages: ['Abstain from this window, or try again when the chain has moved on.'],
        ...options,
      },
    )
  }
}

/** Events of final blocks came that are not of the chain that was followed, or not all of them. */
export class EventsNotShownError extends BaseError {
  override readonly name = 'EventsNotShownError'
  override readonly code = 'EVENTS_NOT_SHOWN'

  constructor(
    { toBlock, reason }: { toBlock: bigint; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The events up to block ${toBlock} are not shown to be complete: ${reason}.`, {
      retryable: true,
      metaMessages: ['Nothing was taken in. Try again, or use another endpoint where it stays so.'],
      ...options,
    })
  }
}

/** Why a proposal is refused. */
export type RefusalReason =
  | 'MALFORMED_DELTA'
  | 'DELTA_HASH_MISMATCH'
  | 'WRONG_CHAIN'
  | 'DOES_NOT_EXTEND'
  | 'WRONG_CUTOFF'
  | 'WRONG_COMMIT'
  | 'UNREGISTERED'
  | 'DUPLICATE'
  | 'OUT_OF_ORDER'
  | 'OVER_CAP'
  | 'BYTES_MISMATCH'
  | 'WRONG_DELETIONS'
  | 'WRONG_COUNTERS'
  | 'WRONG_FOREIGN'
  | 'FOREIGN_KEY_TAKEN'
  | 'WRONG_ROOT'

/** A proposed or committed delta breaks a rule. */
export class ProposalRefusedError extends BaseError {
  override readonly name = 'ProposalRefusedError'
  override readonly code = 'PROPOSAL_REFUSED'
  /** The rule, for programs. */
  readonly reason: RefusalReason

  constructor(
    { reason, detail }: { reason: RefusalReason; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The proposal is refused (${reason}): ${detail}.`, options)
    this.reason = reason
  }
}

/** The chain and the tree of this operator do not fit together. */
export class PipelineStateError extends BaseError {
  override readonly name = 'PipelineStateError'
  override readonly code = 'PIPELINE_STATE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The commit pipeline cannot go on: ${reason}.`, {
      metaMessages: ['Bootstrap this operator again from a snapshot.'],
      ...options,
    })
  }
}
