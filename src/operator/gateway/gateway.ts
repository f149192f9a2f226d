/**
 * A gateway: takes tasks from clients, asks operators, keeps the answer and gives it to whoever may
 * ask. It is not believed: clients verify what it answers.
 */
import type { Hex } from 'viem'
import { canonicalBytes, type Json, type JsonObject } from '../../core/canonicalJson.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { ResponseSink } from '../../core/interfaces/sinks.js'
import { computeTaskId, encodeTask } from '../../core/task.js'
import type { ContractSignatureCheck } from '../../enclave/index.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { accelerateKeccak } from '../../internal/longKeccak.js'
import { assertMembers, assertOptions, assertText } from '../../internal/options.js'
import type { LedgerRecorder } from '../ledger/recorder.js'
import type { OperatorClient } from '../rpc/client.js'
import { refuse } from '../rpc/envelope.js'
import { readGivenBuild } from '../rpc/given.js'
import type { RpcLimits } from '../rpc/limits.js'
import type { OperatorTables } from '../tasks/tables.js'
import type { CallerCheck } from './callers.js'
import type { GatewayEvent } from './events.js'
import { assertWebhooks, deliverTo, KEY_GRACE, type WebhookOptions } from './hooks/options.js'
import { createWebhookMethods } from './hooks/registering.js'
import { webhookPorts } from './hooks/urls.js'
import { createIdentify } from './live/identifying.js'
import {
  createSubscriptions,
  type SubscriptionLimits,
  type Subscriptions,
} from './live/subscriptions.js'
import { createGatewayRpc, type GatewayRpc } from './methods.js'
import { type PreparedTask, prepareTask } from './preparing.js'
import { type RunParameters, runTask } from './running.js'
import { createSecretsMethods } from './secrets.js'
import type { GatewayStore, LeasedTask, StoredTask } from './store/store.js'
import { watchedStore } from './store/watched.js'
import { createAnswers, createChanges, createStanding } from './waiting.js'
import { type TaskRequest, writeTaskRequest } from './wire.js'

/** Parameters of {@link createGateway}. */
export type GatewayParameters = {
  registry: RegistryReader
  tables: OperatorTables
  /** Clients of the operators, by the gateway's account. Looked at for each task. */
  operators: readonly OperatorClient[] | (() => readonly OperatorClient[])
  store: GatewayStore
  callers: CallerCheck
  /** Callers that see the tasks of all, such as challengers. They change none. @default nobody */
  auditors?: readonly string[] | undefined
  /** `keccak256(PCR0)` of the build that operators are asked for. Left out: no enclave is asked for. */
  pcr0Commitment?: Hex | undefined
  /**
   * Lands answers on chain where a client asks for it, by an account of this gateway alone. Left out: such
   * requests are refused.
   */
  sink?: ResponseSink | undefined
  /**
   * Asks owners that are contracts whether they signed an upload of secrets (ERC-1271). Left out: such
   * uploads are for operators to judge.
   */
  isValidContractSignature?: ContractSignatureCheck | undefined
  /** Milliseconds between two looks at the chain for a task that is being landed. @default 4_000 */
  landingInterval?: number | undefined
  /** Blocks that a task's reference block is behind the head. @default the chain table's */
  referenceDelay?: bigint | undefined
  /** Names this gateway in leases: no two that share a store have the same. @default 16 random bytes */
  owner?: string | undefined
  /** Milliseconds after which the tasks of a gateway that died are taken up. @default 5_000 */
  lease?: number | undefined
  /** Milliseconds between looks for tasks that nobody works on. @default 250 */
  pollInterval?: number | undefined
  /** Tasks that are worked on at a time. @default 256 */
  concurrent?: number | undefined
  /** Keeps each certificate for the evaluation ledger before it is an answer. @default nothing is recorded */
  ledger?: Pick<LedgerRecorder, 'attested' | 'anomaly'> | undefined
  limits?: RpcLimits | undefined
  /** Bounds of connections that are told of changes. */
  subscriptionLimits?: SubscriptionLimits | undefined
  /**
   * Tells callers of their tasks where they want it, by a fetch that keeps to public addresses and follows no
   * redirects, such as `guardedFetch()` of `/da/node`. Left out: callers cannot ask for it. Refused with callers
   * that let anybody in, and with a check of callers that has no `holds`.
   */
  webhooks?: WebhookOptions | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
  onEvent?: ((event: GatewayEvent) => void) | undefined
}

/** Times and counts are looked at one by one. */
const gatewayOptions: Parameters<typeof assertOptions<GatewayParameters>>[1] = {
  ...{ registry: 'object', tables: 'object', operators: 'any', store: 'object' },
  ...{ callers: 'function', auditors: 'list', pcr0Commitment: 'text', sink: 'object' },
  ...{ landingInterval: 'milliseconds', referenceDelay: 'uint', owner: 'text' },
  ...{ lease: 'milliseconds', pollInterval: 'milliseconds', concurrent: 'any' },
  ...{
    ledger: 'object',
    limits: 'object',
    subscriptionLimits: 'object',
    webhooks: 'object',
    now: 'function',
    randomBytes: 'function',
  },
  ...{ onEvent: 'function', isValidContractSignature: 'function' },
}

