/**
 * The host's side of an application. Nothing is lost and nothing happens twice: events go through a
 * durable inbox, answers through a durable outbox, in the order of each contract's sequence. What cannot
 * be done becomes a dead letter and does not stop the rest.
 */
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromUtf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { Codec } from '../store/codec.js'
import type { TypedStore } from '../store/typedStore.js'
import { EnclaveTransportError } from '../wire/errors.js'
import type { ChainClient, EnclaveApp, InputOf, OutputOf, RequestRoutes } from './app.js'
import { decodeReply, encodeCall } from './call.js'
import { AppCallError, AppContractError, AppRefusalError, EventBuildError } from './errors.js'
import { decodeAnswers, type Handling, handleEvent } from './eventHandling.js'
import {
  type DeadLetter,
  type HostStep,
  type Journal,
  type LetterPlace,
  openJournal,
} from './journal.js'
import { createLines, type Lines, pause } from './lines.js'

/** Something that happened, for logs and metrics. */
export type AppHostEvent =
  | { type: 'received'; contract: string; sequence: bigint }
  | { type: 'duplicate'; contract: string; sequence: bigint }
  | { type: 'ignored'; contract: string; sequence: bigint }
  | { type: 'answered'; contract: string; sequence: bigint }
  | { type: 'refused'; contract: string; sequence: bigint; reason: string }
  | { type: 'skipped'; contract: string; sequence: bigint; reason: string }
  | { type: 'submitted'; contract: string; sequence: bigint }
  | { type: 'dead-letter'; letter: DeadLetter }
  | {
      type: 'failed'
      step: HostStep
      contract: string
      sequence: bigint
      code: string
      attempt: number
    }

/** Parameters of {@link createAppHost}. */
export type AppHostParameters<event, routes extends RequestRoutes, transaction, receipt> = {
  app: EnclaveApp<event, routes, transaction>
  chain: ChainClient<event, transaction, receipt>
  /** Calls the enclave: over the wire, or in one process for tests. */
  enclave: (bytes: Uint8Array, options?: IoOptions) => Promise<Uint8Array>
  /** The host's own store, for inbox, outbox and cursor. */
  store: TypedStore
  eventCodec: Codec<event>
  transactionCodec: Codec<transaction>
  /** Milliseconds before a failed step is tried again, by attempt from 1. @default 100 ms doubled to 30 s */
  retryDelay?: ((attempt: number) => number) | undefined
  /**
   * Failures of one event's own (its handler, its request, an enclave that dies of it) after which it is a
   * dead letter. One that says that it is not retryable is one at once. @default 16
   */
  handleAttempts?: number | undefined
  /** Rejections of one submission after which it is a dead letter. @default 3 */
  submitAttempts?: number | undefined
  /**
   * What becomes of the line behind an event that is a dead letter: `skip` has the enclave attest that it
   * was skipped and goes on, `hold` waits for an operator. @default 'skip'
   */
  deadLetters?: 'skip' | 'hold' | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: AppHostEvent) => void) | undefined
}

/** A running host. */
export type AppHost<routes extends RequestRoutes, receipt> = {
  /** Follows the chain until the signal fires. Resolves when it has stopped. */
  run(options: { signal: AbortSignal }): Promise<void>
  /** Deploys the application's contract where that was not done yet, then follows the chain. */
  start(options: { signal: AbortSignal }): Promise<{
    contract: string | undefined
    stopped: Promise<void>
  }>
  /**
   * A user's request, by the same handlers.
   *
   * @throws {AppRefusalError} where the handler refuses, with the document that attests it.
   */
  request<name extends keyof routes & string>(
    type: name,
    input: InputOf<routes[name]>,
    options?: IoOptions,
  ): Promise<{ output: OutputOf<routes[name]>; document: Uint8Array }>
  /**
   * Deploys the contract from the enclave, which is bound to it from then on. Asked again, it sends the same
   * transaction again.
   */
  deploy(options?: IoOptions): Promise<{ receipt: receipt; contract: string }>
  /** Binds an enclave that takes the host's word for its contract. */
  bind(contract: string, options?: IoOptions): Promise<void>
  /** Events and answers that are not done yet, and dead letters. */
  pending(): Promise<{ inbox: number; outbox: number; deadLetters: number }>
  deadLetters: {
    list(): Promise<DeadLetter[]>
    /** Tries it again, from the first attempt. An event that was skipped has been answered for good. */
    retry(place: LetterPlace): Promise<void>
    /** An event that is held: skipped, attested. Anything else: forgotten. */
    skip(place: LetterPlace, options?: { reason?: string | undefined } & IoOptions): Promise<void>
  }
}

