/** HTTP servers with bounds on slow clients. */
import type { Server } from 'node:http'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import { assertCount, assertText } from '../options.js'
import { boundConnections, type ConnectionBounds } from './connections.js'

/** Where a server listens, and how many may be connected. */
export type ListenAddress = ConnectionBounds & {
  /** @default '127.0.0.1' */
  host?: string | undefined
  /** @default 0, any free one */
  port?: number | undefined
}

/** What takes connections over that leave HTTP. */
export type UpgradeServer = {
  attach(server: Server): void
  /** Ends those connections: a server does not close before. */
  close(): void
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

/**
 * Listens. Slow clients are cut: 5 s for the headers, 15 s for a whole request, 65 s until the next one, which
 * is more than the 60 s that proxies take.
 *
 * @throws {MissingPeerError} when the optional peer `@hono/node-server` is not installed.
 * @throws {InvalidInputError} where the address cannot be had, and for bounds that are none.
 */
export async function serve(
  app: { fetch: (request: Request) => Response | Promise<Response> },
  address: ListenAddress,
  upgrades?: UpgradeServer | undefined,
): Promise<RoleServer> {
  const { host = '127.0.0.1', port = 0 } = address
  assertText('host', host)
  assertCount('port', port, { least: 0, most: 65_535 })
  const { createAdaptorServer } = await loadServer()
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
  boundConnections(server, address)
  upgrades?.attach(server)
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
  return {
    url: `http://${name}:${actual}`,
    close: (grace = 10_000) => {
      upgrades?.close()
      return closeServer(server, grace)
    },
  }
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

async function loadServer(): Promise<typeof import('@hono/node-server')> {
  try {
    return await import('@hono/node-server')
  } catch (cause) {
    throw new MissingPeerError(
      { peer: '@hono/node-server', needed: 'A server of a role' },
      { cause },
    )
  }
}
