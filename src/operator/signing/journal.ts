/**
 * The signing journal: what an operator has signed, on disk before a signature leaves.
 *
 * There is one statement for one key; a second, different one is refused for ever, whoever asks for
 * it. A record is checked and entered in one step, so that of calls that run at once one wins. What
 * waits is written in one frame with one sync. After a failed write nothing is recorded any more: a
 * second sync may report success for bytes that were lost.
 *
 * What a journal cannot see is that it is an old copy of itself. A witness outside its directory
 * knows how far it had come; without one, or where the two do not agree, a floor holds from then on:
 * nothing at or below the chain's head at that start is signed unless it is in the journal. The floor
 * is in the header of each segment, for the copy goes on, and its witness with it.
 */

import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes, fixedFromHex, toHex } from '../../internal/bytes.js'
import { createOrder } from '../../internal/singleFlight.js'
import { EquivocationRefusedError, JournalFailedError, JournalFloorError } from '../errors.js'
import { type LoadedJournal, loadJournal } from './load.js'
import {
  encodeFrame,
  encodeSegmentHeader,
  type JournalHeights,
  type JournalKind,
  type JournalRecord,
  journalKinds,
  MAX_ANSWER_BYTES,
  MAX_BODY_BYTES,
  recordBytes,
} from './record.js'
import { axisOf, nameOf, raise } from './rules.js'
import type { JournalStorage, JournalWitness } from './storage.js'

/** What was recorded. `known`: it was there before, with the answer of then. */
export type RecordedAnswer = { status: 'new' | 'known'; answer: Uint8Array }

/** What an operator has signed. */
export interface SigningJournal {
  /** Hash of chain, registry and key: whose journal it is. */
  readonly domain: Hex
  /**
   * Enters a statement and resolves once it is durable: only then may a signature leave.
   *
   * @throws {EquivocationRefusedError} where another statement is there for the same key.
   * @throws {JournalFloorError} where the journal cannot know whether there is another.
   * @throws {JournalFailedError} after a write failed.
   */
  record(record: JournalRecord): Promise<RecordedAnswer>
  /** Enters statements about different keys in one step, all of them or none. Throws as `record` does. */
  recordAll(records: readonly JournalRecord[]): Promise<readonly RecordedAnswer[]>
  /** What was stated for a key. */
  find(kind: JournalKind, key: Hex): Promise<{ digest: Hex; answer: Uint8Array } | undefined>
  /**
   * Forgets what lies below `low`, and refuses it from then on. Never lowers.
   *
   * @returns The number of segments that were removed.
   */
  prune(low: JournalHeights): Promise<number>
  /** Number of records so far, those forgotten included. */
  size(): bigint
  /**
   * What nothing is signed at or below that is not in the journal: the head of the last start at which no
   * witness agreed, the first one included. `undefined` where that was the beginning of the chain.
   */
  readonly floor: JournalHeights | undefined
  /** Waits for what is being written, and lets the storage go. */
  close(): Promise<void>
}

/** Parameters of {@link openSigningJournal}. */
export type OpenSigningJournalParameters = {
  storage: JournalStorage
  /** See `computeJournalDomain`. */
  domain: Hex
  /** The chain's head now: number and timestamp in seconds. */
  head: JournalHeights
  /** Makes a new journal. Only for a key that never signed: what it signed before is not known. */
  create?: boolean | undefined
  witness?: JournalWitness | undefined
  /** Bytes after which a new segment is begun. @default 64 MiB */
  segmentBytes?: number | undefined
  /** Told after each sync: seconds it took, records it held. */
  onSync?: ((sync: { seconds: number; records: number }) => void) | undefined
  /** Milliseconds, for `onSync`. @default performance.now */
  now?: (() => number) | undefined
}

type Waiting = { record: JournalRecord; done: (error?: unknown) => void }

/**
 * Opens a journal, and refuses one that is damaged or of another key.
 *
 * @throws {JournalMissingError} where there is none and `create` is not set, or the reverse.
 * @throws {JournalDamagedError} for damage that is no torn end.
 * @example
 * ```ts
 * import { computeJournalDomain, memoryJournalStorage, openSigningJournal } from '@newton/policy-sdk/operator'
 *
 * const journal = await openSigningJournal({
 *   storage: memoryJournalStorage(),
 *   domain: computeJournalDomain({ chainId: 1n, policyRegistry, publicKey }),
 *   head: { block: 0n, timestamp: 0n },
 *   create: true,
 * })
 * ```
 */
