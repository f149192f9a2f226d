/**
 * A ledger over HTTP, as a fetch handler: events, receipts, verdicts, proofs and replays under `/api`, and
 * the logs' own files (C2SP tlog-tiles) beside it, which anyone may read.
 */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { readRequestBody } from '../../internal/boundedBody.js'
import { assertCount, assertKnown, assertMembers, MAX_TIMER } from '../../internal/options.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { refusalStatus } from '../events/submit.js'
import type { Ledger } from '../intake/ledger.js'
import { fromDecimal } from '../log/encoding.js'
import { maxEntrySize } from '../log/tiles.js'
import {
  type Answer,
  type AnswerContext,
  proofAnswer,
  readAnswer,
  receiptAnswer,
  replayAnswer,
  verifyAnswer,
} from './answers.js'
import { createMcpServer, type McpServer, mcpVersions } from './mcp.js'
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
  /** Milliseconds in which the body of a request has to be there; 408 afterwards. @default 15000 */
  bodyTimeout?: number | undefined
  /** Told of what is answered with status 500 or 503. */
  onError?: ((error: unknown) => void) | undefined
}

const knownParameters: readonly (keyof LedgerHandlerParameters)[] = [
  ...(['ledger', 'store', 'moduleId', 'schemas', 'verify', 'metaCheckpoint'] as const),
  ...(['bodyTimeout', 'onError'] as const),
]

/** Answers requests. */
export type LedgerHandler = (request: Request) => Promise<Response>

type Context = LedgerHandlerParameters & AnswerContext & { mcp: McpServer }
type Call = { request: Request; url: URL; signal: AbortSignal }

/**
 * Creates the handler of one ledger. It fits every server that speaks `fetch`: `hono`, Deno, Bun, workers.
 *
 * @throws {InvalidInputError} for a module id that is none, and options that are missing or unknown.
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
  assertMembers('parameters', parameters, ['ledger', 'store', 'schemas'])
  assertKnown('parameters', parameters, knownParameters)
  const { moduleId, bodyTimeout } = parameters
  if (bodyTimeout !== undefined) assertCount('bodyTimeout', bodyTimeout, { most: MAX_TIMER })
  if (typeof moduleId !== 'string' || !/^[A-Za-z0-9._-]{1,128}$/.test(moduleId)) {
    throw new InvalidInputError({
      field: 'moduleId',
      reason: 'expected 1 to 128 letters, digits, dots, dashes and underscores',
    })
  }
  const answering: AnswerContext = { ...parameters, replaying: { now: false } }
  const context: Context = { ...parameters, ...answering, mcp: createMcpServer(answering) }
  return async (request) => {
    try {
      return await route(context, { request, url: new URL(request.url), signal: request.signal })
    } catch (error) {
      // Whoever asked went away: nobody reads this, and it is no fault of the ledger's.
      if (isGone(request, error)) return json(400, unfinished)
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
  const isOwn = url.pathname.startsWith('/api/') || url.pathname === '/mcp'
  if (!isOwn) return file(context, call)
  const given = request.headers.get('x-module-id')
  if (given === null) return json(400, { code: 'module_missing', detail: 'name X-Module-ID' })
  if (given !== context.moduleId) {
    return json(403, { code: 'module_foreign', detail: 'this is the ledger of another module' })
  }
  for (const [method, pattern, answer, query = []] of routes) {
    const match = pattern.exec(url.pathname)
    if (match === null) continue
    if (request.method !== method) return notAllowed(method)
    const wrong = queryFault(url, query)
    if (wrong !== undefined) return json(400, { code: 'query', detail: wrong })
    return answer(context, call, match[1] ?? '')
  }
  return json(404, { code: 'not_found', detail: 'there is no such path' })
}

type Route = (context: Context, call: Call, id: string) => Promise<Response>

const routes: readonly [
  method: 'GET' | 'POST',
  pattern: RegExp,
  answer: Route,
  query?: readonly string[],
][] = [
  ['POST', /^\/api\/ledger\/event$/, append],
  [
    'GET',
    /^\/api\/ledger\/event\/([^/]+)$/,
    async (context, call, id) => respond(call, await receiptAnswer(context, id)),
  ],
  ['GET', /^\/api\/ledger\/events$/, read, ['cursor', 'limit']],
  ['POST', /^\/api\/ledger\/verify$/, verify],
  [
    'GET',
    /^\/api\/merkle\/proof\/([^/]+)$/,
    async (context, call, id) => respond(call, await proofAnswer(context, id)),
  ],
  ['GET', /^\/api\/ledger\/replay$/, replay, ['from', 'to', 'domain']],
  ['POST', /^\/mcp$/, mcp],
]

/** Bytes of the longest message of MCP: an event as the text of an argument. */
const maxMessage = 4 * maxEntrySize

