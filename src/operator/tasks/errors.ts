/** Errors of tasks: one class per kind of failure. */
import type { Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** What one operator did wrong, or did not do, for one task. */
export type OperatorFault = {
  operator: string
  /** Code of the error, or what its answer was. */
  fault: string
  detail: string
}

/** Why a task ended without a decision. */
export type TaskFailure =
  /** The client has no policy, or a part of it is missing, at the reference block. */
  | 'NOT_DECIDABLE'
  /** No operator table is in force at the reference block. */
  | 'NO_OPERATORS'
  /** Operators' plugin outputs have no majority. */
  | 'INPUTS_DIVERGE'
  /** Too few operators gave the same signed response, or committed to outputs. */
  | 'NO_QUORUM'
  /** Its time was over before enough operators had answered. */
  | 'TIMED_OUT'
  /** The block that it refers to is not the chain's any more: no contract takes an answer. */
  | 'REFERENCE_BLOCK_LOST'
  /** An answer would have expired before it is there. */
  | 'EXPIRED'

const retryable: ReadonlySet<TaskFailure> = new Set([
  ...(['INPUTS_DIVERGE', 'NO_QUORUM', 'TIMED_OUT', 'REFERENCE_BLOCK_LOST', 'EXPIRED'] as const),
])

/** A task ended without a decision: nothing is allowed, nothing is denied. */
export class TaskFailedError extends BaseError {
  override readonly name = 'TaskFailedError'
  override readonly code = 'TASK_FAILED'
  readonly taskId: Hex
  readonly failure: TaskFailure
  /** What each operator did, where operators were asked. */
  readonly faults: readonly OperatorFault[]
  /** Whether the same operators may answer the same task when they are asked again. */
  readonly mayPass: boolean

  constructor(
    parameters: {
      taskId: Hex
      failure: TaskFailure
      detail: string
      faults?: readonly OperatorFault[] | undefined
      mayPass?: boolean | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    const { taskId, failure, detail, faults = [], mayPass = false } = parameters
    super(`Task ${taskId} ended without a decision (${failure}): ${detail}.`, {
      retryable: retryable.has(failure),
      metaMessages: [
        'This is neither an allow nor a deny.',
        ...faults
          .slice(0, 8)
          .map(({ operator, fault, detail: what }) => `${operator}: ${fault}, ${what}`),
      ],
      ...options,
    })
    this.taskId = taskId
    this.failure = failure
    this.faults = faults
    this.mayPass = mayPass
  }
}
