/**
 * A sink that delivers: what it took is in its outbox until the ledger has it.
 *
 * A record gets its event id when it is taken, so that delivering it twice is one event. Records go in
 * their order; one that the ledger refuses for good is set aside, told, and holds up nothing.
 */
import type { LedgerRecord, LedgerSink } from '../../core/interfaces/ledgerSink.js'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertCount, assertKnown, assertMembers, MAX_TIMER } from '../../internal/options.js'
import { LedgerSinkClosedError } from '../errors.js'
import type { LedgerEvent } from '../events/event.js'
import { deriveEventId, eventIds } from '../events/eventId.js'
import { prepareEvent } from '../events/flow.js'
import type { EventSigner, VerifySignature } from '../events/signature.js'
import type { SubmitRefusal } from '../events/submit.js'
import { maxEntrySize } from '../log/tiles.js'
import { type Delivery, drainOutbox, preparedFields } from './delivery.js'
import { memoryOutbox, type Outbox, type OutboxItem } from './outbox.js'
import type { LedgerTarget } from './target.js'

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
  /**
   * Told where somebody else's event has the id of a record and says something else: the record was
   * given another one. Whoever wrote that event knew beforehand what would be recorded.
   */
  onTaken?: ((item: OutboxItem, taken: { eventId: string; by: LedgerEvent }) => void) | undefined
  /** Told of failures that are tried again. */
  onError?: ((error: unknown) => void) | undefined
  /**
   * Milliseconds for which a record is tried again that contradicts the ledger (422): somebody else's
   * event that it needs may be under way. Nothing after it is delivered meanwhile. @default 0
   */
  patience?: number | undefined
  /** Milliseconds between tries at most. @default 30_000 */
  maxDelay?: number | undefined
  /** Milliseconds for one question to the ledger. @default 60_000 */
  timeout?: number | undefined
}

/** A sink with an end. */
export type DeliveringSink = LedgerSink & {
  /**
   * Waits until the outbox is empty: for ever, where the ledger is down and no `timeout` is given.
   *
   * @throws {LedgerSinkClosedError} where the sink was closed before.
   * @throws {LedgerOutboxError} where the outbox cannot be read.
   */
  flush(options?: IoOptions): Promise<void>
  /** Ends the delivery, and what is under way with it. What is in the outbox stays there. */
  close(): Promise<void>
}

/**
 * Creates a sink that signs records and delivers them, at least once, whatever the ledger does.
 *
 * `record` keeps a copy. It throws `InvalidInputError` and `CanonicalJsonError` for what can be no event, and
 * `LedgerSinkClosedError` after `close`.
 *
 * @throws {InvalidInputError} naming the option that is missing, unknown or no such number.
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
  assertParameters(parameters)
  const { ledger, signer, outbox = memoryOutbox(), now = Date.now } = parameters
  const { random = Math.random, patience = 0, maxDelay = 30_000, timeout = 60_000 } = parameters
  const nextId = eventIds({ now })
  const delivery: Delivery = {
    ...{ ...parameters, outbox, now, random, patience, maxDelay, timeout, nextId },
    renamed: new Map(),
  }
  const ending = new AbortController()
  let running: Promise<void> | undefined
  let wanted = false
  const deliver = (): void => {
    wanted = true
    running ??= (async () => {
      while (wanted && !ending.signal.aborted) {
        wanted = false
        await drainOutbox(delivery, ending.signal)
      }
    })().finally(() => {
      running = undefined
      if (wanted && !ending.signal.aborted) deliver()
    })
  }
  deliver()
  return {
    record: async (record) => {
      if (ending.signal.aborted) throw new LedgerSinkClosedError()
      const item = keptItem(itemOf(record, { nextId, now }), { ledger, signer })
      await outbox.add(item)
      deliver()
      return { eventId: item.eventId }
    },
    flush: (options = {}) =>
      withDeadline('flushing the ledger sink', options, async (signal) => {
        while ((await outbox.first()) !== undefined) {
          if (ending.signal.aborted) throw new LedgerSinkClosedError()
          if (signal.aborted) return
          deliver()
          await running
        }
      }),
    close: async () => {
      ending.abort(new LedgerSinkClosedError())
      await running
    },
  }
}

const optional = ['outbox', 'verify', 'now', 'random', 'onRefused', 'onTaken', 'onError'] as const
const required = ['ledger', 'target', 'signer'] as const

function assertParameters(parameters: LedgerSinkParameters): void {
  assertMembers('parameters', parameters, required)
  const limits = ['patience', 'maxDelay', 'timeout']
  assertKnown('parameters', parameters, [...required, ...optional, ...limits])
  const { patience, maxDelay, timeout } = parameters
  if (patience !== undefined) assertCount('patience', patience, { least: 0 })
  if (maxDelay !== undefined) assertCount('maxDelay', maxDelay, { most: MAX_TIMER })
  if (timeout !== undefined) assertCount('timeout', timeout, { most: MAX_TIMER })
}

/**
 * The item as it would be signed now: a copy, so that what its caller does later is not recorded, and
 * refused here where it cannot be an event, not when nobody is there to hear it.
 */
function keptItem(
  item: OutboxItem,
  { ledger, signer }: Pick<LedgerSinkParameters, 'ledger' | 'signer'>,
): OutboxItem {
  const { publicKey } = signer
  const { canonical } = prepareEvent({ ...preparedFields(item), ledger, publicKey })
  // The event has the hashes of its links, its own and its signature besides.
  if (canonical.length + EVENT_FRAME > maxEntrySize) {
    throw new InvalidInputError({
      field: 'fields',
      reason: `an event has at most ${maxEntrySize} bytes`,
    })
  }
  const { ets, type, ...fields } = JSON.parse(fromUtf8(canonical)) as JsonObject
  return { ...item, fields, links: { ...item.links } }
}

/** Bytes of an event beside its payload. */
const EVENT_FRAME = 1_024

function itemOf(
  record: LedgerRecord,
  { nextId, now }: { nextId: () => string; now: () => number },
): OutboxItem {
  const { domain, schemaVersion, fields, key, time, links = {}, own } = record
  if (key !== undefined && time === undefined) {
    throw new InvalidInputError({ field: 'time', reason: 'a record with a key needs its time' })
  }
  const occurredAt = time ?? now()
  const eventId =
    key === undefined
      ? nextId()
      : deriveEventId({ time: occurredAt, key: `${schemaVersion}\n${key}` })
  const kept = own === undefined ? {} : { own: [...own] }
  return { eventId, domain, schemaVersion, fields, occurredAt, links, ...kept }
}
