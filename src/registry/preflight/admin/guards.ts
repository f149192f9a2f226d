/** Checks before signing of the sale of a guard. */

import { type Address, getAddress, zeroAddress } from 'viem'
import * as GuardedTransfer from '../../../core/abi/guardedTransferAbi.js'
import type { WriteClient } from '../../chain/client.js'
import { holds, type PreflightCheck } from '../../chain/preflightCheck.js'
import { type ReadResult, readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf } from '../../chain/slices.js'
import { clientRecord, clientRecordCall } from '../../rows/rows.js'
import { checkOwner } from './gates.js'

/** Who owns a guard, to whom it is offered, and whom its record names; `null` for no record. */
export async function readGuard(
  client: WriteClient,
  { guard, registry }: { guard: Address; registry: Address },
): Promise<{ owner: Address; pendingOwner: Address; record: Address | null }> {
  const call = callsOf(guard)
  const [owner, pending, record] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      call(GuardedTransfer.owner),
      call(GuardedTransfer.pendingOwner),
      clientRecordCall(registry, guard),
    ],
  })
  const found = clientRecord(record as ReadResult)
  return {
    owner: getAddress(valueFrom(owner) as Address),
    pendingOwner: getAddress(valueFrom(pending) as Address),
    record: found === null ? null : getAddress(found.owner),
  }
}

/** Checks the offer of a guard: its owner makes it. */
export function checkOfferGuard(
  client: WriteClient,
  { guard }: { guard: Address },
): Promise<PreflightCheck[]> {
  return checkOwner(client, guard)
}

/** Checks that a guard was offered to the sender, and that its record names the sender. */
export async function checkAcceptGuard(
  client: WriteClient,
  parameters: { guard: Address; registry: Address },
): Promise<PreflightCheck[]> {
  const { guard } = parameters
  const sender = getAddress(client.account.address)
  const { owner, pendingOwner, record } = await readGuard(client, parameters)
  const offered = pendingOwner === zeroAddress ? 'nobody' : pendingOwner
  return [
    holds('OwnableUnauthorizedAccount', {
      ok: pendingOwner === sender,
      detail: `${guard} is offered to ${offered}, the sender is ${sender}`,
      fix: `Let ${owner} offer it to ${sender} (handOverGuardSync).`,
    }),
    holds('RecordNotMoved', {
      ok: record === null || record === sender,
      detail:
        record === null
          ? `${guard} is not registered`
          : `its record names ${record}, the sender is ${sender}`,
      fix: `Let ${record ?? owner} call setClientOwner with ${sender} (handOverGuardSync does both).`,
    }),
  ]
}