/** Nonces that are drawn for a task: of 63 random bits, a second one is hardly ever needed. */
const NONCES = 4

/** A gateway. */
export type Gateway = {
  /** Answers calls; mounted by `listenGateway`, or in a server of one's own. */
  readonly rpc: GatewayRpc
  /** Tells callers that stay connected of changes; `listenGateway` serves it on `/ws`. */
  readonly subscriptions: Subscriptions
  /** Keeps a task and works on it. Returns where it stands at once. */
  send(request: TaskRequest, from: { caller: string }, options?: IoOptions): Promise<StoredTask>
  /** Where a task stands, once it is decided or `wait` milliseconds are over. */
  status(
    taskId: Hex,
    from: { caller: string; wait?: number | undefined },
    options?: IoOptions,
  ): Promise<JsonObject>
  /** Takes no new task, hands back what it works on. The store stays open: it is its owner's. */
  close(): Promise<void>
}

/**
 * Creates a gateway. It looks for tasks that nobody works on until it is closed.
 *
 * @throws {InvalidInputError} for limits, times or a build that are none.
 * @example
 * ```ts
 * import { anyCaller, createGateway, memoryGatewayStore } from '@newton/policy-sdk/operator'
 * import { listenGateway } from '@newton/policy-sdk/operator/node'
 *
 * const gateway = createGateway({ registry, tables, operators, store: memoryGatewayStore(), callers: anyCaller() })
 * const server = await listenGateway({ gateway, port: 8600 })
 * ```
 */
export function createGateway(parameters: GatewayParameters): Gateway {
  accelerateKeccak()
  assertGiven(parameters)
  const { registry, tables, callers, onEvent = () => undefined } = parameters
  const store = watchedStore(parameters.store, (error) => onEvent({ type: 'store.failed', error }))
  const { sink, landingInterval = 4_000 } = parameters
  const { now = Date.now, lease = 5_000, pollInterval = 250, concurrent = 256 } = parameters
  const pcr0Commitment = readGivenBuild('pcr0Commitment', parameters.pcr0Commitment)
  const positive = { lease, pollInterval, concurrent, landingInterval }
  for (const [field, value] of Object.entries(positive)) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new InvalidInputError({ field, reason: 'expected a positive number' })
    }
  }
  const randomBytes =
    parameters.randomBytes ??
    ((length) => globalThis.crypto.getRandomValues(new Uint8Array(length)))
  const owner = parameters.owner ?? keccakHex(randomBytes(16)).slice(2, 34)
  const given = parameters.operators
  const operators = typeof given === 'function' ? given : (): typeof given => given
  const changes = createChanges()
  const controller = new AbortController()
  // A signal for each task: one for all would have a listener for each.
  const running = new Map<Promise<void>, AbortController>()
  /** Tasks that are worked on here, as this gateway kept them last, each with the fence of its lease. */
  const here = new Map<Hex, LeasedTask>()
  const answers = createAnswers(store)
  const run: RunParameters = {
    ...{ store, registry, tables, operators, lease, now, onEvent, sink, landingInterval },
    // Whoever waits, waits for an end: what lies before it wakes nobody.
    onChange: (taskId, state) => {
      const held = here.get(taskId)
      if (held !== undefined) here.set(taskId, { ...held, state })
      if (state !== 'committing' && state !== 'signing') changes.tell(taskId)
    },
    onAnswer: answers.keep,
    ledger: parameters.ledger,
  }
  const start = (task: LeasedTask, snapshot?: Parameters<typeof runTask>[2]['snapshot']): void => {
    const own = new AbortController()
    // It was kept while the gateway closed: handed back at once.
    if (controller.signal.aborted) own.abort()
    const { taskId, fence } = task
    here.set(taskId, task)
    const work = runTask(task, run, { signal: own.signal, snapshot }).finally(() => {
      running.delete(work)
      if (here.get(taskId)?.fence === fence) here.delete(taskId)
      changes.tell(taskId)
    })
    running.set(work, own)
  }

  const { referenceDelay } = parameters
  const preparing = { registry, pcr0Commitment, randomBytes, referenceDelay }
  const send: Gateway['send'] = async (request, { caller }, options) => {
    if (controller.signal.aborted) throw refuse('NOT_READY', 'it is closing', { by: 'gateway' })
    if (request.broadcast === true && sink === undefined) {
      const detail = '`direct_broadcast`: this gateway lands nothing on chain'
      throw refuse('INVALID_PARAMS', detail, { by: 'gateway' })
    }
    const contentHash = hashRequest(request)
    const { requestId } = request
    const known = (before: StoredTask): StoredTask => {
      if (before.contentHash === contentHash) return before
      const detail = `${requestId} names another request of this caller`
      throw refuse('REQUEST_REUSED', detail, { by: 'gateway' })
    }
    /** Whatever has become of the policy or of this gateway meanwhile: a known name is the same task. */
    const orElse = async (refusal: unknown): Promise<StoredTask> => {
      const before =
        requestId === undefined ? undefined : await store.findRequest({ caller, requestId })
      if (before === undefined) throw refusal
      return known(before)
    }
    if (running.size >= concurrent) {
      const detail = 'too many tasks are worked on'
      return orElse(refuse('OVERLOADED', detail, { by: 'gateway', retryAfter: 500 }))
    }
    for (let draw = 0; draw < NONCES; draw++) {
      let prepared: PreparedTask
      try {
        prepared = await prepareTask(request, preparing, options)
      } catch (error) {
        return orElse(error)
      }
      const at = now()
      const task: StoredTask = {
        taskId: computeTaskId(prepared.task),
        task: encodeTask(prepared.task),
        ...{ caller, contentHash, pcr0Commitment },
        requestId,
        broadcast: request.broadcast === true,
        state: 'received',
        failure: undefined,
        deadline: at + (request.timeout ?? 30_000),
        createdAt: at,
      }
      const kept = await store.insert(task, { owner, lease })
      if (kept.status === 'taken') continue
      if (kept.status === 'again') return known(kept.task)
      start({ ...task, fence: kept.fence }, prepared.snapshot)
      return task
    }
    throw refuse('INTERNAL', 'its source of nonces gives the same ones', { by: 'gateway' })
  }

  const standing = createStanding({
    ...{ store, changes, answers, pollInterval, now },
    auditors: new Set(parameters.auditors),
    here: (taskId) => here.get(taskId),
  })
  const { status } = standing
  const identify = createIdentify(callers)
  const subscriptions = createSubscriptions({
    ...{ standing, identify, now, onEvent },
    limits: parameters.subscriptionLimits,
  })
  const claiming = pollStore(
    { store, owner, lease, concurrent, pollInterval },
    {
      ...{ running, start, now },
      signal: controller.signal,
      renewHeld: async () => {
        await Promise.all([...here.values()].map((held) => store.renew(held, lease)))
      },
    },
  )
  const hooks = {
    holds: callers.holds ?? (() => false),
    keyGrace: parameters.webhooks?.keyGrace ?? KEY_GRACE,
    ports: parameters.webhooks?.ports ?? webhookPorts,
  }
  const delivering = deliverTo(parameters.webhooks, {
    ...{ store: parameters.store, answers, now, onEvent, signal: controller.signal, ...hooks },
  })
  const rpc = createGatewayRpc({
    limits: parameters.limits,
    ...{ identify, now, onEvent, send, status },
    webhooks:
      parameters.webhooks === undefined
        ? undefined
        : createWebhookMethods({ store: store.webhooks, now, onEvent, ...hooks }),
    secrets: createSecretsMethods({
      ...{ operators, registry, pcr0Commitment, now },
      isValidContractSignature: parameters.isValidContractSignature,
    }),
  })
  return {
    ...{ rpc, subscriptions, send, status },
    close: async () => {
      controller.abort()
      subscriptions.close()
      await Promise.all([claiming, delivering])
      for (const own of running.values()) own.abort()
      await Promise.all(running.keys())
    },
  }
}