/**
 * Creates the host's side.
 *
 * @throws {InvalidInputError} for limits that are no whole numbers above 0.
 */
export function createAppHost<event, routes extends RequestRoutes, transaction, receipt>(
  parameters: AppHostParameters<event, routes, transaction, receipt>,
): AppHost<routes, receipt> {
  const context = hostContext(parameters)
  const { app, enclave, journal } = context
  let lines: Lines | undefined
  const run = (options: { signal: AbortSignal }): Promise<void> =>
    followChain(context, options.signal, (started) => {
      lines = started
    })
  const deploy = async (
    options: IoOptions = {},
  ): Promise<{ receipt: receipt; contract: string }> => {
    const deployed = await deployContract(context, options)
    await journal.setDeployed(deployed.contract)
    return deployed
  }
  return {
    run,
    start: async ({ signal }) => {
      const known = await journal.deployed()
      const contract =
        known ?? (app.deploy === undefined ? undefined : (await deploy({ signal })).contract)
      return { contract, stopped: run({ signal }) }
    },
    request: async (type, input, options) => {
      const route = app.requests[type] as RequestRoutes[string]
      const call = { type, input: route.input.encode(input) }
      const reply = decodeReply(await enclave(encodeCall({ kind: 'user', call }), options))
      const { document, refusal } = reply
      if (refusal !== undefined) throw new AppRefusalError({ reason: refusal.reason, document })
      const [answer] = decodeAnswers(app, reply.outputs)
      return { output: answer?.output as OutputOf<routes[typeof type]>, document }
    },
    deploy,
    bind: async (contract, options) => {
      decodeReply(await enclave(encodeCall({ kind: 'bind', contract }), options))
      await journal.setDeployed(contract)
    },
    pending: () => journal.counts(),
    deadLetters: {
      list: () => journal.letters(),
      retry: async (place) => {
        const letter = await findLetter(journal, place)
        if (letter.step === 'handle' && letter.state === 'passed') {
          throw new InvalidInputError({
            field: 'place',
            reason: 'it was skipped, and that attested',
          })
        }
        await journal.unbury(place, { resend: true })
        lines?.start(place.step, place.contract)
      },
      skip: async (place, { reason, signal = new AbortController().signal } = {}) => {
        const letter = await findLetter(journal, place)
        if (letter.step === 'submit' || letter.state === 'passed') {
          await journal.unbury(place, { resend: false })
          return
        }
        const { event } = await journal.nextEvent(place.contract)
        if (event?.sequence === place.sequence) {
          await skipEvent(context, event, { letter, reason: reason ?? letter.code, signal })
        }
        lines?.start('submit', place.contract)
        lines?.start('handle', place.contract)
      },
    },
  }
}

type Context<event, routes extends RequestRoutes, transaction, receipt> = Handling<
  event,
  routes,
  transaction,
  receipt
> & {
  journal: Journal<event, transaction>
  transactionCodec: Codec<transaction>
  retryDelay: (attempt: number) => number
  limits: Readonly<Record<HostStep, number>>
  deadLetters: 'skip' | 'hold'
  now: () => number
  report: (event: AppHostEvent) => void
}

function hostContext<event, routes extends RequestRoutes, transaction, receipt>(
  parameters: AppHostParameters<event, routes, transaction, receipt>,
): Context<event, routes, transaction, receipt> {
  const { handleAttempts = 16, submitAttempts = 3, deadLetters = 'skip' } = parameters
  for (const [field, value] of Object.entries({ handleAttempts, submitAttempts })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidInputError({ field, reason: 'expected a whole number above 0' })
    }
  }
  if (deadLetters !== 'skip' && deadLetters !== 'hold') {
    throw new InvalidInputError({ field: 'deadLetters', reason: "expected 'skip' or 'hold'" })
  }
  const { app, chain, enclave, store, eventCodec, transactionCodec } = parameters
  return {
    app,
    chain,
    enclave,
    transactionCodec,
    journal: openJournal(store, { event: eventCodec, transaction: transactionCodec }),
    retryDelay:
      parameters.retryDelay ??
      ((attempt) => Math.min(30_000, 100 * 2 ** Math.min(attempt - 1, 20))),
    limits: { handle: handleAttempts, submit: submitAttempts },
    deadLetters,
    now: parameters.now ?? Date.now,
    report: (event) => parameters.onEvent?.(event),
  }
}

async function findLetter<event, transaction>(
  journal: Journal<event, transaction>,
  place: LetterPlace,
): Promise<DeadLetter> {
  const letter = await journal.letter(place)
  if (letter !== undefined) return letter
  throw new InvalidInputError({ field: 'place', reason: 'there is no dead letter' })
}

