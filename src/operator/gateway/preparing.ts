/**
 * From a request to a task that operators can be asked for. What cannot be decided is answered here,
 * with the error that a simulation gives, before any operator is asked.
 */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import { chainConstants } from '../../core/chains.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import type { Task } from '../../core/task.js'
import { planEvaluation } from '../../eval/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { refuse } from '../rpc/envelope.js'
import type { TaskRequest } from './wire.js'

/** What a task is made with. */
export type PrepareParameters = {
  registry: RegistryReader
  /** Blocks that the reference block is behind the head. @default the chain table's */
  referenceDelay?: bigint | undefined
  /** `keccak256(PCR0)` of the build that operators are asked for; zero where none is. */
  pcr0Commitment: Hex
  randomBytes: (length: number) => Uint8Array
}

/** A task with what the registries hold for it. */
export type PreparedTask = { task: Task; snapshot: RegistrySnapshot }

/**
 * Makes a task of a request.
 *
 * @throws {OperatorRpcError} `CLIENT_NOT_ACTIVE`, `ENCLAVE_MISSING`, `NOT_READY`.
 * @throws The typed error of the first thing that is missing for an evaluation.
 */
export async function prepareTask(
  request: TaskRequest,
  parameters: PrepareParameters,
  options?: IoOptions,
): Promise<PreparedTask> {
  const { registry, pcr0Commitment, randomBytes } = parameters
  const { policyClient, intent, wasmArgs = '0x' } = request
  const { chainId, policyRegistry } = registry
  if (intent.chainId !== chainId) {
    const detail = `the intent is for chain ${intent.chainId}, this gateway is of chain ${chainId}`
    throw refuse('FOREIGN_CHAIN', detail, { by: 'gateway' })
  }
  const delay = parameters.referenceDelay ?? chainConstants(chainId).referenceDelay
  const [head, client] = await Promise.all([
    registry.getLatestBlock(options),
    registry.getClient(policyClient, options),
  ])
  if (client === null || client.active !== true) {
    const detail = `${policyClient} is not a client that is registered and active`
    throw refuse('CLIENT_NOT_ACTIVE', detail, { by: 'gateway' })
  }
  if (head.number < delay) throw refuse('NOT_READY', 'the chain is too young', { by: 'gateway' })
  const snapshot = await registry.snapshot(
    { client: policyClient, block: head.number - delay },
    options,
  )
  if (snapshot.policyInstanceId === null && delay > 0n) {
    const now = await registry.snapshot({ client: policyClient, block: head.number }, options)
    if (now.policyInstanceId !== null) {
      const at = snapshot.block.number
      const detail = `the policy became current after block ${at}, which a task of now refers to: ask again ${delay} blocks later`
      throw refuse('NOT_READY', detail, { by: 'gateway' })
    }
  }
  const task: Task = {
    chainId,
    policyRegistry,
    policyClient,
    intent,
    wasmArgs,
    referenceBlock: snapshot.block.number,
    referenceBlockHash: snapshot.block.hash,
    nonce: randomUint63(randomBytes),
  }
  await assertDecidable({ task, snapshot }, { registry, pcr0Commitment }, options)
  return { task, snapshot }
}

/** Refuses a task that no operator could decide. Throws as {@link prepareTask} does. */
async function assertDecidable(
  { task, snapshot }: PreparedTask,
  { registry, pcr0Commitment }: { registry: RegistryReader; pcr0Commitment: Hex },
  options: IoOptions | undefined,
): Promise<void> {
  const { enclaveRequired } = planEvaluation({ task, snapshot, pcr0Commitment })
  const named = pcr0Commitment !== ZERO_HASH
  if (enclaveRequired && !named) {
    const detail = 'the policy is evaluated in an enclave only, and this gateway asks for no build'
    throw refuse('ENCLAVE_MISSING', detail, { by: 'gateway' })
  }
  if (!named) return
  const block = task.referenceBlock
  if ((await registry.isEnclaveWhitelistedAt({ pcr0Commitment, block }, options)) === true) return
  const detail = `the build ${pcr0Commitment} is not whitelisted at block ${block}`
  throw refuse('ENCLAVE_MISSING', detail, { by: 'gateway' })
}

function randomUint63(randomBytes: (length: number) => Uint8Array): bigint {
  let value = 0n
  for (const byte of randomBytes(8)) value = (value << 8n) | BigInt(byte)
  return value >> 1n
}
