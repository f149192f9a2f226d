/**
 * A queue in Postgres, through `kysely`: a server's, which several control planes share, or one in this
 * process. Jobs are leased under `FOR UPDATE SKIP LOCKED`, and time is the database's.
 */
import type { Kysely, sql as Sql } from 'kysely'
import {
  connectPglite,
  connectPostgres,
  openDatabase,
  type SqlConnections,
} from '../../internal/node/postgres.js'
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'
import {
  assertJob,
  assertRoom,
  boundNames,
  boundsOf,
  type JobQueue,
  type JobState,
  MAX_TRIES,
  noCounts,
  OTHERS_FIRST,
  type StoredJob,
} from '../queue/jobQueue.js'
import type { QueueOptions } from '../queue/memoryQueue.js'

type JobRow = {
  id: string
  payload: string
  state: JobState
  tries: number | string
  result: string | null
  settled: boolean
}
type Tables = { newton_build_job: JobRow }

/**
 * Opens a queue on a Postgres server. Several control planes may share it.
 *
 * @param parameters.url - Such as `postgres://user:password@host:5432/newton`. It is in no error.
 * @throws {MissingPeerError} when the optional peers `kysely` and `pg` are not installed.
 * @example
 * ```ts
 * import { postgresQueue } from '@newton/policy-sdk/provenance/node'
 *
 * const queue = await postgresQueue({ url: process.env.NEWTON_DATABASE_URL })
 * ```
 */
export async function postgresQueue(
  parameters: QueueOptions & {
    url: string
    /** Most connections at a time. @default 10 */
    connections?: number | undefined
    /** Told of connections that fail while nobody uses them; they are opened anew. */
    onError?: ((error: Error) => void) | undefined
  },
): Promise<JobQueue> {
  assertKnown('parameters', parameters, [...options, 'url', 'connections', 'onError'])
  return openSqlQueue(parameters, () => connectPostgres({ ...parameters, needed }))
}

/**
 * Opens a queue in a directory of this process: Postgres compiled to WebAssembly, in a worker thread.
 *
 * @throws {MissingPeerError} when the optional peers `kysely`, `@electric-sql/pglite` and
 * `fs-native-extensions` are not installed.
 * @throws {DirectoryLockedError} where another process has the directory.
 * @example
 * ```ts
 * import { pgliteQueue } from '@newton/policy-sdk/provenance/node'
 *
 * const queue = await pgliteQueue({ directory: '/var/lib/newton/provenance' })
 * ```
 */
export async function pgliteQueue(
  parameters: QueueOptions & {
    directory: string
    /** Told when the database has ended by itself. */
    onError?: ((error: Error) => void) | undefined
  },
): Promise<JobQueue> {
  assertKnown('parameters', parameters, [...options, 'directory', 'onError'])
  return openSqlQueue(parameters, () => connectPglite({ ...parameters, role: 'control plane' }))
}

const needed = 'A queue in Postgres'
const options = ['backoff', ...boundNames]

/** Opens a queue; the table is made where it is missing. */
export async function openSqlQueue(
  { backoff = 1_000, ...more }: QueueOptions,
  connect: () => Promise<SqlConnections>,
): Promise<JobQueue> {
  assertCount('backoff', backoff, { least: 0 })
  const bounds = boundsOf(more)
  const { db, sql, close } = await openDatabase<Tables>(await connect(), { migrate, needed })
  const put = putter(db, { sql, bounds })
  return { put, ...leases(db, { sql, backoff, bounds }), ...records(db, sql), close }
}

async function migrate(db: Kysely<Tables>, sql: typeof Sql): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // Control planes that start at once make the table one after another.
    await sql`select pg_advisory_xact_lock(724901338)`.execute(tx)
    await sql`create table if not exists newton_build_job (
      place bigint generated always as identity, id text primary key, payload text not null,
      priority integer not null, state text not null, tries integer not null,
      not_before timestamptz not null, lease_id text unique, lease_end timestamptz, worker text,
      result text, settled boolean not null
    )`.execute(tx)
    // Tables of before do not know whom a job is not for, and who settles it.
    await sql`alter table newton_build_job add column if not exists not_to jsonb,
      add column if not exists not_yet jsonb, add column if not exists not_yet_end timestamptz,
      add column if not exists reserved_end timestamptz`.execute(tx)
    // Nor whose they are: they go first, in their old order.
    await sql`alter table newton_build_job add column if not exists requester text,
      add column if not exists turn bigint not null default 0`.execute(tx)
    // Nor who lost them, and for whom they are reserved.
    await sql`alter table newton_build_job add column if not exists lost jsonb,
      add column if not exists lost_end timestamptz,
      add column if not exists lease_last timestamptz,
      add column if not exists reserved_by text unique`.execute(tx)
    await sql`create index if not exists newton_build_job_leased
      on newton_build_job (worker) where state = 'leased'`.execute(tx)
    await sql`drop index if exists newton_build_job_next`.execute(tx)
    await sql`create index if not exists newton_build_job_turn
      on newton_build_job (priority, turn, place) where state in ('queued', 'leased')`.execute(tx)
    await sql`create index if not exists newton_build_job_served
      on newton_build_job (priority, turn) where tries > 0`.execute(tx)
    await sql`create index if not exists newton_build_job_unsettled
      on newton_build_job (place) where not settled and state in ('done', 'failed', 'poisoned')`.execute(
      tx,
    )
  })
}

