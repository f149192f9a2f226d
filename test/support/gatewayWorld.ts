/** A gateway over the chain of `attestationWorld`, with operators that a test may change one by one. */
import type { Address, Hex } from 'viem'
import {
  agreeOnGroups,
  commitToOutputs,
  type OutputCommitment,
} from '../../src/attestation/index.js'
import { computeSignableDigest } from '../../src/core/bn254/index.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../src/core/response.js'
import { computeTaskId } from '../../src/core/task.js'
import {
  anyCaller,
  createGateway,
  type EvaluateAndSignParams,
  type GatewayEvent,
  type GatewayParameters,
  memoryGatewayStore,
  type OperatorClient,
  OperatorUnreachableError,
  type SignedEvaluation,
} from '../../src/operator/index.js'
import { createWorld, type World } from './attestationWorld.js'

/** What an operator answers, before it does. */
export type OperatorChange = {
  scores?: number[]
  unreachable?: boolean
  /** Changes the response before it is signed. */
  response?: (response: PolicyTaskResponse) => PolicyTaskResponse
  /** Waits before it answers. */
  before?: (method: string) => Promise<void>
  /** Changes the commitment after it was signed. */
  commitment?: (commitment: OutputCommitment) => OutputCommitment
  /** Changes the answer after it was signed. */
  answer?: (answer: SignedEvaluation) => SignedEvaluation
}

/** An operator of the world, in process. */
export function operatorOf(
  world: World,
  index: number,
  change: OperatorChange = {},
): OperatorClient {
  const operator = world.table.operators[index]?.operator as Address
  const key = world.keys[index] as World['keys'][number]
  const call = async (method: string, params: never): Promise<unknown> => {
    await change.before?.(method)
    if (change.unreachable)
      throw new OperatorUnreachableError({ operator, reason: 'it is cut off' })
    const { task, pcr0Commitment } = params as {
      task: Parameters<World['evaluate']>[0]
      pcr0Commitment: never
    }
    const policyClient = task.policyClient.toLowerCase() as Address
    const honest = world.evaluate(
      { ...task, policyClient },
      {
        ...(change.scores === undefined ? {} : { scores: change.scores }),
        ...(pcr0Commitment === undefined ? {} : { pcr0Commitment }),
      },
    )
    const { inputs, preimage } = honest
    if (method === 'newt_fetchPolicyData') {
      const commitment = await commitToOutputs({
        key,
        operator,
        taskId: computeTaskId(task),
        outputs: inputs.outputs,
      })
      return change.commitment?.(commitment) ?? commitment
    }
    const { outputGroups: groups } = params as EvaluateAndSignParams
    const templates = Object.keys(inputs.outputs) as Hex[]
    await agreeOnGroups({ table: world.table, taskId: computeTaskId(task), templates, groups })
    const response = change.response?.(honest.response) ?? honest.response
    const { referenceTimestamp } = response
    const messageHash = computeMessageHash(response)
    const signature = await key.sign(computeSignableDigest({ referenceTimestamp, messageHash }))
    const answer: SignedEvaluation = {
      ...{ response, preimage, ...inputs, reasons: [], signature },
      document: { bytes: '0xd0', signature },
    }
    return change.answer?.(answer) ?? answer
  }
  return { operator, url: `http://operator-${index}/rpc`, call: call as OperatorClient['call'] }
}

/** A gateway with four honest operators. What is `operators` now is asked for each task. */
export function createGatewayWorld(change: Partial<GatewayParameters> = {}) {
  const world = createWorld()
  const operators = [0, 1, 2, 3].map((index) => operatorOf(world, index))
  const events: GatewayEvent[] = []
  const store = memoryGatewayStore()
  const tables = {
    tableAt: async (block: bigint) => {
      const found = world.state.tables.filter(({ from }) => from <= block).at(-1)
      return found ?? null
    },
  }
  const parameters: GatewayParameters = {
    // A task that was kept comes back with a checksum in its addresses.
    registry: Object.assign(world.registry, {
      snapshot: (
        (read) => (asked: { client: Address; block: bigint }) =>
          read({ ...asked, client: asked.client.toLowerCase() as Address })
      )(world.registry.snapshot),
    }),
    ...{ tables, store },
    operators: () => operators,
    callers: anyCaller(),
    pollInterval: 20,
    onEvent: (event) => events.push(event),
    ...change,
  }
  const gateway = createGateway(parameters)
  return { world, operators, events, store: parameters.store, tables, gateway, parameters }
}
