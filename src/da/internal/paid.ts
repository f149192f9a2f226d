/** What a failed write may have paid for, wherever in the failure it is said. */
import type { Hex } from 'viem'
import type { DaLocator } from '../../core/locator.js'
import { DaIntegrityError, DaOutcomeUnknownError, ReplicationError } from '../errors.js'

/** Commitments that were received, and where the bytes are if those are all of it. */
export type PaidWrite = { commitments: readonly Hex[]; locator: DaLocator | undefined }

/** What was received before a write failed; of a write to several, the first that has anything. */
export function paidIn(error: unknown): PaidWrite | undefined {
  const kinds = [DaOutcomeUnknownError, DaIntegrityError, ReplicationError]
  if (!kinds.some((kind) => error instanceof kind)) return undefined
  const { commitments, locator } = error as DaOutcomeUnknownError
  return commitments.length > 0 || locator !== undefined ? { commitments, locator } : undefined
}

/** Whether a failed write may have been carried out, in any of its parts. */
export function isOpenWrite(error: unknown): boolean {
  if (error instanceof DaOutcomeUnknownError) return true
  return error instanceof ReplicationError && error.attempts.some((one) => isOpenWrite(one.error))
}
