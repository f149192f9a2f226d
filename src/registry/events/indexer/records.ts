/**
 * The records of an index: a state in a store, one compact record for each row, slot move and block.
 *
 * ```
 * m                                 → layout(1) ‖ chainId(32) ‖ fromBlock(8)
 * T id                              → ordinal(4) ‖ registeredAt(8) ‖ author(20) ‖ rego(32) ‖ schema(32) ‖ refs
 * D id                              → ordinal(4) ‖ registeredAt(8) ‖ author(20) ‖ wasm(32) ‖ schema(32) ‖ secrets(32)
 * P id, I id                        → ordinal(4) ‖ deployedAt(8) ‖ client(20) ‖ template(32) ‖ expireAfter(8) ‖ params
 * s client block, d client template block → instance(32)
 * e block                           → required(1)
 * l artifact                        → for each: block(8) ‖ announcer(20) ‖ length(4) ‖ locator
 * b block                           → hash(32)
 * ```
 * Keys are text, ids and blocks in hex without prefix. Ids are computed from what is read back and
 * compared: a record that was damaged is an error, never a row.
 */
import type { Address, Hex } from 'viem'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../../core/ids.js'
import type { InstanceRow } from '../../../core/interfaces/registryReader.js'
import { bytesToUint, concat, fromHex, toHex, uintToBytes } from '../../../internal/bytes.js'
import { IndexStoreError } from '../../chain/errors.js'
import { type RecordCursor, recordCursor } from './recordCursor.js'
import {
  emptyIndexState,
  type IndexedLocator,
  type IndexState,
  ordinalOf,
  recordKey,
  rowOrdinals,
  type SlotMove,
} from './state.js'

const LAYOUT = 1

/** The records of what changed, by name; `null` for what is gone. */
export function changedRecords(state: IndexState): Map<string, Uint8Array | null> {
  const records = new Map<string, Uint8Array | null>()
  for (const key of state.changed ?? []) records.set(key, recordOf(state, key))
  if (records.size > 0) records.set('m', metaOf(state))
  return records
}

/**
 * All records of a state.
 *
 * @throws {IndexStoreError} and others where it is no state.
 */
export function allRecords(state: IndexState): Map<string, Uint8Array> {
  const names = [
    ...[...state.policyTemplates.keys()].map(recordKey.policyTemplate),
    ...[...state.policyDataTemplates.keys()].map(recordKey.policyDataTemplate),
    ...[...state.policyInstances.keys()].map(recordKey.policyInstance),
    ...[...state.policyDataInstances.keys()].map(recordKey.policyDataInstance),
    ...[...state.policySlots, ...state.policyDataSlots].flatMap(([slot, moves]) =>
      [...moves].map(({ block }) => recordKey.move(slot, block)),
    ),
    ...[...state.enclaveRequired].map(({ block }) => recordKey.enclave(block)),
    ...[...state.locators.keys()].map(recordKey.locators),
    ...[...state.blocks].map(({ number }) => recordKey.block(number)),
  ]
  const records = new Map<string, Uint8Array>([['m', metaOf(state)]])
  for (const name of names) {
    const record = recordOf(state, name)
    if (record === null) throw new IndexStoreError({ reason: `its record ${name} is missing` })
    records.set(name, record)
  }
  return records
}

/**
 * Reads a state from records. A store with none gives `undefined`.
 *
 * @throws {IndexStoreError} for records of another layout, and damaged ones.
 */
export function readRecords(
  records: Iterable<readonly [string, Uint8Array]>,
): IndexState | undefined {
  const all = new Map(records)
  if (all.size === 0) return undefined
  const meta = all.get('m')
  if (meta === undefined || meta.length !== 41 || meta[0] !== LAYOUT) {
    throw new IndexStoreError({ reason: 'it is of another layout' })
  }
  const state = emptyIndexState({
    chainId: bytesToUint(meta.subarray(1, 33)),
    fromBlock: bytesToUint(meta.subarray(33)),
  })
  for (const [key, value] of all) {
    if (key === 'm') continue
    try {
      takeRecord(state, key, recordCursor(value))
    } catch (cause) {
      if (cause instanceof IndexStoreError) throw cause
      throw new IndexStoreError({ reason: `its record ${key} is damaged` }, { cause })
    }
  }
  arrange(state)
  return state
}

