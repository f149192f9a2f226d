/** Deploy instances and move slots. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import type { WriteClient } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkInstance } from '../preflight/instances.js'
import { checkSlot } from '../preflight/slots.js'
import { registriesOf } from '../preflight/templates.js'
import {
  addressOf,
  type EnsureResult,
  ensureResult,
  type InstanceInput,
  instanceArgs,
  prepareInstance,
  wordOf,
} from '../rows/inputs.js'
import type { RegistryKind } from '../rows/rows.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'
import type { EnsureEvent, TemplateResult } from './templates.js'

/** What deploying an instance emits. */
export type InstanceEvent = {
  id: Hex
  client: Address
  templateId: Hex
  paramsHash: Hex
  expireAfter: bigint
  params: Hex
}

/** A move of a client's policy slot. */
export type PolicySlotInput = { client: Address; instanceId: Hex }

/** What a move of the policy slot emits. */
export type PolicySlotEvent = { client: Address; previous: Hex; current: Hex }

const names = {
  policy: { type: 'PolicyInstance', event: PolicyRegistry.PolicyInstanceDeployed },
  policyData: { type: 'PolicyDataInstance', event: PolicyDataRegistry.PolicyDataInstanceDeployed },
} as const

function defineDeploy(
  kind: RegistryKind,
): WriteTriple<InstanceInput, InstanceEvent, TemplateResult> {
  return defineWrite({
    name: `deploy${names[kind].type}`,
    prepare: (client, parameters) => {
      const registries = registriesOf(client, parameters)
      return {
        address: kind === 'policy' ? registries.policyRegistry : registries.policyDataRegistry,
        ...functionOf(PolicyRegistry.deployInstance),
        args: instanceArgs(prepareInstance(kind, { input: parameters, chainId: client.chain.id })),
      }
    },
    ids: (client, parameters) => instanceIds(kind, client, parameters),
    preflight: (client, parameters) =>
      checkInstance(client, {
        registries: registriesOf(client, parameters),
        kind,
        prepared: prepareInstance(kind, { input: parameters, chainId: client.chain.id }),
        ensure: false,
        checks: parameters.checks ?? {},
        options: { signal: parameters.signal },
      }),
    emits: names[kind].event,
    event: (args) => args as InstanceEvent,
    result: (id) => ({ id: id as Hex }),
  })
}

function defineEnsure(kind: RegistryKind): WriteTriple<InstanceInput, EnsureEvent, EnsureResult> {
  return defineWrite<InstanceInput, EnsureEvent, EnsureResult>({
    name: `ensure${names[kind].type}`,
    prepare: (client, parameters) => {
      const registries = registriesOf(client, parameters)
      return {
        address: kind === 'policy' ? registries.policyRegistry : registries.policyDataRegistry,
        ...functionOf(PolicyRegistry.ensureInstance),
        args: instanceArgs(prepareInstance(kind, { input: parameters, chainId: client.chain.id })),
      }
    },
    ids: (client, parameters) => instanceIds(kind, client, parameters),
    preflight: (client, parameters) =>
      checkInstance(client, {
        registries: registriesOf(client, parameters),
        kind,
        prepared: prepareInstance(kind, { input: parameters, chainId: client.chain.id }),
        ensure: true,
        checks: parameters.checks ?? {},
        options: { signal: parameters.signal },
      }),
    emits: names[kind].event,
    event: (args) => ({ id: args['id'] as Hex, created: true }),
    noEvent: (client, parameters) => ({
      id: prepareInstance(kind, { input: parameters, chainId: client.chain.id }).id,
      created: false,
    }),
    result: ensureResult,
  })
}

function instanceIds(
  kind: RegistryKind,
  client: WriteClient,
  parameters: InstanceInput,
): Record<string, Hex> {
  const { id, paramsHash } = prepareInstance(kind, { input: parameters, chainId: client.chain.id })
  return { id, paramsHash }
}

const deployPolicy: WriteTriple<InstanceInput, InstanceEvent, TemplateResult> =
  defineDeploy('policy')
const deployData: WriteTriple<InstanceInput, InstanceEvent, TemplateResult> =
  defineDeploy('policyData')
const ensurePolicy: WriteTriple<InstanceInput, EnsureEvent, EnsureResult> = defineEnsure('policy')
const ensureData: WriteTriple<InstanceInput, EnsureEvent, EnsureResult> = defineEnsure('policyData')

/**
 * Deploys a policy instance on the client's chain. It is used only after its client's slot moves.
 *
 * @returns The transaction hash.
 * @throws {InvalidInputError} naming a malformed parameter.
 * @throws {PreflightError} listing every check, when it would fail.
 * @throws {ContractRevertError} when the contract refuses it.
 * @example
 * ```ts
 * import { deployPolicyInstanceSync } from '@newton/policy-sdk/registry'
 *
 * const { id } = await deployPolicyInstanceSync(walletClient, {
 *   templateId,
 *   client: '0x00000000000000000000000000000000000000a1',
 *   params: { maxAmount: 1000 },
 *   expireAfter: 600n,
 * })
 * ```
 */
