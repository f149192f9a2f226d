/**
 * What clients send to a gateway and what it answers, as JSON. Requests have the names of the current
 * protocol; tasks, responses and certificates travel as the bytes that are hashed, signed and checked
 * on chain. One file for both sides.
 */
import type { Address, Hex } from 'viem'
import { decodeCertificate, decodeG1, encodeCertificate, encodeG1 } from '../../core/bn254/index.js'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { decodeDigestPreimage, encodeDigestPreimage } from '../../core/digest.js'
import { assertIntent, type Intent } from '../../core/intent.js'
import { decodeResponse, encodeResponse } from '../../core/response.js'
import { computeTaskId, decodeTask, encodeTask } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { writeAddress, writeBytes, writeIntent } from '../../gateway/requests.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { type RpcFault, rpcFaults } from '../rpc/faults.js'
import {
  readAddress,
  readByWord,
  readHex,
  readList,
  readMembers,
  readText,
  readWord,
} from '../rpc/fields.js'
import type { TaskAnswer } from '../tasks/collecting.js'
import { type TaskState, taskStates } from './store/store.js'

/** What a client asks to be evaluated. */
export type TaskRequest = {
  policyClient: Address
  intent: Intent
  /** UTF-8 JSON as hex, for the policy's plugins. @default '0x' */
  wasmArgs?: Hex | undefined
  /** Milliseconds for operators to decide, 1,000 to 120,000. @default 30_000 */
  timeout?: number | undefined
  /** Whether the gateway lands the answer on chain. @default false */
  broadcast?: boolean | undefined
  /** A name of the caller's own: asking again under it gives the same task, never a second one. */
  requestId?: string | undefined
}

/** Where a task stands, as it is told. */
export type TaskStatus = {
  taskId: Hex
  /** What updates of the task are called. */
  topic: string
  state: TaskState
  /** Where the task has failed. */
  failure?: { fault: RpcFault; detail: string; code?: string | undefined } | undefined
  /** From state `signed` on. Nothing of it is verified yet. */
  answer?: Omit<TaskAnswer, 'faults'> | undefined
}

/** Most bytes of `wasm_args`. */
const MAX_ARGS = 65_536

/** Writes `newt_createTask` and `newt_sendTask`. @throws {InvalidInputError} naming the member. */
export function writeTaskRequest(request: TaskRequest): JsonObject {
  const { wasmArgs, timeout, broadcast, requestId } = request
  if (timeout !== undefined && !(timeout >= 1_000 && timeout <= 120_000)) {
    throw new InvalidInputError({ field: 'timeout', reason: 'expected 1,000 to 120,000 ms' })
  }
  if (requestId !== undefined && !isRequestId(requestId)) throw badRequestId('requestId')
  return {
    policy_client: writeAddress(request.policyClient, 'policyClient').toLowerCase(),
    intent: lowered(writeIntent(request.intent) as JsonObject),
    ...(wasmArgs === undefined
      ? {}
      : { wasm_args: (writeBytes(wasmArgs, 'wasmArgs') as Hex).toLowerCase() }),
    ...(timeout === undefined ? {} : { timeout: timeout / 1_000 }),
    ...(broadcast === undefined ? {} : { direct_broadcast: broadcast }),
    ...(requestId === undefined ? {} : { request_id: requestId }),
  }
}

