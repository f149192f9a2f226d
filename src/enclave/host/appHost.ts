/**
 * The host's side of an application. Nothing is lost and nothing happens twice: events go through a
 * durable inbox, answers through a durable outbox, in the order of each contract's sequence.
 */
import { isPolicySdkError } from '../../errors/base.js'
import type { IoOptions } from '../../internal/deadline.js'
import { type Codec, uint64Codec } from '../store/codec.js'
import { defineKey, type StoreKey, type TypedStore } from '../store/typedStore.js'
import type {
  ChainClient,
  ChainEvent,
  EnclaveApp,
  InputOf,
  OutputOf,
  RequestAnswer,
  RequestCall,
  RequestRoutes,
} from './app.js'
import { decodeReply, encodeCall, type WireCall } from './call.js'
import { AppCallError } from './errors.js'

/** Something that happened, for logs and metrics. */
export type AppHostEvent =
  | { type: 'received'; contract: string; sequence: bigint }
  | { type: 'duplicate'; contract: string; sequence: bigint }
  | { type: 'ignored'; contract: string; sequence: bigint }
  | { type: 'answered'; contract: string; sequence: bigint }
  | { type: 'submitted'; contract: string; sequence: bigint }
  | {
      type: 'failed'
      step: 'handle' | 'submit'
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
  onEvent?: ((event: AppHostEvent) => void) | undefined
}

/** A running host. */
export type AppHost<routes extends RequestRoutes, receipt> = {
  /** Follows the chain until the signal fires. Resolves when it has stopped. */
  run(options: { signal: AbortSignal }): Promise<void>
  /** A user's request, by the same handlers. */
  request<name extends keyof routes & string>(
    type: name,
    input: InputOf<routes[name]>,
    options?: IoOptions,
  ): Promise<{ output: OutputOf<routes[name]>; document: Uint8Array }>
  /** Deploys the contract from the enclave and binds the two. */
  deploy(contractOf: (receipt: receipt) => string): Promise<{ receipt: receipt; contract: string }>
  /** Events and answers that are not done yet. */
  pending(): Promise<{ inbox: number; outbox: number }>
}

const text: Codec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
}
const cursorKey = defineKey('cursor', text)
const place = (contract: string, sequence: bigint): string =>
  `${encodeURIComponent(contract)}/${sequence.toString().padStart(20, '0')}`
const doneKey = (contract: string): StoreKey<bigint> =>
  defineKey(`done/${encodeURIComponent(contract)}`, uint64Codec)

