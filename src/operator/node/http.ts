/** HTTP servers of roles: sockets with bounds on slow clients, bodies with a bound, calls as routes. */
import type { Context, Hono } from 'hono'
import { isPolicySdkError } from '../../errors/base.js'
import { MissingPeerError } from '../../errors/common.js'
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
export async function createApp({ ready, metrics }: HealthRoutes): Promise<Hono> {
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

/** Answers one call. */
export async function answerCall(context: Context, rpc: CallHandler): Promise<Response> {
  const { raw } = context.req
  const body = await readBounded(raw, rpc.limits.bodyBytes)
  const answer = await rpc.handle({
    body,
    authorization: context.req.header('authorization'),
    signal: raw.signal,
  })
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (answer.retryAfter !== undefined) {
    headers['retry-after'] = String(Math.ceil(answer.retryAfter / 1_000))
  }
  return new Response(answer.body, { status: answer.status, headers })
}

/** Reads a body; one byte over the bound is enough to know that it is too large. */
async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = request.body?.getReader()
  while (reader !== undefined && length <= maxBytes) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    length += value.length
  }
  if (length > maxBytes) await reader?.cancel()
  const body = new Uint8Array(Math.min(length, maxBytes + 1))
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk.subarray(0, body.length - at), at)
    at += chunk.length
  }
  return body
}

async function load<module>(work: () => Promise<module>, peer: string): Promise<module> {
  try {
    return await work()
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    throw new MissingPeerError({ peer, needed: 'A server of a role' }, { cause })
  }
}
