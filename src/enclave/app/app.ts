/**
 * An application of one's own in an enclave: which chain events matter and how each becomes a provable
 * request (host), and what answers each request (enclave). The two sides exchange bytes only.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { Codec } from '../store/codec.js'
import type { StoreTransaction } from '../store/typedStore.js'
import type { AppRefusal } from './call.js'
import type { Attestor, KeyManager } from './keyManager.js'

/** Answers one kind of input. Knows no transport. */
export type Handler<context, input, output> = (
  input: input,
  context: context,
) => Promise<output> | output

/** What a handler inside the enclave works with. */
export type EnclaveContext = {
  attestor: Attestor
  keys: KeyManager
  /** All writes happen together with the sequence number, or none does. */
  store: StoreTransaction
  /** Milliseconds since 1970, by the enclave's own source. */
  now: () => number
  randomBytes: (length: number) => Uint8Array
  /** Where the request came from: an event of a contract with its sequence, or a user. */
  origin: { type: 'event'; contract: string; sequence: bigint } | { type: 'user' }
}

/** A kind of request: how it crosses, and what answers it. */
export interface RequestRoute<input, output> {
  input: Codec<input>
  output: Codec<output>
  handle(input: input, context: EnclaveContext): Promise<output> | output
  /** User data of the answer's document. Without it, a hash of origin, request and answer. */
  userData?(input: input, output: output): Uint8Array
}

/** Kinds of requests by name. */
export type RequestRoutes = Record<string, RequestRoute<unknown, unknown>>

/** The input of a route. */
export type InputOf<route> = route extends RequestRoute<infer input, infer _> ? input : never
/** The output of a route. */
export type OutputOf<route> = route extends RequestRoute<infer _, infer output> ? output : never

/** One request to one of the routes. */
export type RequestCall<routes> = {
  [name in keyof routes & string]: { type: name; input: InputOf<routes[name]> }
}[keyof routes & string]

/** One answer of one of the routes. */
export type RequestAnswer<routes> = {
  [name in keyof routes & string]: { type: name; output: OutputOf<routes[name]> }
}[keyof routes & string]

/** An event of a contract, as the chain client gives it. */
export type ChainEvent<event> = {
  /** Where to go on from after this event. */
  cursor: string
  contract: string
  /** The contract's own count of its events, from 1 without gaps. */
  sequence: bigint
  /** Distinguishes two versions of one event across a reorganization, such as block hash and log index. */
  id: string
  event: event
}

/** What the host reads and writes on a chain. */
export interface ChainClient<event, transaction, receipt> {
  /** Events from a cursor on, at least once each, for as long as the signal allows. */
  events(options: {
    from: string | undefined
    /** The contract that the enclave deployed, once it has. */
    contract?: string | undefined
    signal: AbortSignal
  }): AsyncIterable<ChainEvent<event>>
  /**
   * Submits; the same key again gives the same receipt and no second transaction. Rejects with
   * {@link TransactionRejectedError}, or another error that is not `retryable`, where it can never succeed.
   */
  submit(
    transaction: transaction,
    options: IoOptions & { idempotencyKey: string },
  ): Promise<receipt>
  /** The last sequence that the contract has taken an answer for, with a proof of it where there is one. */
  sequence(
    contract: string,
    options?: IoOptions,
  ): Promise<{ sequence: bigint; proof?: Uint8Array | undefined }>
  /** What the contract has taken at the newest block, final or not, unproved: for a host whose answer is refused. */
  taken?(contract: string, options?: IoOptions): Promise<bigint>
  /** Reads something of the chain; the form is the client's own. An unproved word. */
  query?(call: never, options?: IoOptions): Promise<unknown>
  /** Proves that a value is in a contract's storage. */
  proveExistence?(
    parameters: { contract: string; key: Hex },
    options?: IoOptions,
  ): Promise<Uint8Array>
}

