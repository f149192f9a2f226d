import type { IoOptions } from '../../internal/deadline.js'
import type { JsonObject } from '../jsonText.js'

/** Something that happened, to be kept in the evaluation ledger. */
export type LedgerRecord = {
  /** Where it belongs: `decisions`, `context`, `agents` or `audit`. */
  domain: string
  /** Which schema the fields have, such as `newton.evaluation/1`. */
  schemaVersion: string
  /** The members of the schema. Numbers above 2^53 - 1, and every uint, are decimal strings. */
  fields: JsonObject
  /**
   * What tells this record from all others. The event's id is derived from it and from `time`, so
   * that a record handed over again after a crash is the same event. Left out: the id is new.
   */
  key?: string | undefined
  /** Unix milliseconds at which it happened. Left out: now. Needed with `key`. */
  time?: number | undefined
  /**
   * Members that name another event: for each, the id of an event that was recorded before. The
   * member gets its `current_hash`.
   */
  links?: Readonly<Record<string, string>> | undefined
  /**
   * Members that another's record of the same thing has otherwise, such as salted hashes. An event of
   * the ledger is this record's, whoever wrote it, where all members but these are equal.
   */
  own?: readonly string[] | undefined
}

/** Takes records for the ledger. */
export interface LedgerSink {
  /**
   * Takes a record, and answers once it is kept: from then on it will be delivered, at least once,
   * whatever the ledger does meanwhile, or its refusal told. The id is that of its event.
   */
  record(record: LedgerRecord, options?: IoOptions): Promise<{ eventId: string }>
}
