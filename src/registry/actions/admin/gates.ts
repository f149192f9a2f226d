/** Gates of the registries, the enclave requirement, and builds that enclaves may run. */
import type { AbiEvent, AbiFunction, Address, Hex } from 'viem'
import * as EnclaveVersionRegistry from '../../../core/abi/enclaveVersionRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import { InvalidInputError } from '../../../errors/common.js'
import { resolveAddress } from '../../chain/addresses.js'
import type { WriteClient } from '../../chain/client.js'
import { functionOf } from '../../chain/slices.js'
import { checkEnclaveVersion, checkOwner } from '../../preflight/admin/gates.js'
import { registriesOf } from '../../preflight/templates.js'
import { addressOf, wordOf } from '../../rows/inputs.js'
import type { RegistryKind } from '../../rows/rows.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'

/** Opens or closes a gate of one registry. */
export type GateInput = { registry: RegistryKind; permissionless: boolean }
/** Puts an author on the list of one registry, or takes it off. */
export type TemplateAuthorInput = { registry: RegistryKind; author: Address; allowed: boolean }
/** Puts a deployer on the list of one registry, or takes it off. */
export type InstanceDeployerInput = { registry: RegistryKind; deployer: Address; allowed: boolean }
/** Whether every task needs an enclave. */
export type EnclaveRequiredInput = { required: boolean }
/** A build, by `keccak256(PCR0)`, with a name for people. */
export type EnclaveVersionInput = { pcr0Hash: Hex; label: string }
/** A build, by `keccak256(PCR0)`. */
export type Pcr0Input = { pcr0Hash: Hex }

function gate<parameters extends { registry: RegistryKind }, event>(definition: {
  name: string
  /** The same in both registries. */
  item: AbiFunction
  emits: AbiEvent
  args: (parameters: parameters) => readonly unknown[]
}): WriteTriple<parameters, event, undefined> {
  return defineWrite<parameters, event, undefined>({
    name: definition.name,
    prepare: (client, parameters) => ({
      address: gatedRegistry(client, parameters),
      ...functionOf(definition.item),
      args: definition.args(parameters),
    }),
    preflight: (client, parameters) => checkOwner(client, gatedRegistry(client, parameters)),
    emits: definition.emits,
    event: (args) => args as event,
    result: () => undefined,
  })
}

function gatedRegistry(
  client: WriteClient,
  parameters: { registry: RegistryKind } & WriteOptions,
): Address {
  const { registry } = parameters
  if (registry !== 'policy' && registry !== 'policyData') {
    throw new InvalidInputError({ field: 'registry', reason: "expected 'policy' or 'policyData'" })
  }
  const registries = registriesOf(client, parameters)
  return registry === 'policy' ? registries.policyRegistry : registries.policyDataRegistry
}

const templates: WriteTriple<GateInput, { permissionless: boolean }, undefined> = gate({
  name: 'setTemplateRegistrationPermissionless',
  item: PolicyRegistry.setTemplateRegistrationPermissionless,
  emits: PolicyRegistry.TemplateRegistrationPermissionChanged,
  args: ({ permissionless }: GateInput) => [permissionless],
})

/** Opens template registration to all, or closes it to the list. The registry's owner only. */
export const setTemplateRegistrationPermissionless: WriteAction<GateInput> = templates.send
/** Like {@link setTemplateRegistrationPermissionless}, and waits. */
export const setTemplateRegistrationPermissionlessSync: SyncAction<
  GateInput,
  { permissionless: boolean }
> = templates.sync
/** Simulates {@link setTemplateRegistrationPermissionless}. */
export const simulateSetTemplateRegistrationPermissionless: SimulateAction<GateInput, undefined> =
  templates.simulate
/** Checks and transaction of {@link setTemplateRegistrationPermissionless}, nothing signed. */
export const dryRunSetTemplateRegistrationPermissionless: DryRunAction<GateInput> = templates.dryRun

