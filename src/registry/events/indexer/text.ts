/** A state of an index as one JSON text: to be handed on. `records.ts` keeps one in a store. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../../errors/common.js'
import { allRecords, readRecords } from './records.js'
import { emptyIndexState, type IndexState, rowOrdinals } from './state.js'

/** A state as JSON text, to be kept between runs. */
export function serializeIndexState(state: IndexState): string {
  const { changed: _changed, nextOrdinal: _nextOrdinal, ...stored } = state
  return JSON.stringify({ version: 1, ...stored }, (_, value: unknown) => {
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
    if (key === 'cursor' || key === 'changed' || key === 'nextOrdinal') continue
    const [expected, actual] = [model[key], state[key]]
    const same =
      typeof expected === typeof actual &&
      expected instanceof Map === actual instanceof Map &&
      Array.isArray(expected) === Array.isArray(actual)
    if (!same) throw refuse(`\`${key}\` is malformed`)
  }
  try {
    orderRows(state)
    // Rows are held against their ids, and every field against its type, as those of a store are.
    const checked = readRecords(allRecords(state))
    if (checked !== undefined) return checked
  } catch (cause) {
    throw refuse('it is damaged', cause)
  }
  throw refuse('it is damaged')
}

/** Notes the places of rows that are in order. */
function orderRows(state: IndexState): void {
  const maps: Map<Hex, object>[] = [
    state.policyTemplates,
    state.policyDataTemplates,
    state.policyInstances,
    state.policyDataInstances,
  ]
  let ordinal = 0
  for (const map of maps) for (const row of map.values()) rowOrdinals.set(row, ordinal++)
}
