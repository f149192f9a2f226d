/** How old the newest block of an endpoint may be: a node that is stuck answers as if it were not. */
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../../errors/common.js'
import { StaleHeadError } from '../../chain/errors.js'

/** Compares the newest block with the clock. */
export type HeadAge = {
  /** Milliseconds that the newest block may lie behind the clock. Left out: any. */
  maxHeadAge?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/**
 * Makes the check of newest blocks.
 *
 * @throws {InvalidInputError} where `maxHeadAge` is no positive number.
 */
export function headAgeCheck({
  maxHeadAge,
  now = Date.now,
}: HeadAge): (head: BlockReference) => BlockReference {
  if (maxHeadAge !== undefined && !(maxHeadAge > 0)) {
    throw new InvalidInputError({ field: 'maxHeadAge', reason: 'expected milliseconds above 0' })
  }
  return (head) => {
    const age = now() - Number(head.timestamp) * 1_000
    if (maxHeadAge !== undefined && age > maxHeadAge) {
      throw new StaleHeadError({ block: head.number, age, maxHeadAge })
    }
    return head
  }
}