async function read(context: Context, call: Call): Promise<Response> {
  const { cursor = '0', limit: most = '100' } = queryOf(call)
  const asked = { cursor, limit: Number(fromDecimal(most) ?? Number.NaN) }
  return respond(call, await readAnswer(context, asked, call.signal))
}

async function verify(context: Context, call: Call): Promise<Response> {
  const entry = await bodyOf(context, call, maxEntrySize)
  if (entry instanceof Response) return entry
  return respond(call, await verifyAnswer(context, entry))
}

async function replay(context: Context, call: Call): Promise<Response> {
  const { from = '0', to, domain } = queryOf(call)
  return respond(call, await replayAnswer(context, { from, to, domain }, call.signal))
}

async function append(context: Context, call: Call): Promise<Response> {
  const body = await bodyOf(context, call, maxEntrySize)
  if (body instanceof Response) return body
  const result = await context.ledger.submit(body, { signal: call.signal })
  if ('receipt' in result) return json(result.status, result.receipt as unknown as Json)
  const { status, ...refusal } = result
  return json(status, refusal as unknown as Json)
}

/** One JSON-RPC message a request: nothing is kept between two. */
async function mcp(context: Context, call: Call): Promise<Response> {
  const { request, signal } = call
  const version = request.headers.get('mcp-protocol-version')
  if (version !== null && !mcpVersions.includes(version)) {
    const detail = `this server speaks ${mcpVersions.join(', ')}`
    return json(400, { code: 'protocol_version', detail })
  }
  const body = await bodyOf(context, call, maxMessage)
  if (body instanceof Response) return body
  const answer = await context.mcp(new TextDecoder().decode(body), signal)
  return answer === undefined ? new Response(null, { status: 202 }) : json(200, answer)
}

function respond({ request }: Call, { status, body, headers, text: file }: Answer): Response {
  // The file that other tools read, where text is asked for.
  const wantsText = /^text\/plain\b/.test(request.headers.get('accept') ?? '')
  if (file !== undefined && wantsText) return text(status, file)
  return json(status, body, headers)
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

const unfinished = { code: 'unfinished', detail: 'the body ended before it was whole' }

/** The body of a request, or what a body that is too long, too slow or cut off is answered with. */
async function bodyOf(
  { bodyTimeout }: Context,
  { request }: Call,
  limit: number,
): Promise<Uint8Array | Response> {
  const body = await readRequestBody(request, { limit, timeout: bodyTimeout })
  if (body.status === 'read') return body.bytes
  if (body.status === 'gone') return json(400, unfinished)
  if (body.status === 'late') {
    return json(408, { code: 'late', detail: 'the body did not come in time' })
  }
  const detail = `it has at most ${limit} bytes`
  return json(refusalStatus.too_large, { code: 'too_large', detail })
}

/** Whether this only says that the sender of the request went away. */
function isGone({ signal }: Request, error: unknown): boolean {
  return signal.aborted && (error === signal.reason || (error as Error)?.name === 'AbortError')
}

/** The query of a request, once {@link queryFault} let it pass. */
function queryOf({ url }: Call): Partial<Record<string, string>> {
  return Object.fromEntries(url.searchParams)
}

/** What is wrong with a query: a parameter that is not known would be passed over, one of two taken. */
function queryFault({ searchParams }: URL, known: readonly string[]): string | undefined {
  const names = [...searchParams.keys()]
  const unknown = names.find((name) => !known.includes(name))
  const takes = known.length === 0 ? 'this takes no query' : `this takes ${known.join(', ')}`
  if (unknown !== undefined) return takes
  const repeated = names.find((name, at) => names.indexOf(name) !== at)
  return repeated === undefined ? undefined : `\`${repeated}\` is there more than once`
}

function notAllowed(method: string): Response {
  return json(405, { code: 'method', detail: `use ${method}` }, { Allow: method })
}