/** Reads {@link writeTaskRequest}. @throws {InvalidInputError} naming the member. */
export function readTaskRequest(value: Json | undefined): TaskRequest {
  const request = readMembers(value, 'params', {
    required: ['policy_client', 'intent'],
    optional: ['wasm_args', 'timeout', 'direct_broadcast', 'request_id'],
  })
  const { wasm_args: args, timeout, direct_broadcast: broadcast, request_id: id } = request
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 1 && timeout <= 120)) {
    throw new InvalidInputError({ field: 'params.timeout', reason: 'expected 1 to 120 seconds' })
  }
  if (broadcast !== undefined && typeof broadcast !== 'boolean') {
    throw new InvalidInputError({ field: 'params.direct_broadcast', reason: 'expected a boolean' })
  }
  if (id !== undefined && !(typeof id === 'string' && isRequestId(id))) {
    throw badRequestId('params.request_id')
  }
  return {
    policyClient: readAddress(request['policy_client'], 'params.policy_client'),
    intent: readIntent(request['intent'], 'params.intent'),
    wasmArgs: args === undefined ? '0x' : readPrefixed(args, 'params.wasm_args', MAX_ARGS),
    timeout: timeout === undefined ? undefined : timeout * 1_000,
    broadcast: broadcast === true,
    requestId: id as string | undefined,
  }
}

/**
 * Writes an answer as JSON: the one form in which it travels, is kept in a file, and is verified from.
 *
 * @example
 * ```ts
 * import { writeTaskAnswer } from '@newton/policy-sdk/operator'
 *
 * const text = JSON.stringify(writeTaskAnswer(await tasks.createTask({ policyClient, intent })))
 * ```
 */
export function writeTaskAnswer(answer: Omit<TaskAnswer, 'faults'>): JsonObject {
  return {
    task: encodeTask(answer.task),
    response: encodeResponse(answer.response),
    certificate: encodeCertificate(answer.certificate),
    preimage: toHex(encodeDigestPreimage(answer.preimage)),
    outputs: answer.inputs.outputs as JsonObject,
    secrets: answer.inputs.secrets as JsonObject,
    reasons: [...answer.reasons],
    signers: [...answer.signers],
    documents: answer.documents.map(({ operator, bytes, signature }) => ({
      operator: operator.toLowerCase(),
      bytes,
      signature: toHex(encodeG1(signature)),
    })),
  }
}

/** Reads {@link writeTaskAnswer}. @throws {InvalidInputError} naming the member. */
export function readTaskAnswer(
  value: Json | undefined,
  path = 'answer',
): Omit<TaskAnswer, 'faults'> {
  const at = (name: string): string => `${path}.${name}`
  const required = [
    ...['task', 'response', 'certificate', 'preimage', 'outputs', 'secrets'],
    ...['reasons', 'signers', 'documents'],
  ]
  const answer = readMembers(value, path, { required })
  const hex = (name: string): Hex => readHex(answer[name], at(name))
  const task = decodeTask(hex('task'))
  return {
    task,
    taskId: computeTaskId(task),
    response: decodeResponse(hex('response')),
    certificate: decodeCertificate(hex('certificate')),
    preimage: decodeDigestPreimage(fromHex(hex('preimage'))),
    inputs: {
      outputs: readByWord(answer['outputs'], at('outputs'), (output) => output),
      secrets: readByWord(answer['secrets'], at('secrets'), readWord),
    },
    reasons: readList(answer['reasons'], at('reasons'), 1_024).map((reason, index) =>
      readText(reason, at(`reasons[${index}]`), 65_536),
    ),
    signers: readList(answer['signers'], at('signers'), 4_096).map((index) => {
      if (typeof index === 'number' && Number.isInteger(index) && index >= 0) return index
      throw new InvalidInputError({ field: at('signers'), reason: 'expected indices' })
    }),
    documents: readList(answer['documents'], at('documents'), 4_096).map((entry, index) => {
      const where = at(`documents[${index}]`)
      const members = { required: ['operator', 'bytes', 'signature'] }
      const { operator, bytes, signature } = readMembers(entry, where, members)
      return {
        operator: readAddress(operator, `${where}.operator`),
        bytes: readHex(bytes, `${where}.bytes`, 65_536),
        signature: decodeG1(fromHex(readHex(signature, `${where}.signature`, 64))),
      }
    }),
  }
}

