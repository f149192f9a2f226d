/** HTTP servers of roles: sockets with bounds on slow clients, bodies with a bound, calls as routes. */
import type { Context, Hono } from 'hono'
import { isPolicySdkError } from '../../errors/base.js'
import { MissingPeerError } from '../../errors/common.js'
import { readRequestBody } from '../../internal/boundedBody.js'
import { assertCount, assertHooks, MAX_TIMER } from '../../internal/options.js'
import type { RpcAnswer } from '../rpc/envelope.js'
import type { RpcRequest } from '../rpc/server.js'

export { type ListenAddress, type RoleServer, serve } from '../../internal/node/serve.js'

/** What answers calls: an operator's or a gateway's. */
export type CallHandler = {
  handle(request: RpcRequest): Promise<RpcAnswer>
  readonly limits: { readonly bodyBytes: number }
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
  app.get('/readyz', async (context) => {
    const lacks = (await ready?.()) ?? []
    return context.json({ ready: lacks.length === 0, lacks }, lacks.length === 0 ? 200 : 503)
  })
  app.get('/metrics', async (context) => context.text((await metrics?.()) ?? ''))
  app.notFound((context) => context.text('not found', 404))
  // What goes wrong is said in a metric or a hook, never to a stranger.
  app.onError((_error, context) => context.text('it failed', 500))
  return app
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
  const { bodyBytes } = rpc.limits
  const read = await readRequestBody(raw, { limit: bodyBytes, timeout })
  if (read.status === 'late' || read.status === 'gone') return unfinished(context, read.status)
  const answer = await rpc.handle({
    // One byte over the bound is enough to know that it is too large.
    body: read.status === 'read' ? read.bytes : new Uint8Array(bodyBytes + 1),
    authorization: context.req.header('authorization'),
    signal: leavingOf(raw.signal),
  })
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (answer.retryAfter !== undefined) {
    headers['retry-after'] = String(Math.ceil(answer.retryAfter / 1_000))
  }
  return new Response(answer.body, { status: answer.status, headers })
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
