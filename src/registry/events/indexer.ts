/** Rebuilds all rows and slot histories from logs, and reads from them. */
import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import type { ChainEvents, ChainEventType } from '../../core/interfaces/chainEvents.js'
import type {
  BlockReference,
  PolicyDataSnapshot,
  RegistryReader,
  RegistrySnapshot,
} from '../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { RpcInconsistentError } from '../chain/errors.js'
import {
  applyEvent,
  emptyIndexState,
  type IndexState,
  MAX_INDEXED_BLOCKS,
  parseIndexState,
  policyDataSlotKey,
  policySlotKey,
  rollBack,
  serializeIndexState,
  slotAt,
} from './indexState.js'

/** Events that the index is made from. */
const indexedTypes: readonly ChainEventType[] = [
  'PolicyTemplateRegistered',
  'PolicyDataTemplateRegistered',
  'PolicyInstanceDeployed',
  'PolicyDataInstanceDeployed',
  'CurrentPolicyInstanceSet',
  'CurrentPolicyDataInstanceSet',
  'ArtifactAnnounced',
  'EnclaveRequirementChanged',
]

/** Parameters of {@link indexRegistry}. */
export type IndexRegistryParameters = {
  events: ChainEvents
  /** Block of the deployment of the registries, or any before. */
  fromBlock: bigint
  /** What `serialize` gave in an earlier run: reading goes on after it. */
  state?: string | undefined
  /** Blocks of one step; after each the state is consistent. @default 10000 */
  step?: bigint | undefined
  /** Called after each step. */
  onProgress?: ((progress: { block: bigint; target: bigint }) => void) | undefined
}

/** What one `sync` did. */
export type IndexSync = {
  cursor: bigint
  /** Events that were applied. */
  applied: number
  /** The block that everything above was taken back of; `null` where nothing was. */
  reorganizedTo: bigint | null
}

/** Rows and slot histories of one chain. */
export type RegistryIndex = {
  readonly state: Readonly<IndexState>
  /** Reads on, to `toBlock` or the newest block; takes back what was reorganized away. */
  sync(options?: IoOptions & { toBlock?: bigint | undefined }): Promise<IndexSync>
  /** The state as text, to resume from. */
  serialize(): string
  /** The policy slot at the end of a block that was read. */
  policySlotAt(parameters: { client: Address; block: bigint }): Hex | null
  /** The policy-data slot at the end of a block that was read. */
  policyDataSlotAt(parameters: { client: Address; templateId: Hex; block: bigint }): Hex | null
}

/**
 * Indexes the registries: reads all logs once and then only what is new.
 *
 * Each row is checked against its id, and each slot move against the one before it, so that a
 * wrong or missing log is an error. Hashes of read blocks are kept: when one is not on the chain
 * any more, everything above the last common block is taken back and read again.
 *
 * @throws {InvalidInputError} for a state of another chain or version.
 * @throws {RpcInconsistentError} when the node contradicts itself; the state stays as it was.
 * @example
 * ```ts
 * import { createChainEvents, indexRegistry } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const index = await indexRegistry({ events, fromBlock: 0n })
 * index.state.policyTemplates.size
 * ```
 */
