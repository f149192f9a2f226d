/**
 * A ledger over HTTP, as a fetch handler: events, receipts, verdicts, proofs and replays under `/api`, and
 * the logs' own files (C2SP tlog-tiles) beside it, which anyone may read.
 */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { readBounded } from '../../internal/boundedBody.js'
import { readCut } from '../audit/cut.js'
import { replayLedger } from '../audit/replay.js'
import { isEventId } from '../events/eventId.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { refusalStatus } from '../events/submit.js'
import { verifyEvent } from '../events/verify.js'
import type { Ledger } from '../intake/ledger.js'
import { fromDecimal } from '../log/encoding.js'
import type { NoteSigner } from '../log/keys.js'
import { maxEntrySize } from '../log/tiles.js'
import { metaLog } from '../writer/types.js'
import { openApi } from './openApi.js'
import { parseLogPath } from './paths.js'

/** What {@link createLedgerHandler} takes. */
export type LedgerHandlerParameters = {
  ledger: Ledger
  /** The ledger's files: what `/api` does not need, everybody may read. */
  store: TileReader
  /** Name of the tenant; every call of `/api` has to name it in `X-Module-ID`. */
  moduleId: string
  /** Of `/ledger/schemas`; with `jsonSchema` they are part of `/openapi.json`. */
  schemas: EventSchemas & { jsonSchema?: ((version: string) => unknown) | undefined }
  verify?: VerifySignature | undefined
  /** The newest cosigned checkpoint of the meta log, for proofs; the log's own where left out. */
  metaCheckpoint?: (() => Promise<string | undefined>) | undefined
  /** Told of what is answered with status 500 or 503. */
  onError?: ((error: unknown) => void) | undefined
}

/** Answers requests. */
export type LedgerHandler = (request: Request) => Promise<Response>

type Context = LedgerHandlerParameters & { replaying: { now: boolean } }
type Call = { request: Request; url: URL; signal: AbortSignal }

/**
 * Creates the handler of one ledger. It fits every server that speaks `fetch`: `hono`, Deno, Bun, workers.
 *
 * @throws {InvalidInputError} for a module id that is none.
 * @example
 * ```ts
 * import { createLedgerHandler, type LedgerHandlerParameters } from '@newton/policy-sdk/ledger'
 *
 * declare const parameters: LedgerHandlerParameters
 * const handler = createLedgerHandler(parameters)
 * const answer = await handler(new Request('https://ledger.example/meta/checkpoint'))
 * ```
 */
export function createLedgerHandler(parameters: LedgerHandlerParameters): LedgerHandler {
  const { moduleId } = parameters
  if (typeof moduleId !== 'string' || !/^[A-Za-z0-9._-]{1,128}$/.test(moduleId)) {
    throw new InvalidInputError({
      field: 'moduleId',
      reason: 'expected 1 to 128 letters, digits, dots, dashes and underscores',
    })
  }
  const context: Context = { ...parameters, replaying: { now: false } }
  return async (request) => {
    try {
      return await route(context, { request, url: new URL(request.url), signal: request.signal })
    } catch (error) {
      parameters.onError?.(error)
      const isStopped = (error as { code?: string }).code === 'LEDGER_STOPPED'
      const isBusy = (error as { code?: string }).code === 'LEDGER_BUSY'
      // What was appended is unknown then: the sender asks again, and gets its receipt or appends.
      return isStopped || isBusy
        ? json(
            503,
            { code: isBusy ? 'busy' : 'stopped', detail: 'send it again' },
            { 'Retry-After': '1' },
          )
        : json(500, { code: 'internal', detail: 'the ledger cannot answer now' })
    }
  }
}

async function route(context: Context, call: Call): Promise<Response> {
  const { request, url } = call
  if (url.pathname === '/openapi.json') {
    return request.method === 'GET' ? json(200, openApi(context.schemas)) : notAllowed('GET')
  }
  if (!url.pathname.startsWith('/api/')) return file(context, call)
  const given = request.headers.get('x-module-id')
  if (given === null) return json(400, { code: 'module_missing', detail: 'name X-Module-ID' })
  if (given !== context.moduleId) {
    return json(403, { code: 'module_foreign', detail: 'this is the ledger of another module' })
  }
  for (const [method, pattern, answer] of routes) {
    const match = pattern.exec(url.pathname)
    if (match === null) continue
    if (request.method !== method) return notAllowed(method)
    return answer(context, call, match[1] ?? '')
  }
  return json(404, { code: 'not_found', detail: 'there is no such path' })
}

type Answer = (context: Context, call: Call, id: string) => Promise<Response>

const routes: readonly [method: 'GET' | 'POST', pattern: RegExp, answer: Answer][] = [
  ['POST', /^\/api\/ledger\/event$/, append],
  ['GET', /^\/api\/ledger\/event\/([^/]+)$/, receipt],
  ['POST', /^\/api\/ledger\/verify$/, verify],
  ['GET', /^\/api\/merkle\/proof\/([^/]+)$/, prove],
  ['GET', /^\/api\/ledger\/replay$/, replay],
]

async function append({ ledger }: Context, { request, signal }: Call): Promise<Response> {
  const body = await readBounded(request, maxEntrySize)
  if (body === undefined) return tooLarge()
  const result = await ledger.submit(body, { signal })
  if ('receipt' in result) return json(result.status, result.receipt as unknown as Json)
  const { status, ...refusal } = result
  return json(status, refusal as unknown as Json)
}

