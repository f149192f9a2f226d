/** Asks operators at once, and notes what each does that is not the answer. */
import type { Hex } from 'viem'
import type { OutputCommitment } from '../../attestation/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { OperatorClient } from '../rpc/client.js'
import type { OperatorFault } from './errors.js'
import type { TableInForce } from './tables.js'

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

/**
 * Asks operators at once, and ends when `work` says that it is enough, all have answered, or time is
 * over. Calls that still run are then given up.
 */
export async function race(
  state: Pick<Asking, 'operators' | 'faults'>,
  options: { timeout?: number | undefined; signal: AbortSignal },
  work: (client: OperatorClient, io: IoOptions) => Promise<boolean>,
): Promise<void> {
  const { timeout, signal } = options
  // A signal for each call: one for all would have a listener for each operator.
  const calls = state.operators.map((client) => ({ client, controller: new AbortController() }))
  let ended = false
  const stop = (): void => {
    ended = true
    for (const { controller } of calls) controller.abort(signal.reason)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      let left = calls.length
      if (left === 0) resolve()
      for (const { client, controller } of calls) {
        work(client, { signal: controller.signal, timeout })
          .then((enough) => {
            if (enough) resolve()
          })
          .catch((error: unknown) => {
            if (signal.aborted) reject(signal.reason)
            if (!ended) fault(state, client, ...describeError(error))
          })
          .finally(() => {
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
