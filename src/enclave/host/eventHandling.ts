/** One event, from the inbox to what is submitted for it. */
import type { IoOptions } from '../../internal/deadline.js'
import type {
  ChainClient,
  ChainEvent,
  EnclaveApp,
  EventRoute,
  RequestAnswer,
  RequestCall,
  RequestRoutes,
} from '../app/app.js'
import {
  type AppCall,
  type AppRefusal,
  type AppReply,
  decodeReply,
  encodeCall,
  type WireCall,
} from '../app/call.js'
import { AppCallError, EventBuildError } from '../app/errors.js'
import type { Codec } from '../store/codec.js'

/** What the handling of events works with. */
export type Handling<event, routes extends RequestRoutes, transaction, receipt> = {
  app: EnclaveApp<event, routes, transaction>
  chain: ChainClient<event, transaction, receipt>
  enclave: (bytes: Uint8Array, options?: IoOptions) => Promise<Uint8Array>
}

/** What came of an event. */
export type Handled<transaction> = {
  submission: transaction | undefined
  refusal: AppRefusal | undefined
}

/**
 * Builds the request of an event, asks the enclave, and turns its answer into a submission.
 *
 * @param skip - Asks for an attested skip with this reason instead of an answer.
 */
export async function handleEvent<event, routes extends RequestRoutes, transaction, receipt>(
  handling: Handling<event, routes, transaction, receipt>,
  received: ChainEvent<event>,
  { skip, signal }: { skip?: string | undefined; signal: AbortSignal },
): Promise<Handled<transaction>> {
  const { app, chain, enclave } = handling
  const { contract, sequence, id } = received
  const route = routeOf(app, received)
  const calls = await buildCalls(handling, received, { route, lenient: skip !== undefined })
  const known = await chain.sequence(contract, { signal })
  const place = { contract, sequence, id, chainSequence: known.sequence, proof: known.proof, calls }
  const ask = async (call: AppCall): Promise<Extract<AppReply, { ok: true }>> =>
    decodeReply(await enclave(encodeCall(call), { signal }))
  const reply = await ask(
    skip === undefined ? { kind: 'event', ...place } : { kind: 'skip', ...place, reason: skip },
  ).catch((cause: unknown) => {
    // Answered before, by a host that died before it kept the answer, or by another one.
    const isDone = cause instanceof AppCallError && cause.reason === 'SEQUENCE_REPLAY'
    if (!isDone) throw cause
    return ask({ kind: 'recall', contract, sequence, id })
  })
  const { refusal, document } = reply
  const evidence = { document, event: received }
  if (refusal !== undefined) {
    const signed = reply.outputs[0]?.output
    return { refusal, submission: route?.refused?.(refusal, { ...evidence, signed }) }
  }
  if (route === undefined || calls.length === 0) return { refusal, submission: undefined }
  return { refusal, submission: route.transaction(decodeAnswers(app, reply.outputs), evidence) }
}

function routeOf<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
  { event }: ChainEvent<event>,
): EventRoute<event, routes, transaction> | undefined {
  return Object.values(app.events).find((candidate) => candidate.matches(event))
}

async function buildCalls<event, routes extends RequestRoutes, transaction, receipt>(
  { app, chain }: Handling<event, routes, transaction, receipt>,
  received: ChainEvent<event>,
  {
    route,
    lenient,
  }: { route: EventRoute<event, routes, transaction> | undefined; lenient: boolean },
): Promise<WireCall[]> {
  if (route === undefined) return []
  try {
    const built = await route.build(received, chain)
    const list = (Array.isArray(built) ? built : [built]) as readonly RequestCall<routes>[]
    return list.map(({ type, input }) => ({ type, input: inputCodec(app, type).encode(input) }))
  } catch (cause) {
    // What cannot be built can still be skipped.
    if (lenient) return []
    throw new EventBuildError({ cause })
  }
}

function inputCodec<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
  type: string,
): Codec<unknown> {
  const route = Object.hasOwn(app.requests, type) ? app.requests[type] : undefined
  if (route === undefined) throw new AppCallError({ reason: 'UNKNOWN_REQUEST', retryable: false })
  return route.input
}

/** Decodes the outputs of a reply. */
export function decodeAnswers<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
  outputs: readonly { type: string; output: Uint8Array }[],
): readonly RequestAnswer<routes>[] {
  return outputs.map(({ type, output }) => {
    const route = Object.hasOwn(app.requests, type) ? app.requests[type] : undefined
    if (route === undefined) throw new AppCallError({ reason: 'UNKNOWN_REQUEST', retryable: false })
    return { type, output: route.output.decode(output) } as RequestAnswer<routes>
  })
}