function recordOf(state: IndexState, key: string): Uint8Array | null {
  const id: Hex = `0x${key.slice(1)}`
  switch (key[0]) {
    case 'T': {
      const row = state.policyTemplates.get(id)
      if (row === undefined) return null
      return concat(
        head(row, { block: row.registeredAt, account: row.author }),
        fromHex(row.regoHash),
        fromHex(row.paramsSchemaHash),
        ...row.policyDataTemplateRefs.map((ref) => fromHex(ref)),
      )
    }
    case 'D': {
      const row = state.policyDataTemplates.get(id)
      if (row === undefined) return null
      return concat(
        head(row, { block: row.registeredAt, account: row.author }),
        ...[row.wasmHash, row.paramsSchemaHash, row.secretsSchemaHash].map((hash) => fromHex(hash)),
      )
    }
    case 'P':
    case 'I': {
      const row = (key[0] === 'P' ? state.policyInstances : state.policyDataInstances).get(id)
      if (row === undefined) return null
      return concat(
        head(row, { block: row.deployedAt, account: row.client }),
        fromHex(row.templateId),
        uintToBytes(row.expireAfter, 8),
        fromHex(row.params),
      )
    }
    case 'e': {
      const block = BigInt(`0x${key.slice(1)}`)
      const found = atBlock(state.enclaveRequired, { block, of: (one) => one.block })
      return found === undefined ? null : Uint8Array.of(found.required ? 1 : 0)
    }
    case 'l': {
      const list = state.locators.get(id)
      return list === undefined ? null : concat(...list.flatMap(locatorParts))
    }
    case 'b': {
      const number = BigInt(`0x${key.slice(1)}`)
      const found = atBlock(state.blocks, { block: number, of: (one) => one.number })
      return found === undefined ? null : fromHex(found.hash)
    }
    default:
      return moveOf(state, key)
  }
}

function moveOf(state: IndexState, key: string): Uint8Array | null {
  const { slots, slot, block } = slotOf(state, key)
  const found = atBlock(slots.get(slot) ?? [], { block, of: (one) => one.block })
  return found === undefined ? null : fromHex(found.id)
}

/** The entry of a block in a list that is in the order of blocks. */
function atBlock<entry>(
  list: readonly entry[],
  { block, of }: { block: bigint; of: (entry: entry) => bigint },
): entry | undefined {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (of(list[middle] as entry) < block) low = middle + 1
    else high = middle
  }
  const found = list[low]
  return found !== undefined && of(found) === block ? found : undefined
}

function slotOf(
  state: IndexState,
  key: string,
): { slots: Map<string, SlotMove[]>; slot: string; block: bigint } {
  const client = `0x${key.slice(1, 41)}`
  const block = BigInt(`0x${key.slice(-16)}`)
  if (key[0] === 's') return { slots: state.policySlots, slot: client, block }
  return { slots: state.policyDataSlots, slot: `${client} 0x${key.slice(41, -16)}`, block }
}

