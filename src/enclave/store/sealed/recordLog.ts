/** The records of a sealed store, one after another: written, anchored, taken in, and forgotten when useless. */

import { StateRollbackError, StoreFailedError, StoreStoppedError } from '../errors.js'
import { batchHolds, type KvBatch } from '../kv.js'
import type { NameIndex } from '../nameIndex.js'
import { type StateAdvance, type StateAnchor, samePlace } from './anchor.js'
import type { BlobStore } from './blobs.js'
import { encodeContent, writeEnd } from './content.js'
import { countRecord, resendSteps, type SealedHistory } from './history.js'
import {
  bequestName,
  NO_PREVIOUS_STATE,
  placeOfAnyName,
  type RecordKind,
  recordName,
  type StatePlace,
  sealRecord,
} from './record.js'

type Changes = ReadonlyMap<string, Uint8Array | undefined>

/** A step whose outcome is not known yet, with what is taken in where it turns out to have happened. */
type Doubt = { step: StateAdvance; kind: RecordKind; bytes: number; changes: Changes }

/** Records of changes after which all of the content is written once more. */
const mostChanges = 1024
const leastWholeBytes = 65_536

/** How a line is ended. */
export type EndOptions = {
  successor?: string | undefined
  bequeath: (state: { place: StatePlace; content: Uint8Array }) => Promise<Uint8Array>
}

/** What records are made with. */
export type RecordLogContext = {
  key: CryptoKey
  blobs: BlobStore
  anchor: StateAnchor
  randomBytes: (length: number) => Uint8Array
  names: NameIndex
}

/** The records of a store that is open. */
export type RecordLog = {
  end(options: EndOptions): Promise<StatePlace>
  /** @returns For each batch whether it happened. All that happen are in one record. */
  commit(batches: readonly KvBatch[]): Promise<boolean[]>
  assertRunning(): void
}

type Log = RecordLogContext & {
  history: SealedHistory
  doubt: Doubt | undefined
  stopped: StoreStoppedError | undefined
}

/** Goes on with a history. */
export function createRecordLog(history: SealedHistory, context: RecordLogContext): RecordLog {
  const log: Log = { ...context, history, doubt: undefined, stopped: undefined }
  const { names } = context
  const assertRunning = (): void => {
    if (log.stopped !== undefined) throw log.stopped
  }
  return {
    assertRunning,
    end: async (options) => {
      assertRunning()
      if (log.doubt !== undefined) await settle(log, log.doubt)
      assertRunning()
      // A line starts with a whole record, also one that ends at once.
      if (history.newest === undefined) await append(log, new Map())
      return end(log, options)
    },
    commit: async (batches) => {
      assertRunning()
      if (log.doubt !== undefined) await settle(log, log.doubt)
      assertRunning()
      const { happened, changes } = decideBatches(batches, { map: history.map, names })
      if (changes.size > 0) await append(log, changes)
      return happened
    },
  }
}

function stop(log: Log, cause: unknown): StoreStoppedError {
  log.stopped = new StoreStoppedError({ reason: 'another writer moved its anchor on' }, { cause })
  return log.stopped
}

/** Brings the anchor to a step, or finds out that it is there; stops where another writer was first. */
async function settle(log: Log, next: Doubt): Promise<void> {
  const { history, names, anchor } = log
  const { step, kind, bytes, changes } = next
  log.doubt = next
  try {
    await anchor.advance(step)
  } catch (cause) {
    await resolveDoubt(log, step, cause)
  }
  log.doubt = undefined
  for (const [name, value] of changes) {
    if (value === undefined) {
      history.map.delete(name)
      names.delete(name)
    } else {
      history.map.set(name, value)
      names.add(name)
    }
  }
  history.steps.push(step)
  if (kind === 'end') {
    log.stopped = new StoreStoppedError({ reason: 'its line has ended and was handed over' })
    return
  }
  const place = { sequence: step.sequence, stateHash: step.stateHash }
  countRecord(history, { place, kind, bytes })
}

async function resolveDoubt(log: Log, step: StateAdvance, cause: unknown): Promise<void> {
  const { history, anchor } = log
  let reached: boolean
  try {
    const latest = await anchor.latest()
    if (samePlace(latest, step)) return
    // A failure that is no refusal may still be under way: the step stays in doubt, and is sent again.
    if (!(cause instanceof StateRollbackError) && samePlace(latest, history.newest)) throw cause
    reached = await resendSteps(anchor, {
      base: history.base,
      steps: [...history.steps, step],
    })
  } catch (failure) {
    if (failure instanceof StateRollbackError) throw stop(log, failure)
    throw new StoreFailedError(
      { step: 'moving the anchor', outcome: 'unknown' },
      { cause: failure },
    )
  }
  if (!reached) throw stop(log, cause)
}

