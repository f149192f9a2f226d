/** What knows the newest sealed state, outside the host's reach. */
import type { Hex } from 'viem'
import type { IoOptions } from '../../../internal/deadline.js'
import { StateRollbackError } from '../errors.js'
import { NO_PREVIOUS_STATE, type StatePlace } from './record.js'

/** A step from one state to the next. */
export type StateAdvance = StatePlace & {
  previous: Hex
  /** Who moves the anchor from here on, where the anchor knows its writers by a key: the last step of a line. */
  successor?: string | undefined
}

/**
 * What knows the newest state: the chain, read through a proof, or a service that the host does not run.
 * The host's own word is no anchor.
 */
export interface StateAnchor {
  /** `undefined` before the first state. */
  latest(options?: IoOptions): Promise<StatePlace | undefined>
  /**
   * Moves on, in one step with the check that `previous` is what it knows; resolves once that will stay so.
   * A step that it has taken before, as the last one, resolves again.
   *
   * @throws {StateRollbackError} where it knows another state. Any other failure leaves the outcome open.
   */
  advance(step: StateAdvance, options?: IoOptions): Promise<void>
  /** The newest state that no reorganization takes back. Without this method, `latest` is it. */
  final?(options?: IoOptions): Promise<StatePlace | undefined>
}

/**
 * An anchor in memory, for tests and for enclaves whose state need not outlive them.
 *
 * @example
 * ```ts
 * import { memoryAnchor, memoryBlobs, openSealedKv } from '@newton/policy-sdk/enclave'
 *
 * const key = crypto.getRandomValues(new Uint8Array(32))
 * const kv = await openSealedKv({ key, blobs: memoryBlobs(), anchor: memoryAnchor() })
 * ```
 */
export function memoryAnchor(): StateAnchor {
  let newest: StatePlace | undefined
  return {
    latest: async () => newest,
    advance: async (step) => {
      if (takesStep(newest, step)) newest = { sequence: step.sequence, stateHash: step.stateHash }
    },
  }
}

/**
 * Whether an anchor that knows `newest` has to move for a step; `false` where it stands there already.
 *
 * @throws {StateRollbackError} where the step does not follow.
 */
export function takesStep(newest: StatePlace | undefined, step: StateAdvance): boolean {
  if (samePlace(newest, step)) return false
  const expected = (newest?.sequence ?? 0n) + 1n
  const follows = step.previous === (newest?.stateHash ?? NO_PREVIOUS_STATE)
  if (step.sequence === expected && follows) return true
  throw new StateRollbackError({ sequence: step.sequence, expected })
}

/** Whether two places are one. */
export function samePlace(a: StatePlace | undefined, b: StatePlace | undefined): boolean {
  return a?.sequence === b?.sequence && a?.stateHash === b?.stateHash
}