const instances: WriteTriple<GateInput, { permissionless: boolean }, undefined> = gate({
  name: 'setInstanceDeploymentPermissionless',
  item: PolicyRegistry.setInstanceDeploymentPermissionless,
  emits: PolicyRegistry.InstanceDeploymentPermissionChanged,
  args: ({ permissionless }: GateInput) => [permissionless],
})

/** Opens instance deployment to all, or closes it to the list. The registry's owner only. */
export const setInstanceDeploymentPermissionless: WriteAction<GateInput> = instances.send
/** Like {@link setInstanceDeploymentPermissionless}, and waits. */
export const setInstanceDeploymentPermissionlessSync: SyncAction<
  GateInput,
  { permissionless: boolean }
> = instances.sync
/** Simulates {@link setInstanceDeploymentPermissionless}. */
export const simulateSetInstanceDeploymentPermissionless: SimulateAction<GateInput, undefined> =
  instances.simulate
/** Checks and transaction of {@link setInstanceDeploymentPermissionless}, nothing signed. */
export const dryRunSetInstanceDeploymentPermissionless: DryRunAction<GateInput> = instances.dryRun

const author: WriteTriple<TemplateAuthorInput, { author: Address; allowed: boolean }, undefined> =
  gate({
    name: 'setTemplateAuthor',
    item: PolicyRegistry.setTemplateAuthor,
    emits: PolicyRegistry.TemplateAuthorSet,
    args: ({ author, allowed }) => [addressOf(author, 'author'), allowed],
  })

/** Puts an account on the list of template authors, or takes it off. The owner only. */
export const setTemplateAuthor: WriteAction<TemplateAuthorInput> = author.send
/** Like {@link setTemplateAuthor}, and waits. */
export const setTemplateAuthorSync: SyncAction<
  TemplateAuthorInput,
  { author: Address; allowed: boolean }
> = author.sync
/** Simulates {@link setTemplateAuthor}. */
export const simulateSetTemplateAuthor: SimulateAction<TemplateAuthorInput, undefined> =
  author.simulate
/** Checks and transaction of {@link setTemplateAuthor}, nothing signed. */
export const dryRunSetTemplateAuthor: DryRunAction<TemplateAuthorInput> = author.dryRun

const deployer: WriteTriple<
  InstanceDeployerInput,
  { deployer: Address; allowed: boolean },
  undefined
> = gate({
  name: 'setInstanceDeployer',
  item: PolicyRegistry.setInstanceDeployer,
  emits: PolicyRegistry.InstanceDeployerSet,
  args: ({ deployer, allowed }) => [addressOf(deployer, 'deployer'), allowed],
})

/** Puts an account on the list of instance deployers, or takes it off. The owner only. */
export const setInstanceDeployer: WriteAction<InstanceDeployerInput> = deployer.send
/** Like {@link setInstanceDeployer}, and waits. */
export const setInstanceDeployerSync: SyncAction<
  InstanceDeployerInput,
  { deployer: Address; allowed: boolean }
> = deployer.sync
/** Simulates {@link setInstanceDeployer}. */
export const simulateSetInstanceDeployer: SimulateAction<InstanceDeployerInput, undefined> =
  deployer.simulate
/** Checks and transaction of {@link setInstanceDeployer}, nothing signed. */
export const dryRunSetInstanceDeployer: DryRunAction<InstanceDeployerInput> = deployer.dryRun

const requirement: WriteTriple<EnclaveRequiredInput, { required: boolean }, undefined> =
  defineWrite({
    name: 'setEnclaveRequired',
    prepare: (client, parameters) => ({
      address: registriesOf(client, parameters).policyRegistry,
      ...functionOf(PolicyRegistry.setEnclaveRequired),
      args: [parameters.required],
    }),
    preflight: (client, parameters) =>
      checkOwner(client, registriesOf(client, parameters).policyRegistry),
    emits: PolicyRegistry.EnclaveRequirementChanged,
    event: (args) => args as { required: boolean },
    result: () => undefined,
  })