async function receipt({ ledger }: Context, _: Call, id: string): Promise<Response> {
  if (!isEventId(id)) return json(400, { code: 'event_id', detail: 'it is no UUID of version 7' })
  const found = await ledger.receipt(id)
  return found === undefined ? unknownEvent() : json(200, found as unknown as Json)
}

/** A verdict per check, of the bytes of an event as they are sent. */
async function verify(context: Context, { request }: Call): Promise<Response> {
  const { ledger, schemas } = context
  const entry = await readBounded(request, maxEntrySize)
  if (entry === undefined) return tooLarge()
  const verdict = verifyEvent({ entry, ledger: ledger.ledger, schemas, verify: context.verify })
  const event = verdict.status === 'valid' ? verdict.event : undefined
  const kept = event === undefined ? undefined : await ledger.event(event.event_id)
  const isKept = kept !== undefined && sameEvent(kept.event, event)
  const inclusion = event === undefined ? 'not_checked' : isKept ? 'passed' : 'failed'
  return json(200, {
    status: verdict.status === 'valid' && isKept ? 'valid' : 'invalid',
    checks: { ...verdict.checks, inclusion },
    ...(verdict.status === 'valid' ? {} : { detail: verdict.detail }),
  })
}

async function prove(context: Context, { request }: Call, id: string): Promise<Response> {
  if (!isEventId(id)) return json(400, { code: 'event_id', detail: 'it is no UUID of version 7' })
  const metaCheckpoint = await context.metaCheckpoint?.()
  const proof = await context.ledger.prove(id, { metaCheckpoint })
  if (proof === undefined) return unknownEvent()
  if (proof === 'pending') {
    const detail = 'no recorded cut covers it yet'
    return json(202, { code: 'pending', detail }, { 'Retry-After': '1' })
  }
  // The file that other tools read, where text is asked for.
  if (/^text\/plain\b/.test(request.headers.get('accept') ?? '')) {
    return text(200, proof.domainProof)
  }
  const utf8 = new TextDecoder()
  const { domainProof, metaProof } = proof
  return json(200, {
    ...{ entry: utf8.decode(proof.entry), domainProof, metaProof },
    metaRecord: utf8.decode(proof.metaRecord),
  })
}

/** The state after the events before `to`, and the events from `from` on. One replay at a time. */
async function replay(context: Context, { url, signal }: Call): Promise<Response> {
  const { ledger, store, schemas, replaying } = context
  const from = fromDecimal(url.searchParams.get('from') ?? '0')
  const asked = url.searchParams.get('to')
  const to = asked === null ? undefined : fromDecimal(asked)
  const domain = url.searchParams.get('domain')
  if (from === undefined || (asked !== null && to === undefined) || (to ?? from) < from) {
    return json(400, { code: 'range', detail: '`from` and `to` are places, `from` up to `to`' })
  }
  if (replaying.now) {
    const detail = 'another replay is running'
    return json(429, { code: 'replaying', detail }, { 'Retry-After': '5' })
  }
  replaying.now = true
  try {
    const log = (ledger.signers.get(metaLog) as NoteSigner).key
    const cut = await readCut({ store, ledger: ledger.ledger, trust: { log } }, signal)
    if (cut === undefined) return json(404, { code: 'empty', detail: 'no cut is recorded yet' })
    const parameters = { store, ledger: ledger.ledger, cut, to, schemas, verify: context.verify }
    const { rows, faults, ...result } = await replayLedger(parameters, signal)
    const inRange = faults.filter(({ seq }) => seq >= from)
    return json(200, {
      ...{ from: from.toString(), to: result.events.toString(), head: result.head },
      ...{ state_root: result.state_root, reducers: result.reducers as unknown as Json },
      state: domain === null ? (rows as Json) : { [domain]: rows[domain] ?? null },
      faults: inRange.map((fault) => ({ ...fault, seq: fault.seq.toString() })),
    })
  } finally {
    replaying.now = false
  }
}

/** A file of a log. The path is read to its parts and made again from them, never joined. */
async function file({ store }: Context, { request, url, signal }: Call): Promise<Response> {
  const cors = { 'Access-Control-Allow-Origin': '*' }
  if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed('GET')
  const parsed = parseLogPath(url.pathname)
  const found = parsed === undefined ? undefined : await store.read(parsed.path, { signal })
  if (parsed === undefined || found === undefined) return text(404, 'not found\n', cors)
  const isCheckpoint = parsed.kind === 'checkpoint'
  const headers = {
    ...cors,
    'Content-Type': isCheckpoint ? 'text/plain; charset=utf-8' : 'application/octet-stream',
    'Cache-Control': isCheckpoint ? 'public, max-age=2' : 'public, max-age=31536000, immutable',
  }
  return new Response(found.bytes as Uint8Array<ArrayBuffer>, { status: 200, headers })
}

function sameEvent(one: object, other: object | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function json(status: number, body: Json, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body as JsonObject), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers },
  })
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  const type = { 'Content-Type': 'text/plain; charset=utf-8' }
  return new Response(body, { status, headers: { ...type, ...headers } })
}

function tooLarge(): Response {
  const detail = `an event has at most ${maxEntrySize} bytes`
  return json(refusalStatus.too_large, { code: 'too_large', detail })
}

function unknownEvent(): Response {
  return json(404, { code: 'unknown_event', detail: 'the ledger has no such event' })
}

function notAllowed(method: string): Response {
  return json(405, { code: 'method', detail: `use ${method}` }, { Allow: method })
}
