/** Checks before signing of moves of a client's slots: what the contract will assert, at one block. */

import { type Address, getAddress, type Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { WriteClient } from '../chain/client.js'
import { equal, failed, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import type { OffchainChecks } from '../rows/offchain.js'
import {
  clientRecordCall,
  getInstance,
  type Registries,
  type RegistryKind,
  registryCall,
  valueOrNull,
} from '../rows/rows.js'
import { activeClientCheck } from './clients.js'
import { checkSecrets, hasSecrets } from './offchain.js'

/** A slot of a client, and the instance it is to hold. */
type SlotMove = {
  registries: Registries
  kind: RegistryKind
  policyClient: Address
  instanceId: Hex
  templateId?: Hex | undefined
  checks: OffchainChecks
  options: IoOptions
}

/** Checks a move of a slot. */
export async function checkSlot(
  client: WriteClient,
  parameters: SlotMove,
): Promise<PreflightCheck[]> {
  const block = await readTag(client, 'latest')
  const { instance, record, template } = await readMove(client, parameters, block)
  const checks = senderChecks(client, record, parameters.policyClient)
  if (instance === null) {
    checks.push(
      failed(
        'InstanceNotDeployed',
        `${parameters.instanceId} is not deployed on chain ${parameters.registries.chainId}`,
        'Deploy the instance first.',
      ),
    )
    return checks
  }
  checks.push(
    ...instanceChecks(instance, parameters),
    ...(parameters.kind === 'policy'
      ? await dataSlotChecks(client, { ...parameters, policyTemplate: valueFrom(template), block })
      : await instanceSecretChecks(client, { ...parameters, instance, block })),
  )
  return checks
}

type Instance = { client: Address; templateId: Hex }

/** The instance, the client's record and, for a policy, the instance's template. */
async function readMove(
  client: WriteClient,
  { registries, kind, policyClient, instanceId }: SlotMove,
  block: BlockReference,
): Promise<{ instance: Instance | null; record: ReadResult; template: ReadResult | undefined }> {
  const head = await readAt(client, {
    block,
    calls: [
      registryCall(registries, kind, getInstance, [instanceId]),
      registryCall(registries, kind, PolicyRegistry.clientRegistry),
    ],
  })
  const instance = valueOrNull(head[0] as ReadResult, 'InstanceNotDeployed') as Instance | null
  const [record, template] = await readAt(client, {
    block,
    calls: [
      clientRecordCall(valueFrom(head[1]) as Address, policyClient),
      ...(kind === 'policy' && instance !== null
        ? [registryCall(registries, 'policy', PolicyRegistry.getTemplate, [instance.templateId])]
        : []),
    ],
  })
  return { instance, record: record as ReadResult, template }
}

function senderChecks(
  client: WriteClient,
  record: ReadResult,
  policyClient: Address,
): PreflightCheck[] {
  const sender = getAddress(client.account.address)
  const { check, owner } = activeClientCheck(record, policyClient)
  if (owner === undefined) return [check]
  return [
    check,
    owner === sender || sender === getAddress(policyClient)
      ? passed('NotClientOwner', `${sender} may move the slots of ${policyClient}`)
      : failed(
          'NotClientOwner',
          `${sender} is neither the client nor its owner ${owner}`,
          `Send it from ${owner}.`,
        ),
  ]
}

function instanceChecks(
  instance: Instance,
  { instanceId, policyClient, templateId }: SlotMove,
): PreflightCheck[] {
  const checks = [
    passed('InstanceNotDeployed', `${instanceId} is deployed`),
    equal('InstanceClientMismatch', {
      found: getAddress(instance.client),
      wanted: getAddress(policyClient),
      fix: 'Deploy an instance for this client.',
    }),
  ]
  if (templateId !== undefined) {
    checks.push(
      equal('InstanceTemplateMismatch', {
        found: instance.templateId,
        wanted: templateId,
        fix: 'Name the template of the instance.',
      }),
    )
  }
  return checks
}

/** Every data slot that the policy reads is filled, with its secrets in place. */
async function dataSlotChecks(
  client: WriteClient,
  parameters: SlotMove & { policyTemplate: unknown; block: BlockReference },
): Promise<PreflightCheck[]> {
  const { registries, policyClient, block, policyTemplate } = parameters
  const { policyDataTemplateRefs: refs } = policyTemplate as {
    policyDataTemplateRefs: readonly Hex[]
  }
  const slots = await readAt(client, {
    block,
    calls: refs.flatMap((ref) => [
      registryCall(registries, 'policyData', PolicyDataRegistry.currentInstance, [
        policyClient,
        ref,
      ]),
      registryCall(registries, 'policyData', PolicyDataRegistry.getTemplate, [ref]),
    ]),
  })
  const checks: PreflightCheck[] = []
  for (const [index, ref] of refs.entries()) {
    const slot = valueFrom(slots[2 * index]) as Hex
    if (slot === ZERO_HASH) {
      checks.push(
        failed(
          'PolicyDataInstanceMissing',
          `the slot of ${policyClient} for ${ref} is empty`,
          'Deploy a policy-data instance for that template and set it first.',
        ),
      )
      continue
    }
    checks.push(passed('PolicyDataInstanceMissing', `the slot for ${ref} holds ${slot}`))
    if (hasSecrets(valueFrom(slots[2 * index + 1]))) {
      const secret = { client: policyClient, policyDataInstanceId: slot, required: true }
      checks.push(await checkSecrets(secret, parameters))
    }
  }
  return checks
}

async function instanceSecretChecks(
  client: WriteClient,
  parameters: SlotMove & { instance: Instance; block: BlockReference },
): Promise<PreflightCheck[]> {
  const { registries, policyClient, instanceId, instance, block } = parameters
  const [template] = await readAt(client, {
    block,
    calls: [
      registryCall(registries, 'policyData', PolicyDataRegistry.getTemplate, [instance.templateId]),
    ],
  })
  if (!hasSecrets(valueFrom(template))) return []
  const secret = { client: policyClient, policyDataInstanceId: instanceId, required: false }
  return [await checkSecrets(secret, parameters)]
}
