/** Rows and slot histories rebuilt from logs: the state, and how it goes back. `changes.ts` changes it. */
import type { Address, Hex } from 'viem'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../../core/interfaces/registryReader.js'

/** One value of a slot, from the end of `block` on. */
export type SlotMove = { block: bigint; id: Hex }

/** Where an artifact was said to be. */
export type IndexedLocator = { block: bigint; announcer: Address; locator: Hex }

/** A block that was read up to, or that had an event. */
export type IndexedBlock = { number: bigint; hash: Hex }

/** Everything the logs say, up to the cursor. */
export type IndexState = {
  chainId: bigint
  /** First block that was read. */
  fromBlock: bigint
  /** Last block that was read, `null` before the first. */
  cursor: IndexedBlock | null
  /** Blocks by which a reorganization is noticed, ascending. */
  blocks: IndexedBlock[]
  policyTemplates: Map<Hex, PolicyTemplateRow>
  policyDataTemplates: Map<Hex, PolicyDataTemplateRow>
  policyInstances: Map<Hex, InstanceRow>
  policyDataInstances: Map<Hex, InstanceRow>
  /** By client. */
  policySlots: Map<string, SlotMove[]>
  /** By client and template. */
  policyDataSlots: Map<string, SlotMove[]>
  enclaveRequired: { block: bigint; required: boolean }[]
  /** By artifact hash. */
  locators: Map<Hex, IndexedLocator[]>
  /** Names of records that changed since they were stored; `null` where there is no store. */
  changed: Set<string> | null
  /** Place of the next row in the order of rows. */
  nextOrdinal: number
}

/** Places of rows in the order in which they came. */
export const rowOrdinals = new WeakMap<object, number>()

/** The place of a row. */
export function ordinalOf(row: object): number {
  return rowOrdinals.get(row) ?? 0
}

/** Names of records: what a state is stored as. See `records.ts`. */
export const recordKey = {
  policyTemplate: (id: Hex): string => `T${id.slice(2)}`,
  policyDataTemplate: (id: Hex): string => `D${id.slice(2)}`,
  policyInstance: (id: Hex): string => `P${id.slice(2)}`,
  policyDataInstance: (id: Hex): string => `I${id.slice(2)}`,
  /** `slot` is the key of either map of slots. */
  move: (slot: string, block: bigint): string => {
    const [client = '', templateId] = slot.split(' ')
    const name =
      templateId === undefined ? `s${client.slice(2)}` : `d${client.slice(2)}${templateId.slice(2)}`
    return `${name}${blockKey(block)}`
  },
  enclave: (block: bigint): string => `e${blockKey(block)}`,
  locators: (hash: Hex): string => `l${hash.slice(2).toLowerCase()}`,
  block: (number: bigint): string => `b${blockKey(number)}`,
}

function blockKey(block: bigint): string {
  return block.toString(16).padStart(16, '0')
}

/** Most blocks kept to notice reorganizations. */
export const MAX_INDEXED_BLOCKS = 1_024

/** Most locators of one artifact that one announcer has here; its oldest one goes first. */
export const MAX_LOCATORS_PER_ANNOUNCER = 8

/**
 * Most locators of one artifact. Where that many are, only who has some already can replace its own:
 * anybody may announce, and nobody can crowd out who was first.
 */
export const MAX_LOCATORS = 256

/** A state with nothing read. */
export function emptyIndexState(parameters: { chainId: bigint; fromBlock: bigint }): IndexState {
  return {
    ...parameters,
    cursor: null,
    blocks: [],
    policyTemplates: new Map(),
    policyDataTemplates: new Map(),
    policyInstances: new Map(),
    policyDataInstances: new Map(),
    policySlots: new Map(),
    policyDataSlots: new Map(),
    enclaveRequired: [],
    locators: new Map(),
    changed: null,
    nextOrdinal: 0,
  }
}

/** Key of a policy slot. */
export function policySlotKey(client: Address): string {
  return client.toLowerCase()
}

