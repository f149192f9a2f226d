/** The SDK's own evaluation service as an application: tasks on chain in, attested responses out. */

import type { EvaluationRequest, Evaluator } from '../core/interfaces/evaluator.js'
import { decodeResponse, encodeResponse, type PolicyTaskResponse } from '../core/response.js'
import { decodeTask, encodeTask, type Task } from '../core/task.js'
import { InvalidInputError } from '../errors/common.js'
import { fromHex, toHex } from '../internal/bytes.js'
import { defineEnclaveApp, defineRequest, type EnclaveApp, type RequestRoute } from './app/app.js'
import { readCbor } from './cbor/read.js'
import { writeCbor } from './cbor/write.js'
import { computeTaskUserData, encodeResult } from './evaluate/messages/result.js'
import type { Codec } from './store/codec.js'

/** A task that a chain asks to be evaluated. */
export type TaskEvent = { task: Task; referenceTimestamp: number }

/** An evaluated task: the response that operators sign, and what it was decided on. */
export type EvaluatedTask = {
  response: PolicyTaskResponse
  /** Reasons, outputs, transcript and engine as canonical JSON. */
  result: string
}

/** What is submitted for a task: its response and the document that attests it. */
export type EvaluatedTransaction = EvaluatedTask & { document: Uint8Array }

/** The routes of the service. */
export type EvaluationRoutes = { evaluate: RequestRoute<EvaluationRequest, EvaluatedTask> }

/** The service as an application. */
export type EvaluationApp = EnclaveApp<TaskEvent, EvaluationRoutes, EvaluatedTransaction>

/**
 * Defines the evaluation service.
 *
 * The document of each answer carries `keccak256(taskId ‖ messageHash)`, as the contracts check it. An
 * evaluation that ends in no decision is an error and stays in the inbox.
 *
 * @param parameters.evaluator - Inside the enclave: what evaluates. The host's side never calls it.
 */
export function defineEvaluationService(parameters: {
  evaluator: Evaluator
  /** Measurement that the signing requests name. */
  pcr0Commitment?: EvaluationRequest['pcr0Commitment']
}): EvaluationApp {
  const { evaluator, pcr0Commitment } = parameters
  return defineEnclaveApp<TaskEvent, EvaluationRoutes, EvaluatedTransaction>({
    name: 'newton-policy-evaluation',
    requests: {
      evaluate: defineRequest({
        input: evaluationRequestCodec,
        output: evaluatedTaskCodec,
        handle: async (request) => {
          const evaluation = await evaluator.evaluate(request)
          return { response: evaluation.response, result: encodeResult(evaluation) }
        },
        userData: (_, { response }) => computeTaskUserData(response),
      }),
    },
    events: {
      taskCreated: {
        matches: ({ task }) => task !== undefined,
        build: ({ event }) => ({ type: 'evaluate', input: { ...event, pcr0Commitment } }),
        transaction: ([answer], { document }) =>
          answer === undefined ? undefined : { ...answer.output, document },
      },
    },
  })
}

/** A request as bytes. Outputs that operators agreed on do not travel this way. */
export const evaluationRequestCodec: Codec<EvaluationRequest> = {
  encode: ({ task, pcr0Commitment, referenceTimestamp }) =>
    writeCbor({
      task: fromHex(encodeTask(task)),
      referenceTimestamp,
      pcr0Commitment: pcr0Commitment === undefined ? undefined : fromHex(pcr0Commitment),
    }),
  decode: (bytes) => {
    const map = mapOf(bytes)
    const pcr0Commitment = map.get('pcr0Commitment')
    return {
      task: decodeTask(toHex(bytesOf(map.get('task'), 'task'))),
      referenceTimestamp: numberOf(map.get('referenceTimestamp')),
      pcr0Commitment:
        pcr0Commitment === undefined ? undefined : toHex(bytesOf(pcr0Commitment, 'pcr0Commitment')),
    }
  },
}

/** An event as bytes, for the host's inbox. */
export const taskEventCodec: Codec<TaskEvent> = {
  encode: ({ task, referenceTimestamp }) =>
    evaluationRequestCodec.encode({ task, referenceTimestamp }),
  decode: (bytes) => {
    const { task, referenceTimestamp } = evaluationRequestCodec.decode(bytes)
    return { task, referenceTimestamp }
  },
}

/** An answer as bytes. */
export const evaluatedTaskCodec: Codec<EvaluatedTask> = {
  encode: ({ response, result }) =>
    writeCbor({ response: fromHex(encodeResponse(response)), result }),
  decode: (bytes) => {
    const map = mapOf(bytes)
    const result = map.get('result')
    if (typeof result !== 'string') throw bad('result')
    return { response: decodeResponse(toHex(bytesOf(map.get('response'), 'response'))), result }
  },
}

/** What is submitted, as bytes, for the host's outbox. */
export const evaluatedTransactionCodec: Codec<EvaluatedTransaction> = {
  encode: ({ document, ...task }) => writeCbor({ task: evaluatedTaskCodec.encode(task), document }),
  decode: (bytes) => {
    const map = mapOf(bytes)
    const task = evaluatedTaskCodec.decode(bytesOf(map.get('task'), 'task'))
    return { ...task, document: bytesOf(map.get('document'), 'document') }
  },
}

function mapOf(bytes: Uint8Array): ReadonlyMap<unknown, unknown> {
  const value = readCbor(bytes, { form: 'strict' })
  if (value instanceof Map) return value
  throw bad('bytes')
}

function bytesOf(value: unknown, field: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw bad(field)
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  throw bad('referenceTimestamp')
}

function bad(field: string): InvalidInputError {
  return new InvalidInputError({ field, reason: 'missing or of another type' })
}