/**
 * Puts jobs: the turn is found in the statement that puts it. Two at once may get the same turn, and of
 * several at once each may be the last that there is room for.
 */
function putter(
  db: Kysely<Tables>,
  { sql, bounds }: { sql: typeof Sql; bounds: ReturnType<typeof boundsOf> },
): JobQueue['put'] {
  return async (job) => {
    assertJob(job)
    const { id, payload, priority = 0, requester = null } = job
    const isOwn = sql`requester is not distinct from ${requester}::text`
    const { rows } = await sql<{ waiting: string; own: string; isnew: boolean | null }>`
      with line as (
        select count(*) filter (where state = 'queued') as waiting,
          count(*) filter (where state = 'queued' and ${isOwn}) as own,
          max(turn) filter (where priority = ${priority} and ${isOwn}) as last
        from newton_build_job where state in ('queued', 'leased')
      ), served as (
        select max(turn) as last from newton_build_job where priority = ${priority} and tries > 0
      ), made as (
        insert into newton_build_job
          (id, payload, priority, requester, turn, state, tries, not_before, settled)
        select ${id}, ${payload}, ${priority}::integer, ${requester}::text,
          1 + greatest(line.last, served.last, 0), 'queued', 0, clock_timestamp(), false
        from line, served
        where (waiting < ${bounds.waiting} and own < ${bounds.waitingOfOne})
          or exists (select 1 from newton_build_job where id = ${id})
        on conflict (id) do update set turn = excluded.turn, requester = excluded.requester
          where newton_build_job.state = 'queued' and newton_build_job.tries = 0
            and excluded.turn < newton_build_job.turn
        returning xmax = 0 as isnew
      )
      select waiting, own, isnew from line left join made on true`.execute(db)
    const { waiting, own, isnew } = rows[0] as (typeof rows)[number]
    if (isnew !== null) return isnew
    const { rows: known } = await sql`
      select id from newton_build_job where id = ${id}`.execute(db)
    if (known.length === 0) assertRoom({ all: Number(waiting), own: Number(own) }, bounds)
    return false
  }
}

function leases(
  db: Kysely<Tables>,
  given: { sql: typeof Sql; backoff: number; bounds: ReturnType<typeof boundsOf> },
): Pick<JobQueue, 'lease' | 'renew' | 'finish' | 'find'> {
  const { sql, backoff, bounds } = given
  const after = (milliseconds: number) =>
    sql`clock_timestamp() + ${milliseconds}::double precision * interval '1 millisecond'`
  const isCurrent = (leaseId: string) =>
    sql`lease_id = ${leaseId} and state = 'leased' and lease_end > clock_timestamp()`
  /** Takes back leases that ran out: `isPoisoned` as the database says it. */
  const lose = () =>
    sql`
    with over as (
      select id, case when worker is null or coalesce(jsonb_exists(lost, worker), false)
        then lost else coalesce(lost, '[]'::jsonb) || jsonb_build_array(worker) end as by_whom
      from newton_build_job where state = 'leased' and lease_end <= clock_timestamp()
      for update skip locked
    )
    update newton_build_job set lease_id = null, lost = by_whom,
      lost_end = case when worker is null then lost_end else ${after(OTHERS_FIRST * backoff)} end,
      state = case when tries >= ${MAX_TRIES} and (worker is null or tries >= ${2 * MAX_TRIES}
        or jsonb_array_length(by_whom) > 1) then 'poisoned' else 'queued' end
    from over where newton_build_job.id = over.id`.execute(db)
  return {
    lease: async (milliseconds, { worker } = {}) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      await lose()
      const leaseId = crypto.randomUUID()
      const who = sql`${worker ?? null}::text`
      // Of several at once each may be the last that a worker may have.
      const { rows } = await sql<JobRow>`
        with next as (
          select id from newton_build_job
          where state = 'queued' and not_before <= clock_timestamp()
            and not coalesce(jsonb_exists(not_to, ${who}) and not_before > clock_timestamp()
              - ${bounds.notToTime}::double precision * interval '1 millisecond', false)
            and not coalesce(not_yet_end > clock_timestamp() and jsonb_exists(not_yet, ${who}), false)
            and not coalesce(lost_end > clock_timestamp() and jsonb_exists(lost, ${who}), false)
            and (select count(*) from newton_build_job
              where state = 'leased' and worker = ${who}) < ${bounds.leasesOfOne}
          order by priority, turn, place limit 1 for update skip locked
        )
        update newton_build_job set state = 'leased', tries = tries + 1, lease_id = ${leaseId},
          lease_end = least(${after(milliseconds)}, ${after(bounds.leaseTime)}),
          lease_last = ${after(bounds.leaseTime)}, worker = ${who}
        from next where newton_build_job.id = next.id returning newton_build_job.*`.execute(db)
      const [row] = rows
      return row && { job: read(row), leaseId }
    },
    renew: async (leaseId, milliseconds, { worker = null } = {}) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const { rows } = await sql`update newton_build_job
        set lease_end = least(${after(milliseconds)}, lease_last)
        where ${isCurrent(leaseId)} and coalesce(worker = ${worker}::text, ${worker}::text is null)
        returning id`.execute(db)
      return rows.length === 1
    },
    finish: async (leaseId, ended) => {
      const { status, result } = ended
      const { notTo, notYet } = ended.status === 'retry' ? ended : {}
      const [never, later] = [notTo, notYet?.workers].map((it) => (it ? JSON.stringify(it) : null))
      const { rows } = await sql`update newton_build_job set
          state = case when ${status === 'done'}::boolean then 'done'
            when tries >= ${MAX_TRIES} then 'failed' else 'queued' end,
          result = ${result}, lease_id = null, not_to = ${never}::jsonb,
          not_yet = ${later}::jsonb, not_yet_end = ${after(notYet?.milliseconds ?? 0)}, not_before = clock_timestamp()
            + ${backoff}::double precision * power(2, greatest(0, tries - 1)) * interval '1 millisecond'
        where ${isCurrent(leaseId)} returning id`.execute(db)
      return rows.length === 1
    },
    find: async (leaseId) => {
      const { rows } = await sql<JobRow>`
        select * from newton_build_job where ${isCurrent(leaseId)}`.execute(db)
      return rows[0] && read(rows[0])
    },
  }
}

