/** The {@link RegistryReader} over a viem client. */
import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import { enclaveVersionRegistryAbi } from '../../core/abi/enclaveVersionRegistryAbi.js'
import { policyClientRegistryAbi } from '../../core/abi/policyClientRegistryAbi.js'
import type {
  BlockReference,
  InstanceRow,
  PolicyDataSnapshot,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistryReader,
  RegistrySnapshot,
} from '../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import { resolveAddress } from '../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../chain/client.js'
import { RegistryMismatchError, RpcInconsistentError } from '../chain/errors.js'
import {
  type ReadCall,
  type ReadResult,
  readAnchor,
  readAt,
  readBlock,
  readTag,
  valueFrom,
} from '../chain/read.js'
import {
  instanceRow,
  policyDataTemplateRow,
  policyTemplateRow,
  type Registries,
  type RegistryKind,
  registryCall,
  slotValue,
  valueOrNull,
} from './rows.js'

/** Parameters of {@link createRegistryReader}. */
export type CreateRegistryReaderParameters = {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
  /**
   * Blocks after which a row is kept for good. Rows never change, but a reorganization can take a
   * young one away.
   * @default 64
   */
  cacheDepth?: number | undefined
  /** Most rows kept. @default 4096 */
  cacheSize?: number | undefined
}

