/** From a record to a submission: prepare, canonical bytes, hash, signature, body. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { EventSignatureError } from '../errors.js'
import { toBase64 } from '../log/encoding.js'
import { isKeyName, verifyEd25519 } from '../log/keys.js'
import {
  type EventDomain,
  type EventPayload,
  eventHash,
  isEventDomain,
  keyIdOf,
  type SubmitBody,
} from './event.js'
import { eventIds, isEventId } from './eventId.js'
import type { EventSigner, VerifySignature } from './signature.js'

/** Form of `schema_version`: the type, and its version after a slash. */
export const schemaVersionForm = /^([a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+)\/([1-9][0-9]{0,4})$/

/** What {@link prepareEvent} takes. */
export type PrepareEventParameters = {
  /** Name of the ledger, which its logs' origins start with. */
  ledger: string
  domain: EventDomain
  /** Such as `newton.evaluation/1`; the type is what is before the slash. */
  schemaVersion: string
  fields: JsonObject
  /** Who will sign. */
  publicKey: Uint8Array
  eventId?: string | undefined
  /** Unix milliseconds. Left out: now. */
  occurredAt?: number | undefined
  now?: (() => number) | undefined
}

/** A payload and the bytes of it that are hashed. */
export type PreparedEvent = { payload: EventPayload; canonical: Uint8Array }

const nextId = /* @__PURE__ */ eventIds()

/**
 * Makes the payload of an event, and its canonical bytes.
 *
 * @throws {InvalidInputError} for names that no event has.
 * @throws {CanonicalJsonError} for fields that JSON does not hold.
 * @example
 * ```ts
 * import { ed25519EventSigner, prepareEvent, signEvent } from '@newton/policy-sdk/ledger'
 *
 * const signer = ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32)))
 * const { payload } = prepareEvent({
 *   ledger: 'ledger.example/eval',
 *   domain: 'decisions',
 *   schemaVersion: 'newton.anomaly/1',
 *   fields: { kind: 'test', detail: 'nothing', subject: '' },
 *   publicKey: signer.publicKey,
 * })
 * const { body } = await signEvent({ payload, previousHash: '0'.repeat(64), signer })
 * ```
 */
export function prepareEvent(parameters: PrepareEventParameters): PreparedEvent {
  const { ledger, domain, schemaVersion, fields, publicKey, now = Date.now } = parameters
  const type = schemaVersionForm.exec(schemaVersion)?.[1]
  if (typeof ledger !== 'string' || !isKeyName(ledger)) throw invalid('ledger', 'an origin')
  if (!isEventDomain(domain)) throw invalid('domain', 'agents, audit, context or decisions')
  if (type === undefined) throw invalid('schemaVersion', 'type/version')
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 32) {
    throw invalid('publicKey', '32 bytes')
  }
  const eventId = parameters.eventId ?? (parameters.now ? eventIds({ now }) : nextId)()
  if (!isEventId(eventId)) throw invalid('eventId', 'a UUID of version 7 in lower case')
  const taken = ['ets', 'type'].find((name) => Object.hasOwn(fields, name))
  if (taken !== undefined) throw invalid(`fields.${taken}`, 'a name that the header does not have')
  const occurred = new Date(parameters.occurredAt ?? now())
  if (Number.isNaN(occurred.getTime())) throw invalid('occurredAt', 'milliseconds since 1970')
  const ets = {
    domain,
    event_id: eventId,
    key_id: keyIdOf(publicKey),
    ledger,
    occurred_at: occurred.toISOString(),
    schema_version: schemaVersion,
  }
  const payload = { ...fields, ets, type } as unknown as EventPayload
  return { payload, canonical: canonicalBytes(payload as unknown as JsonObject) }
}

/**
 * Signs a payload on top of an event, and makes the body that is sent.
 *
 * @param parameters.previousHash - `current_hash` of the ledger's newest event.
 * @throws {EventSignatureError} where the signer answers what is no signature of its key.
 */
export async function signEvent(parameters: {
  payload: EventPayload
  previousHash: string
  signer: EventSigner
  /** Looks at the signature before it is used. @default verifyEd25519 */
  verify?: VerifySignature | undefined
}): Promise<{ body: SubmitBody; currentHash: string; bytes: Uint8Array }> {
  const { payload, previousHash, signer, verify = verifyEd25519 } = parameters
  if (!/^[0-9a-f]{64}$/.test(previousHash)) throw invalid('previousHash', '64 hex digits')
  if (payload.ets.key_id !== keyIdOf(signer.publicKey)) {
    throw invalid('signer', `the one that the payload names, ${payload.ets.key_id}`)
  }
  const canonical = canonicalBytes(payload as unknown as JsonObject)
  const currentHash = eventHash(canonical, previousHash)
  const message = hexToBytes(currentHash)
  const signature = await signer.sign(message)
  if (!(signature instanceof Uint8Array) || !verify(signature, message, signer.publicKey)) {
    throw new EventSignatureError({ keyId: payload.ets.key_id })
  }
  const body: SubmitBody = {
    payload,
    previous_hash: previousHash,
    public_key: toBase64(signer.publicKey),
    signature: toBase64(signature),
  }
  return { body, currentHash, bytes: canonicalBytes(body as unknown as JsonObject) }
}

function invalid(field: string, expected: string): InvalidInputError {
  return new InvalidInputError({ field, reason: `expected ${expected}` })
}
