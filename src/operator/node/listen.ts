/** The operator's HTTP server: `hono` for the routes, its Node server for the sockets. */
import type { Server } from 'node:http'
import type { Hono } from 'hono'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import type { OperatorRpc } from '../rpc/server.js'

/** What a server offers beside its calls. */
export type OperatorRoutes = {
  rpc: OperatorRpc
  /** Whether this process can do its work, with what it lacks. `/readyz` is 503 where it lacks something. */
  ready?: (() => Promise<readonly string[]> | readonly string[]) | undefined
  /** Text of `/metrics`, in the format of Prometheus. */
  metrics?: (() => Promise<string> | string) | undefined
  /** Bytes of a delta that this operator keeps, for peers. */
  delta?: ((hash: `0x${string}`) => Promise<Uint8Array | undefined>) | undefined
}

/** Options of {@link listenOperator}. */
export type ListenOptions = OperatorRoutes & {
  /** @default '127.0.0.1' */
  host?: string | undefined
  /** @default 0, any free one */
  port?: number | undefined
}

/** A server that listens. */
export type OperatorServer = {
  /** Such as `http://127.0.0.1:8700`. Calls go to `/rpc`. */
  readonly url: string
  /**
   * Takes no new connection, waits for the calls that run, at most `grace` milliseconds.
   *
   * @default grace 10_000
   */
  close(grace?: number): Promise<void>
}

/**
 * Makes the routes as a `hono` app, to be mounted in a server of one's own.
 *
 * @throws {MissingPeerError} when the optional peer `hono` is not installed.
 */
export async function operatorApp(routes: OperatorRoutes): Promise<Hono> {
  const { Hono } = await load(() => import('hono'), 'hono')
  const { rpc, ready, metrics, delta } = routes
  const app = new Hono()
  app.post('/rpc', async (context) => {
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
  })
  app.get('/healthz', (context) => context.text('ok'))
  app.get('/readyz', async (context) => {
    const lacks = (await ready?.()) ?? []
    return context.json({ ready: lacks.length === 0, lacks }, lacks.length === 0 ? 200 : 503)
  })
  app.get('/metrics', async (context) => context.text((await metrics?.()) ?? ''))
  app.get('/deltas/:hash', async (context) => {
    const hash = context.req.param('hash')
    if (!/^0x[0-9a-f]{64}$/.test(hash)) return context.text('no hash', 400)
    const bytes = await delta?.(hash as `0x${string}`)
    if (bytes === undefined) return context.text('not here', 404)
    return new Response(bytes.slice(), { headers: { 'content-type': 'application/octet-stream' } })
  })
  app.notFound((context) => context.text('not found', 404))
  // What goes wrong is said in a metric or a hook, never to a stranger.
  app.onError((_error, context) => context.text('it failed', 500))
  return app
}

/**
 * Listens.
 *
 * Slow clients are cut: 5 s for the headers, 15 s for a whole request.
 *
 * @throws {MissingPeerError} when the optional peers `hono` and `@hono/node-server` are not installed.
 * @throws {InvalidInputError} where the address cannot be had.
 * @example
 * ```ts
 * import { listenOperator } from '@newton/policy-sdk/operator/node'
 *
 * const server = await listenOperator({ rpc, port: 8700 })
 * await server.close()
 * ```
 */
export async function listenOperator(options: ListenOptions): Promise<OperatorServer> {
  const { host = '127.0.0.1', port = 0 } = options
  const app = await operatorApp(options)
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
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
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
    throw new MissingPeerError({ peer, needed: 'The operator server' }, { cause })
  }
}
