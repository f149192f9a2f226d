/** Checks before signing of instance deployments: what the contract will assert, at one block. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { ARTIFACT_ABSENT, namespaces } from '../../core/artifact.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { WriteClient } from '../chain/client.js'
import { failed, holds, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import type { PreparedInstance } from '../rows/inputs.js'
import type { OffchainChecks } from '../rows/offchain.js'
import {
  clientRecordCall,
  getTemplate,
  type Registries,
  type RegistryKind,
  registryCall,
  valueOrNull,
} from '../rows/rows.js'
import { activeClientCheck } from './clients.js'
import { checkParams, checkSecrets, hasSecrets } from './offchain.js'
import { gate, idCheck } from './templates.js'

/** What is to be deployed, and where. */
type Deployment = { registries: Registries; kind: RegistryKind; prepared: PreparedInstance }

/** The parts of a template that the deployment of an instance depends on. */
type Template = { paramsSchemaHash: Hex; policyDataTemplateRefs?: readonly Hex[] }

/** Checks a deployment of an instance. */
export async function checkInstance(
  client: WriteClient,
  parameters: Deployment & { ensure: boolean; checks: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck[]> {
  const { registries, prepared, ensure } = parameters
  const block = await readTag(client, 'latest')
  const found = await readDeployment(client, parameters, block)
  const checks = [
    idCheck('ComputedIdEqual', prepared.id, found.computedId),
    deployedCheck(found.deployed, parameters),
  ]
  if (ensure && found.deployed === true) return checks
  checks.push(gate('UnauthorizedInstanceDeployer', found), longestCheck(prepared, found))
  checks.push(...(await shortestCheck(prepared, registries)))
  const refs = found.template?.policyDataTemplateRefs ?? []
  const [record, ...registered] = await readAt(client, {
    block,
    calls: [
      clientRecordCall(found.clientRegistry, prepared.client),
      ...refs.map((ref) =>
        registryCall(registries, 'policyData', PolicyDataRegistry.isTemplateRegistered, [ref]),
      ),
    ],
  })
  checks.push(
    ...templateChecks(prepared, found.template, registries),
    ...refs.map((ref, index) => refCheck(ref, valueFrom(registered[index]) === true, registries)),
    activeClientCheck(record as ReadResult, prepared.client).check,
  )
  if (found.template !== null) checks.push(...(await offchainChecks(found.template, parameters)))
  return checks
}

type Found = {
  deployed: unknown
  computedId: Hex
  sender: Address
  open: unknown
  listed: unknown
  template: Template | null
  clientRegistry: Address
  maxExpireAfter: unknown
}

async function readDeployment(
  client: WriteClient,
  { registries, kind, prepared }: Deployment,
  block: BlockReference,
): Promise<Found> {
  const sender = client.account.address
  const results = await readAt(client, {
    block,
    calls: [
      registryCall(registries, kind, PolicyRegistry.isInstanceDeployed, [prepared.id]),
      registryCall(registries, kind, PolicyRegistry.computeInstanceId, [
        prepared.templateId,
        prepared.client,
        toHex(prepared.params),
        prepared.expireAfter,
      ]),
      registryCall(registries, kind, PolicyRegistry.instanceDeploymentPermissionless),
      registryCall(registries, kind, PolicyRegistry.instanceDeployers, [sender]),
      registryCall(registries, kind, getTemplate, [prepared.templateId]),
      registryCall(registries, kind, PolicyRegistry.clientRegistry),
      registryCall(registries, kind, PolicyRegistry.maxExpireAfter),
    ],
  })
  return {
    deployed: valueFrom(results[0]),
    computedId: valueFrom(results[1]) as Hex,
    sender,
    open: valueFrom(results[2]),
    listed: valueFrom(results[3]),
    template: valueOrNull(results[4] as ReadResult, 'TemplateNotRegistered') as Template | null,
    clientRegistry: valueFrom(results[5]) as Address,
    maxExpireAfter: valueFrom(results[6]),
  }
}

function deployedCheck(
  deployed: unknown,
  { prepared, registries, ensure }: Deployment & { ensure: boolean },
): PreflightCheck {
  return ensure || deployed !== true
    ? passed('InstanceAlreadyDeployed', deployed ? 'deployed, nothing to do' : 'not deployed yet')
    : failed(
        'InstanceAlreadyDeployed',
        `${prepared.id} is deployed on chain ${registries.chainId}`,
        'Nothing to do: use this id, or call the ensure action in batches.',
      )
}

/** What a new instance may ask for is bounded on every chain; older rows stay as they are. */
export function longestCheck(
  { expireAfter }: { expireAfter: bigint },
  { maxExpireAfter }: { maxExpireAfter: unknown },
): PreflightCheck {
  const most = maxExpireAfter as bigint
  return holds('ExpireAfterTooLarge', {
    ok: expireAfter <= most,
    detail: `results stay valid for ${expireAfter} blocks, this chain allows ${most}`,
    fix: `Set \`expireAfter\` to ${most} or less.`,
  })
}

/** A result that ends before it can land is of no use; chains outside the table are their owners' to know. */
export async function shortestCheck(
  { expireAfter }: { expireAfter: bigint },
  { chainId }: Registries,
): Promise<PreflightCheck[]> {
  // Loaded here: a page that shows its deployment has no use for the table of chains before.
  const { blocksToAnswer, chains } = await import('../../core/chains.js')
  const constants = Object.hasOwn(chains, Number(chainId)) ? chains[Number(chainId)] : undefined
  if (constants === undefined) return []
  const least = blocksToAnswer(constants)
  return [
    holds('ExpireAfterTooSmall', {
      ok: expireAfter >= least,
      detail: `results stay valid for ${expireAfter} blocks, an answer may take ${least} to land`,
      fix: `Set \`expireAfter\` to ${least} or more: two reference delays and a minute of blocks.`,
    }),
  ]
}

function templateChecks(
  prepared: PreparedInstance,
  template: { paramsSchemaHash: Hex } | null,
  registries: Registries,
): PreflightCheck[] {
  if (template === null) {
    return [
      failed(
        'TemplateNotRegistered',
        `${prepared.templateId} is not registered on chain ${registries.chainId}`,
        'Register the template on this chain first.',
      ),
    ]
  }
  const absent = template.paramsSchemaHash.toLowerCase() === ARTIFACT_ABSENT
  return [
    passed('TemplateNotRegistered', `${prepared.templateId} is registered`),
    absent && prepared.params.length > 0
      ? failed(
          'ParamsNotAllowed',
          'the template has no params schema',
          'Leave `params` out, or use a template with a schema.',
        )
      : passed('ParamsNotAllowed', absent ? 'no params, no schema' : 'the template has a schema'),
  ]
}

function refCheck(ref: Hex, registered: boolean, registries: Registries): PreflightCheck {
  return registered
    ? passed('PolicyDataTemplateNotRegistered', `${ref} is registered`)
    : failed(
        'PolicyDataTemplateNotRegistered',
        `the policy needs ${ref}, which is not registered on chain ${registries.chainId}`,
        'Register that policy-data template on this chain first.',
      )
}

/** What no contract checks: that the params fit the schema, that secrets are there. */
async function offchainChecks(
  template: Template,
  { kind, prepared, checks, options }: Deployment & { checks: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck[]> {
  const namespace =
    kind === 'policy' ? namespaces.policyParamsSchema : namespaces.policyDataParamsSchema
  const params = { params: prepared.params, schemaHash: template.paramsSchemaHash, namespace }
  const found = [await checkParams(params, { checks, options })]
  if (hasSecrets(template)) {
    const secret = {
      client: prepared.client,
      policyDataInstanceId: prepared.id,
      required: false,
    }
    found.push(await checkSecrets(secret, { checks, options }))
  }
  return found
}