export async function openSigningJournal(
  parameters: OpenSigningJournalParameters,
): Promise<SigningJournal> {
  const { storage, witness, onSync, segmentBytes = 64 * 1024 * 1024 } = parameters
  const now = parameters.now ?? ((): number => globalThis.performance.now())
  const domain = toHex(fixedFromHex(parameters.domain, 32, 'domain'))
  const head = checkHeights(parameters.head, 'head')
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < 1) {
    throw new InvalidInputError({ field: 'segmentBytes', reason: 'expected a number of bytes' })
  }
  const create = parameters.create === true
  const state = await loadJournal({ storage, domain, witness, create, head })
  // Kept with the journal: a later start, at which the witness agrees with this copy, knows as little.
  if (!state.trusted && !create) {
    await raiseFloor(state, { storage, domain, head }).catch((cause: unknown) => {
      throw new JournalFailedError({ reason: 'its floor could not be made durable' }, { cause })
    })
  }
  const { floor } = state
  const queue: Waiting[] = []
  let failure: JournalFailedError | undefined
  let closed = false

  const inOrder = createOrder()
  const stop = (reason: string, cause: unknown): JournalFailedError => {
    failure ??= new JournalFailedError({ reason }, { cause })
    return failure
  }
  const assertOpen = (): void => {
    if (failure !== undefined) throw failure
    if (closed) throw new JournalFailedError({ reason: 'it was closed' })
  }
  /** Writes what waits when its turn comes: all that came in meanwhile shares a sync. */
  const flush = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = takeBatch(queue)
      try {
        if (failure !== undefined) throw failure
        const started = now()
        await writeBatch(state, { batch, storage, domain, witness, segmentBytes })
        onSync?.({ seconds: (now() - started) / 1_000, records: batch.length })
        for (const { done } of batch) done()
      } catch (cause) {
        const error = stop('a record could not be made durable', cause)
        for (const { done } of [...batch, ...queue.splice(0)]) done(error)
      }
    }
  }
  const enter = async (record: JournalRecord, name: string): Promise<void> => {
    const durable = new Promise<void>((resolve, reject) => {
      queue.push({ record, done: (error) => (error === undefined ? resolve() : reject(error)) })
    })
    state.pending.set(name, { digest: record.digest, answer: record.answer, durable })
    void inOrder(flush)
    await durable
  }

  const recordAll: SigningJournal['recordAll'] = async (given) => {
    const records = given.map(checkRecord)
    assertOpen()
    const names = records.map(({ kind, key }) => nameOf(kind, key))
    if (new Set(names).size !== names.length) {
      throw new InvalidInputError({ field: 'records', reason: 'two are about one key' })
    }
    // From here to `enter` nothing may wait: the checks and the entries are one step.
    const before = names.map((name) => state.pending.get(name) ?? state.placed.get(name))
    for (const [index, { kind, key, digest, height }] of records.entries()) {
      const known = before[index]
      if (known === undefined) checkHeight({ kind, height, low: state.low, floor })
      else if (known.digest !== digest) {
        throw new EquivocationRefusedError({ kind, key, recorded: known.digest, asked: digest })
      }
    }
    return Promise.all(
      records.map(async (record, index): Promise<RecordedAnswer> => {
        const known = before[index]
        if (known === undefined) {
          await enter(record, names[index] as string)
          return { status: 'new', answer: record.answer.slice() }
        }
        if (!('durable' in known))
          return { status: 'known', answer: await readAnswer(storage, known) }
        await known.durable
        return { status: 'known', answer: known.answer.slice() }
      }),
    )
  }

  return {
    domain,
    floor: floor.block === 0n && floor.timestamp === 0n ? undefined : floor,
    size: () => state.counter,
    record: async (given) => (await recordAll([given]))[0] as RecordedAnswer,
    recordAll,
    async find(kind, key) {
      const name = nameOf(kind, toHex(fixedFromHex(key, 32, 'key')))
      const pending = state.pending.get(name)
      if (pending !== undefined) {
        await pending.durable
        return { digest: pending.digest, answer: pending.answer.slice() }
      }
      const placed = state.placed.get(name)
      if (placed === undefined) return undefined
      return { digest: placed.digest, answer: await readAnswer(storage, placed) }
    },
    async prune(given) {
      const wanted = checkHeights(given, 'low')
      assertOpen()
      // Refused from now on. It is durable with the header of the segment that lets something go.
      state.low = higher(state.low, wanted)
      return inOrder(async () => {
        assertOpen()
        try {
          return await dropSegments(state, storage, domain)
        } catch (cause) {
          throw stop('a segment could not be let go', cause)
        }
      })
    },
    async close() {
      closed = true
      await inOrder(flush)
      await witness?.close?.()
      await storage.close()
    },
  }
}

function takeBatch(queue: Waiting[]): Waiting[] {
  let bytes = 8
  let count = 0
  for (const { record } of queue) {
    bytes += recordBytes(record)
    if (count > 0 && bytes > MAX_BODY_BYTES) break
    count++
  }
  return queue.splice(0, count)
}

