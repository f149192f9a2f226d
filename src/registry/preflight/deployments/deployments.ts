/** Checks before signing of whole deployments: for the account it acts for, at one block. */

import { type Address, getAddress, type Hex, isAddressEqual } from 'viem'
import * as PolicyDataRegistry from '../../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import type { WriteClient } from '../../chain/client.js'
import { failed, holds, type PreflightCheck, passed, warning } from '../../chain/preflightCheck.js'
import { type ReadResult, readAt, readTag, valueFrom } from '../../chain/read.js'
import { movesDataOnly } from '../../rows/policyDeployment.js'
import { clientRecordCall, registryCall } from '../../rows/rows.js'
import { activeClientCheck } from '../clients.js'
import type { DeploymentCheck, Found } from './check.js'
import { instanceChecks, type Template, templateChecks } from './parts.js'
import { authorizationChecks } from './signatures.js'

/** Checks a deployment. */
export async function checkDeployment(
  client: WriteClient,
  parameters: DeploymentCheck,
): Promise<PreflightCheck[]> {
  const { prepared, authorization } = parameters
  const found = await readAccount(client, parameters)
  const checks = [...found.checks]
  if (authorization !== undefined) {
    checks.push(...(await authorizationChecks(client, parameters, found)))
  }
  const templates = await templateChecks(client, parameters, found)
  checks.push(...templates.checks)
  for (const instance of prepared.dataInstances) {
    const template = templates.data.get(instance.templateId)
    checks.push(
      ...(await instanceChecks(
        client,
        { ...parameters, kind: 'policyData', instance, template },
        found,
      )),
    )
  }
  checks.push(
    ...(await instanceChecks(
      client,
      {
        ...parameters,
        kind: 'policy',
        instance: prepared.policyInstance,
        template: templates.policy,
      },
      found,
    )),
    ...(await dataSlotChecks(client, { ...parameters, template: templates.policy }, found)),
    ...keptChecks(parameters, found),
  )
  return checks
}

/** Wiring, client and account: the sender, or the client's owner where there is a signature. */
async function readAccount(
  client: WriteClient,
  { registries, deployer, prepared, authorization }: DeploymentCheck,
): Promise<Found> {
  const block = await readTag(client, 'latest')
  const sender = getAddress(client.account.address)
  const head = await readAt(client, {
    block,
    calls: [
      registryCall(registries, 'policy', PolicyRegistry.policyDeployer),
      registryCall(registries, 'policyData', PolicyDataRegistry.policyDeployer),
      registryCall(registries, 'policy', PolicyRegistry.clientRegistry),
    ],
  })
  const [policyDeployer, dataDeployer, clientRegistry] = head.map(valueFrom) as [
    Address,
    Address,
    Address,
  ]
  const named = [policyDeployer, dataDeployer].every((one) => isAddressEqual(one, deployer))
  const [record] = await readAt(client, {
    block,
    calls: [clientRecordCall(clientRegistry, prepared.client)],
  })
  const { check, owner } = activeClientCheck(record as ReadResult, prepared.client)
  const account = authorization === undefined ? sender : (owner ?? sender)
  const checks = [
    holds('NotPolicyDeployer', {
      ok: named,
      detail: named
        ? `both registries name ${deployer}`
        : `the registries name ${policyDeployer} and ${dataDeployer}, not ${deployer}`,
      fix: 'Pass `addresses.policyDeployer` as the registries name it.',
    }),
    check,
  ]
  if (owner !== undefined) {
    const ok = account === owner || account === getAddress(prepared.client)
    checks.push(
      holds('NotClientOwner', {
        ok,
        detail: ok
          ? `${account} may move the slots of ${prepared.client}`
          : `${account} is neither the client nor its owner ${owner}`,
        fix: `Send it from ${owner}, or have ${owner} sign it with \`signDeployment\`.`,
      }),
    )
  }
  return { block, sender, account, owner, checks }
}

/** Every data slot that the policy reads is filled, now or by the deployment. */
async function dataSlotChecks(
  client: WriteClient,
  parameters: DeploymentCheck & { template: Template | undefined },
  { block }: Found,
): Promise<PreflightCheck[]> {
  const { registries, prepared, template } = parameters
  const given = new Set(prepared.dataInstances.map(({ templateId }) => templateId))
  const refs = (template?.policyDataTemplateRefs ?? []).filter(
    (ref) => !given.has(ref.toLowerCase() as Hex),
  )
  const slots = await readAt(client, {
    block,
    calls: refs.map((ref) =>
      registryCall(registries, 'policyData', PolicyDataRegistry.currentInstance, [
        prepared.client,
        ref,
      ]),
    ),
  })
  return refs.map((ref, index) => {
    const held = valueFrom(slots[index]) as Hex
    return held === ZERO_HASH
      ? failed(
          'PolicyDataInstanceMissing',
          `the slot of ${prepared.client} for ${ref} is empty`,
          'Give an instance for that data template too.',
        )
      : passed('PolicyDataInstanceMissing', `the slot for ${ref} holds ${held}`)
  })
}

/** A change of data slots alone ends nothing that was allowed before. */
function keptChecks(
  { prepared, keepAccepted }: DeploymentCheck,
  { sender, owner }: Found,
): PreflightCheck[] {
  if (keepAccepted || !movesDataOnly(prepared)) return []
  const rule = 'AcceptedResponsesKept'
  const detail = 'data slots move, the policy slot does not: what was allowed before stays usable'
  const own = sender === owner || sender === getAddress(prepared.client)
  return [
    own
      ? warning(rule, detail, 'The waiting form revokes it; else call `revokeResponsesBefore`.')
      : failed(
          rule,
          `${detail}, and ${sender} cannot revoke it`,
          'Have the owner send it, or pass `keepAccepted` and have the owner call `revokeResponsesBefore`.',
        ),
  ]
}
