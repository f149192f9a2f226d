/** What a keeper remembers between two steps, so that a crash between them costs nothing. */
import type { Hex } from 'viem'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import { assertList } from '../../../internal/options.js'
import { createOrder } from '../../../internal/singleFlight.js'
import { type Round, within } from '../within.js'
import { keptRecord, type RenewalRecord } from './records.js'

/** Where records are kept. `write` replaces all of them, whole or not at all. */
export interface RetentionJournal {
  read(): Promise<readonly RenewalRecord[]>
  write(records: readonly RenewalRecord[]): Promise<void>
}

/**
 * Creates a journal in memory, for tests.
 *
 * @example
 * ```ts
 * import { memoryJournal } from '@newton/policy-sdk/da'
 *
 * const journal = memoryJournal()
 * ```
 */
export function memoryJournal(): RetentionJournal {
  let kept: readonly RenewalRecord[] = []
  return {
    async read() {
      return [...kept]
    },
    async write(records) {
      assertList('journal', records)
      kept = records.map(keptRecord)
    },
  }
}

/** Seconds after its end for which it is known that a copy was the keeper's own. */
const HELD_AFTER = 30 * 86_400

const turns = new WeakMap<RetentionJournal, Promise<unknown>>()

/**
 * Runs what reads a journal, pays and writes it, one after the other for all keepers of the journal:
 * two at once would both find that nothing was sent, and both pay.
 */
export async function inTurn<value>(
  journal: RetentionJournal,
  { signal }: IoOptions,
  work: () => Promise<value>,
): Promise<value> {
  const before = turns.get(journal) ?? Promise.resolve()
  let release = (): void => undefined
  const own = new Promise<void>((resolve) => {
    release = resolve
  })
  turns.set(
    journal,
    before.then(() => own),
  )
  try {
    await withDeadline('retention: turn', { signal }, () => before)
    return await work()
  } finally {
    release()
  }
}

/** Reads a journal, which is not waited for without end, and is refused when it is no list. */
export async function readRecords(
  journal: RetentionJournal,
  { timeout, patience }: Round,
): Promise<Map<Hex, RenewalRecord>> {
  const records: unknown = await within('journal', { timeout, patience }, () => journal.read())
  assertList('journal', records)
  const kept = (records as readonly RenewalRecord[]).map(keptRecord)
  return new Map(kept.map((one) => [one.artifactHash, one]))
}

/** What was written last, by journal, and how many writes there were. */
const written = new WeakMap<RetentionJournal, { count: number; latest: readonly RenewalRecord[] }>()

/** Writes; one that was given up, and lands when a newer one is there, is written over again. */
async function writeRecords(
  journal: RetentionJournal,
  latest: readonly RenewalRecord[],
): Promise<void> {
  const count = (written.get(journal)?.count ?? 0) + 1
  written.set(journal, { count, latest })
  await journal.write(latest)
  const now = written.get(journal)
  if (now !== undefined && now.count !== count)
    writeRecords(journal, now.latest).catch(() => undefined)
}

/** A journal read once: what changes is changed here, and written as a whole. */
export type RenewalBook = {
  get(artifactHash: Hex): Promise<RenewalRecord | undefined>
  /**
   * Replaces the record of an artifact. A write that fails leaves what there is to know here, and in the
   * next write; where `isIntent`, nothing was done yet and nothing is left.
   */
  set(
    artifactHash: Hex,
    next: RenewalRecord | undefined,
    options?: { io?: IoOptions; isIntent?: boolean },
  ): Promise<void>
  /** Writes once more what a failed write has left out. */
  close(): Promise<void>
}

/**
 * Opens a journal for one plan, or for what {@link inTurn} runs: nobody else writes it meanwhile.
 * `now` are Unix seconds.
 */
export function openBook(journal: RetentionJournal, round: Round, now: () => number): RenewalBook {
  const { patience } = round
  let opened: Promise<Map<Hex, RenewalRecord>> | undefined
  let isBehind = false
  const inOrder = createOrder()
  // A failed reading is none: the next step tries again.
  const open = (): Promise<Map<Hex, RenewalRecord>> => {
    opened ??= readRecords(journal, round).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
  // What was paid for is noted in the journal's own time, however little the caller has.
  const write = (records: Map<Hex, RenewalRecord>, { timeout }: IoOptions): Promise<void> => {
    isBehind = true
    return inOrder(async () => {
      const monthAgo = now() - HELD_AFTER
      for (const [hash, one] of records) {
        if (one.state === 'held' && (one.expiresAt ?? Number.POSITIVE_INFINITY) < monthAgo)
          records.delete(hash)
      }
      const all = [...records.values()]
      await within('journal', { timeout, patience }, () => writeRecords(journal, all))
      isBehind = false
    })
  }
  return {
    get: async (artifactHash) => (await open()).get(artifactHash),
    async set(artifactHash, next, { io = {}, isIntent = false } = {}) {
      const records = await open()
      const before = records.get(artifactHash)
      const kept = next && keptRecord(next)
      // The newest comes last, as it is written.
      records.delete(artifactHash)
      if (kept) records.set(artifactHash, kept)
      try {
        await write(records, io)
      } catch (error) {
        if (isIntent && records.get(artifactHash) === kept) {
          if (before) records.set(artifactHash, before)
          else records.delete(artifactHash)
        }
        throw error
      }
    },
    async close() {
      if (isBehind) await write(await open(), round).catch(() => undefined)
    },
  }
}
