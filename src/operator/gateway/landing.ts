/**
 * Lands answers on chain. What the chain shows decides: a task is `landed` where its response is accepted
 * at the newest block, `final` where that is so in a block that stays, and `landing` again where a
 * reorganization took it back. Each transaction's hash is kept before it leaves, so that a gateway that
 * takes over looks for it and sends nothing twice.
 */
import type { Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import type { ResponseSink } from '../../core/interfaces/sinks.js'
import { isPolicySdkError } from '../../errors/base.js'
import type { IoOptions } from '../../internal/deadline.js'
import { withoutStop } from '../rpc/envelope.js'
import type { GatewayEvent } from './events.js'
import type {
  GatewayStore,
  Lease,
  StoredTask,
  TaskFailureRecord,
  TaskState,
} from './store/store.js'
import { readTaskAnswer } from './wire.js'

/** What one look at the chain, and perhaps one sending, came to. */
export type LandingStep =
  | { state: 'landing' | 'landed' | 'final' | 'superseded' }
  | { state: 'failed'; failure: TaskFailureRecord }

/** Refusals of the contract that may be gone in a later block. */
const passing = new Set(['ReferenceBlockNotMined', 'AlreadyAccepted'])
/** Refusals that say that the policy has moved on since. */
const superseding = new Set(['PolicyInstanceSuperseded', 'PolicySlotMoved'])

/**
 * Does the next step of landing a task that is signed. Throws where the store fails; what the chain or
 * the node refuses is an outcome.
 */
export async function landTask(
  task: StoredTask & Lease,
  parameters: {
    store: GatewayStore
    sink: ResponseSink
    onEvent: (event: GatewayEvent) => void
  },
  options: IoOptions,
): Promise<LandingStep> {
  const { store, sink, onEvent } = parameters
  const { taskId } = task
  const kept = await store.answer(taskId)
  if (kept === undefined) return failed('INTERNAL', 'its answer is gone')
  try {
    const seen = await look({ taskId, messageHash: kept.messageHash }, sink, options)
    if (seen !== undefined) return seen
    const previous = await store.transactions(taskId)
    const {
      response,
      certificate,
      task: asked,
    } = readTaskAnswer(JSON.parse(kept.answer) as JsonObject)
    await sink.acceptResponse(
      { response, certificate, task: asked },
      {
        ...options,
        previous,
        onTransactionHash: async (hash) => {
          // Nothing is sent by a gateway that has lost the task.
          if (!(await store.addTransaction(task, hash)))
            throw new DOMException('lost', 'AbortError')
        },
      },
    )
    return (
      (await look({ taskId, messageHash: kept.messageHash }, sink, options)) ?? { state: 'landing' }
    )
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!isPolicySdkError(error)) throw error
    const reverted = 'errorName' in error ? error.errorName : undefined
    if (typeof reverted !== 'string' || passing.has(reverted)) {
      onEvent({ type: 'landing.failed', taskId, error })
      return { state: 'landing' }
    }
    if (superseding.has(reverted)) return { state: 'superseded' }
    return failed('NOT_LANDED', withoutStop(error.shortMessage), reverted)
  }
}

/** What the chain shows of a task; `undefined` where no response of it is accepted. */
async function look(
  own: { taskId: Hex; messageHash: Hex },
  sink: ResponseSink,
  options: IoOptions,
): Promise<LandingStep | undefined> {
  const accepted = await sink.acceptedResponse(own.taskId, options)
  if (accepted === null) return undefined
  if (accepted.messageHash.toLowerCase() !== own.messageHash.toLowerCase()) {
    return failed(
      'EQUIVOCATION',
      `the chain has accepted ${accepted.messageHash}, and the quorum signed ${own.messageHash} too`,
    )
  }
  return { state: accepted.final ? 'final' : 'landed' }
}

function failed(
  fault: TaskFailureRecord['fault'],
  detail: string,
  code?: string,
): Extract<LandingStep, { state: 'failed' }> {
  return { state: 'failed', failure: { fault, detail, ...(code === undefined ? {} : { code }) } }
}

/** Whether a task waits for the chain, or for its next look at it. */
export function isLanding(state: TaskState): boolean {
  return state === 'signed' || state === 'landing' || state === 'landed'
}
