/** What a failed write may have paid for, wherever in the failure it is said. */
import type { Hex } from 'viem'
import type { DaLocator } from '../../core/locator.js'
import { DaIntegrityError, DaOutcomeUnknownError, ReplicationError } from '../errors.js'

/** Commitments that were received, and where the bytes are if those are all of it. */
export type PaidWrite = { commitments: readonly Hex[]; locator: DaLocator | undefined }

/** What was received before a write failed; of a write to several, the first that has anything. */
export function paidIn(error: unknown): PaidWrite | undefined {
  if (error instanceof DaOutcomeUnknownError || error instanceof DaIntegrityError) {
    const { commitments, locator } = error
    return commitments.length > 0 || locator !== undefined ? { commitments, locator } : undefined
  }
  if (!(error instanceof ReplicationError)) return undefined
  // A copy that was written counts before one that may have been.
  const [receipt] = error.receipts as readonly { locator: DaLocator }[]
  if (receipt !== undefined) return { commitments: [], locator: receipt.locator }
  for (const attempt of error.attempts) {
    const paid = paidIn(attempt.error)
    if (paid !== undefined) return paid
  }
  return undefined
}

/** Whether a failed write may have been carried out, in any of its parts. */
export function isOpenWrite(error: unknown): boolean {
  if (error instanceof DaOutcomeUnknownError) return true
  return error instanceof ReplicationError && error.attempts.some((one) => isOpenWrite(one.error))
}
