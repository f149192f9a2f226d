/** Calls for rows and slots, and strict decoding of what comes back. */

import { type AbiFunction, type Address, getAddress, type Hex } from 'viem'
import * as PolicyClientRegistry from '../../core/abi/policyClientRegistryAbi.js'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../core/ids.js'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../core/interfaces/registryReader.js'
import { isPolicySdkError } from '../../errors/base.js'
import { fromHex } from '../../internal/bytes.js'
import { RowMismatchError } from '../chain/errors.js'
import type { ReadCall, ReadResult } from '../chain/read.js'
import { functionOf } from '../chain/slices.js'

/** The two registries of one chain. */
export type Registries = {
  chainId: bigint
  policyRegistry: Address
  policyDataRegistry: Address
}

/** Which registry. */
export type RegistryKind = 'policy' | 'policyData'

/** A function of the registries: the same in both, or one for each. */
export type RegistryFunction = AbiFunction | Readonly<Record<RegistryKind, AbiFunction>>

/** Reads a template's row. */
export const getTemplate: Readonly<Record<RegistryKind, AbiFunction>> = {
  policy: PolicyRegistry.getTemplate,
  policyData: PolicyDataRegistry.getTemplate,
}

/** Reads an instance's row. */
export const getInstance: Readonly<Record<RegistryKind, AbiFunction>> = {
  policy: PolicyRegistry.getInstance,
  policyData: PolicyDataRegistry.getInstance,
}

/** A call of one of the registries. */
export function registryCall(
  registries: Registries,
  kind: RegistryKind,
  read: RegistryFunction,
  args: readonly unknown[] = [],
): ReadCall {
  const address = kind === 'policy' ? registries.policyRegistry : registries.policyDataRegistry
  return { address, ...functionOf('policy' in read ? read[kind] : read), args }
}

/** As it is, and as it was at the end of a block. */
type History = { now: AbiFunction; before: AbiFunction }

const instances: Readonly<Record<RegistryKind, History>> = {
  policy: { now: PolicyRegistry.currentInstance, before: PolicyRegistry.currentInstanceAt },
  policyData: {
    now: PolicyDataRegistry.currentInstance,
    before: PolicyDataRegistry.currentInstanceAt,
  },
}
const requirement: History = {
  now: PolicyRegistry.enclaveRequired,
  before: PolicyRegistry.enclaveRequiredAt,
}

/** A slot or switch whose value has a history. */
export type SlotCall = { args: readonly unknown[] } & (
  | { kind: RegistryKind; current: 'currentInstance' }
  | { kind: 'policy'; current: 'enclaveRequired' }
)

/** The call that reads a slot as it is, or as it was at the end of a block. */
export function slotRead(registries: Registries, slot: SlotCall, block?: bigint): ReadCall {
  const { now, before } = slot.current === 'enclaveRequired' ? requirement : instances[slot.kind]
  return block === undefined
    ? registryCall(registries, slot.kind, now, slot.args)
    : registryCall(registries, slot.kind, before, [...slot.args, block])
}

/** Value of a result, `null` where the contract said that there is no such row. */
export function valueOrNull(result: ReadResult, absent: string): unknown {
  if (result.ok) return result.value
  if (result.error.errorName === absent) return null
  throw result.error
}

/** A slot's value: zero is an empty slot. */
export function slotValue(value: unknown): Hex | null {
  return value === ZERO_HASH ? null : (value as Hex)
}

/** What the client registry holds of a client. */
export type ClientRecord = { owner: Address; active: boolean }

/** The call that reads a client's record. */
export function clientRecordCall(registry: Address, client: Address): ReadCall {
  return {
    address: registry,
    ...functionOf(PolicyClientRegistry.getClientRecord),
    args: [client],
  }
}

/** A client's record, `null` where it is not registered. */
export function clientRecord(result: ReadResult): ClientRecord | null {
  const record = valueOrNull(result, 'ClientNotRegistered') as ClientRecord | null
  return record === null ? null : { owner: record.owner, active: record.active }
}

/** A policy template's row, checked against its id. */
export function policyTemplateRow(id: Hex, value: unknown): PolicyTemplateRow {
  const raw = value as {
    regoHash: Hex
    paramsSchemaHash: Hex
    policyDataTemplateRefs: readonly Hex[]
    author: Address
    registeredAt: bigint
  }
  const row: PolicyTemplateRow = {
    regoHash: raw.regoHash,
    paramsSchemaHash: raw.paramsSchemaHash,
    policyDataTemplateRefs: [...raw.policyDataTemplateRefs],
    author: raw.author,
    registeredAt: raw.registeredAt,
  }
  checkId(id, 'policy template', () => computePolicyTemplateId(row))
  return row
}

/** A policy-data template's row, checked against its id. */
export function policyDataTemplateRow(id: Hex, value: unknown): PolicyDataTemplateRow {
  const raw = value as PolicyDataTemplateRow
  const row: PolicyDataTemplateRow = {
    wasmHash: raw.wasmHash,
    paramsSchemaHash: raw.paramsSchemaHash,
    secretsSchemaHash: raw.secretsSchemaHash,
    author: raw.author,
    registeredAt: raw.registeredAt,
  }
  checkId(id, 'policy-data template', () => computePolicyDataTemplateId(row))
  return row
}

/** An instance's row with its params, checked against its id. */
export function instanceRow(
  kind: RegistryKind,
  parameters: { id: Hex; chainId: bigint; value: unknown; params: unknown },
): InstanceRow {
  const { id, chainId } = parameters
  const raw = parameters.value as {
    templateId: Hex
    client: Address
    expireAfter: bigint
    deployedAt: bigint
    paramsHash: Hex
  }
  const row: InstanceRow = {
    templateId: raw.templateId,
    client: getAddress(raw.client),
    expireAfter: raw.expireAfter,
    deployedAt: raw.deployedAt,
    paramsHash: raw.paramsHash,
    params: parameters.params as Hex,
  }
  const compute = kind === 'policy' ? computePolicyInstanceId : computePolicyDataInstanceId
  checkId(id, kind === 'policy' ? 'policy instance' : 'policy-data instance', () => {
    const paramsHash = computeParamsHash({
      expireAfter: row.expireAfter,
      params: fromHex(row.params, 'params'),
    })
    if (paramsHash !== row.paramsHash) return paramsHash
    return compute({ chainId, client: row.client, templateId: row.templateId, paramsHash })
  })
  return row
}

// Values that cannot even be hashed are as wrong as those that hash to something else.
function checkId(id: Hex, row: string, compute: () => Hex): void {
  let computed: Hex
  try {
    computed = compute()
  } catch (cause) {
    if (!isPolicySdkError(cause)) throw cause
    throw new RowMismatchError({ id, computed: ZERO_HASH, row }, { cause })
  }
  if (computed !== id.toLowerCase()) throw new RowMismatchError({ id, computed, row })
}
