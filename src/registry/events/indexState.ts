/** Rows and slot histories rebuilt from logs: the state, how an event changes it, how it goes back. */
import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../core/ids.js'
import type { ChainEvent } from '../../core/interfaces/chainEvents.js'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex } from '../../internal/bytes.js'
import { RowMismatchError, RpcInconsistentError } from '../chain/errors.js'

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

/**
 * Applies one event, in chain order.
 *
 * @throws {RowMismatchError} when a row does not hash to its id.
 * @throws {RpcInconsistentError} when a log before it is missing or came twice.
 */
export function applyEvent(state: IndexState, event: ChainEvent): void {
  const block = event.blockNumber
  switch (event.type) {
    case 'PolicyTemplateRegistered': {
      const row: PolicyTemplateRow = {
        regoHash: event.regoHash,
        paramsSchemaHash: event.paramsSchemaHash,
        policyDataTemplateRefs: event.refs,
        author: event.author,
        registeredAt: block,
      }
      insert(state, state.policyTemplates, {
        ...{ id: event.id, row, since: row.registeredAt },
        computed: computePolicyTemplateId(row),
      })
      return
    }
    case 'PolicyDataTemplateRegistered': {
      const row: PolicyDataTemplateRow = {
        wasmHash: event.wasmHash,
        paramsSchemaHash: event.paramsSchemaHash,
        secretsSchemaHash: event.secretsSchemaHash,
        author: event.author,
        registeredAt: block,
      }
      insert(state, state.policyDataTemplates, {
        ...{ id: event.id, row, since: row.registeredAt },
        computed: computePolicyDataTemplateId(row),
      })
      return
    }
    case 'PolicyInstanceDeployed':
    case 'PolicyDataInstanceDeployed': {
      const { templateId, expireAfter, params } = event
      const client = getAddress(event.client)
      const paramsHash = computeParamsHash({ expireAfter, params: fromHex(params, 'params') })
      const row: InstanceRow = {
        templateId,
        client,
        expireAfter,
        deployedAt: block,
        paramsHash,
        params,
      }
      const policy = event.type === 'PolicyInstanceDeployed'
      const compute = policy ? computePolicyInstanceId : computePolicyDataInstanceId
      const computed = compute({ chainId: state.chainId, client, templateId, paramsHash })
      needTemplate(state, { policy, templateId })
      insert(state, policy ? state.policyInstances : state.policyDataInstances, {
        ...{ id: event.id, row, computed, since: block },
      })
      return
    }
    case 'CurrentPolicyInstanceSet':
      needInstance(state, state.policyInstances, event.current)
      move(state, state.policySlots, { key: policySlotKey(event.client), block, event })
      return
    case 'CurrentPolicyDataInstanceSet':
      needInstance(state, state.policyDataInstances, event.current)
      move(state, state.policyDataSlots, {
        key: policyDataSlotKey(event.client, event.templateId),
        block,
        event,
      })
      return
    case 'EnclaveRequirementChanged': {
      if (state.enclaveRequired.at(-1)?.block === block) state.enclaveRequired.pop()
      state.enclaveRequired.push({ block, required: event.required })
      return
    }
    case 'ArtifactAnnounced': {
      announce(state, event)
      return
    }
    default:
  }
}

/** Remembers a block that was read; the last one is the cursor. */
export function markRead(state: IndexState, { number, hash }: IndexedBlock): void {
  if (state.blocks.at(-1)?.number !== number) state.blocks.push({ number, hash })
  state.cursor = state.blocks.at(-1) as IndexedBlock
  if (state.blocks.length > 2 * MAX_INDEXED_BLOCKS) {
    state.blocks = state.blocks.slice(-MAX_INDEXED_BLOCKS)
  }
}

/**
 * Takes back everything above the last block that is remembered at or below `block`; all of it where
 * none is.
 */
export function rollBack(state: IndexState, block: bigint): void {
  state.blocks = state.blocks.filter(({ number }) => number <= block)
  state.cursor = state.blocks.at(-1) ?? null
  const to = state.cursor?.number ?? state.fromBlock - 1n
  for (const rows of [state.policyTemplates, state.policyDataTemplates]) {
    for (const [id, row] of rows) if (row.registeredAt > to) rows.delete(id)
  }
  for (const rows of [state.policyInstances, state.policyDataInstances]) {
    for (const [id, row] of rows) if (row.deployedAt > to) rows.delete(id)
  }
  for (const lists of [state.policySlots, state.policyDataSlots, state.locators] as Map<
    string,
    { block: bigint }[]
  >[]) {
    for (const [key, list] of lists) {
      if ((list.at(-1) as { block: bigint }).block <= to) continue
      const kept = list.filter((entry) => entry.block <= to)
      if (kept.length === 0) lists.delete(key)
      else lists.set(key, kept)
    }
  }
  state.enclaveRequired = state.enclaveRequired.filter((entry) => entry.block <= to)
}

