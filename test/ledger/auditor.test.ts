import { describe, expect, test } from 'vitest'
import type { LedgerSink } from '../../src/core/interfaces/ledgerSink.js'
import type { TileReader } from '../../src/core/interfaces/tileStore.js'
import {
  type AuditClock,
  createAuditor,
  createLedgerSink,
  createSnapshotter,
  type Ledger,
  type LedgerViolation,
  ledgerTarget,
  memoryTiles,
  type NoteSigner,
  openCheckpoint,
  type PlacedEvent,
} from '../../src/ledger/index.js'
import {
  anomaly,
  fill,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  submit,
  verify,
} from './ledgerWorld.js'

const minute = 60_000

/** A clock that goes when it is told to, and runs what is due. */
function fakeClock() {
  let now = Date.UTC(2026, 0, 1)
  const timers = new Set<{ at: number; work: () => void }>()
  const clock: AuditClock = {
    now: () => now,
    after: (milliseconds, work) => {
      const timer = { at: now + milliseconds, work }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const advance = async (milliseconds: number): Promise<void> => {
    const end = now + milliseconds
    for (;;) {
      const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      now = due.at
      timers.delete(due)
      due.work()
      // What it began ends before the clock goes on: its own timer is set again then.
      const before = timers.size
      for (let wait = 0; wait < 2_000 && timers.size === before; wait += 1) {
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    now = end
  }
  return {
    clock,
    advance,
    settled: async (count: number) => {
      while (timers.size < count) await new Promise((resolve) => setTimeout(resolve, 2))
    },
  }
}

/** A ledger with so many anomalies, its files, and the key of its meta log. */
async function world(count: number, salt = 0) {
  const store = memoryTiles()
  const ledger = await openTestLedger({ store })
  await fill(ledger, count, salt)
  await ledger.flush()
  const log = (ledger.signers.get('meta') as NoteSigner).key
  return { store, ledger, trust: { log } }
}
const everything = async (ledger: Ledger): Promise<PlacedEvent[]> =>
  (await ledger.readSince('0', { limit: 1_000 })).events
/** The files with some of them other ones. */
const changedStore = (
  store: TileReader,
  change: (path: string, bytes: Uint8Array) => Uint8Array,
): TileReader => ({
  read: async (path, options) => {
    const file = await store.read(path, options)
    return file === undefined ? undefined : { ...file, bytes: change(path, file.bytes.slice()) }
  },
})
const metaCheckpoint = async (ledger: Ledger) => {
  const opened = openCheckpoint((await ledger.checkpoint('meta')) as string, {
    log: (ledger.signers.get('meta') as NoteSigner).key,
  })
  if (opened.status !== 'verified') throw new Error(opened.reason)
  return opened.checkpoint
}

describe('the threat model: who finds what, and when', () => {
  test('behavior: an event that was tampered with on insert is found at once', async () => {
    const { store, ledger, trust } = await world(3)
    const reported: LedgerViolation[] = []
    const auditor = createAuditor({
      ...{ store, ledger: ledgerName, trust, schemas, verify },
      report: async (violation) => {
        reported.push(violation)
      },
    })
    const events = (await everything(ledger)).map(({ event }) => event)
    for (const event of events) expect(await auditor.inserted(event)).toEqual([])
    const last = events.at(-1) as (typeof events)[number]
    const next = { ...structuredClone(last), previous_hash: last.current_hash }
    const [found] = await auditor.inserted(next)
    expect(found).toMatchObject({ kind: 'chain', eventId: last.event_id })
    for (const name of ['event_id', 'key_id', 'public_key', 'signature', 'current_hash'] as const) {
      const fresh = createAuditor({
        store,
        ledger: ledgerName,
        trust,
        schemas,
        verify,
        report: async () => undefined,
      })
      await fresh.inserted(events.at(-2) as typeof last)
      const value = last[name].replace(/[0-9]/, (digit) => (digit === '1' ? '2' : '1'))
      expect(await fresh.inserted({ ...last, [name]: value }), name).toHaveLength(1)
    }
    expect(reported).toEqual([found])
    await ledger.close()
  })

  test.each(['tile/entries/000', 'tile/0/000', 'checkpoint'])(
    'behavior: a changed %s of the database is found within 15 minutes',
    async (name) => {
      const { store, ledger, trust } = await world(5)
      await ledger.close()
      let tampered = false
      const files = changedStore(store, (path, bytes) => {
        const domain = name === 'tile/entries/000' ? 'decisions' : 'meta'
        if (!tampered || !path.startsWith(`${domain}/${name}`)) return bytes
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
        return bytes
      })
      const reported: LedgerViolation[] = []
      const { clock, advance, settled } = fakeClock()
      const auditor = createAuditor({
        ...{ store: files, ledger: ledgerName, trust, schemas, verify, clock },
        report: async (violation) => {
          reported.push(violation)
        },
      })
      auditor.start()
      await settled(2)
      await advance(20 * minute)
      expect(reported).toEqual([])
      const since = clock.now()
      tampered = true
      await advance(15 * minute)
      await auditor.stop()
      expect(reported.length).toBeGreaterThan(0)
      expect((reported[0] as LedgerViolation).at - since).toBeLessThanOrEqual(15 * minute)
      expect(['files', 'root', 'rollback']).toContain(reported[0]?.kind)
    },
  )

  test('behavior: a history that the key holder wrote anew is found within 24 hours by anchors', async () => {
    const honest = await world(5)
    const forged = await world(6, 1_000)
    const anchored = await metaCheckpoint(honest.ledger)
    let store: TileReader = honest.store
    const reported: LedgerViolation[] = []
    const { clock, advance, settled } = fakeClock()
    const make = () =>
      createAuditor({
        ...{ ledger: ledgerName, trust: honest.trust, schemas, verify, clock },
        store: { read: (path, options) => store.read(path, options) },
        anchors: async () => [{ ...anchored, where: 'chain:31337' }],
        report: async (violation) => {
          reported.push(violation)
        },
      })
    // It remembers nothing: a memory of its own finds a log that went back a quarter of an hour later.
    let auditor = make()
    auditor.start()
    await settled(2)
    await advance(60 * minute)
    await auditor.stop()
    expect(reported).toEqual([])
    store = forged.store
    const since = clock.now()
    auditor = make()
    auditor.start()
    await settled(2)
    await advance(24 * 60 * minute)
    await auditor.stop()
    expect(reported[0]).toMatchObject({ kind: 'anchor' })
    expect((reported[0] as LedgerViolation).at - since).toBeLessThanOrEqual(24 * 60 * minute)
    await Promise.all([honest.ledger.close(), forged.ledger.close()])
  }, 120_000)

  test('behavior: a right root under a wrong size is no anchor of the log', async () => {
    const { store, ledger, trust } = await world(1)
    for (const at of [1, 2, 3, 4]) {
      await fill(ledger, 1, at)
      await ledger.flush()
    }
    const { size, root } = await metaCheckpoint(ledger)
    const kinds = async (wrong: bigint) => {
      const auditor = createAuditor({
        ...{ store, ledger: ledgerName, trust, report: async () => undefined },
        anchors: async () => [{ size: wrong, root, where: 'chain:31337' }],
      })
      return (await auditor.replay()).violations.map(({ kind }) => kind)
    }
    expect(await kinds(size)).toEqual([])
    expect(size).toBeGreaterThan(2n)
    for (const wrong of [size - 1n, size + 1n, 0n, 1n]) {
      expect(await kinds(wrong), `${wrong}`).toEqual(['anchor'])
    }
    await ledger.close()
  })

  test('behavior: an auditor that goes on finds the same within 15 minutes', async () => {
    const honest = await world(5)
    const forged = await world(6, 1_000)
    let store: TileReader = honest.store
    const auditor = createAuditor({
      ...{ ledger: ledgerName, trust: honest.trust, report: async () => undefined },
      store: { read: (path, options) => store.read(path, options) },
    })
    expect(await auditor.rebuild()).toEqual([])
    store = forged.store
    expect(await auditor.rebuild()).toMatchObject([{ kind: 'rollback' }])
    store = memoryTiles()
    expect(await auditor.rebuild()).toMatchObject([{ kind: 'rollback' }])
    await Promise.all([honest.ledger.close(), forged.ledger.close()])
  })
})

describe('replay', () => {
  test('behavior: snapshots and evaluations are held against the events', async () => {
    const { store, ledger, trust } = await world(4)
    const reported: string[] = []
    let down = true
    const errors: unknown[] = []
    const auditor = createAuditor({
      ...{ store, ledger: ledgerName, trust, schemas, verify },
      report: async ({ kind }) => {
        if (down) throw new TypeError('the webhook is down')
        reported.push(kind)
      },
      onError: (error) => errors.push(error),
    })
    const before = await auditor.replay()
    expect(before.violations).toEqual([])
    const { replay } = before
    const head = ledger.head() as NonNullable<ReturnType<Ledger['head']>>
    expect(replay).toMatchObject({ events: head.seq + 1n, head: head.current_hash, faults: [] })
    expect(Object.keys(replay?.rows['keys'] ?? {}).length).toBeGreaterThan(4)
    const snapshot = (state_root: string, seq = head.seq) => ({
      ...{ domain: 'audit' as const, schemaVersion: 'ets.snapshot/1', by: people.auditor },
      fields: {
        ...{ seq: seq.toString(), head: head.current_hash, state_root },
        reducers: (replay?.reducers ?? []).map((reducer) => ({ ...reducer })),
      },
    })
    expect(await submit(ledger, snapshot(replay?.state_root as string))).toMatchObject({
      status: 201,
    })
    await ledger.flush()
    expect((await auditor.replay()).violations).toEqual([])
    const next = ledger.head() as typeof head
    const wrong = snapshot('00'.repeat(32), next.seq)
    wrong.fields.head = next.current_hash
    expect(await submit(ledger, wrong)).toMatchObject({ status: 201 })
    await ledger.flush()
    const { violations } = await auditor.replay()
    expect(violations).toMatchObject([{ kind: 'snapshot' }])
    // What was found while the sink was down is told once it is up.
    expect(errors).toHaveLength(1)
    down = false
    await auditor.rebuild()
    expect(reported).toEqual(['snapshot'])
    await ledger.close()
  })

  test('behavior: a snapshot every so many events or once a day, wherever it comes to stand', async () => {
    const { store, ledger, trust } = await world(4)
    let time = Date.UTC(2026, 0, 2)
    const parts = { store, ledger: ledgerName, trust, schemas, verify }
    const sink = createLedgerSink({
      ...{ ledger: ledgerName, signer: people.auditor, verify, now: () => Date.UTC(2026, 0, 1) },
      target: ledgerTarget(ledger),
    })
    // Another event comes before the snapshot is in the ledger.
    const late: LedgerSink = {
      record: async (record) => {
        await fill(ledger, 1, 900)
        return sink.record(record)
      },
    }
    const make = () =>
      createSnapshotter({ ...parts, sink: late, every: 5, interval: 1_000, now: () => time })
    const settle = async (): Promise<void> => {
      await sink.flush()
      await ledger.flush()
    }
    const snapshotter = make()
    const first = await snapshotter.tick()
    expect(first).toMatchObject({ status: 'recorded', seq: 10n })
    expect(await snapshotter.tick()).toEqual({ status: 'waiting' })
    await settle()
    const { events } = await ledger.readSince('12')
    expect(events[0]?.event).toMatchObject({
      ...{ schema_version: 'ets.snapshot/1', payload: { seq: '10' } },
    })
    const replayed = createAuditor({ ...parts, report: async () => undefined })
    expect((await replayed.replay()).violations).toEqual([])
    // A new process reads from the ledger when the last one was; the same instant is too early.
    time = Date.parse(events[0]?.event.timestamp as string)
    expect(await make().tick()).toEqual({ status: 'waiting' })
    time += 1_000
    expect(await make().tick()).toMatchObject({ status: 'recorded', seq: 12n })
    await settle()
    await fill(ledger, 5, 950)
    await ledger.flush()
    time = Date.UTC(2020, 0, 1)
    expect(await make().tick()).toMatchObject({ status: 'recorded' })
    await settle()
    // One that speaks of what comes after it, and of a ledger that is not what it says there is none.
    const head = ledger.head() as NonNullable<ReturnType<Ledger['head']>>
    await sink.record({
      ...{ domain: 'audit', schemaVersion: 'ets.snapshot/1' },
      fields: {
        seq: `${head.seq + 5n}`,
        head: 'ab'.repeat(32),
        state_root: 'cd'.repeat(32),
        reducers: [],
      },
    })
    await settle()
    expect((await replayed.replay()).violations).toMatchObject([{ kind: 'snapshot' }])
    time = Date.UTC(2030, 0, 1)
    expect(await make().tick()).toMatchObject({ status: 'faulty', faults: [{ kind: 'snapshot' }] })
    expect(() => createSnapshotter({ ...parts, sink, every: 0 })).toThrow(/every/)
    await sink.close()
    await ledger.close()
  })

  test('error: InvalidInputError, for intervals that are none', async () => {
    const store = memoryTiles()
    const { trust, ledger } = await world(1)
    await ledger.close()
    const make = (options: object) => () =>
      createAuditor({ store, ledger: ledgerName, trust, report: async () => undefined, ...options })
    expect(make({ rebuildEvery: 0 })).toThrow(/rebuildEvery/)
    expect(make({ replayEvery: Number.NaN })).toThrow(/replayEvery/)
    expect(anomaly(1).domain).toBe('decisions')
  })
})
