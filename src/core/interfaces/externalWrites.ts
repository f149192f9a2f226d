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
}
