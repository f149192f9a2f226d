/** Checks before signing of a deployment's templates and instances. */

import type { Hex } from 'viem'
import * as PolicyDataRegistry from '../../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import { ARTIFACT_ABSENT, namespaces } from '../../../core/artifact.js'
import { toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { WriteClient } from '../../chain/client.js'
import { holds, type PreflightCheck } from '../../chain/preflightCheck.js'
import { type ReadResult, readAt, valueFrom } from '../../chain/read.js'
import type { OffchainChecks } from '../../rows/offchain.js'
import type { PreparedDeployment, PreparedSlotInstance } from '../../rows/policyDeployment.js'
import {
  type Registries,
  type RegistryKind,
  registryCall,
  slotRead,
  valueOrNull,
} from '../../rows/rows.js'
import { longestCheck, shortestCheck } from '../instances.js'
import { checkArtifacts, checkParams, checkSecrets, hasSecrets } from '../offchain.js'
import { gate, idCheck } from '../templates.js'
import type { DeploymentCheck, Found } from './check.js'

/** The parts of a template that an instance depends on. */
export type Template = {
  paramsSchemaHash: Hex
  secretsSchemaHash?: Hex | undefined
  policyDataTemplateRefs?: readonly Hex[] | undefined
}

/** Templates of the deployment and those that its instances name. */
export async function templateChecks(
  client: WriteClient,
  { registries, prepared, checks: offchain, options }: DeploymentCheck,
  { account, block }: Found,
): Promise<{
  checks: PreflightCheck[]
  policy: Template | undefined
  data: Map<Hex, Template | undefined>
}> {
  const { dataTemplates, dataInstances, policyTemplate, policyInstance } = prepared
  const dataIds = [
    ...new Set(
      [...dataTemplates, ...dataInstances.map(({ templateId: id }) => ({ id }))].map(
        ({ id }) => id,
      ),
    ),
  ]
  const results = await readAt(client, {
    block,
    calls: [
      ...(['policy', 'policyData'] as const).flatMap((kind) => [
        registryCall(registries, kind, PolicyRegistry.templateRegistrationPermissionless),
        registryCall(registries, kind, PolicyRegistry.templateAuthors, [account]),
      ]),
      registryCall(registries, 'policy', PolicyRegistry.getTemplate, [policyInstance.templateId]),
      ...dataIds.map((id) =>
        registryCall(registries, 'policyData', PolicyDataRegistry.getTemplate, [id]),
      ),
    ],
  })
  const row = (result: ReadResult | undefined): Template | null =>
    valueOrNull(result as ReadResult, 'TemplateNotRegistered') as Template | null
  const gates = results.slice(0, 4).map(valueFrom)
  const gateOf = (kind: RegistryKind): PreflightCheck => {
    const [open, listed] = kind === 'policy' ? gates : gates.slice(2)
    return gate('UnauthorizedTemplateAuthor', { sender: account, open, listed })
  }
  const checks: PreflightCheck[] = []
  const data = new Map<Hex, Template | undefined>()
  for (const [index, id] of dataIds.entries()) {
    const registered = row(results[5 + index])
    const given = dataTemplates.find((template) => template.id === id)?.input
    data.set(id, registered ?? given)
    if (registered === null && given !== undefined) {
      checks.push(
        gateOf('policyData'),
        ...(await availability(dataArtifacts(given), { offchain, options })),
      )
    }
    checks.push(templateCheck(id, { registered, given, registries }))
  }
  const registered = row(results[4])
  if (registered === null && policyTemplate !== undefined) {
    const { input } = policyTemplate
    checks.push(
      gateOf('policy'),
      ...(await availability(policyArtifacts(input), { offchain, options })),
    )
  }
  const given = policyTemplate?.input
  checks.push(templateCheck(policyInstance.templateId, { registered, given, registries }))
  return { checks, policy: registered ?? given, data }
}

function templateCheck(
  id: Hex,
  parameters: { registered: unknown; given: unknown; registries: Registries },
): PreflightCheck {
  const { registered, given, registries } = parameters
  return holds('TemplateNotRegistered', {
    ok: registered !== null || given !== undefined,
    detail:
      registered !== null
        ? `${id} is registered`
        : given !== undefined
          ? `${id} is registered with it`
          : `${id} is not registered on chain ${registries.chainId}`,
    fix: 'Give its template too, or register it on this chain first.',
  })
}

type Artifacts = Parameters<typeof checkArtifacts>[0]

function availability(
  artifacts: Artifacts,
  { offchain, options }: { offchain: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck[]> {
  return checkArtifacts(artifacts, { checks: offchain, options })
}

function policyArtifacts(
  input: NonNullable<PreparedDeployment['policyTemplate']>['input'],
): Artifacts {
  const { regoHash, paramsSchemaHash, locators } = input
  return [
    { hash: regoHash, namespace: namespaces.rego, locator: locators?.rego },
    {
      hash: paramsSchemaHash,
      namespace: namespaces.policyParamsSchema,
      locator: locators?.paramsSchema,
    },
  ]
}

function dataArtifacts(input: PreparedDeployment['dataTemplates'][number]['input']): Artifacts {
  const { wasmHash, paramsSchemaHash, secretsSchemaHash, locators } = input
  return [
    { hash: wasmHash, namespace: namespaces.wasm, locator: locators?.wasm },
    {
      hash: paramsSchemaHash,
      namespace: namespaces.policyDataParamsSchema,
      locator: locators?.paramsSchema,
    },
    {
      hash: secretsSchemaHash,
      namespace: namespaces.secretsSchema,
      locator: locators?.secretsSchema,
    },
  ]
}

/** One instance: its id, the gate where it is new, its params, and what its slot holds. */
export async function instanceChecks(
  client: WriteClient,
  parameters: DeploymentCheck & {
    kind: RegistryKind
    instance: PreparedSlotInstance
    template: Template | undefined
  },
  { account, block }: Found,
): Promise<PreflightCheck[]> {
  const { registries, kind, instance, template, checks: offchain, options } = parameters
  const slot = kind === 'policy' ? [instance.client] : [instance.client, instance.templateId]
  const results = await readAt(client, {
    block,
    calls: [
      registryCall(registries, kind, PolicyRegistry.isInstanceDeployed, [instance.id]),
      registryCall(registries, kind, PolicyRegistry.computeInstanceId, [
        instance.templateId,
        instance.client,
        toHex(instance.params),
        instance.expireAfter,
      ]),
      registryCall(registries, kind, PolicyRegistry.instanceDeploymentPermissionless),
      registryCall(registries, kind, PolicyRegistry.instanceDeployers, [account]),
      slotRead(registries, { kind, current: 'currentInstance', args: slot }),
      registryCall(registries, kind, PolicyRegistry.maxExpireAfter),
    ],
  })
  const [deployed, computed, open, listed, current, maxExpireAfter] = results.map(valueFrom)
  const checks = [
    idCheck('ComputedIdEqual', instance.id, computed as Hex),
    slotCheck(kind, instance, current as Hex),
  ]
  if (template === undefined) return checks
  if (deployed !== true) {
    checks.push(
      gate('UnauthorizedInstanceDeployer', { sender: account, open, listed }),
      longestCheck(instance, { maxExpireAfter }),
      ...(await shortestCheck(instance, registries)),
      paramsAllowed(instance, template),
    )
  }
  const namespace =
    kind === 'policy' ? namespaces.policyParamsSchema : namespaces.policyDataParamsSchema
  const { paramsSchemaHash: schemaHash } = template
  checks.push(
    await checkParams(
      { params: instance.params, schemaHash, namespace },
      { checks: offchain, options },
    ),
  )
  if (kind === 'policyData' && hasSecrets(template)) {
    const secret = {
      client: instance.client,
      policyDataInstanceId: instance.id,
      required: false,
    }
    checks.push(await checkSecrets(secret, { checks: offchain, options }))
  }
  return checks
}

function slotCheck(
  kind: RegistryKind,
  { templateId, replaces }: PreparedSlotInstance,
  current: Hex,
): PreflightCheck {
  const name = kind === 'policy' ? 'the policy slot' : `the slot for ${templateId}`
  return holds('SlotMoved', {
    ok: current === replaces,
    detail: `${name} holds ${current}, expected ${replaces}`,
    fix: 'Look at what was set meanwhile, and prepare the deployment again.',
  })
}

function paramsAllowed(
  { params }: PreparedSlotInstance,
  { paramsSchemaHash }: Template,
): PreflightCheck {
  const absent = paramsSchemaHash.toLowerCase() === ARTIFACT_ABSENT
  return holds('ParamsNotAllowed', {
    ok: !absent || params.length === 0,
    detail: absent ? 'the template has no params schema' : 'the template has a schema',
    fix: 'Leave `params` out, or use a template with a schema.',
  })
}
