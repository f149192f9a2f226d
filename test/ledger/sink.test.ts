/** A sink loses nothing and repeats nothing, whatever its ledger does. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  createLedgerSink,
  type LedgerTarget,
  ledgerTarget,
  memoryOutbox,
  type OutboxItem,
  type SubmitRefusal,
} from '../../src/ledger/index.js'
import { fileOutbox } from '../../src/ledger/node/index.js'
import { anomaly, ledgerName, openTestLedger, people, verify } from './ledgerWorld.js'

const now = (): number => Date.UTC(2026, 0, 1)

const record = (at: number, key?: string) => ({
  domain: 'decisions',
  schemaVersion: 'newton.anomaly/1',
  fields: anomaly(at).fields,
  ...(key === undefined ? {} : { key, time: Date.UTC(2026, 0, 1) }),
})

describe('createLedgerSink', () => {
  test('behavior: an answer that is lost, a ledger that is down: each record is one event', async () => {
    const ledger = await openTestLedger()
    const target = ledgerTarget(ledger)
    let calls = 0
    const errors: unknown[] = []
    const sink = createLedgerSink({
      ledger: ledgerName,
      signer: people.operator,
      verify,
      now,
      random: () => 0,
      maxDelay: 1,
      onError: (error) => errors.push(error),
      target: {
        ...target,
        submit: async (body) => {
          calls += 1
          if (calls % 3 === 0) throw new Error('down')
          const answer = await target.submit(body)
          if (calls % 3 === 1) throw new Error('the answer is lost')
          return answer
        },
      },
    })
    for (let at = 0; at < 6; at += 1) await sink.record(record(at))
    await sink.flush()
    await sink.close()
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.payload['subject'])).toEqual(
      [...Array(6).keys()].map((at) => `number ${at}`),
    )
    expect(errors.length).toBeGreaterThan(5)
    await ledger.close()
  })

  test('behavior: two sinks on one ledger, and a record that is given again', async () => {
    const ledger = await openTestLedger()
    const sinkOf = (signer = people.operator) =>
      createLedgerSink({ ledger: ledgerName, signer, verify, now, target: ledgerTarget(ledger) })
    const [one, other] = [sinkOf(), sinkOf(people.gateway)]
    await Promise.all(
      [0, 1, 2].flatMap((at) => [one.record(record(at)), other.record(record(at + 10))]),
    )
    const first = await one.record(record(5, 'once'))
    await Promise.all([one.flush(), other.flush()])
    expect(await one.record(record(5, 'once'))).toEqual(first)
    await one.flush()
    expect(ledger.head()?.seq).toBe(13n)
    await one.close()
    await other.close()
    await ledger.close()
  })

  test('behavior: what is refused for good is told, and holds up nothing', async () => {
    const ledger = await openTestLedger()
    const refused: [OutboxItem, SubmitRefusal][] = []
    const outbox = memoryOutbox()
    const sink = createLedgerSink({
      ledger: ledgerName,
      signer: people.operator,
      verify,
      now,
      outbox,
      target: ledgerTarget(ledger),
      onRefused: (...told) => refused.push(told),
    })
    await sink.record({ ...record(1), schemaVersion: 'newton.unknown/1' })
    const links = { evaluation: '01970000-0000-7000-8000-00000000ffff' }
    await sink.record({ ...record(2), schemaVersion: 'newton.attestation/1', links })
    await sink.record(record(3))
    await sink.flush()
    expect(refused.map(([, { code }]) => code)).toEqual(['unknown_schema', 'semantic'])
    expect(await outbox.first()).toBeUndefined()
    expect(ledger.head()?.seq).toBe(7n)
    await expect(sink.record({ ...record(1), domain: 'meta' })).rejects.toThrow(/domain/)
    await expect(sink.record({ ...record(1), key: 'x' })).rejects.toThrow(/time/)
    await sink.close()
    await ledger.close()
  })

  test('behavior: a ledger that was down for a day, and a role that ended meanwhile, lose and repeat nothing', async () => {
    const day = 86_400_000
    let time = now()
    const ledger = await openTestLedger({ now: () => time })
    const directory = mkdtempSync(join(tmpdir(), 'sink-'))
    const errors: unknown[] = []
    const sinkOf = async (target: LedgerTarget) =>
      createLedgerSink({
        ...{ ledger: ledgerName, signer: people.operator, verify, target },
        ...{ now: () => time, maxDelay: 1, outbox: await fileOutbox({ directory }) },
        onError: (error) => errors.push(error),
        onRefused: (_, refusal) => errors.push(refusal),
      })
    const down = (): Promise<never> => Promise.reject(new TypeError('connection refused'))
    const first = await sinkOf({ head: down, event: down, submit: down })
    const ids: string[] = []
    for (let hour = 0; hour < 24; hour += 1) {
      const { eventId } = await first.record({ ...record(hour, `hour ${hour}`), time })
      ids.push(eventId)
      time += day / 24
    }
    await first.close()
    expect(errors.length).toBeGreaterThan(0)
    errors.length = 0
    // The next process is told the last ones again; the answer to every third is lost.
    const target = ledgerTarget(ledger)
    let calls = 0
    const second = await sinkOf({
      ...target,
      submit: async (body) => {
        const answer = await target.submit(body)
        calls += 1
        if (calls % 3 === 0) throw new TypeError('the answer is lost')
        return answer
      },
    })
    for (const hour of [22, 23]) {
      const at = now() + (hour * day) / 24
      await second.record({ ...record(hour, `hour ${hour}`), time: at })
    }
    await second.flush()
    await second.close()
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.event_id)).toEqual(ids)
    expect(errors.every((error) => error instanceof Error)).toBe(true)
    expect((await fileOutbox({ directory })).waiting()).toBe(0)
    rmSync(directory, { recursive: true })
    await ledger.close()
  })

  test('behavior: a record that is ahead of the ledger’s clock waits for it', async () => {
    let time = Date.UTC(2026, 0, 1)
    const ledger = await openTestLedger({ now: () => time })
    const refused: unknown[] = []
    const sink = createLedgerSink({
      ledger: ledgerName,
      signer: people.operator,
      verify,
      now: () => Date.UTC(2026, 0, 2),
      maxDelay: 1,
      target: ledgerTarget(ledger),
      onRefused: (item) => refused.push(item),
      onError: (error) => {
        expect(error).toMatchObject({ code: 'LEDGER_CLOCK_BEHIND', retryable: true })
        time = Date.UTC(2026, 0, 2)
      },
    })
    await sink.record(record(1))
    await sink.flush()
    expect(refused).toEqual([])
    expect(ledger.head()?.seq).toBe(7n)
    await sink.close()
    await ledger.close()
  })
})
