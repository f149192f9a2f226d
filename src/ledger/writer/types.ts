/** What writes a ledger, and what it answers. */
import type { IoOptions } from '../../internal/deadline.js'
import type { LedgerEvent } from '../events/event.js'

/** The log of MetaRoot records. */
export const metaLog = 'meta'

/** When an append is answered: once nothing can undo it, or once a checkpoint covers it. */
export type AckLevel = 'durable' | 'published'

/** An event's place: in the chain of the whole ledger, and in its domain's log. */
export type AppendedEvent = {
  seq: bigint
  domain: string
  index: bigint
  /** A checkpoint that covers it, signed. With `published` only. */
  checkpoint?: string | undefined
}

/** An event with its place. */
export type PlacedEvent = { seq: bigint; domain: string; index: bigint; event: LedgerEvent }

/** The newest event of a ledger. */
export type LedgerHead = { seq: bigint; current_hash: string; event_id: string; timestamp: string }

/** The three verbs of a ledger. What it is kept in is behind them. */
export type LedgerWriter = {
  /**
   * Appends events that follow one another: each has the hash of the one before it. All or none.
   *
   * @throws {LedgerChainError} where the first does not follow the head.
   * @throws {LedgerStoppedError} after a failure that left something unknown. Open the ledger again.
   */
  append(
    events: readonly LedgerEvent[],
    options?: IoOptions & { ack?: AckLevel | undefined },
  ): Promise<AppendedEvent[]>
  /** Events in order, from the place that `cursor` names as a decimal number. */
  readSince(
    cursor: string,
    options?: IoOptions & { limit?: number | undefined },
  ): Promise<{ events: PlacedEvent[]; cursor: string }>
  /** The newest signed checkpoint of a log. `undefined` before the first. */
  checkpoint(name?: string, options?: IoOptions): Promise<string | undefined>
}

/** A proof that the ledger holds an event, for people who have the trusted meta checkpoint's keys. */
export type EventProof = {
  /** The entry in the domain's log, and its tlog-proof. */
  entry: Uint8Array
  domainProof: string
  /** The MetaRoot record that names the domain's size and root, and its tlog-proof. */
  metaRecord: Uint8Array
  metaProof: string
}
