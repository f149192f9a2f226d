/** Walks everything a policy needs and says what is missing, with the next command. */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, namespaces } from '../../../core/artifact.js'
import type { InstanceRow } from '../../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { artifactNode, provenanceNode, secretsNode } from './leaves.js'
import type { DescribeContext, DescribeNode, DescribeParameters } from './node.js'

/**
 * Describes a policy instance, a policy template or a client with all that hangs on it: templates,
 * slots, secrets, whether artifacts can be had and are in the state tree.
 *
 * Reads only. Never throws for something missing: that is what it reports.
 *
 * @throws {InvalidInputError} unless exactly one target is named.
 * @throws {RpcError} when the node does not answer.
 * @example
 * ```ts
 * import { createRegistryReader, describePolicy } from '@newton/policy-sdk/registry'
 *
 * const reader = await createRegistryReader({ client, addresses })
 * const node = await describePolicy({ reader, client: '0x00000000000000000000000000000000000000a1' })
 * node.status // 'missing'
 * ```
 */
export async function describePolicy(
  parameters: DescribeParameters,
  options: IoOptions = {},
): Promise<DescribeNode> {
  const { reader, checks = {} } = parameters
  const targets = [parameters.policyInstance, parameters.policyTemplate, parameters.client]
  if (targets.filter((target) => target !== undefined).length !== 1) {
    throw new InvalidInputError({
      field: 'target',
      reason: 'name one of `policyInstance`, `policyTemplate` and `client`',
    })
  }
  const { number } = await reader.getLatestBlock(options)
  const context: DescribeContext = { reader, checks, options, block: number }
  if (parameters.client !== undefined) return clientNode(context, parameters.client)
  if (parameters.policyTemplate !== undefined) {
    return policyTemplateNode(context, { id: parameters.policyTemplate, client: undefined })
  }
  return policyInstanceNode(context, parameters.policyInstance)
}

/** All nodes, depth first. */
export function flattenNodes(node: DescribeNode): DescribeNode[] {
  return [node, ...node.children.flatMap(flattenNodes)]
}

async function clientNode(context: DescribeContext, client: Address): Promise<DescribeNode> {
  const { reader, options, block } = context
  const record = await reader.getClient(client, options)
  const slot = await reader.currentPolicyInstanceAt({ client, block }, options)
  const child: DescribeNode =
    slot === null
      ? {
          kind: 'policySlot',
          id: null,
          label: 'current policy',
          status: 'missing',
          detail: 'no policy instance is set',
          next: `newton-policy policy instance deploy --template <id> --client ${client} --params <file.json> --expire-after <blocks>`,
          children: [],
        }
      : await policyInstanceNode(context, slot)
  return {
    kind: 'client',
    id: client,
    label: 'policy client',
    status: record === null ? 'missing' : record.active ? 'ok' : 'stale',
    detail:
      record === null
        ? 'not registered'
        : `owner ${record.owner}${record.active ? '' : ', not active'}`,
    next:
      record === null
        ? `newton-policy client register ${client} # from its owner`
        : record.active
          ? undefined
          : `newton-policy client activate ${client} # from its owner`,
    children: [child],
  }
}

async function policyInstanceNode(context: DescribeContext, id: Hex): Promise<DescribeNode> {
  const { reader, options, block } = context
  const row = await reader.getPolicyInstance(id, options)
  if (row === null) {
    return {
      kind: 'policyInstance',
      id,
      label: 'policy instance',
      status: 'missing',
      detail: `not deployed on chain ${reader.chainId}`,
      next: 'newton-policy policy instance deploy --template <id> --client <address> --params <file.json> --expire-after <blocks>',
      children: [],
    }
  }
  const { client } = row
  const current = await reader.currentPolicyInstanceAt({ client, block }, options)
  const isCurrent = current === id.toLowerCase()
  return {
    kind: 'policyInstance',
    id,
    label: 'policy instance',
    status: isCurrent ? 'ok' : 'stale',
    detail: `${instanceDetail(row)}${isCurrent ? ', current' : `, not current (${current ?? 'none is'})`}`,
    next: isCurrent
      ? undefined
      : `newton-policy policy instance set-current --client ${client} --policy-instance ${id}`,
    children: [await policyTemplateNode(context, { id: row.templateId, client })],
  }
}

