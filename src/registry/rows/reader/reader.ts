/** The {@link RegistryReader} over a viem client. */

import type { Address, Hex } from 'viem'
import * as EnclaveVersionRegistry from '../../../core/abi/enclaveVersionRegistryAbi.js'
import type { InstanceRow, RegistryReader } from '../../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { createProcessMemory, type ProcessMemory } from '../../../internal/processMemory.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import {
  type ReadResult,
  readAnchor,
  readAt,
  readBlock,
  readTag,
  valueFrom,
} from '../../chain/read.js'
import { functionOf } from '../../chain/slices.js'
import { addressOf, blockOf, wordOf } from '../inputs.js'
import {
  type ClientRecord,
  clientRecord,
  clientRecordCall,
  type Registries,
  type RegistryKind,
  slotValue,
} from '../rows.js'
import { type HeadAge, headAgeCheck } from './headAge.js'
import { readSnapshot } from './snapshot.js'
import {
  createRowCache,
  type RowSource,
  readInstances,
  readPolicyDataTemplate,
  readPolicyTemplate,
  readSlot,
} from './source.js'
import { checkRegistries } from './wiring.js'

/** Parameters of {@link createRegistryReader}. */
export type CreateRegistryReaderParameters = HeadAge & {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
  /**
   * Blocks after which a row is kept for good. Rows never change, but a reorganization can take a
   * young one away.
   * @default 64
   */
  cacheDepth?: number | undefined
  /** Most rows kept in a memory of the reader's own. @default 4096 */
  cacheSize?: number | undefined
  /** Memory shared with other parts of the process, in place of one of its own. */
  memory?: ProcessMemory | undefined
}

/**
 * Creates a reader of one chain's registries.
 *
 * Checks once that both registries are there, are of a version it speaks and belong together. Each
 * row is checked against its id, so a wrong answer is an error and never a wrong row. Old rows are
 * cached by id.
 *
 * @throws {AddressRequiredError} when an address is missing.
 * @throws {ContractNotFoundError} when an address has no code.
 * @throws {RegistryMismatchError} for a registry of another version, or two that do not belong
 * together.
 * @example
 * ```ts
 * import { createPublicClient, http } from 'viem'
 * import { sepolia } from 'viem/chains'
 * import { createRegistryReader } from '@newton/policy-sdk/registry'
 *
 * const client = createPublicClient({ chain: sepolia, transport: http() })
 * const reader = await createRegistryReader({ client, addresses: {} })
 * ```
 */
export async function createRegistryReader(
  parameters: CreateRegistryReaderParameters,
  options: IoOptions = {},
): Promise<RegistryReader> {
  const { addresses, cacheDepth = 64, cacheSize = 4096 } = parameters
  const checkAge = headAgeCheck(parameters)
  const chainId = await withClient(
    'createRegistryReader',
    { client: parameters.client, options },
    chainIdOf,
  )
  const registries: Registries = {
    chainId: BigInt(chainId),
    policyRegistry: resolveAddress('policyRegistry', { addresses, chainId }),
    policyDataRegistry: resolveAddress('policyDataRegistry', { addresses, chainId }),
  }
  const clientRegistry = await withClient(
    'createRegistryReader',
    { client: parameters.client, options },
    (client) => checkRegistries(client, registries),
  )

  const memory = parameters.memory ?? createProcessMemory({ entriesOf: { row: cacheSize } })
  const cache = createRowCache(memory, {
    ...{ depth: cacheDepth, registries },
    client: parameters.client,
  })
  const run: Run = (operation, io, work) =>
    withClient(
      `RegistryReader.${operation}`,
      { client: parameters.client, options: io },
      (client) => work({ client, registries, cache }),
    )
  const enclaveRegistry = (): Address =>
    resolveAddress('enclaveVersionRegistry', { addresses, chainId })
  return {
    chainId: registries.chainId,
    policyRegistry: registries.policyRegistry,
    policyDataRegistry: registries.policyDataRegistry,
    ...rowReads(run),
    ...slotReads(run),
    isEnclaveWhitelistedAt: (build, io) =>
      run('isEnclaveWhitelistedAt', io, async ({ client }) => {
        const pcr0Commitment = wordOf(build.pcr0Commitment, 'pcr0Commitment')
        const block = blockOf(build.block, 'block')
        return readWhitelisted(client, { pcr0Commitment, block, registry: enclaveRegistry() })
      }),
    getBlock: (number, io) =>
      run('getBlock', io, async ({ client }) => readBlock(client, blockOf(number, 'number'))),
    getLatestBlock: (io) =>
      run('getLatestBlock', io, async ({ client }) => checkAge(await readTag(client, 'latest'))),
    getClient: (policyClient, io) =>
      run('getClient', io, async ({ client }) =>
        readClientRecord(client, {
          policyClient: addressOf(policyClient, 'client'),
          registry: clientRegistry,
        }),
      ),
    snapshot: (request, io) =>
      run('snapshot', io, async (source) =>
        readSnapshot(source, {
          client: addressOf(request.client, 'client'),
          block: blockOf(request.block, 'block'),
        }),
      ),
  }
}

