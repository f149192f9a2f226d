/** A gateway's HTTP server, which browsers may call from any origin. */
import type { Hono } from 'hono'
import { assertCount, assertFlag, MAX_TIMER } from '../../internal/options.js'
import type { Subscriptions } from '../gateway/live/subscriptions.js'
import type { GatewayRpc } from '../gateway/methods.js'
import {
  answerCall,
  createApp,
  type HealthRoutes,
  type ListenAddress,
  type RoleServer,
  serve,
} from './http.js'
import { openSockets } from './live/sockets.js'

/** What a gateway's server offers. */
export type GatewayRoutes = HealthRoutes & {
  gateway: { readonly rpc: GatewayRpc; readonly subscriptions?: Subscriptions | undefined }
  /** Milliseconds in which the body of a request has to be there; 408 afterwards. @default 15000 */
  bodyTimeout?: number | undefined
}

/**
 * Makes the routes as a `hono` app, to be mounted in a server of one's own.
 *
 * @throws {MissingPeerError} when the optional peer `hono` is not installed.
 */
export async function gatewayApp(routes: GatewayRoutes): Promise<Hono> {
  const { rpc } = routes.gateway
  const app = await createApp(routes)
  // A key travels in a header that the page sets itself, never in a cookie: any origin may ask.
  const open = { 'access-control-allow-origin': '*' }
  app.options('/rpc', () => {
    const headers = {
      ...open,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': '86400',
    }
    return new Response(null, { status: 204, headers })
  })
  app.post('/rpc', async (context) => {
    const answer = await answerCall(context, rpc, routes.bodyTimeout)
    for (const [name, value] of Object.entries(open)) answer.headers.set(name, value)
    answer.headers.set('access-control-expose-headers', 'retry-after')
    return answer
  })
  return app
}

/** Options of {@link listenGateway}. */
export type ListenGatewayOptions = GatewayRoutes &
  ListenAddress & {
    /** Whether callers may stay connected on `/ws`, which needs the peer `ws`. @default true */
    sockets?: boolean | undefined
    /** Milliseconds between two heartbeats of such a connection. @default 20_000 */
    heartbeat?: number | undefined
  }

/**
 * Listens. Slow clients are cut as {@link listenOperator} does. Updates of tasks are told on `/ws`.
 *
 * @throws {MissingPeerError} when the optional peers `hono`, `@hono/node-server` and `ws` are not installed.
 * @throws {InvalidInputError} where the address cannot be had.
 * @example
 * ```ts
 * import { listenGateway } from '@newton/policy-sdk/operator/node'
 *
 * const server = await listenGateway({ gateway, port: 8600 })
 * await server.close()
 * ```
 */
export async function listenGateway(options: ListenGatewayOptions): Promise<RoleServer> {
  const { gateway, sockets = true, heartbeat = 20_000 } = options
  assertFlag('sockets', sockets)
  assertCount('heartbeat', heartbeat, { most: MAX_TIMER })
  const app = await gatewayApp(options)
  const { subscriptions } = gateway
  if (!sockets || subscriptions === undefined) return serve(app, options)
  return serve(app, options, await openSockets(subscriptions, { heartbeat }))
}