/** Key of a policy-data slot. */
export function policyDataSlotKey(client: Address, templateId: Hex): string {
  return `${client.toLowerCase()} ${templateId.toLowerCase()}`
}

/** Value of a slot at the end of a block, `null` where it was empty. */
export function slotAt(moves: readonly SlotMove[] | undefined, block: bigint): Hex | null {
  if (moves === undefined) return null
  let low = 0
  let high = moves.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((moves[middle] as SlotMove).block <= block) low = middle + 1
    else high = middle
  }
  return moves[low - 1]?.id ?? null
}

/** Remembers a block that was read; the last one is the cursor. */
export function markRead(state: IndexState, { number, hash }: IndexedBlock): void {
  if (state.blocks.at(-1)?.number !== number) {
    state.blocks.push({ number, hash })
    state.changed?.add(recordKey.block(number))
  }
  state.cursor = state.blocks.at(-1) as IndexedBlock
  if (state.blocks.length > 2 * MAX_INDEXED_BLOCKS) {
    keepBlocks(state, state.blocks.slice(-MAX_INDEXED_BLOCKS))
  }
}

/**
 * Takes back everything above the last block that is remembered at or below `block`; all of it where
 * none is.
 */
export function rollBack(state: IndexState, block: bigint): void {
  keepBlocks(
    state,
    state.blocks.filter(({ number }) => number <= block),
  )
  state.cursor = state.blocks.at(-1) ?? null
  const to = state.cursor?.number ?? state.fromBlock - 1n
  const drop = <row>(
    rows: Map<Hex, row>,
    { since, key }: { since: (row: row) => bigint; key: (id: Hex) => string },
  ): void => {
    for (const [id, row] of rows) {
      if (since(row) <= to) continue
      rows.delete(id)
      state.changed?.add(key(id))
    }
  }
  const registered = (row: { registeredAt: bigint }): bigint => row.registeredAt
  const deployed = (row: { deployedAt: bigint }): bigint => row.deployedAt
  drop(state.policyTemplates, { since: registered, key: recordKey.policyTemplate })
  drop(state.policyDataTemplates, { since: registered, key: recordKey.policyDataTemplate })
  drop(state.policyInstances, { since: deployed, key: recordKey.policyInstance })
  drop(state.policyDataInstances, { since: deployed, key: recordKey.policyDataInstance })
  const cut = <entry extends { block: bigint }>(
    lists: Map<string, entry[]>,
    name: (key: string, entry: entry) => string,
  ): void => {
    for (const [key, list] of lists) {
      if ((list.at(-1) as entry).block <= to) continue
      for (const entry of list) if (entry.block > to) state.changed?.add(name(key, entry))
      const kept = list.filter((entry) => entry.block <= to)
      if (kept.length === 0) lists.delete(key)
      else lists.set(key, kept)
    }
  }
  cut(state.policySlots, (key, { block: at }) => recordKey.move(key, at))
  cut(state.policyDataSlots, (key, { block: at }) => recordKey.move(key, at))
  cut(state.locators as Map<string, IndexedLocator[]>, (key) => recordKey.locators(key as Hex))
  for (const { block: at } of state.enclaveRequired) {
    if (at > to) state.changed?.add(recordKey.enclave(at))
  }
  state.enclaveRequired = state.enclaveRequired.filter((entry) => entry.block <= to)
}

function keepBlocks(state: IndexState, kept: IndexedBlock[]): void {
  if (state.changed !== null) {
    const left = new Set(kept)
    for (const block of state.blocks) {
      if (!left.has(block)) state.changed.add(recordKey.block(block.number))
    }
  }
  state.blocks = kept
}

/** Whether enclaves were required at the end of a block. */
export function enclaveRequiredAt(state: Readonly<IndexState>, block: bigint): boolean {
  return state.enclaveRequired.filter((entry) => entry.block <= block).at(-1)?.required ?? false
}
