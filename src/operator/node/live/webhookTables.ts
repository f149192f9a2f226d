/** Webhooks and deliveries of a gateway in Postgres. */
import type { Kysely, RawBuilder, sql as Sql } from 'kysely'
import type { Hex } from 'viem'
import type { TaskState } from '../../gateway/store/store.js'
import { checkedWebhooks, readStoredWebhook } from '../../gateway/store/webhookRules.js'
import type {
  ClaimedDelivery,
  DeliveryOutcome,
  StoredWebhook,
  WebhookStore,
} from '../../gateway/store/webhooks.js'

type WebhookRow = {
  url: string
  secret: string
  timeout: number | string
  retries: number | string
  failures: string | null
  key_hash: string | null
  registered_at: number | string
}

type ClaimedRow = WebhookRow & {
  task_id: string
  state: string
  caller: string
  attempts: number | string
  created_at: number | string
}

/** Makes the tables where they are missing. */
export async function makeWebhookTables(db: Kysely<never>, sql: typeof Sql): Promise<void> {
  await sql`create table if not exists newton_webhook (
    caller text primary key, url text not null, secret text not null,
    timeout integer not null, retries integer not null, failures text,
    key_hash text, registered_at bigint not null
  )`.execute(db)
  await sql`create table if not exists newton_delivery (
    task_id text not null, state text not null, caller text not null, attempts integer not null,
    next_at timestamptz not null, created_at bigint not null, outcome text,
    primary key (task_id, state)
  )`.execute(db)
  await sql`create index if not exists newton_delivery_due
    on newton_delivery (next_at) where outcome is null`.execute(db)
}

/**
 * Keeps what is to be told of the tasks of `changed`, which has `task_id` and `caller`: part of the
 * statement that changes them.
 */
export function tellOf(
  { state, fault, changed }: { state: TaskState; fault: string | undefined; changed: string },
  sql: typeof Sql,
): RawBuilder<unknown> {
  const quoted = fault === undefined ? null : JSON.stringify(fault)
  return sql`insert into newton_delivery (task_id, state, caller, attempts, next_at, created_at)
    select ${sql.ref(changed)}.task_id, ${state}::text, ${sql.ref(changed)}.caller, 0,
      clock_timestamp(), (extract(epoch from clock_timestamp()) * 1000)::bigint
    from ${sql.table(changed)} join newton_webhook on newton_webhook.caller = ${sql.ref(changed)}.caller
    where newton_webhook.failures is null or ${quoted}::text is null
      or position(${quoted}::text in newton_webhook.failures) > 0
    on conflict do nothing`
}

/** Webhooks over tables that are there. */
export function sqlWebhooks(
  db: Kysely<never>,
  { sql, leaseEnd }: { sql: typeof Sql; leaseEnd: (milliseconds: number) => unknown },
): WebhookStore {
  const end = async (
    { taskId, state, attempt }: { taskId: string; state: string; attempt: number | string },
    outcome: DeliveryOutcome,
  ): Promise<void> => {
    const change =
      typeof outcome === 'string'
        ? sql`outcome = ${outcome}`
        : sql`next_at = ${leaseEnd(outcome.after)}`
    await sql`update newton_delivery set ${change}
      where task_id = ${taskId} and state = ${state} and attempts = ${attempt}`.execute(db)
  }
  return checkedWebhooks({
    async set(caller, { url, secret, timeout, retries, failures, keyHash, registeredAt }) {
      const written = failures === undefined ? null : JSON.stringify(failures)
      // A row that was there has been locked by the change: `xmax` says so.
      const { rows } = await sql<{ replaced: boolean }>`
        insert into newton_webhook
          (caller, url, secret, timeout, retries, failures, key_hash, registered_at)
        values (${caller}, ${url}, ${secret}, ${timeout}, ${retries}, ${written},
          ${keyHash ?? null}, ${registeredAt})
        on conflict (caller) do update set url = excluded.url, secret = excluded.secret,
          timeout = excluded.timeout, retries = excluded.retries, failures = excluded.failures,
          key_hash = excluded.key_hash, registered_at = excluded.registered_at
        returning (xmax::text <> '0') as replaced`.execute(db)
      return rows[0]?.replaced === true
    },
    async find(caller) {
      const { rows } = await sql<WebhookRow>`select url, secret, timeout, retries, failures,
        key_hash, registered_at from newton_webhook where caller = ${caller}`.execute(db)
      return rows[0] === undefined ? undefined : readWebhook(rows[0])
    },
    async remove(caller, only) {
      const keyHash = only?.keyHash ?? null
      const meant =
        only === undefined ? sql`true` : sql`key_hash is not distinct from ${keyHash}::text`
      const { rows } = await sql`with gone as (
          delete from newton_webhook where caller = ${caller} and ${meant} returning caller
        ), untold as (
          delete from newton_delivery where outcome is null and caller in (select caller from gone)
        )
        select caller from gone`.execute(db)
      return rows.length === 1
    },
    async claim({ lease, limit, busy }) {
      const { rows } = await sql<ClaimedRow>`
        with due as (
          select task_id, state from (
            select distinct on (caller) task_id, state, next_at
            from newton_delivery join newton_webhook using (caller)
            where outcome is null and next_at < clock_timestamp()
              and caller <> all(${[...busy]}::text[])
            order by caller, next_at
          ) as oldest order by next_at limit ${limit}
        ), held as (
          select task_id, state from newton_delivery
          where (task_id, state) in (select task_id, state from due)
            and outcome is null and next_at < clock_timestamp()
          for update skip locked
        )
        update newton_delivery set attempts = attempts + 1, next_at = ${leaseEnd(lease)}
        from held, newton_webhook
        where newton_delivery.task_id = held.task_id and newton_delivery.state = held.state
          and newton_webhook.caller = newton_delivery.caller
        returning newton_delivery.task_id, newton_delivery.state, newton_delivery.caller, attempts,
          created_at, url, secret, timeout, retries, failures, key_hash, registered_at`.execute(db)
      const claimed: ClaimedDelivery[] = []
      for (const row of rows) {
        const webhook = readWebhook(row)
        if (webhook !== undefined) claimed.push(readClaimed(row, webhook))
        // Its caller registers anew; what was to be told of it holds up nobody else.
        else await end({ taskId: row.task_id, state: row.state, attempt: row.attempts }, 'failed')
      }
      return claimed
    },
    end,
    async count() {
      const { rows } = await sql<{ waiting: number | string; failed: number | string }>`
        select count(*) filter (where outcome is null) as waiting,
          count(*) filter (where outcome = 'failed') as failed from newton_delivery`.execute(db)
      return { waiting: Number(rows[0]?.waiting ?? 0), failed: Number(rows[0]?.failed ?? 0) }
    },
  })
}

function readClaimed(row: ClaimedRow, webhook: StoredWebhook): ClaimedDelivery {
  return {
    taskId: row.task_id as Hex,
    state: row.state as TaskState,
    caller: row.caller,
    attempt: Number(row.attempts),
    createdAt: Number(row.created_at),
    webhook,
  }
}

/** `undefined`: the row is no webhook, whoever wrote it. */
function readWebhook(row: WebhookRow): StoredWebhook | undefined {
  try {
    return readStoredWebhook({
      url: row.url,
      secret: row.secret,
      timeout: Number(row.timeout),
      retries: Number(row.retries),
      failures: row.failures === null ? undefined : (JSON.parse(row.failures) as string[]),
      keyHash: (row.key_hash ?? undefined) as Hex | undefined,
      registeredAt: Number(row.registered_at),
    })
  } catch {
    return undefined
  }
}