/** Requires an enclave for every task, or not. The owner of the policy registry only. */
export const setEnclaveRequired: WriteAction<EnclaveRequiredInput> = requirement.send
/** Like {@link setEnclaveRequired}, and waits. */
export const setEnclaveRequiredSync: SyncAction<EnclaveRequiredInput, { required: boolean }> =
  requirement.sync
/** Simulates {@link setEnclaveRequired}. */
export const simulateSetEnclaveRequired: SimulateAction<EnclaveRequiredInput, undefined> =
  requirement.simulate
/** Checks and transaction of {@link setEnclaveRequired}, nothing signed. */
export const dryRunSetEnclaveRequired: DryRunAction<EnclaveRequiredInput> = requirement.dryRun

function enclave<parameters extends Pcr0Input, event>(definition: {
  item: AbiFunction
  emits: AbiEvent
  write: 'activate' | 'deprecate'
  args: (parameters: parameters) => readonly unknown[]
}): WriteTriple<parameters, event, undefined> {
  const registryOf = (client: WriteClient, { addresses }: WriteOptions): Address =>
    resolveAddress('enclaveVersionRegistry', { addresses, chainId: client.chain.id })
  return defineWrite<parameters, event, undefined>({
    name: `${definition.write}EnclaveVersion`,
    preflight: (client, parameters) =>
      checkEnclaveVersion(client, {
        registry: registryOf(client, parameters),
        pcr0Hash: wordOf(parameters.pcr0Hash, 'pcr0Hash'),
        write: definition.write,
      }),
    prepare: (client, parameters) => ({
      address: registryOf(client, parameters),
      ...functionOf(definition.item),
      args: definition.args(parameters),
    }),
    emits: definition.emits,
    event: (args) => args as event,
    result: () => undefined,
  })
}

const activate: WriteTriple<EnclaveVersionInput, EnclaveVersionInput, undefined> = enclave({
  item: EnclaveVersionRegistry.activateVersion,
  write: 'activate',
  emits: EnclaveVersionRegistry.EnclaveVersionActivated,
  args: ({ pcr0Hash, label }: EnclaveVersionInput) => [wordOf(pcr0Hash, 'pcr0Hash'), label],
})

/** Allows a build to run in enclaves. Task generators only. */
export const activateEnclaveVersion: WriteAction<EnclaveVersionInput> = activate.send
/** Like {@link activateEnclaveVersion}, and waits. */
export const activateEnclaveVersionSync: SyncAction<EnclaveVersionInput, EnclaveVersionInput> =
  activate.sync
/** Simulates {@link activateEnclaveVersion}. */
export const simulateActivateEnclaveVersion: SimulateAction<EnclaveVersionInput, undefined> =
  activate.simulate
/** Checks and transaction of {@link activateEnclaveVersion}, nothing signed. */
export const dryRunActivateEnclaveVersion: DryRunAction<EnclaveVersionInput> = activate.dryRun

const deprecate: WriteTriple<Pcr0Input, Pcr0Input, undefined> = enclave({
  item: EnclaveVersionRegistry.deprecateVersion,
  write: 'deprecate',
  emits: EnclaveVersionRegistry.EnclaveVersionDeprecated,
  args: ({ pcr0Hash }: Pcr0Input) => [wordOf(pcr0Hash, 'pcr0Hash')],
})

/** Ends the use of a build, for good. Task generators only. */
export const deprecateEnclaveVersion: WriteAction<Pcr0Input> = deprecate.send
/** Like {@link deprecateEnclaveVersion}, and waits. */
export const deprecateEnclaveVersionSync: SyncAction<Pcr0Input, Pcr0Input> = deprecate.sync
/** Simulates {@link deprecateEnclaveVersion}. */
export const simulateDeprecateEnclaveVersion: SimulateAction<Pcr0Input, undefined> =
  deprecate.simulate
/** Checks and transaction of {@link deprecateEnclaveVersion}, nothing signed. */
export const dryRunDeprecateEnclaveVersion: DryRunAction<Pcr0Input> = deprecate.dryRun