async function followChain<event, routes extends RequestRoutes, transaction, receipt>(
  context: Context<event, routes, transaction, receipt>,
  signal: AbortSignal,
  onLines: (lines: Lines) => void,
): Promise<void> {
  const { chain, journal, retryDelay, report } = context
  const lines = createLines({
    signal,
    work: (step, contract, attempt) =>
      step === 'handle'
        ? handleNext(context, contract, { signal, attempt })
        : submitNext(context, contract, { signal, attempt }),
    onFault: (step, contract, { cause, attempt }) =>
      report({ type: 'failed', step, contract, sequence: 0n, code: codeOf(cause), attempt }),
    retryDelay,
  })
  onLines(lines)
  let resumed = false
  for (let attempt = 1; !signal.aborted; ) {
    try {
      if (!resumed) {
        // What was taken in before a crash goes on first.
        for (const contract of await journal.contracts()) {
          lines.start('handle', contract)
          lines.start('submit', contract)
        }
        resumed = true
      }
      const [from, contract] = [await journal.cursor(), await journal.deployed()]
      for await (const received of chain.events({ from, contract, signal })) {
        const { sequence } = received
        const isNew = await journal.receive(received)
        report({ type: isNew ? 'received' : 'duplicate', contract: received.contract, sequence })
        lines.start('handle', received.contract)
        attempt = 1
        if (signal.aborted) break
      }
    } catch (cause) {
      if (signal.aborted) break
      const failure = { contract: '', sequence: 0n, code: codeOf(cause), attempt }
      report({ type: 'failed', step: 'handle', ...failure })
    }
    if (!signal.aborted) await pause(retryDelay(attempt++), signal)
  }
  await lines.rest()
}

/** Handles the next event of a contract, if it is there and not held. */
async function handleNext<event, routes extends RequestRoutes, transaction, receipt>(
  context: Context<event, routes, transaction, receipt>,
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
async function submitNext<event, routes extends RequestRoutes, transaction, receipt>(
  context: Context<event, routes, transaction, receipt>,
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
    const place = { step: 'submit', contract, sequence } as const
    return signal.aborted ? 'rest' : await countFailure(context, place, { cause, attempt })
  }
  await journal.submitted(contract, sequence)
  report({ type: 'submitted', contract, sequence })
  return 'more'
}

/**
 * Counts a failure; the last one makes a dead letter. Failures of the surroundings (no connection, no
 * chain, a full store) are told and not counted: they are not the event's fault.
 */
async function countFailure<event, routes extends RequestRoutes, transaction, receipt>(
  { journal, limits, report, now }: Context<event, routes, transaction, receipt>,
  place: LetterPlace,
  { cause, attempt }: { cause: unknown; attempt: number },
): Promise<'more' | 'failed'> {
  const code = codeOf(cause)
  const final = isFinal(cause)
  const counted = place.step === 'handle' ? isEventsOwn(cause) : final
  const attempts = counted ? await journal.failed(place) : attempt
  report({ type: 'failed', ...place, code, attempt: attempts })
  const atOnce = place.step === 'handle' && final
  if (!counted || (!atOnce && attempts < limits[place.step])) return 'failed'
  const state = place.step === 'handle' ? 'held' : 'passed'
  const letter: DeadLetter = { ...place, code, attempts, at: now(), state }
  await journal.bury(letter)
  report({ type: 'dead-letter', letter })
  return 'more'
}

async function skipEvent<event, routes extends RequestRoutes, transaction, receipt>(
  context: Context<event, routes, transaction, receipt>,
  event: Parameters<typeof handleEvent<event, routes, transaction, receipt>>[1],
  { letter, reason, signal }: { letter: DeadLetter; reason: string; signal: AbortSignal },
): Promise<void> {
  const { submission } = await handleEvent(context, event, { skip: reason, signal })
  await context.journal.answered(letter, { submission, letter: { ...letter, state: 'passed' } })
  const { contract, sequence } = letter
  context.report({ type: 'skipped', contract, sequence, reason })
}

async function deployContract<event, routes extends RequestRoutes, transaction, receipt>(
  { app, chain, enclave, transactionCodec }: Context<event, routes, transaction, receipt>,
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

function codeOf(cause: unknown): string {
  if (cause instanceof AppCallError) return cause.reason
  if (cause instanceof EventBuildError && isPolicySdkError(cause.cause)) return cause.cause.code
  return isPolicySdkError(cause) ? cause.code : 'UNKNOWN'
}
