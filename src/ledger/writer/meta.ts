/** Cuts through all domains, recorded in the meta log. */

import { bytesEqual } from '../../internal/bytes.js'
import { LedgerStateError } from '../errors.js'
import type { MetaRecord } from '../events/metaRoot.js'
import { decodeMetaRecord, encodeMetaRecord } from '../events/metaRoot.js'
import { commitBatch, type Engine, finishBatch, type OpenLog, type Published } from './engine.js'
import { readEntries } from './files/log.js'
import { type LedgerHead, metaLog } from './types.js'

/** A cut: its record, where that is in the meta log, and the checkpoints that it names. */
export type Cut = {
  record: Uint8Array
  /** `current_hash` of the newest event that it covers. */
  head: string
  index: bigint
  /** Published checkpoint of each domain at the cut. */
  domains: ReadonlyMap<string, Published>
  meta: Published
}

/**
 * Records a cut after the newest event, unless the newest record says the same. The checkpoints of
 * all domains at these sizes are published before.
 */
export async function recordCut(engine: Engine, newest: LedgerHead): Promise<Cut> {
  const domains = new Map<string, Published>()
  const states: { name: string; size: bigint; root: Uint8Array }[] = []
  for (const [name, state] of engine.head.sizes) {
    if (name === metaLog) continue
    states.push({ name, ...state })
    const published = engine.logs.get(name)?.published
    if (published !== undefined) domains.set(name, published)
  }
  const cut: Omit<MetaRecord, 'metaRoot'> = {
    checkpointEventId: newest.event_id,
    domains: states,
    head: newest.current_hash,
    seq: newest.seq,
  }
  const record = encodeMetaRecord(cut)
  const last = await lastRecord(engine)
  if (last === undefined || !bytesEqual(last, record)) {
    const { head, seq } = engine.head
    const growths = await commitBatch(engine, new Map([[metaLog, [record]]]), { head, seq })
    await finishBatch(engine, growths)
  }
  const meta = (engine.logs.get(metaLog) as OpenLog).published as Published
  return { record, head: newest.current_hash, index: meta.size - 1n, domains, meta }
}

async function lastRecord(engine: Engine): Promise<Uint8Array | undefined> {
  const { size } = (engine.logs.get(metaLog) as OpenLog).edge
  if (size === 0n) return undefined
  const { store } = engine
  const from = size - 1n
  const { signal } = new AbortController()
  for await (const { entry } of readEntries({ store, name: metaLog, from, size }, signal)) {
    if (decodeMetaRecord(entry) === undefined) {
      throw new LedgerStateError({ reason: `entry ${from} of ${metaLog} is no MetaRoot record` })
    }
    return entry
  }
  return undefined
}
