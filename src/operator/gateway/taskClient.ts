/**
 * Tasks for applications: created at a gateway, verified from chain state before anything is returned.
 * Runs in browsers. A gateway that lies, leaves out or answers something else is found here.
 */
import type { Hex } from 'viem'
import {
  type AttestationReader,
  assertTaskAttestation,
  type SignedTeeDocument,
} from '../../attestation/index.js'
import { ZERO_HASH } from '../../core/artifact.js'
import { operatorWitness } from '../../core/bn254/index.js'
import { chainConstants } from '../../core/chains.js'
import { evaluateResult } from '../../core/evaluationResult.js'
import { computeIntentHash } from '../../core/intent.js'
import type { Task } from '../../core/task.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { createGatewayClient, type GatewayOptions } from '../../gateway/index.js'
import { fromHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { sleep } from '../../internal/pause.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { faultOfCode } from '../rpc/faults.js'
import type { TaskAnswer } from '../tasks/collecting.js'
import type { OperatorTables } from '../tasks/tables.js'
import { GatewayAnswerError } from './errors.js'
import { isDecided, type TaskState } from './store.js'
import { readTaskStatus, type TaskRequest, type TaskStatus, writeTaskRequest } from './wire.js'

/** Parameters of {@link createTaskClient}. */
export type TaskClientParameters = {
  /** Where the gateway is, and the key for it. */
  gateway: Omit<GatewayOptions, 'webSocket' | 'webSocketUrl'>
  /**
   * What is verified from: `registry`, `artifacts`, `certificates` and `replayer`; `envelopes` for policies
   * that take secrets; `documents`, with `tables`, for those whose enclave's document is to be verified.
   */
  reader: AttestationReader
  /** Tables with both keys of each operator: needed where `reader.documents` is given. */
  tables?: OperatorTables | undefined
  /**
   * Blocks that a reference block may be behind the head of when the task was asked for.
   * @default twice the chain table's delay and 60 s
   */
  maxReferenceAge?: bigint | undefined
}

/** A task that was sent: keep it to wait for the answer, in another process too. */
export type SentRequest = {
  taskId: Hex
  request: TaskRequest
  /** The head of the chain when it was asked for. */
  since: bigint
}

/** A decision that was verified down to a re-run. */
export type VerifiedTask = Omit<TaskAnswer, 'faults'> & {
  /** The decision. `false` is a deny that operators signed. */
  allowed: boolean
  /** Where it stands on chain, for a task that is broadcast. */
  state: TaskState
}

/**
 * The answer to what was asked, as the gateway gave it. Nothing of it is verified: `verifyTaskAttestation`
 * takes it as it is, level by level.
 */
export type UnverifiedAnswer = Omit<TaskAnswer, 'faults'> & {
  state: TaskState
  /** The first signer's document, where `reader.documents` is given. */
  document: SignedTeeDocument | undefined
}

/** What {@link TaskClient.watchTask} tells. */
export type TaskProgress =
  | { state: Exclude<TaskState, 'failed'>; result?: VerifiedTask | undefined }
  | { state: 'failed'; error: OperatorRpcError }

/** Creates tasks and verifies their answers. */
export type TaskClient = {
  /**
   * Creates a task, waits for its decision, and verifies it at level `result`.
   *
   * @throws {OperatorRpcError} where there is no decision: `fault` says why.
   * @throws {AttestationError} where the answer does not verify. {@link GatewayAnswerError} where it is not
   * the answer to what was asked.
   */
  createTask(request: TaskRequest, options?: IoOptions): Promise<VerifiedTask>
  /** Creates a task without waiting. */
  sendTask(request: TaskRequest, options?: IoOptions): Promise<SentRequest>
  /** Waits for a task's decision, and verifies it. Throws as {@link TaskClient.createTask} does. */
  waitForTask(sent: SentRequest, options?: IoOptions): Promise<VerifiedTask>
  /**
   * Waits for a task's decision without verifying it, for whoever shows how it is verified.
   *
   * @throws {OperatorRpcError} where there is no decision. {@link GatewayAnswerError} where it is not the
   * answer to what was asked.
   */
  waitForAnswer(sent: SentRequest, options?: IoOptions): Promise<UnverifiedAnswer>
  /**
   * Tells each state of a task, with the verified answer as soon as there is one, until it ends.
   *
   * @returns What stops it.
   */
  watchTask(parameters: {
    sent: SentRequest
    onProgress: (progress: TaskProgress) => void
    /** It ended for good: the answer does not verify, or the gateway is no longer reached. */
    onError: (error: unknown) => void
    /** Whether to go on until the answer is final on chain. @default the request's `broadcast` */
    untilFinal?: boolean | undefined
  }): () => void
}

/** Times that a gateway is asked that is not reached, over some 8 s. */
const TRIES = 6
/** Seconds of the longest wait of one call. */
const WAIT = 20

/**
 * Creates a client of tasks.
 *
 * @throws {InvalidInputError} for a reader that cannot verify at level `result`, and for a URL that would
 * send the key in the clear.
 * @example
 * ```ts
 * import { createTaskClient } from '@newton/policy-sdk/operator'
 *
 * const tasks = createTaskClient({
 *   gateway: { url: 'https://gateway.example/rpc', apiKey },
 *   reader: { registry, artifacts, certificates, replayer },
 * })
 * const { allowed, task, response, certificate } = await tasks.createTask({ policyClient, intent })
 * ```
 */
export function createTaskClient(parameters: TaskClientParameters): TaskClient {
  const { reader } = parameters
  const { registry } = reader
  for (const part of ['registry', 'artifacts', 'certificates', 'replayer'] as const) {
    if (reader[part] === undefined) {
      throw new InvalidInputError({ field: `reader.${part}`, reason: 'level result needs it' })
    }
  }
  if (reader.documents !== undefined && parameters.tables === undefined) {
    throw new InvalidInputError({ field: 'tables', reason: 'a document is verified with them' })
  }
  const gateway = createGatewayClient(parameters.gateway)
  const request = async (
    call: { method: string; params: ReturnType<typeof writeTaskRequest>; retry: 'read' | 'task' },
    io: IoOptions,
  ): Promise<TaskStatus> => {
    const answered = await askAgain(() => gateway.request(call, io), io.signal)
    try {
      return readTaskStatus(answered)
    } catch (cause) {
      const reason = isPolicySdkError(cause) ? cause.shortMessage : 'it is malformed'
      throw new GatewayAnswerError({ reason }, { cause })
    }
  }
  const answerOf = async (
    sent: Pick<SentRequest, 'request' | 'since'>,
    status: TaskStatus,
    io: IoOptions,
  ): Promise<UnverifiedAnswer> => {
    const { failure, answer, state } = status
    if (failure !== undefined) throw refusalOf(failure)
    if (answer === undefined) throw new GatewayAnswerError({ reason: 'it holds no answer' })
    assertAsked({ ...sent, task: answer.task }, parameters)
    return { ...answer, state, document: await documentOf(answer, parameters, io) }
  }
  const verify = async (
    sent: Pick<SentRequest, 'request' | 'since'>,
    status: TaskStatus,
    io: IoOptions,
  ): Promise<VerifiedTask> => {
    const { document, ...answer } = await answerOf(sent, status, io)
    const { task, response, certificate, preimage, inputs } = answer
    await assertTaskAttestation({
      ...{ reader, task, response, certificate, preimage, inputs, document },
      level: 'result',
      signal: io.signal,
    })
    return { ...answer, allowed: evaluateResult(response.evaluationResult) }
  }

  const decidedTask = <value>(
    sent: SentRequest,
    options: IoOptions,
    then: (sent: SentRequest, status: TaskStatus, io: IoOptions) => Promise<value>,
  ): Promise<value> => {
    const { signal, timeout = 150_000 } = options
    return withDeadline(`task ${sent.taskId}`, { signal, timeout }, async (inner) => {
      for (;;) {
        const status = await request(getTask(sent.taskId, WAIT), { signal: inner })
        if (status.taskId !== sent.taskId) {
          throw new GatewayAnswerError({ reason: 'it is of another task' })
        }
        if (isDecided(status)) return then(sent, status, { signal: inner })
      }
    })
  }
  const waitForTask: TaskClient['waitForTask'] = (sent, options = {}) =>
    decidedTask(sent, options, verify)
  return {
    waitForTask,
    waitForAnswer: (sent, options = {}) => decidedTask(sent, options, answerOf),
    createTask: (given, options = {}) => {
      const asked = named(given)
      const params = writeTaskRequest(asked)
      const { signal, timeout = (asked.timeout ?? 30_000) + 30_000 } = options
      return withDeadline('newt_createTask', { signal, timeout }, async (inner) => {
        const { number: since } = await registry.getLatestBlock({ signal: inner })
        const call = { method: 'newt_createTask', params, retry: 'task' } as const
        const status = await request(call, { signal: inner, timeout })
        const sent = { taskId: status.taskId, request: asked, since }
        return isDecided(status)
          ? verify(sent, status, { signal: inner })
          : waitForTask(sent, { signal: inner })
      })
    },
    async sendTask(given, options = {}) {
      const asked = named(given)
      const params = writeTaskRequest(asked)
      const { number: since } = await registry.getLatestBlock(options)
      const { taskId } = await request({ method: 'newt_sendTask', params, retry: 'task' }, options)
      return { taskId, request: asked, since }
    },
    watchTask({ sent, onProgress, onError, untilFinal = sent.request.broadcast === true }) {
      const controller = new AbortController()
      const io = { signal: controller.signal }
      const follow = async (): Promise<void> => {
        let last: TaskState | undefined
        let result: VerifiedTask | undefined
        for (;;) {
          const status = await request(getTask(sent.taskId, last === undefined ? 0 : WAIT), io)
          const { state, failure } = status
          if (failure !== undefined) {
            onProgress({ state: 'failed', error: refusalOf(failure) })
            return
          }
          if (state !== last) {
            if (isDecided(status)) result ??= await verify(sent, status, io)
            last = state
            onProgress({ state: state as Exclude<TaskState, 'failed'>, result })
          } else if (isDecided(status)) await sleep(1_000, controller.signal)
          const ended = state === 'final' || state === 'superseded'
          if (ended || (isDecided(status) && !untilFinal)) return
        }
      }
      follow().catch((error: unknown) => {
        if (!controller.signal.aborted) onError(error)
      })
      return () => controller.abort()
    },
  }
}

/** The answer has to be to what was asked, on the chain and the registry of this client, and fresh. */
function assertAsked(
  asked: { request: TaskRequest; task: Task; since: bigint },
  { reader: { registry }, maxReferenceAge }: TaskClientParameters,
): void {
  const { request, task, since } = asked
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  const other = (reason: string): GatewayAnswerError => new GatewayAnswerError({ reason })
  if (
    task.chainId !== registry.chainId ||
    !same(task.policyRegistry, registry.policyRegistry) ||
    !same(task.policyClient, request.policyClient) ||
    !same(task.wasmArgs, request.wasmArgs ?? '0x') ||
    computeIntentHash(task.intent) !== computeIntentHash(request.intent)
  ) {
    throw other('its task is not what was asked for')
  }
  const age = maxReferenceAge ?? defaultAge(registry.chainId)
  if (task.referenceBlock + age < since) {
    throw other(`its reference block ${task.referenceBlock} was too old at block ${since}`)
  }
}

function defaultAge(chainId: bigint): bigint {
  const { referenceDelay, blockSeconds } = chainConstants(chainId)
  return 2n * referenceDelay + BigInt(Math.ceil(60 / blockSeconds))
}

/** The first signer's document, where documents are verified. */
async function documentOf(
  { task, response, documents }: Omit<TaskAnswer, 'faults'>,
  { reader, tables }: TaskClientParameters,
  io: IoOptions,
): Promise<SignedTeeDocument | undefined> {
  const [first] = documents
  if (reader.documents === undefined || first === undefined || tables === undefined)
    return undefined
  if (response.pcr0Commitment === ZERO_HASH) return undefined
  const inForce = await tables.tableAt(task.referenceBlock, io)
  const index = inForce?.table.indexOf(first.operator) ?? -1
  const operator = inForce?.table.operators[index]
  if (inForce === null || operator === undefined) return undefined
  return {
    bytes: fromHex(first.bytes),
    operator: operatorWitness(inForce.table, index),
    pubkeyG2: operator.pubkeyG2,
    signature: first.signature,
  }
}

function getTask(
  taskId: Hex,
  wait: number,
): { method: string; params: { task_id: Hex; wait: number }; retry: 'read' } {
  return { method: 'newt_getTask', params: { task_id: taskId, wait }, retry: 'read' }
}

/** A request with a name, so that asking again after a lost answer makes no second task. */
function named(request: TaskRequest): TaskRequest {
  return { ...request, requestId: request.requestId ?? globalThis.crypto.randomUUID() }
}

/** Asks once more where the gateway is not reached: it may be starting, or another one takes over. */
async function askAgain<value>(
  work: () => Promise<value>,
  signal: AbortSignal | undefined,
): Promise<value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const unavailable = isPolicySdkError(error) && error.code === 'GATEWAY_UNAVAILABLE'
      if (!unavailable || attempt === TRIES) throw toRefusal(error)
      await sleep(250 * 2 ** (attempt - 1), signal)
    }
  }
}

/** A gateway's refusal by its fault; what the gateway client has a class of its own for stays that. */
function toRefusal(error: unknown): unknown {
  if (error instanceof TimeoutError || !isPolicySdkError(error) || !('rpcCode' in error))
    return error
  const fault = typeof error.rpcCode === 'number' ? faultOfCode(error.rpcCode) : undefined
  if (fault === undefined) return error
  const detail = error.shortMessage.replace(/^.*?refuses the call \([A-Z_]+\): /, '')
  return new OperatorRpcError(
    { fault, detail: detail.replace(/\.+$/, ''), by: 'gateway' },
    { cause: error },
  )
}

function refusalOf({ fault, detail }: NonNullable<TaskStatus['failure']>): OperatorRpcError {
  return new OperatorRpcError({ fault, detail, by: 'gateway' })
}
