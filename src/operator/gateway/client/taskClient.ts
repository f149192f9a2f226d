/**
 * Tasks for applications: created at a gateway, verified from chain state before anything is returned.
 * Runs in browsers. A gateway that lies, leaves out or answers something else is found here.
 */
import type { Hex } from 'viem'
import {
  type AttestationReader,
  assertTaskAttestation,
  type SignedTeeDocument,
} from '../../../attestation/index.js'
import type { Bn254Backend } from '../../../core/bn254/index.js'
import type { JsonObject } from '../../../core/canonicalJson.js'
import { evaluateResult } from '../../../core/evaluationResult.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { InvalidInputError } from '../../../errors/common.js'
import { createGatewayClient, type GatewayOptions } from '../../../gateway/index.js'
import { fixedFromHex, toHex } from '../../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import { assertObject, assertOptions } from '../../../internal/options.js'
import type { OperatorRpcError } from '../../rpc/errors.js'
import type { TaskAnswer } from '../../tasks/collecting.js'
import type { OperatorTables } from '../../tasks/tables.js'
import { GatewayAnswerError } from '../errors.js'
import { isDecided, type TaskState } from '../store/store.js'
import { readTaskStatus, type TaskRequest, type TaskStatus, writeTaskRequest } from '../wire.js'
import {
  askAgain,
  assertAsked,
  assertPreimage,
  documentOf,
  keepReasons,
  refusalOf,
  signersOf,
} from './answerChecks.js'
import { followStatus, pollStatus, type StatusSource } from './following.js'
import { assertRequest, readSent, type SentRequest } from './sent.js'

/** Parameters of {@link createTaskClient}. */
export type TaskClientParameters = {
  /** Where the gateway is, and the key for it. */
  gateway: GatewayOptions
  /**
   * Whether `watchTask` is told of changes over a WebSocket instead of asking for them. The key is then part
   * of that connection's URL, which a proxy on the way may log. Where there is no connection, it asks.
   *
   * @default false
   */
  subscribe?: boolean | undefined
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
  /** Computes pairings: such as `mclBackend()` on Node, several times as fast. @default nobleBackend */
  backend?: Bn254Backend | undefined
}

/**
 * A decision that was verified down to a re-run. All of it was compared with what was signed or comes out of
 * the re-run, such as `reasons`, but for `documents`, which are checked only where `reader.documents` is
 * given, and `state`.
 */
