import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPglitePool } from '../../src/internal/node/pglite.js'
import { queueConformance } from '../../src/provenance/index.js'
import { pgliteQueue, postgresQueue } from '../../src/provenance/node/index.js'
import { openSqlQueue } from '../../src/provenance/node/sqlQueue.js'
import { postgresPrograms, startPostgres } from '../support/postgres.js'

const directory = mkdtempSync(join(tmpdir(), 'queue-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('pgliteQueue', () => {
  let pool: Awaited<ReturnType<typeof openPglitePool>>
  beforeAll(async () => {
    mkdirSync(join(directory, 'shared'))
    pool = await openPglitePool({ directory: join(directory, 'shared') })
  }, 240_000)
  afterAll(() => pool?.end())
  // To open a database takes seconds: the cases share one, and empty it.
  const open = async (options: { backoff: number }) => {
    const keep = { connect: () => pool.connect(), end: async () => undefined }
    const shared = { pool: keep, release: async () => undefined }
    const queue = await openSqlQueue(options, async () => shared)
    const connection = await pool.connect()
    await connection.query('delete from newton_build_job', [])
    connection.release()
    return queue
  }
  test.each(queueConformance(open))('$name', ({ run }) => run(), 60_000)

  test('behavior: a table of before has no turns, and goes on', async () => {
    const connection = await pool.connect()
    await connection.query('drop table newton_build_job', [])
    await connection.query(
      `create table newton_build_job (place bigint generated always as identity,
        id text primary key, payload text not null, priority integer not null, state text not null,
        tries integer not null, not_before timestamptz not null, lease_id text unique,
        lease_end timestamptz, worker text, result text, settled boolean not null)`,
      [],
    )
    const old =
      "(id, payload, priority, state, tries, not_before, settled) values ($1, '', 0, 'queued', 0, now(), false)"
    for (const id of ['old 1', 'old 2']) {
      await connection.query(`insert into newton_build_job ${old}`, [id])
    }
    connection.release()
    const keep = { connect: () => pool.connect(), end: async () => undefined }
    const shared = { pool: keep, release: async () => undefined }
    for (const round of [1, 2]) {
      const queue = await openSqlQueue({}, async () => shared)
      await queue.put({ id: `new ${round}`, payload: '', requester: 'a' })
      const ids = [await queue.lease(60_000), await queue.lease(60_000)].map((it) => it?.job.id)
      expect(ids).toEqual(round === 1 ? ['old 1', 'old 2'] : ['new 1', 'new 2'])
    }
  }, 60_000)

  test('behavior: what was acknowledged is there again, and the directory is one process’s', async () => {
    const at = join(directory, 'again')
    const queue = await pgliteQueue({ directory: at })
    await queue.put({ id: 'a', payload: 'p' })
    const lease = await queue.lease(60_000)
    await queue.finish(lease?.leaseId ?? '', { status: 'done', result: 'r' })
    await expect(pgliteQueue({ directory: at })).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
    await queue.close()
    const again = await pgliteQueue({ directory: at })
    expect(await again.get('a')).toMatchObject({ state: 'done', result: 'r' })
    await again.close()
  }, 240_000)
})

const skipped = postgresPrograms === undefined
if (skipped) {
  if (process.env['CI_REQUIRE_ALL'] === '1') throw new TypeError('postgres is not installed')
  console.log('skipped: postgres is not installed')
}

describe.skipIf(skipped)('postgresQueue', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  beforeAll(async () => {
    server = await startPostgres()
  }, 120_000)
  afterAll(() => server?.stop())

  const open = async (options: { backoff: number }) => {
    const pg = await import('pg')
    const client = new pg.default.Client({ connectionString: server.url })
    await client.connect()
    await client.query('drop table if exists newton_build_job')
    await client.end()
    return postgresQueue({ ...options, url: server.url })
  }
  test.each(queueConformance(open))('$name', ({ run }) => run(), 60_000)

  test('behavior: two control planes share it', async () => {
    const first = await open({ backoff: 1 })
    const second = await postgresQueue({ url: server.url })
    await first.put({ id: 'a', payload: '' })
    expect(await second.put({ id: 'a', payload: '' })).toBe(false)
    const leases = await Promise.all([first.lease(60_000), second.lease(60_000)])
    expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1)
    await Promise.all([first.close(), second.close()])
  }, 60_000)

  test('error: an address that is none is not shown', async () => {
    await expect(postgresQueue({ url: 'mysql://user:secret@host' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.not.stringContaining('secret'),
    })
  })
})