const SUPPORTED_MAJOR = '1'

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

  const rows = new Map<string, unknown>()
  const remember = <row>(key: string, row: row, since: bigint, latest: bigint): row => {
    if (latest - since < BigInt(cacheDepth)) return row
    if (rows.size >= cacheSize) rows.delete(rows.keys().next().value as string)
    rows.set(key, row)
    return row
  }
  const run = <value>(
    operation: string,
    io: IoOptions | undefined,
    work: (client: ReadClient) => Promise<value>,
  ): Promise<value> =>
    withClient(`RegistryReader.${operation}`, { client: parameters.client, options: io }, work)

  const template = async <row extends { registeredAt: bigint }>(
    client: ReadClient,
    {
      kind,
      id,
      at,
      decode,
    }: {
      kind: RegistryKind
      id: Hex
      at: BlockReference
      decode: (id: Hex, value: unknown) => row
    },
  ): Promise<row | null> => {
    const key = `${kind} template ${id}`
    const cached = rows.get(key) as row | undefined
    if (cached !== undefined) return cached
    const calls = [registryCall(registries, kind, 'getTemplate', [id])]
    const [result] = await readAt(client, { calls, block: at })
    const value = valueOrNull(result as ReadResult, 'TemplateNotRegistered')
    if (value === null) return null
    const row = decode(id, value)
    return remember(key, row, row.registeredAt, at.number)
  }

  const instances = async (
    client: ReadClient,
    { kind, ids, at }: { kind: RegistryKind; ids: readonly Hex[]; at: BlockReference },
  ): Promise<(InstanceRow | null)[]> => {
    const key = (id: Hex): string => `${kind} instance ${id}`
    const unknown = ids.filter((id) => !rows.has(key(id)))
    const calls = unknown.flatMap((id) => [
      registryCall(registries, kind, 'getInstance', [id]),
      registryCall(registries, kind, 'getParams', [id]),
    ])
    const results = await readAt(client, { calls, block: at })
    const found = new Map<Hex, InstanceRow>()
    for (const [index, id] of unknown.entries()) {
      const value = valueOrNull(results[2 * index] as ReadResult, 'InstanceNotDeployed')
      if (value === null) continue
      const params = valueFrom(results[2 * index + 1])
      const row = instanceRow(kind, { id, chainId: registries.chainId, value, params })
      found.set(id, remember(key(id), row, row.deployedAt, at.number))
    }
    return ids.map((id) => found.get(id) ?? (rows.get(key(id)) as InstanceRow | undefined) ?? null)
  }

  // At the newest block the answer can still change for the contract, but not for a call that is
  // made at the end of exactly that block.
  const atBlock = (
    { kind, current, args }: { kind: RegistryKind; current: string; args: readonly unknown[] },
    { block, at }: { block: BlockReference; at: BlockReference },
  ): ReadCall =>
    block.number === at.number
      ? registryCall(registries, kind, current, args)
      : registryCall(registries, kind, `${current}At`, [...args, block.number])

  const readOne = async (
    client: ReadClient,
    number: bigint,
    call: { kind: RegistryKind; current: string; args: readonly unknown[] },
  ): Promise<unknown> => {
    const anchor = await readAnchor(client, number)
    const [result] = await readAt(client, { calls: [atBlock(call, anchor)], block: anchor.at })
    return valueFrom(result)
  }

  const snapshot = async (
    client: ReadClient,
    { client: policyClient, block: number }: { client: Address; block: bigint },
  ): Promise<RegistrySnapshot> => {
    const anchor = await readAnchor(client, number)
    const { at, block } = anchor
    const head = await readAt(client, {
      block: at,
      calls: [
        atBlock({ kind: 'policy', current: 'currentInstance', args: [policyClient] }, anchor),
        atBlock({ kind: 'policy', current: 'enclaveRequired', args: [] }, anchor),
      ],
    })
    const policyInstanceId = slotValue(valueFrom(head[0]))
    const base = {
      chainId: registries.chainId,
      policyRegistry: registries.policyRegistry,
      policyDataRegistry: registries.policyDataRegistry,
      client: getAddress(policyClient),
      block,
      policyInstanceId,
      enclaveRequired: valueFrom(head[1]) as boolean,
    }
    if (policyInstanceId === null) {
      return { ...base, policyInstance: null, policyTemplate: null, data: [] }
    }
    const [policyInstance = null] = await instances(client, {
      kind: 'policy',
      ids: [policyInstanceId],
      at,
    })
    if (policyInstance === null) {
      throw new RpcInconsistentError(`slot names ${policyInstanceId}, which has no row`)
    }
    const policyTemplate = await template(client, {
      kind: 'policy',
      id: policyInstance.templateId,
      at,
      decode: policyTemplateRow,
    })
    const refs = policyTemplate?.policyDataTemplateRefs ?? []
    return {
      ...base,
      policyInstance,
      policyTemplate,
      data: await data(client, refs, anchor, policyClient),
    }
  }

  const data = async (
    client: ReadClient,
    refs: readonly Hex[],
    anchor: { block: BlockReference; at: BlockReference },
    policyClient: Address,
  ): Promise<PolicyDataSnapshot[]> => {
    const { at } = anchor
    const results = await readAt(client, {
      block: at,
      calls: refs.flatMap((ref) => [
        atBlock(
          { kind: 'policyData', current: 'currentInstance', args: [policyClient, ref] },
          anchor,
        ),
        registryCall(registries, 'policyData', 'getTemplate', [ref]),
      ]),
    })
    const slots = refs.map((_, index) => slotValue(valueFrom(results[2 * index])))
    const filled = slots.filter((slot): slot is Hex => slot !== null)
    const found = await instances(client, { kind: 'policyData', ids: filled, at })
    return refs.map((ref, index) => {
      const slot = slots[index] ?? null
      const value = valueOrNull(results[2 * index + 1] as ReadResult, 'TemplateNotRegistered')
      const row = value === null ? null : policyDataTemplateRow(ref, value)
      const instance = slot === null ? null : (found[filled.indexOf(slot)] ?? null)
      if (slot !== null && instance === null) {
        throw new RpcInconsistentError(`slot names ${slot}, which has no row`)
      }
      return { templateId: ref, template: row, instanceId: slot, instance }
    })
  }

  const latestRow = async <row>(
    client: ReadClient,
    read: (at: BlockReference) => Promise<row>,
  ): Promise<row> => read(await readTag(client, 'latest'))

  return {
    chainId: registries.chainId,
    policyRegistry: registries.policyRegistry,
    policyDataRegistry: registries.policyDataRegistry,
    getPolicyTemplate: (id, io) =>
      run('getPolicyTemplate', io, (client) =>
        latestRow(client, (at) =>
          template<PolicyTemplateRow>(client, {
            kind: 'policy',
            id,
            at,
            decode: policyTemplateRow,
          }),
        ),
      ),
    getPolicyDataTemplate: (id, io) =>
      run('getPolicyDataTemplate', io, (client) =>
        latestRow(client, (at) =>
          template<PolicyDataTemplateRow>(client, {
            kind: 'policyData',
            id,
            at,
            decode: policyDataTemplateRow,
          }),
        ),
      ),
    getPolicyInstance: (id, io) =>
      run('getPolicyInstance', io, (client) =>
        latestRow(
          client,
          async (at) => (await instances(client, { kind: 'policy', ids: [id], at }))[0] ?? null,
        ),
      ),
    getPolicyDataInstance: (id, io) =>
      run('getPolicyDataInstance', io, (client) =>
        latestRow(
          client,
          async (at) => (await instances(client, { kind: 'policyData', ids: [id], at }))[0] ?? null,
        ),
      ),
    currentPolicyInstanceAt: ({ client: policyClient, block }, io) =>
      run('currentPolicyInstanceAt', io, async (client) =>
        slotValue(
          await readOne(client, block, {
            kind: 'policy',
            current: 'currentInstance',
            args: [policyClient],
          }),
        ),
      ),
    currentPolicyDataInstanceAt: ({ client: policyClient, templateId, block }, io) =>
      run('currentPolicyDataInstanceAt', io, async (client) =>
        slotValue(
          await readOne(client, block, {
            kind: 'policyData',
            current: 'currentInstance',
            args: [policyClient, templateId],
          }),
        ),
      ),
    enclaveRequiredAt: (block, io) =>
      run(
        'enclaveRequiredAt',
        io,
        async (client) =>
          (await readOne(client, block, {
            kind: 'policy',
            current: 'enclaveRequired',
            args: [],
          })) as boolean,
      ),
    isEnclaveWhitelistedAt: ({ pcr0Commitment, block }, io) =>
      run('isEnclaveWhitelistedAt', io, async (client) => {
        const anchor = await readAnchor(client, block)
        const [result] = await readAt(client, {
          block: anchor.at,
          calls: [
            {
              address: resolveAddress('enclaveVersionRegistry', { addresses, chainId }),
              abi: enclaveVersionRegistryAbi,
              functionName: 'wasPcr0WhitelistedAt',
              args: [pcr0Commitment, block],
            },
          ],
        })
        return valueFrom(result) as boolean
      }),
    getBlock: (number, io) => run('getBlock', io, (client) => readBlock(client, number)),
    getLatestBlock: (io) => run('getLatestBlock', io, (client) => readTag(client, 'latest')),
    getClient: (policyClient, io) =>
      run('getClient', io, async (client) => {
        const at = await readTag(client, 'latest')
        const [result] = await readAt(client, {
          block: at,
          calls: [
            {
              address: clientRegistry,
              abi: policyClientRegistryAbi,
              functionName: 'getClientRecord',
              args: [policyClient],
            },
          ],
        })
        const record = valueOrNull(result as ReadResult, 'ClientNotRegistered') as {
          owner: Address
          active: boolean
        } | null
        return record === null ? null : { owner: record.owner, active: record.active }
      }),
    snapshot: (request, io) => run('snapshot', io, (client) => snapshot(client, request)),
  }
}

