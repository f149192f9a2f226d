/**
 * A sink that delivers: what it took is in its outbox until the ledger has it.
 *
 * A record gets its event id when it is taken, so that delivering it twice is one event. Records go in
 * their order; one that the ledger refuses for good is set aside, told, and holds up nothing.
 */
import type { LedgerRecord, LedgerSink } from '../../core/interfaces/ledgerSink.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { sleep } from '../../internal/pause.js'
import { LedgerBehindError } from '../errors.js'
import { type EventPayload, genesisHash, isEventDomain } from '../events/event.js'
import { deriveEventId, eventIds } from '../events/eventId.js'
import { prepareEvent, signEvent } from '../events/flow.js'
import type { EventSigner, VerifySignature } from '../events/signature.js'
import type { SubmitRefusal, SubmitResult } from '../events/submit.js'

/** A record with its id, as an outbox keeps it. JSON. */
export type OutboxItem = {
  eventId: string
  domain: string
  schemaVersion: string
  fields: JsonObject
  occurredAt: number
  links: Readonly<Record<string, string>>
}

/** Keeps what is to be delivered, in its order. What `add` answered for is there after a crash. */
export type Outbox = {
  add(item: OutboxItem): Promise<void>
  /** The oldest item. */
  first(): Promise<OutboxItem | undefined>
  remove(eventId: string): Promise<void>
}

/** The ledger as a sink sees it: in this process, or behind HTTP. */
export type LedgerTarget = {
  submit(body: Uint8Array): Promise<SubmitResult>
  /** `current_hash` of the newest event. `undefined` in an empty ledger. */
  head(): Promise<string | undefined>
  /** `current_hash` of an event. */
  hashOf(eventId: string): Promise<string | undefined>
}

/** What {@link createLedgerSink} takes. */
export type LedgerSinkParameters = {
  ledger: string
  target: LedgerTarget
  signer: EventSigner
  /** @default memoryOutbox(), which a crash empties */
  outbox?: Outbox | undefined
  verify?: VerifySignature | undefined
  now?: (() => number) | undefined
  /** In [0, 1), for jitter. @default Math.random */
  random?: (() => number) | undefined
  /** Told what the ledger refuses for good. It was removed from the outbox. */
  onRefused?: ((item: OutboxItem, refusal: SubmitRefusal) => void) | undefined
  /** Told of failures that are tried again. */
  onError?: ((error: unknown) => void) | undefined
  /**
   * Milliseconds for which a record is tried again that contradicts the ledger (422): somebody else's
   * event that it needs may be under way. Nothing after it is delivered meanwhile. @default 0
   */
  patience?: number | undefined
  /** Milliseconds between tries at most. @default 30_000 */
  maxDelay?: number | undefined
}

/** A sink with an end. */
export type DeliveringSink = LedgerSink & {
  /** Waits until the outbox is empty. */
  flush(): Promise<void>
  /** Ends the delivery. What is in the outbox stays there. */
  close(): Promise<void>
}

/** An outbox in memory. */
export function memoryOutbox(): Outbox {
  const items = new Map<string, OutboxItem>()
  return {
    add: async (item) => void items.set(item.eventId, item),
    first: async () => items.values().next().value,
    remove: async (eventId) => void items.delete(eventId),
  }
}

/**
 * Creates a sink that signs records and delivers them, at least once, whatever the ledger does.
 *
 * @example
 * ```ts
 * import { createLedgerSink, ed25519EventSigner, type Ledger, ledgerTarget } from '@newton/policy-sdk/ledger'
 *
 * declare const ledger: Ledger
 * const sink = createLedgerSink({
 *   ledger: ledger.ledger,
 *   target: ledgerTarget(ledger),
 *   signer: ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32))),
 * })
 * await sink.record({
 *   domain: 'decisions',
 *   schemaVersion: 'newton.anomaly/1',
 *   fields: { kind: 'test', subject: '', detail: '' },
 * })
 * ```
 */
