/** The operator's HTTP server: `hono` for the routes, its Node server for the sockets. */
import type { Hono } from 'hono'
import { rangedResponse, readRequestBody } from '../../internal/boundedBody.js'
import { PIECE } from '../commits/ranges.js'
import { type ArtifactIntake, intakeOutcomes } from '../roles/intake.js'
import type { OperatorRpc } from '../rpc/server.js'
import {
  answerCall,
  createApp,
  type HealthRoutes,
  type ListenAddress,
  type RoleServer,
  serve,
  unfinished,
} from './http.js'

/** What a server offers beside its calls. */
export type OperatorRoutes = HealthRoutes & {
  rpc: OperatorRpc
  /** Bytes of a delta that this operator keeps, for peers: at most 1 MiB an answer, more by ranges. */
  delta?: ((hash: `0x${string}`) => Promise<Uint8Array | undefined>) | undefined
  /** Text of this operator's identity, such as `createIdentity` makes. Left out: it proves itself to nobody. */
  identity?: ((io: { signal: AbortSignal }) => Promise<string>) | undefined
  /** Takes artifacts that anybody hands in. Left out: none are taken. */
  intake?: ArtifactIntake | undefined
  /** Milliseconds in which the body of a request has to be there; 408 afterwards. @default 15000 */
  bodyTimeout?: number | undefined
}

/** Options of {@link listenOperator}. */
export type ListenOptions = OperatorRoutes & ListenAddress

/** An operator's server. */
export type OperatorServer = RoleServer

/**
 * Makes the routes as a `hono` app, to be mounted in a server of one's own.
 *
 * @throws {MissingPeerError} when the optional peer `hono` is not installed.
 */
export async function operatorApp(routes: OperatorRoutes): Promise<Hono> {
  const { rpc, delta, identity, intake, bodyTimeout } = routes
  const app = await createApp(routes)
  app.post('/rpc', (context) => answerCall(context, rpc, bodyTimeout))
  app.get('/deltas/:hash', async (context) => {
    const hash = context.req.param('hash')
    if (!/^0x[0-9a-f]{64}$/.test(hash)) return context.text('no hash', 400)
    const bytes = await delta?.(hash as `0x${string}`)
    if (bytes === undefined) return context.text('not here', 404)
    return rangedResponse(bytes, context.req.header('range'), { most: PIECE })
  })
  if (identity !== undefined) {
    app.get('/identity', async (context) => {
      const text = await identity({ signal: context.req.raw.signal })
      return context.body(text, 200, { 'content-type': 'application/json' })
    })
  }
  if (intake !== undefined) {
    app.put('/artifacts/:namespace/:hash', async (context) => {
      const { raw } = context.req
      let ended: 'late' | 'gone' | undefined
      const outcome = await intake.take(context.req.param(), async (maxBytes) => {
        // What says that it is too long is not read.
        if (Number(context.req.header('content-length') ?? 0) > maxBytes) return undefined
        const body = await readRequestBody(raw, { limit: maxBytes, timeout: bodyTimeout })
        if (body.status === 'late' || body.status === 'gone') ended = body.status
        return body.status === 'read' ? body.bytes : undefined
      })
      if (ended !== undefined) return unfinished(context, ended)
      const status = intakeOutcomes[outcome]
      // Whoever answers success in between does not name what was hashed here.
      const said = status < 300 ? `${outcome} ${context.req.param('hash')}` : outcome
      return context.text(said, status)
    })
  }
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
  return serve(await operatorApp(options), options)
}
