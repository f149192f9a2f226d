/** Walks everything a policy needs and says what is missing, with the next command. */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, type ArtifactNamespace, namespaces } from '../../core/artifact.js'
import type { InstanceRow, RegistryReader } from '../../core/interfaces/registryReader.js'
import type { CommittedArtifacts } from '../../core/interfaces/secretsOpener.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { OffchainChecks } from './offchain.js'

/** State of a node. `unavailable`: it could not be found out. */
export type NodeStatus = 'ok' | 'missing' | 'pending' | 'stale' | 'unavailable'

/** What a node stands for. */
export type NodeKind =
  | 'client'
  | 'policySlot'
  | 'policyInstance'
  | 'policyTemplate'
  | 'policyDataSlot'
  | 'policyDataInstance'
  | 'policyDataTemplate'
  | 'secrets'
  | 'artifact'

/** One node of the graph. */
export type DescribeNode = {
  kind: NodeKind
  /** Its id, hash or address; `null` where there is none yet. */
  id: Hex | null
  /** What it is, for people. */
  label: string
  status: NodeStatus
  detail: string
  /** The command that would change it, where one would. */
  next?: string | undefined
  children: readonly DescribeNode[]
}

/** What to describe: one of the three. */
export type DescribeTarget =
  | { policyInstance: Hex; policyTemplate?: undefined; client?: undefined }
  | { policyTemplate: Hex; policyInstance?: undefined; client?: undefined }
  | { client: Address; policyInstance?: undefined; policyTemplate?: undefined }

/** Parameters of {@link describePolicy}. */
export type DescribeParameters = DescribeTarget & {
  reader: RegistryReader
  /** What else is asked. Whatever is left out shows as `unavailable`. */
  checks?: (OffchainChecks & { committed?: CommittedArtifacts | undefined }) | undefined
}

type Context = {
  reader: RegistryReader
  checks: NonNullable<DescribeParameters['checks']>
  options: IoOptions
  block: bigint
}

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
  const context: Context = { reader, checks, options, block: number }
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

async function clientNode(context: Context, client: Address): Promise<DescribeNode> {
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

async function policyInstanceNode(context: Context, id: Hex): Promise<DescribeNode> {
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
  context: Context,
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
  context: Context,
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

async function dataTemplateNode(context: Context, id: Hex): Promise<DescribeNode> {
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
    children: artifacts.flat(),
  }
}

async function secretsNode(
  context: Context,
  secret: { client: Address; policyDataInstanceId: Hex },
): Promise<DescribeNode> {
  const { checks, options } = context
  const upload = `newton-policy policy-data instance set-secrets --instance ${secret.policyDataInstanceId} --secrets <file.json> --enclave-key <key>`
  const known = await attempt(options, () => checks.secrets?.getSecretsStatus(secret, options))
  const status = known === 'present' ? 'ok' : known === 'missing' ? 'missing' : 'unavailable'
  return {
    kind: 'secrets',
    id: secret.policyDataInstanceId,
    label: 'sealed secrets',
    status,
    detail: { ok: 'committed', missing: 'none are committed', unavailable: 'not known' }[status],
    next: status === 'ok' ? undefined : upload,
    children: [],
  }
}

// An absent schema is nothing to show.
async function artifactNode(
  context: Context,
  artifact: { hash: Hex; namespace: ArtifactNamespace; label: string },
): Promise<DescribeNode[]> {
  const { hash, namespace, label } = artifact
  if (hash.toLowerCase() === ARTIFACT_ABSENT) return []
  const { checks, options, block } = context
  const source = checks.artifacts
  const available = await attempt(options, async () => {
    if (source === undefined) return undefined
    if (source.hasArtifact !== undefined) return source.hasArtifact({ hash, namespace }, options)
    await source.getArtifact({ hash, namespace }, options)
    return true
  })
  const committed = await attempt(options, () =>
    checks.committed?.isCommittedAt({ namespace, hash, block }, options),
  )
  const node = { kind: 'artifact' as const, id: hash, label, children: [] }
  if (available === undefined && committed === undefined) {
    return [
      { ...node, status: 'unavailable', detail: 'not looked for, or the source did not answer' },
    ]
  }
  if (available === false) {
    const next = `newton-policy artifact publish <file> # its hash is ${hash}`
    return [{ ...node, status: 'missing', detail: 'its bytes cannot be had', next }]
  }
  if (committed === false) {
    const next = 'newton-policy state commits # wait for the next window'
    return [{ ...node, status: 'pending', detail: 'not in the state tree yet', next }]
  }
  const where = committed === true ? 'in the state tree' : 'state tree not asked'
  const bytes = available === true ? 'its bytes are there' : 'its bytes were not looked for'
  return [{ ...node, status: 'ok', detail: `${bytes}, ${where}` }]
}

// A source that fails has not said that something is missing.
async function attempt<value>(
  options: IoOptions,
  work: () => Promise<value> | undefined,
): Promise<value | undefined> {
  try {
    return await work()
  } catch {
    options.signal?.throwIfAborted()
    return undefined
  }
}

function instanceDetail(row: InstanceRow): string {
  return `for ${row.client}, results valid ${row.expireAfter} blocks, deployed in block ${row.deployedAt}`
}
