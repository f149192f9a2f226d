/** Revoking allowed evaluations before they are used. */

import type { Address, Hex } from 'viem'
import * as ResponseRegistry from '../../core/abi/responseRegistryAbi.js'
import { InvalidInputError } from '../../errors/common.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkRevocation } from '../preflight/revocations.js'
import { addressOf, wordOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A task of a client, whose response is not to be used. */
export type RevokeResponseInput = { client: Address; taskId: Hex }

/** A client, and the last reference block whose responses are not to be used. */
export type RevokeResponsesBeforeInput = { client: Address; blockNumber: bigint }

function registryOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('responseRegistry', { addresses, chainId: client.chain.id })
}

function blockOf(blockNumber: bigint): bigint {
  if (typeof blockNumber !== 'bigint' || blockNumber < 0n || blockNumber >= 1n << 64n) {
    throw new InvalidInputError({ field: 'blockNumber', reason: 'expected a block number' })
  }
  return blockNumber
}

const one: WriteTriple<RevokeResponseInput, RevokeResponseInput, undefined> = defineWrite<
  RevokeResponseInput,
  RevokeResponseInput,
  undefined
>({
  name: 'revokeResponse',
  prepare: (client, parameters) => ({
    address: registryOf(client, parameters),
    ...functionOf(ResponseRegistry.revoke),
    args: [addressOf(parameters.client, 'client'), wordOf(parameters.taskId, 'taskId')],
  }),
  preflight: (client, parameters) =>
    checkRevocation(client, {
      responseRegistry: registryOf(client, parameters),
      policyClient: addressOf(parameters.client, 'client'),
      taskId: wordOf(parameters.taskId, 'taskId'),
    }),
  emits: ResponseRegistry.ResponseRevoked,
  event: (args) => args as RevokeResponseInput,
  result: () => undefined,
})

/**
 * Revokes whatever a task was answered, or will be: it is neither accepted nor used any more. The
 * client's owner, or the client itself; for good.
 *
 * @throws {PreflightError} naming `NotClientOwner` or `ClientNotRegistered`.
 * @example
 * ```ts
 * await revokeResponse(client, { client: vault, taskId })
 * ```
 */
export const revokeResponse: WriteAction<RevokeResponseInput> = one.send
/** Like {@link revokeResponse}, and waits for the receipt and its event. */
export const revokeResponseSync: SyncAction<RevokeResponseInput, RevokeResponseInput> = one.sync
/** Simulates {@link revokeResponse}. */
export const simulateRevokeResponse: SimulateAction<RevokeResponseInput, undefined> = one.simulate
/** Checks and transaction of {@link revokeResponse}, nothing signed. */
export const dryRunRevokeResponse: DryRunAction<RevokeResponseInput> = one.dryRun

const before: WriteTriple<RevokeResponsesBeforeInput, RevokeResponsesBeforeInput, undefined> =
  defineWrite<RevokeResponsesBeforeInput, RevokeResponsesBeforeInput, undefined>({
    name: 'revokeResponsesBefore',
    prepare: (client, parameters) => ({
      address: registryOf(client, parameters),
      ...functionOf(ResponseRegistry.revokeBefore),
      args: [addressOf(parameters.client, 'client'), blockOf(parameters.blockNumber)],
    }),
    preflight: (client, parameters) =>
      checkRevocation(client, {
        responseRegistry: registryOf(client, parameters),
        policyClient: addressOf(parameters.client, 'client'),
        blockNumber: blockOf(parameters.blockNumber),
      }),
    emits: ResponseRegistry.ResponsesRevokedBefore,
    event: (args) => args as RevokeResponsesBeforeInput,
    result: () => undefined,
  })

/**
 * Revokes all responses of a client whose reference block is `blockNumber` or an earlier one, also
 * those that are accepted later. What was revoked stays revoked; the block is never lowered.
 *
 * @param parameters.blockNumber - At most the current block.
 * @throws {PreflightError} naming `NotClientOwner`, `RevocationInFuture` or `RevocationLowered`.
 */
export const revokeResponsesBefore: WriteAction<RevokeResponsesBeforeInput> = before.send
/** Like {@link revokeResponsesBefore}, and waits for the receipt and its event. */
export const revokeResponsesBeforeSync: SyncAction<
  RevokeResponsesBeforeInput,
  RevokeResponsesBeforeInput
> = before.sync
/** Simulates {@link revokeResponsesBefore}. */
export const simulateRevokeResponsesBefore: SimulateAction<RevokeResponsesBeforeInput, undefined> =
  before.simulate
/** Checks and transaction of {@link revokeResponsesBefore}, nothing signed. */
export const dryRunRevokeResponsesBefore: DryRunAction<RevokeResponsesBeforeInput> = before.dryRun
