/**
 * Records of renewals and their text form. A record that was checked once is frozen and has its text, so
 * that of the thousands in a journal only the one that changes is encoded at a write.
 */
import type { Hex } from 'viem'
import { type DaLocator, decodeLocator, encodeLocator } from '../../../core/locator.js'
import { InvalidInputError } from '../../../errors/common.js'
import { assertList } from '../../../internal/options.js'

/** Answers that were paid for and never seen, of one artifact, that are remembered. */
const MOST_ANSWERED = 8

/** A renewal under way, by artifact. */
export type RenewalRecord =
  /**
   * Written before the renewal is sent. Left over from a crash, its outcome is unknown; `answered` is
   * all that was answered whose bytes were not seen yet, the newest first: each was paid for, and
   * nobody else may know where it is. `previous` is the keeper's own copy from before. `tries` is how
   * often it was sent since a copy was seen, where more than once.
   */
  | {
      state: 'sending'
      artifactHash: Hex
      startedAt: number
      tries?: number | undefined
      answered?: readonly AnsweredCopy[] | undefined
      previous?: OwnCopy | undefined
    }
  /** Written after it was paid for, until the chain shows the locator. */
  | { state: 'paid'; artifactHash: Hex; locator: DaLocator; expiresAt: number | undefined }
  /** Announced: the keeper's own copy, which no announcement of others outweighs. */
  | { state: 'held'; artifactHash: Hex; locator: DaLocator; expiresAt: number | undefined }

/** A copy that the keeper paid for, until when it is kept. */
export type OwnCopy = { locator: DaLocator; expiresAt: number | undefined }

/** What a renewal answered that was sent at `at`, in Unix seconds. */
export type AnsweredCopy = { locator: DaLocator; at: number }

/** Records that were made here, and so do not change. */
const texts = new WeakMap<RenewalRecord, string>()

/**
 * A copy of a record, checked and frozen, whose text is known.
 *
 * @throws {InvalidInputError} for what could not be read again.
 */
export function keptRecord(record: RenewalRecord): RenewalRecord {
  return texts.has(record) ? record : readRecord(JSON.parse(textOf(record)))
}

/**
 * Text form of a journal.
 *
 * @throws {InvalidInputError} for what could not be read again.
 */
export function encodeJournal(records: readonly RenewalRecord[]): string {
  assertList('journal', records)
  return `[${records.map(textOf).join(',')}]`
}

/** Text of a record, checked. */
export function textOf(record: RenewalRecord): string {
  const known = texts.get(record)
  if (known !== undefined) return known
  try {
    const text = written(record)
    readRecord(JSON.parse(text))
    return text
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause
    throw new InvalidInputError({ field: 'journal', reason: 'an entry is no record' }, { cause })
  }
}

function written(record: RenewalRecord): string {
  if (record.state !== 'sending')
    return JSON.stringify({ ...record, locator: encodeLocator(record.locator) })
  const { answered, previous } = record
  return JSON.stringify({
    ...record,
    answered: answered?.map(({ locator, at }) => ({ locator: encodeLocator(locator), at })),
    previous: previous && { ...previous, locator: encodeLocator(previous.locator) },
  })
}

/**
 * Reads the text form.
 *
 * @throws {InvalidInputError} when it is damaged: renewing without it could pay twice.
 */
export function decodeJournal(text: string): RenewalRecord[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    return refuse('it is not JSON', cause)
  }
  return readRecords(parsed)
}

/** @throws {InvalidInputError} for what is no list of records. */
export function readRecords(list: unknown): RenewalRecord[] {
  return Array.isArray(list) ? list.map(readRecord) : refuse('it is not a list')
}

function readRecord(value: unknown): RenewalRecord {
  const { state, artifactHash, startedAt, locator, expiresAt } = (value ?? {}) as Fields
  if (typeof artifactHash !== 'string' || !/^0x[0-9a-f]{64}$/.test(artifactHash))
    return refuse('a record has no artifact')
  const common = { artifactHash: artifactHash as Hex }
  let record: RenewalRecord
  if (state === 'sending' && typeof startedAt === 'number') {
    const { answered, previous } = sentOf(value as Fields, startedAt)
    record = { state, ...common, startedAt }
    const tries = numberOf((value as Fields)['tries'])
    if (tries !== undefined) record.tries = tries
    if (answered.length > 0) record.answered = Object.freeze(answered.map(Object.freeze)) as never
    if (previous !== undefined) record.previous = Object.freeze(previous)
  } else if ((state === 'paid' || state === 'held') && typeof locator === 'string') {
    record = { state, ...common, locator: locatorOf(locator), expiresAt: numberOf(expiresAt) }
  } else return refuse(`a record of state ${JSON.stringify(state)}`)
  texts.set(Object.freeze(record), JSON.stringify(value))
  return record
}

type Fields = Record<string, unknown>

/** What a renewal left behind; written before there could be several answers, it has one `locator`. */
function sentOf(
  { answered, locator, previous }: Fields,
  startedAt: number,
): { answered: AnsweredCopy[]; previous: OwnCopy | undefined } {
  const list = answered ?? (typeof locator === 'string' ? [{ locator, at: startedAt }] : [])
  if (!Array.isArray(list)) return refuse('what was answered is no list')
  const own = previous as Fields | null | undefined
  return {
    answered: list.map((one: Fields | null) => {
      const { locator, at } = one ?? {}
      if (typeof locator === 'string' && typeof at === 'number')
        return { locator: locatorOf(locator), at }
      return refuse('an answer without a locator or a time')
    }),
    previous:
      typeof own?.['locator'] === 'string'
        ? { locator: locatorOf(own['locator']), expiresAt: numberOf(own['expiresAt']) }
        : undefined,
  }
}

function locatorOf(text: string): DaLocator {
  return Object.freeze(decodeLocator(text as Hex))
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** @throws {InvalidInputError} that a journal is damaged. */
export function refuse(reason: string, cause?: unknown): never {
  throw new InvalidInputError(
    {
      field: 'journal',
      reason,
      hint: 'Look at what was renewed last before the file is removed.',
    },
    cause === undefined ? {} : { cause },
  )
}

/** The locators that only the keeper may know, the newest first. */
export function ownLocators(record: RenewalRecord | undefined): DaLocator[] {
  if (record === undefined) return []
  if (record.state !== 'sending') return [record.locator]
  const own = (record.answered ?? []).map(({ locator }) => locator)
  return record.previous ? [...own, record.previous.locator] : own
}

/**
 * What was answered and not seen, with one more. An answer that came before keeps its time: it is the
 * payment of then that is answered again.
 */
export function withAnswer(
  answered: readonly AnsweredCopy[] | undefined,
  next: AnsweredCopy,
): AnsweredCopy[] {
  const key = encodeLocator(next.locator)
  const before = answered ?? []
  const same = before.find(({ locator }) => encodeLocator(locator) === key)
  const others = before.filter((one) => one !== same)
  const at = Math.min(next.at, same?.at ?? next.at)
  return [{ locator: next.locator, at }, ...others].slice(0, MOST_ANSWERED)
}