export function createLedgerSink(parameters: LedgerSinkParameters): DeliveringSink {
  const { signer, outbox = memoryOutbox(), now = Date.now } = parameters
  const nextId = eventIds({ now })
  const ending = new AbortController()
  let running: Promise<void> | undefined
  let wanted = false
  const deliver = (): void => {
    wanted = true
    running ??= (async () => {
      while (wanted && !ending.signal.aborted) {
        wanted = false
        await drainOutbox(parameters, outbox, ending.signal)
      }
    })().finally(() => {
      running = undefined
      if (wanted && !ending.signal.aborted) deliver()
    })
  }
  deliver()
  return {
    record: async (record) => {
      const item = itemOf(record, { nextId, now })
      // Refused here where it cannot be an event, and not when nobody is there to hear it.
      prepareEvent({
        ...preparedFields(item),
        ledger: parameters.ledger,
        publicKey: signer.publicKey,
      })
      await outbox.add(item)
      deliver()
      return { eventId: item.eventId }
    },
    flush: async () => {
      while ((await outbox.first()) !== undefined && !ending.signal.aborted) {
        deliver()
        await running
      }
    },
    close: async () => {
      ending.abort()
      await running
    },
  }
}

function itemOf(
  record: LedgerRecord,
  { nextId, now }: { nextId: () => string; now: () => number },
): OutboxItem {
  const { domain, schemaVersion, fields, key, time, links = {} } = record
  if (key !== undefined && time === undefined) {
    throw new InvalidInputError({ field: 'time', reason: 'a record with a key needs its time' })
  }
  const occurredAt = time ?? now()
  const eventId =
    key === undefined
      ? nextId()
      : deriveEventId({ time: occurredAt, key: `${schemaVersion}\n${key}` })
  return { eventId, domain, schemaVersion, fields, occurredAt, links }
}

function preparedFields(item: OutboxItem, linked: Record<string, Json> = {}) {
  const { domain, schemaVersion, eventId, occurredAt } = item
  if (!isEventDomain(domain)) throw new InvalidInputError({ field: 'domain', reason: 'unknown' })
  return { domain, schemaVersion, eventId, occurredAt, fields: { ...item.fields, ...linked } }
}

async function drainOutbox(
  parameters: LedgerSinkParameters,
  outbox: Outbox,
  signal: AbortSignal,
): Promise<void> {
  const { random = Math.random, maxDelay = 30_000, onError, onRefused } = parameters
  const { patience = 0, now = Date.now } = parameters
  const contradicted = new Map<string, number>()
  let failures = 0
  while (!signal.aborted) {
    try {
      const item = await outbox.first()
      if (item === undefined) return
      const refused = await deliverOne(parameters, item)
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
      if (refused !== undefined) onRefused?.(item, refused)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      onError?.(error)
      failures += 1
      const delay = Math.min(maxDelay, 100 * 2 ** Math.min(failures, 16))
      await sleep(delay * (0.5 + random() / 2), signal).catch(() => undefined)
    }
  }
}

/** `stale` where another event came first; a refusal that no later try changes; else delivered. */
async function deliverOne(
  { ledger, target, signer, verify }: LedgerSinkParameters,
  item: OutboxItem,
): Promise<'stale' | SubmitRefusal | undefined> {
  const linked: Record<string, Json> = {}
  for (const [member, eventId] of Object.entries(item.links)) {
    const hash = await target.hashOf(eventId)
    if (hash === undefined) {
      const detail = `${member} names the event ${eventId}, which the ledger does not have`
      return { status: 422, code: 'semantic', detail }
    }
    linked[member] = hash
  }
  const prepared = prepareEvent({
    ...preparedFields(item, linked),
    ledger,
    publicKey: signer.publicKey,
  })
  const payload: EventPayload = prepared.payload
  const previousHash = (await target.head()) ?? genesisHash
  const { bytes } = await signEvent({ payload, previousHash, signer, verify })
  const result = await target.submit(bytes)
  if (!('code' in result)) return undefined
  return result.code === 'stale_head' ? 'stale' : result
}

/** A ledger of this process as the target of a sink. */
export function ledgerTarget(ledger: {
  submit(body: Uint8Array): Promise<SubmitResult>
  head(): { current_hash: string } | undefined
  event(eventId: string): Promise<{ event: { current_hash: string } } | undefined>
}): LedgerTarget {
  return {
    submit: (body) => ledger.submit(body),
    head: async () => ledger.head()?.current_hash,
    hashOf: async (eventId) => (await ledger.event(eventId))?.event.current_hash,
  }
}
