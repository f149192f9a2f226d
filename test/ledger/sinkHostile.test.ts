/** A sink believes no answer that is no receipt, keeps what it was given, and gives up nothing by accident. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  createLedgerSink,
  deriveEventId,
  httpLedgerTarget,
  type LedgerEvent,
  type LedgerSinkParameters,
  type LedgerTarget,
  ledgerTarget,
  memoryOutbox,
  type SubmitResult,
} from '../../src/ledger/index.js'
import { fileOutbox } from '../../src/ledger/node/index.js'
import { anomaly, ledgerName, openTestLedger, people, verify } from './ledgerWorld.js'

const now = (): number => Date.UTC(2026, 0, 1)
const record = (at: number) => ({
  domain: 'decisions',
  schemaVersion: 'newton.anomaly/1',
  fields: { ...anomaly(at).fields },
})
const commit = (root: string) => ({
  domain: 'decisions',
  schemaVersion: 'newton.commit/1',
  key: 'commit 1',
  time: now(),
  fields: {
    ...{ sequenceNo: '1', root: `0x${root.repeat(32)}`, deltaHash: `0x${'03'.repeat(32)}` },
    ...{ cutoffBlock: '4', transactionHash: `0x${'99'.repeat(32)}` },
  },
})
const sinkOf = (
  parameters: Omit<LedgerSinkParameters, 'ledger' | 'signer'>,
  signer = people.operator,
) => createLedgerSink({ ledger: ledgerName, signer, verify, now, maxDelay: 1, ...parameters })
const hang = (): Promise<never> => new Promise(() => undefined)
const down = (): Promise<never> => Promise.reject(new Error('down'))

describe('createLedgerSink among liars', () => {
  test('error: LEDGER_RECEIPT: what is no receipt of what was sent delivers nothing', async () => {
    const ledger = await openTestLedger()
    const target = ledgerTarget(ledger)
    const [genesis] = (await ledger.readSince('0')).events
    const foreign = (body: Uint8Array) => {
      const { payload } = JSON.parse(new TextDecoder().decode(body))
      const { ets } = payload
      const stored = { ...genesis?.event.payload, ets }
      return { status: 201, receipt: { event: { ...genesis?.event, payload: stored } } }
    }
    const answers: ((body: Uint8Array) => unknown)[] = [
      () => ({ status: 204 }),
      () => ({ status: 201 }),
      () => ({ status: 200, receipt: { event: genesis?.event } }),
      foreign,
      () => undefined,
      () => 'yes',
    ]
    const errors: unknown[] = []
    const sink = sinkOf({
      onError: (error) => errors.push(error),
      target: {
        ...target,
        submit: async (body) => {
          const answer = answers.shift()
          return answer === undefined ? target.submit(body) : (answer(body) as SubmitResult)
        },
      },
    })
    await sink.record(record(1))
    await sink.flush({ timeout: 10_000 })
    expect(ledger.head()?.seq).toBe(7n)
    expect(errors).toHaveLength(6)
    expect(errors[0]).toMatchObject({ code: 'LEDGER_RECEIPT', retryable: true })
    await sink.close()
    await ledger.close()
  })

  test('behavior: over HTTP, a receipt of other words under the right id delivers nothing', async () => {
    const [genesis] = await (async () => {
      const ledger = await openTestLedger()
      return (await ledger.readSince('0')).events
    })()
    const outbox = memoryOutbox()
    const errors: unknown[] = []
    const sink = sinkOf({
      outbox,
      onError: (error) => errors.push(error),
      target: httpLedgerTarget({
        url: 'http://ledger.example',
        moduleId: 'eval',
        fetch: async (_, init) => {
          const { payload } = JSON.parse(new TextDecoder().decode(init?.body as Uint8Array))
          const event = { ...genesis?.event, event_id: payload.ets.event_id }
          return Response.json(
            { event, seq: '7', domain: 'decisions', index: '0' },
            { status: 201 },
          )
        },
      }),
    })
    await sink.record(record(1))
    await expect.poll(() => errors.length).toBeGreaterThan(2)
    await sink.close()
    expect(await outbox.first()).toBeDefined()
    expect(errors[0]).toMatchObject({ code: 'LEDGER_RECEIPT' })
  })

  test('behavior: an id that somebody took hides nothing, and what names it follows', async () => {
    const ledger = await openTestLedger()
    const eventId = deriveEventId({ time: now(), key: 'newton.commit/1\ncommit 1' })
    // A challenger, who may write anomalies, knows the id before the commit is recorded.
    const squat = sinkOf(
      { target: ledgerTarget(ledger), outbox: memoryOutbox() },
      people.challenger,
    )
    await squat.close()
    const squatter = memoryOutbox()
    await squatter.add({
      ...{ eventId, occurredAt: now(), links: {} },
      ...{ domain: 'decisions', schemaVersion: 'newton.anomaly/1', fields: anomaly(1).fields },
    })
    const first = sinkOf({ target: ledgerTarget(ledger), outbox: squatter }, people.challenger)
    await first.flush()
    const taken: [string, string][] = []
    const refused: unknown[] = []
    const sink = sinkOf({
      target: ledgerTarget(ledger),
      onTaken: (item, { eventId: given, by }) =>
        taken.push([item.eventId, `${given} ${by.key_id}`]),
      onRefused: (_, refusal) => refused.push(refusal),
    })
    expect((await sink.record(commit('01'))).eventId).toBe(eventId)
    await sink.flush()
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.payload.type)).toEqual([
      'newton.anomaly',
      'newton.commit',
    ])
    const [, own] = events as [unknown, { event: LedgerEvent }]
    expect(taken).toEqual([[eventId, expect.stringContaining(`${own.event.event_id} sha256:`)]])
    expect(own.event.event_id).not.toBe(eventId)
    expect(refused).toEqual([])
    // Said again it is the same event, under its new id.
    await sink.record(commit('01'))
    await sink.flush()
    expect(ledger.head()?.seq).toBe(8n)
    for (const each of [first, sink]) await each.close()
    await ledger.close()
  })

  test('behavior: another’s record of the same thing stands; one that says otherwise does not', async () => {
    const ledger = await openTestLedger()
    const told: string[] = []
    const hooks = {
      target: ledgerTarget(ledger),
      onTaken: () => told.push('taken'),
      onRefused: (_: unknown, { code }: { code: string }) => told.push(code),
    }
    const lying = sinkOf(hooks)
    await lying.record(commit('01'))
    await lying.flush()
    const same = sinkOf(hooks)
    await same.record(commit('01'))
    await same.flush()
    // Members of its own are not part of what is said.
    await same.record({ ...commit('02'), own: ['root'] })
    await same.flush()
    expect(told).toEqual(['event_id_conflict'])
    await same.record(commit('02'))
    await same.flush()
    expect(told).toEqual(['event_id_conflict', 'taken'])
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.payload['root'])).toEqual(
      ['01', '02'].map((byte) => `0x${byte.repeat(32)}`),
    )
    for (const each of [lying, same]) await each.close()
    await ledger.close()
  })
})

describe('createLedgerSink and its caller', () => {
  test('behavior: what was recorded is what was given then', async () => {
    const ledger = await openTestLedger()
    let up = false
    const target = ledgerTarget(ledger)
    const sink = sinkOf({
      target: { ...target, submit: (body) => (up ? target.submit(body) : down()) },
    })
    const given = record(1)
    await sink.record(given)
    given.fields['subject'] = 'another'
    up = true
    await sink.flush()
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.payload['subject'])).toEqual(['number 1'])
    await sink.close()
    await ledger.close()
  })

  test('error: LEDGER_SINK_CLOSED after close, for records and for what waits', async () => {
    const outbox = memoryOutbox()
    const sink = sinkOf({ outbox, target: { head: down, event: down, submit: down } })
    await sink.record(record(1))
    await sink.close()
    await expect(sink.record(record(2))).rejects.toMatchObject({ code: 'LEDGER_SINK_CLOSED' })
    await expect(sink.flush()).rejects.toMatchObject({ code: 'LEDGER_SINK_CLOSED' })
  })

  test('behavior: a ledger that hangs ends with its time, and close and flush do not wait for it', async () => {
    const errors: unknown[] = []
    const sink = sinkOf({
      ...{ timeout: 20, onError: (error) => errors.push(error) },
      target: { head: hang, event: hang, submit: hang },
    })
    await sink.record(record(1))
    await expect.poll(() => errors.length).toBeGreaterThan(1)
    expect(errors[0]).toMatchObject({ code: 'TIMEOUT' })
    await expect(sink.flush({ timeout: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await sink.close()
    const patient = sinkOf({ target: { head: hang, event: hang, submit: hang } })
    await patient.record(record(1))
    await patient.close()
  })

  test('behavior: a hook that throws ends nothing', async () => {
    const ledger = await openTestLedger()
    const target = ledgerTarget(ledger)
    let calls = 0
    const thrown = (): never => {
      throw new Error('of the hook')
    }
    const sink = sinkOf({
      ...{ onError: thrown, onRefused: thrown, onTaken: thrown },
      target: {
        ...target,
        submit: (body) => {
          calls += 1
          return calls < 3 ? down() : target.submit(body)
        },
      },
    })
    await sink.record({ ...record(1), schemaVersion: 'newton.unknown/1' })
    await sink.record(record(2))
    await sink.flush({ timeout: 10_000 })
    expect(ledger.head()?.seq).toBe(7n)
    await sink.close()
    await ledger.close()
  })

  test('error: INVALID_INPUT for options that would limit nothing, and for what is no event', async () => {
    const target: LedgerTarget = { head: down, event: down, submit: down }
    for (const [options, field] of [
      [{ maxDelay: -1 }, 'maxDelay'],
      [{ maxDelay: 0 }, 'maxDelay'],
      [{ maxDelay: Number.NaN }, 'maxDelay'],
      [{ patience: Number.NaN }, 'patience'],
      [{ patience: -1 }, 'patience'],
      [{ timeout: Number.POSITIVE_INFINITY }, 'timeout'],
      [{ patince: 5 }, 'parameters.patince'],
      [{ target: undefined }, 'parameters.target'],
    ] as const) {
      expect(() => sinkOf({ target, ...options } as never), field).toThrow(`\`${field}\``)
    }
    for (const timeout of [0, Number.NaN, -5]) {
      expect(() => httpLedgerTarget({ url: 'http://x', moduleId: 'm', timeout })).toThrow('timeout')
    }
    const sink = sinkOf({ target })
    const long = { ...record(1).fields, detail: 'x'.repeat(65_000) }
    await expect(sink.record({ ...record(1), fields: long })).rejects.toThrow('65535 bytes')
    await expect(
      sink.record({ ...record(1), fields: { at: Number.NaN } as never }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) })
    await sink.close()
  })

  test('error: fileOutbox: a path that is none, a directory that cannot be made', async () => {
    for (const directory of ['', undefined, 5]) {
      await expect(fileOutbox({ directory } as never)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
    const home = mkdtempSync(join(tmpdir(), 'outbox-'))
    writeFileSync(join(home, 'file'), '')
    await expect(fileOutbox({ directory: join(home, 'file', 'outbox') })).rejects.toMatchObject({
      code: 'LEDGER_OUTBOX',
    })
    rmSync(home, { recursive: true })
  })
})
