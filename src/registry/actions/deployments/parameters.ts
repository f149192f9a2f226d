/** Parameters of the actions on whole deployments, made complete from the chain. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import { InvalidInputError } from '../../../errors/common.js'
import { assertList, assertObject } from '../../../internal/options.js'
import { resolveAddress } from '../../chain/addresses.js'
import type { WriteClient } from '../../chain/client.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import type { DeploymentCheck } from '../../preflight/deployments/check.js'
import { registriesOf } from '../../preflight/templates.js'
import { addressOf, wordOf } from '../../rows/inputs.js'
import {
  type DeploymentAuthorization,
  type PolicyDeploymentInput,
  type PreparedDeployment,
  prepareAuthorization,
  prepareDeployment,
  type ReadyPolicyDeployment,
  type ReadySlotInstance,
  type SlotInstanceInput,
} from '../../rows/policyDeployment.js'
import { registryCall } from '../../rows/rows.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import type { RevocationOptions } from '../slotRevocation.js'

/** A deployment to send: for the sender, or with what the client's owner signed. */
export type DeployPolicyInput = PolicyDeploymentInput &
  RevocationOptions & {
    /** What `signDeployment` returned beside the deployment. */
    authorization?: DeploymentAuthorization | undefined
  }

/** A deployment to send that says of every slot what it holds before. */
export type ReadyDeployPolicyInput = ReadyPolicyDeployment &
  Omit<DeployPolicyInput, keyof PolicyDeploymentInput>

/** The deployer's address. */
export function deployerOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('policyDeployer', { addresses, chainId: client.chain.id })
}

/** A deployment in the contract's form. */
export function prepared(
  client: WriteClient,
  parameters: ReadyPolicyDeployment,
): PreparedDeployment {
  return prepareDeployment(parameters, { chainId: client.chain.id })
}

/** What the checks of a deployment look at. */
export function checkOf(
  client: WriteClient,
  parameters: ReadyDeployPolicyInput & WriteOptions,
): DeploymentCheck {
  const { authorization, keepAccepted = false, checks = {}, signal } = parameters
  if (typeof keepAccepted !== 'boolean') {
    throw new InvalidInputError({ field: 'keepAccepted', reason: 'expected a boolean' })
  }
  return {
    registries: registriesOf(client, parameters),
    deployer: deployerOf(client, parameters),
    prepared: prepared(client, parameters),
    authorization: authorization && prepareAuthorization(authorization),
    ...{ keepAccepted, checks, options: { signal } },
  }
}

/** The ids that a deployment makes. */
export function idsOf({
  policyInstance,
  dataInstances,
  contentHash,
}: PreparedDeployment): Record<string, Hex> {
  return {
    id: policyInstance.id,
    paramsHash: policyInstance.paramsHash,
    contentHash,
    ...Object.fromEntries(
      dataInstances.map(({ id }, index) => [`policyDataInstances[${index}]`, id]),
    ),
  }
}

/** Says of every slot what it holds now, where the caller did not say what it holds before. */
export async function filled<parameters extends PolicyDeploymentInput & WriteOptions>(
  client: WriteClient,
  parameters: parameters & { authorization?: unknown; previous?: readonly Hex[] | undefined },
): Promise<parameters & ReadyPolicyDeployment> {
  const { policyInstance, policyDataInstances = [], previous = [] } = parameters
  assertList('policyDataInstances', policyDataInstances)
  assertObject('policyInstance', policyInstance)
  policyDataInstances.forEach((given, index) => {
    assertObject(`policyDataInstances[${index}]`, given)
  })
  const instances = [policyInstance, ...policyDataInstances]
  const open = instances.filter(({ replaces }) => replaces === undefined)
  if (open.length > 0 && (parameters.authorization !== undefined || previous.length > 0)) {
    throw new InvalidInputError({
      field: 'replaces',
      reason: 'with `authorization` or `previous`, expected what every slot held before',
    })
  }
  const held = open.length === 0 ? [] : await readSlots(client, parameters)
  const ready = (given: SlotInstanceInput, index: number): ReadySlotInstance => ({
    ...given,
    replaces: given.replaces ?? (held[index] as Hex),
  })
  return {
    ...parameters,
    policyInstance: ready(policyInstance, 0),
    policyDataInstances: policyDataInstances.map((given, index) => ready(given, index + 1)),
  }
}

/** What the slots of a deployment hold, the policy slot first. */
async function readSlots(
  client: WriteClient,
  parameters: PolicyDeploymentInput & WriteOptions,
): Promise<Hex[]> {
  const registries = registriesOf(client, parameters)
  const policyClient = addressOf(parameters.client, 'client')
  const results = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      registryCall(registries, 'policy', PolicyRegistry.currentInstance, [policyClient]),
      ...(parameters.policyDataInstances ?? []).map(({ templateId }, index) =>
        registryCall(registries, 'policyData', PolicyDataRegistry.currentInstance, [
          policyClient,
          wordOf(templateId, `policyDataInstances[${index}].templateId`),
        ]),
      ),
    ],
  })
  return results.map((result) => valueFrom(result) as Hex)
}
