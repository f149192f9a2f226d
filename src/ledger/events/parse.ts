/** What is sent to a ledger, read strictly and held against itself. No state of the ledger is used. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes, canonicalJson, parseJsonBytes } from '../../core/canonicalJson.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { bytesEqual, utf8 } from '../../internal/bytes.js'
import { fromBase64 } from '../log/encoding.js'
import { maxEntrySize } from '../log/tiles.js'
import { type EventPayload, eventHash, isEventDomain, keyIdOf } from './event.js'
import { isEventId } from './eventId.js'
import { schemaVersionForm } from './flow.js'
import type { VerifySignature } from './signature.js'
import { type RefusalCode, refusalStatus, type SubmitRefusal } from './submit.js'

/** A submission that is right in itself. */
export type ParsedSubmission = {
  payload: EventPayload
  canonicalPayload: Uint8Array
  previousHash: string
  currentHash: string
  publicKey: Uint8Array
  /** As sent: standard base64. */
  publicKeyText: string
  signature: string
}

/** A refusal of a submission. */
export function refusal(code: RefusalCode, detail: string): SubmitRefusal {
  return { status: refusalStatus[code], code, detail }
}

const derived = ['event_id', 'schema_version', 'key_id', 'current_hash'] as const
const sent = ['payload', 'previous_hash', 'public_key', 'signature'] as const
const headerMembers = [
  'domain',
  'event_id',
  'key_id',
  'ledger',
  'occurred_at',
  'schema_version',
] as const
const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

/** Whether a text is a moment as events write it: RFC 3339, milliseconds, UTC. */
export function isEventTime(text: unknown): text is string {
  if (typeof text !== 'string' || !timeForm.test(text)) return false
  const time = Date.parse(text)
  return !Number.isNaN(time) && new Date(time).toISOString() === text
}

/** Reads a body up to its header: size, JSON, canonical form, members, projection, key id. */
export function parseSubmission(
  bytes: Uint8Array,
  { ledger }: { ledger: string },
): ParsedSubmission | SubmitRefusal {
  if (bytes.length > maxEntrySize) {
    return refusal('too_large', `a body has at most ${maxEntrySize} bytes`)
  }
  let body: Json
  try {
    body = parseJsonBytes(bytes)
    if (!bytesEqual(utf8(canonicalJson(body)), bytes)) {
      return refusal('not_canonical', 'the body is not its own RFC 8785 form')
    }
  } catch (error) {
    return refusal('malformed', error instanceof Error ? (error.message.split('\n')[0] ?? '') : '')
  }
  if (!isObject(body)) return refusal('malformed', 'the body is no object')
  const known: readonly string[] = [...sent, ...derived, 'timestamp']
  const unknown = Object.keys(body).find((name) => !known.includes(name))
  if (unknown !== undefined) return refusal('malformed', `an unknown member ${quote(unknown)}`)
  const missing = sent.find((name) => !Object.hasOwn(body as JsonObject, name))
  if (missing !== undefined) return refusal('malformed', `no member ${missing}`)
  if (Object.hasOwn(body, 'timestamp')) {
    return refusal('projection', 'timestamp is the ledger’s, and may not be sent')
  }
  return readBody(body, ledger)
}

function readBody(body: JsonObject, ledger: string): ParsedSubmission | SubmitRefusal {
  const { payload, previous_hash: previousHash, public_key: publicKeyText } = body
  const { signature } = body
  const problem = headerProblem(payload, ledger)
  if (problem !== undefined) return problem
  const { ets } = payload as unknown as EventPayload
  if (typeof previousHash !== 'string' || !/^[0-9a-f]{64}$/.test(previousHash)) {
    return refusal('malformed', 'previous_hash is not 64 lower-case hex digits')
  }
  if (typeof publicKeyText !== 'string' || typeof signature !== 'string') {
    return refusal('malformed', 'public_key or signature is no text')
  }
  for (const name of ['event_id', 'schema_version', 'key_id'] as const) {
    if (Object.hasOwn(body, name) && body[name] !== ets[name]) {
      return refusal('projection', `${name} differs from that of the header`)
    }
  }
  const publicKey = fromBase64(publicKeyText)
  if (publicKey?.length !== 32) return refusal('key_id', 'public_key is not base64 of 32 bytes')
  if (keyIdOf(publicKey) !== ets.key_id) {
    return refusal('key_id', 'key_id is not the fingerprint of public_key')
  }
  const canonicalPayload = canonicalBytes(payload as JsonObject)
  const currentHash = eventHash(canonicalPayload, previousHash)
  if (Object.hasOwn(body, 'current_hash') && body['current_hash'] !== currentHash) {
    return refusal('hash', 'current_hash is not that of payload and previous_hash')
  }
  return {
    payload: payload as unknown as EventPayload,
    canonicalPayload,
    previousHash,
    currentHash,
    publicKey,
    publicKeyText,
    signature,
  }
}

/** What is wrong with the header of a payload, whatever its schema. */
export function headerProblem(payload: unknown, ledger: string): SubmitRefusal | undefined {
  if (!isObject(payload)) return refusal('malformed', 'payload is no object')
  const { ets, type } = payload
  if (!isObject(ets)) return refusal('malformed', 'payload.ets is no object')
  const names = Object.keys(ets).sort()
  if (names.join() !== headerMembers.join()) {
    return refusal('malformed', `payload.ets has exactly ${headerMembers.join(', ')}`)
  }
  const form = schemaVersionForm.exec(String(ets['schema_version']))
  if (form === null) return refusal('malformed', 'schema_version is not type/version')
  if (type !== form[1]) return refusal('projection', 'type is not that of schema_version')
  if (!isEventDomain(ets['domain'])) return refusal('malformed', 'domain is none of the ledger’s')
  if (!isEventTime(ets['occurred_at'])) {
    return refusal('malformed', 'occurred_at is not RFC 3339 with milliseconds in UTC')
  }
  if (!isEventId(ets['event_id'])) return refusal('event_id', 'event_id is no UUID of version 7')
  if (!/^sha256:[0-9a-f]{64}$/.test(String(ets['key_id']))) {
    return refusal('key_id', 'key_id is not sha256: and 64 hex digits')
  }
  if (ets['ledger'] !== ledger) return refusal('wrong_ledger', `this ledger is ${quote(ledger)}`)
  return undefined
}

/** Whether the signature is one of the key over the hash. */
export function isSigned(submission: ParsedSubmission, verify: VerifySignature): boolean {
  const signature = fromBase64(submission.signature)
  if (signature?.length !== 64) return false
  return verify(signature, hexToBytes(submission.currentHash), submission.publicKey)
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
