/** Reads a policy of the current protocol, so that a team can move over. */
import { type Abi, type Address, getAddress, type Hex } from 'viem'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../core/artifact.js'
import { type JsonObject, parseJsonBytes } from '../../core/canonicalJson.js'
import { sortRefs } from '../../core/ids.js'
import { encodeParams } from '../../core/params.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { fromHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { type ReadClient, withClient } from '../chain/client.js'
import { ContractNotFoundError, ContractRevertError } from '../chain/errors.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../chain/read.js'
import { addressOf, preparePolicyDataTemplate } from '../rows/inputs.js'
import { newtonClientAbi, newtonInterfaceIds, newtonPolicyAbi, newtonPolicyDataAbi } from './abi.js'
import { type ManifestReading, readManifest } from './manifest.js'

/** Fetches bytes by CID and checks that they are its. */
export type CidFetcher = (cid: string, options: IoOptions) => Promise<Uint8Array>

/** A policy-data contract of the current protocol. */
export type NewtonPolicyData = {
  address: Address
  owner: Address
  wasmCid: string
  secretsSchemaCid: string
  metadataCid: string
  expireAfter: number
  version: string
}

/** A policy contract of the current protocol. */
export type NewtonPolicy = {
  address: Address
  owner: Address
  entrypoint: string
  policyCid: string
  schemaCid: string
  metadataCid: string
  policyCodeHash: Hex
  version: string
  policyData: readonly NewtonPolicyData[]
}

/** A client of it, with what it set. */
export type NewtonClient = {
  address: Address
  owner: Address
  policyId: Hex
  params: Hex
  expireAfter: number
}

/** Something that does not carry over as it is. */
export type ImportIssue = { code: string; detail: string }

/** A template to register, with its bytes by artifact hash. */
export type ImportPlan = {
  policyTemplate: { regoHash: Hex; paramsSchemaHash: Hex; policyDataTemplateRefs: readonly Hex[] }
  /** In the order of the old policy's data contracts. */
  policyDataTemplates: readonly {
    id: Hex
    wasmHash: Hex
    paramsSchemaHash: Hex
    secretsSchemaHash: Hex
    /** Blocks, from the old contract. */
    expireAfter: bigint
  }[]
  /** Params of the policy instance; `undefined` without a client. */
  params: JsonObject | undefined
  /** Blocks, from the client's configuration. */
  expireAfter: bigint | undefined
  artifacts: ReadonlyMap<Hex, Uint8Array>
}

/** What was read, and what to do with it. */
export type ImportedPolicy = {
  policy: NewtonPolicy
  client: NewtonClient | null
  manifest: ManifestReading
  issues: readonly ImportIssue[]
  /** `null` without a fetcher, or where an artifact could not be had (an issue says which). */
  plan: ImportPlan | null
}

/** Parameters of {@link importNewtonPolicy}. */
export type ImportNewtonPolicyParameters = {
  /** A policy, or a policy client of the current protocol. */
  address: Address
  /** Client whose configuration is read, where `address` is a policy. */
  policyClient?: Address | undefined
  fetchCid?: CidFetcher | undefined
}

/** The contract at an address is neither a policy nor a client of the current protocol. */
export class NotNewtonPolicyError extends BaseError {
  override readonly name = 'NotNewtonPolicyError'
  override readonly code = 'NOT_NEWTON_POLICY'

  constructor(
    { address, reason }: { address: Address; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`${address} cannot be imported: ${reason}.`, {
      metaMessages: ['Name a policy or a policy client of the current protocol.'],
      ...options,
    })
  }
}

/**
 * Reads a policy of the current protocol with its data contracts and a client's configuration.
 *
 * With `fetchCid` it also fetches the artifacts and returns templates, ready to be published and
 * registered. Composite manifests in the params are recognized.
 *
 * @throws {NotNewtonPolicyError} when the address is something else.
 * @throws {RpcError} when the node does not answer.
 * @example
 * ```ts
 * import { importNewtonPolicy } from '@newton/policy-sdk/registry'
 *
 * const { policy, plan, issues } = await importNewtonPolicy(client, {
 *   address: '0x00000000000000000000000000000000000000a1',
 * })
 * ```
 */
