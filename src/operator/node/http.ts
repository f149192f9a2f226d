/** HTTP servers of roles: sockets with bounds on slow clients, bodies with a bound, calls as routes. */
import type { Context, Hono } from 'hono'
import { isPolicySdkError } from '../../errors/base.js'
import { MissingPeerError } from '../../errors/common.js'
import { readRequestBody } from '../../internal/boundedBody.js'
import { assertCount, assertHooks, MAX_TIMER } from '../../internal/options.js'
import { type RpcAnswer, refuse } from '../rpc/envelope.js'
import type { RpcRequest } from '../rpc/server.js'

export { type ListenAddress, type RoleServer, serve } from '../../internal/node/serve.js'

/** What answers calls: an operator's or a gateway's. */
export type CallHandler = {
  handle(request: RpcRequest): Promise<RpcAnswer>
}

/** What every role offers beside its calls. */
export type HealthRoutes = {
  /** Whether this process can do its work, with what it lacks. `/readyz` is 503 where it lacks something. */
  ready?: (() => Promise<readonly string[]> | readonly string[]) | undefined
  /** Text of `/metrics`, in the format of Prometheus. */
  metrics?: (() => Promise<string> | string) | undefined
}

/** An app with `/healthz`, `/readyz` and `/metrics`, whose errors say nothing to strangers. */
export async function createApp(
  routes: HealthRoutes & { bodyTimeout?: number | undefined },
): Promise<Hono> {
  assertHooks(routes, ['ready', 'metrics'])
  const { ready, metrics, bodyTimeout = 15_000 } = routes
  assertCount('bodyTimeout', bodyTimeout, { most: MAX_TIMER })
  const { Hono } = await load(() => import('hono'), 'hono')
  const app = new Hono()
  app.get('/healthz', (context) => context.text('ok'))
  // They cost questions to a chain and a database: strangers who ask at once share an answer.
  const [lacking, measured] = [shared(async () => ready?.()), shared(async () => metrics?.())]
  app.get('/readyz', async (context) => {
    const lacks = (await lacking()) ?? []
    return context.json({ ready: lacks.length === 0, lacks }, lacks.length === 0 ? 200 : 503)
  })
  app.get('/metrics', async (context) => context.text((await measured()) ?? ''))
  app.notFound((context) => context.text('not found', 404))
  // What goes wrong is said in a metric or a hook, never to a stranger.
  app.onError((_error, context) => context.text('it failed', 500))
  return app
}

/** Milliseconds that an answer to everybody's question is given again. */
const SHARED_FOR = 1_000

/** Work that is done once for all who ask while it runs, and a moment after. What fails is done anew. */
function shared<value>(work: () => Promise<value>): () => Promise<value> {
  let last: { answer: Promise<value>; until: number } | undefined
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.answer
    const mine = { answer: work(), until: Number.POSITIVE_INFINITY }
    last = mine
    mine.answer.then(
      () => {
        mine.until = performance.now() + SHARED_FOR
      },
      () => {
        mine.until = 0
      },
    )
    return mine.answer
  }
}

/** The answer to a body that stopped, or whose sender went away. */
export function unfinished(context: Context, status: 'late' | 'gone'): Response {
  return context.text('the body did not come', status === 'late' ? 408 : 400)
}

/** Answers one call, whose body has to come within `timeout` milliseconds (15,000). */
export async function answerCall(
  context: Context,
  rpc: CallHandler,
  timeout?: number,
): Promise<Response> {
  const { raw } = context.req
  const said = context.req.header('content-length')
  let ended: 'late' | 'gone' | undefined
  const answer = await rpc.handle({
    body: {
      length: said === undefined ? undefined : Number(said),
      read: async (limit) => {
        const read = await readRequestBody(raw, { limit, timeout })
        if (read.status === 'read') return read.bytes
        if (read.status === 'too_large') return undefined
        ended = read.status
        throw refuse('TIMED_OUT', 'the body did not come')
      },
    },
    authorization: context.req.header('authorization'),
    address: addressOf(context),
    signal: leavingOf(raw.signal),
  })
  if (ended !== undefined) return unfinished(context, ended)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (answer.retryAfter !== undefined) {
    headers['retry-after'] = String(Math.ceil(answer.retryAfter / 1_000))
  }
  return new Response(answer.body, { status: answer.status, headers })
}

/** Of the other end, where the server of Node tells its socket. */
function addressOf({ env }: Context): string | undefined {
  const incoming = (env as { incoming?: { socket?: { remoteAddress?: unknown } } } | undefined)
    ?.incoming
  const address = incoming?.socket?.remoteAddress
  return typeof address === 'string' ? address : undefined
}

/**
 * Fires when whoever asked is gone, as calls that are ended do. The server's own reason is a bare text, which
 * would be told as something that went wrong here.
 */
function leavingOf(signal: AbortSignal): AbortSignal {
  const own = new AbortController()
  if (signal.aborted) own.abort()
  else signal.addEventListener('abort', () => own.abort(), { once: true })
  return own.signal
}

async function load<module>(work: () => Promise<module>, peer: string): Promise<module> {
  try {
    return await work()
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    throw new MissingPeerError({ peer, needed: 'A server of a role' }, { cause })
  }
}
