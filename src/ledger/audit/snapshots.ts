/** What `ets.snapshot` events say: the root of the state after an event, as an auditor derived it. */
import type { LedgerRecord } from '../../core/interfaces/ledgerSink.js'
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { readEvent } from '../events/verify.js'
import { fromDecimal } from '../log/encoding.js'
import { readEntries } from '../writer/files/log.js'
import type { ReducerRoot } from './reducers.js'

/** A snapshot, as its event claims it. */
export type SnapshotClaim = {
  eventId: string
  /** The last event whose effect is in it. */
  seq: bigint
  head: string
  stateRoot: string
  /** The ledger's time of the snapshot's event. */
  timestamp: string
}

/** Reads all snapshots of the `audit` log, in its order. None of them is believed. */
export async function readSnapshots(
  { store, size }: { store: TileReader; size: bigint },
  signal: AbortSignal,
): Promise<SnapshotClaim[]> {
  const claims: SnapshotClaim[] = []
  for await (const { entry } of readEntries({ store, name: 'audit', from: 0n, size }, signal)) {
    const event = readEvent(entry)
    if (event?.schema_version !== 'ets.snapshot/1') continue
    const { seq, head, state_root } = event.payload as unknown as JsonObject
    const at = typeof seq === 'string' ? fromDecimal(seq) : undefined
    // One that its schema refuses is a fault of its own.
    if (at === undefined || typeof head !== 'string' || typeof state_root !== 'string') continue
    const { event_id: eventId, timestamp } = event
    claims.push({ eventId, seq: at, head, stateRoot: state_root, timestamp })
  }
  return claims
}

/** The record of a state, by an auditor's key. */
export function snapshotRecord(state: {
  /** Events whose effect is in it. */
  events: bigint
  head: string
  state_root: string
  reducers: readonly ReducerRoot[]
}): LedgerRecord {
  const { events, head, state_root, reducers } = state
  return {
    domain: 'audit',
    schemaVersion: 'ets.snapshot/1',
    fields: {
      ...{ seq: (events - 1n).toString(), head, state_root },
      reducers: reducers.map((reducer) => ({ ...reducer })) as unknown as Json,
    },
  }
}
