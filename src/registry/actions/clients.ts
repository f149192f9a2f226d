/** Policy clients and their owners. */
import type { AbiEvent, AbiFunction, Address } from 'viem'
import * as PolicyClientRegistry from '../../core/abi/policyClientRegistryAbi.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import type { PreflightCheck } from '../chain/preflightCheck.js'
import { functionOf } from '../chain/slices.js'
import { checkOwnedClient, checkRegisterClient } from '../preflight/clients.js'
import { addressOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A client, by address. */
export type ClientInput = { client: Address }
/** A client and its next owner. */
export type ClientOwnerInput = { client: Address; newOwner: Address }
/** What registering a client emits. */
export type ClientRegisteredEvent = { client: Address; owner: Address }
/** What activating or deactivating a client emits. */
export type ClientEvent = { client: Address; owner: Address }
/** What a change of owner emits. */
export type ClientOwnerChangedEvent = {
  client: Address
  previousOwner: Address
  newOwner: Address
}

function define<parameters extends ClientInput, event>(definition: {
  name: string
  item: AbiFunction
  emits: AbiEvent
  args: (parameters: parameters) => readonly unknown[]
  check: (
    client: WriteClient,
    parameters: { registry: Address; policyClient: Address; newOwner?: Address | undefined },
  ) => Promise<readonly PreflightCheck[]>
}): WriteTriple<parameters, event, undefined> {
  return defineWrite<parameters, event, undefined>({
    name: definition.name,
    prepare: (client, parameters) => ({
      address: registryOf(client, parameters),
      ...functionOf(definition.item),
      args: definition.args(parameters),
    }),
    preflight: (client, parameters) =>
      definition.check(client, {
        registry: registryOf(client, parameters),
        policyClient: addressOf(parameters.client, 'client'),
        newOwner: (parameters as { newOwner?: Address | undefined }).newOwner,
      }),
    emits: definition.emits,
    event: (args) => args as event,
    result: () => undefined,
  })
}

function registryOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('policyClientRegistry', { addresses, chainId: client.chain.id })
}

const clientArgs = ({ client }: ClientInput): readonly unknown[] => [addressOf(client, 'client')]

const register: WriteTriple<ClientInput, ClientRegisteredEvent, undefined> = define({
  name: 'registerClient',
  item: PolicyClientRegistry.registerClient,
  emits: PolicyClientRegistry.ClientRegistered,
  args: clientArgs,
  check: checkRegisterClient,
})

/**
 * Registers a policy client. The sender has to be what the client's `getOwner` returns.
 *
 * @returns The transaction hash.
 * @throws {ContractRevertError} `NotPolicyClient`, `NotClientOwner`, `ClientAlreadyRegistered`.
 */
export const registerClient: WriteAction<ClientInput> = register.send
/** Like {@link registerClient}, and waits for the receipt and its event. */
export const registerClientSync: SyncAction<ClientInput, ClientRegisteredEvent> = register.sync
/** Simulates {@link registerClient}. */
export const simulateRegisterClient: SimulateAction<ClientInput, undefined> = register.simulate
/** Checks and transaction of {@link registerClient}, nothing signed. */
export const dryRunRegisterClient: DryRunAction<ClientInput> = register.dryRun

const deactivate: WriteTriple<ClientInput, ClientEvent, undefined> = define({
  name: 'deactivateClient',
  item: PolicyClientRegistry.deactivateClient,
  emits: PolicyClientRegistry.ClientDeactivated,
  args: clientArgs,
  check: (client, parameters) => checkOwnedClient(client, { ...parameters, active: true }),
})

/** Deactivates a client: nothing is deployed for it and its slots stay. Its owner only. */
export const deactivateClient: WriteAction<ClientInput> = deactivate.send
/** Like {@link deactivateClient}, and waits. */
export const deactivateClientSync: SyncAction<ClientInput, ClientEvent> = deactivate.sync
/** Simulates {@link deactivateClient}. */
export const simulateDeactivateClient: SimulateAction<ClientInput, undefined> = deactivate.simulate
/** Checks and transaction of {@link deactivateClient}, nothing signed. */
export const dryRunDeactivateClient: DryRunAction<ClientInput> = deactivate.dryRun

const activate: WriteTriple<ClientInput, ClientEvent, undefined> = define({
  name: 'activateClient',
  item: PolicyClientRegistry.activateClient,
  emits: PolicyClientRegistry.ClientActivated,
  args: clientArgs,
  check: (client, parameters) => checkOwnedClient(client, { ...parameters, active: false }),
})

/** Activates a client again. Its owner only. */
export const activateClient: WriteAction<ClientInput> = activate.send
/** Like {@link activateClient}, and waits. */
export const activateClientSync: SyncAction<ClientInput, ClientEvent> = activate.sync
/** Simulates {@link activateClient}. */
export const simulateActivateClient: SimulateAction<ClientInput, undefined> = activate.simulate
/** Checks and transaction of {@link activateClient}, nothing signed. */
export const dryRunActivateClient: DryRunAction<ClientInput> = activate.dryRun

const setOwner: WriteTriple<ClientOwnerInput, ClientOwnerChangedEvent, undefined> = define({
  name: 'setClientOwner',
  item: PolicyClientRegistry.setClientOwner,
  emits: PolicyClientRegistry.ClientOwnerChanged,
  args: ({ client, newOwner }: ClientOwnerInput) => [
    addressOf(client, 'client'),
    addressOf(newOwner, 'newOwner'),
  ],
  check: checkOwnedClient,
})

/** Gives a client to another owner in the registry. The client's own `getOwner` stays. */
export const setClientOwner: WriteAction<ClientOwnerInput> = setOwner.send
/** Like {@link setClientOwner}, and waits. */
export const setClientOwnerSync: SyncAction<ClientOwnerInput, ClientOwnerChangedEvent> =
  setOwner.sync
/** Simulates {@link setClientOwner}. */
export const simulateSetClientOwner: SimulateAction<ClientOwnerInput, undefined> = setOwner.simulate
/** Checks and transaction of {@link setClientOwner}, nothing signed. */
export const dryRunSetClientOwner: DryRunAction<ClientOwnerInput> = setOwner.dryRun
