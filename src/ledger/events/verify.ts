/** Verifying an event, check by check. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes, parseJsonBytes } from '../../core/canonicalJson.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { bytesEqual } from '../../internal/bytes.js'
import { fromBase64 } from '../log/encoding.js'
import { verifyEd25519 } from '../log/keys.js'
import { maxEntrySize } from '../log/tiles.js'
import { type EventPayload, eventHash, keyIdOf, type LedgerEvent } from './event.js'
import { headerProblem, isEventTime, isObject } from './parse.js'
import { authorityProblem, semanticProblem } from './rules.js'
import type { EventSchemas } from './schemaTypes.js'
import type { VerifySignature } from './signature.js'
import type { LedgerView } from './view.js'

/** What a check found. What was not looked at has not passed. */
export type CheckVerdict = 'passed' | 'failed' | 'not_checked'

/** The checks of {@link verifyEvent}, in their order. */
export const eventChecks = [
  /** It is the canonical form of an event with exactly nine members. */
  'canonical',
  /** Header and members beside it say the same, and name this ledger. */
  'header',
  'key_id',
  'hash',
  'signature',
  /** It follows the event before it: hash, and time. */
  'chain',
  /** It has the form of its schema version. */
  'schema',
  /** Its key might write it there. */
  'authority',
  /** It contradicts nothing before it. */
  'semantic',
] as const

/** Verdicts by check. `valid` says that none failed; see which were made. */
export type EventVerdict =
  | { status: 'valid'; event: LedgerEvent; checks: Record<EventCheck, CheckVerdict> }
  | { status: 'invalid'; checks: Record<EventCheck, CheckVerdict>; detail: string }

/** A check of {@link verifyEvent}. */
export type EventCheck = (typeof eventChecks)[number]

const members = [
  'current_hash',
  'event_id',
  'key_id',
  'payload',
  'previous_hash',
  'public_key',
  'schema_version',
  'signature',
  'timestamp',
]

/** What {@link verifyEvent} takes. What is left out is not checked. */
export type VerifyEventParameters = {
  /** Bytes of the entry. */
  entry: Uint8Array
  /** Name of the ledger that it must be for. */
  ledger: string
  verify?: VerifySignature | undefined
  /** The event before it, or that there is none. */
  previous?: { current_hash: string; timestamp: string } | 'none' | undefined
  schemas?: EventSchemas | undefined
  /** Rows of all events before it, and its own place. */
  state?: { view: LedgerView; seq: bigint; requireVerifiedWasm?: boolean | undefined } | undefined
}

/**
 * Verifies the entry of an event: everything that can be told from it, and what the options allow
 * beyond that. Never throws on hostile bytes.
 *
 * @example
 * ```ts
 * import { verifyEvent } from '@newton/policy-sdk/ledger'
 *
 * declare const entry: Uint8Array
 * const verdict = verifyEvent({ entry, ledger: 'ledger.example/eval' })
 * if (verdict.status === 'valid') verdict.checks.schema // 'not_checked'
 * ```
 */
export function verifyEvent(parameters: VerifyEventParameters): EventVerdict {
  return judge(parameters, () => readEvent(parameters.entry))
}

/**
 * Like {@link verifyEvent}, of an event that `readEvent` read from its entry: whoever walks a log has read
 * each already.
 */
export function verifyReadEvent(
  event: LedgerEvent,
  parameters: Omit<VerifyEventParameters, 'entry'>,
): EventVerdict {
  return judge(parameters, () => event)
}

