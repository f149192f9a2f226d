/**
 * What a server's background processes do for its databases. One inside this process has none of them: nothing
 * would write checkpoints, so its log would stay on disk as a whole and be replayed as a whole after a kill,
 * and nothing would give back the room of rows that were changed or deleted.
 */

/** When a database is looked after. */
export type Upkeep = {
  /** Statements between two looks. @default 1_000 */
  every?: number | undefined
  /** Bytes of log after which a checkpoint is written. @default 64 MiB */
  logBytes?: number | undefined
}

type Query = (sql: string) => Promise<{ rows: readonly Readonly<Record<string, unknown>>[] }>

/** Counts statements, and says when the next look is due. */
export function createUpkeep({ every = 1_000, logBytes = 64 * 1_048_576 }: Upkeep = {}) {
  let statements = 0
  return {
    count: (): void => void statements++,
    /** Looks if it is time. Needs the connection, outside of any transaction. Never throws. */
    async look(query: Query): Promise<void> {
      if (statements < every) return
      statements = 0
      // What fails here (a full disk) fails the next statement too, and whoever asked for that is told.
      await keepUp(query, logBytes).catch(() => undefined)
    },
  }
}

async function keepUp(query: Query, logBytes: number): Promise<void> {
  // Counts of dead rows come at most once a second by themselves: a burst would be over before they are seen.
  await query('select pg_stat_force_next_flush()')
  // The measure of a server's autovacuum, whose default thresholds these are, about.
  const due = await query(`select quote_ident(schemaname) || '.' || quote_ident(relname) as name
    from pg_stat_user_tables
    where n_dead_tup > 100 + n_live_tup / 5 or n_mod_since_analyze > 100 + n_live_tup / 5`)
  for (const { name } of due.rows) await query(`vacuum (analyze) ${name}`)
  const { rows } = await query(`select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn) > ${logBytes}
    as due from pg_control_checkpoint()`)
  if (rows[0]?.['due'] === true) await query('checkpoint')
}