async function policyTemplateNode(
  context: DescribeContext,
  { id, client }: { id: Hex; client: Address | undefined },
): Promise<DescribeNode> {
  const { reader, options } = context
  const row = await reader.getPolicyTemplate(id, options)
  if (row === null) {
    return {
      kind: 'policyTemplate',
      id,
      label: 'policy template',
      status: 'missing',
      detail: `not registered on chain ${reader.chainId}`,
      next: `newton-policy policy template register --rego <file> --chain-id ${reader.chainId}`,
      children: [],
    }
  }
  const artifacts = await Promise.all([
    artifactNode(context, { hash: row.regoHash, namespace: namespaces.rego, label: 'Rego' }),
    artifactNode(context, {
      hash: row.paramsSchemaHash,
      namespace: namespaces.policyParamsSchema,
      label: 'params schema',
    }),
  ])
  const data: DescribeNode[] = []
  for (const ref of row.policyDataTemplateRefs) {
    data.push(
      client === undefined
        ? await dataTemplateNode(context, ref)
        : await dataSlotNode(context, { ref, client }),
    )
  }
  return {
    kind: 'policyTemplate',
    id,
    label: 'policy template',
    status: 'ok',
    detail: `by ${row.author} in block ${row.registeredAt}, ${row.policyDataTemplateRefs.length} data templates`,
    children: [...artifacts.flat(), ...data],
  }
}

async function dataSlotNode(
  context: DescribeContext,
  { ref, client }: { ref: Hex; client: Address },
): Promise<DescribeNode> {
  const { reader, options, block } = context
  const template = await dataTemplateNode(context, ref)
  const slot = await reader.currentPolicyDataInstanceAt({ client, templateId: ref, block }, options)
  if (slot === null) {
    return {
      kind: 'policyDataSlot',
      id: null,
      label: 'current policy data',
      status: 'missing',
      detail: `the slot for ${ref} is empty`,
      next: `newton-policy policy-data instance deploy --template ${ref} --client ${client} --params <file.json> --expire-after <blocks>`,
      children: [template],
    }
  }
  const row = await reader.getPolicyDataInstance(slot, options)
  const needsSecrets =
    (await reader.getPolicyDataTemplate(ref, options))?.secretsSchemaHash.toLowerCase() !==
    ARTIFACT_ABSENT
  return {
    kind: 'policyDataInstance',
    id: slot,
    label: 'policy-data instance',
    status: row === null ? 'missing' : 'ok',
    detail:
      row === null ? 'the slot names it, but it has no row' : `${instanceDetail(row)}, current`,
    children: [
      template,
      ...(needsSecrets ? [await secretsNode(context, { client, policyDataInstanceId: slot })] : []),
    ],
  }
}

async function dataTemplateNode(context: DescribeContext, id: Hex): Promise<DescribeNode> {
  const { reader, options } = context
  const row = await reader.getPolicyDataTemplate(id, options)
  if (row === null) {
    return {
      kind: 'policyDataTemplate',
      id,
      label: 'policy-data template',
      status: 'missing',
      detail: `not registered on chain ${reader.chainId}`,
      next: `newton-policy policy-data template register --wasm <file> --chain-id ${reader.chainId}`,
      children: [],
    }
  }
  const artifacts = await Promise.all([
    artifactNode(context, { hash: row.wasmHash, namespace: namespaces.wasm, label: 'plugin' }),
    artifactNode(context, {
      hash: row.paramsSchemaHash,
      namespace: namespaces.policyDataParamsSchema,
      label: 'params schema',
    }),
    artifactNode(context, {
      hash: row.secretsSchemaHash,
      namespace: namespaces.secretsSchema,
      label: 'secrets schema',
    }),
  ])
  return {
    kind: 'policyDataTemplate',
    id,
    label: 'policy-data template',
    status: 'ok',
    detail: `by ${row.author} in block ${row.registeredAt}`,
    children: [...artifacts.flat(), ...(await provenanceNode(context, row.wasmHash))],
  }
}

function instanceDetail(row: InstanceRow): string {
  return `for ${row.client}, results valid ${row.expireAfter} blocks, deployed in block ${row.deployedAt}`
}