/** A kind of event: which one it is, and what it asks of the enclave. */
export interface EventRoute<event, routes, transaction> {
  /** Tells whether an event is of this kind. */
  matches(event: event): boolean
  /**
   * Puts together all that the enclave needs to check the request. One request by default; a list is
   * answered as one, and an empty list passes the event by.
   */
  build(
    event: ChainEvent<event>,
    chain: ChainClient<event, transaction, unknown>,
  ):
    | Promise<RequestCall<routes> | readonly RequestCall<routes>[]>
    | RequestCall<routes>
    | readonly RequestCall<routes>[]
  /** Turns the answers into what is submitted; nothing for nothing. */
  transaction(
    answers: readonly RequestAnswer<routes>[],
    evidence: { document: Uint8Array; event: ChainEvent<event> },
  ): transaction | undefined
  /**
   * Turns a refusal into what is submitted: `refused` by the handler, or `skipped` after its handler failed
   * too often. A contract that takes its answers in order needs one. Without it, nothing is submitted.
   */
  refused?(
    refusal: AppRefusal,
    evidence: {
      document: Uint8Array
      event: ChainEvent<event>
      /** What {@link EnclaveApp.signRefusal} made. */
      signed: Uint8Array | undefined
    },
  ): transaction | undefined
}

/** An application. */
export type EnclaveApp<event, routes extends RequestRoutes, transaction> = {
  /** Part of every document's user data. */
  name: string
  requests: routes
  events: Record<string, EventRoute<event, routes, transaction>>
  /**
   * Makes what the contract checks of a refusal or a skip, where that is no document. Goes to `refused`. The
   * contract is empty and the sequence 0 for a user's request.
   */
  signRefusal?:
    | ((
        refused: { contract: string; sequence: bigint; refusal: AppRefusal },
        context: Omit<EnclaveContext, 'store' | 'origin'>,
      ) => Promise<Uint8Array>)
    | undefined
  /**
   * What the enclave deploys its contract with, and the address that this makes: from sender and nonce, or
   * CREATE2. Asked once; the enclave is bound to that address from then on.
   */
  deploy?:
    | ((
        context: Omit<EnclaveContext, 'store' | 'origin'>,
      ) => Promise<{ transaction: transaction; contract: string }>)
    | undefined
}

/** Defines a kind of request; its types flow on from here. */
export function defineRequest<input, output>(
  route: RequestRoute<input, output>,
): RequestRoute<input, output> {
  return route
}

/**
 * Defines an application.
 *
 * @throws {InvalidInputError} for names that are missing or not usable.
 * @example
 * ```ts
 * import { defineEnclaveApp, defineRequest, uint64Codec } from '@newton/policy-sdk/enclave'
 *
 * const app = defineEnclaveApp<{ amount: bigint }, { double: ReturnType<typeof double> }, bigint>({
 *   name: 'doubler',
 *   requests: { double: double() },
 *   events: {
 *     asked: {
 *       matches: () => true,
 *       build: ({ event }) => ({ type: 'double', input: event.amount }),
 *       transaction: ([answer]) => answer?.output,
 *     },
 *   },
 * })
 *
 * function double() {
 *   return defineRequest({ input: uint64Codec, output: uint64Codec, handle: (n: bigint) => n * 2n })
 * }
 * ```
 */
export function defineEnclaveApp<event, routes extends RequestRoutes, transaction>(
  app: EnclaveApp<event, routes, transaction>,
): EnclaveApp<event, routes, transaction> {
  if (typeof app?.name !== 'string' || app.name === '') {
    throw new InvalidInputError({ field: 'name', reason: 'expected a text' })
  }
  if (Object.keys(app.requests ?? {}).length === 0) {
    throw new InvalidInputError({
      field: 'requests',
      reason: 'expected one kind of request at least',
    })
  }
  for (const [name, route] of Object.entries(app.requests)) {
    if (typeof route.handle !== 'function') {
      throw new InvalidInputError({
        field: `requests.${name}.handle`,
        reason: 'expected a function',
      })
    }
  }
  return app
}