/** Creates the host's side. */
export function createAppHost<event, routes extends RequestRoutes, transaction, receipt>(
  parameters: AppHostParameters<event, routes, transaction, receipt>,
): AppHost<routes, receipt> {
  const { app, chain, enclave, store, eventCodec, transactionCodec } = parameters
  const retryDelay =
    parameters.retryDelay ?? ((attempt) => Math.min(30_000, 100 * 2 ** (attempt - 1)))
  const report = (event: AppHostEvent): void => parameters.onEvent?.(event)
  const envelope = chainEventCodec(eventCodec)
  const inboxKey = (contract: string, sequence: bigint): StoreKey<ChainEvent<event>> =>
    defineKey(`inbox/${place(contract, sequence)}`, envelope)
  const outboxKey = (contract: string, sequence: bigint): StoreKey<transaction> =>
    defineKey(`outbox/${place(contract, sequence)}`, transactionCodec)

  /** Takes an event in, together with the cursor: after this the chain need not send it again. */
  const receive = async (received: ChainEvent<event>): Promise<void> => {
    const { contract, sequence } = received
    const isNew = await store.transaction(async (tx) => {
      tx.set(cursorKey, received.cursor)
      const done = (await tx.get(doneKey(contract))) ?? 0n
      const waiting = await tx.get(inboxKey(contract, sequence))
      if (sequence <= done || waiting?.id === received.id) return false
      // The same sequence with another id: a reorganization replaced it before it was handled.
      tx.set(inboxKey(contract, sequence), received)
      return true
    })
    report({ type: isNew ? 'received' : 'duplicate', contract, sequence })
  }

  const callsOf = async (received: ChainEvent<event>): Promise<WireCall[] | undefined> => {
    const route = Object.values(app.events).find((candidate) => candidate.matches(received.event))
    if (route === undefined) return undefined
    const built = await route.build(received, chain)
    const list = (Array.isArray(built) ? built : [built]) as readonly RequestCall<routes>[]
    return list.map(({ type, input }) => ({
      type,
      input: (app.requests[type] as RequestRoutes[string]).input.encode(input),
    }))
  }

  /** Handles the next event of a contract, if it is there. */
  const handleNext = async (contract: string, signal: AbortSignal): Promise<boolean> => {
    const sequence = ((await store.get(doneKey(contract))) ?? 0n) + 1n
    const received = await store.get(inboxKey(contract, sequence))
    if (received === undefined) return false
    const calls = (await callsOf(received)) ?? []
    const known = await chain.sequence(contract, { signal })
    const reply = decodeReply(
      await enclave(
        encodeCall({
          kind: 'event',
          contract,
          sequence,
          chainSequence: known.sequence,
          proof: known.proof,
          calls,
        }),
        { signal },
      ),
    )
    const route = Object.values(app.events).find((candidate) => candidate.matches(received.event))
    const answers = decodeAnswers(reply.outputs)
    const submission =
      route === undefined || calls.length === 0
        ? undefined
        : route.transaction(answers, { document: reply.document, event: received })
    // Out of the inbox, into the outbox, in one step.
    await store.transaction(async (tx) => {
      tx.delete(inboxKey(contract, sequence))
      tx.set(doneKey(contract), sequence)
      if (submission !== undefined) tx.set(outboxKey(contract, sequence), submission)
    })
    report({ type: submission === undefined ? 'ignored' : 'answered', contract, sequence })
    return true
  }

  const decodeAnswers = (
    outputs: readonly { type: string; output: Uint8Array }[],
  ): readonly RequestAnswer<routes>[] =>
    outputs.map(({ type, output }) => {
      const route = Object.hasOwn(app.requests, type) ? app.requests[type] : undefined
      if (route === undefined)
        throw new AppCallError({ reason: 'UNKNOWN_REQUEST', retryable: false })
      return { type, output: route.output.decode(output) } as RequestAnswer<routes>
    })

  /** Submits the oldest answer of a contract, if there is one. */
  const submitNext = async (contract: string, signal: AbortSignal): Promise<boolean> => {
    const prefix = `outbox/${encodeURIComponent(contract)}/`
    const [name] = await store.transaction((tx) => tx.names(prefix))
    if (name === undefined) return false
    const sequence = BigInt(name.slice(prefix.length))
    const submission = await store.get(outboxKey(contract, sequence))
    if (submission !== undefined) {
      await chain.submit(submission, {
        idempotencyKey: `${app.name}:${contract}:${sequence}`,
        signal,
      })
    }
    await store.transaction((tx) => tx.delete(outboxKey(contract, sequence)))
    report({ type: 'submitted', contract, sequence })
    return true
  }

  /** The sequence that a step is at. */
  const current = async (step: 'handle' | 'submit', contract: string): Promise<bigint> => {
    if (step === 'handle') return ((await store.get(doneKey(contract))) ?? 0n) + 1n
    const prefix = `outbox/${encodeURIComponent(contract)}/`
    const [name] = await store.transaction((tx) => tx.names(prefix))
    return name === undefined ? 0n : BigInt(name.slice(prefix.length))
  }

  /** Repeats a step of one contract until there is nothing to do; a failure waits and comes again. */
  const drain = async (
    step: 'handle' | 'submit',
    contract: string,
    { signal, onProgress }: { signal: AbortSignal; onProgress: () => void },
  ): Promise<void> => {
    for (let attempt = 1; !signal.aborted; ) {
      try {
        const more =
          step === 'handle'
            ? await handleNext(contract, signal)
            : await submitNext(contract, signal)
        if (!more) return
        attempt = 1
        onProgress()
      } catch (cause) {
        if (signal.aborted) return
        const sequence = await current(step, contract)
        const code = isPolicySdkError(cause)
          ? cause instanceof AppCallError
            ? cause.reason
            : cause.code
          : 'UNKNOWN'
        report({ type: 'failed', step, contract, sequence, code, attempt })
        await pause(retryDelay(attempt++), signal)
      }
    }
  }

  return {
    run: async ({ signal }) => {
      const busy = new Map<string, Promise<void>>()
      const again = new Set<string>()
      const start = (step: 'handle' | 'submit', contract: string): void => {
        const key = `${step}/${contract}`
        if (busy.has(key)) {
          again.add(key)
          return
        }
        // An answer is submitted while the next event is being handled.
        const onProgress = (): void => {
          if (step === 'handle') start('submit', contract)
        }
        const work = drain(step, contract, { signal, onProgress }).finally(() => {
          busy.delete(key)
          if (signal.aborted) return
          if (again.delete(key)) start(step, contract)
        })
        busy.set(key, work)
      }
      const known = await store.transaction(async (tx) => [
        ...(await tx.names('inbox/')),
        ...(await tx.names('outbox/')),
      ])
      // What was taken in before a crash goes on first.
      for (const contract of new Set(
        known.map((name) => decodeURIComponent(name.split('/')[1] as string)),
      )) {
        start('handle', contract)
        start('submit', contract)
      }
      for (let attempt = 1; !signal.aborted; ) {
        try {
          const from = await store.get(cursorKey)
          for await (const received of chain.events({ from, signal })) {
            await receive(received)
            start('handle', received.contract)
            attempt = 1
            if (signal.aborted) break
          }
        } catch (cause) {
          if (signal.aborted) break
          const code = isPolicySdkError(cause) ? cause.code : 'UNKNOWN'
          report({ type: 'failed', step: 'handle', contract: '', sequence: 0n, code, attempt })
        }
        if (!signal.aborted) await pause(retryDelay(attempt++), signal)
      }
      await Promise.all(busy.values())
    },
    request: async (type, input, options) => {
      const route = app.requests[type] as RequestRoutes[string]
      const call = { type, input: route.input.encode(input) }
      const reply = decodeReply(await enclave(encodeCall({ kind: 'user', call }), options))
      const [answer] = decodeAnswers(reply.outputs)
      return { output: answer?.output as OutputOf<routes[typeof type]>, document: reply.document }
    },
    deploy: async (contractOf) => {
      const reply = decodeReply(await enclave(encodeCall({ kind: 'deploy' })))
      const [deployment] = reply.outputs
      if (deployment === undefined)
        throw new AppCallError({ reason: 'NO_DEPLOYMENT', retryable: false })
      const submission = transactionCodec.decode(deployment.output)
      const receipt = await chain.submit(submission, { idempotencyKey: `${app.name}:deploy` })
      const contract = contractOf(receipt)
      decodeReply(await enclave(encodeCall({ kind: 'bind', contract })))
      return { receipt, contract }
    },
    pending: () =>
      store.transaction(async (tx) => ({
        inbox: (await tx.names('inbox/')).length,
        outbox: (await tx.names('outbox/')).length,
      })),
  }
}

function chainEventCodec<event>(codec: Codec<event>): Codec<ChainEvent<event>> {
  const separator = '\u0000'
  return {
    encode: ({ cursor, contract, sequence, id, event }) => {
      const head = new TextEncoder().encode([cursor, contract, sequence, id].join(separator))
      const body = codec.encode(event)
      const out = new Uint8Array(4 + head.length + body.length)
      new DataView(out.buffer).setUint32(0, head.length)
      out.set(head, 4)
      out.set(body, 4 + head.length)
      return out
    },
    decode: (bytes) => {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
      const head = new TextDecoder().decode(bytes.subarray(4, 4 + length))
      const [cursor = '', contract = '', sequence = '0', id = ''] = head.split(separator)
      return {
        cursor,
        contract,
        sequence: BigInt(sequence),
        id,
        event: codec.decode(bytes.subarray(4 + length)),
      }
    },
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
  })
}