export type VerifiedTask = Omit<TaskAnswer, 'faults'> & {
  /** The decision. `false` is a deny that operators signed. */
  allowed: boolean
  /**
   * Where the gateway says that a task which is broadcast stands on chain. Its word, for a progress bar:
   * what a contract has accepted is read with `readAcceptance` of `/registry`.
   */
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

/** A task as {@link TaskClient.readTask} finds it. */
export type TaskReading = {
  taskId: Hex
  state: TaskState
  /** Why there is no decision, for state `failed`. */
  error?: OperatorRpcError | undefined
  /** The decision, verified. */
  result?: VerifiedTask | undefined
}

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
  /**
   * Where a task stands now, whoever asked for it. An answer is verified at level `result`; that it is to a
   * request of yours is for you to see in its `task`.
   *
   * @throws {AttestationError} where the answer does not verify, or has expired.
   */
  readTask(taskId: Hex, options?: IoOptions): Promise<TaskReading>
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
   * The answer to a task that somebody else may have asked for, unverified: for a page that is opened from
   * a link. Whether it is the answer to the right question is for whoever looks at its task.
   *
   * @throws {OperatorRpcError} where there is no decision, or no such task. {@link GatewayAnswerError} where
   * it is of another task, or not there yet.
   */
  getAnswer(taskId: Hex, options?: IoOptions): Promise<UnverifiedAnswer>
  /**
   * Tells each state of a task, with the verified answer as soon as there is one, until it ends. A state is
   * the gateway's word, the answer is not.
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
  assertObject('parameters', parameters)
  assertOptions(
    parameters,
    {
      ...{ gateway: 'object', reader: 'object', tables: 'object' },
      ...{ maxReferenceAge: 'uint', backend: 'object', subscribe: 'flag' },
    },
    { field: 'parameters' },
  )
  const { reader } = parameters
  assertObject('reader', reader)
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
    call: { method: string; params: JsonObject; retry: 'read' | 'task' },
    io: IoOptions,
  ): Promise<TaskStatus> => {
    const answered = await askAgain(() => gateway.request(call, io), io.signal)
    const status = readStatus(answered)
    const { taskId, answer } = status
    if (answer !== undefined && answer.taskId !== taskId) throw ofAnotherTask()
    return status
  }
  const read = async (taskId: Hex, wait: number, io: IoOptions): Promise<TaskStatus> => {
    const params = { task_id: taskId, wait }
    const status = await request({ method: 'newt_getTask', params, retry: 'read' }, io)
    if (status.taskId !== taskId) throw ofAnotherTask()
    return status
  }
  const answerOf = async (
    sent: Pick<SentRequest, 'request' | 'since'> | undefined,
    status: TaskStatus,
    io: IoOptions,
  ): Promise<UnverifiedAnswer> => {
    const { failure, answer, state } = status
    if (failure !== undefined) throw refusalOf(failure)
    if (answer === undefined) throw new GatewayAnswerError({ reason: 'it holds no answer' })
    if (sent !== undefined) assertAsked({ ...sent, task: answer.task }, parameters)
    return { ...answer, state, document: await documentOf(answer, parameters, io) }
  }
  const verify = async (
    sent: Pick<SentRequest, 'request' | 'since'> | undefined,
    status: TaskStatus,
    io: IoOptions,
  ): Promise<VerifiedTask> => {
    const { document, ...answer } = await answerOf(sent, status, io)
    const { task, response, certificate, preimage, inputs } = answer
    assertPreimage(answer)
    const { replayer, reasons } = keepReasons(reader)
    await assertTaskAttestation({
      ...{ reader: { ...reader, replayer } },
      ...{ task, response, certificate, preimage, inputs, document },
      level: 'result',
      backend: parameters.backend,
      signal: io.signal,
    })
    const signers = await signersOf(answer, reader, io)
    const allowed = evaluateResult(response.evaluationResult)
    return { ...answer, signers, reasons: reasons(), allowed }
  }

  const decidedTask = async <value>(
    given: SentRequest,
    options: IoOptions,
    then: (sent: SentRequest, status: TaskStatus, io: IoOptions) => Promise<value>,
  ): Promise<value> => {
    const sent = readSent(given)
    const { signal, timeout = 150_000 } = options
    return withDeadline(`task ${sent.taskId}`, { signal, timeout }, async (inner) => {
      for (;;) {
        const status = await read(sent.taskId, WAIT, { signal: inner })
        if (isDecided(status)) return then(sent, status, { signal: inner })
      }
    })
  }
  const sourceOf = (taskId: Hex): StatusSource => {
    const ask = (wait: number, signal: AbortSignal): Promise<TaskStatus> =>
      read(taskId, wait, { signal })
    if (parameters.subscribe !== true) return pollStatus(ask, WAIT)
    const { subscribe } = gateway
    return followStatus(taskId, {
      ...{ subscribe, ask, wait: WAIT },
      read: (told) => {
        const status = readStatus(told)
        const { answer } = status
        if (status.taskId !== taskId || (answer !== undefined && answer.taskId !== taskId)) {
          throw ofAnotherTask()
        }
        return status
      },
    })
  }
  const waitForTask: TaskClient['waitForTask'] = (sent, options = {}) =>
    decidedTask(sent, options, verify)
  return {
    waitForTask,
    getAnswer: async (taskId, options = {}) => {
      const id = toHex(fixedFromHex(taskId, 32, 'taskId'))
      return withDeadline(`task ${id}`, { timeout: 30_000, ...options }, async (inner) => {
        const status = await read(id, 0, { signal: inner })
        return answerOf(undefined, status, { signal: inner })
      })
    },
    waitForAnswer: (sent, options = {}) => decidedTask(sent, options, answerOf),
    readTask: async (taskId, options = {}) => {
      const id = toHex(fixedFromHex(taskId, 32, 'taskId'))
      const status = await read(id, 0, options)
      const { state, failure } = status
      if (failure !== undefined) return { taskId: id, state, error: refusalOf(failure) }
      if (!isDecided(status)) return { taskId: id, state }
      return { taskId: id, state, result: await verify(undefined, status, options) }
    },
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
    watchTask(watched) {
      assertObject('parameters', watched)
      const { onProgress, onError } = watched
      const sent = readSent(watched.sent)
      const { untilFinal = sent.request.broadcast === true } = watched
      const controller = new AbortController()
      const io = { signal: controller.signal }
      const source = sourceOf(sent.taskId)
      const follow = async (): Promise<void> => {
        let last: TaskStatus | undefined
        let result: VerifiedTask | undefined
        for (;;) {
          const status = await source.next(last, controller.signal)
          const { state, failure } = status
          if (failure !== undefined) {
            onProgress({ state: 'failed', error: refusalOf(failure) })
            return
          }
          if (state !== last?.state) {
            if (isDecided(status)) result ??= await verify(sent, status, io)
            last = status
            onProgress({ state: state as Exclude<TaskState, 'failed'>, result })
          }
          const ended = state === 'final' || state === 'superseded'
          if (ended || (isDecided(status) && !untilFinal)) return
        }
      }
      follow()
        .catch((error: unknown) => {
          if (!controller.signal.aborted) onError(error)
        })
        .finally(source.stop)
      return () => controller.abort()
    },
  }
}

function readStatus(answered: unknown): TaskStatus {
  try {
    return readTaskStatus(answered)
  } catch (cause) {
    const reason = isPolicySdkError(cause) ? cause.shortMessage : 'it is malformed'
    throw new GatewayAnswerError({ reason }, { cause })
  }
}

function ofAnotherTask(): GatewayAnswerError {
  return new GatewayAnswerError({ reason: 'it is of another task' })
}

/** A request with a name, so that asking again after a lost answer makes no second task. */
function named(request: TaskRequest): TaskRequest {
  assertRequest('request', request)
  return { ...request, requestId: request.requestId ?? globalThis.crypto.randomUUID() }
}
