/**
 * From the outbox into the ledger, in order, at least once.
 *
 * An id can be known before its event is there: it is derived from what happened, and others see that
 * happen too. Where somebody else's event has it, and says something else, the record is delivered
 * under a new one; what names it by the old id follows.
 */
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { sleep } from '../../internal/pause.js'
import { LedgerBehindError, LedgerReceiptError } from '../errors.js'
import { type EventPayload, genesisHash, isEventDomain, type LedgerEvent } from '../events/event.js'
import { prepareEvent, signEvent } from '../events/flow.js'
import type { EventSigner, VerifySignature } from '../events/signature.js'
import type { SubmitRefusal, SubmitResult } from '../events/submit.js'
import type { Outbox, OutboxItem } from './outbox.js'
import type { LedgerTarget } from './target.js'

/** What a delivery works with. */
export type Delivery = {
  ledger: string
  target: LedgerTarget
  signer: EventSigner
  verify?: VerifySignature | undefined
  outbox: Outbox
  now: () => number
  random: () => number
  patience: number
  maxDelay: number
  timeout: number
  nextId: () => string
  /** Ids under which records were delivered whose own were taken. */
  renamed: Map<string, string>
  onRefused?: ((item: OutboxItem, refusal: SubmitRefusal) => void) | undefined
  onTaken?: ((item: OutboxItem, taken: { eventId: string; by: LedgerEvent }) => void) | undefined
  onError?: ((error: unknown) => void) | undefined
}

/** Ids that are remembered, for what names them. */
const REMEMBERED = 4_096

/** Delivers until the outbox is empty or `signal` fires. Never rejects. */
export async function drainOutbox(delivery: Delivery, signal: AbortSignal): Promise<void> {
  const { outbox, random, maxDelay, patience, now, onError, onRefused } = delivery
  const contradicted = new Map<string, number>()
  let failures = 0
  while (!signal.aborted) {
    try {
      const item = await outbox.first()
      if (item === undefined) return
      const refused = await deliverOne(delivery, item, signal)
      // Time passes: the ledger's clock will reach it.
      if (refused !== undefined && refused !== 'stale' && refused.code === 'clock_ahead') {
        throw new LedgerBehindError({ detail: refused.detail })
      }
      if (refused === 'stale') {
        await sleep(random() * 50, signal)
        continue
      }
      if (refused?.code === 'semantic') {
        const since = contradicted.get(item.eventId) ?? now()
        contradicted.set(item.eventId, since)
        if (now() - since < patience) throw new LedgerBehindError({ detail: refused.detail })
      }
      contradicted.delete(item.eventId)
      await outbox.remove(item.eventId)
      if (refused !== undefined) tell(() => onRefused?.(item, refused))
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      tell(() => onError?.(error))
      failures += 1
      const delay = Math.min(maxDelay, 100 * 2 ** Math.min(failures, 16))
      await sleep(delay * (0.5 + random() / 2), signal).catch(() => undefined)
    }
  }
}

/** `stale` where it is to be tried again at once; a refusal that no later try changes; else delivered. */
async function deliverOne(
  delivery: Delivery,
  item: OutboxItem,
  signal: AbortSignal,
): Promise<'stale' | SubmitRefusal | undefined> {
  const { ledger, target, signer, verify, renamed, timeout } = delivery
  const ask = <value>(what: string, work: (io: { signal: AbortSignal }) => Promise<value>) =>
    withDeadline(what, { signal, timeout }, (inner) => work({ signal: inner }))
  const linked: Record<string, Json> = {}
  for (const [member, named] of Object.entries(item.links)) {
    const eventId = renamed.get(named) ?? named
    const event = await ask('reading the event that a record names', (io) =>
      target.event(eventId, io),
    )
    if (event === undefined) {
      const detail = `${member} names the event ${eventId}, which the ledger does not have`
      return { status: 422, code: 'semantic', detail }
    }
    linked[member] = event.current_hash
  }
  const eventId = renamed.get(item.eventId) ?? item.eventId
  const { payload } = prepareEvent({
    ...{ ...preparedFields(item, linked), eventId },
    ...{ ledger, publicKey: signer.publicKey },
  })
  const previousHash = (await ask('reading the head', (io) => target.head(io))) ?? genesisHash
  const { bytes } = await signEvent({ payload, previousHash, signer, verify })
  const result = await ask('submitting an event', (io) => target.submit(bytes, io))
  if (isReceiptOf(result, payload)) return undefined
  if (!('code' in result)) throw new LedgerReceiptError({ eventId })
  if (result.code === 'stale_head') return 'stale'
  if (result.code !== 'event_id_conflict') return result
  const by = await ask('reading the event that has the id', (io) => target.event(eventId, io))
  if (by === undefined) throw new LedgerReceiptError({ eventId })
  if (isSameStatement(by.payload, payload, item.own) || renamed.has(item.eventId)) return result
  return rename(delivery, item, by)
}

/** Another id for a record. It is no one's guess, so nobody takes that one. */
function rename(delivery: Delivery, item: OutboxItem, by: LedgerEvent): 'stale' {
  const { renamed, nextId, onTaken } = delivery
  const eventId = nextId()
  renamed.set(item.eventId, eventId)
  for (const oldest of renamed.keys()) {
    if (renamed.size <= REMEMBERED) break
    renamed.delete(oldest)
  }
  tell(() => onTaken?.(item, { eventId, by }))
  return 'stale'
}

/** What {@link prepareEvent} takes of an item. */
export function preparedFields(item: OutboxItem, linked: Record<string, Json> = {}) {
  const { domain, schemaVersion, eventId, occurredAt } = item
  if (!isEventDomain(domain)) throw new InvalidInputError({ field: 'domain', reason: 'unknown' })
  return { domain, schemaVersion, eventId, occurredAt, fields: { ...item.fields, ...linked } }
}

/** Whether an answer is a receipt of this payload: only then the record is not needed any more. */
function isReceiptOf(result: SubmitResult, payload: EventPayload): boolean {
  if (typeof result !== 'object' || result === null || 'code' in result) return false
  const stored = result.receipt?.event?.payload
  if (result.status !== 200 && result.status !== 201) return false
  return stored !== undefined && isEqual(stored, payload)
}

function isSameStatement(
  stored: EventPayload,
  payload: EventPayload,
  own: readonly string[] = [],
): boolean {
  const { domain, schema_version } = payload.ets
  if (stored.ets?.domain !== domain || stored.ets.schema_version !== schema_version) return false
  const stated = (from: EventPayload): JsonObject =>
    Object.fromEntries(
      Object.entries(from as unknown as JsonObject).filter(
        ([name]) => name !== 'ets' && !own.includes(name),
      ),
    )
  return isEqual(stated(stored), stated(payload))
}

function isEqual(one: unknown, other: unknown): boolean {
  try {
    return bytesEqual(canonicalBytes(one as JsonObject), canonicalBytes(other as JsonObject))
  } catch {
    return false
  }
}

/** A hook's own failure is its owner's: it does not decide what is delivered. */
function tell(hook: () => void): void {
  try {
    hook()
  } catch {
    // Nobody is left to be told.
  }
}