function judge(
  parameters: Omit<VerifyEventParameters, 'entry'>,
  read: () => LedgerEvent | undefined,
): EventVerdict {
  const checks = Object.fromEntries(eventChecks.map((check) => [check, 'not_checked'])) as Record<
    EventCheck,
    CheckVerdict
  >
  const fail = (check: EventCheck, detail: string): EventVerdict => {
    checks[check] = 'failed'
    return { status: 'invalid', checks, detail: `${check}: ${detail}` }
  }
  try {
    const event = read()
    if (event === undefined) return fail('canonical', 'no canonical event of nine members')
    checks.canonical = 'passed'
    for (const [check, problem] of problems(event, parameters)) {
      if (problem === 'not_checked') continue
      if (problem !== undefined) return fail(check, problem)
      checks[check] = 'passed'
    }
    return { status: 'valid', event, checks }
  } catch (error) {
    const check = eventChecks.find((name) => checks[name] !== 'passed') ?? 'canonical'
    return fail(check, error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'malformed')
  }
}

/** Reads an entry; `undefined` where it is not the canonical form of nine members of their types. */
export function readEvent(entry: Uint8Array): LedgerEvent | undefined {
  if (!(entry instanceof Uint8Array) || entry.length > maxEntrySize) return undefined
  const value = canonicalValue(entry)
  if (!isObject(value) || Object.keys(value).sort().join() !== members.join()) return undefined
  for (const name of members) {
    if (name !== 'payload' && typeof value[name] !== 'string') return undefined
  }
  if (!isObject(value['payload'])) return undefined
  return value as unknown as LedgerEvent
}

/** The value whose canonical form the bytes are, and `undefined` for other bytes. */
function canonicalValue(bytes: Uint8Array): Json | undefined {
  try {
    const value = parseJsonBytes(bytes)
    return bytesEqual(canonicalBytes(value), bytes) ? value : undefined
  } catch {
    return undefined
  }
}

function* problems(
  event: LedgerEvent,
  parameters: Omit<VerifyEventParameters, 'entry'>,
): Generator<[EventCheck, string | undefined | 'not_checked']> {
  const { ledger, verify = verifyEd25519, previous, schemas, state } = parameters
  const payload = event.payload as EventPayload
  yield ['header', projectionProblem(event, ledger)]
  const publicKey = fromBase64(event.public_key)
  const isFingerprint = publicKey?.length === 32 && keyIdOf(publicKey) === event.key_id
  yield ['key_id', isFingerprint ? undefined : 'not the fingerprint of public_key']
  const hex = /^[0-9a-f]{64}$/
  if (!hex.test(event.previous_hash)) yield ['hash', 'previous_hash is no hash']
  const hash = eventHash(canonicalBytes(payload as unknown as JsonObject), event.previous_hash)
  yield ['hash', hash === event.current_hash ? undefined : 'not that of payload and previous_hash']
  const signature = fromBase64(event.signature)
  const isSigned =
    signature?.length === 64 && verify(signature, hexToBytes(hash), publicKey as Uint8Array)
  yield ['signature', isSigned ? undefined : 'none of public_key over current_hash']
  yield ['chain', previous === undefined ? 'not_checked' : chainProblem(event, previous)]
  const verdict = schemas?.check(payload)
  yield ['schema', verdict === undefined ? 'not_checked' : verdict.problem]
  if (state === undefined) return
  yield ['authority', authorityProblem(payload, state)]
  // The rules read members that a schema has looked at.
  if (verdict === undefined) return
  yield ['semantic', semanticProblem(payload, { ...state, verify })]
}

function projectionProblem(event: LedgerEvent, ledger: string): string | undefined {
  const problem = headerProblem(event.payload, ledger)
  if (problem !== undefined) return problem.detail
  const { ets } = event.payload
  for (const name of ['event_id', 'schema_version', 'key_id'] as const) {
    if (event[name] !== ets[name]) return `${name} differs from that of the header`
  }
  return isEventTime(event.timestamp) ? undefined : 'timestamp is no time'
}

function chainProblem(
  event: LedgerEvent,
  previous: { current_hash: string; timestamp: string } | 'none',
): string | undefined {
  const expected = previous === 'none' ? '0'.repeat(64) : previous.current_hash
  if (event.previous_hash !== expected) return 'previous_hash is not the hash of the event before'
  if (previous !== 'none' && event.timestamp < previous.timestamp) return 'time stepped back'
  return undefined
}
