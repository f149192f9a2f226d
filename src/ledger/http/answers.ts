/** What a ledger answers to questions about its events, for HTTP and MCP alike. */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { Json } from '../../core/jsonText.js'
import { readCut } from '../audit/cut.js'
import { stateParts } from '../audit/reducers.js'
import { replayLedger } from '../audit/replay.js'
import { isEventId } from '../events/eventId.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { verifyEvent } from '../events/verify.js'
import type { Ledger } from '../intake/ledger.js'
import { fromDecimal } from '../log/encoding.js'
import type { NoteSigner } from '../log/keys.js'
import { metaLog } from '../writer/types.js'

/** What answers are made from. */
export type AnswerContext = {
  ledger: Ledger
  store: TileReader
  schemas: EventSchemas
  verify?: VerifySignature | undefined
  metaCheckpoint?: (() => Promise<string | undefined>) | undefined
  /** Whether a replay runs: one at a time. */
  replaying: { now: boolean }
}

/** An answer: a status as HTTP has it, and a body. */
export type Answer = {
  status: number
  body: { readonly [member: string]: Json }
  headers?: Record<string, string> | undefined
  /** What `Accept: text/plain` is answered with. */
  text?: string | undefined
}

/** A failure with its code. */
export function fault(
  status: number,
  code: string,
  detail: string,
  headers?: Record<string, string>,
): Answer {
  return { status, body: { code, detail }, ...(headers === undefined ? {} : { headers }) }
}

const noEventId = (): Answer => fault(400, 'event_id', 'it is no UUID of version 7')
const unknownEvent = (): Answer => fault(404, 'unknown_event', 'the ledger has no such event')

/** Events in the order of the chain. */
export async function readAnswer(
  { ledger }: AnswerContext,
  { cursor, limit }: { cursor: string; limit: number },
  signal: AbortSignal,
): Promise<Answer> {
  if (fromDecimal(cursor) === undefined) return fault(400, 'cursor', 'expected a decimal number')
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    return fault(400, 'limit', 'expected a whole number from 1 to 1000')
  }
  const read = await ledger.readSince(cursor, { limit, signal })
  const events = read.events.map(({ seq, domain, index, event }) => ({
    ...{ seq: seq.toString(), domain, index: index.toString() },
    event: event as unknown as Json,
  }))
  return { status: 200, body: { events, cursor: read.cursor } }
}

/** The receipt of an event. */
export async function receiptAnswer({ ledger }: AnswerContext, id: string): Promise<Answer> {
  if (!isEventId(id)) return noEventId()
  const found = await ledger.receipt(id)
  return found === undefined
    ? unknownEvent()
    : { status: 200, body: found as unknown as Answer['body'] }
}

/** A verdict per check, of the bytes of an event as they are sent. */
export async function verifyAnswer(context: AnswerContext, entry: Uint8Array): Promise<Answer> {
  const { ledger, schemas } = context
  const verdict = verifyEvent({ entry, ledger: ledger.ledger, schemas, verify: context.verify })
  const event = verdict.status === 'valid' ? verdict.event : undefined
  const kept = event === undefined ? undefined : await ledger.event(event.event_id)
  const isKept = kept !== undefined && JSON.stringify(kept.event) === JSON.stringify(event)
  const inclusion = event === undefined ? 'not_checked' : isKept ? 'passed' : 'failed'
  return {
    status: 200,
    body: {
      status: verdict.status === 'valid' && isKept ? 'valid' : 'invalid',
      checks: { ...verdict.checks, inclusion },
      ...(verdict.status === 'valid' ? {} : { detail: verdict.detail }),
    },
  }
}

/** Both proofs of an event. */
export async function proofAnswer(context: AnswerContext, id: string): Promise<Answer> {
  if (!isEventId(id)) return noEventId()
  const metaCheckpoint = await context.metaCheckpoint?.()
  const proof = await context.ledger.prove(id, { metaCheckpoint })
  if (proof === undefined) return unknownEvent()
  if (proof === 'pending') {
    return fault(202, 'pending', 'no recorded cut covers it yet', { 'Retry-After': '1' })
  }
  const utf8 = new TextDecoder()
  const { domainProof, metaProof } = proof
  return {
    status: 200,
    body: {
      ...{ entry: utf8.decode(proof.entry), domainProof, metaProof },
      metaRecord: utf8.decode(proof.metaRecord),
    },
    // The file that other tools read.
    text: domainProof,
  }
}

/**
 * The state after the events before `to`, and what is wrong from `from` on. One replay at a time; what
 * lies before the last snapshot in front of `from` is held against that snapshot.
 */
export async function replayAnswer(
  context: AnswerContext,
  asked: { from: string; to?: string | undefined; domain?: string | undefined },
  signal: AbortSignal,
): Promise<Answer> {
  const { ledger, store, schemas, replaying } = context
  const from = fromDecimal(asked.from)
  const to = asked.to === undefined ? undefined : fromDecimal(asked.to)
  if (from === undefined || (asked.to !== undefined && to === undefined) || (to ?? from) < from) {
    return fault(400, 'range', '`from` and `to` are places, `from` up to `to`')
  }
  const { domain } = asked
  if (domain !== undefined && !stateParts.includes(domain)) {
    return fault(400, 'domain', `the parts of the state are ${stateParts.join(', ')}`)
  }
  if (replaying.now) {
    return fault(429, 'replaying', 'another replay is running', { 'Retry-After': '5' })
  }
  replaying.now = true
  try {
    const log = (ledger.signers.get(metaLog) as NoteSigner).key
    const cut = await readCut({ store, ledger: ledger.ledger, trust: { log } }, signal)
    if (cut === undefined) return fault(404, 'empty', 'no cut is recorded yet')
    const parameters = {
      store,
      ledger: ledger.ledger,
      cut,
      from,
      to,
      schemas,
      verify: context.verify,
    }
    const { rows, faults, ...result } = await replayLedger(parameters, signal)
    const inRange = faults.filter(({ seq }) => seq >= from)
    return {
      status: 200,
      body: {
        ...{
          from: from.toString(),
          full: result.full.toString(),
          to: result.events.toString(),
          head: result.head,
        },
        ...{ state_root: result.state_root, reducers: result.reducers as unknown as Json },
        state: domain === undefined ? (rows as Json) : { [domain]: rows[domain] ?? null },
        faults: inRange.map((found) => ({ ...found, seq: found.seq.toString() })),
      },
    }
  } finally {
    replaying.now = false
  }
}