/** Runs one operation of the reader under its name and its caller's deadline. */
type Run = <value>(
  operation: string,
  io: IoOptions | undefined,
  work: (source: RowSource) => Promise<value>,
) => Promise<value>

/** Reads of one row at the newest block. */
function rowReads(
  run: Run,
): Pick<
  RegistryReader,
  'getPolicyTemplate' | 'getPolicyDataTemplate' | 'getPolicyInstance' | 'getPolicyDataInstance'
> {
  const instance = async (
    source: RowSource,
    kind: RegistryKind,
    id: Hex,
  ): Promise<InstanceRow | null> => {
    const ids = [wordOf(id, 'id')]
    const at = await readTag(source.client, 'latest')
    return (await readInstances(source, { kind, ids, at }))[0] ?? null
  }
  return {
    getPolicyTemplate: (id, io) =>
      run('getPolicyTemplate', io, async (source) => {
        const wanted = wordOf(id, 'id')
        return readPolicyTemplate(source, wanted, await readTag(source.client, 'latest'))
      }),
    getPolicyDataTemplate: (id, io) =>
      run('getPolicyDataTemplate', io, async (source) => {
        const wanted = wordOf(id, 'id')
        return readPolicyDataTemplate(source, wanted, await readTag(source.client, 'latest'))
      }),
    getPolicyInstance: (id, io) =>
      run('getPolicyInstance', io, (source) => instance(source, 'policy', id)),
    getPolicyDataInstance: (id, io) =>
      run('getPolicyDataInstance', io, (source) => instance(source, 'policyData', id)),
  }
}

/** Reads of one slot or switch at the end of a block. */
function slotReads(
  run: Run,
): Pick<
  RegistryReader,
  'currentPolicyInstanceAt' | 'currentPolicyDataInstanceAt' | 'enclaveRequiredAt'
> {
  return {
    currentPolicyInstanceAt: ({ client, block }, io) =>
      run('currentPolicyInstanceAt', io, async (source) => {
        const args = [addressOf(client, 'client')]
        const call = { kind: 'policy', current: 'currentInstance', args } as const
        return slotValue(await readSlot(source, call, blockOf(block, 'block')))
      }),
    currentPolicyDataInstanceAt: ({ client, templateId, block }, io) =>
      run('currentPolicyDataInstanceAt', io, async (source) => {
        const args = [addressOf(client, 'client'), wordOf(templateId, 'templateId')]
        const call = { kind: 'policyData', current: 'currentInstance', args } as const
        return slotValue(await readSlot(source, call, blockOf(block, 'block')))
      }),
    enclaveRequiredAt: (block, io) =>
      run('enclaveRequiredAt', io, async (source) => {
        const call = { kind: 'policy', current: 'enclaveRequired', args: [] } as const
        return (await readSlot(source, call, blockOf(block, 'block'))) as boolean
      }),
  }
}

async function readWhitelisted(
  client: ReadClient,
  { registry, pcr0Commitment, block }: { registry: Address; pcr0Commitment: Hex; block: bigint },
): Promise<boolean> {
  const anchor = await readAnchor(client, block)
  const [result] = await readAt(client, {
    block: anchor.at,
    calls: [
      {
        address: registry,
        ...functionOf(EnclaveVersionRegistry.wasPcr0WhitelistedAt),
        args: [pcr0Commitment, block],
      },
    ],
  })
  return valueFrom(result) as boolean
}

async function readClientRecord(
  client: ReadClient,
  { registry, policyClient }: { registry: Address; policyClient: Address },
): Promise<ClientRecord | null> {
  const [result] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [clientRecordCall(registry, policyClient)],
  })
  return clientRecord(result as ReadResult)
}
