/** Reads a signing journal at the start: its chain from the first frame left to the last one. */
import type { Hex } from 'viem'
import { JournalDamagedError, JournalMissingError } from '../errors.js'
import {
  decodeFrame,
  decodeSegmentHeader,
  encodeSegmentHeader,
  HEADER_BYTES,
  hasFrameAfter,
  type JournalHeights,
} from './record.js'
import { FIRST_PREVIOUS, nameOf, raise } from './rules.js'
import type { JournalStorage, JournalWitness } from './storage.js'

/** A segment and how high what it holds lies; -1 where it holds nothing of an axis. */
export type Segment = { id: number; size: number; highest: { block: bigint; timestamp: bigint } }

/** Where a durable record lies. */
export type Placed = {
  digest: Hex
  height: bigint
  segment: number
  offset: number
  length: number
}

/** A record that is being written. */
export type Pending = { digest: Hex; answer: Uint8Array; durable: Promise<void> }

/** A journal in memory. */
export type LoadedJournal = {
  placed: Map<string, Placed>
  pending: Map<string, Pending>
  segments: Segment[]
  /** The one that is written to. */
  segment: Segment
  hash: Hex
  counter: bigint
  low: JournalHeights
  /** Head of the last start at which nobody could tell whether this is the newest copy; zeros before. */
  floor: JournalHeights
  /** Whether a witness agreed that this is the newest copy. */
  trusted: boolean
}

/**
 * Reads a journal, or makes one.
 *
 * @throws {JournalMissingError} @throws {JournalDamagedError}
 */
export async function loadJournal(parameters: {
  storage: JournalStorage
  domain: Hex
  witness: JournalWitness | undefined
  create: boolean
  /** The chain's head, which is the floor of a new journal. */
  head: JournalHeights
}): Promise<LoadedJournal> {
  const { storage, domain, witness, create, head } = parameters
  const ids = await discardUnborn(storage, create)
  if ((ids.length === 0) !== create) throw new JournalMissingError({ found: ids.length > 0 })
  const mark = await witness?.read()
  if (create) return createJournal(storage, { domain, floor: head })
  const state: LoadedJournal = {
    placed: new Map(),
    pending: new Map(),
    segments: [],
    segment: { id: 0, size: 0, highest: { block: -1n, timestamp: -1n } },
    hash: FIRST_PREVIOUS,
    counter: 0n,
    low: { block: 0n, timestamp: 0n },
    floor: { block: 0n, timestamp: 0n },
    trusted: false,
  }
  for (const [index, id] of ids.entries()) {
    await loadSegment(state, {
      storage,
      domain,
      id,
      first: index === 0,
      last: id === ids.at(-1),
      mark,
    })
  }
  return state
}

/**
 * The ids of all segments. A last one without a whole header was never begun and is removed. Where it
 * is the only one it says nothing of what was before, so only who makes a new journal removes it.
 */
async function discardUnborn(storage: JournalStorage, create: boolean): Promise<readonly number[]> {
  const ids = await storage.segments()
  const last = ids.at(-1)
  if (last === undefined) return ids
  const bytes = await storage.read(last)
  const torn = bytes.length <= HEADER_BYTES && decodeSegmentHeader(bytes) === undefined
  if (!torn) return ids
  if (ids.length === 1 && !(create && last === 1)) {
    throw new JournalDamagedError({ segment: last, offset: 0, reason: 'it has no whole header' })
  }
  await storage.remove(last)
  return ids.slice(0, -1)
}

async function createJournal(
  storage: JournalStorage,
  { domain, floor }: { domain: Hex; floor: JournalHeights },
): Promise<LoadedJournal> {
  const low = { block: 0n, timestamp: 0n }
  const header = encodeSegmentHeader({ domain, previous: FIRST_PREVIOUS, counter: 0n, low, floor })
  await storage.create(1, header)
  const segment = { id: 1, size: header.length, highest: { block: -1n, timestamp: -1n } }
  return {
    placed: new Map(),
    pending: new Map(),
    segments: [segment],
    segment,
    hash: FIRST_PREVIOUS,
    counter: 0n,
    low,
    floor,
    trusted: false,
  }
}

async function loadSegment(
  state: LoadedJournal,
  parameters: {
    storage: JournalStorage
    domain: Hex
    id: number
    first: boolean
    last: boolean
    mark: { counter: bigint; hash: Hex } | undefined
  },
): Promise<void> {
  const { storage, domain, id, first, last, mark } = parameters
  const bytes = await storage.read(id)
  const damaged = (offset: number, reason: string): JournalDamagedError =>
    new JournalDamagedError({ segment: id, offset, reason })
  const header = decodeSegmentHeader(bytes)
  if (header === undefined) throw damaged(0, 'its header is damaged')
  if (header.domain !== domain) throw damaged(0, 'it is of another chain, registry or key')
  if (first) {
    state.hash = header.previous
    state.counter = header.counter
  } else if (
    header.previous !== state.hash ||
    header.counter !== state.counter ||
    id !== state.segment.id + 1
  ) {
    throw damaged(0, 'a part between it and the one before is missing')
  }
  state.low = header.low
  state.floor = header.floor
  const segment: Segment = { id, size: bytes.length, highest: { block: -1n, timestamp: -1n } }
  const agrees = (): void => {
    state.trusted ||= mark?.counter === state.counter && mark.hash === state.hash
  }
  let at = HEADER_BYTES
  agrees()
  while (at < bytes.length) {
    const frame = decodeFrame(bytes, at, state.hash)
    if (frame === undefined || frame.counter !== state.counter) {
      if (!last || hasFrameAfter(bytes, at))
        throw damaged(at, 'a frame does not follow the one before')
      // A torn end: nothing of it was acknowledged, so nothing of it was signed.
      await storage.truncate(id, at)
      segment.size = at
      break
    }
    for (const { kind, key, digest, height, offset, length } of frame.records) {
      const name = nameOf(kind, key)
      const before = state.placed.get(name)
      if (before !== undefined && before.digest !== digest) {
        throw damaged(at, 'it holds two statements for one key')
      }
      state.placed.set(name, { digest, height, segment: id, offset, length })
      raise(segment.highest, { kind, height })
    }
    state.hash = frame.hash
    state.counter += BigInt(frame.records.length)
    at = frame.end
    agrees()
  }
  state.segments.push(segment)
  state.segment = segment
}