function records(
  db: Kysely<Tables>,
  sql: typeof Sql,
): Pick<
  JobQueue,
  'get' | 'unsettled' | 'reserve' | 'keep' | 'release' | 'settle' | 'requeue' | 'counts'
> {
  const isOver = sql`state in ('done', 'failed', 'poisoned')`
  const isReserved = (reservation: string) =>
    sql`reserved_by = ${reservation} and not settled and ${isOver}`
  return {
    get: async (id) => {
      const row = await db
        .selectFrom('newton_build_job')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && read(row)
    },
    unsettled: async (limit) => {
      assertCount('limit', limit)
      const { rows } = await sql<JobRow>`select * from newton_build_job
        where not settled and ${isOver} and coalesce(reserved_end <= clock_timestamp(), true)
        order by reserved_end nulls first, place limit ${limit}`.execute(db)
      return rows.map(read)
    },
    reserve: async (id, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const reservation = crypto.randomUUID()
      const { rows } = await sql`update newton_build_job set reserved_by = ${reservation},
          reserved_end = clock_timestamp()
            + ${milliseconds}::double precision * interval '1 millisecond'
        where id = ${id} and not settled and ${isOver}
          and coalesce(reserved_end <= clock_timestamp(), true) returning id`.execute(db)
      return rows.length === 1 ? reservation : undefined
    },
    keep: async (reservation, milliseconds) => {
      assertCount('milliseconds', milliseconds, { most: MAX_TIMER })
      const { rows } = await sql`update newton_build_job set reserved_end = clock_timestamp()
          + ${milliseconds}::double precision * interval '1 millisecond'
        where ${isReserved(reservation)} returning id`.execute(db)
      return rows.length === 1
    },
    release: async (reservation) => {
      await sql`update newton_build_job set reserved_by = null, reserved_end = clock_timestamp()
        where ${isReserved(reservation)}`.execute(db)
    },
    settle: async (reservation) => {
      const { rows } = await sql`update newton_build_job set settled = true
        where ${isReserved(reservation)} returning id`.execute(db)
      return rows.length === 1
    },
    requeue: async (id) => {
      const { rows } = await sql`update newton_build_job set state = 'queued', tries = 0,
        settled = false, result = null, not_to = null, not_yet = null, lost = null, lost_end = null,
        reserved_end = null, reserved_by = null, not_before = clock_timestamp()
        where id = ${id} and ${isOver} returning id`.execute(db)
      return rows.length === 1
    },
    counts: async () => {
      const { rows } = await sql<{ state: JobState; jobs: string }>`
        select state, count(*) as jobs from newton_build_job group by state`.execute(db)
      const counts = noCounts()
      for (const { state, jobs } of rows) counts[state] = Number(jobs)
      return counts
    },
  }
}

function read({ id, payload, state, tries, settled, result }: JobRow): StoredJob {
  return {
    id,
    payload,
    state,
    tries: Number(tries),
    settled,
    ...(result === null ? {} : { result }),
  }
}