export const deployPolicyInstance: WriteAction<InstanceInput> = deployPolicy.send
/** Like {@link deployPolicyInstance}, and waits for the receipt and its event. */
export const deployPolicyInstanceSync: SyncAction<InstanceInput, InstanceEvent> = deployPolicy.sync
/** Simulates {@link deployPolicyInstance} and returns the id and the transaction. */
export const simulateDeployPolicyInstance: SimulateAction<InstanceInput, TemplateResult> =
  deployPolicy.simulate
/** Checks and transaction of {@link deployPolicyInstance}, without signing. */
export const dryRunDeployPolicyInstance: DryRunAction<InstanceInput> = deployPolicy.dryRun

/** Deploys a policy-data instance. As {@link deployPolicyInstance} does for policies. */
export const deployPolicyDataInstance: WriteAction<InstanceInput> = deployData.send
/** Like {@link deployPolicyDataInstance}, and waits for the receipt and its event. */
export const deployPolicyDataInstanceSync: SyncAction<InstanceInput, InstanceEvent> =
  deployData.sync
/** Simulates {@link deployPolicyDataInstance}. */
export const simulateDeployPolicyDataInstance: SimulateAction<InstanceInput, TemplateResult> =
  deployData.simulate
/** Checks and transaction of {@link deployPolicyDataInstance}, without signing. */
export const dryRunDeployPolicyDataInstance: DryRunAction<InstanceInput> = deployData.dryRun

/** Deploys a policy instance unless it is there already. Never reverts for a repeat. */
export const ensurePolicyInstance: WriteAction<InstanceInput> = ensurePolicy.send
/** Like {@link ensurePolicyInstance}, and waits; tells whether it created the row. */
export const ensurePolicyInstanceSync: SyncAction<InstanceInput, EnsureEvent> = ensurePolicy.sync
/** Simulates {@link ensurePolicyInstance}. */
export const simulateEnsurePolicyInstance: SimulateAction<InstanceInput, EnsureResult> =
  ensurePolicy.simulate
/** Checks and transaction of {@link ensurePolicyInstance}, without signing. */
export const dryRunEnsurePolicyInstance: DryRunAction<InstanceInput> = ensurePolicy.dryRun

/** Deploys a policy-data instance unless it is there already. */
export const ensurePolicyDataInstance: WriteAction<InstanceInput> = ensureData.send
/** Like {@link ensurePolicyDataInstance}, and waits; tells whether it created the row. */
export const ensurePolicyDataInstanceSync: SyncAction<InstanceInput, EnsureEvent> = ensureData.sync
/** Simulates {@link ensurePolicyDataInstance}. */
export const simulateEnsurePolicyDataInstance: SimulateAction<InstanceInput, EnsureResult> =
  ensureData.simulate
/** Checks and transaction of {@link ensurePolicyDataInstance}, without signing. */
export const dryRunEnsurePolicyDataInstance: DryRunAction<InstanceInput> = ensureData.dryRun

const movePolicy: WriteTriple<PolicySlotInput, PolicySlotEvent, undefined> = defineWrite({
  name: 'setCurrentPolicyInstance',
  prepare: (client, parameters) => ({
    address: registriesOf(client, parameters).policyRegistry,
    ...functionOf(PolicyRegistry.setCurrentInstance),
    args: [addressOf(parameters.client, 'client'), wordOf(parameters.instanceId, 'instanceId')],
  }),
  preflight: (client, parameters) =>
    checkSlot(client, {
      registries: registriesOf(client, parameters),
      kind: 'policy',
      policyClient: addressOf(parameters.client, 'client'),
      instanceId: wordOf(parameters.instanceId, 'instanceId'),
      checks: parameters.checks ?? {},
      options: { signal: parameters.signal },
    }),
  emits: PolicyRegistry.CurrentPolicyInstanceSet,
  event: (args) => args as PolicySlotEvent,
  result: () => undefined,
})

/**
 * Moves a client's policy slot to an instance. Every data slot its template needs has to be filled.
 *
 * @returns The transaction hash.
 * @throws {PreflightError} listing every check, when it would fail.
 */
export const setCurrentPolicyInstance: WriteAction<PolicySlotInput> = movePolicy.send
/** Like {@link setCurrentPolicyInstance}, and waits for the receipt and its event. */
export const setCurrentPolicyInstanceSync: SyncAction<PolicySlotInput, PolicySlotEvent> =
  movePolicy.sync
/** Simulates {@link setCurrentPolicyInstance}. */
export const simulateSetCurrentPolicyInstance: SimulateAction<PolicySlotInput, undefined> =
  movePolicy.simulate
/** Checks and transaction of {@link setCurrentPolicyInstance}, without signing. */
export const dryRunSetCurrentPolicyInstance: DryRunAction<PolicySlotInput> = movePolicy.dryRun
