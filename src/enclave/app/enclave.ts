/**
 * The enclave's side of an application: bytes in, bytes out.
 *
 * The sequence number of an event is reserved while its handler runs, committed in one transaction with
 * everything the handler wrote and with the answer, and released where it throws.
 */
import { InvalidInputError } from '../../errors/common.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import type { Codec } from '../store/codec.js'
import type { TypedStore } from '../store/typedStore.js'
import { answerCalls, attestRefusal, describeFailure, type Surroundings } from './answering.js'
import type { EnclaveApp, RequestRoutes } from './app.js'
import { assertContract, bindContract, type ContractRule, deployOnce } from './binding.js'
import { type AppCall, type AppReply, appUserData, decodeCall, encodeReply } from './call.js'
import { AppCallError } from './errors.js'
import { recallAnswer, useSequence } from './eventSequence.js'
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
  /**
   * The contract that this enclave is bound to: named in its image, or made by `app.deploy`. The host binds
   * it only where `chain` is its word anyway. @default the one that `app.deploy` makes
   */
  contract?: { address: string } | undefined
  /**
   * Has to be said aloud where the store would not notice an older state in its place: a host that puts one
   * back gets two answers for one sequence.
   */
  rollback?: 'trust-host' | undefined
  /**
   * Hands the state over to the next build when the host brings its request, such as `handOverState` with a
   * policy of which builds those are. Without it, requests are refused.
   */
  handOver?: ((request: Uint8Array) => Promise<void>) | undefined
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

/**
 * Creates the enclave's side.
 *
 * @throws {InvalidInputError} where it is not said how the chain's sequence is known, what the contract is,
 * or that the host is trusted with the store.
 */
export function createAppEnclave<event, routes extends RequestRoutes, transaction>(
  parameters: AppEnclaveParameters<event, routes, transaction>,
): AppEnclave {
  assertParameters(parameters)
  const { attestor, keys, now = Date.now, randomBytes = defaultRandomBytes } = parameters
  const inside: Inside<event, routes, transaction> = {
    ...parameters,
    surroundings: { attestor, keys, now, randomBytes },
    rule: contractRule(parameters),
  }
  const inOrder = createQueues()
  return {
    call: async (bytes) => {
      try {
        const call = decodeCall(bytes)
        switch (call.kind) {
          case 'event':
          case 'skip':
            return await inOrder(call.contract, () => onEvent(inside, call))
          case 'recall':
            return await inOrder(call.contract, () => onRecall(inside, call))
          default:
            return await onRequest(inside, call)
        }
      } catch (cause) {
        return encodeReply(describeFailure(cause))
      }
    },
  }
}

type Inside<event, routes extends RequestRoutes, transaction> = AppEnclaveParameters<
  event,
  routes,
  transaction
> & { surroundings: Surroundings; rule: ContractRule }

function assertParameters<event, routes extends RequestRoutes, transaction>(
  parameters: AppEnclaveParameters<event, routes, transaction>,
): void {
  const { app, chain, contract, store, rollback, transactionCodec } = parameters
  const refuse = (field: string, reason: string, hint?: string): never => {
    throw new InvalidInputError({ field, reason, hint })
  }
  if (chain !== 'trust-host' && typeof chain?.verifySequence !== 'function') {
    refuse('chain', "expected { verifySequence } or 'trust-host'")
  }
  if (contract !== undefined && typeof contract.address !== 'string') {
    refuse('contract', 'expected an address')
  }
  if (chain !== 'trust-host' && contract === undefined && app.deploy === undefined) {
    refuse('contract', 'expected an address, or an application that deploys its own')
  }
  if (app.deploy !== undefined && contract === undefined && transactionCodec === undefined) {
    refuse('transactionCodec', 'expected a codec for the transaction of `app.deploy`')
  }
  if (rollback !== undefined && rollback !== 'trust-host') {
    refuse('rollback', "expected 'trust-host' or nothing")
  }
  if (store?.rollbackProtected !== true && rollback !== 'trust-host') {
    refuse(
      'store',
      'an older state in its place would not be noticed',
      "Use openSealedKv with an anchor, or say rollback: 'trust-host'.",
    )
  }
}

