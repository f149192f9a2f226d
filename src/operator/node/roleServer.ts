/** The HTTP server of a role that takes no calls: health, metrics, and what a bootnode serves. */
import { createApp, type HealthRoutes, type ListenAddress, type RoleServer, serve } from './http.js'

/** What the server of a role offers. */
export type RoleRoutes = HealthRoutes & {
  /** Answers all of `/v1/`, such as a replica's `fetch`. */
  fetch?: ((request: Request) => Promise<Response>) | undefined
}

/**
 * Listens.
 *
 * @throws {MissingPeerError} when the optional peers `hono` and `@hono/node-server` are not installed.
 * @throws {InvalidInputError} where the address cannot be had.
 * @example
 * ```ts
 * import { listenRole } from '@newton/policy-sdk/operator/node'
 *
 * const server = await listenRole({ metrics: node.metrics, ready: node.ready, port: 9_003 })
 * await server.close()
 * ```
 */
export async function listenRole(options: RoleRoutes & ListenAddress): Promise<RoleServer> {
  const { fetch } = options
  const app = await createApp(options)
  if (fetch !== undefined) app.all('/v1/*', (context) => fetch(context.req.raw))
  return serve(app, options)
}
