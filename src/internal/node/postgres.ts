/** Tables in Postgres through `kysely`: on a server, or compiled to WebAssembly in a directory of this process. */
import type { Kysely, PostgresPool, sql as Sql } from 'kysely'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import { lockDirectory } from './lock.js'
import { openPglitePool } from './pglite.js'

/** Connections, and what is given back when they are closed. */
export type SqlConnections = { pool: PostgresPool; release: () => Promise<void> }

/** A database whose tables are there. `close` ends the connections and gives back what they held. */
export type Database<tables> = { db: Kysely<tables>; sql: typeof Sql; close: () => Promise<void> }

/**
 * Connections to a server.
 *
 * @param parameters.url - Such as `postgres://user:password@host:5432/newton`. It is in no error.
 * @param parameters.connections - Most connections at a time. @default 10
 * @throws {MissingPeerError} when the optional peer `pg` is not installed.
 */
export async function connectPostgres(parameters: {
  url: string
  connections?: number | undefined
  /** Told of connections that fail while nobody uses them; they are opened anew. */
  onError?: ((error: Error) => void) | undefined
  /** What cannot be had without the optional peer. */
  needed: string
}): Promise<SqlConnections> {
  const { url, connections = 10, onError = () => undefined, needed } = parameters
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new InvalidInputError({ field: 'url', reason: 'expected postgres://…' })
  }
  const pg = await load(() => import('pg'), { peer: 'pg', needed })
  const pool = new pg.default.Pool({
    connectionString: url,
    max: connections,
    // Who cannot reach the server says so soon; a client would rather ask another one.
    connectionTimeoutMillis: 5_000,
  })
  // Without a listener, a connection that fails in the pool ends the process.
  pool.on('error', onError)
  return { pool, release: async () => undefined }
}

/**
 * Connections to the database of a directory, which belongs to this process until they are released.
 *
 * @throws {MissingPeerError} when an optional peer is not installed.
 * @throws {DirectoryLockedError} where another process has the directory.
 */
export async function connectPglite(parameters: {
  directory: string
  role: string
  /** Told when the database has ended by itself. */
  onError?: ((error: Error) => void) | undefined
}): Promise<SqlConnections> {
  const { directory, role, onError } = parameters
  const lock = await lockDirectory({ directory, role })
  try {
    return { pool: await openPglitePool({ directory, onError }), release: lock.release }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Opens a database over connections, with its tables made; what fails gives the connections back. */
export async function openDatabase<tables>(
  { pool, release }: SqlConnections,
  parameters: {
    migrate: (db: Kysely<tables>, sql: typeof Sql) => Promise<void>
    needed: string
  },
): Promise<Database<tables>> {
  const { migrate, needed } = parameters
  let close = release
  try {
    const kysely = await load(() => import('kysely'), { peer: 'kysely', needed })
    const { Kysely, PostgresDialect, sql } = kysely
    const db = new Kysely<tables>({ dialect: new PostgresDialect({ pool }) })
    close = async () => {
      await db.destroy()
      await release()
    }
    await migrate(db, sql)
    return { db, sql, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function load<module>(
  work: () => Promise<module>,
  missing: { peer: string; needed: string },
): Promise<module> {
  try {
    return await work()
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    throw new MissingPeerError(missing, { cause })
  }
}
