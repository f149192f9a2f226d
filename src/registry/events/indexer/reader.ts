/** A registry reader that answers from an index. */
import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import type {
  BlockReference,
  PolicyDataSnapshot,
  RegistryReader,
  RegistrySnapshot,
} from '../../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { assertMembers } from '../../../internal/options.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import type { RegistryIndex } from './indexer.js'
import { enclaveRequiredAt } from './state.js'

/**
 * A reader that answers from an index: rows by id, slots by their history. What the index has not
 * read goes to `reader`.
 *
 * Reads at or below the index's cursor make no request, but for a block's timestamp the first time.
 */
export function createIndexedReader(parameters: {
  index: RegistryIndex
  reader: RegistryReader
}): RegistryReader {
  assertMembers('parameters', parameters, ['index', 'reader'])
  const { index, reader } = parameters
  const { state } = index
  const covers = (block: bigint): boolean =>
    state.cursor !== null && block >= state.fromBlock && block <= state.cursor.number
  const blocks = new Map<string, BlockReference>()

  // A block is named by number and by the cursor it was read under: a reorganization moves it.
  const blockAt = async (number: bigint, io?: IoOptions): Promise<BlockReference | null> => {
    const key = `${number} ${state.cursor?.hash ?? ''}`
    const cached = blocks.get(key)
    if (cached !== undefined) return cached
    const block = await reader.getBlock(number, io)
    if (block !== null && covers(number)) {
      if (blocks.size >= 256) blocks.clear()
      blocks.set(key, block)
    }
    return block
  }

  const snapshot: RegistryReader['snapshot'] = async ({ client, block: number }, io) => {
    if (!covers(number)) return reader.snapshot({ client, block: number }, io)
    const block = await blockAt(number, io)
    if (block === null) throw new RpcInconsistentError(`block ${number} is gone`)
    return snapshotOf(index, { client, block, reader })
  }

  return {
    chainId: reader.chainId,
    policyRegistry: reader.policyRegistry,
    policyDataRegistry: reader.policyDataRegistry,
    getPolicyTemplate: async (id, io) =>
      state.policyTemplates.get(lower(id)) ?? reader.getPolicyTemplate(id, io),
    getPolicyDataTemplate: async (id, io) =>
      state.policyDataTemplates.get(lower(id)) ?? reader.getPolicyDataTemplate(id, io),
    getPolicyInstance: async (id, io) =>
      state.policyInstances.get(lower(id)) ?? reader.getPolicyInstance(id, io),
    getPolicyDataInstance: async (id, io) =>
      state.policyDataInstances.get(lower(id)) ?? reader.getPolicyDataInstance(id, io),
    currentPolicyInstanceAt: async (request, io) =>
      covers(request.block)
        ? index.policySlotAt(request)
        : reader.currentPolicyInstanceAt(request, io),
    currentPolicyDataInstanceAt: async (request, io) =>
      covers(request.block)
        ? index.policyDataSlotAt(request)
        : reader.currentPolicyDataInstanceAt(request, io),
    enclaveRequiredAt: async (block, io) =>
      covers(block) ? enclaveRequiredAt(state, block) : reader.enclaveRequiredAt(block, io),
    isEnclaveWhitelistedAt: (request, io) => reader.isEnclaveWhitelistedAt(request, io),
    getBlock: blockAt,
    getLatestBlock: (io) => reader.getLatestBlock(io),
    getClient: (client, io) => reader.getClient(client, io),
    snapshot,
  }
}

function snapshotOf(
  index: RegistryIndex,
  parameters: { client: Address; block: BlockReference; reader: RegistryReader },
): RegistrySnapshot {
  const { client, block, reader } = parameters
  const { state } = index
  const at = block.number
  const policyInstanceId = index.policySlotAt({ client, block: at })
  const policyInstance =
    policyInstanceId === null ? null : (state.policyInstances.get(policyInstanceId) ?? null)
  if (policyInstanceId !== null && policyInstance === null) {
    throw new RpcInconsistentError(`slot names ${policyInstanceId}, which was never deployed`)
  }
  const policyTemplate =
    policyInstance === null ? null : (state.policyTemplates.get(policyInstance.templateId) ?? null)
  const data = (policyTemplate?.policyDataTemplateRefs ?? []).map((ref): PolicyDataSnapshot => {
    const instanceId = index.policyDataSlotAt({ client, templateId: ref, block: at })
    const instance =
      instanceId === null ? null : (state.policyDataInstances.get(instanceId) ?? null)
    if (instanceId !== null && instance === null) {
      throw new RpcInconsistentError(`slot names ${instanceId}, which was never deployed`)
    }
    const template = state.policyDataTemplates.get(ref) ?? null
    return { templateId: ref, template, instanceId, instance }
  })
  return {
    chainId: reader.chainId,
    policyRegistry: reader.policyRegistry,
    policyDataRegistry: reader.policyDataRegistry,
    client: getAddress(client),
    block,
    policyInstanceId,
    policyInstance,
    policyTemplate,
    data,
    enclaveRequired: enclaveRequiredAt(state, at),
  }
}

function lower(id: Hex): Hex {
  return id.toLowerCase() as Hex
}