function takeRecord(state: IndexState, key: string, cursor: RecordCursor): void {
  const id: Hex = `0x${key.slice(1)}`
  switch (key[0]) {
    case 'T': {
      const { ordinal, block: registeredAt, account: author } = cursor.head()
      const [regoHash, paramsSchemaHash] = [cursor.word(), cursor.word()]
      const policyDataTemplateRefs: Hex[] = []
      while (!cursor.done()) policyDataTemplateRefs.push(cursor.word())
      const row = { regoHash, paramsSchemaHash, policyDataTemplateRefs, author, registeredAt }
      keep(state.policyTemplates, { id, row, ordinal, computed: computePolicyTemplateId(row) })
      return
    }
    case 'D': {
      const { ordinal, block: registeredAt, account: author } = cursor.head()
      const [wasmHash, paramsSchemaHash, secretsSchemaHash] = [
        cursor.word(),
        cursor.word(),
        cursor.word(),
      ]
      const row = { wasmHash, paramsSchemaHash, secretsSchemaHash, author, registeredAt }
      const computed = computePolicyDataTemplateId(row)
      keep(state.policyDataTemplates, { id, row, ordinal, computed })
      break
    }
    case 'P':
    case 'I': {
      const policy = key[0] === 'P'
      const { ordinal, block: deployedAt, account: client } = cursor.head()
      const templateId = cursor.word()
      const expireAfter = cursor.uint(8)
      const bytes = cursor.rest()
      const paramsHash = computeParamsHash({ expireAfter, params: bytes })
      const params = toHex(bytes)
      const row: InstanceRow = { templateId, client, expireAfter, deployedAt, paramsHash, params }
      const compute = policy ? computePolicyInstanceId : computePolicyDataInstanceId
      const computed = compute({ chainId: state.chainId, client, templateId, paramsHash })
      keep(policy ? state.policyInstances : state.policyDataInstances, {
        ...{ id, row, ordinal, computed },
      })
      return
    }
    case 'e':
      state.enclaveRequired.push({ block: BigInt(id), required: cursor.uint(1) === 1n })
      break
    case 'l':
      state.locators.set(id, cursor.locators())
      break
    case 'b':
      state.blocks.push({ number: BigInt(id), hash: cursor.word() })
      break
    case 's':
    case 'd': {
      const { slots, slot, block } = slotOf(state, key)
      const moves = slots.get(slot) ?? []
      moves.push({ block, id: cursor.word() })
      slots.set(slot, moves)
      break
    }
    default:
      throw new IndexStoreError({ reason: `it has a record ${key.slice(0, 20)}` })
  }
  if (!cursor.done()) throw new IndexStoreError({ reason: `its record ${key} is too long` })
}

/** Puts what came in no order in the order of the chain. */
function arrange(state: IndexState): void {
  const byBlock = (a: { block: bigint }, b: { block: bigint }): number =>
    a.block < b.block ? -1 : a.block > b.block ? 1 : 0
  state.blocks.sort((a, b) => (a.number < b.number ? -1 : 1))
  state.cursor = state.blocks.at(-1) ?? null
  state.enclaveRequired.sort(byBlock)
  for (const slots of [state.policySlots, state.policyDataSlots]) {
    for (const moves of slots.values()) moves.sort(byBlock)
  }
  const rows: Map<Hex, object>[] = [
    state.policyTemplates,
    state.policyDataTemplates,
    state.policyInstances,
    state.policyDataInstances,
  ]
  for (const map of rows) {
    const sorted = [...map].sort(([, a], [, b]) => ordinalOf(a) - ordinalOf(b))
    map.clear()
    for (const [id, row] of sorted) map.set(id, row)
    const last = sorted.at(-1)
    if (last !== undefined) {
      state.nextOrdinal = Math.max(state.nextOrdinal, ordinalOf(last[1]) + 1)
    }
  }
}

function keep<row extends object>(
  rows: Map<Hex, row>,
  { id, row, ordinal, computed }: { id: Hex; row: row; ordinal: number; computed: Hex },
): void {
  if (computed !== id) {
    throw new IndexStoreError({ reason: `the row that it has for ${id} is that of ${computed}` })
  }
  rowOrdinals.set(row, ordinal)
  rows.set(id, row)
}

function metaOf({ chainId, fromBlock }: IndexState): Uint8Array {
  return concat(Uint8Array.of(LAYOUT), uintToBytes(chainId, 32), uintToBytes(fromBlock, 8))
}

function head(row: object, { block, account }: { block: bigint; account: Address }): Uint8Array {
  return concat(uintToBytes(ordinalOf(row), 4), uintToBytes(block, 8), fromHex(account))
}

function locatorParts({ block, announcer, locator }: IndexedLocator): Uint8Array[] {
  const bytes = fromHex(locator)
  return [uintToBytes(block, 8), fromHex(announcer), uintToBytes(bytes.length, 4), bytes]
}
