/** The second half of a check: the chain through all domains, each event, each MetaRoot record. */
import type { TileReader, TileStore } from '../../../core/interfaces/tileStore.js'
import type { Json } from '../../../core/jsonText.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { bytesEqual } from '../../../internal/bytes.js'
import { genesisHash, type LedgerEvent } from '../../events/event.js'
import { decodeMetaRecord, type MetaRecord } from '../../events/metaRoot.js'
import type { EventSchemas } from '../../events/schemaTypes.js'
import type { VerifySignature } from '../../events/signature.js'
import { verifyReadEvent } from '../../events/verify.js'
import { edgeRoot, emptyEdge, growLog } from '../../log/growth.js'
import type { NoteKey } from '../../log/keys.js'
import { walkChain } from '../chain.js'
import { type HeadRecord, headPath } from '../files/head.js'
import { readEntries } from '../files/log.js'
import { idKey, settledRows } from '../lookup.js'
import { metaLog } from '../types.js'

/** What a check of a ledger found. */
export type FsckFault = {
  /** File, or event by its place. */
  path: string
  fault: string
}

/** What {@link fsck} answers: `clean` where there is no fault. */
export type FsckReport = {
  status: 'clean' | 'faulty'
  faults: readonly FsckFault[]
  /** Sizes of the logs that were read. */
  sizes: Readonly<Record<string, bigint>>
  events: bigint
}

/** What {@link fsck} takes. */
export type FsckParameters = {
  /** With `list`, files that no log should have are found too. */
  store: TileReader & Partial<Pick<TileStore, 'list'>>
  ledger: string
  /** Keys of the checkpoints, by log. */
  keys: ReadonlyMap<string, NoteKey>
  verify?: VerifySignature | undefined
  /** Without them the form of events is not checked, and neither are the rules that need it. */
  schemas?: EventSchemas | undefined
  requireVerifiedWasm?: boolean | undefined
  /** Most faults before it ends. @default 100 */
  maxFaults?: number | undefined
}

/** Faults so far, and how many are enough. */
export type Found = { faults: FsckFault[]; most: number }

/** Notes a fault. */
export type Add = (path: string, fault: string) => void

/** A record of the meta log, and where it is. */
export type PlacedRecord = { path: string; record: MetaRecord }

/** The records of the meta log, by the place of the event that each names. */
export async function readMeta(
  { store }: FsckParameters,
  { head, add, signal }: { head: HeadRecord; add: Add; signal: AbortSignal },
): Promise<Map<bigint, PlacedRecord>> {
  const records = new Map<bigint, PlacedRecord>()
  const size = head.sizes.get(metaLog)?.size ?? 0n
  let before: MetaRecord | undefined
  try {
    const log = { store, name: metaLog, from: 0n, size }
    for await (const { index, entry } of readEntries(log, signal)) {
      const path = `${metaLog} entry ${index}`
      const record = decodeMetaRecord(entry)
      if (record === undefined) add(path, 'is no MetaRoot record')
      else if (before !== undefined && before.seq >= record.seq) {
        add(path, 'is not after the one before')
      } else records.set(record.seq, { path, record })
      before = record ?? before
    }
  } catch (error) {
    signal.throwIfAborted()
    add(metaLog, firstLine(error))
  }
  return records
}

/** The chain from its start to the head, each event under the rules of its place. */
export async function checkChain(
  parameters: FsckParameters,
  work: {
    head: HeadRecord
    records: ReadonlyMap<bigint, PlacedRecord>
    add: Add
    signal: AbortSignal
    found: Found
  },
): Promise<void> {
  const { head, records, add, signal, found } = work
  const { ledger, verify, schemas, requireVerifiedWasm } = parameters
  const sizes = new Map([...head.sizes].map(([name, { size }]) => [name, size] as const))
  sizes.delete(metaLog)
  const rows = new Map<string, Json>()
  const view = { get: (key: string) => rows.get(key) }
  const counts = new Map([...sizes.keys()].map((name) => [name, 0n]))
  let previous: LedgerEvent | 'none' = 'none'
  try {
    const walk = walkChain({ store: parameters.store, sizes, until: head.seq }, signal)
    for await (const { seq, event, domain, index } of walk) {
      const state = { view, seq, requireVerifiedWasm }
      const verdict = verifyReadEvent(event, { ledger, verify, schemas, previous, state })
      if (verdict.status === 'invalid') add(`event ${seq}`, verdict.detail)
      if (rows.has(idKey(event.event_id))) add(`event ${seq}`, 'has the id of another event')
      for (const [key, value] of settledRows([{ seq, domain, index, event }], view)) {
        rows.set(key, value)
      }
      counts.set(domain, index + 1n)
      const cut = records.get(seq)
      if (cut !== undefined) compareCut(cut, { event, counts, add })
      previous = event
      if (found.faults.length >= found.most) return
    }
  } catch (error) {
    signal.throwIfAborted()
    return add('chain', firstLine(error))
  }
  const last = previous === 'none' ? genesisHash : previous.current_hash
  if (last !== head.head) add(headPath, 'names another newest event than the chain ends with')
  const entries = [...sizes.values()].reduce((sum, size) => sum + size, 0n)
  if (entries !== head.seq) add('chain', `has ${head.seq} events, and the logs have ${entries}`)
  const beyond = [...records.values()].find(({ record }) => record.seq >= head.seq)
  if (beyond !== undefined) add(beyond.path, 'names no event of the chain')
}

function compareCut(
  { path, record }: PlacedRecord,
  at: { event: LedgerEvent; counts: ReadonlyMap<string, bigint>; add: Add },
): void {
  const { event, counts, add } = at
  if (event.current_hash !== record.head || event.event_id !== record.checkpointEventId) {
    add(path, 'names another event than the chain has there')
  }
  for (const [name, size] of counts) {
    const domain = record.domains.find((item) => item.name === name)
    if (domain?.size !== size) add(path, `has another size of ${name} than the chain there`)
  }
}

/** Roots that MetaRoot records name, against those of the entries at their sizes. */
export async function checkRoots(
  { store }: FsckParameters,
  work: {
    head: HeadRecord
    records: ReadonlyMap<bigint, PlacedRecord>
    add: Add
    signal: AbortSignal
  },
): Promise<void> {
  const { head, records, add, signal } = work
  for (const [name, { size }] of head.sizes) {
    if (name === metaLog) continue
    const wanted = [...records.values()].flatMap(({ path, record }) =>
      record.domains.flatMap((domain) => (domain.name === name ? [{ path, ...domain }] : [])),
    )
    let edge = emptyEdge
    let batch: Uint8Array[] = []
    let next = 0
    const compare = (at: bigint): void => {
      for (; wanted[next] !== undefined && (wanted[next]?.size ?? 0n) <= at; next += 1) {
        edge = growLog(edge, batch).edge
        batch = []
        const { path, size: there, root } = wanted[next] as (typeof wanted)[number]
        if (there === at && bytesEqual(root, edgeRoot(edge))) continue
        add(path, `has another root of ${name} at ${there} than its entries`)
      }
    }
    compare(0n)
    try {
      for await (const { index, entry } of readEntries({ store, name, from: 0n, size }, signal)) {
        batch.push(entry)
        compare(index + 1n)
        if (batch.length < 4_096) continue
        edge = growLog(edge, batch).edge
        batch = []
      }
    } catch {
      // The log itself was found faulty, and said so.
      signal.throwIfAborted()
      return
    }
  }
}

/** What an error says, for a fault. */
export function firstLine(error: unknown): string {
  if (isPolicySdkError(error)) return error.shortMessage
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
