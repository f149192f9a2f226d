/**
 * A backend of one's own: artifacts in a table of a SQL database. What is the same for every backend
 * (deadlines, events, the check of the hash) comes from `createDaAdapter`; what is left is this file.
 */
import type { DaClient } from '@newton/policy-sdk'
import {
  createDaAdapter,
  type DaHooks,
  DaNotFoundError,
  DaPayloadTooLargeError,
  DaUnavailableError,
} from '@newton/policy-sdk/da'

/** The part of a database that is used: `pg`, `better-sqlite3` and `pglite` fit with a line each. */
export type Database = {
  query(
    text: string,
    values: readonly unknown[],
    options: { signal: AbortSignal },
  ): Promise<{ rows: readonly { bytes: Uint8Array }[] }>
}

const maxBytes = 64 * 1024 * 1024

/** Keeps artifacts in the table `artifacts (hash text primary key, bytes bytea)`. */
export function sqlDa(database: Database, hooks: DaHooks = {}): DaClient {
  const source = 'sql'
  const query = async (text: string, values: readonly unknown[], signal: AbortSignal) => {
    try {
      return (await database.query(text, values, { signal })).rows
    } catch (cause) {
      // The caller's own abort goes out as it is; everything else may work later.
      signal.throwIfAborted()
      throw new DaUnavailableError({ source, reason: 'the query failed' }, { cause })
    }
  }
  return createDaAdapter(
    {
      kind: source,
      retention: { kind: 'permanent' },
      supports: ({ kind }) => kind === 'keccakStore',
      async put(bytes, { hash, signal }) {
        if (bytes.length > maxBytes) {
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        }
        const text = 'insert into artifacts values ($1, $2) on conflict do nothing'
        await query(text, [hash, bytes], signal)
        return { locator: { kind: 'keccakStore', name: source }, checks: ['keccak256'] }
      },
      async read(_locator, { artifactHash, signal }) {
        const text = 'select bytes from artifacts where hash = $1'
        const [row] = await query(text, [artifactHash ?? ''], signal)
        if (row === undefined)
          throw new DaNotFoundError({ source, what: `artifact ${artifactHash}` })
        return Uint8Array.from(row.bytes)
      },
      async head(_locator, { artifactHash, signal }) {
        const text = 'select bytes from artifacts where hash = $1'
        const [row] = await query(text, [artifactHash ?? ''], signal)
        if (row === undefined) return { status: 'missing' }
        return { status: 'available', byteLength: row.bytes.length }
      },
    },
    hooks,
  )
}
