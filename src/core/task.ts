/**
 * A task: one request for an evaluation. Its id is a hash of all of it.
 *
 * `taskId = keccak256(abi.encode(keccak256("NewtonPolicyTaskV1"), task))`
 */
import { type Address, decodeAbiParameters, encodeAbiParameters, type Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex, toHex, utf8 } from '../internal/bytes.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { assertIntent, assertUint, type Intent, intentAbi } from './intent.js'

/** One request for an evaluation. */
export type Task = {
  chainId: bigint
  policyRegistry: Address
  policyClient: Address
  intent: Intent
  /** UTF-8 JSON object for the plugins, or none. */
  wasmArgs: Hex
  /** All on-chain reads of the task are made at this block. */
  referenceBlock: bigint
  referenceBlockHash: Hex
  nonce: bigint
}

/** ABI parameter of {@link Task}. */
export const taskAbi = {
  name: 'task',
  type: 'tuple',
  components: [
    { name: 'chainId', type: 'uint256' },
    { name: 'policyRegistry', type: 'address' },
    { name: 'policyClient', type: 'address' },
    { name: 'intent', type: 'tuple', components: intentAbi },
    { name: 'wasmArgs', type: 'bytes' },
    { name: 'referenceBlock', type: 'uint64' },
    { name: 'referenceBlockHash', type: 'bytes32' },
    { name: 'nonce', type: 'uint64' },
  ],
} as const

/** `keccak256("NewtonPolicyTaskV1")`. */
export const POLICY_TASK_TYPEHASH: Hex = toHex(keccak(utf8('NewtonPolicyTaskV1')))

/**
 * Computes the id of a task.
 *
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeTaskId, type Task } from '@newton/policy-sdk'
 *
 * declare const task: Task
 * computeTaskId(task)
 * ```
 */
export function computeTaskId(task: Task): Hex {
  assertTask(task)
  const encoded = encodeAbiParameters([{ type: 'bytes32' }, taskAbi], [POLICY_TASK_TYPEHASH, task])
  return keccakHex(fromHex(encoded))
}

/** Encodes a task as `abi.encode(task)`. Throws `InvalidInputError` naming the malformed member. */
export function encodeTask(task: Task): Hex {
  assertTask(task)
  return encodeAbiParameters([taskAbi], [task])
}

/**
 * Decodes `abi.encode(task)`.
 *
 * @throws {InvalidInputError} where the bytes are no task, or not its one canonical encoding.
 */
export function decodeTask(encoded: Hex): Task {
  fromHex(encoded, 'task')
  let task: Task
  try {
    ;[task] = decodeAbiParameters([taskAbi], encoded)
  } catch (cause) {
    throw new InvalidInputError({ field: 'task', reason: 'expected abi.encode(Task)' }, { cause })
  }
  // A second encoding of one value would be a second name for it.
  if (encodeTask(task) !== encoded.toLowerCase()) {
    throw new InvalidInputError({ field: 'task', reason: 'not the canonical ABI encoding' })
  }
  return task
}

/** Checks the shape of a task. Throws `InvalidInputError` naming the malformed member. */
export function assertTask(task: Task): void {
  if (typeof task !== 'object' || task === null) {
    throw new InvalidInputError({ field: 'task', reason: 'expected an object' })
  }
  assertUint(task.chainId, 32, 'task.chainId')
  fixedFromHex(task.policyRegistry, 20, 'task.policyRegistry')
  fixedFromHex(task.policyClient, 20, 'task.policyClient')
  assertIntent(task.intent, 'task.intent')
  fromHex(task.wasmArgs, 'task.wasmArgs')
  assertUint(task.referenceBlock, 8, 'task.referenceBlock')
  fixedFromHex(task.referenceBlockHash, 32, 'task.referenceBlockHash')
  assertUint(task.nonce, 8, 'task.nonce')
}
