/** A store whose content leaves the enclave as sealed records: what changed, and now and then all of it. */
import { InvalidInputError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import { type StateAdvance, type StateAnchor, samePlace } from './anchor.js'
import type { BlobStore } from './blobs.js'
import {
  StateRollbackError,
  StoreClosedError,
  StoreFailedError,
  StoreStoppedError,
} from './errors.js'
import {
  assertBatch,
  assertKey,
  assertPrefix,
  batchHolds,
  copyBatch,
  type KvBatch,
  type KvStore,
} from './kv.js'
import { createNameIndex } from './nameIndex.js'
import { encodeContent, writeEnd } from './sealedContent.js'
import {
  countRecord,
  openHistory,
  resendSteps,
  type SealedHistory,
  type TakeOver,
} from './sealedHistory.js'
import {
  bequestName,
  importSealingKey,
  NO_PREVIOUS_STATE,
  placeOfAnyName,
  type RecordKind,
  recordName,
  type StatePlace,
  sealRecord,
} from './sealedRecord.js'

/** Parameters of {@link openSealedKv}. */
export type SealedKvParameters = {
  /** 32 bytes that only the enclave has. */
  key: Uint8Array
  blobs: BlobStore
  anchor: StateAnchor
  /** Starts from where another line ended, such as `receiveHandOver`. Asked only where the anchor stands there. */
  takeOver?: TakeOver | undefined
  /** Milliseconds that one call of `blobs` or `anchor` may take. @default 60000 */
  timeout?: number | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** A sealed store. */
export type SealedKv = KvStore & {
  /**
   * Ends this line for good: its last record is written, the anchor moves there, and every later call is
   * refused with `STORE_STOPPED`.
   *
   * @param options.successor - Who moves the anchor from then on, as the anchor knows its writers.
   * @param options.bequeath - Given all of the content and the place of the last record, makes what the
   * successor reads. Kept beside the record before the anchor moves, so nothing is lost in between.
   */
  endLine(options: {
    successor?: string | undefined
    bequeath: (state: { place: StatePlace; content: Uint8Array }) => Promise<Uint8Array>
  }): Promise<StatePlace>
}

type Changes = ReadonlyMap<string, Uint8Array | undefined>

/** A step whose outcome is not known yet, with what is taken in where it turns out to have happened. */
type Doubt = { step: StateAdvance; kind: RecordKind; bytes: number; changes: Changes }

type Queued = {
  batch: KvBatch
  resolve: (happened: boolean) => void
  reject: (cause: unknown) => void
}

/** Records of changes after which all of the content is written once more. */
const mostChanges = 1024
const leastWholeBytes = 65_536

/**
 * Opens a sealed store. A commit writes a record beside those that are there, moves the anchor, and only
 * then counts; a record that the anchor may name is never written over and is deleted only when a later
 * whole one is final. Commits that come while one is under way share the next record.
 *
 * Where the anchor's answer is lost, the anchor itself decides: the next call asks it, and sends the same
 * step again where it is needed. A writer that another one overtook stops for good.
 *
 * @throws {StateRollbackError} where only an older state is there.
 * @throws {SealedStateError} where the state is missing, changed, or sealed under another key.
 * @example
 * ```ts
 * import { memoryAnchor, openSealedKv } from '@newton/policy-sdk/enclave'
 * import { fileBlobs } from '@newton/policy-sdk/enclave/node'
 *
 * declare const key: Uint8Array
 * const kv = await openSealedKv({ key, blobs: fileBlobs({ directory: './state' }), anchor: memoryAnchor() })
 * ```
 */
export async function openSealedKv(parameters: SealedKvParameters): Promise<SealedKv> {
  const { timeout = 60_000, randomBytes = defaultRandomBytes } = parameters
  if (!Number.isFinite(timeout) || timeout <= 0) {
    throw new InvalidInputError({ field: 'timeout', reason: 'expected milliseconds above 0' })
  }
  const key = await importSealingKey(parameters.key)
  const source = {
    key,
    blobs: boundedBlobs(parameters.blobs, timeout),
    anchor: boundedAnchor(parameters.anchor, timeout),
    takeOver: parameters.takeOver,
  }
  const history = await openHistory(source)
  const names = createNameIndex()
  for (const name of history.map.keys()) names.add(name)
  const log = createRecordLog(history, { ...source, randomBytes, names })

  let queue: Queued[] = []
  let working: Promise<void> | undefined
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new StoreClosedError()
    log.assertRunning()
  }
  /** Takes all that waits into one record, again and again until nothing does. */
  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const group = queue
      queue = []
      try {
        const happened = await log.commit(group.map(({ batch }) => batch))
        for (const [at, { resolve }] of group.entries()) resolve(happened[at] === true)
      } catch (cause) {
        for (const { reject } of group) reject(cause)
      }
    }
    working = undefined
  }
  return {
    rollbackProtected: true,
    get: async (name) => {
      assertOpen()
      assertKey(name)
      return history.map.get(name)?.slice()
    },
    keys: async (prefix) => {
      assertOpen()
      assertPrefix(prefix)
      return names.withPrefix(prefix)
    },
    commit: async (batch) => {
      assertOpen()
      assertBatch(batch)
      const copy = copyBatch(batch)
      const done = new Promise<boolean>((resolve, reject) => {
        queue.push({ batch: copy, resolve, reject })
      })
      working ??= work()
      return done
    },
    endLine: async (options) => {
      assertOpen()
      while (working !== undefined) await working
      const ended = log.end(options)
      // What comes meanwhile waits, and meets a store that has stopped.
      working = ended.then(
        () => work(),
        () => work(),
      )
      return ended
    },
    close: async () => {
      closed = true
      await working
    },
  }
}

