/**
 * The enclave's side of an application: bytes in, bytes out.
 *
 * The sequence number of an event is reserved while its handler runs, committed in one transaction with
 * everything the handler wrote and with the answer, and released where it throws.
 */
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import { bytesCodec, type Codec, uint64Codec } from '../store/codec.js'
import {
  defineKey,
  type StoreKey,
  type StoreTransaction,
  type TypedStore,
} from '../store/typedStore.js'
import type { EnclaveApp, EnclaveContext, RequestRoutes } from './app.js'
import {
  type AppCall,
  type AppReply,
  appUserData,
  decodeCall,
  encodeReply,
  hashCalls,
  type WireCall,
} from './call.js'
import { AppCallError, AppContractError, AppSequenceError } from './errors.js'
import type { Attestor, KeyManager } from './keyManager.js'

/** Parameters of {@link createAppEnclave}. */
export type AppEnclaveParameters<event, routes extends RequestRoutes, transaction> = {
  app: EnclaveApp<event, routes, transaction>
  attestor: Attestor
  keys: KeyManager
  store: TypedStore
  /**
   * How the contract's own sequence is known: checked against a proof, or believed from the host, which
   * has to be said aloud.
   */
  chain:
    | {
        /** Returns the proven sequence; throws where the proof does not hold. */
        verifySequence(parameters: {
          contract: string
          claimed: bigint
          proof: Uint8Array | undefined
        }): Promise<bigint>
      }
    | 'trust-host'
  /** How `deploy`'s transaction crosses to the host. */
  transactionCodec?: Codec<transaction> | undefined
  now?: (() => number) | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** An application enclave. */
export type AppEnclave = {
  /** Answers one call. Never throws: a failure is an answer with its code. */
  call(bytes: Uint8Array): Promise<Uint8Array>
}

const utf8Codec: Codec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
}
const boundKey = defineKey('@contract', utf8Codec)
const sequenceKey = (contract: string): StoreKey<bigint> =>
  defineKey(`@sequence/${contract}`, uint64Codec)
const answerKey = (contract: string, sequence: bigint): StoreKey<Uint8Array> =>
  defineKey(`@answer/${contract}/${sequence.toString().padStart(20, '0')}`, bytesCodec)

/** Answers of the past that are kept for a host that asks again. */
const keptAnswers = 256n

/**
 * Creates the enclave's side.
 *
 * @throws {InvalidInputError} where it is not said how the chain's sequence is known.
 */