function contractRule<event, routes extends RequestRoutes, transaction>({
  app,
  chain,
  contract,
}: AppEnclaveParameters<event, routes, transaction>): ContractRule {
  if (contract !== undefined) return contract
  return chain === 'trust-host' && app.deploy === undefined ? 'trust-host' : 'deployed'
}

/** One at a time per contract: two requests can never both pass the check of one sequence. */
function createQueues(): <result>(
  contract: string,
  work: () => Promise<result>,
) => Promise<result> {
  const queues = new Map<string, Promise<unknown>>()
  return (contract, work) => {
    const done = (queues.get(contract) ?? Promise.resolve()).then(work)
    const settled = done.catch(() => undefined)
    queues.set(contract, settled)
    void settled.then(() => queues.get(contract) === settled && queues.delete(contract))
    return done
  }
}

async function onEvent<event, routes extends RequestRoutes, transaction>(
  inside: Inside<event, routes, transaction>,
  call: Extract<AppCall, { kind: 'event' | 'skip' }>,
): Promise<Uint8Array> {
  const { app, chain, store, surroundings, rule } = inside
  const { contract, sequence, calls, proof, id } = call
  const chainSequence =
    chain === 'trust-host'
      ? call.chainSequence
      : await chain.verifySequence({ contract, claimed: call.chainSequence, proof })
  const asked = { calls, contract, sequence }
  return store.transaction(async (tx) => {
    await assertContract(tx, contract, rule)
    return useSequence(tx, { ...asked, chainSequence, id }, async () =>
      encodeReply(
        call.kind === 'event'
          ? await answerCalls(app, asked, { tx, surroundings })
          : await attestRefusal(
              app,
              { ...asked, refusal: { type: 'skipped', reason: call.reason } },
              surroundings,
            ),
      ),
    )
  })
}

async function onRecall<event, routes extends RequestRoutes, transaction>(
  { store, rule }: Inside<event, routes, transaction>,
  call: Extract<AppCall, { kind: 'recall' }>,
): Promise<Uint8Array> {
  return store.transaction(async (tx) => {
    await assertContract(tx, call.contract, rule)
    return recallAnswer(tx, call)
  })
}

async function onRequest<event, routes extends RequestRoutes, transaction>(
  inside: Inside<event, routes, transaction>,
  call: Extract<AppCall, { kind: 'user' | 'deploy' | 'bind' | 'hand-over' }>,
): Promise<Uint8Array> {
  const { app, store, surroundings, rule } = inside
  switch (call.kind) {
    case 'user':
      return store.transaction(async (tx) => {
        const asked = { calls: [call.call], contract: '', sequence: 0n }
        return encodeReply(await answerCalls(app, asked, { tx, surroundings }))
      })
    case 'deploy':
      return encodeReply(await deploy(inside))
    case 'hand-over':
      if (inside.handOver === undefined) {
        throw new AppCallError({ reason: 'NO_HAND_OVER', retryable: false })
      }
      await inside.handOver(call.request)
      return encodeReply({ ok: true, outputs: [], document: new Uint8Array(0) })
    case 'bind':
      return store.transaction(async (tx) => {
        await bindContract(tx, call.contract, rule)
        return encodeReply({ ok: true, outputs: [], document: new Uint8Array(0) })
      })
  }
}

async function deploy<event, routes extends RequestRoutes, transaction>({
  app,
  store,
  surroundings,
  transactionCodec,
  rule,
}: Inside<event, routes, transaction>): Promise<AppReply> {
  const { deploy: make } = app
  if (make === undefined || transactionCodec === undefined || rule !== 'deployed') {
    throw new AppCallError({ reason: 'NO_DEPLOYMENT', retryable: false })
  }
  const made = await store.transaction((tx) =>
    deployOnce(tx, async () => {
      const { transaction, contract } = await make(surroundings)
      return { transaction: transactionCodec.encode(transaction), contract }
    }),
  )
  const outputs = [
    { type: '@deploy', output: made.transaction },
    { type: '@contract', output: new TextEncoder().encode(made.contract) },
  ]
  const userData = appUserData({
    app: app.name,
    contract: made.contract,
    sequence: 0n,
    calls: [{ type: '@deploy', input: new Uint8Array(0) }],
    outputs: outputs.map(({ output }) => output),
  })
  return { ok: true, outputs, document: await surroundings.attestor.attest({ userData }) }
}
