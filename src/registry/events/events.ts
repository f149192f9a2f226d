/** Events of the contracts, decoded and in chain order. */
import type { AbiEvent } from 'viem'
import { type Address, decodeEventLog, type Hex, toEventSelector } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import type { ChainEvent, ChainEvents, ChainEventType } from '../../core/interfaces/chainEvents.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { PolicyAddressesInput, PolicyContract } from '../chain/addressBook.js'
import { resolveAddress } from '../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../chain/client.js'
import { AddressRequiredError, RpcInconsistentError } from '../chain/errors.js'
import { type ChainLog, readLogs } from '../chain/logs/logs.js'
import { readBlock, readTag } from '../chain/read.js'
import type { Registries } from '../rows/rows.js'
import { readSlotValues } from './slotValues.js'
import { readWindows } from './windows.js'

type Source = 'policyRegistry' | 'policyDataRegistry' | 'stateCommitRegistry'

const sources: Readonly<Record<ChainEventType, readonly Source[]>> = {
  PolicyTemplateRegistered: ['policyRegistry'],
  PolicyDataTemplateRegistered: ['policyDataRegistry'],
  PolicyInstanceDeployed: ['policyRegistry'],
  PolicyDataInstanceDeployed: ['policyDataRegistry'],
  CurrentPolicyInstanceSet: ['policyRegistry'],
  CurrentPolicyDataInstanceSet: ['policyDataRegistry'],
  ArtifactAnnounced: ['policyRegistry', 'policyDataRegistry'],
  EnclaveRequirementChanged: ['policyRegistry'],
  StateRootCommitted: ['stateCommitRegistry'],
  SnapshotAnchored: ['stateCommitRegistry'],
  CommitAnnounced: ['stateCommitRegistry'],
  CommitCopyAnnounced: ['stateCommitRegistry'],
}

/** Names of all events, in a fixed order. */
export const chainEventTypes: readonly ChainEventType[] = Object.keys(sources) as ChainEventType[]

const items: Readonly<Record<ChainEventType, AbiEvent>> = {
  PolicyTemplateRegistered: PolicyRegistry.PolicyTemplateRegistered,
  PolicyDataTemplateRegistered: PolicyDataRegistry.PolicyDataTemplateRegistered,
  PolicyInstanceDeployed: PolicyRegistry.PolicyInstanceDeployed,
  PolicyDataInstanceDeployed: PolicyDataRegistry.PolicyDataInstanceDeployed,
  CurrentPolicyInstanceSet: PolicyRegistry.CurrentPolicyInstanceSet,
  CurrentPolicyDataInstanceSet: PolicyDataRegistry.CurrentPolicyDataInstanceSet,
  ArtifactAnnounced: PolicyRegistry.ArtifactAnnounced,
  EnclaveRequirementChanged: PolicyRegistry.EnclaveRequirementChanged,
  StateRootCommitted: StateCommitRegistry.StateRootCommitted,
  SnapshotAnchored: StateCommitRegistry.SnapshotAnchored,
  CommitAnnounced: StateCommitRegistry.CommitAnnounced,
  CommitCopyAnnounced: StateCommitRegistry.CommitCopyAnnounced,
}

const topics: ReadonlyMap<ChainEventType, Hex> = new Map(
  chainEventTypes.map((type) => [type, toEventSelector(items[type])]),
)
const typesByTopic: ReadonlyMap<Hex, ChainEventType> = new Map(
  [...topics].map(([type, topic]) => [topic, type]),
)

/** First topic of an event. */
export function eventTopic(type: ChainEventType): Hex {
  return topics.get(type) as Hex
}

/** Contracts that emit some events, by address. */
export type EventSources = { readonly [address: string]: Source }

/**
 * Decodes one log.
 *
 * @throws {RpcInconsistentError} when the contract could not have emitted it like this.
 */
export function decodeChainEvent(log: ChainLog): ChainEvent {
  const { address: _, topics: logTopics, data, ...position } = log
  const type = typesByTopic.get(logTopics[0] as Hex)
  if (type === undefined) {
    throw new RpcInconsistentError(`a log with topic ${String(logTopics[0])} came unasked`)
  }
  try {
    const decoded = decodeEventLog({
      abi: [items[type]],
      data,
      topics: logTopics as [Hex, ...Hex[]],
      strict: true,
    })
    return { ...position, type, ...(decoded.args as object) } as unknown as ChainEvent
  } catch (cause) {
    throw new RpcInconsistentError(`a log of ${type} does not decode`, { cause })
  }
}

