/** Calls for rows and slots, and strict decoding of what comes back. */
import { type Abi, type Address, getAddress, type Hex } from 'viem'
import { policyClientRegistryAbi } from '../../core/abi/policyClientRegistryAbi.js'
import { policyDataRegistryAbi } from '../../core/abi/policyDataRegistryAbi.js'
import { policyRegistryAbi } from '../../core/abi/policyRegistryAbi.js'
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

/** The two registries of one chain. */
export type Registries = {
  chainId: bigint
  policyRegistry: Address
  policyDataRegistry: Address
}

/** Which registry. */
export type RegistryKind = 'policy' | 'policyData'

const abis: Readonly<Record<RegistryKind, Abi>> = {
  policy: policyRegistryAbi as Abi,
  policyData: policyDataRegistryAbi as Abi,
}

/** A call of one of the registries. */
export function registryCall(
  registries: Registries,
  kind: RegistryKind,
  functionName: string,
  args: readonly unknown[] = [],
): ReadCall {
  const address = kind === 'policy' ? registries.policyRegistry : registries.policyDataRegistry
  return { address, abi: abis[kind], functionName, args }
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
    abi: policyClientRegistryAbi as Abi,
    functionName: 'getClientRecord',
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
