/** Results of `newt_createTask`, ABI-ready for `validateAttestationDirect`. */
import type { Hex } from 'viem'
import { evaluateResult } from '../core/evaluationResult.js'
import {
  computeNewtonConsensusDigest,
  type NewtonPolicyData,
  type NewtonTask,
  type NewtonTaskResponse,
} from '../core/newton/messages.js'
import { GatewayResponseError, GatewayTaskError, type OperatorFailure } from './errors.js'
import {
  addressField,
  bytesField,
  type Fields,
  fieldsOf,
  intentField,
  listField,
  member,
  objectField,
  textField,
  uint32Field,
  uintField,
  wordField,
} from './fields.js'

/** What a task that reached its quorum gives. */
export type CreatedTask = {
  taskId: Hex
  /** The decision, read exactly as the contract reads it. */
  allowed: boolean
  task: NewtonTask
  taskResponse: NewtonTaskResponse
  /** What operators signed: recomputed from `taskResponse`. */
  consensusDigest: Hex
  /** The chain's signature encoding, ready to be passed on. Verify it before relying on it. */
  signatureData: Hex
  referenceBlock: number
  expiration: number
  /** Calldata of `validateAttestationDirect`, where it was asked for. */
  validateCalldata: Hex | undefined
}

/**
 * Reads the result of `newt_createTask`.
 *
 * @throws {GatewayTaskError} when the task did not succeed: there is no decision.
 * @throws {GatewayResponseError} naming the field that is missing or malformed, or when task and
 * response are not of one task.
 */
export function readCreatedTask(result: unknown, method: string): CreatedTask {
  const fields = fieldsOf(result, { path: 'result', method })
  const status = textField(fields, 'status') ?? 'unknown'
  const error = textField(fields, 'error')
  if (status !== 'success' || error !== undefined) {
    const taskId = textField(fields, 'taskId')
    const operatorErrors = readOperatorErrors(fields)
    throw new GatewayTaskError({
      status,
      reason: error ?? 'no reason given',
      taskId,
      operatorErrors,
    })
  }
  const taskId = wordField(fields, 'taskId')
  const task = readTask(objectField(fields, 'task'))
  const taskResponse = readTaskResponse(objectField(fields, 'taskResponse'), taskId)
  for (const id of [task.taskId, taskResponse.taskId]) {
    if (id !== taskId) throw inconsistent(method, `it mixes the tasks ${id} and ${taskId}`)
  }
  if (task.policyClient !== taskResponse.policyClient) {
    throw inconsistent(method, 'task and response are of two clients')
  }
  const calldata = member(fields, 'validateCalldata')
  return {
    taskId,
    allowed: evaluateResult(taskResponse.evaluationResult),
    task,
    taskResponse,
    consensusDigest: computeNewtonConsensusDigest(taskResponse),
    signatureData: bytesField(fields, 'signatureData'),
    referenceBlock: uint32Field(fields, 'referenceBlock'),
    expiration: uint32Field(fields, 'expiration'),
    validateCalldata:
      calldata === undefined || calldata === null
        ? undefined
        : bytesField(fields, 'validateCalldata'),
  }
}

/** Reads a task as the gateway writes it. */
export function readTask(fields: Fields): NewtonTask {
  return {
    taskId: wordField(fields, 'taskId'),
    policyClient: addressField(fields, 'policyClient'),
    taskCreatedBlock: uint32Field(fields, 'taskCreatedBlock'),
    quorumThresholdPercentage: uint32Field(fields, 'quorumThresholdPercentage'),
    intent: intentField(fields, 'intent'),
    intentSignature: bytesField(fields, 'intentSignature'),
    wasmArgs: bytesField(fields, 'wasmArgs'),
    quorumNumbers: bytesField(fields, 'quorumNumbers'),
    initializationTimestamp: uintField(fields, 'initializationTimestamp'),
  }
}

/** Reads a response as the gateway writes it. */
export function readTaskResponse(fields: Fields, taskId: Hex): NewtonTaskResponse {
  const taskData = objectField(fields, 'policyTaskData')
  const config = objectField(fields, 'policyConfig')
  return {
    // Left out by some versions, which answer beside the task's id.
    taskId: member(fields, 'taskId') === undefined ? taskId : wordField(fields, 'taskId'),
    policyClient: addressField(fields, 'policyClient'),
    policyId: wordField(fields, 'policyId'),
    policyAddress: addressField(fields, 'policyAddress'),
    intent: intentField(fields, 'intent'),
    intentSignature: bytesField(fields, 'intentSignature'),
    evaluationResult: bytesField(fields, 'evaluationResult'),
    policyTaskData: {
      policyId: wordField(taskData, 'policyId'),
      policyAddress: addressField(taskData, 'policyAddress'),
      policy: bytesField(taskData, 'policy'),
      policyData: listField(taskData, 'policyData').map((entry, index): NewtonPolicyData => {
        const path = `${taskData.path}.policyData[${index}]`
        const data = fieldsOf(entry, { path, method: fields.method })
        return {
          wasmArgs: bytesField(data, 'wasmArgs'),
          data: bytesField(data, 'data'),
          policyDataAddress: addressField(data, 'policyDataAddress'),
          expireBlock: uint32Field(data, 'expireBlock'),
        }
      }),
    },
    policyConfig: {
      policyParams: bytesField(config, 'policyParams'),
      expireAfter: uint32Field(config, 'expireAfter'),
    },
    initializationTimestamp: uintField(fields, 'initializationTimestamp'),
  }
}

function readOperatorErrors(fields: Fields): OperatorFailure[] {
  const list = member(fields, 'operatorErrors')
  if (!Array.isArray(list)) return []
  return list.slice(0, 256).map((entry: unknown) => {
    if (typeof entry === 'string') return { message: entry, retryable: undefined }
    const { error, message, retryable } = (entry ?? {}) as Record<string, unknown>
    const text = [error, message].find((one) => typeof one === 'string') as string | undefined
    return {
      message: text ?? 'no message',
      retryable: typeof retryable === 'boolean' ? retryable : undefined,
    }
  })
}

function inconsistent(method: string, reason: string): GatewayResponseError {
  return new GatewayResponseError({ method, reason })
}
