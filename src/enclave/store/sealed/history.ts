/** Reading sealed records back: from the one that the anchor names to the last whole one before it. */
import type { Hex } from 'viem'
import { isPolicySdkError } from '../../../errors/base.js'
import { keccakHex } from '../../../internal/keccak.js'
import {
  HandOverPendingError,
  SealedStateError,
  StateRollbackError,
  StoreStoppedError,
} from '../errors.js'
import { type StateAdvance, type StateAnchor, samePlace } from './anchor.js'
import type { BlobStore } from './blobs.js'
import { decodeContent, readEnd } from './content.js'
import {
  NO_PREVIOUS_STATE,
  openRecord,
  placeOfName,
  type RecordKind,
  recordKindOf,
  recordName,
  type StatePlace,
  type StateRecord,
} from './record.js'

/** Takes over from a line that ended at a place: the content that it left. */
export type TakeOver = (place: StatePlace) => Promise<Uint8Array>

/** What a history is read with. */
export type HistorySource = {
  key: CryptoKey
  blobs: BlobStore
  anchor: StateAnchor
  takeOver?: TakeOver | undefined
}

/** A history as it stands. */
export type SealedHistory = {
  map: Map<string, Uint8Array>
  /** `undefined` before the first record. */
  newest: StatePlace | undefined
  /** The place that `steps` start from. */
  base: StatePlace | undefined
  /** Steps of this history that a reorganization of the anchor could still take back. */
  steps: StateAdvance[]
  /** Sequences of the whole records that are there, ascending. */
  wholes: bigint[]
  wholeBytes: number
  /** Bytes and number of the records since. */
  changedBytes: number
  changes: number
}

/** Records at one sequence that are looked at as the one that its writer did not get to anchor. */
const mostCandidates = 8
/** Times that another writer may move the anchor while this one opens. */
const mostRounds = 4

/**
 * Reads the state that the anchor names, then goes on with records that follow it and that their writer
 * did not get to anchor, or that a reorganization took back: their steps are sent again, unchanged.
 *
 * @throws {StateRollbackError} where only older records are there.
 * @throws {SealedStateError} where records are missing or do not open.
 */
export async function openHistory(source: HistorySource): Promise<SealedHistory> {
  for (let round = 1; ; round++) {
    const history = await readHistory(source, await source.anchor.latest())
    try {
      await adoptFollowers(source, history)
      return history
    } catch (cause) {
      // Another writer was first: what the anchor knows now is the state.
      if (!(cause instanceof StateRollbackError) || round === mostRounds) throw cause
    }
  }
}

async function readHistory(
  { key, blobs, anchor, takeOver }: HistorySource,
  newest: StatePlace | undefined,
): Promise<SealedHistory> {
  const history: SealedHistory = {
    map: new Map(),
    newest: undefined,
    base: undefined,
    steps: [],
    wholes: [],
    wholeBytes: 0,
    changedBytes: 0,
    changes: 0,
  }
  const records: { place: StatePlace; record: StateRecord; bytes: number }[] = []
  for (let place = newest; place !== undefined; ) {
    const blob = await blobs.read(recordName(place))
    if (blob === undefined)
      throw await missingRecord(blobs, { place, newest: newest as StatePlace })
    if (takeOver !== undefined && place === newest && isEnd(blob, place)) {
      return inherit(history, { place, content: await takeOverFinal(anchor, { place, takeOver }) })
    }
    const record = await openRecord(blob, { key, place })
    records.push({ place, record, bytes: blob.length })
    place = record.kind === 'whole' ? undefined : placeBefore(record)
    if (record.kind !== 'whole' && place === undefined)
      throw new SealedStateError({ reason: 'its first record is not whole' })
  }
  for (const { place, record, bytes } of records.reverse()) {
    if (record.kind === 'whole') history.base = placeBefore(record)
    history.steps.push({ ...place, previous: record.previousHash })
    applyRecord(history, { place, record, bytes })
  }
  return history
}

/** Whether bytes are the last record of a line, at the very place that the anchor names. */
function isEnd(blob: Uint8Array, place: StatePlace): boolean {
  return keccakHex(blob) === place.stateHash && recordKindOf(blob) === 'end'
}

/** A line that may come back with a reorganization is not taken over. */
async function takeOverFinal(
  anchor: StateAnchor,
  { place, takeOver }: { place: StatePlace; takeOver: TakeOver },
): Promise<Uint8Array> {
  if (anchor.final !== undefined && !samePlace(await anchor.final(), place)) {
    throw new HandOverPendingError()
  }
  return takeOver(place)
}

