/** Register and ensure templates, announce where artifacts are. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { type ArtifactNamespace, isArtifactNamespace, namespaces } from '../../core/artifact.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import type { WriteClient } from '../chain/client.js'
import type { PreflightCheck } from '../chain/preflightCheck.js'
import { functionOf } from '../chain/slices.js'
import { checkArtifacts } from '../preflight/offchain.js'
import { checkTemplate, registriesOf } from '../preflight/templates.js'
import {
  type EnsureResult,
  ensureResult,
  type PolicyDataTemplateInput,
  type PolicyTemplateInput,
  preparePolicyDataTemplate,
  preparePolicyTemplate,
  wordOf,
} from '../rows/inputs.js'
import type { RegistryKind } from '../rows/rows.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  artifactsOfPolicy,
  artifactsOfPolicyData,
  type Pushed,
  type PushOptions,
  thenPush,
} from './sending/pushing.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** What registering a policy template emits. */
export type PolicyTemplateEvent = {
  id: Hex
  author: Address
  regoHash: Hex
  paramsSchemaHash: Hex
  refs: readonly Hex[]
}

/** What registering a policy-data template emits. */
export type PolicyDataTemplateEvent = {
  id: Hex
  author: Address
  wasmHash: Hex
  paramsSchemaHash: Hex
  secretsSchemaHash: Hex
}

/** Result of a simulated registration. */
export type TemplateResult = { id: Hex }

/** An announcement. */
export type AnnounceArtifactInput = {
  templateId: Hex
  /** Which artifact of the template: 4 or 5 of a policy template, 6 to 8 of a data template. */
  namespace: ArtifactNamespace
  locator: DaLocator
}

/** What an announcement emits. */
export type ArtifactAnnouncedEvent = {
  hash: Hex
  namespace: number
  announcer: Address
  locator: Hex
}

async function policyChecks(
  client: WriteClient,
  parameters: PolicyTemplateInput & WriteOptions,
  ensure: boolean,
): Promise<PreflightCheck[]> {
  const { locators, checks = {} } = parameters
  return [
    ...(await checkTemplate(client, {
      ...preparePolicyTemplate(parameters),
      registries: registriesOf(client, parameters),
      kind: 'policy',
      ensure,
    })),
    ...(await checkArtifacts(
      [
        { hash: parameters.regoHash, namespace: namespaces.rego, locator: locators?.rego },
        {
          hash: parameters.paramsSchemaHash,
          namespace: namespaces.policyParamsSchema,
          locator: locators?.paramsSchema,
        },
      ],
      { checks, options: { signal: parameters.signal } },
    )),
  ]
}

async function dataChecks(
  client: WriteClient,
  parameters: PolicyDataTemplateInput & WriteOptions,
  ensure: boolean,
): Promise<PreflightCheck[]> {
  const { locators, checks = {} } = parameters
  return [
    ...(await checkTemplate(client, {
      ...preparePolicyDataTemplate(parameters),
      registries: registriesOf(client, parameters),
      kind: 'policyData',
      ensure,
    })),
    ...(await checkArtifacts(
      [
        { hash: parameters.wasmHash, namespace: namespaces.wasm, locator: locators?.wasm },
        {
          hash: parameters.paramsSchemaHash,
          namespace: namespaces.policyDataParamsSchema,
          locator: locators?.paramsSchema,
        },
        {
          hash: parameters.secretsSchemaHash,
          namespace: namespaces.secretsSchema,
          locator: locators?.secretsSchema,
        },
      ],
      { checks, options: { signal: parameters.signal } },
    )),
  ]
}

const register: WriteTriple<PolicyTemplateInput, PolicyTemplateEvent, TemplateResult> = defineWrite(
  {
    name: 'registerPolicyTemplate',
    prepare: (client, parameters) => ({
      address: registriesOf(client, parameters).policyRegistry,
      ...functionOf(PolicyRegistry.registerTemplate),
      args: preparePolicyTemplate(parameters).args,
    }),
    ids: (_, parameters) => ({ id: preparePolicyTemplate(parameters).id }),
    preflight: (client, parameters) => policyChecks(client, parameters, false),
    emits: PolicyRegistry.PolicyTemplateRegistered,
    event: (args) => args as PolicyTemplateEvent,
    result: (id) => ({ id: id as Hex }),
  },
)

