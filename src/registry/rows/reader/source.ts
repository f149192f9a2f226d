/** Rows and slots as one chain holds them at a block, with old rows kept by id. */
import type { Hex } from 'viem'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import type {
  BlockReference,
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../../core/interfaces/registryReader.js'
import type { ProcessMemory } from '../../../internal/processMemory.js'
import type { ReadClient } from '../../chain/client.js'
import { type ReadCall, type ReadResult, readAnchor, readAt, valueFrom } from '../../chain/read.js'
import {
  getInstance,
  getTemplate,
  instanceRow,
  policyDataTemplateRow,
  policyTemplateRow,
  type Registries,
  type RegistryKind,
  registryCall,
  type SlotCall,
  slotRead,
  valueOrNull,
} from '../rows.js'

/** Where rows come from: a client, the registries it is asked about, and what was read before. */
export type RowSource = { client: ReadClient; registries: Registries; cache: RowCache }

/** Rows kept by id. */
export type RowCache = {
  get(key: string): unknown
  /** Keeps `row` where it is old enough, and hands it back. */
  keep<row>(key: string, row: row, blocks: { since: bigint; latest: bigint }): row
}

/** A block in question, and the block the question is asked at. */
export type Anchor = { block: BlockReference; at: BlockReference }

/** Bytes that a row is charged with beside its params: ids, addresses, blocks. */
const ROW_BYTES = 1_024

/**
 * Creates a cache in a memory of rows of some registries, none younger than `depth` blocks.
 *
 * What one client said is no answer of another: readers that are compared may share a memory.
 */
export function createRowCache(
  memory: ProcessMemory,
  { depth, registries, client }: { depth: number; registries: Registries; client: object },
): RowCache {
  const { chainId, policyRegistry, policyDataRegistry } = registries
  const place = `${numberOf(client)} ${chainId} ${policyRegistry} ${policyDataRegistry}`
  const slot = (key: string) => ({ form: 'row', key: `${place} ${key}` })
  return {
    get: (key) => memory.peek(slot(key)),
    keep(key, row, { since, latest }) {
      if (latest - since < BigInt(depth)) return row
      const { params } = row as { params?: unknown }
      const weight = ROW_BYTES + (typeof params === 'string' ? params.length : 0)
      memory.set(slot(key), { value: row, weight })
      return row
    },
  }
}

const numbers = new WeakMap<object, number>()
let clients = 0

function numberOf(client: object): number {
  const known = numbers.get(client)
  if (known !== undefined) return known
  clients += 1
  numbers.set(client, clients)
  return clients
}

/** A policy template at a block, `null` where it is not registered. */
export function readPolicyTemplate(
  source: RowSource,
  id: Hex,
  at: BlockReference,
): Promise<PolicyTemplateRow | null> {
  return readTemplate(source, { kind: 'policy', id, at, decode: policyTemplateRow })
}

/** A policy-data template at a block, `null` where it is not registered. */
export function readPolicyDataTemplate(
  source: RowSource,
  id: Hex,
  at: BlockReference,
): Promise<PolicyDataTemplateRow | null> {
  return readTemplate(source, { kind: 'policyData', id, at, decode: policyDataTemplateRow })
}

async function readTemplate<row extends { registeredAt: bigint }>(
  { client, registries, cache }: RowSource,
  parameters: {
    kind: RegistryKind
    id: Hex
    at: BlockReference
    decode: (id: Hex, value: unknown) => row
  },
): Promise<row | null> {
  const { kind, id, at, decode } = parameters
  const key = `${kind} template ${id}`
  const cached = cache.get(key) as row | undefined
  if (cached !== undefined) return cached
  const calls = [registryCall(registries, kind, getTemplate, [id])]
  const [result] = await readAt(client, { calls, block: at })
  const value = valueOrNull(result as ReadResult, 'TemplateNotRegistered')
  if (value === null) return null
  const row = decode(id, value)
  return cache.keep(key, row, { since: row.registeredAt, latest: at.number })
}

/** Instances at a block in the order of their ids, `null` where one is not deployed. */
export async function readInstances(
  { client, registries, cache }: RowSource,
  { kind, ids, at }: { kind: RegistryKind; ids: readonly Hex[]; at: BlockReference },
): Promise<(InstanceRow | null)[]> {
  const key = (id: Hex): string => `${kind} instance ${id}`
  const known = new Map(ids.map((id) => [id, cache.get(key(id)) as InstanceRow | undefined]))
  const unknown = ids.filter((id) => known.get(id) === undefined)
  const calls = unknown.flatMap((id) => [
    registryCall(registries, kind, getInstance, [id]),
    registryCall(registries, kind, PolicyRegistry.getParams, [id]),
  ])
  const results = await readAt(client, { calls, block: at })
  const found = new Map<Hex, InstanceRow>()
  for (const [index, id] of unknown.entries()) {
    const value = valueOrNull(results[2 * index] as ReadResult, 'InstanceNotDeployed')
    if (value === null) continue
    const params = valueFrom(results[2 * index + 1])
    const row = instanceRow(kind, { id, chainId: registries.chainId, value, params })
    found.set(id, cache.keep(key(id), row, { since: row.deployedAt, latest: at.number }))
  }
  return ids.map((id) => found.get(id) ?? known.get(id) ?? null)
}

/**
 * The call that reads a slot at the end of a block.
 *
 * At the newest block the answer can still change for the contract, but not for a call that is made
 * at the end of exactly that block.
 */
export function slotCall(registries: Registries, slot: SlotCall, { block, at }: Anchor): ReadCall {
  return slotRead(registries, slot, block.number === at.number ? undefined : block.number)
}

/** Reads one slot at the end of block `number`. */
export async function readSlot(
  { client, registries }: RowSource,
  call: SlotCall,
  number: bigint,
): Promise<unknown> {
  const anchor = await readAnchor(client, number)
  const calls = [slotCall(registries, call, anchor)]
  const [result] = await readAt(client, { calls, block: anchor.at })
  return valueFrom(result)
}