/** How a chain's finality is asked for. */
export type Finality = 'finalized' | 'safe' | 'latest' | { confirmations: number }

/** Parameters of {@link createChainEvents}. */
export type CreateChainEventsParameters = {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
  /** Most blocks of one request. @default 10000 */
  maxRange?: bigint | undefined
  /**
   * Blocks below the newest whose events are proven complete by their headers; older ones are
   * believed in ranges.
   * @default 256
   */
  proofDepth?: bigint | undefined
  /** Which block counts as final. @default 'finalized' */
  finality?: Finality | undefined
}

/**
 * Creates the ordered events of one chain's registries and state commits.
 *
 * @throws {AddressRequiredError} when a registry's address is missing.
 * @example
 * ```ts
 * import { createChainEvents } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const { number } = await events.getLatestBlock()
 * await events.getEvents({ fromBlock: 0n, toBlock: number })
 * ```
 */
export async function createChainEvents(
  parameters: CreateChainEventsParameters,
  options: IoOptions = {},
): Promise<ChainEvents> {
  const { addresses, maxRange, proofDepth, finality = 'finalized' } = parameters
  const chainId = await withClient(
    'createChainEvents',
    { client: parameters.client, options },
    chainIdOf,
  )
  const registries: Registries = {
    chainId: BigInt(chainId),
    policyRegistry: resolveAddress('policyRegistry', { addresses, chainId }),
    policyDataRegistry: resolveAddress('policyDataRegistry', { addresses, chainId }),
  }
  const known = new Map<Source, Address>([
    ['policyRegistry', registries.policyRegistry],
    ['policyDataRegistry', registries.policyDataRegistry],
  ])
  const stateCommits = optionalAddress('stateCommitRegistry', { addresses, chainId })
  if (stateCommits !== undefined) known.set('stateCommitRegistry', stateCommits)
  const challengeVerifier = optionalAddress('challengeVerifier', { addresses, chainId })
  const run = <value>(
    operation: string,
    io: IoOptions | undefined,
    work: (client: ReadClient) => Promise<value>,
  ): Promise<value> =>
    withClient(`ChainEvents.${operation}`, { client: parameters.client, options: io }, work)

  return {
    chainId: BigInt(chainId),
    getEvents: ({ fromBlock, toBlock, types = chainEventTypes, parentHash, blockHash }, io) =>
      run('getEvents', io, async (client) => {
        const wanted = types.flatMap((type) => sources[type])
        const logs = await readLogs(client, {
          addresses: [...new Set(wanted)].flatMap((source) => known.get(source) ?? []),
          topics: types.map(eventTopic),
          fromBlock,
          toBlock,
          maxRange,
          proofDepth,
          parentHash,
          blockHash,
        })
        return logs.map(decodeChainEvent)
      }),
    getBlock: (number, io) => run('getBlock', io, (client) => readBlock(client, number)),
    getLatestBlock: (io) => run('getLatestBlock', io, (client) => readTag(client, 'latest')),
    getFinalizedBlock: (io) =>
      run('getFinalizedBlock', io, (client) => finalBlock(client, finality)),
    getSlotValues: (request, io) =>
      run('getSlotValues', io, (client) => readSlotValues(client, { registries, ...request })),
    getWindows: async (io) =>
      challengeVerifier === undefined
        ? null
        : run('getWindows', io, (client) => readWindows(client, challengeVerifier)),
  }
}

// Destination chains have no state commits and no challenges.
function optionalAddress(
  contract: PolicyContract,
  at: { addresses: PolicyAddressesInput | undefined; chainId: number },
): Address | undefined {
  try {
    return resolveAddress(contract, at)
  } catch (error) {
    if (error instanceof AddressRequiredError) return undefined
    throw error
  }
}

/** The newest block that counts as final. */
export async function finalBlock(client: ReadClient, finality: Finality): Promise<BlockReference> {
  if (typeof finality === 'string') return readTag(client, finality)
  const latest = await readTag(client, 'latest')
  const depth = BigInt(finality.confirmations)
  const number = latest.number > depth ? latest.number - depth : 0n
  if (number === latest.number) return latest
  const block = await readBlock(client, number)
  if (block === null)
    throw new RpcInconsistentError(`block ${number} is gone below ${latest.number}`)
  return block
}
