/** What slots held at the end of a block, as the contracts tell it: events are compared with it. */
import type { SlotKeys, SlotValues } from '../../core/interfaces/chainEvents.js'
import type { ReadClient } from '../chain/client.js'
import { type ReadCall, readAnchor, readAt, valueFrom } from '../chain/read.js'
import { type Registries, type SlotCall, slotRead, slotValue } from '../rows/rows.js'

/** Most slots of one request. */
const MAX_SLOTS = 256

/**
 * Reads slots at the end of a past block by a call at the newest one, so that no archive node is
 * needed.
 *
 * @throws {BlockNotFoundError} where the node has not reached the block.
 */
export async function readSlotValues(
  client: ReadClient,
  request: { registries: Registries; block: bigint } & SlotKeys,
): Promise<SlotValues> {
  const { registries, block: number, policies, policyData } = request
  const { at, block } = await readAnchor(client, number)
  // At the newest block the answer can still change for the contract, but not for a call that is
  // made at the end of exactly that block.
  const call = (slot: SlotCall): ReadCall =>
    slotRead(registries, slot, at.number === number ? undefined : number)
  const calls = [
    call({ kind: 'policy', current: 'enclaveRequired', args: [] }),
    ...policies.map((one) => call({ kind: 'policy', current: 'currentInstance', args: [one] })),
    ...policyData.map(({ client: owner, templateId }) =>
      call({ kind: 'policyData', current: 'currentInstance', args: [owner, templateId] }),
    ),
  ]
  const results: unknown[] = []
  for (let from = 0; from < calls.length; from += MAX_SLOTS) {
    const part = await readAt(client, { calls: calls.slice(from, from + MAX_SLOTS), block: at })
    results.push(...part.map(valueFrom))
  }
  const [enclaveRequired, ...slots] = results
  const values = slots.map(slotValue)
  return {
    blockHash: block.hash,
    enclaveRequired: enclaveRequired as boolean,
    policies: values.slice(0, policies.length),
    policyData: values.slice(policies.length),
  }
}