export function createAppEnclave<event, routes extends RequestRoutes, transaction>(
  parameters: AppEnclaveParameters<event, routes, transaction>,
): AppEnclave {
  const {
    app,
    attestor,
    keys,
    store,
    chain,
    now = Date.now,
    randomBytes = defaultRandomBytes,
  } = parameters
  if (chain !== 'trust-host' && typeof chain?.verifySequence !== 'function') {
    throw new InvalidInputError({
      field: 'chain',
      reason: "expected { verifySequence } or 'trust-host'",
    })
  }
  const surroundings = { attestor, keys, now, randomBytes }
  const queues = new Map<string, Promise<unknown>>()

  /** One at a time per contract: two requests can never both pass the check of one sequence. */
  const inOrder = <result>(contract: string, work: () => Promise<result>): Promise<result> => {
    const done = (queues.get(contract) ?? Promise.resolve()).then(work)
    const settled = done.catch(() => undefined)
    queues.set(contract, settled)
    void settled.then(() => queues.get(contract) === settled && queues.delete(contract))
    return done
  }

  const runCalls = async (
    calls: readonly WireCall[],
    context: EnclaveContext,
  ): Promise<{
    outputs: { type: string; output: Uint8Array }[]
    userData: Uint8Array | undefined
  }> => {
    const outputs: { type: string; output: Uint8Array }[] = []
    let userData: Uint8Array | undefined
    for (const { type, input } of calls) {
      const route = Object.hasOwn(app.requests, type) ? app.requests[type] : undefined
      if (route === undefined)
        throw new AppCallError({ reason: 'UNKNOWN_REQUEST', retryable: false })
      const decoded = route.input.decode(input)
      const output = await route.handle(decoded, context)
      if (calls.length === 1) userData = route.userData?.(decoded, output)
      outputs.push({ type, output: route.output.encode(output) })
    }
    return { outputs, userData }
  }

  const answer = async (
    {
      calls,
      contract,
      sequence,
    }: { calls: readonly WireCall[]; contract: string; sequence: bigint },
    context: EnclaveContext,
  ): Promise<Uint8Array> => {
    const { outputs, userData } = await runCalls(calls, context)
    const bound =
      userData ??
      appUserData({
        app: app.name,
        contract,
        sequence,
        calls,
        outputs: outputs.map(({ output }) => output),
      })
    return encodeReply({ ok: true, outputs, document: await attestor.attest({ userData: bound }) })
  }

  const onEvent = async (call: Extract<AppCall, { kind: 'event' }>): Promise<Uint8Array> => {
    const { contract, sequence, calls } = call
    const onChain =
      chain === 'trust-host'
        ? call.chainSequence
        : await chain.verifySequence({ contract, claimed: call.chainSequence, proof: call.proof })
    return store.transaction(async (tx) => {
      await assertBound(tx, contract)
      const committed = (await tx.get(sequenceKey(contract))) ?? 0n
      const fault = { contract, sequence, committed }
      // The contract has taken answers that this state does not know of: it is an old state.
      if (onChain > committed) throw new AppSequenceError({ ...fault, fault: 'rollback' })
      if (sequence > committed + 1n) throw new AppSequenceError({ ...fault, fault: 'gap' })
      const hash = hashCalls(calls)
      if (sequence <= committed) {
        const kept = await tx.get(answerKey(contract, sequence))
        if (kept !== undefined && bytesEqual(kept.subarray(0, 32), hash)) return kept.slice(32)
        throw new AppSequenceError({ ...fault, fault: 'replay' })
      }
      const context: EnclaveContext = {
        ...surroundings,
        store: guarded(tx),
        origin: { type: 'event', contract, sequence },
      }
      const reply = await answer({ calls, contract, sequence }, context)
      const kept = new Uint8Array(32 + reply.length)
      kept.set(hash)
      kept.set(reply, 32)
      tx.set(sequenceKey(contract), sequence)
      tx.set(answerKey(contract, sequence), kept)
      if (sequence > keptAnswers) tx.delete(answerKey(contract, sequence - keptAnswers))
      return reply
    })
  }

  const dispatch = async (call: AppCall): Promise<Uint8Array> => {
    switch (call.kind) {
      case 'event':
        return inOrder(call.contract, () => onEvent(call))
      case 'user':
        return store.transaction((tx) => {
          const context: EnclaveContext = {
            ...surroundings,
            store: guarded(tx),
            origin: { type: 'user' },
          }
          return answer({ calls: [call.call], contract: '', sequence: 0n }, context)
        })
      case 'deploy': {
        const { transactionCodec: codec } = parameters
        if (app.deploy === undefined || codec === undefined) {
          throw new AppCallError({ reason: 'NO_DEPLOYMENT', retryable: false })
        }
        const output = codec.encode(await app.deploy(surroundings))
        const calls = [{ type: '@deploy', input: new Uint8Array(0) }]
        const userData = appUserData({
          app: app.name,
          contract: '',
          sequence: 0n,
          calls,
          outputs: [output],
        })
        const document = await attestor.attest({ userData })
        return encodeReply({ ok: true, outputs: [{ type: '@deploy', output }], document })
      }
      case 'bind':
        // Looked at before it is written: a second contract never replaces the first.
        return store.transaction(async (tx) => {
          const bound = await tx.get(boundKey)
          if (bound !== undefined && bound !== call.contract) {
            throw new AppContractError({ contract: call.contract, bound })
          }
          tx.set(boundKey, call.contract)
          return encodeReply({ ok: true, outputs: [], document: new Uint8Array(0) })
        })
    }
  }

  return {
    call: async (bytes) => {
      try {
        return await dispatch(decodeCall(bytes))
      } catch (cause) {
        return encodeReply(refusal(cause))
      }
    },
  }
}

async function assertBound(tx: StoreTransaction, contract: string): Promise<void> {
  const bound = await tx.get(boundKey)
  if (bound !== undefined && bound !== contract) throw new AppContractError({ contract, bound })
}

/** The framework's own keys are not the handlers' to touch. */
function guarded(tx: StoreTransaction): StoreTransaction {
  const check = (key: StoreKey<never> | { name: string }): void => {
    if (key.name.startsWith('@')) {
      throw new InvalidInputError({
        field: 'key',
        reason: "names that start with @ are the framework's",
      })
    }
  }
  return {
    get: (key) => tx.get(key),
    names: (prefix) => tx.names(prefix),
    set: (key, value) => {
      check(key)
      tx.set(key, value)
    },
    delete: (key) => {
      check(key)
      tx.delete(key)
    },
    compareAndSet: async (key, change) => {
      check(key)
      return tx.compareAndSet(key, change)
    },
  }
}

/** Codes only: a text could quote what must stay inside. */
function refusal(cause: unknown): AppReply {
  if (cause instanceof AppCallError)
    return { ok: false, code: cause.reason, retryable: cause.retryable }
  if (cause instanceof AppSequenceError) {
    return { ok: false, code: `SEQUENCE_${cause.fault.toUpperCase()}`, retryable: cause.retryable }
  }
  if (isPolicySdkError(cause)) return { ok: false, code: cause.code, retryable: cause.retryable }
  return { ok: false, code: 'HANDLER_FAILED', retryable: true }
}
