/**
 * A gateway's store in Postgres, through `kysely`: a server's, which several gateways share, or one
 * in this process. A task is claimed under `FOR UPDATE SKIP LOCKED`, leases go by the database's clock,
 * and the primary key of responses makes a second answer to a task impossible.
 */
import type { Kysely, Selectable, sql as Sql } from 'kysely'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import {
  type GatewayStore,
  isEnded,
  type LeasedTask,
  type StoredCommitment,
  type StoredShare,
  type StoredTask,
  type TaskFailureRecord,
  type TaskState,
} from '../gateway/store/store.js'
import { toldStates } from '../gateway/store/webhooks.js'
import { makeWebhookTables, sqlWebhooks, tellOf } from './live/webhookTables.js'

type TaskRow = {
  task_id: string
  task: string
  caller: string
  request_id: string | null
  content_hash: string
  pcr0_commitment: string
  broadcast: boolean
  state: string
  failure: string | null
  /** Unix milliseconds; some drivers give text. */
  deadline: number | string
  created_at: number | string
  owner: string
  lease_until: unknown
  fence: number | string
  ended: boolean
}
type ShareRow = {
  task_id: string
  operator: string
  message_hash: string
  response: string
  signature: string
}

type CommitmentRow = {
  task_id: string
  operator: string
  name: string
  hashes: string
  signature: string
}

/** The tables. */
export type GatewayTables = {
  newton_store: { id: number; version: number; domain: string }
  newton_task: TaskRow
  newton_share: ShareRow
  newton_commitment: CommitmentRow
  newton_response: { task_id: string; message_hash: string; answer: string }
  newton_transaction: { task_id: string; hash: string }
}

const version = 1

/** Makes the tables where they are missing, and refuses those of another network. */
export async function migrate(
  db: Kysely<GatewayTables>,
  { sql, domain }: { sql: typeof Sql; domain: string },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // Gateways that start at once make the tables one after another.
    await sql`select pg_advisory_xact_lock(724901337)`.execute(tx)
    await sql`create table if not exists newton_store (
      id integer primary key check (id = 1), version integer not null, domain text not null
    )`.execute(tx)
    await tx
      .insertInto('newton_store')
      .values({ id: 1, version, domain })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const held = await tx.selectFrom('newton_store').selectAll().executeTakeFirstOrThrow()
    if (held.version !== version || held.domain !== domain) {
      throw new InvalidInputError({
        field: 'domain',
        reason: `the store is of ${held.domain}, version ${held.version}, not of ${domain}, version ${version}`,
        hint: 'Use a database of its own for each chain and registry.',
      })
    }
    await sql`create table if not exists newton_task (
      task_id text primary key, task text not null, caller text not null, request_id text,
      content_hash text not null, pcr0_commitment text not null, broadcast boolean not null,
      state text not null, failure text, deadline bigint not null, created_at bigint not null,
      owner text not null, lease_until timestamptz not null, fence bigint not null,
      ended boolean not null, unique (caller, request_id)
    )`.execute(tx)
    await sql`create index if not exists newton_task_free
      on newton_task (deadline) where not ended`.execute(tx)
    await sql`create table if not exists newton_share (
      task_id text not null, operator text not null, message_hash text not null,
      response text not null, signature text not null,
      primary key (task_id, operator, message_hash)
    )`.execute(tx)
    await sql`create table if not exists newton_commitment (
      task_id text not null, operator text not null, name text not null,
      hashes text not null, signature text not null, primary key (task_id, operator, name)
    )`.execute(tx)
    await sql`create table if not exists newton_response (
      task_id text primary key, message_hash text not null, answer text not null
    )`.execute(tx)
    await sql`create table if not exists newton_transaction (
      place bigint generated always as identity primary key,
      task_id text not null, hash text not null, unique (task_id, hash)
    )`.execute(tx)
    await makeWebhookTables(tx as never, sql)
  })
}

