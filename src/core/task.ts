/**
 * A task: one request for an evaluation. Its id is a hash of all of it.
 *
 * `taskId = keccak256(abi.encode(keccak256("NewtonPolicyTaskV1"), task))`
 */
import { type Address, decodeAbiParameters, type Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, fromHex, toHex, uintToBytes, utf8 } from '../internal/bytes.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { bigintBytes, hashIntentBytes, type Intent, intentAbi, intentBytes } from './intent.js'

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
const typeHash = fromHex(POLICY_TASK_TYPEHASH)

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
  return hashTuple(taskBytes(task))
}

/**
 * Computes the id of a task and the hash of its intent, reading it once.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeTaskHashes(task: Task): { taskId: Hex; intentHash: Hex } {
  const bytes = taskBytes(task)
  return { taskId: hashTuple(bytes), intentHash: hashIntentBytes(bytes.intent) }
}

/** Encodes a task as `abi.encode(task)`. Throws `InvalidInputError` naming the malformed member. */
export function encodeTask(task: Task): Hex {
  return toHex(concat(word(32), taskTuple(taskBytes(task))))
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
  taskBytes(task)
}

function taskBytes(task: Task) {
  if (typeof task !== 'object' || task === null) {
    throw new InvalidInputError({ field: 'task', reason: 'expected an object' })
  }
  return {
    chainId: bigintBytes(task.chainId, 32, 'task.chainId'),
    policyRegistry: fixedFromHex(task.policyRegistry, 20, 'task.policyRegistry'),
    policyClient: fixedFromHex(task.policyClient, 20, 'task.policyClient'),
    intent: intentBytes(task.intent, 'task.intent'),
    wasmArgs: fromHex(task.wasmArgs, 'task.wasmArgs'),
    referenceBlock: bigintBytes(task.referenceBlock, 8, 'task.referenceBlock'),
    referenceBlockHash: fixedFromHex(task.referenceBlockHash, 32, 'task.referenceBlockHash'),
    nonce: bigintBytes(task.nonce, 8, 'task.nonce'),
  }
}

function hashTuple(bytes: ReturnType<typeof taskBytes>): Hex {
  return keccakHex(typeHash, word(64), taskTuple(bytes))
}

/** The tuple as the ABI encodes it: heads, then the dynamic members in their order. */
function taskTuple(bytes: ReturnType<typeof taskBytes>): Uint8Array {
  const { from, to, value, data, chainId, functionSignature } = bytes.intent
  const intentAt = 8 * 32
  const signatureAt = 6 * 32 + dynamicLength(data)
  const argsAt = intentAt + signatureAt + dynamicLength(functionSignature)
  const tuple = new Uint8Array(argsAt + dynamicLength(bytes.wasmArgs))
  putWords(tuple, 0, [
    bytes.chainId,
    bytes.policyRegistry,
    bytes.policyClient,
    intentAt,
    argsAt,
    bytes.referenceBlock,
    bytes.referenceBlockHash,
    bytes.nonce,
  ])
  putWords(tuple, intentAt, [from, to, value, 6 * 32, chainId, signatureAt])
  putDynamic(tuple, intentAt + 6 * 32, data)
  putDynamic(tuple, intentAt + signatureAt, functionSignature)
  putDynamic(tuple, argsAt, bytes.wasmArgs)
  return tuple
}

function word(value: number): Uint8Array {
  return uintToBytes(value, 32)
}

/** Numbers, and bytes of up to 32, each at the end of its word. */
function putWords(out: Uint8Array, start: number, words: readonly (Uint8Array | number)[]): void {
  let end = start
  for (const given of words) {
    end += 32
    const bytes = typeof given === 'number' ? word(given) : given
    out.set(bytes, end - bytes.length)
  }
}

/** Length, bytes, and zeros up to the next word. */
function dynamicLength(bytes: Uint8Array): number {
  return 32 + Math.ceil(bytes.length / 32) * 32
}

function putDynamic(out: Uint8Array, at: number, bytes: Uint8Array): void {
  putWords(out, at, [bytes.length])
  out.set(bytes, at + 32)
}