/** Refuses parameters that are none. */
function assertGiven(parameters: GatewayParameters): void {
  assertMembers('parameters', parameters, ['registry', 'tables', 'operators', 'store', 'callers'])
  assertOptions(parameters, gatewayOptions, { field: 'parameters' })
  for (const [index, caller] of (parameters.auditors ?? []).entries()) {
    assertText(`parameters.auditors[${index}]`, caller)
  }
  assertWebhooks(parameters)
  if (parameters.owner === '') {
    // Two gateways of one name would take each other's tasks for their own.
    throw new InvalidInputError({ field: 'parameters.owner', reason: 'expected a name' })
  }
}

/** Claims tasks that nobody works on, until the signal fires. */
async function pollStore(
  parameters: {
    store: GatewayStore
    owner: string
    lease: number
    concurrent: number
    pollInterval: number
  },
  at: {
    running: { readonly size: number }
    start: (task: LeasedTask) => void
    now: () => number
    renewHeld: () => Promise<void>
    signal: AbortSignal
  },
): Promise<void> {
  const { store, owner, lease, concurrent, pollInterval } = parameters
  let looked = at.now()
  while (!at.signal.aborted) {
    const limit = concurrent - at.running.size
    try {
      // A process that stood still has let its own leases lapse: it would claim what it works on, and
      // begin anew each time.
      if (at.now() - looked > lease / 3) await at.renewHeld()
      looked = at.now()
      if (limit > 0) for (const task of await store.claim({ owner, lease, limit })) at.start(task)
    } catch {
      // It is told, and looked for again at the next turn.
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        at.signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, pollInterval)
      at.signal.addEventListener('abort', done, { once: true })
      if (at.signal.aborted) done()
    })
  }
}

function hashRequest({ requestId: _, ...content }: TaskRequest): Hex {
  return keccakHex(canonicalBytes(writeTaskRequest(content) as Json))
}
