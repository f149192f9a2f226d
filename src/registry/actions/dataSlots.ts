/** Move data slots, and revoke what was allowed with the instance before. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import { type ReadClient, type WriteClient, withClient, writerOf } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkSlot } from '../preflight/slots.js'
import { registriesOf } from '../preflight/templates.js'
import { addressOf, wordOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import type { PolicySlotEvent } from './instances.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncOptions,
  type SyncResult,
  type Write,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'
import {
  keepsAccepted,
  type RevocationOptions,
  revokeAfterMove,
  type SlotRevocation,
} from './slotRevocation.js'

/** A move of a client's slot for one data template. */
export type PolicyDataSlotInput = { client: Address; templateId: Hex; instanceId: Hex }

/** What a move of a data slot emits. */
export type PolicyDataSlotEvent = PolicySlotEvent & { templateId: Hex }

const moveData: WriteTriple<PolicyDataSlotInput, PolicyDataSlotEvent, undefined> = defineWrite({
  name: 'setCurrentPolicyDataInstance',
  prepare: (client, parameters) => ({
    address: registriesOf(client, parameters).policyDataRegistry,
    ...functionOf(PolicyDataRegistry.setCurrentInstance),
    args: [
      addressOf(parameters.client, 'client'),
      wordOf(parameters.templateId, 'templateId'),
      wordOf(parameters.instanceId, 'instanceId'),
    ],
  }),
  preflight: (client, parameters) =>
    checkSlot(client, {
      registries: registriesOf(client, parameters),
      kind: 'policyData',
      policyClient: addressOf(parameters.client, 'client'),
      instanceId: wordOf(parameters.instanceId, 'instanceId'),
      templateId: wordOf(parameters.templateId, 'templateId'),
      checks: parameters.checks ?? {},
      options: { signal: parameters.signal },
    }),
  emits: PolicyDataRegistry.CurrentPolicyDataInstanceSet,
  event: (args) => args as PolicyDataSlotEvent,
  result: () => undefined,
})

/**
 * Moves a client’s slot for one data template. A move alone ends nothing that was allowed before:
 * {@link setCurrentPolicyDataInstanceSync} also revokes it; after this one, call
 * `revokeResponsesBefore` with the block before the move’s.
 */
export const setCurrentPolicyDataInstance: WriteAction<PolicyDataSlotInput> = moveData.send

/**
 * Like {@link setCurrentPolicyDataInstance}, waits for the receipt and its event, and then revokes
 * the client’s responses of reference blocks before the move, unless `keepAccepted` is set or the
 * slot named no other instance before.
 *
 * @returns The move’s event, and `revocation`: what was revoked, or `null`.
 * @throws {RevocationFailedError} when the slot moved and the revocation did not succeed.
 * @throws {AddressRequiredError} before anything is sent, when no `responseRegistry` is known.
 */
export const setCurrentPolicyDataInstanceSync: Write<
  PolicyDataSlotInput & RevocationOptions & WriteOptions & SyncOptions,
  SyncResult<PolicyDataSlotEvent> & { revocation: SlotRevocation | null }
> = async (
  client: ReadClient,
  parameters: PolicyDataSlotInput & RevocationOptions & WriteOptions & SyncOptions,
) => {
  const name = 'setCurrentPolicyDataInstance'
  const writer = writerOf(name, client, parameters)
  return withClient(name, { client: writer, options: parameters }, (bound) =>
    moveAndRevoke(bound, parameters),
  )
}

async function moveAndRevoke(
  client: WriteClient,
  parameters: PolicyDataSlotInput & RevocationOptions & WriteOptions & SyncOptions,
): Promise<SyncResult<PolicyDataSlotEvent> & { revocation: SlotRevocation | null }> {
  // A move that could not be followed by its revocation is not made.
  const keepAccepted = keepsAccepted(client, parameters)
  const move = await moveData.sync(client, parameters)
  const { previous, current } = move
  if (keepAccepted || previous === ZERO_HASH || previous === current) {
    return { ...move, revocation: null }
  }
  return { ...move, revocation: await revokeAfterMove(client, parameters, move) }
}

/** Simulates {@link setCurrentPolicyDataInstance}. */
export const simulateSetCurrentPolicyDataInstance: SimulateAction<PolicyDataSlotInput, undefined> =
  moveData.simulate
/** Checks and transaction of {@link setCurrentPolicyDataInstance}, without signing. */
export const dryRunSetCurrentPolicyDataInstance: DryRunAction<PolicyDataSlotInput> = moveData.dryRun
