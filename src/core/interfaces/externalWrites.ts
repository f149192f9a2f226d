import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'

/** A write of the private-data layer (namespaces 1 to 3). `valueHash: null` deletes. */
export type ExternalWrite = { namespace: 1 | 2 | 3; keyHash: Hex; valueHash: Hex | null }

/** The ordered writes of the private-data layer that belong in one commit. */
export interface ExternalWrites {
  writesFor(
    parameters: { sequenceNo: bigint; cutoffBlock: bigint },
    options?: IoOptions,
  ): Promise<readonly ExternalWrite[]>
  /**
   * Whether a write that another operator proposes is one that this source has let in too. Where it is
   * given, operators may know different writes: a proposal may leave any out, and has only such as this
   * accepts; what has landed is not judged by it. Without it a commit has exactly the writes of
   * `writesFor`.
   */
  accepts?(write: ExternalWrite): boolean
}
