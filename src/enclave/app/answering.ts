/** Runs handlers and attests what came of it: an answer, or a refusal. */

import { isPolicySdkError } from '../../errors/base.js'
import { createOverlay } from '../store/overlay.js'
import type { StoreTransaction } from '../store/typedStore.js'
import type { EnclaveApp, EnclaveContext, RequestRoutes } from './app.js'
import {
  type AppRefusal,
  type AppReply,
  appRefusalUserData,
  appUserData,
  type WireCall,
} from './call.js'
import { AppCallError, AppRefusalError, reasonForm } from './errors.js'

/** What is asked, and in whose name. For a user's request the contract is empty and the sequence 0. */
export type Asked = { calls: readonly WireCall[]; contract: string; sequence: bigint }

/** What handlers get besides the store and the origin. */
export type Surroundings = Omit<EnclaveContext, 'store' | 'origin'>

/** A handler failed. Not told outside but by its code. */
export class HandlerFailure {
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

type Answered = {
  outputs: { type: string; output: Uint8Array }[]
  userData: Uint8Array | undefined
}

/**
 * Answers what is asked inside a transaction. A handler's refusal is attested and leaves nothing of what it
 * wrote; any other failure is thrown as {@link HandlerFailure}.
 */
export async function answerCalls<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
  asked: Asked,
  { tx, surroundings }: { tx: StoreTransaction; surroundings: Surroundings },
): Promise<AppReply & { ok: true }> {
  const { calls, contract, sequence } = asked
  const overlay = createOverlay(tx)
  const origin: EnclaveContext['origin'] =
    contract === '' ? { type: 'user' } : { type: 'event', contract, sequence }
  let answered: Answered
  try {
    answered = await runCalls(app, calls, { ...surroundings, store: overlay.transaction, origin })
  } catch (cause) {
    if (!(cause instanceof AppRefusalError)) throw new HandlerFailure(cause)
    return attestRefusal(app, { ...asked, refusal: refusalOf(cause) }, surroundings)
  }
  overlay.takeOver()
  const { outputs } = answered
  const userData =
    answered.userData ??
    appUserData({ ...asked, app: app.name, outputs: outputs.map(({ output }) => output) })
  return { ok: true, outputs, document: await surroundings.attestor.attest({ userData }) }
}

/** Attests that a request has no outputs, and why. */
export async function attestRefusal<event, routes extends RequestRoutes, transaction>(
  { name, signRefusal }: EnclaveApp<event, routes, transaction>,
  refused: Asked & { refusal: AppRefusal },
  surroundings: Surroundings,
): Promise<AppReply & { ok: true }> {
  const { contract, sequence, refusal } = refused
  const userData = appRefusalUserData({ app: name, ...refused })
  const document = await surroundings.attestor.attest({ userData })
  const signed = await signRefusal?.({ contract, sequence, refusal }, surroundings)
  const outputs = signed === undefined ? [] : [{ type: '@refusal', output: signed }]
  return { ok: true, outputs, document, refusal }
}

async function runCalls<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
  calls: readonly WireCall[],
  context: EnclaveContext,
): Promise<Answered> {
  const outputs: Answered['outputs'] = []
  let userData: Uint8Array | undefined
  for (const { type, input } of calls) {
    const route = Object.hasOwn(app.requests, type) ? app.requests[type] : undefined
    if (route === undefined) throw new AppCallError({ reason: 'UNKNOWN_REQUEST', retryable: false })
    const decoded = decodeInput(route.input.decode, input)
    const output = await route.handle(decoded, context)
    if (calls.length === 1) userData = route.userData?.(decoded, output)
    outputs.push({ type, output: route.output.encode(output) })
  }
  return { outputs, userData }
}

/** An input that does not decode is the host's fault, and will not decode the next time either. */
function decodeInput(decode: (bytes: Uint8Array) => unknown, input: Uint8Array): unknown {
  try {
    return decode(input)
  } catch (cause) {
    throw new AppCallError({ reason: 'INPUT_INVALID', retryable: false }, { cause })
  }
}

function refusalOf({ reason }: AppRefusalError): AppRefusal {
  return { type: 'refused', reason }
}

/** Codes only: a text could quote what must stay inside. */
export function describeFailure(failure: unknown): AppReply {
  const byHandler = failure instanceof HandlerFailure
  const cause = byHandler ? failure.cause : failure
  const told = (code: string, retryable: boolean): AppReply => ({
    ok: false,
    code: reasonForm.test(code) ? code : 'UNKNOWN',
    retryable,
    byHandler,
  })
  if (cause instanceof AppCallError) return told(cause.reason, cause.retryable)
  if (isPolicySdkError(cause)) {
    const fault = (cause as { fault?: unknown }).fault
    const code =
      cause.code === 'APP_SEQUENCE' ? `SEQUENCE_${String(fault).toUpperCase()}` : cause.code
    return told(code, cause.retryable)
  }
  return told(byHandler ? 'HANDLER_FAILED' : 'ENCLAVE_FAILED', true)
}