async function writeBatch(
  state: LoadedJournal,
  parameters: {
    batch: readonly Waiting[]
    storage: JournalStorage
    domain: Hex
    witness: JournalWitness | undefined
    segmentBytes: number
  },
): Promise<void> {
  const { storage, domain, witness, segmentBytes } = parameters
  if (state.segment.size >= segmentBytes) await beginSegment(state, storage, domain)
  const records = parameters.batch.map(({ record }) => record)
  const { bytes, hash, offsets } = encodeFrame(records, {
    previous: state.hash,
    counter: state.counter,
  })
  const { segment } = state
  const start = segment.size
  await storage.append(segment.id, bytes)
  segment.size += bytes.length
  state.hash = hash
  state.counter += BigInt(records.length)
  // Behind the journal it does no harm; ahead of it, the journal is an old copy.
  await witness?.write({ counter: state.counter, hash })
  for (const [index, { kind, key, digest, height, answer }] of records.entries()) {
    const name = nameOf(kind, key)
    const offset = start + (offsets[index] as number)
    state.placed.set(name, { digest, height, segment: segment.id, offset, length: answer.length })
    raise(segment.highest, { kind, height })
    state.pending.delete(name)
  }
}

/** Raises the floor to the head, durably, before anything can be signed above it. */
async function raiseFloor(
  state: LoadedJournal,
  { storage, domain, head }: { storage: JournalStorage; domain: Hex; head: JournalHeights },
): Promise<void> {
  const { floor } = state
  if (head.block <= floor.block && head.timestamp <= floor.timestamp) return
  state.floor = higher(floor, head)
  await beginSegment(state, storage, domain)
}

function higher(heights: JournalHeights, { block, timestamp }: JournalHeights): JournalHeights {
  const both = { ...heights }
  if (block > both.block) both.block = block
  if (timestamp > both.timestamp) both.timestamp = timestamp
  return both
}

async function beginSegment(
  state: LoadedJournal,
  storage: JournalStorage,
  domain: Hex,
): Promise<void> {
  const { hash: previous, counter, low, floor } = state
  const header = encodeSegmentHeader({ domain, previous, counter, low, floor })
  const id = state.segment.id + 1
  await storage.create(id, header)
  state.segment = { id, size: header.length, highest: { block: -1n, timestamp: -1n } }
  state.segments.push(state.segment)
}

/** Begins a segment whose header carries the low mark, then removes what lies below it. */
async function dropSegments(
  state: LoadedJournal,
  storage: JournalStorage,
  domain: Hex,
): Promise<number> {
  const below = ({ highest }: LoadedJournal['segment']): boolean =>
    highest.block < state.low.block && highest.timestamp < state.low.timestamp
  const [first] = state.segments
  if (first === undefined || !below(first)) return 0
  const empty = state.segment.highest.block < 0n && state.segment.highest.timestamp < 0n
  if (empty && first === state.segment) return 0
  // Its header makes the low mark durable before anything is removed.
  await beginSegment(state, storage, domain)
  let removed = 0
  // From the oldest on, so that what is left is one chain without a gap.
  for (;;) {
    const [oldest] = state.segments
    if (oldest === undefined || oldest === state.segment || !below(oldest)) break
    await storage.remove(oldest.id)
    state.segments.shift()
    removed++
    for (const [name, { segment }] of state.placed) {
      if (segment === oldest.id) state.placed.delete(name)
    }
  }
  return removed
}

function readAnswer(
  storage: JournalStorage,
  { segment, offset, length }: { segment: number; offset: number; length: number },
): Promise<Uint8Array> {
  return storage.read(segment, { offset, length })
}

function checkHeight(parameters: {
  kind: JournalKind
  height: bigint
  low: JournalHeights
  floor: JournalHeights
}): void {
  const { kind, height } = parameters
  const axis = axisOf(kind)
  if (height < parameters.low[axis]) {
    const reason = 'what lies below was forgotten'
    throw new JournalFloorError({ kind, height, floor: parameters.low[axis] - 1n, reason })
  }
  const floor = parameters.floor[axis]
  if (height <= floor) {
    const reason = 'no witness shows that the journal is the newest'
    throw new JournalFloorError({ kind, height, floor, reason })
  }
}

function checkRecord({ kind, key, digest, height, answer }: JournalRecord): JournalRecord {
  if (!journalKinds.includes(kind)) {
    throw new InvalidInputError({ field: 'kind', reason: `expected ${journalKinds.join(', ')}` })
  }
  if (!(answer instanceof Uint8Array) || answer.length > MAX_ANSWER_BYTES) {
    const reason = `expected at most ${MAX_ANSWER_BYTES} bytes`
    throw new InvalidInputError({ field: 'answer', reason })
  }
  return {
    kind,
    key: toHex(fixedFromHex(key, 32, 'key')),
    digest: toHex(fixedFromHex(digest, 32, 'digest')),
    height: checkHeightRange(height, 'height'),
    answer: copyBytes(answer),
  }
}

function checkHeights({ block, timestamp }: JournalHeights, field: string): JournalHeights {
  return {
    block: checkHeightRange(block, `${field}.block`),
    timestamp: checkHeightRange(timestamp, `${field}.timestamp`),
  }
}

function checkHeightRange(height: bigint, field: string): bigint {
  if (typeof height !== 'bigint' || height < 0n || height >= 1n << 64n) {
    throw new InvalidInputError({ field, reason: 'expected a bigint of 8 bytes' })
  }
  return height
}