type EndOptions = Parameters<SealedKv['endLine']>[0]

type RecordLog = {
  end(options: EndOptions): Promise<StatePlace>
  /** @returns For each batch whether it happened. All that happen are in one record. */
  commit(batches: readonly KvBatch[]): Promise<boolean[]>
  assertRunning(): void
}

function createRecordLog(
  history: SealedHistory,
  context: {
    key: CryptoKey
    blobs: BlobStore
    anchor: StateAnchor
    randomBytes: (length: number) => Uint8Array
    names: ReturnType<typeof createNameIndex>
  },
): RecordLog {
  const { key, blobs, anchor, randomBytes, names } = context
  let doubt: Doubt | undefined
  let stopped: StoreStoppedError | undefined

  const stop = (cause: unknown): StoreStoppedError => {
    stopped = new StoreStoppedError({ reason: 'another writer moved its anchor on' }, { cause })
    return stopped
  }

  /** Brings the anchor to a step, or finds out that it is there; stops where another writer was first. */
  const settle = async (next: Doubt): Promise<void> => {
    const { step, kind, bytes, changes } = next
    doubt = next
    try {
      await anchor.advance(step)
    } catch (cause) {
      await resolveDoubt(step, cause)
    }
    doubt = undefined
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
      stopped = new StoreStoppedError({ reason: 'its line has ended and was handed over' })
      return
    }
    const place = { sequence: step.sequence, stateHash: step.stateHash }
    countRecord(history, { place, kind, bytes })
  }

  const resolveDoubt = async (step: StateAdvance, cause: unknown): Promise<void> => {
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
      if (failure instanceof StateRollbackError) throw stop(failure)
      throw new StoreFailedError(
        { step: 'moving the anchor', outcome: 'unknown' },
        { cause: failure },
      )
    }
    if (!reached) throw stop(cause)
  }

  const append = async (changes: Changes): Promise<void> => {
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
    await settle({ step: { sequence, stateHash, previous }, kind, bytes: blob.length, changes })
    if (whole) await forgetOld()
  }

  const end = async ({ successor, bequeath }: EndOptions): Promise<StatePlace> => {
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
    await settle({ step, kind: 'end', bytes: blob.length, changes: new Map() })
    return place
  }

  /** Deletes what a whole and final record has made useless. What is left over is deleted the next time. */
  const forgetOld = async (): Promise<void> => {
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

  return {
    assertRunning: () => {
      if (stopped !== undefined) throw stopped
    },
    end: async (options) => {
      if (stopped !== undefined) throw stopped
      if (doubt !== undefined) await settle(doubt)
      if (stopped !== undefined) throw stopped
      // A line starts with a whole record, also one that ends at once.
      if (history.newest === undefined) await append(new Map())
      return end(options)
    },
    commit: async (batches) => {
      if (stopped !== undefined) throw stopped
      if (doubt !== undefined) await settle(doubt)
      if (stopped !== undefined) throw stopped
      const { happened, changes } = decideBatches(batches, { map: history.map, names })
      if (changes.size > 0) await append(changes)
      return happened
    },
  }
}

/** Decides batches one after another, each on what those before it leave. */
function decideBatches(
  batches: readonly KvBatch[],
  {
    map,
    names,
  }: { map: ReadonlyMap<string, Uint8Array>; names: ReturnType<typeof createNameIndex> },
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

function boundedBlobs(blobs: BlobStore, timeout: number): BlobStore {
  return {
    read: (name) => withDeadline('Reading a sealed record', { timeout }, () => blobs.read(name)),
    write: (name, blob) =>
      withDeadline('Writing a sealed record', { timeout }, () => blobs.write(name, blob)),
    names: () => withDeadline('Listing sealed records', { timeout }, () => blobs.names()),
    delete: (name) =>
      withDeadline('Deleting a sealed record', { timeout }, () => blobs.delete(name)),
  }
}

function boundedAnchor(anchor: StateAnchor, timeout: number): StateAnchor {
  const bounded: StateAnchor = {
    latest: () =>
      withDeadline('Reading the anchor', { timeout }, (signal) => anchor.latest({ signal })),
    advance: (step) =>
      withDeadline('Moving the anchor', { timeout }, (signal) => anchor.advance(step, { signal })),
  }
  if (anchor.final === undefined) return bounded
  return {
    ...bounded,
    final: () =>
      withDeadline('Reading the anchor', { timeout }, async (signal) => anchor.final?.({ signal })),
  }
}
