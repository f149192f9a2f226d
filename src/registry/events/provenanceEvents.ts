/** Events of the provenance contracts and of registrations of plugins, decoded and in chain order. */
import type { AbiEvent } from 'viem'
import { type Address, decodeEventLog, type Hex, toEventSelector } from 'viem'
import * as BuildInfoRegistry from '../../core/abi/buildInfoRegistryAbi.js'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as VerificationRegistry from '../../core/abi/verificationRegistryAbi.js'
import type { ProvenanceEvent, ProvenanceEvents } from '../../core/interfaces/provenance.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { assertMembers } from '../../internal/options.js'
import { resolveAddress } from '../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../chain/client.js'
import { RpcInconsistentError } from '../chain/errors.js'
import { type ChainLog, readLogs } from '../chain/logs/logs.js'
import { readBlock } from '../chain/read.js'
import { verificationResults } from '../rows/verificationResults.js'
import { type CreateChainEventsParameters, finalBlock } from './events.js'

type Contract = 'buildInfoRegistry' | 'verificationRegistry' | 'policyDataRegistry'

const items: Readonly<Record<Contract, AbiEvent>> = {
  buildInfoRegistry: BuildInfoRegistry.BuildInfoSubmitted,
  verificationRegistry: VerificationRegistry.ClaimSubmitted,
  policyDataRegistry: PolicyDataRegistry.PolicyDataTemplateRegistered,
}
const contracts = Object.keys(items) as Contract[]
/**
 * Creates the ordered events that say where plugins come from: entries of build information, claims, and
 * registrations of plugins.
 *
 * @throws {AddressRequiredError} when an address is missing.
 * @example
 * ```ts
 * import { createProvenanceEvents } from '@newton/policy-sdk/registry'
 *
 * const events = await createProvenanceEvents({ client, addresses })
 * await events.getEvents({ fromBlock: 0n, toBlock: await events.getFinalizedBlock() })
 * ```
 */
export async function createProvenanceEvents(
  parameters: CreateChainEventsParameters,
): Promise<ProvenanceEvents> {
  assertMembers('parameters', parameters, ['client'])
  const { client: given, addresses, maxRange, proofDepth, finality = 'finalized' } = parameters
  const chainId = await chainIdOf(given)
  const known = new Map<string, Contract>(
    contracts.map((contract) => [
      resolveAddress(contract, { addresses, chainId }).toLowerCase(),
      contract,
    ]),
  )
  return {
    getEvents: ({ fromBlock, toBlock }, options) =>
      withClient('ProvenanceEvents.getEvents', { client: given, options }, async (client) => {
        const logs = await readLogs(client, {
          addresses: [...known.keys()] as Address[],
          topics: contracts.map((contract) => toEventSelector(items[contract])),
          ...{ fromBlock, toBlock, maxRange, proofDepth },
        })
        // An event counts as that of its own contract only.
        const own = logs.filter(
          (log) =>
            log.topics[0] ===
            toEventSelector(items[known.get(log.address.toLowerCase()) ?? 'policyDataRegistry']),
        )
        const times = await timesOf(client, own)
        return own.map((log) =>
          decode(log, known.get(log.address.toLowerCase()) as Contract, times),
        )
      }),
    getFinalizedBlock: (options) =>
      withClient(
        'ProvenanceEvents.getFinalizedBlock',
        { client: given, options },
        async (client) => (await finalBlock(client, finality)).number,
      ),
  }
}

async function timesOf(
  client: ReadClient,
  logs: readonly ChainLog[],
): Promise<ReadonlyMap<bigint, bigint>> {
  const numbers = [...new Set(logs.map(({ blockNumber }) => blockNumber))]
  const blocks = await mapBounded(numbers, 8, async (number) => {
    const block = await readBlock(client, number)
    if (block === null) throw new RpcInconsistentError(`block ${number} is gone`)
    return [number, block.timestamp] as const
  })
  return new Map(blocks)
}

function decode(
  log: ChainLog,
  contract: Contract,
  times: ReadonlyMap<bigint, bigint>,
): ProvenanceEvent {
  const { blockNumber, logIndex, transactionHash } = log
  const position = {
    ...{ blockNumber, logIndex, transactionHash },
    timestamp: times.get(blockNumber) as bigint,
  }
  try {
    const { args } = decodeEventLog({
      abi: [items[contract]],
      data: log.data,
      topics: log.topics as [Hex, ...Hex[]],
      strict: true,
    }) as unknown as { args: Record<string, unknown> }
    if (contract === 'policyDataRegistry') {
      return {
        ...position,
        type: 'PluginRegistered',
        wasmHash: args['wasmHash'] as Hex,
        templateId: args['id'] as Hex,
        author: args['author'] as Address,
      }
    }
    if (contract === 'buildInfoRegistry') {
      return { ...position, type: 'BuildInfoSubmitted', ...args } as unknown as ProvenanceEvent
    }
    const result = verificationResults[Number(args['result'])]
    if (result === undefined) throw new RpcInconsistentError('a claim has no result')
    return { ...position, type: 'ClaimSubmitted', ...args, result } as unknown as ProvenanceEvent
  } catch (cause) {
    if (cause instanceof RpcInconsistentError) throw cause
    throw new RpcInconsistentError(`a log of ${contract} does not decode`, { cause })
  }
}
