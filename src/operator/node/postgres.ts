/** Where a gateway's tables lie: a Postgres server's, or one of this process in a directory. */

import { InvalidInputError } from '../../errors/common.js'
import {
  connectPglite,
  connectPostgres,
  openDatabase,
  type SqlConnections,
} from '../../internal/node/postgres.js'
import { assertCount, assertText } from '../../internal/options.js'
import type { GatewayStore } from '../gateway/store/store.js'
import { readGivenAddress } from '../rpc/given.js'
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
  const domain = domainOf(parameters)
  if (parameters.connections !== undefined) assertCount('connections', parameters.connections)
  return openStore(domain, await connectPostgres({ ...parameters, needed }))
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
  const domain = domainOf(parameters)
  assertText('directory', parameters.directory)
  const connections = await connectPglite({ ...parameters, role: 'gateway' })
  return openStore(domain, connections, true)
}

const needed = 'A gateway’s store'

/** What the tables are of. Looked at before anything is opened. */
function domainOf({ chainId, policyRegistry }: StoreDomain): string {
  if (typeof chainId !== 'bigint' || chainId < 0n) {
    throw new InvalidInputError({ field: 'chainId', reason: 'expected a bigint of 0 or more' })
  }
  return `${chainId}:${readGivenAddress('policyRegistry', policyRegistry)}`
}

async function openStore(
  domain: string,
  connections: SqlConnections,
  alone = false,
): Promise<GatewayStore> {
  const { db, ...rest } = await openDatabase<GatewayTables>(connections, {
    migrate: (tables, sql) => migrate(tables, { sql, domain }),
    needed,
  })
  return sqlGatewayStore(db, { ...rest, alone })
}