export async function importNewtonPolicy(
  client: ReadClient,
  parameters: ImportNewtonPolicyParameters & IoOptions,
): Promise<ImportedPolicy> {
  const { fetchCid } = parameters
  const address = addressOf(parameters.address, 'address')
  return withClient('importNewtonPolicy', { client, options: parameters }, async (bound) => {
    const read = reader(bound, await readTag(bound, 'latest'))
    const kind = await kindOf(read, address)
    const clientAddress =
      kind === 'client'
        ? address
        : parameters.policyClient && addressOf(parameters.policyClient, 'policyClient')
    const policyAddress =
      kind === 'client'
        ? ((await read(address, newtonClientAbi, ['getPolicyAddress']))[0] as Address)
        : address
    if (/^0x0*$/.test(policyAddress)) {
      throw new NotNewtonPolicyError({ address, reason: 'the client has no policy' })
    }
    const policy = await readPolicy(read, getAddress(policyAddress))
    const found =
      clientAddress && (await readClient(read, { address: clientAddress, policy, kind }))
    const issues: ImportIssue[] = []
    const params = found ? readParams(found.params, issues) : undefined
    const manifest = params === undefined ? { status: 'none' as const } : readManifest(params)
    reviewPolicy(policy, { manifest, issues })
    const plan =
      fetchCid === undefined
        ? null
        : await makePlan(policy, { fetchCid, issues, params, client: found, options: parameters })
    return { policy, client: found ?? null, manifest, issues, plan }
  })
}

type Read = (
  address: Address,
  abi: Abi,
  names: readonly (string | [string, unknown])[],
) => Promise<unknown[]>

function reader(client: ReadClient, block: Awaited<ReturnType<typeof readTag>>): Read {
  return async (address, abi, names) => {
    const calls = names.map((name): ReadCall => {
      const [functionName, ...args] = typeof name === 'string' ? [name] : name
      return { address, abi, functionName, args }
    })
    return (await readAt(client, { calls, block })).map(valueFrom)
  }
}

async function kindOf(read: Read, address: Address): Promise<'policy' | 'client'> {
  const supports = async (id: Hex): Promise<boolean> => {
    try {
      return (await read(address, newtonClientAbi, [['supportsInterface', id]]))[0] === true
    } catch (error) {
      if (error instanceof ContractRevertError) return false
      if (error instanceof ContractNotFoundError) {
        throw new NotNewtonPolicyError(
          { address, reason: 'there is no such contract' },
          { cause: error },
        )
      }
      throw error
    }
  }
  if (await supports(newtonInterfaceIds.policyClient)) return 'client'
  if (await supports(newtonInterfaceIds.policy)) return 'policy'
  throw new NotNewtonPolicyError({ address, reason: 'it reports neither interface' })
}

async function readPolicy(read: Read, address: Address): Promise<NewtonPolicy> {
  const values = await read(address, newtonPolicyAbi, [
    'owner',
    'getEntrypoint',
    'getPolicyCid',
    'getSchemaCid',
    'getMetadataCid',
    'getPolicyCodeHash',
    'version',
    'getPolicyData',
  ])
  const [owner, entrypoint, policyCid, schemaCid, metadataCid, policyCodeHash, version, list] =
    values as [Address, string, string, string, string, Hex, string, readonly Address[]]
  const policyData = await Promise.all(
    list.map(async (data): Promise<NewtonPolicyData> => {
      const fields = await read(data, newtonPolicyDataAbi, [
        'owner',
        'getWasmCid',
        'getSecretsSchemaCid',
        'getMetadataCid',
        'getExpireAfter',
        'version',
      ])
      const [dataOwner, wasmCid, secretsSchemaCid, dataMetadata, expireAfter, dataVersion] =
        fields as [Address, string, string, string, number, string]
      return {
        address: data,
        owner: dataOwner,
        wasmCid,
        secretsSchemaCid,
        metadataCid: dataMetadata,
        expireAfter,
        version: dataVersion,
      }
    }),
  )
  return {
    address,
    owner,
    entrypoint,
    policyCid,
    schemaCid,
    metadataCid,
    policyCodeHash,
    version,
    policyData,
  }
}

async function readClient(
  read: Read,
  { address, policy, kind }: { address: Address; policy: NewtonPolicy; kind: 'policy' | 'client' },
): Promise<NewtonClient> {
  const [policyId] = (
    kind === 'client'
      ? await read(address, newtonClientAbi, ['getPolicyId'])
      : await read(policy.address, newtonPolicyAbi, [['getPolicyId', address]])
  ) as [Hex]
  const [owner] = (await read(address, newtonClientAbi, ['getOwner'])) as [Address]
  const [config] = (await read(policy.address, newtonPolicyAbi, [
    ['getPolicyConfig', policyId],
  ])) as [{ policyParams: Hex; expireAfter: number }]
  return { address, owner, policyId, params: config.policyParams, expireAfter: config.expireAfter }
}

