/** Hand a guard over: its own owner and the client registry's record, together. */

import type { Address } from 'viem'
import * as GuardedTransfer from '../../../core/abi/guardedTransferAbi.js'
import { resolveAddress } from '../../chain/addresses.js'
import { type WriteClient, withClient } from '../../chain/client.js'
import { functionOf } from '../../chain/slices.js'
import { checkAcceptGuard, checkOfferGuard, readGuard } from '../../preflight/admin/guards.js'
import { addressOf } from '../../rows/inputs.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import { type ClientOwnerChangedEvent, setClientOwnerSync } from '../clients.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type SyncOptions,
  type SyncResult,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'

/** A guard, a contract built on `PolicyGuard`, by address. */
export type GuardInput = { guard: Address }
/** A guard and its next owner. */
export type GuardOwnerInput = { guard: Address; newOwner: Address }
/** What offering a guard, and taking it over, emit. */
export type GuardOwnerEvent = { previousOwner: Address; newOwner: Address }

const registryOf = (client: WriteClient, { addresses }: WriteOptions): Address =>
  resolveAddress('policyClientRegistry', { addresses, chainId: client.chain.id })

const offer: WriteTriple<GuardOwnerInput, GuardOwnerEvent, undefined> = defineWrite({
  name: 'offerGuard',
  prepare: (_client, parameters) => ({
    address: addressOf(parameters.guard, 'guard'),
    ...functionOf(GuardedTransfer.transferOwnership),
    args: [addressOf(parameters.newOwner, 'newOwner')],
  }),
  preflight: (client, parameters) =>
    checkOfferGuard(client, { guard: addressOf(parameters.guard, 'guard') }),
  emits: GuardedTransfer.OwnershipTransferStarted,
  event: (args) => args as GuardOwnerEvent,
  result: () => undefined,
})

/**
 * Offers a guard to its next owner, who takes it over by {@link acceptGuard}. That is refused while
 * the client registry's record names another: {@link handOverGuardSync} moves the record as well.
 */
export const offerGuard: WriteAction<GuardOwnerInput> = offer.send
/** Like {@link offerGuard}, and waits for the receipt and its event. */
export const offerGuardSync: SyncAction<GuardOwnerInput, GuardOwnerEvent> = offer.sync
/** Simulates {@link offerGuard}. */
export const simulateOfferGuard: SimulateAction<GuardOwnerInput, undefined> = offer.simulate
/** Checks and transaction of {@link offerGuard}, nothing signed. */
export const dryRunOfferGuard: DryRunAction<GuardOwnerInput> = offer.dryRun

const accept: WriteTriple<GuardInput, GuardOwnerEvent, undefined> = defineWrite({
  name: 'acceptGuard',
  prepare: (_client, parameters) => ({
    address: addressOf(parameters.guard, 'guard'),
    ...functionOf(GuardedTransfer.acceptOwnership),
    args: [],
  }),
  preflight: (client, parameters) =>
    checkAcceptGuard(client, {
      guard: addressOf(parameters.guard, 'guard'),
      registry: registryOf(client, parameters),
    }),
  emits: GuardedTransfer.OwnershipTransferred,
  event: (args) => args as GuardOwnerEvent,
  result: () => undefined,
})

/**
 * Takes over a guard that was offered. Where it is registered, its record has to name the sender
 * already: whoever owns the record moves the guard's policy.
 *
 * @throws {PreflightError} `RecordNotMoved` while the record names another owner.
 */
export const acceptGuard: WriteAction<GuardInput> = accept.send
/** Like {@link acceptGuard}, and waits for the receipt and its event. */
export const acceptGuardSync: SyncAction<GuardInput, GuardOwnerEvent> = accept.sync
/** Simulates {@link acceptGuard}. */
export const simulateAcceptGuard: SimulateAction<GuardInput, undefined> = accept.simulate
/** Checks and transaction of {@link acceptGuard}, nothing signed. */
export const dryRunAcceptGuard: DryRunAction<GuardInput> = accept.dryRun

/** What a hand-over did; `null` for what was done before. */
export type GuardHandOver = {
  offer: SyncResult<GuardOwnerEvent> | null
  record: SyncResult<ClientOwnerChangedEvent> | null
}

/**
 * The seller's whole part of a sale: offers the guard to its next owner and moves its record in the
 * client registry, in this order and each only where it is not so yet, so that it can be called again
 * after a failure. From the second on the seller no longer moves the guard's policy. The buyer then
 * calls {@link acceptGuard}.
 *
 * @throws {AddressRequiredError} before anything is sent, when the client registry is not known.
 */
export async function handOverGuardSync(
  client: WriteClient,
  parameters: GuardOwnerInput & WriteOptions & SyncOptions,
): Promise<GuardHandOver> {
  return withClient('handOverGuard', { client, options: parameters }, async (bound) => {
    const guard = addressOf(parameters.guard, 'guard')
    const newOwner = addressOf(parameters.newOwner, 'newOwner')
    const found = await readGuard(bound, { guard, registry: registryOf(bound, parameters) })
    // The gas and the nonce that were given cannot be both transactions'.
    const { gas: _gas, nonce: _nonce, guard: _guard, ...options } = parameters
    const offered =
      found.pendingOwner === newOwner || found.owner === newOwner
        ? null
        : await offerGuardSync(bound, { ...options, guard, newOwner })
    const moved =
      found.record === null || found.record === newOwner
        ? null
        : await setClientOwnerSync(bound, { ...options, client: guard, newOwner })
    return { offer: offered, record: moved }
  })
}