/** A history that starts where another line ended. */
function inherit(
  history: SealedHistory,
  { place, content }: { place: StatePlace; content: Uint8Array },
): SealedHistory {
  for (const [name, value] of decodeContent(content)) {
    if (value !== undefined) history.map.set(name, value)
  }
  return { ...history, newest: place, base: place }
}

function placeBefore({ sequence, previousHash }: StateRecord): StatePlace | undefined {
  return sequence === 1n ? undefined : { sequence: sequence - 1n, stateHash: previousHash }
}

function applyRecord(
  history: SealedHistory,
  { place, record, bytes }: { place: StatePlace; record: StateRecord; bytes: number },
): void {
  if (record.kind === 'end') {
    throw new StoreStoppedError({ reason: 'its line has ended and was handed over' })
  }
  if (record.kind === 'whole') history.map.clear()
  for (const [name, value] of decodeContent(record.content)) {
    if (value === undefined) history.map.delete(name)
    else history.map.set(name, value)
  }
  countRecord(history, { place, kind: record.kind, bytes })
}

/** Notes that a history goes on with a record. */
export function countRecord(
  history: SealedHistory,
  { place, kind, bytes }: { place: StatePlace; kind: RecordKind; bytes: number },
): void {
  history.newest = place
  if (kind === 'whole') {
    history.wholes.push(place.sequence)
    history.wholeBytes = bytes
    history.changedBytes = 0
    history.changes = 0
  } else {
    history.changedBytes += bytes
    history.changes++
  }
}

async function missingRecord(
  blobs: BlobStore,
  { place, newest }: { place: StatePlace; newest: StatePlace },
): Promise<Error> {
  const there = (await blobs.names()).flatMap((name) => placeOfName(name) ?? [])
  const highest =
    there
      .map(({ sequence }) => sequence)
      .sort(ascending)
      .at(-1) ?? 0n
  if (highest > 0n && highest < newest.sequence) {
    return new StateRollbackError({ sequence: highest, expected: newest.sequence })
  }
  const reason =
    there.length === 0
      ? 'it is missing though there was one'
      : `record ${place.sequence} is missing`
  return new SealedStateError({ reason })
}

async function adoptFollowers(source: HistorySource, history: SealedHistory): Promise<void> {
  const { key, blobs, anchor } = source
  const places = (await blobs.names()).flatMap((name) => placeOfName(name) ?? [])
  for (;;) {
    const sequence = (history.newest?.sequence ?? 0n) + 1n
    const previous: Hex = history.newest?.stateHash ?? NO_PREVIOUS_STATE
    const next = places.filter((place) => place.sequence === sequence).slice(0, mostCandidates)
    const mustBeWhole = history.wholes.length === 0
    const found = await firstFollower(next, { key, blobs, previous, mustBeWhole })
    if (found === undefined) return
    const { kind, content } = found.record
    const step = { ...found.place, previous, ...(kind === 'end' ? readEnd(content) : {}) }
    await anchor.advance(step)
    history.steps.push(step)
    applyRecord(history, found)
  }
}

/** The first of some records that opens and follows `previous`; what does not is a stranger's. */
async function firstFollower(
  places: readonly StatePlace[],
  {
    key,
    blobs,
    previous,
    mustBeWhole,
  }: { key: CryptoKey; blobs: BlobStore; previous: Hex; mustBeWhole: boolean },
): Promise<{ place: StatePlace; record: StateRecord; bytes: number } | undefined> {
  for (const place of places) {
    const blob = await blobs.read(recordName(place))
    if (blob === undefined) continue
    try {
      const record = await openRecord(blob, { key, place })
      const fits = record.previousHash === previous && (!mustBeWhole || record.kind === 'whole')
      if (fits) return { place, record, bytes: blob.length }
    } catch (cause) {
      if (!isPolicySdkError(cause)) throw cause
    }
  }
  return undefined
}

/**
 * Sends the steps again that an anchor no longer knows, in order.
 *
 * @returns Whether the anchor stood somewhere in this history, and so stands at its end now.
 */
export async function resendSteps(
  anchor: StateAnchor,
  { base, steps }: { base: StatePlace | undefined; steps: readonly StateAdvance[] },
): Promise<boolean> {
  const latest = await anchor.latest()
  const known = steps.findIndex((step) => samePlace(step, latest))
  if (known < 0 && !samePlace(base, latest)) return false
  for (const step of steps.slice(known + 1)) await anchor.advance(step)
  return true
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
