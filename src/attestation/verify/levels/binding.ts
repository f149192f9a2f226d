/** Level `binding`: task, response, chain and reference block belong together. */
import { computeIntentHash } from '../../../core/intent.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import { assertResponse, type PolicyTaskResponse } from '../../../core/response.js'
import { assertTask, computeTaskId, type Task } from '../../../core/task.js'
import { BaseError } from '../../../errors/base.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { InconclusiveError } from '../errors.js'
import type { RejectReason } from '../outcome.js'
import { obtain } from '../reader.js'

/** A refusal: a reason and the fact behind it. */
export type Refusal = { reason: RejectReason; detail: string }

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/**
 * Checks what needs no chain but its identity. `undefined` where all agrees.
 *
 * @param parameters.taskChecked - The chain compared task and response; the task is not here.
 */
export function checkBinding(parameters: {
  registry: RegistryReader
  task: Task | null
  taskChecked: boolean
  response: PolicyTaskResponse
}): Refusal | undefined {
  const { registry, task, taskChecked, response } = parameters
  const malformed =
    shapeFault('MALFORMED_TASK', () => taskChecked || assertTask(task as Task)) ??
    shapeFault('MALFORMED_RESPONSE', () => assertResponse(response))
  if (malformed !== undefined) return malformed
  if (response.chainId !== registry.chainId) {
    const detail = `the response is for chain ${response.chainId}, this one is ${registry.chainId}`
    return { reason: 'CROSS_CHAIN_REPLAY', detail }
  }
  if (!same(response.policyRegistry, registry.policyRegistry)) {
    const detail = `the response is for the registry ${response.policyRegistry}`
    return { reason: 'CROSS_CHAIN_REPLAY', detail }
  }
  return taskChecked ? undefined : checkTask(task as Task, response)
}

function checkTask(task: Task, response: PolicyTaskResponse): Refusal | undefined {
  const mismatch = (detail: string): Refusal => ({ reason: 'TASK_MISMATCH', detail })
  if (
    task.referenceBlock !== response.referenceBlock ||
    !same(task.referenceBlockHash, response.referenceBlockHash)
  ) {
    const detail = 'the reference block of the response is not that of the task'
    return { reason: 'REFERENCE_BLOCK_MISMATCH', detail }
  }
  if (!same(computeTaskId(task), response.taskId)) return mismatch('the task has another id')
  if (task.chainId !== response.chainId) return mismatch('the task is for another chain')
  if (!same(task.policyRegistry, response.policyRegistry)) {
    return mismatch('the task is for another registry')
  }
  if (!same(task.policyClient, response.policyClient)) {
    return mismatch('the task is for another client')
  }
  if (!same(computeIntentHash(task.intent), response.intentHash)) {
    return mismatch('the intent has another hash')
  }
  if (task.intent.chainId !== response.chainId) {
    return mismatch(`the intent is for chain ${task.intent.chainId}`)
  }
  return undefined
}

/**
 * Checks the reference block against the chain, and expiry at block `at`.
 *
 * @param parameters.at - Block at which validity is judged; the newest one by default.
 * @throws {InconclusiveError} when the chain cannot be read, or the block is not mined here yet.
 */
export async function checkReferenceBlock(
  parameters: { registry: RegistryReader; response: PolicyTaskResponse; at: bigint | undefined },
  options: IoOptions,
): Promise<Refusal | undefined> {
  const { registry, response } = parameters
  const { referenceBlock, expirationBlock } = response
  const { signal } = options
  const [at, block] = await obtain({ reason: 'RPC_FAILED', detail: 'reading blocks', signal }, () =>
    Promise.all([
      parameters.at ?? registry.getLatestBlock(options).then((latest) => latest.number),
      registry.getBlock(referenceBlock, options),
    ]),
  )
  if (referenceBlock > at) {
    const detail = `the reference block ${referenceBlock} is after block ${at}`
    return { reason: 'REFERENCE_BLOCK_MISMATCH', detail }
  }
  if (block === null) {
    const detail = `this node does not have block ${referenceBlock} yet`
    throw new InconclusiveError({ reason: 'REFERENCE_BLOCK_UNAVAILABLE', detail })
  }
  if (!same(block.hash, response.referenceBlockHash)) {
    const detail = `block ${referenceBlock} has the hash ${block.hash}, not ${response.referenceBlockHash}`
    return { reason: 'REFERENCE_BLOCK_MISMATCH', detail }
  }
  if (at >= expirationBlock) {
    return { reason: 'EXPIRED', detail: `it ended before block ${expirationBlock}, this is ${at}` }
  }
  return undefined
}

function shapeFault(
  reason: 'MALFORMED_TASK' | 'MALFORMED_RESPONSE',
  check: () => unknown,
): Refusal | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    const detail = error instanceof BaseError ? error.shortMessage : 'it has another shape'
    return { reason, detail }
  }
}
