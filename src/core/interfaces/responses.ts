import type { IoOptions } from '../../internal/deadline.js'
import type { Certificate } from '../bn254/certificate.js'
import type { OperatorTree } from '../bn254/operatorTable.js'
import type { PolicyTaskResponse } from '../response.js'
import type { Task } from '../task.js'
import type { EventPosition, ReadAnchors } from './chainEvents.js'

/** A response that landed on chain. Its block is the block of acceptance. */
export type AcceptedResponse = EventPosition & {
  response: PolicyTaskResponse
  certificate: Certificate
  /** The task, where the call's data shows it; `null` where another contract made the call. */
  task: Task | null
}

/** Accepted responses of one chain, in chain order. */
export interface AcceptedResponses {
  getAcceptedResponses(
    parameters: { fromBlock: bigint; toBlock: bigint } & ReadAnchors,
    options?: IoOptions,
  ): Promise<readonly AcceptedResponse[]>
}

/** Whole operator tables, rebuilt from the chain's logs: what signers are proved with. */
export interface OperatorTrees {
  /** The table in force at the end of `block`; `null` before the first one. */
  operatorTreeAt(block: bigint, options?: IoOptions): Promise<OperatorTree | null>
}