function readParams(params: Hex, issues: ImportIssue[]): JsonObject | undefined {
  const bytes = fromHex(params, 'params')
  if (bytes.length === 0) return {}
  try {
    const value = parseJsonBytes(bytes)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      // Also proves that they fit: at most 8,192 canonical bytes.
      encodeParams(value as JsonObject)
      return value as JsonObject
    }
    issues.push({ code: 'PARAMS_NOT_OBJECT', detail: 'the params are no JSON object' })
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n')[0] : 'unknown'
    issues.push({
      code: 'PARAMS_REFUSED',
      detail: `the params cannot be made canonical: ${detail}`,
    })
  }
  return undefined
}

function reviewPolicy(
  policy: NewtonPolicy,
  { manifest, issues }: { manifest: ManifestReading; issues: ImportIssue[] },
): void {
  if (!policy.entrypoint.endsWith('.allow')) {
    issues.push({
      code: 'ENTRYPOINT_NOT_ALLOW',
      detail: `its entrypoint is ${policy.entrypoint}; here the decision is always data.<package>.allow`,
    })
  }
  if (manifest.status === 'malformed') {
    issues.push({ code: 'MANIFEST_MALFORMED', detail: manifest.reason })
  }
  if (manifest.status === 'composite') {
    const { modules } = manifest.manifest
    if (modules.length !== policy.policyData.length) {
      issues.push({
        code: 'MANIFEST_MISMATCH',
        detail: `${modules.length} modules, ${policy.policyData.length} data contracts`,
      })
    }
    modules.forEach((module, index) => {
      const data = policy.policyData[index]
      if (data === undefined) return
      if (
        getAddress(data.address) !== module.policyDataAddress ||
        data.wasmCid !== module.wasmCid
      ) {
        issues.push({
          code: 'MANIFEST_MISMATCH',
          detail: `module ${module.id} names ${module.policyDataAddress} and ${module.wasmCid}, the policy ${data.address} and ${data.wasmCid}`,
        })
      }
    })
  }
}

async function makePlan(
  policy: NewtonPolicy,
  parameters: {
    fetchCid: CidFetcher
    issues: ImportIssue[]
    params: JsonObject | undefined
    client: NewtonClient | undefined
    options: IoOptions
  },
): Promise<ImportPlan | null> {
  const { fetchCid, issues, options } = parameters
  const artifacts = new Map<Hex, Uint8Array>()
  const fetch = async (cid: string, what: string): Promise<Hex | undefined> => {
    try {
      const bytes = await fetchCid(cid, { signal: options.signal })
      const hash = computeArtifactHash(bytes)
      artifacts.set(hash, bytes)
      return hash
    } catch (error) {
      options.signal?.throwIfAborted()
      const detail = error instanceof Error ? error.message.split('\n')[0] : 'unknown'
      issues.push({ code: 'ARTIFACT_UNAVAILABLE', detail: `${what} ${cid}: ${detail}` })
      return undefined
    }
  }
  const optional = (cid: string, what: string): Promise<Hex | undefined> =>
    cid === '' ? Promise.resolve(ARTIFACT_ABSENT) : fetch(cid, what)

  const regoHash = await fetch(policy.policyCid, 'Rego')
  const paramsSchemaHash = await optional(policy.schemaCid, 'params schema')
  const data = await Promise.all(
    policy.policyData.map(async ({ wasmCid, secretsSchemaCid, expireAfter }, index) => ({
      wasmHash: await fetch(wasmCid, `plugin ${index}`),
      secretsSchemaHash: await optional(secretsSchemaCid, `secrets schema ${index}`),
      expireAfter,
    })),
  )
  if (regoHash === undefined || paramsSchemaHash === undefined) return null
  if (regoHash !== policy.policyCodeHash.toLowerCase()) {
    issues.push({
      code: 'CODE_HASH_MISMATCH',
      detail: `the Rego at ${policy.policyCid} hashes to ${regoHash}, the policy binds ${policy.policyCodeHash}`,
    })
  }
  const templates: ImportPlan['policyDataTemplates'][number][] = []
  for (const { wasmHash, secretsSchemaHash, expireAfter } of data) {
    if (wasmHash === undefined || secretsSchemaHash === undefined) return null
    const template = { wasmHash, paramsSchemaHash: ARTIFACT_ABSENT, secretsSchemaHash }
    templates.push({
      ...template,
      id: preparePolicyDataTemplate(template).id,
      expireAfter: BigInt(expireAfter),
    })
  }
  const ids = [...new Set(templates.map(({ id }) => id))]
  if (ids.length !== templates.length) {
    issues.push({
      code: 'DATA_TEMPLATE_TWICE',
      detail: 'two data contracts have the same artifacts; here they are one template',
    })
  }
  return {
    policyTemplate: { regoHash, paramsSchemaHash, policyDataTemplateRefs: sortRefs(ids) },
    policyDataTemplates: templates,
    params: parameters.params,
    expireAfter: parameters.client && BigInt(parameters.client.expireAfter),
    artifacts,
  }
}
