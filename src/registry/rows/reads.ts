/** Single reads, for callers that do not keep a reader. */
import type { Address, Hex } from 'viem'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistryReader,
  RegistrySnapshot,
} from '../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import type { ReadClient } from '../chain/client.js'
import { describePolicy } from './describe/describe.js'
import type { DescribeNode, DescribeTarget } from './describe/node.js'
import { addressOf, wordOf } from './inputs.js'
import type { OffchainChecks } from './offchain.js'
import { createRegistryReader } from './reader/reader.js'

/** Parameters that every read takes. */
export type ReadOptions = IoOptions & { addresses?: PolicyAddressesInput | undefined }

async function read<value>(
  client: ReadClient,
  options: ReadOptions & {
    id?: Hex | undefined
    client?: Address | undefined
    templateId?: Hex | undefined
  },
  work: (reader: RegistryReader) => Promise<value>,
): Promise<value> {
  // Before anything is asked of the node: what it answers would hide a slip of the pen.
  for (const field of ['id', 'templateId'] as const) {
    if (field in options) wordOf(options[field] as Hex, field)
  }
  if ('client' in options) addressOf(options.client as Address, 'client')
  return work(await createRegistryReader({ client, addresses: options.addresses }, options))
}

/**
 * Reads a policy template, checked against its id. `null` where it is not registered.
 *
 * @throws {RpcError} when the node does not answer.
 * @throws {RowMismatchError} when the answer is not that template.
 */
export async function getPolicyTemplate(
  client: ReadClient,
  parameters: ReadOptions & { id: Hex },
): Promise<PolicyTemplateRow | null> {
  return read(client, parameters, (reader) => reader.getPolicyTemplate(parameters.id, parameters))
}

/** Reads a policy-data template, checked against its id. `null` where it is not registered. */
export async function getPolicyDataTemplate(
  client: ReadClient,
  parameters: ReadOptions & { id: Hex },
): Promise<PolicyDataTemplateRow | null> {
  return read(client, parameters, (reader) =>
    reader.getPolicyDataTemplate(parameters.id, parameters),
  )
}

/** Reads a policy instance with its params, checked against its id. `null` where it is not deployed. */
export async function getPolicyInstance(
  client: ReadClient,
  parameters: ReadOptions & { id: Hex },
): Promise<InstanceRow | null> {
  return read(client, parameters, (reader) => reader.getPolicyInstance(parameters.id, parameters))
}

/** Reads a policy-data instance with its params. `null` where it is not deployed. */
export async function getPolicyDataInstance(
  client: ReadClient,
  parameters: ReadOptions & { id: Hex },
): Promise<InstanceRow | null> {
  return read(client, parameters, (reader) =>
    reader.getPolicyDataInstance(parameters.id, parameters),
  )
}

/** Reads a client's policy slot at the end of a block, the newest where left out. */
export async function getCurrentPolicyInstance(
  client: ReadClient,
  parameters: ReadOptions & { client: Address; block?: bigint | undefined },
): Promise<Hex | null> {
  return read(client, parameters, async (reader) =>
    reader.currentPolicyInstanceAt(
      { client: parameters.client, block: await blockOf(reader, parameters) },
      parameters,
    ),
  )
}

/** Reads a client's slot for one data template at the end of a block, the newest where left out. */
export async function getCurrentPolicyDataInstance(
  client: ReadClient,
  parameters: ReadOptions & { client: Address; templateId: Hex; block?: bigint | undefined },
): Promise<Hex | null> {
  return read(client, parameters, async (reader) =>
    reader.currentPolicyDataInstanceAt(
      {
        client: parameters.client,
        templateId: parameters.templateId,
        block: await blockOf(reader, parameters),
      },
      parameters,
    ),
  )
}

/** Reads a client's record. `null` where it is not registered. */
export async function getPolicyClient(
  client: ReadClient,
  parameters: ReadOptions & { client: Address },
): Promise<{ owner: Address; active: boolean } | null> {
  return read(client, parameters, (reader) => reader.getClient(parameters.client, parameters))
}

/** Reads everything that an evaluation for a client needs, at one block, the newest where left out. */
export async function getPolicySnapshot(
  client: ReadClient,
  parameters: ReadOptions & { client: Address; block?: bigint | undefined },
): Promise<RegistrySnapshot> {
  return read(client, parameters, async (reader) =>
    reader.snapshot(
      { client: parameters.client, block: await blockOf(reader, parameters) },
      parameters,
    ),
  )
}

/** Describes a policy instance, a policy template or a client. See {@link describePolicy}. */
export async function describe(
  client: ReadClient,
  parameters: ReadOptions & DescribeTarget & { checks?: OffchainChecks | undefined },
): Promise<DescribeNode> {
  const { addresses, signal, timeout, ...target } = parameters
  return read(client, { addresses, signal, timeout }, (reader) =>
    describePolicy({ ...target, reader }, { signal, timeout }),
  )
}

async function blockOf(
  reader: RegistryReader,
  { block, ...options }: IoOptions & { block?: bigint | undefined },
): Promise<bigint> {
  return block ?? (await reader.getLatestBlock(options)).number
}