/** Whether enclaves were required at the end of a block. */
export function enclaveRequiredAt(state: Readonly<IndexState>, block: bigint): boolean {
  return state.enclaveRequired.filter((entry) => entry.block <= block).at(-1)?.required ?? false
}

/** A state as JSON text, to be kept between runs. */
export function serializeIndexState(state: IndexState): string {
  return JSON.stringify({ version: 1, ...state }, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    return value instanceof Map ? { map: [...value] } : value
  })
}

/**
 * Reads a state back.
 *
 * @throws {InvalidInputError} when it is not what {@link serializeIndexState} wrote.
 */
export function parseIndexState(text: string): IndexState {
  const refuse = (reason: string, cause?: unknown): InvalidInputError =>
    new InvalidInputError(
      { field: 'state', reason, hint: 'Index again from the first block.' },
      { cause },
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string' && /^\d+n$/.test(value)) return BigInt(value.slice(0, -1))
      const map = (value as { map?: unknown } | null)?.map
      return Array.isArray(map) ? new Map(map as [string, unknown][]) : value
    })
  } catch (cause) {
    throw refuse('it is not JSON', cause)
  }
  const { version, ...state } = (parsed ?? {}) as { version?: unknown } & IndexState
  if (version !== 1) throw refuse(`version 1 is read, not ${String(version)}`)
  const model = emptyIndexState({ chainId: 0n, fromBlock: 0n })
  for (const key of Object.keys(model) as (keyof IndexState)[]) {
    if (key === 'cursor') continue
    const [expected, actual] = [model[key], state[key]]
    const same =
      typeof expected === typeof actual &&
      expected instanceof Map === actual instanceof Map &&
      Array.isArray(expected) === Array.isArray(actual)
    if (!same) throw refuse(`\`${key}\` is malformed`)
  }
  return state
}

function insert<row extends { registeredAt: bigint } | { deployedAt: bigint }>(
  state: IndexState,
  rows: Map<Hex, row>,
  { id, row, computed, since }: { id: Hex; row: row; computed: Hex; since: bigint },
): void {
  if (computed !== id.toLowerCase())
    throw new RowMismatchError({ id, computed, row: 'row of a log' })
  const known = rows.get(id)
  if (known !== undefined) {
    const first = 'registeredAt' in known ? known.registeredAt : known.deployedAt
    throw missed(state, `${id} was registered at blocks ${first} and ${since}`, first)
  }
  rows.set(id, row)
}

// The contracts take no instance without its templates, and no slot without its instance: what is
// not there was missed, nobody knows where.
function needTemplate(
  state: IndexState,
  { policy, templateId }: { policy: boolean; templateId: Hex },
): void {
  const rows = policy ? state.policyTemplates : state.policyDataTemplates
  const row = rows.get(templateId)
  const refs =
    row !== undefined && 'policyDataTemplateRefs' in row ? row.policyDataTemplateRefs : []
  const absent =
    row === undefined ? templateId : refs.find((ref) => !state.policyDataTemplates.has(ref))
  if (absent !== undefined) throw missed(state, `no log registered the template ${absent}`)
}

function needInstance(state: IndexState, rows: Map<Hex, InstanceRow>, id: Hex): void {
  if (!rows.has(id)) throw missed(state, `no log deployed the instance ${id}`)
}

// Every move names the value before it, so a log that is missing cannot stay unnoticed.
function move(
  state: IndexState,
  slots: Map<string, SlotMove[]>,
  parameters: { key: string; block: bigint; event: { previous: Hex; current: Hex } },
): void {
  const { key, block, event } = parameters
  const moves = slots.get(key) ?? []
  const last = moves.at(-1)
  if ((last?.id ?? ZERO_HASH) !== event.previous) {
    const reason = `a slot moved from ${event.previous}, the logs before it say ${last?.id ?? 'empty'}`
    throw missed(state, reason, last?.block)
  }
  if (last?.block === block) moves.pop()
  moves.push({ block, id: event.current })
  slots.set(key, moves)
}

function announce(
  state: IndexState,
  event: { hash: Hex; announcer: Address; locator: Hex; blockNumber: bigint },
): void {
  const { hash, announcer, locator, blockNumber: block } = event
  const list = state.locators.get(hash) ?? []
  const own = list.filter((one) => one.announcer === announcer)
  const full = own.length >= MAX_LOCATORS_PER_ANNOUNCER || list.length >= MAX_LOCATORS
  const [oldest] = own
  if (full && oldest === undefined) return
  if (full) list.splice(list.indexOf(oldest as IndexedLocator), 1)
  list.push({ block, announcer, locator })
  state.locators.set(hash, list)
}

// What is certain ends before the block of the last log that fits.
function missed(state: IndexState, reason: string, last?: bigint): RpcInconsistentError {
  return new RpcInconsistentError(reason, { since: (last ?? state.fromBlock) - 1n })
}