/** Checks versions and wiring, and returns the client registry both use. */
async function checkRegistries(client: ReadClient, registries: Registries): Promise<Address> {
  const { policyRegistry, policyDataRegistry } = registries
  const results = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      registryCall(registries, 'policy', 'version'),
      registryCall(registries, 'policyData', 'version'),
      registryCall(registries, 'policy', 'dataRegistry'),
      registryCall(registries, 'policy', 'clientRegistry'),
      registryCall(registries, 'policyData', 'clientRegistry'),
    ],
  })
  const [version, dataVersion, wired, clients, dataClients] = results.map((result, index) => {
    const address = index === 1 || index === 4 ? policyDataRegistry : policyRegistry
    if (!result.ok)
      throw new RegistryMismatchError(
        { address, reason: result.error.shortMessage },
        { cause: result.error },
      )
    return result.value as string
  }) as [string, string, Address, Address, Address]
  for (const [address, found] of [
    [policyRegistry, version],
    [policyDataRegistry, dataVersion],
  ] as const) {
    if (found.split('.')[0] !== SUPPORTED_MAJOR) {
      throw new RegistryMismatchError({
        address,
        reason: `it has version ${found}, expected ${SUPPORTED_MAJOR}.x`,
      })
    }
  }
  if (getAddress(wired) !== getAddress(policyDataRegistry)) {
    throw new RegistryMismatchError({
      address: policyRegistry,
      reason: `its data registry is ${wired}, not ${policyDataRegistry}`,
    })
  }
  if (getAddress(clients) !== getAddress(dataClients)) {
    throw new RegistryMismatchError({
      address: policyRegistry,
      reason: `it uses the client registry ${clients}, the data registry ${dataClients}`,
    })
  }
  return clients
}