/** Writes where a task stands. `answer` is the text of {@link writeTaskAnswer}. */
export function writeTaskStatus(
  status: Omit<TaskStatus, 'answer' | 'topic'> & { answer?: JsonObject | undefined },
): JsonObject {
  const { taskId, state, failure, answer } = status
  return {
    task_id: taskId,
    subscription_topic: topicOf(taskId),
    state,
    ...(failure === undefined
      ? {}
      : {
          failure: {
            code: rpcFaults[failure.fault].code,
            name: failure.fault,
            message: failure.detail,
            retryable: rpcFaults[failure.fault].retryable,
            ...(failure.code === undefined ? {} : { error: failure.code }),
          },
        }),
    ...(answer === undefined ? {} : { answer }),
  }
}

/** Reads {@link writeTaskStatus}. @throws {InvalidInputError} naming the member. */
export function readTaskStatus(value: unknown): TaskStatus {
  const status = readMembers(value as Json, 'result', {
    required: ['task_id', 'subscription_topic', 'state'],
    optional: ['failure', 'answer', 'timestamp'],
  })
  const { state, failure, answer } = status
  if (!taskStates.includes(state as TaskState)) {
    throw new InvalidInputError({ field: 'result.state', reason: 'there is no such state' })
  }
  // What has no decision says why, and what has one does not: a task that failed is never an answer alone.
  if ((state === 'failed') !== (failure !== undefined)) {
    const reason = `it does not go with state ${state as TaskState}`
    throw new InvalidInputError({ field: 'result.failure', reason })
  }
  return {
    taskId: readWord(status['task_id'], 'result.task_id'),
    topic: readText(status['subscription_topic'], 'result.subscription_topic', 128),
    state: state as TaskState,
    ...(failure === undefined ? {} : { failure: readFailure(failure) }),
    ...(answer === undefined ? {} : { answer: readTaskAnswer(answer, 'result.answer') }),
  }
}

/** What updates of a task are called. */
export function topicOf(taskId: Hex): string {
  return `newton.task.${taskId}`
}

function readFailure(value: Json): NonNullable<TaskStatus['failure']> {
  const { name, message, error } = readMembers(value, 'result.failure', {
    required: ['code', 'name', 'message', 'retryable'],
    optional: ['error'],
  })
  if (typeof name !== 'string' || !Object.hasOwn(rpcFaults, name)) {
    throw new InvalidInputError({ field: 'result.failure.name', reason: 'there is no such fault' })
  }
  return {
    fault: name as RpcFault,
    detail: readText(message, 'result.failure.message', 4_096),
    ...(error === undefined ? {} : { code: readText(error, 'result.failure.error', 128) }),
  }
}

function readIntent(value: Json | undefined, path: string): Intent {
  const required = ['from', 'to', 'value', 'data', 'chain_id', 'function_signature']
  const fields = readMembers(value, path, { required })
  const intent: Intent = {
    from: readAddress(fields['from'], `${path}.from`),
    to: readAddress(fields['to'], `${path}.to`),
    value: readQuantity(fields['value'], `${path}.value`),
    data: readHex(fields['data'], `${path}.data`),
    chainId: readQuantity(fields['chain_id'], `${path}.chain_id`),
    functionSignature: readHex(fields['function_signature'], `${path}.function_signature`),
  }
  assertIntent(intent, path)
  return intent
}

function readQuantity(value: Json | undefined, path: string): bigint {
  if (typeof value === 'string' && /^0x(?:0|[1-9a-f][0-9a-f]{0,63})$/.test(value)) {
    return BigInt(value)
  }
  throw new InvalidInputError({ field: path, reason: 'expected a quantity in minimal hex' })
}

/** Hex whose prefix may be missing, as the current protocol's clients send it. */
function readPrefixed(value: Json, path: string, maxBytes: number): Hex {
  const text = typeof value === 'string' && !value.startsWith('0x') ? `0x${value}` : value
  return readHex(text, path, maxBytes)
}

function isRequestId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id)
}

function badRequestId(field: string): InvalidInputError {
  return new InvalidInputError({ field, reason: 'expected 1 to 128 visible ASCII characters' })
}

function lowered(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.toLowerCase() : value,
    ]),
  ) as JsonObject
}
