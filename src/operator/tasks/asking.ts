/** Asks operators at once, and notes what each does that is not the answer. */
import type { Hex } from 'viem'
import type { OutputCommitment } from '../../attestation/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { OperatorClient } from '../rpc/client.js'
import type { OperatorFault } from './errors.js'
import { type TableInForce, weightOf } from './tables.js'

/** What is asked for one task, and what came of it so far. */
export type Asking = {
  taskId: Hex
  inForce: TableInForce
  operators: readonly OperatorClient[]
  faults: OperatorFault[]
  keepCommitments?:
    | ((commitments: readonly OutputCommitment[]) => Promise<readonly OutputCommitment[]>)
    | undefined
}

/** Does what is not the operator's who has answered: where it fails, no operator is at fault. */
export type OwnWork = <value>(work: () => Promise<value>) => Promise<value>

/**
 * Asks operators at once, and ends when `work` says that it is enough, all have answered, or time is
 * over. Calls that still run are then given up. Where work of one's own fails, so does all of it.
 */
export async function race(
  state: Pick<Asking, 'operators' | 'faults'>,
  options: { timeout?: number | undefined; signal: AbortSignal },
  work: (client: OperatorClient, io: IoOptions, own: OwnWork) => Promise<boolean>,
): Promise<void> {
  const { timeout, signal } = options
  // A signal for each call: one for all would have a listener for each operator.
  const calls = state.operators.map((client) => ({ client, controller: new AbortController() }))
  const silent = new Set<OperatorClient>(state.operators)
  let ended = false
  const stop = (): void => {
    // Time is over for all of it: who has not answered is why.
    if (!ended && signal.reason instanceof TimeoutError) {
      for (const client of silent) fault(state, client, 'TIMED_OUT', 'it has not answered in time')
    }
    ended = true
    for (const { controller } of calls) controller.abort(signal.reason)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      let left = calls.length
      if (left === 0) resolve()
      for (const { client, controller } of calls) {
        let failedHere = false
        const own: OwnWork = async (mine) => {
          // It has answered: that it is late is not its doing any more.
          silent.delete(client)
          try {
            return await mine()
          } catch (error) {
            failedHere = true
            reject(signal.aborted ? signal.reason : error)
            throw error
          }
        }
        work(client, { signal: controller.signal, timeout }, own)
          .then((enough) => {
            if (enough) resolve()
          })
          .catch((error: unknown) => {
            if (signal.aborted) reject(signal.reason)
            if (!ended && !failedHere) fault(state, client, ...describeError(error))
          })
          .finally(() => {
            silent.delete(client)
            left--
            if (left === 0) resolve()
          })
      }
    })
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

/** Faults of operators that may be gone when they are asked again. */
const passing: ReadonlySet<string> = new Set([
  ...['OPERATOR_UNREACHABLE', 'OVERLOADED', 'BEHIND', 'NOT_READY', 'TIMED_OUT'],
  ...['CONTRACT_READ_FAILED', 'ENCLAVE_MISSING', 'INTERNAL'],
])

/**
 * Whether operators come to as much stake as it takes if all whose faults may pass join one of the groups
 * that there are. Where they do not, asking them again is of no use.
 */
export function mayReach(
  state: Asking,
  parameters: {
    groups: Iterable<Iterable<number>>
    suffices: (weights: readonly bigint[]) => boolean
  },
): boolean {
  const { groups, suffices } = parameters
  const { table } = state.inForce
  const back = state.operators.flatMap(({ operator }) => {
    const own = state.faults.filter((one) => one.operator.toLowerCase() === operator.toLowerCase())
    const passes = own.length > 0 && own.every(({ fault: what }) => passing.has(what))
    return passes ? [table.indexOf(operator)] : []
  })
  return [[], ...groups].some((group) => suffices(weightOf(table, new Set([...group, ...back]))))
}

/** Faults as the end of a clause, by what they are and not by whose: `: 3 BEHIND, 1 TIMED_OUT`. */
export function why(faults: readonly OperatorFault[]): string {
  const counts = new Map<string, number>()
  for (const { fault: what } of faults) counts.set(what, (counts.get(what) ?? 0) + 1)
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  return sorted.length === 0
    ? ''
    : `: ${sorted.map(([what, count]) => `${count} ${what}`).join(', ')}`
}

function describeError(error: unknown): [string, string] {
  if (!isPolicySdkError(error))
    return ['FAILED', error instanceof Error ? error.message : 'it failed']
  const name = 'fault' in error && typeof error.fault === 'string' ? error.fault : error.code
  return [name, error.shortMessage]
}

/** Notes what an operator did. */
export function fault(
  state: Pick<Asking, 'faults'>,
  { operator }: OperatorClient,
  what: string,
  detail: string,
): void {
  state.faults.push({ operator, fault: what, detail })
}
