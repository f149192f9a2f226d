/** HTTP servers of roles: sockets with bounds on slow clients, bodies with a bound, calls as routes. */
import type { Server } from 'node:http'
import type { Context, Hono } from 'hono'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import type { RpcAnswer } from '../rpc/envelope.js'
import type { RpcRequest } from '../rpc/server.js'

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

/** Where a server listens. */
export type ListenAddress = {
  /** @default '127.0.0.1' */
  host?: string | undefined
  /** @default 0, any free one */
  port?: number | undefined
}

/** A server that listens. */
export type RoleServer = {
  /** Such as `http://127.0.0.1:8700`. Calls go to `/rpc`. */
  readonly url: string
  /**
   * Takes no new connection, waits for the calls that run, at most `grace` milliseconds.
   *
   * @default grace 10_000
   */
  close(grace?: number): Promise<void>
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

/**
 * Listens. Slow clients are cut: 5 s for the headers, 15 s for a whole request.
 *
 * @throws {MissingPeerError} when the optional peer `@hono/node-server` is not installed.
 * @throws {InvalidInputError} where the address cannot be had.
 */
export async function serve(app: Hono, address: ListenAddress): Promise<RoleServer> {
  const { host = '127.0.0.1', port = 0 } = address
  const { createAdaptorServer } = await load(() => import('@hono/node-server'), '@hono/node-server')
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: 5_000,
      requestTimeout: 15_000,
      // Without it the two above are looked at every 30 s only.
      connectionsCheckingInterval: 500,
      keepAliveTimeout: 65_000,
    },
  }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new InvalidInputError(
          { field: 'port', reason: `${host}:${port} cannot be had` },
          { cause },
        ),
      ),
    )
    server.listen(port, host, resolve)
  })
  const bound = server.address()
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port
  const name = host.includes(':') ? `[${host}]` : host
  return { url: `http://${name}:${actual}`, close: (grace = 10_000) => closeServer(server, grace) }
}

function closeServer(server: Server, grace: number): Promise<void> {
  return new Promise((resolve) => {
    // A connection is idle only after its answer: they are looked for until none is left.
    const idle = setInterval(() => server.closeIdleConnections(), 50)
    const end = setTimeout(() => server.closeAllConnections(), grace)
    server.close(() => {
      clearInterval(idle)
      clearTimeout(end)
      resolve()
    })
    server.closeIdleConnections()
  })
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
