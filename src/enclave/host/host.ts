/**
 * The host's side of an application. Nothing is lost and nothing happens twice: events go through a
 * durable inbox, answers through a durable outbox, in the order of each contract's sequence. What cannot
 * be done becomes a dead letter and does not stop the rest.
 */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { pause } from '../../internal/pause.js'
import type { InputOf, OutputOf, RequestRoutes } from '../app/app.js'
import { decodeReply, encodeCall } from '../app/call.js'
import { AppRefusalError } from '../app/errors.js'
import { type AppHostParameters, type HostContext, hostContext } from './context.js'
import { decodeAnswers } from './eventHandling.js'
import type { DeadLetter, Journal, LetterPlace } from './journal.js'
import { createLines, type Lines } from './lines.js'
import type { AppHostMetrics } from './metrics.js'
import { codeOf, deployContract, handleNext, skipEvent, submitNext } from './steps.js'

export type { AppHostEvent, AppHostParameters } from './context.js'

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
  /**
   * Brings the next build's request to the enclave, which hands its state over and then refuses everything.
   * What waits goes on with the enclave that has it.
   */
  handOver(request: Uint8Array, options?: IoOptions): Promise<void>
  /** Events and answers that are not done yet, and dead letters. */
  pending(): Promise<{ inbox: number; outbox: number; deadLetters: number }>
  /** What waits, for how long, and how often steps failed. */
  metrics(): Promise<AppHostMetrics>
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
    handOver: async (request, options) => {
      decodeReply(await enclave(encodeCall({ kind: 'hand-over', request }), options))
    },
    pending: () => journal.counts(),
    metrics: async () => context.metrics.read(await journal.counts()),
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

async function findLetter<event, transaction>(
  journal: Journal<event, transaction>,
  place: LetterPlace,
): Promise<DeadLetter> {
  const letter = await journal.letter(place)
  if (letter !== undefined) return letter
  throw new InvalidInputError({ field: 'place', reason: 'there is no dead letter' })
}

async function followChain<event, routes extends RequestRoutes, transaction, receipt>(
  context: HostContext<event, routes, transaction, receipt>,
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
    onFault: (step, contract, { cause, attempt }) => {
      context.metrics.failed(step)
      report({ type: 'failed', step, contract, sequence: 0n, code: codeOf(cause), attempt })
    },
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
        if (isNew) context.metrics.received(received)
        report({ type: isNew ? 'received' : 'duplicate', contract: received.contract, sequence })
        lines.start('handle', received.contract)
        attempt = 1
        if (signal.aborted) break
      }
    } catch (cause) {
      if (signal.aborted) break
      const failure = { contract: '', sequence: 0n, code: codeOf(cause), attempt }
      context.metrics.failed('handle')
      report({ type: 'failed', step: 'handle', ...failure })
    }
    if (!signal.aborted) await pause(retryDelay(attempt++), signal)
  }
  await lines.rest()
}
