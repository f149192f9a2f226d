/**
 * PGlite in a worker thread, as a pool of one connection: a query of a second would stop this thread
 * for as long.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { MissingPeerError } from '../../errors/common.js'
import { createUpkeep, type Upkeep } from './pgliteUpkeep.js'

/** What `kysely` asks of a connection. */
type QueryResult = {
  command: 'UPDATE' | 'DELETE' | 'INSERT' | 'SELECT' | 'MERGE'
  rowCount: number
  // biome-ignore lint/suspicious/noExplicitAny: kysely's own interface says so.
  rows: any[]
}
type Answer = { id: number; result?: QueryResult; error?: { message: string; code?: string } }

const source = `
const { parentPort, workerData } = require('node:worker_threads')
const tell = (message) => parentPort.postMessage(message)
const open = async () => {
  const { PGlite } = await import(workerData.module)
  return PGlite.create(workerData.directory)
}
open().then((db) => {
  tell({ id: 0 })
  parentPort.on('message', async ({ id, sql, parameters, end }) => {
    try {
      if (end) {
        await db.close()
        tell({ id })
        return
      }
      const { rows, command, affectedRows } = await db.query(sql, parameters)
      tell({ id, result: { rows, command, rowCount: affectedRows } })
    } catch (error) {
      tell({ id, error: { message: String(error.message), code: error.code } })
    }
  })
}, (error) => tell({ id: 0, error: { message: String(error.message) } }))
`

/** Opens the database of a directory, which has to be locked. */
export async function openPglitePool(parameters: {
  directory: string
  onError?: ((error: Error) => void) | undefined
  upkeep?: Upkeep | undefined
}): Promise<PostgresPool> {
  const worker = new Worker(source, {
    eval: true,
    workerData: { module: peerUrl(), directory: join(parameters.directory, 'postgres') },
  })
  const waiting = new Map<
    number,
    { resolve: (value: never) => void; reject: (e: unknown) => void }
  >()
  let dead: Error | undefined
  let count = 0
  const wait = (id: number): Promise<QueryResult> =>
    new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
  const die = (error: Error): void => {
    if (dead !== undefined) return
    dead = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    parameters.onError?.(error)
  }
  worker.on('message', ({ id, result, error }: Answer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(result as never)
    else asked?.reject(Object.assign(new TypeError(error.message), { code: error.code }))
  })
  worker.on('error', die)
  worker.on('exit', () => die(new TypeError('the database of this process has ended')))
  const opened = wait(0)
  const ask = (message: object): Promise<QueryResult> => {
    if (dead !== undefined) return Promise.reject(dead)
    const id = ++count
    worker.postMessage({ id, ...message })
    return wait(id)
  }
  try {
    await opened
  } catch (error) {
    await worker.terminate()
    throw error
  }

  const upkeep = createUpkeep(parameters.upkeep)
  const looked = (sql: string) => ask({ sql, parameters: [] })
  // One connection: who comes second waits until the first has given it back.
  let free: Promise<void> = Promise.resolve()
  const connect = async (): Promise<PostgresPoolClient> => {
    const before = free
    let release = (): void => undefined
    free = new Promise((resolve) => {
      release = resolve
    })
    await before
    const query = (sql: string, values: readonly unknown[]): Promise<QueryResult> => {
      upkeep.count()
      return ask({ sql, parameters: [...values] })
    }
    return {
      query: query as PostgresPoolClient['query'],
      // Between two that use it no transaction is open.
      release: () => void upkeep.look(looked).then(release),
    }
  }
  return {
    connect,
    async end() {
      const connection = await connect()
      await ask({ end: true }).catch(() => undefined)
      dead ??= new TypeError('the store is closed')
      await worker.terminate()
      connection.release()
    },
  }
}

function peerUrl(): string {
  try {
    return import.meta.resolve('@electric-sql/pglite')
  } catch (cause) {
    throw new MissingPeerError(
      { peer: '@electric-sql/pglite', needed: 'A store in a directory' },
      { cause },
    )
  }
}
