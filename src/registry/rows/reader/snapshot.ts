/** Everything that an evaluation for one client needs, at one block. */

import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import * as PolicyDataRegistry from '../../../core/abi/policyDataRegistryAbi.js'
import type {
  InstanceRow,
  PolicyDataSnapshot,
  RegistrySnapshot,
} from '../../../core/interfaces/registryReader.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { type ReadResult, readAnchor, readAt, valueFrom } from '../../chain/read.js'
import { policyDataTemplateRow, registryCall, slotValue, valueOrNull } from '../rows.js'
import {
  type Anchor,
  type RowSource,
  readInstances,
  readPolicyTemplate,
  slotCall,
} from './source.js'

/** Reads the snapshot of a client at the end of a block. */
export async function readSnapshot(
  source: RowSource,
  { client: policyClient, block: number }: { client: Address; block: bigint },
): Promise<RegistrySnapshot> {
  const { registries } = source
  const anchor = await readAnchor(source.client, number)
  const head = await readAt(source.client, {
    block: anchor.at,
    calls: [
      slotCall(
        registries,
        { kind: 'policy', current: 'currentInstance', args: [policyClient] },
        anchor,
      ),
      slotCall(registries, { kind: 'policy', current: 'enclaveRequired', args: [] }, anchor),
    ],
  })
  const policyInstanceId = slotValue(valueFrom(head[0]))
  const base = {
    chainId: registries.chainId,
    policyRegistry: registries.policyRegistry,
    policyDataRegistry: registries.policyDataRegistry,
    client: getAddress(policyClient),
    block: anchor.block,
    policyInstanceId,
    enclaveRequired: valueFrom(head[1]) as boolean,
  }
  if (policyInstanceId === null) {
    return { ...base, policyInstance: null, policyTemplate: null, data: [] }
  }
  const policyInstance = await instanceInSlot(source, policyInstanceId, anchor)
  const policyTemplate = await readPolicyTemplate(source, policyInstance.templateId, anchor.at)
  const refs = policyTemplate?.policyDataTemplateRefs ?? []
  const data = await readData(source, { refs, anchor, policyClient })
  return { ...base, policyInstance, policyTemplate, data }
}

async function instanceInSlot(source: RowSource, id: Hex, { at }: Anchor): Promise<InstanceRow> {
  const [instance = null] = await readInstances(source, { kind: 'policy', ids: [id], at })
  if (instance === null) throw slotWithoutRow(id)
  return instance
}

/** The data slots of a client for the templates that its policy names, in their order. */
async function readData(
  source: RowSource,
  { refs, anchor, policyClient }: { refs: readonly Hex[]; anchor: Anchor; policyClient: Address },
): Promise<PolicyDataSnapshot[]> {
  const { at } = anchor
  const results = await readAt(source.client, {
    block: at,
    calls: refs.flatMap((ref) => [
      slotCall(
        source.registries,
        { kind: 'policyData', current: 'currentInstance', args: [policyClient, ref] },
        anchor,
      ),
      registryCall(source.registries, 'policyData', PolicyDataRegistry.getTemplate, [ref]),
    ]),
  })
  const slots = refs.map((_, index) => slotValue(valueFrom(results[2 * index])))
  const filled = slots.filter((slot): slot is Hex => slot !== null)
  const found = await readInstances(source, { kind: 'policyData', ids: filled, at })
  return refs.map((ref, index) => {
    const slot = slots[index] ?? null
    const value = valueOrNull(results[2 * index + 1] as ReadResult, 'TemplateNotRegistered')
    const row = value === null ? null : policyDataTemplateRow(ref, value)
    const instance = slot === null ? null : (found[filled.indexOf(slot)] ?? null)
    if (slot !== null && instance === null) throw slotWithoutRow(slot)
    return { templateId: ref, template: row, instanceId: slot, instance }
  })
}

function slotWithoutRow(id: Hex): RpcInconsistentError {
  return new RpcInconsistentError(`slot names ${id}, which has no row`)
}
