/** What the steps of a host work with, and what it tells of them. */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { ChainClient, EnclaveApp, RequestRoutes } from '../app/app.js'
import type { Codec } from '../store/codec.js'
import type { TypedStore } from '../store/typedStore.js'
import type { Handling } from './eventHandling.js'
import { type DeadLetter, type HostStep, type Journal, openJournal } from './journal.js'
import { createMetrics, type MetricsRecorder } from './metrics.js'

/** Something that happened, for logs and metrics. */
export type AppHostEvent =
  | { type: 'received'; contract: string; sequence: bigint }
  | { type: 'duplicate'; contract: string; sequence: bigint }
  | { type: 'ignored'; contract: string; sequence: bigint }
  | { type: 'answered'; contract: string; sequence: bigint }
  | { type: 'refused'; contract: string; sequence: bigint; reason: string }
  | { type: 'skipped'; contract: string; sequence: bigint; reason: string }
  | { type: 'submitted'; contract: string; sequence: bigint }
  /** The contract has taken this answer from another host, for good. */
  | { type: 'settled'; contract: string; sequence: bigint }
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

/** What the steps share. */
export type HostContext<event, routes extends RequestRoutes, transaction, receipt> = Handling<
  event,
  routes,
  transaction,
  receipt
> & {
  journal: Journal<event, transaction>
  metrics: MetricsRecorder
  transactionCodec: Codec<transaction>
  retryDelay: (attempt: number) => number
  limits: Readonly<Record<HostStep, number>>
  deadLetters: 'skip' | 'hold'
  now: () => number
  report: (event: AppHostEvent) => void
}

/** @throws {InvalidInputError} for limits that are none. */
export function hostContext<event, routes extends RequestRoutes, transaction, receipt>(
  parameters: AppHostParameters<event, routes, transaction, receipt>,
): HostContext<event, routes, transaction, receipt> {
  const { handleAttempts = 16, submitAttempts = 3, deadLetters = 'skip' } = parameters
  for (const [field, value] of Object.entries({ handleAttempts, submitAttempts })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidInputError({ field, reason: 'expected a whole number above 0' })
    }
  }
  if (deadLetters !== 'skip' && deadLetters !== 'hold') {
    throw new InvalidInputError({ field: 'deadLetters', reason: "expected 'skip' or 'hold'" })
  }
  const { app, chain, enclave, store, eventCodec, transactionCodec, now = Date.now } = parameters
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
    now,
    metrics: createMetrics(now),
    report: (event) => parameters.onEvent?.(event),
  }
}