/**
 * Registers a policy template on the client's chain.
 *
 * @returns The transaction hash.
 * @throws {PreflightError} listing every check, when it would fail.
 * @throws {ContractRevertError} when the contract refuses it.
 * @example
 * ```ts
 * import { ARTIFACT_ABSENT, computeArtifactHash } from '@newton/policy-sdk'
 * import { registerPolicyTemplate } from '@newton/policy-sdk/registry'
 *
 * const regoHash = computeArtifactHash(new TextEncoder().encode('package example\n'))
 * const hash = await registerPolicyTemplate(walletClient, {
 *   regoHash,
 *   paramsSchemaHash: ARTIFACT_ABSENT,
 *   policyDataTemplateRefs: [],
 * })
 * ```
 */
export const registerPolicyTemplate: WriteAction<PolicyTemplateInput> = register.send
/**
 * Like {@link registerPolicyTemplate}, and waits for the receipt and its event. With `push` it then
 * hands the artifacts to operators; `pushed` says which of them have each.
 */
export const registerPolicyTemplateSync: SyncAction<
  PolicyTemplateInput & PushOptions,
  PolicyTemplateEvent & Pushed
> = thenPush(register.sync, artifactsOfPolicy)
/** Simulates {@link registerPolicyTemplate} and returns the id and the transaction. */
export const simulateRegisterPolicyTemplate: SimulateAction<PolicyTemplateInput, TemplateResult> =
  register.simulate
/** Checks and transaction of {@link registerPolicyTemplate}, without signing. */
export const dryRunRegisterPolicyTemplate: DryRunAction<PolicyTemplateInput> = register.dryRun

const registerData: WriteTriple<PolicyDataTemplateInput, PolicyDataTemplateEvent, TemplateResult> =
  defineWrite({
    name: 'registerPolicyDataTemplate',
    prepare: (client, parameters) => ({
      address: registriesOf(client, parameters).policyDataRegistry,
      ...functionOf(PolicyDataRegistry.registerTemplate),
      args: preparePolicyDataTemplate(parameters).args,
    }),
    ids: (_, parameters) => ({ id: preparePolicyDataTemplate(parameters).id }),
    preflight: (client, parameters) => dataChecks(client, parameters, false),
    emits: PolicyDataRegistry.PolicyDataTemplateRegistered,
    event: (args) => args as PolicyDataTemplateEvent,
    result: (id) => ({ id: id as Hex }),
  })

/** Registers a policy-data template. As {@link registerPolicyTemplate} does for policies. */
export const registerPolicyDataTemplate: WriteAction<PolicyDataTemplateInput> = registerData.send
/** Like {@link registerPolicyDataTemplate}, and waits for the receipt and its event. */
export const registerPolicyDataTemplateSync: SyncAction<
  PolicyDataTemplateInput & PushOptions,
  PolicyDataTemplateEvent & Pushed
> = thenPush(registerData.sync, artifactsOfPolicyData)
/** Simulates {@link registerPolicyDataTemplate}. */
export const simulateRegisterPolicyDataTemplate: SimulateAction<
  PolicyDataTemplateInput,
  TemplateResult
> = registerData.simulate
/** Checks and transaction of {@link registerPolicyDataTemplate}, without signing. */
export const dryRunRegisterPolicyDataTemplate: DryRunAction<PolicyDataTemplateInput> =
  registerData.dryRun

/** What an `ensure…` did: the event's values where it created, else only the id. */
export type EnsureEvent = { id: Hex; created: boolean }

const ensure: WriteTriple<PolicyTemplateInput, EnsureEvent, EnsureResult> = defineWrite<
  PolicyTemplateInput,
  EnsureEvent,
  EnsureResult
>({
  name: 'ensurePolicyTemplate',
  prepare: (client, parameters) => ({
    address: registriesOf(client, parameters).policyRegistry,
    ...functionOf(PolicyRegistry.ensureTemplate),
    args: preparePolicyTemplate(parameters).args,
  }),
  ids: (_, parameters) => ({ id: preparePolicyTemplate(parameters).id }),
  preflight: (client, parameters) => policyChecks(client, parameters, true),
  emits: PolicyRegistry.PolicyTemplateRegistered,
  event: (args) => ({ id: args['id'] as Hex, created: true }),
  noEvent: (_, parameters) => ({ id: preparePolicyTemplate(parameters).id, created: false }),
  result: ensureResult,
})

/**
 * Registers a policy template unless it is there already. Never reverts for a repeat: for batches.
 */
