/**
 * A ledger as it is served: submissions in the order of the specification, receipts, proofs.
 *
 * From the look at receipts to the place in the queue there is no pause: what was checked still holds
 * when the event gets its place.
 */
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertCount, assertFlag, assertKnown } from '../../internal/options.js'
import { type EventPayload, encodeEvent, genesisHash, type LedgerEvent } from '../events/event.js'
import { eventIdTime } from '../events/eventId.js'
import { type PreparedEvent, signEvent } from '../events/flow.js'
import { isSigned, type ParsedSubmission, parseSubmission, refusal } from '../events/parse.js'
import { authorityProblem, semanticProblem } from '../events/rules.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { EventSigner, VerifySignature } from '../events/signature.js'
import type { LedgerReceipt, SubmitRefusal, SubmitResult } from '../events/submit.js'
import { verifyEd25519 } from '../log/keys.js'
import { maxEntrySize } from '../log/tiles.js'
import { idKey } from '../writer/lookup.js'
import type {
  AckLevel,
  AppendedEvent,
  EventProof,
  LedgerHead,
  PlacedEvent,
} from '../writer/types.js'
import type { OpenWriter } from '../writer/writer.js'
import { proveEvent } from './prove.js'

/** What {@link createLedger} takes. */
export type CreateLedgerParameters = {
  writer: OpenWriter
  /** Of `@newton/policy-sdk/ledger/schemas`. A ledger takes nothing that it cannot check. */
  schemas: EventSchemas
  /** @default verifyEd25519 */
  verify?: VerifySignature | undefined
  /** Unix milliseconds. @default Date.now */
  now?: (() => number) | undefined
  /** How far an id may lie ahead of the clock, in milliseconds. @default 600_000 */
  maxAhead?: number | undefined
  /** Evaluations only with plugins that a builder verified. @default false */
  requireVerifiedWasm?: boolean | undefined
}

/** Options of a submission. */
export type SubmitOptions = IoOptions & {
  /** @default 'published' */
  ack?: AckLevel | undefined
}

/** A ledger. */
export type Ledger = Pick<
  OpenWriter,
  'append' | 'readSince' | 'checkpoint' | 'ledger' | 'signers' | 'stopped'
> & {
  /**
   * Takes the canonical bytes of a submission. Answers what HTTP would answer: 201, 200 for an event
   * that is there already, or a refusal, after which nothing was appended.
   *
   * @throws {LedgerStoppedError} where the outcome is unknown. Send it again to the reopened ledger.
   */
  submit(body: Uint8Array, options?: SubmitOptions): Promise<SubmitResult>
  /**
   * Signs a prepared event on top of the newest one and takes it: for signers in the ledger's own
   * process, which so never meet `stale_head`.
   */
  record(
    prepared: Pick<PreparedEvent, 'payload'>,
    options: SubmitOptions & { signer: EventSigner },
  ): Promise<SubmitResult>
  /** The newest event that can be followed. `undefined` in an empty ledger. */
  head(): LedgerHead | undefined
  /** An event that is in the logs, with its place. */
  event(eventId: string): Promise<PlacedEvent | undefined>
  /** A receipt of an event that is in the logs. */
  receipt(eventId: string): Promise<LedgerReceipt | undefined>
  /**
   * Both proofs of an event: `pending` while no recorded cut covers it, `undefined` where there is no
   * such event.
   *
   * @param options.metaCheckpoint - A cosigned checkpoint of the meta log to prove against.
   */
  prove(
    eventId: string,
    options?: { metaCheckpoint?: string | undefined },
  ): Promise<EventProof | 'pending' | undefined>
  /** Waits until all that was taken is published, and a cut covers it. */
  flush(): Promise<void>
  close(): Promise<void>
}

type Context = {
  writer: OpenWriter
  schemas: EventSchemas
  verify: VerifySignature
  now: () => number
  maxAhead: number
  requireVerifiedWasm: boolean
}

const known = ['writer', 'schemas', 'verify', 'now', 'maxAhead', 'requireVerifiedWasm']

/**
 * Creates a ledger over a writer.
 *
 * @example
 * ```ts
 * import { createLedger, memoryTiles, openWriter } from '@newton/policy-sdk/ledger'
 * import { loadEventSchemas } from '@newton/policy-sdk/ledger/schemas'
 *
 * const checkpointSeed = crypto.getRandomValues(new Uint8Array(32))
 * const store = memoryTiles()
 * const writer = await openWriter({ ledger: 'ledger.example/eval', store, checkpointSeed })
 * const ledger = createLedger({ writer, schemas: await loadEventSchemas() })
 * await ledger.close()
 * ```
 */
export function createLedger(parameters: CreateLedgerParameters): Ledger {
  assertKnown('parameters', parameters, known)
  const { writer, schemas, verify = verifyEd25519, now = Date.now } = parameters
  const { maxAhead = 600_000, requireVerifiedWasm = false } = parameters
  assertCount('maxAhead', maxAhead, { least: 0 })
  assertFlag('requireVerifiedWasm', requireVerifiedWasm)
  if (typeof schemas?.check !== 'function') {
    throw new InvalidInputError({ field: 'schemas', reason: 'expected those of /ledger/schemas' })
  }
  const context: Context = { writer, schemas, verify, now, maxAhead, requireVerifiedWasm }
  let signing: Promise<unknown> = Promise.resolve()
  return {
    ledger: writer.ledger,
    signers: writer.signers,
    append: writer.append,
    readSince: writer.readSince,
    checkpoint: writer.checkpoint,
    stopped: writer.stopped,
    head: writer.tail,
    event: (eventId) => writer.find(eventId),
    receipt: async (eventId) => {
      const placed = await writer.find(eventId)
      return placed && (await receiptOf(writer, placed))
    },
    prove: (eventId, options = {}) => proveEvent(writer, eventId, options),
    flush: writer.flush,
    close: writer.close,
    submit: (body, options = {}) => submit(context, body, options),
    record: async ({ payload }, { signer, ...options }) => {
      // One signature at a time, each on top of the last: nothing comes between tail and place.
      const taken = signing.then(async () => {
        const previousHash = writer.tail()?.current_hash ?? genesisHash
        const { bytes } = await signEvent({ payload, previousHash, signer, verify })
        const result = submit(context, bytes, options)
        return { result }
      })
      signing = taken.catch(() => undefined)
      return (await taken).result
    },
  }
}

