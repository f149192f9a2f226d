/** Logs of the registries on a chain in memory, and what the contracts would hold after them. */
import {
  type Abi,
  type Address,
  encodeAbiParameters,
  encodeEventTopics,
  type Hex,
  toHex,
} from 'viem'
import { policyRegistryAbi } from '../../src/core/abi/policyRegistryAbi.js'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../src/core/artifact.js'
import {
  computeParamsHash,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../src/core/ids.js'
import type { ChainEvents } from '../../src/core/interfaces/chainEvents.js'
import { createChainEvents } from '../../src/registry/index.js'
import { fakeClient, type RpcHandler } from './fakeNode.js'
import { type BareLog, createLogChain } from './logChain.js'

export const policyRegistry: Address = `0x${'a1'.repeat(20)}`
export const policyDataRegistry: Address = `0x${'a2'.repeat(20)}`
export const addresses = { policyRegistry, policyDataRegistry }

/** An address by number. */
export const account = (n: number): Address => toHex(n, { size: 20 })

/** A log as the contract would write it. */
export function logOf(eventName: string, args: Record<string, unknown>): BareLog {
  const abi = policyRegistryAbi as Abi
  const event = abi.find((one) => one.type === 'event' && one.name === eventName)
  const inputs = (
    event as unknown as { inputs: { name: string; type: string; indexed?: boolean }[] }
  ).inputs
  const plain = inputs.filter(({ indexed }) => indexed !== true)
  return {
    address: policyRegistry,
    topics: encodeEventTopics({ abi, eventName, args } as never) as Hex[],
    data: encodeAbiParameters(plain, plain.map(({ name }) => args[name]) as never),
  }
}

export type PolicyChain = ReturnType<typeof createPolicyChain>

/** A chain with one template, on which instances are deployed and slots are moved. */
export function createPolicyChain() {
  const chain = createLogChain()
  const row = { regoHash: toHex(7, { size: 32 }), paramsSchemaHash: ARTIFACT_ABSENT, refs: [] }
  const templateId = computePolicyTemplateId({ ...row, policyDataTemplateRefs: [] })
  chain.mine([logOf('PolicyTemplateRegistered', { ...row, id: templateId, author: account(1) })])
  // What each block did to slots, so that a reorganization takes it back.
  const moves: { block: number; client: Address; id: Hex }[] = []
  let count = 0
  const slotAt = (client: Address, block: number): Hex | null =>
    moves.filter((one) => one.client === client && one.block <= block).at(-1)?.id ?? null

  return {
    ...chain,
    templateId,
    slotAt,
    reorganize: (depth: number): void => {
      chain.reorganize(depth)
      while ((moves.at(-1)?.block ?? -1) > chain.height()) moves.pop()
    },
    /** Mines a block in which each client gets a new instance in its slot. */
    move: (...clients: Address[]): Hex[] => {
      const block = chain.height() + 1
      const ids: Hex[] = []
      const logs = clients.flatMap((client) => {
        const expireAfter = BigInt(++count)
        const paramsHash = computeParamsHash({ expireAfter, params: new Uint8Array() })
        const id = computePolicyInstanceId({ chainId: 31_337n, client, templateId, paramsHash })
        const instance = { id, client, templateId, paramsHash, expireAfter, params: '0x' }
        const previous = slotAt(client, block) ?? ZERO_HASH
        moves.push({ block, client, id })
        ids.push(id)
        return [
          logOf('PolicyInstanceDeployed', instance),
          logOf('CurrentPolicyInstanceSet', { client, previous, current: id }),
        ]
      })
      chain.mine(logs)
      return ids
    },
    /** Events of these blocks, read through a node; slots as the contracts hold them. */
    events: async (handler: RpcHandler): Promise<ChainEvents> => {
      const client = fakeClient(handler)
      const events = await createChainEvents({ client, addresses, finality: 'latest' })
      return {
        ...events,
        getSlotValues: async ({ block, policies }) => {
          const at = chain.blocks[Number(block)]
          return {
            blockHash: at?.hash ?? ZERO_HASH,
            policies: policies.map((one) => slotAt(one.toLowerCase() as Address, Number(block))),
            policyData: [],
            enclaveRequired: false,
          }
        },
      }
    },
  }
}