/** A store over tables that are there. */
export function sqlGatewayStore(
  db: Kysely<GatewayTables>,
  {
    sql,
    close,
    alone = false,
  }: {
    sql: typeof Sql
    close: () => Promise<void>
    /** Nobody else has a connection. */
    alone?: boolean | undefined
  },
): GatewayStore {
  const leaseEnd = (milliseconds: number) =>
    sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`
  return {
    ...taskParts(db, { sql, leaseEnd }),
    ...evidenceParts(db, { sql, alone }),
    ...answerParts(db, { sql }),
    webhooks: sqlWebhooks(db as never, { sql, leaseEnd }),
    close,
  }
}

function taskParts(
  db: Kysely<GatewayTables>,
  { sql, leaseEnd }: { sql: typeof Sql; leaseEnd: (milliseconds: number) => unknown },
): Pick<
  GatewayStore,
  | 'insert'
  | 'find'
  | 'states'
  | 'findRequest'
  | 'claim'
  | 'renew'
  | 'release'
  | 'advance'
  | 'count'
  | 'prune'
> {
  const find = async (taskId: Hex): Promise<StoredTask | undefined> => {
    const row = await db
      .selectFrom('newton_task')
      .selectAll()
      .where('task_id', '=', taskId)
      .executeTakeFirst()
    return row === undefined ? undefined : readTask(row)
  }
  const findRequest: GatewayStore['findRequest'] = async ({ caller, requestId }) => {
    const row = await db
      .selectFrom('newton_task')
      .selectAll()
      .where('caller', '=', caller)
      .where('request_id', '=', requestId)
      .executeTakeFirst()
    return row === undefined ? undefined : readTask(row)
  }
  return {
    find,
    findRequest,
    async states(taskIds) {
      if (taskIds.length === 0) return new Map()
      // One value, however many there are.
      const { rows } = await sql<Pick<TaskRow, 'task_id' | 'state'>>`
        select task_id, state from newton_task
        where task_id = any(${[...taskIds]}::text[])`.execute(db)
      return new Map(rows.map(({ task_id, state }) => [task_id as Hex, state as TaskState]))
    },
    async insert(task, { owner, lease }) {
      const made = await db
        .insertInto('newton_task')
        .values({ ...writeTask(task), owner, lease_until: leaseEnd(lease), fence: 1 } as never)
        .onConflict((conflict) => conflict.doNothing())
        .returning('task_id')
        .executeTakeFirst()
      if (made !== undefined) return { status: 'inserted', fence: 1 }
      const { caller, requestId } = task
      if (requestId !== undefined) {
        const again = await findRequest({ caller, requestId })
        if (again !== undefined) return { status: 'again', task: again }
      }
      return { status: 'taken' }
    },
    async claim({ owner, lease, limit }) {
      const { rows } = await sql<Selectable<TaskRow>>`
        with free as (
          select task_id from newton_task where not ended and lease_until < clock_timestamp()
          order by deadline limit ${limit} for update skip locked
        )
        update newton_task set owner = ${owner}, lease_until = ${leaseEnd(lease)}, fence = fence + 1
        from free where newton_task.task_id = free.task_id returning newton_task.*`.execute(db)
      return rows.map((row): LeasedTask => ({ ...readTask(row), fence: Number(row.fence) }))
    },
    async renew({ taskId, fence }, milliseconds) {
      const { numUpdatedRows } = await db
        .updateTable('newton_task')
        .set({ lease_until: leaseEnd(milliseconds) } as never)
        .where('task_id', '=', taskId)
        .where('fence', '=', fence)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },
    async release({ taskId, fence }) {
      await db
        .updateTable('newton_task')
        .set({ lease_until: sql`'-infinity'` } as never)
        .where('task_id', '=', taskId)
        .where('fence', '=', fence)
        .execute()
    },
    async advance({ taskId, fence }, { state, failure }) {
      const ended = sql`case when broadcast then ${isEnded({ state, broadcast: true })}::boolean
        else ${isEnded({ state, broadcast: false })}::boolean end`
      if (toldStates.has(state)) {
        const { rows } = await sql`with changed as (
            update newton_task
            set state = ${state}, failure = ${writeFailure(failure)}, ended = ${ended}
            where task_id = ${taskId} and fence = ${fence} and not ended
            returning task_id, caller
          ), told as (${tellOf({ state, fault: failure?.fault, changed: 'changed' }, sql)})
          select task_id from changed`.execute(db)
        return rows.length === 1
      }
      const { numUpdatedRows } = await db
        .updateTable('newton_task')
        .set({ state, failure: writeFailure(failure), ended } as never)
        .where('task_id', '=', taskId)
        .where('fence', '=', fence)
        .where('ended', '=', false)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },
    async count() {
      const rows = await db
        .selectFrom('newton_task')
        .select(({ fn }) => ['state', fn.countAll().as('tasks')])
        .groupBy('state')
        .execute()
      return Object.fromEntries(rows.map(({ state, tasks }) => [state, Number(tasks)]))
    },
    async prune({ before }) {
      await db.transaction().execute(async (tx) => {
        const gone = sql`select task_id from newton_task where ended and created_at < ${before}`
        await sql`delete from newton_transaction where task_id in (${gone})`.execute(tx)
        await sql`delete from newton_response where task_id in (${gone})`.execute(tx)
        await sql`delete from newton_delivery where task_id in (${gone})`.execute(tx)
        // Two different statements of one operator are evidence, and stay.
        for (const table of [sql.table('newton_share'), sql.table('newton_commitment')]) {
          await sql`delete from ${table} where task_id in (${gone}) and task_id not in (
            select task_id from ${table} group by task_id, operator having count(*) > 1
          )`.execute(tx)
        }
        await sql`delete from newton_task where ended and created_at < ${before}`.execute(tx)
      })
    },
  }
}

/** What operators signed. */
function evidenceParts(
  db: Kysely<GatewayTables>,
  { sql, alone }: { sql: typeof Sql; alone: boolean },
): Pick<GatewayStore, 'addShare' | 'shares' | 'addCommitments' | 'commitments'> {
  const commitments = async (taskId: Hex): Promise<readonly StoredCommitment[]> => {
    const rows = await db
      .selectFrom('newton_commitment')
      .selectAll()
      .where('task_id', '=', taskId)
      .execute()
    return rows.map(readCommitment)
  }
  const addTogether = joinShares((added) => {
    const values = added.map(({ taskId, operator, messageHash, response, signature }) => {
      return sql`(${taskId}, ${operator}, ${messageHash}, ${response}, ${signature})`
    })
    const keys = added.map(({ taskId, operator }) => sql`(${taskId}, ${operator})`)
    return sql<ShareRow>`with added as (
        insert into newton_share (task_id, operator, message_hash, response, signature)
        values ${sql.join(values)} on conflict do nothing returning *
      )
      select * from added union all
      select * from newton_share where (task_id, operator) in (${sql.join(keys)})`.execute(db)
  })
  return {
    async addShare(taskId, share) {
      const { operator, messageHash, response, signature } = share
      if (alone) return addTogether({ taskId, ...share })
      const insert = sql`insert into newton_share
        (task_id, operator, message_hash, response, signature)
        values (${taskId}, ${operator}, ${messageHash}, ${response}, ${signature})
        on conflict do nothing`
      const own = sql`from newton_share where task_id = ${taskId} and operator = ${operator}`
      // Two statements: of two shares that come in at once, at least the later look sees both.
      await insert.execute(db)
      const { rows } = await sql<ShareRow>`select * ${own}`.execute(db)
      return rows.map(readShare)
    },
    async shares(taskId) {
      const rows = await db
        .selectFrom('newton_share')
        .selectAll()
        .where('task_id', '=', taskId)
        .execute()
      return rows.map(readShare)
    },
    commitments,
    async addCommitments(taskId, added) {
      if (added.length > 0) {
        await db
          .insertInto('newton_commitment')
          .values(added.map((one) => ({ task_id: taskId, ...one })))
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      }
      return commitments(taskId)
    },
  }
}

/** Most shares of one statement. */
const TOGETHER = 64

type AddedShare = StoredShare & { taskId: Hex }

/**
 * Shares that come while others are kept are kept together next: a store of one connection has a statement
 * for each turn, not for each share. Gives each its operator's shares for its task.
 */
function joinShares(
  keep: (added: readonly AddedShare[]) => Promise<{ rows: readonly Selectable<ShareRow>[] }>,
): (added: AddedShare) => Promise<readonly StoredShare[]> {
  type Waiting = {
    added: AddedShare
    resolve: (shares: readonly StoredShare[]) => void
    reject: (error: unknown) => void
  }
  const waiting: Waiting[] = []
  let running = false
  const run = async (): Promise<void> => {
    running = true
    while (waiting.length > 0) {
      const turn = waiting.splice(0, TOGETHER)
      try {
        const { rows } = await keep(turn.map(({ added }) => added))
        for (const { added, resolve } of turn) {
          const own = rows.filter(
            (row) => row.task_id === added.taskId && row.operator === added.operator,
          )
          resolve(own.map(readShare))
        }
      } catch (error) {
        for (const { reject } of turn) reject(error)
      }
    }
    running = false
  }
  return (added) =>
    new Promise((resolve, reject) => {
      waiting.push({ added, resolve, reject })
      // Each turn tells those that wait for it what went wrong.
      if (!running) run().catch(reject)
    })
}

function answerParts(
  db: Kysely<GatewayTables>,
  { sql }: { sql: typeof Sql },
): Pick<GatewayStore, 'saveAnswer' | 'answer' | 'addTransaction' | 'transactions'> {
  return {
    addTransaction: async ({ taskId, fence }, hash) => {
      const { rows } = await sql`
        insert into newton_transaction (task_id, hash)
        select ${taskId}::text, ${hash}::text where exists (
          select 1 from newton_task where task_id = ${taskId} and fence = ${fence}
        )
        on conflict (task_id, hash) do update set hash = excluded.hash returning hash`.execute(db)
      return rows.length === 1
    },
    async transactions(taskId) {
      const { rows } = await sql<{ hash: Hex }>`
        select hash from newton_transaction where task_id = ${taskId} order by place`.execute(db)
      return rows.map(({ hash }) => hash)
    },
    async saveAnswer({ taskId, fence }, { messageHash, answer }) {
      const { rows } = await sql<{ held: boolean; made: boolean }>`
        with held as (
          select task_id from newton_task where task_id = ${taskId} and fence = ${fence}
          and (not ended or exists (select 1 from newton_response where task_id = ${taskId}))
          for update
        ), made as (
          insert into newton_response (task_id, message_hash, answer)
          select task_id, ${messageHash}::text, ${answer}::text from held
          on conflict do nothing returning task_id
        ), signed as (
          update newton_task set state = 'signed', ended = not broadcast
          where task_id in (select task_id from made) returning task_id, caller
        ), told as (${tellOf({ state: 'signed', fault: undefined, changed: 'signed' }, sql)})
        select exists (select 1 from held) as held, exists (select 1 from made) as made`.execute(db)
      const [found] = rows
      if (found?.held !== true) return 'lost'
      return found.made ? 'stored' : 'exists'
    },
    async answer(taskId) {
      const row = await db
        .selectFrom('newton_response')
        .selectAll()
        .where('task_id', '=', taskId)
        .executeTakeFirst()
      return row === undefined
        ? undefined
        : { messageHash: row.message_hash as Hex, answer: row.answer }
    },
  }
}

function writeTask(task: StoredTask): Omit<TaskRow, 'owner' | 'lease_until' | 'fence'> {
  return {
    task_id: task.taskId,
    task: task.task,
    caller: task.caller,
    request_id: task.requestId ?? null,
    content_hash: task.contentHash,
    pcr0_commitment: task.pcr0Commitment,
    broadcast: task.broadcast,
    state: task.state,
    failure: writeFailure(task.failure),
    deadline: task.deadline,
    created_at: task.createdAt,
    ended: isEnded(task),
  }
}

function readTask(row: Selectable<TaskRow>): StoredTask {
  return {
    taskId: row.task_id as Hex,
    task: row.task as Hex,
    caller: row.caller,
    requestId: row.request_id ?? undefined,
    contentHash: row.content_hash as Hex,
    pcr0Commitment: row.pcr0_commitment as Hex,
    broadcast: row.broadcast,
    state: row.state as TaskState,
    failure: row.failure === null ? undefined : (JSON.parse(row.failure) as TaskFailureRecord),
    deadline: Number(row.deadline),
    createdAt: Number(row.created_at),
  }
}

function readShare(row: Selectable<ShareRow>): StoredShare {
  return {
    operator: row.operator as Hex,
    messageHash: row.message_hash as Hex,
    response: row.response as Hex,
    signature: row.signature as Hex,
  }
}

function readCommitment(row: Selectable<CommitmentRow>): StoredCommitment {
  return {
    operator: row.operator as Hex,
    name: row.name as Hex,
    hashes: row.hashes,
    signature: row.signature as Hex,
  }
}

function writeFailure(failure: TaskFailureRecord | undefined): string | null {
  return failure === undefined ? null : JSON.stringify(failure)
}