export async function indexRegistry(
  parameters: IndexRegistryParameters,
  options: IoOptions = {},
): Promise<RegistryIndex> {
  const { events, fromBlock, step = 10_000n, onProgress } = parameters
  const state =
    parameters.state === undefined
      ? emptyIndexState({ chainId: events.chainId, fromBlock })
      : parseIndexState(parameters.state)
  if (state.chainId !== events.chainId) {
    throw new InvalidInputError({
      field: 'state',
      reason: `it is of chain ${state.chainId}, the events are of ${events.chainId}`,
    })
  }

  const advance = async (target: BlockReference, io: IoOptions): Promise<number> => {
    const from = state.cursor === null ? state.fromBlock : state.cursor.number + 1n
    const to = from + step - 1n < target.number ? from + step - 1n : target.number
    const end = to === target.number ? target : await events.getBlock(to, io)
    if (end === null) throw new RpcInconsistentError(`block ${to} is gone`)
    const found = await events.getEvents({ fromBlock: from, toBlock: to, types: indexedTypes }, io)
    // The logs count only if they were read from the chain that the cursor ends on.
    await assertSame(state.cursor, { events, io })
    await assertSame(end, { events, io })
    const next = cloneState(state)
    for (const event of found) {
      const { blockNumber: number, blockHash: hash } = event
      if (number === end.number && hash !== end.hash) {
        throw new RpcInconsistentError(`block ${number} has two hashes`)
      }
      applyEvent(next, event)
      if (next.blocks.at(-1)?.number !== number) next.blocks.push({ number, hash })
    }
    const cursor = { number: end.number, hash: end.hash }
    if (next.blocks.at(-1)?.number !== cursor.number) next.blocks.push(cursor)
    next.blocks = next.blocks.slice(-MAX_INDEXED_BLOCKS)
    next.cursor = cursor
    Object.assign(state, next)
    onProgress?.({ block: to, target: target.number })
    return found.length
  }

  const sync: RegistryIndex['sync'] = async (syncOptions = {}) => {
    const { toBlock, ...io } = syncOptions
    const reorganizedTo = await settle(state, { events, io })
    const latest = await events.getLatestBlock(io)
    const wanted =
      toBlock === undefined || toBlock >= latest.number
        ? latest
        : await events.getBlock(toBlock, io)
    if (wanted === null) throw new RpcInconsistentError(`block ${toBlock} is gone`)
    let applied = 0
    while ((state.cursor?.number ?? state.fromBlock - 1n) < wanted.number) {
      io.signal?.throwIfAborted()
      applied += await advance(wanted, io)
    }
    return { cursor: state.cursor?.number ?? state.fromBlock - 1n, applied, reorganizedTo }
  }

  await sync(options)
  return {
    state,
    sync,
    serialize: () => serializeIndexState(state),
    policySlotAt: ({ client, block }) => {
      assertRead(state, block)
      return slotAt(state.policySlots.get(policySlotKey(client)), block)
    },
    policyDataSlotAt: ({ client, templateId, block }) => {
      assertRead(state, block)
      return slotAt(state.policyDataSlots.get(policyDataSlotKey(client, templateId)), block)
    },
  }
}

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
      covers(block) ? requiredAt(state, block) : reader.enclaveRequiredAt(block, io),
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
    enclaveRequired: requiredAt(state, at),
  }
}

function requiredAt(state: Readonly<IndexState>, block: bigint): boolean {
  return state.enclaveRequired.filter((entry) => entry.block <= block).at(-1)?.required ?? false
}

function assertRead(state: Readonly<IndexState>, block: bigint): void {
  if (state.cursor === null || block > state.cursor.number) {
    throw new InvalidInputError({
      field: 'block',
      reason: `the index was read up to ${state.cursor?.number ?? 'nothing'}`,
      hint: 'Call sync() first.',
    })
  }
}

// Goes back to the last block that is still on the chain.
async function settle(
  state: IndexState,
  { events, io }: { events: ChainEvents; io: IoOptions },
): Promise<bigint | null> {
  for (let i = state.blocks.length - 1; i >= 0; i--) {
    const block = state.blocks[i] as { number: bigint; hash: Hex }
    const now = await events.getBlock(block.number, io)
    if (now?.hash !== block.hash) continue
    if (i === state.blocks.length - 1) return null
    rollBack(state, block.number)
    return block.number
  }
  if (state.cursor === null) return null
  rollBack(state, state.fromBlock - 1n)
  return state.fromBlock - 1n
}

async function assertSame(
  block: { number: bigint; hash: Hex } | null,
  { events, io }: { events: ChainEvents; io: IoOptions },
): Promise<void> {
  if (block === null) return
  const now = await events.getBlock(block.number, io)
  if (now?.hash !== block.hash) {
    throw new RpcInconsistentError(`block ${block.number} changed while logs were read`)
  }
}

// Lists are replaced and never changed in place, so that copying the maps is enough.
function cloneState(state: IndexState): IndexState {
  return {
    ...state,
    blocks: [...state.blocks],
    policyTemplates: new Map(state.policyTemplates),
    policyDataTemplates: new Map(state.policyDataTemplates),
    policyInstances: new Map(state.policyInstances),
    policyDataInstances: new Map(state.policyDataInstances),
    policySlots: new Map(state.policySlots),
    policyDataSlots: new Map(state.policyDataSlots),
    locators: new Map(state.locators),
  }
}

function lower(id: Hex): Hex {
  return id.toLowerCase() as Hex
}
