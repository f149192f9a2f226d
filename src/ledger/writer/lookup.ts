/**
 * Look-ups beside the logs: where an event is, and the rows of the view. Never authoritative: they are
 * a function of the logs, carry the place up to which they are made, and are made again where they do
 * not fit.
 */
import type { Json } from '../../core/jsonText.js'
import type { LedgerEvent } from '../events/event.js'
import { type LedgerView, reduceEvent, type ViewChange } from '../events/view.js'
import type { PlacedEvent } from './types.js'

/** Up to where look-ups are made: the events before `seq`, the newest of which has the hash `head`. */
export type LookupMark = { seq: string; head: string; sizes: Readonly<Record<string, string>> }

/** Keeps look-ups. All of it is synchronous, so that a decision and its effect are one step. */
export type LedgerLookup = LedgerView & {
  /** Writes rows and moves the mark, both or neither. */
  apply(changes: readonly ViewChange[], mark: LookupMark): void
  mark(): LookupMark | undefined
  /** Forgets everything. */
  clear(): void
  close(): Promise<void>
}

/** Place of an event, by its id. */
export const idKey = (eventId: string): string => `id/${eventId}`
/** Place of an event in its log, by its place in the chain. */
export const seqKey = (seq: bigint): string => `seq/${seq}`

/** Look-ups in memory: they grow with the ledger, and are made again at each start. */
export function memoryLookup(): LedgerLookup {
  let rows = new Map<string, Json>()
  let mark: LookupMark | undefined
  return {
    get: (key) => rows.get(key),
    apply: (changes, next) => {
      for (const [key, value] of changes) rows.set(key, value)
      mark = next
    },
    mark: () => mark,
    clear: () => {
      rows = new Map()
      mark = undefined
    },
    close: async () => undefined,
  }
}

/** Rows that events make one after another, the last of each key. */
export function settledRows(events: readonly PlacedEvent[], settled: LedgerView): ViewChange[] {
  const rows = new Map<string, Json>()
  const view: LedgerView = {
    get: (key) => (rows.has(key) ? rows.get(key) : settled.get(key)),
  }
  for (const placed of events) {
    for (const [key, value] of lookupRows(placed, view)) rows.set(key, value)
  }
  return [...rows]
}

/** Rows that an event makes: its places, and what the rules keep of it. */
function lookupRows(placed: PlacedEvent, view: LedgerView): ViewChange[] {
  const { seq, domain, index, event } = placed
  return [
    [seqKey(seq), [domain, index.toString(), event.current_hash]],
    [idKey(event.event_id), seq.toString()],
    ...reduceEvent(event, seq, view),
  ]
}

/** Rows of events that are accepted and not yet durable, in front of those that are. */
export type PendingView = LedgerView & {
  add(event: LedgerEvent, seq: bigint): void
  /** Forgets the events before `seq`: their rows are in the look-ups now. */
  settle(seq: bigint): void
}

/** Creates a view of what is accepted. */
export function pendingView(settled: LedgerView): PendingView {
  const rows = new Map<string, { value: Json; seq: bigint }>()
  const view: PendingView = {
    get: (key) => {
      const row = rows.get(key)
      return row === undefined ? settled.get(key) : row.value
    },
    add: (event, seq) => {
      for (const [key, value] of reduceEvent(event, seq, view)) rows.set(key, { value, seq })
    },
    settle: (seq) => {
      for (const [key, row] of rows) if (row.seq < seq) rows.delete(key)
    },
  }
  return view
}