export const ensurePolicyTemplate: WriteAction<PolicyTemplateInput> = ensure.send
/** Like {@link ensurePolicyTemplate}, and waits; tells whether it created the row. */
export const ensurePolicyTemplateSync: SyncAction<
  PolicyTemplateInput & PushOptions,
  EnsureEvent & Pushed
> = thenPush(ensure.sync, artifactsOfPolicy)
/** Simulates {@link ensurePolicyTemplate}. */
export const simulateEnsurePolicyTemplate: SimulateAction<PolicyTemplateInput, EnsureResult> =
  ensure.simulate
/** Checks and transaction of {@link ensurePolicyTemplate}, without signing. */
export const dryRunEnsurePolicyTemplate: DryRunAction<PolicyTemplateInput> = ensure.dryRun

const ensureData: WriteTriple<PolicyDataTemplateInput, EnsureEvent, EnsureResult> = defineWrite<
  PolicyDataTemplateInput,
  EnsureEvent,
  EnsureResult
>({
  name: 'ensurePolicyDataTemplate',
  prepare: (client, parameters) => ({
    address: registriesOf(client, parameters).policyDataRegistry,
    ...functionOf(PolicyDataRegistry.ensureTemplate),
    args: preparePolicyDataTemplate(parameters).args,
  }),
  ids: (_, parameters) => ({ id: preparePolicyDataTemplate(parameters).id }),
  preflight: (client, parameters) => dataChecks(client, parameters, true),
  emits: PolicyDataRegistry.PolicyDataTemplateRegistered,
  event: (args) => ({ id: args['id'] as Hex, created: true }),
  noEvent: (_, parameters) => ({ id: preparePolicyDataTemplate(parameters).id, created: false }),
  result: ensureResult,
})

/** Registers a policy-data template unless it is there already. */
export const ensurePolicyDataTemplate: WriteAction<PolicyDataTemplateInput> = ensureData.send
/** Like {@link ensurePolicyDataTemplate}, and waits; tells whether it created the row. */
export const ensurePolicyDataTemplateSync: SyncAction<
  PolicyDataTemplateInput & PushOptions,
  EnsureEvent & Pushed
> = thenPush(ensureData.sync, artifactsOfPolicyData)
/** Simulates {@link ensurePolicyDataTemplate}. */
export const simulateEnsurePolicyDataTemplate: SimulateAction<
  PolicyDataTemplateInput,
  EnsureResult
> = ensureData.simulate
/** Checks and transaction of {@link ensurePolicyDataTemplate}, without signing. */
export const dryRunEnsurePolicyDataTemplate: DryRunAction<PolicyDataTemplateInput> =
  ensureData.dryRun

const announce: WriteTriple<AnnounceArtifactInput, ArtifactAnnouncedEvent, undefined> = defineWrite(
  {
    name: 'announceArtifact',
    prepare: (client, parameters) => {
      const { namespace } = parameters
      if (!isArtifactNamespace(namespace)) {
        throw new InvalidInputError({ field: 'namespace', reason: 'expected 4 to 8' })
      }
      const kind: RegistryKind = namespace <= 5 ? 'policy' : 'policyData'
      const registries = registriesOf(client, parameters)
      return {
        address: kind === 'policy' ? registries.policyRegistry : registries.policyDataRegistry,
        // Both registries have the same.
        ...functionOf(PolicyRegistry.announceArtifact),
        args: [
          wordOf(parameters.templateId, 'templateId'),
          namespace,
          encodeLocator(parameters.locator),
        ],
      }
    },
    emits: PolicyRegistry.ArtifactAnnounced,
    event: (args) => args as ArtifactAnnouncedEvent,
    result: () => undefined,
  },
)

/** Says on chain where an artifact of a registered template can be found. A hint. */
export const announceArtifact: WriteAction<AnnounceArtifactInput> = announce.send
/** Like {@link announceArtifact}, and waits for the receipt and its event. */
export const announceArtifactSync: SyncAction<AnnounceArtifactInput, ArtifactAnnouncedEvent> =
  announce.sync
/** Simulates {@link announceArtifact}. */
export const simulateAnnounceArtifact: SimulateAction<AnnounceArtifactInput, undefined> =
  announce.simulate
/** Checks and transaction of {@link announceArtifact}, without signing. */
export const dryRunAnnounceArtifact: DryRunAction<AnnounceArtifactInput> = announce.dryRun
