/** Where a gateway's tables lie: a Postgres server's, or one of this process in a directory. */
import type { Dialect, Kysely } from 'kysely'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import { lockDirectory } from '../../internal/node/lock.js'
import { openPglitePool } from '../../internal/node/pglite.js'
import type { GatewayStore } from '../gateway/store.js'
import { type GatewayTables, migrate, sqlGatewayStore } from './sqlStore.js'

/** The network that a store is of. */
export type StoreDomain = { chainId: bigint; policyRegistry: string }

/**
 * Opens a store on a Postgres server. Several gateways may share it.
 *
 * @param parameters.url - Such as `postgres://user:password@host:5432/newton`. It is in no error.
 * @param parameters.connections - Most connections at a time. @default 10
 * @throws {MissingPeerError} when the optional peers `kysely` and `pg` are not installed.
 * @throws {InvalidInputError} for a URL that is none, and for tables of another chain or registry.
 * @example
 * ```ts
 * import { postgresGatewayStore } from '@newton/policy-sdk/operator/node'
 *
 * const store = await postgresGatewayStore({ url: process.env.NEWTON_DATABASE_URL, chainId: 1n, policyRegistry })
 * ```
 */
export async function postgresGatewayStore(
  parameters: StoreDomain & {
    url: string
    connections?: number | undefined
    /** Told of connections that fail while nobody uses them; they are opened anew. */
    onError?: ((error: Error) => void) | undefined
  },
): Promise<GatewayStore> {
  const { url, connections = 10, onError = () => undefined } = parameters
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new InvalidInputError({ field: 'url', reason: 'expected postgres://…' })
  }
  const pg = await load(() => import('pg'), 'pg')
  const pool = new pg.default.Pool({
    connectionString: url,
    max: connections,
    // A gateway that cannot reach its server says so soon; a client would rather ask another one.
    connectionTimeoutMillis: 5_000,
  })
  // Without a listener, a connection that fails in the pool ends the process.
  pool.on('error', onError)
  return openStore(parameters, { pool, release: async () => undefined })
}

/**
 * Opens a store in a directory of this process: Postgres compiled to WebAssembly, in a worker thread.
 *
 * The directory belongs to one process. What was acknowledged survives the death of the process, and
 * not a loss of power: this Postgres does not sync. For that, and for a second gateway, use a server.
 *
 * @throws {MissingPeerError} when the optional peers `kysely`, `@electric-sql/pglite` and
 * `fs-native-extensions` are not installed.
 * @throws {DirectoryLockedError} where another process has the directory.
 * @throws {InvalidInputError} for tables of another chain or registry.
 * @example
 * ```ts
 * import { pgliteGatewayStore } from '@newton/policy-sdk/operator/node'
 *
 * const store = await pgliteGatewayStore({ directory: '/var/lib/newton/gateway', chainId: 1n, policyRegistry })
 * ```
 */
export async function pgliteGatewayStore(
  parameters: StoreDomain & {
    directory: string
    /** Told when the database has ended by itself: no task can be kept any more. */
    onError?: ((error: Error) => void) | undefined
  },
): Promise<GatewayStore> {
  const { directory, onError } = parameters
  const lock = await lockDirectory({ directory, role: 'gateway' })
  try {
    const pool = await openPglitePool({ directory, onError })
    return await openStore(parameters, { pool, release: lock.release })
  } catch (error) {
    await lock.release()
    throw error
  }
}

type Pool = ConstructorParameters<typeof import('kysely').PostgresDialect>[0]['pool']

async function openStore(
  { chainId, policyRegistry }: StoreDomain,
  { pool, release }: { pool: Pool; release: () => Promise<void> },
): Promise<GatewayStore> {
  const { Kysely, PostgresDialect, sql } = await load(() => import('kysely'), 'kysely')
  const dialect: Dialect = new PostgresDialect({ pool })
  const db: Kysely<GatewayTables> = new Kysely({ dialect })
  const close = async (): Promise<void> => {
    await db.destroy()
    await release()
  }
  try {
    await migrate(db, { sql, domain: `${chainId}:${policyRegistry.toLowerCase()}` })
  } catch (error) {
    await close()
    throw error
  }
  return sqlGatewayStore(db, { sql, close })
}

async function load<module>(work: () => Promise<module>, peer: string): Promise<module> {
  try {
    return await work()
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    throw new MissingPeerError({ peer, needed: 'A gateway’s store' }, { cause })
  }
}
