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
import { webhookBounds } from '../../gateway/store/webhooks.js'

type WebhookRow = {
  url: string
  secret: string
  timeout: number | string
  retries: number | string
  failures: string | null
  key_hash: string | null
  registered_at: number | string
  doubted_at: number | string | null
}

type ClaimedRow = WebhookRow & {
  task_id: string
  state: string
  caller: string
  attempts: number | string
  untried: number | string
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
  // Of tables that were made before these columns.
  await sql`alter table newton_webhook add column if not exists doubted_at bigint`.execute(db)
  await sql`alter table newton_delivery
    add column if not exists untried integer not null default 0`.execute(db)
  await sql`create index if not exists newton_delivery_waiting
    on newton_delivery (caller, next_at) where outcome is null`.execute(db)
  await sql`drop index if exists newton_delivery_due`.execute(db)
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
  const most = webhookBounds.waitingPerCaller
  return sql`insert into newton_delivery
      (task_id, state, caller, attempts, next_at, created_at, outcome)
    select ${sql.ref(changed)}.task_id, ${state}::text, ${sql.ref(changed)}.caller, 0,
      clock_timestamp(), (extract(epoch from clock_timestamp()) * 1000)::bigint,
      case when (select count(*) from (
        select 1 from newton_delivery as waiting
        where waiting.caller = ${sql.ref(changed)}.caller and waiting.outcome is null limit ${most}
      ) as counted) >= ${most} then 'failed' end
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
        : sql`next_at = ${leaseEnd(outcome.after)},
            untried = untried + ${outcome.untried === true ? 1 : 0}::integer`
    await sql`update newton_delivery set ${change}
      where task_id = ${taskId} and state = ${state} and attempts = ${attempt}`.execute(db)
  }
  return checkedWebhooks({
    async set(caller, webhook) {
      const { url, secret, timeout, retries, failures, keyHash, registeredAt, doubtedAt } = webhook
      const written = failures === undefined ? null : JSON.stringify(failures)
      // A row that was there has been locked by the change: `xmax` says so.
      const { rows } = await sql<{ replaced: boolean }>`
        insert into newton_webhook
          (caller, url, secret, timeout, retries, failures, key_hash, registered_at, doubted_at)
        select ${caller}::text, ${url}::text, ${secret}::text, ${timeout}::integer,
          ${retries}::integer, ${written}::text, ${keyHash ?? null}::text,
          ${registeredAt}::bigint, ${doubtedAt ?? null}::bigint
        where exists (select 1 from newton_webhook where caller = ${caller})
          or (select count(*) from newton_webhook) < ${webhookBounds.webhooks}
        on conflict (caller) do update set url = excluded.url, secret = excluded.secret,
          timeout = excluded.timeout, retries = excluded.retries, failures = excluded.failures,
          key_hash = excluded.key_hash, registered_at = excluded.registered_at,
          doubted_at = excluded.doubted_at
        returning (xmax::text <> '0') as replaced`.execute(db)
      return rows[0]?.replaced ?? 'full'
    },
    async find(caller) {
      const { rows } = await sql<WebhookRow>`select url, secret, timeout, retries, failures,
        key_hash, registered_at, doubted_at from newton_webhook where caller = ${caller}`.execute(
        db,
      )
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
    async doubt(caller, { keyHash, at }) {
      const since =
        at === undefined ? sql`null` : sql`coalesce(newton_webhook.doubted_at, ${at}::bigint)`
      const { rows } = await sql<{ since: number | string | null }>`
        update newton_webhook set doubted_at = ${since}
        where caller = ${caller} and key_hash is not distinct from ${keyHash ?? null}::text
        returning doubted_at as since`.execute(db)
      const kept = rows[0]?.since ?? undefined
      return kept === undefined ? undefined : Number(kept)
    },
    async claim({ lease, limit, busy }) {
      // One look at an index for each webhook, however much waits for it.
      const { rows } = await sql<ClaimedRow>`
        with due as (
          select oldest.task_id, oldest.state from newton_webhook cross join lateral (
            select task_id, state, next_at from newton_delivery
            where newton_delivery.caller = newton_webhook.caller
              and outcome is null and next_at < clock_timestamp()
            order by next_at limit 1
          ) as oldest
          where newton_webhook.caller <> all(${[...busy]}::text[])
          order by oldest.next_at limit ${limit}
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
          untried, created_at, url, secret, timeout, retries, failures, key_hash, registered_at,
          doubted_at`.execute(db)
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
    untried: Number(row.untried),
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
      doubtedAt: row.doubted_at === null ? undefined : Number(row.doubted_at),
    })
  } catch {
    return undefined
  }
}
