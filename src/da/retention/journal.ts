/** What a keeper remembers between two steps, so that a crash between them costs nothing. */
import type { Hex } from 'viem'
import { type DaLocator, decodeLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertList } from '../../internal/options.js'
import { within } from './within.js'

/** A renewal under way, by artifact. */
export type RenewalRecord =
  /**
   * Written before the renewal is sent. Left over from a crash, its outcome is unknown; `locator`
   * is what was answered, where the copy could not be checked. `previous` is the keeper's own copy
   * from before: nobody else may know where it is.
   */
  | {
      state: 'sending'
      artifactHash: Hex
      startedAt: number
      locator?: DaLocator | undefined
      previous?: OwnCopy | undefined
    }
  /** Written after it was paid for, until the chain shows the locator. */
  | { state: 'paid'; artifactHash: Hex; locator: DaLocator; expiresAt: number | undefined }
  /** Announced: the keeper's own copy, which no announcement of others outweighs. */
  | { state: 'held'; artifactHash: Hex; locator: DaLocator; expiresAt: number | undefined }

/** A copy that the keeper paid for, until when it is kept. */
export type OwnCopy = { locator: DaLocator; expiresAt: number | undefined }

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
  let text = encodeJournal([])
  return {
    async read() {
      return decodeJournal(text)
    },
    async write(records) {
      text = encodeJournal(records)
    },
  }
}

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

/** A journal that is not waited for without end, and that is refused when it is no list. */
export function timed(journal: RetentionJournal): {
  read(io: IoOptions): Promise<readonly RenewalRecord[]>
  write(records: readonly RenewalRecord[], io: IoOptions): Promise<void>
} {
  return {
    async read({ timeout }) {
      const records: unknown = await within('journal', { timeout }, () => journal.read())
      assertList('journal', records)
      return records as readonly RenewalRecord[]
    },
    write: (records, { timeout }) => within('journal', { timeout }, () => journal.write(records)),
  }
}

/**
 * Text form of a journal.
 *
 * @throws {InvalidInputError} for what could not be read again.
 */
export function encodeJournal(records: readonly RenewalRecord[]): string {
  assertList('journal', records)
  let text: string
  try {
    text = written(records)
    decodeJournal(text)
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause
    throw new InvalidInputError({ field: 'journal', reason: 'an entry is no record' }, { cause })
  }
  return text
}

function written(records: readonly RenewalRecord[]): string {
  return JSON.stringify(
    records.map((record) => ({
      ...record,
      ...(record.locator ? { locator: encodeLocator(record.locator) } : {}),
      ...(record.state === 'sending' && record.previous
        ? {
            previous: {
              locator: encodeLocator(record.previous.locator),
              expiresAt: record.previous.expiresAt,
            },
          }
        : {}),
    })),
  )
}

/**
 * Reads the text form.
 *
 * @throws {InvalidInputError} when it is damaged: renewing without it could pay twice.
 */
export function decodeJournal(text: string): RenewalRecord[] {
  const bad = (reason: string, cause?: unknown): never => {
    throw new InvalidInputError(
      {
        field: 'journal',
        reason,
        hint: 'Look at what was renewed last before the file is removed.',
      },
      cause === undefined ? {} : { cause },
    )
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    return bad('it is not JSON', cause)
  }
  if (!Array.isArray(parsed)) return bad('it is not a list')
  return parsed.map((value: Record<string, unknown> | null): RenewalRecord => {
    const { state, artifactHash, startedAt, locator, expiresAt } = value ?? {}
    if (typeof artifactHash !== 'string' || !/^0x[0-9a-f]{64}$/.test(artifactHash))
      return bad('a record has no artifact')
    if (state === 'sending' && typeof startedAt === 'number') {
      const record: RenewalRecord = { state, artifactHash: artifactHash as Hex, startedAt }
      if (typeof locator === 'string') record.locator = decodeLocator(locator as Hex)
      const { previous } = (value ?? {}) as {
        previous?: { locator?: unknown; expiresAt?: unknown } | null
      }
      if (typeof previous?.locator === 'string') {
        const until = previous.expiresAt
        record.previous = {
          locator: decodeLocator(previous.locator as Hex),
          expiresAt: typeof until === 'number' ? until : undefined,
        }
      }
      return record
    }
    if ((state === 'paid' || state === 'held') && typeof locator === 'string') {
      return {
        state,
        artifactHash: artifactHash as Hex,
        locator: decodeLocator(locator as Hex),
        expiresAt: typeof expiresAt === 'number' ? expiresAt : undefined,
      }
    }
    return bad(`a record of state ${JSON.stringify(state)}`)
  })
}
