/** The steps of a host: handle the next event, submit the next answer, and what becomes of failures. */
import { isPolicySdkError } from '../../errors/base.js'
import { fromUtf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { RequestRoutes } from '../app/app.js'
import { decodeReply, encodeCall } from '../app/call.js'
import { AppCallError, AppContractError, EventBuildError } from '../app/errors.js'
import { EnclaveTransportError } from '../wire/errors.js'
import type { HostContext } from './context.js'
import { handleEvent } from './eventHandling.js'
import type { DeadLetter, LetterPlace } from './journal.js'

/** Handles the next event of a contract, if it is there and not held. */
export async function handleNext<event, routes extends RequestRoutes, transaction, receipt>(
  context: HostContext<event, routes, transaction, receipt>,
  contract: string,
  { signal, attempt }: { signal: AbortSignal; attempt: number },
): Promise<'more' | 'rest' | 'failed'> {
  const { journal, report } = context
  const { sequence, event } = await journal.nextEvent(contract)
  if (event === undefined) return 'rest'
  const place = { step: 'handle', contract, sequence } as const
  const letter = await journal.letter(place)
  if (letter !== undefined) {
    if (context.deadLetters === 'hold') return 'rest'
    await skipEvent(context, event, { letter, reason: letter.code, signal })
    return 'more'
  }
  try {
    const { submission, refusal } = await handleEvent(context, event, { signal })
    await journal.answered(place, { submission })
    context.metrics.handled(place, submission === undefined)
    if (refusal !== undefined) {
      report({ type: 'refused', contract, sequence, reason: refusal.reason })
    } else {
      report({ type: submission === undefined ? 'ignored' : 'answered', contract, sequence })
    }
  } catch (cause) {
    return signal.aborted ? 'rest' : await countFailure(context, place, { cause, attempt })
  }
  return 'more'
}

/** Submits the oldest answer of a contract, if there is one. */
export async function submitNext<event, routes extends RequestRoutes, transaction, receipt>(
  context: HostContext<event, routes, transaction, receipt>,
  contract: string,
  { signal, attempt }: { signal: AbortSignal; attempt: number },
): Promise<'more' | 'rest' | 'failed'> {
  const { app, chain, journal, report } = context
  const next = await journal.nextSubmission(contract)
  if (next === undefined) return 'rest'
  const { sequence, transaction } = next
  const idempotencyKey = `${app.name}:${contract}:${sequence}`
  try {
    await chain.submit(transaction, { idempotencyKey, signal })
  } catch (cause) {
    if (signal.aborted) return 'rest'
    const settled = isFinal(cause)
      ? await takenBefore(context, { contract, sequence, signal })
      : 'no'
    if (settled === 'soon') return 'failed'
    const place = { step: 'submit', contract, sequence } as const
    if (settled === 'no') return countFailure(context, place, { cause, attempt })
    await journal.submitted(contract, sequence)
    context.metrics.submitted({ contract, sequence })
    report({ type: 'settled', contract, sequence })
    return 'more'
  }
  await journal.submitted(contract, sequence)
  context.metrics.submitted({ contract, sequence })
  report({ type: 'submitted', contract, sequence })
  return 'more'
}

/** Whether another host brought a refused answer before this one: for good, soon for good, or not. */
async function takenBefore<event, routes extends RequestRoutes, transaction, receipt>(
  { chain }: HostContext<event, routes, transaction, receipt>,
  { contract, sequence, signal }: { contract: string; sequence: bigint; signal: AbortSignal },
): Promise<'yes' | 'soon' | 'no'> {
  if (chain.taken === undefined || sequence > (await chain.taken(contract, { signal }))) return 'no'
  const known = await chain.sequence(contract, { signal })
  return sequence <= known.sequence ? 'yes' : 'soon'
}

/**
 * Counts a failure; the last one makes a dead letter. Failures of the surroundings (no connection, no
 * chain, a full store) are told and not counted: they are not the event's fault.
 */
async function countFailure<event, routes extends RequestRoutes, transaction, receipt>(
  context: HostContext<event, routes, transaction, receipt>,
  place: LetterPlace,
  { cause, attempt }: { cause: unknown; attempt: number },
): Promise<'more' | 'failed'> {
  const { journal, limits, report, now } = context
  const code = codeOf(cause)
  const final = isFinal(cause)
  const counted = place.step === 'handle' ? isEventsOwn(cause) : final
  const attempts = counted ? await journal.failed(place) : attempt
  context.metrics.failed(place.step)
  report({ type: 'failed', ...place, code, attempt: attempts })
  const atOnce = place.step === 'handle' && final
  if (!counted || (!atOnce && attempts < limits[place.step])) return 'failed'
  const state = place.step === 'handle' ? 'held' : 'passed'
  const letter: DeadLetter = { ...place, code, attempts, at: now(), state }
  await journal.bury(letter)
  context.metrics.buried(place)
  report({ type: 'dead-letter', letter })
  return 'more'
}

/** Has the enclave attest that an event is passed by. */
export async function skipEvent<event, routes extends RequestRoutes, transaction, receipt>(
  context: HostContext<event, routes, transaction, receipt>,
  event: Parameters<typeof handleEvent<event, routes, transaction, receipt>>[1],
  { letter, reason, signal }: { letter: DeadLetter; reason: string; signal: AbortSignal },
): Promise<void> {
  const { submission } = await handleEvent(context, event, { skip: reason, signal })
  await context.journal.answered(letter, { submission, letter: { ...letter, state: 'passed' } })
  context.metrics.handled(letter, submission === undefined)
  const { contract, sequence } = letter
  context.report({ type: 'skipped', contract, sequence, reason })
}

/** Has the enclave deploy its contract. */
export async function deployContract<event, routes extends RequestRoutes, transaction, receipt>(
  { app, chain, enclave, transactionCodec }: HostContext<event, routes, transaction, receipt>,
  options: IoOptions,
): Promise<{ receipt: receipt; contract: string }> {
  const { outputs } = decodeReply(await enclave(encodeCall({ kind: 'deploy' }), options))
  const [deployment, address] = outputs
  if (deployment?.type !== '@deploy' || address?.type !== '@contract') {
    throw new AppContractError({ contract: 'of a deployment', bound: undefined })
  }
  const idempotencyKey = `${app.name}:deploy`
  const transaction = transactionCodec.decode(deployment.output)
  const receipt = await chain.submit(transaction, { ...options, idempotencyKey })
  return { receipt, contract: fromUtf8(address.output) }
}

/** A failure of the event itself: its request, its handler, or an enclave that died while at it. */
function isEventsOwn(cause: unknown): boolean {
  if (cause instanceof AppCallError) return cause.byHandler
  if (cause instanceof EnclaveTransportError) return cause.sent
  // `build` is the application's: what it throws is about this event.
  return cause instanceof EventBuildError
}

function isFinal(cause: unknown): boolean {
  if (cause instanceof AppCallError && !cause.byHandler) return false
  return isPolicySdkError(cause) && !cause.retryable
}

/** Code of a failure, for events and letters. */
export function codeOf(cause: unknown): string {
  if (cause instanceof AppCallError) return cause.reason
  if (cause instanceof EventBuildError && isPolicySdkError(cause.cause)) return cause.cause.code
  return isPolicySdkError(cause) ? cause.code : 'UNKNOWN'
}
