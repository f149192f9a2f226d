/**
 * An event of the ledger, and the two formulas that bind it:
 *
 * ```
 * current_hash = SHA-256( UTF-8(JCS(payload)) ‖ previous_hash (32 bytes) )
 * entry of the domain's log = UTF-8(JCS(event with all nine members))
 * ```
 * The header is part of the payload, so that everything about an event is signed: the members beside
 * it are a projection, and one that differs makes the event invalid.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { concat } from '../../internal/bytes.js'

/** The logs that hold events. The `meta` log beside them holds their roots. */
export const eventDomains = ['agents', 'audit', 'context', 'decisions'] as const

/** A log that holds events. */
export type EventDomain = (typeof eventDomains)[number]

/** Whether a name is that of a log that holds events. */
export function isEventDomain(name: unknown): name is EventDomain {
  return (eventDomains as readonly unknown[]).includes(name)
}

/** What every payload says about its event, under `ets`. */
export type EventHeader = {
  domain: EventDomain
  /** UUID version 7, chosen by the actor. */
  event_id: string
  /** `sha256:` and the hash of the public key. */
  key_id: string
  /** The ledger it is for: no event can be replayed into another one. */
  ledger: string
  /** The actor's claim when it happened, RFC 3339 with milliseconds in UTC. */
  occurred_at: string
  /** Type and version, such as `newton.evaluation/1`. */
  schema_version: string
}

/** The signed part of an event: header, type, and the fields of the type beside them. */
export type EventPayload = { readonly ets: EventHeader; readonly type: string } & {
  readonly [field: string]: Json | EventHeader
}

/** An event of the ledger. */
export type LedgerEvent = {
  event_id: string
  payload: EventPayload
  schema_version: string
  key_id: string
  /** Standard base64 of the 32 bytes of an Ed25519 key. */
  public_key: string
  /** `current_hash` of the event before it, 64 zeros for the first. */
  previous_hash: string
  current_hash: string
  /** Standard base64 of an Ed25519 signature over the 32 bytes of `current_hash`. */
  signature: string
  /** The ledger's time, never before that of the event before it. */
  timestamp: string
}

/** What is sent to a ledger: the rest of an event follows from it. */
export type SubmitBody = {
  payload: EventPayload
  previous_hash: string
  public_key: string
  signature: string
}

/** `previous_hash` of the first event. */
export const genesisHash = '0'.repeat(64)

/** `current_hash` of a payload after the event with `previousHash`. */
export function eventHash(canonicalPayload: Uint8Array, previousHash: string): string {
  return bytesToHex(sha256(concat(canonicalPayload, hexToBytes(previousHash))))
}

/** Fingerprint of a 32-byte public key, as events name their key. */
export function keyIdOf(publicKey: Uint8Array): string {
  return `sha256:${bytesToHex(sha256(publicKey))}`
}

/** The entry of an event in its domain's log. */
export function encodeEvent(event: LedgerEvent): Uint8Array {
  return canonicalBytes(event as unknown as JsonObject)
}
