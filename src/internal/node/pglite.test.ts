/** A database inside this process: what a server's background processes do for it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openPglitePool } from './pglite.js'
import type { Upkeep } from './pgliteUpkeep.js'

vi.setConfig({ testTimeout: 120_000 })

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(upkeep?: Upkeep) {
  const directory = await mkdtemp(join(tmpdir(), 'newton-pglite-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  const pool = await openPglitePool({ directory, upkeep })
  closers.push(() => pool.end())
  const run = async (...statements: string[]): Promise<Record<string, unknown>> => {
    const connection = await pool.connect()
    let rows: Record<string, unknown>[] = []
    for (const sql of statements) {
      rows = (await connection.query<Record<string, unknown>>(sql, [])).rows
    }
    connection.release()
    return rows[0] ?? {}
  }
  await run(
    'create table held (id integer primary key, body text, times integer not null default 0)',
  )
  /** Rows come, change and go, as tasks do. */
  const turn = async (): Promise<void> => {
    await run(`insert into held select n, string_agg(md5(random()::text || m), '')
      from generate_series(1, 200) n, generate_series(1, 100) m group by n`)
    for (let nth = 0; nth < 3; nth++) await run('update held set times = times + 1')
    await run('begin', 'delete from held', 'commit')
  }
  const sizes = async (): Promise<{ table: number; log: number }> => {
    const { table, log } = await run(`select pg_total_relation_size('held')::float8 as table,
      pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::float8 as log from pg_control_checkpoint()`)
    return { table: table as number, log: log as number }
  }
  return { run, turn, sizes }
}

describe('openPglitePool', () => {
  test('behavior: room of rows that are gone is used again, and the log ends at a checkpoint', async () => {
    const logBytes = 1_048_576
    const { turn, sizes } = await open({ every: 8, logBytes })
    for (let nth = 0; nth < 4; nth++) await turn()
    const before = await sizes()
    for (let nth = 0; nth < 20; nth++) await turn()
    const after = await sizes()
    expect(after.table).toBeLessThan(2 * before.table)
    // What two looks lie apart may come on top.
    expect(after.log).toBeLessThan(8 * logBytes)
  })

  test('behavior: without a look both grow with all that ever was', async () => {
    const { turn, sizes } = await open({ every: Number.POSITIVE_INFINITY })
    for (let nth = 0; nth < 4; nth++) await turn()
    const before = await sizes()
    for (let nth = 0; nth < 20; nth++) await turn()
    const after = await sizes()
    expect(after.table).toBeGreaterThan(3 * before.table)
    expect(after.log).toBeGreaterThan(3 * before.log)
  })

  test('behavior: nobody is held up by a look that fails, and a transaction is never cut by one', async () => {
    const { run } = await open({ every: 1, logBytes: 0 })
    // A view of this name is what the look would read.
    await run('create schema broken', 'set search_path = broken, public, pg_catalog')
    await run(
      'create view broken.pg_stat_user_tables as select 1 / (random() * 0)::integer as n_dead_tup',
    )
    const held = await run(
      ...['begin', 'insert into public.held values (1, $$a$$)', 'update public.held set times = 2'],
      ...['commit', 'select times from public.held'],
    )
    expect(held).toEqual({ times: 2 })
  })
})