async function submit(
  context: Context,
  body: Uint8Array,
  options: SubmitOptions,
): Promise<SubmitResult> {
  options.signal?.throwIfAborted()
  const { writer, verify } = context
  const parsed = parseSubmission(body, { ledger: writer.ledger })
  if ('status' in parsed) return parsed
  if (!isSigned(parsed, verify)) {
    return refusal('signature', 'no Ed25519 signature of public_key over current_hash')
  }
  const known = knownEvent(writer, parsed.payload.ets.event_id)
  if (known !== undefined) return resend(writer, parsed, await known)
  const accepted = accept(context, parsed)
  if ('status' in accepted) return accepted
  const [place] = await writer.append([accepted], options)
  const { seq, domain, index, checkpoint } = place as AppendedEvent
  const receipt: LedgerReceipt = {
    event: accepted,
    seq: seq.toString(),
    domain,
    index: index.toString(),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  }
  return { status: 201, receipt }
}

/** The event of this id, taken or in the logs. Whether there is one is known at once. */
function knownEvent(writer: OpenWriter, eventId: string): Promise<PlacedEvent> | undefined {
  const waiting = writer.waiting(eventId)
  if (waiting !== undefined) {
    return waiting.appended.then((place) => ({ ...place, event: waiting.event }))
  }
  if (writer.view.get(idKey(eventId)) === undefined) return undefined
  return writer.find(eventId) as Promise<PlacedEvent>
}

async function resend(
  writer: OpenWriter,
  { canonicalPayload }: ParsedSubmission,
  placed: PlacedEvent,
): Promise<SubmitResult> {
  const stored = canonicalBytes(placed.event.payload as unknown as JsonObject)
  if (!bytesEqual(stored, canonicalPayload)) {
    return refusal('event_id_conflict', 'the ledger has another event with this id')
  }
  return { status: 200, receipt: await receiptOf(writer, placed) }
}

/** Everything that the state of the ledger decides. Synchronous: see the head of this file. */
function accept(context: Context, parsed: ParsedSubmission): LedgerEvent | SubmitRefusal {
  const { writer, schemas, verify, now, requireVerifiedWasm } = context
  const { payload } = parsed
  const ahead = eventIdTime(payload.ets.event_id) - now()
  if (ahead > context.maxAhead) {
    return refusal('clock_ahead', `event_id lies ${ahead} ms ahead of the ledger’s clock`)
  }
  const verdict = schemas.check(payload)
  if (!verdict.known) return refusal('unknown_schema', verdict.problem ?? '')
  if (verdict.problem !== undefined) return refusal('schema', verdict.problem)
  const tail = writer.tail()
  const seq = tail === undefined ? 0n : tail.seq + 1n
  const unauthorized = authorityProblem(payload, { seq, view: writer.view })
  if (unauthorized !== undefined) return refusal('authority', unauthorized)
  const contradiction = semanticProblem(payload, {
    view: writer.view,
    verify,
    requireVerifiedWasm,
  })
  if (contradiction !== undefined) return refusal('semantic', contradiction)
  if (parsed.previousHash !== (tail?.current_hash ?? genesisHash)) return stale(tail)
  const event = eventOf(parsed, timestampAfter(tail, now()))
  // The event is a little longer than its submission.
  if (encodeEvent(event).length > maxEntrySize) {
    return refusal('too_large', `an event has at most ${maxEntrySize} bytes`)
  }
  return event
}

function stale(tail: LedgerHead | undefined): SubmitRefusal {
  const detail = 'another event is newer than previous_hash'
  if (tail === undefined) return refusal('stale_head', 'the ledger is empty')
  const { seq, current_hash, event_id } = tail
  return { ...refusal('stale_head', detail), head: { seq: seq.toString(), current_hash, event_id } }
}

/** The ledger's time. It never steps back, whatever the clock does. */
function timestampAfter(tail: LedgerHead | undefined, now: number): string {
  const time = new Date(now).toISOString()
  return tail !== undefined && tail.timestamp > time ? tail.timestamp : time
}

function eventOf(parsed: ParsedSubmission, timestamp: string): LedgerEvent {
  const payload: EventPayload = parsed.payload
  return {
    event_id: payload.ets.event_id,
    payload,
    schema_version: payload.ets.schema_version,
    key_id: payload.ets.key_id,
    public_key: parsed.publicKeyText,
    previous_hash: parsed.previousHash,
    current_hash: parsed.currentHash,
    signature: parsed.signature,
    timestamp,
  }
}

async function receiptOf(
  writer: OpenWriter,
  { event, seq, domain, index }: PlacedEvent,
): Promise<LedgerReceipt> {
  const checkpoint = await writer.checkpoint(domain)
  return {
    event,
    seq: seq.toString(),
    domain,
    index: index.toString(),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  }
}