async function append(log: Log, changes: Changes): Promise<void> {
  const { history, key, blobs, randomBytes } = log
  const previous = history.newest?.stateHash ?? NO_PREVIOUS_STATE
  const sequence = (history.newest?.sequence ?? 0n) + 1n
  const whole =
    history.wholes.length === 0 ||
    history.changes >= mostChanges ||
    history.changedBytes > Math.max(leastWholeBytes, history.wholeBytes)
  const content = encodeContent(whole ? merged(history.map, changes) : changes)
  const kind = whole ? 'whole' : 'changes'
  const { blob, stateHash } = await sealRecord(
    { kind, sequence, previousHash: previous, content },
    { key, randomBytes },
  )
  try {
    await blobs.write(recordName({ sequence, stateHash }), blob)
  } catch (cause) {
    throw new StoreFailedError({ step: 'writing a record', outcome: 'unknown' }, { cause })
  }
  await settle(log, { step: { sequence, stateHash, previous }, kind, bytes: blob.length, changes })
  if (whole) await forgetOld(log)
}

async function end(log: Log, { successor, bequeath }: EndOptions): Promise<StatePlace> {
  const { history, key, blobs, randomBytes } = log
  const previous = history.newest?.stateHash ?? NO_PREVIOUS_STATE
  const sequence = (history.newest?.sequence ?? 0n) + 1n
  const { blob, stateHash } = await sealRecord(
    { kind: 'end', sequence, previousHash: previous, content: writeEnd({ successor }) },
    { key, randomBytes },
  )
  const place = { sequence, stateHash }
  const bequest = await bequeath({ place, content: encodeContent(history.map) })
  try {
    await blobs.write(bequestName(place), bequest)
    await blobs.write(recordName(place), blob)
  } catch (cause) {
    throw new StoreFailedError({ step: 'writing the last record', outcome: 'unknown' }, { cause })
  }
  const step = { ...place, previous, successor }
  await settle(log, { step, kind: 'end', bytes: blob.length, changes: new Map() })
  return place
}

/** Deletes what a whole and final record has made useless. What is left over is deleted the next time. */
async function forgetOld({ history, blobs, anchor }: Log): Promise<void> {
  try {
    const final = anchor.final === undefined ? history.newest : await anchor.final()
    if (final === undefined) return
    const at = history.steps.findIndex((step) => samePlace(step, final))
    if (at >= 0) {
      history.base = final
      history.steps.splice(0, at + 1)
    }
    const kept = history.wholes.filter((sequence) => sequence <= final.sequence).at(-1)
    if (kept === undefined) return
    for (const name of await blobs.names()) {
      const place = placeOfAnyName(name)
      if (place !== undefined && place.sequence < kept) await blobs.delete(name)
    }
    history.wholes = history.wholes.filter((sequence) => sequence >= kept)
  } catch {
    // Housekeeping: the commit itself has happened.
  }
}

/** Decides batches one after another, each on what those before it leave. */
function decideBatches(
  batches: readonly KvBatch[],
  { map, names }: { map: ReadonlyMap<string, Uint8Array>; names: NameIndex },
): { happened: boolean[]; changes: Map<string, Uint8Array | undefined> } {
  const changes = new Map<string, Uint8Array | undefined>()
  const now = {
    value: (key: string) => (changes.has(key) ? changes.get(key) : map.get(key)),
    keys: (prefix: string) => {
      const stored = names.withPrefix(prefix).filter((name) => !changes.has(name))
      const own = [...changes].filter(
        ([name, value]) => value !== undefined && name.startsWith(prefix),
      )
      return own.length === 0 ? stored : [...stored, ...own.map(([name]) => name)].sort()
    },
  }
  const happened = batches.map((batch) => {
    if (!batchHolds(batch, now)) return false
    for (const { key, value } of batch.writes) changes.set(key, value)
    return true
  })
  return { happened, changes }
}

function* merged(
  map: ReadonlyMap<string, Uint8Array>,
  changes: Changes,
): Iterable<readonly [string, Uint8Array]> {
  for (const entry of map) if (!changes.has(entry[0])) yield entry
  for (const [name, value] of changes) if (value !== undefined) yield [name, value]
}
