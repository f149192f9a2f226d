/** What a ledger answers to a submitted event. The HTTP layer maps it, and adds nothing. */
import type { LedgerEvent } from './event.js'

/** Why an event is refused, with the HTTP status of each. Codes are API. */
export const refusalStatus = {
  /** The body has more than 65,535 bytes, or the event would. */
  too_large: 413,
  /** It is not UTF-8 JSON, or not an object with the members of a submission. */
  malformed: 400,
  /** It is not the canonical form (RFC 8785) of itself. */
  not_canonical: 400,
  /** A member beside the payload was sent and differs from the header, or `timestamp` was sent. */
  projection: 400,
  /** It is for another ledger. */
  wrong_ledger: 400,
  /** `event_id` is no UUIDv7. */
  event_id: 400,
  /** `event_id` is more than 10 minutes ahead of the ledger's clock. */
  clock_ahead: 400,
  /** `key_id` is not the fingerprint of `public_key`. */
  key_id: 400,
  /** `current_hash` was sent and is not that of the payload and `previous_hash`. */
  hash: 401,
  /** The signature is not one of `public_key` over `current_hash`. */
  signature: 401,
  /** The ledger has another event with this id. */
  event_id_conflict: 409,
  /** No schema of this name and version. */
  unknown_schema: 400,
  /** The payload does not have the form of its schema. */
  schema: 400,
  /** The key may not say this, at this place of the ledger. */
  authority: 403,
  /** It contradicts what the ledger already says. */
  semantic: 422,
  /** Another event came first. Sign again on top of `head`. */
  stale_head: 409,
} as const satisfies Record<string, 400 | 401 | 403 | 409 | 413 | 422>

/** Why an event is refused. */
export type RefusalCode = keyof typeof refusalStatus

/** What the ledger says about an event that it has. */
export type LedgerReceipt = {
  event: LedgerEvent
  /** Decimal numbers, as in every encoding of the ledger. */
  seq: string
  domain: string
  index: string
  /** A signed checkpoint of the domain's log that covers it, where one is published. */
  checkpoint?: string | undefined
}

/** A refusal. `detail` is for people; programs go by `code`. */
export type SubmitRefusal = {
  status: (typeof refusalStatus)[RefusalCode]
  code: RefusalCode
  detail: string
  /** With `stale_head`: what to sign on top of. */
  head?: { seq: string; current_hash: string; event_id: string } | undefined
}

/** What `submit` answers: 201 appended, 200 was there already, or a refusal. */
export type SubmitResult = { status: 200 | 201; receipt: LedgerReceipt } | SubmitRefusal
