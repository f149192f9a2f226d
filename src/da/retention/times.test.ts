/** Times and entries that cannot be true: nothing is lost by them, and little is paid for. */
import { describe, expect, test } from 'vitest'
import { type RetentionScript, runRetention } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import { memoryDa } from '../memoryDa.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper } from './retentionKeeper.js'
import type { RetentionKeeperOptions } from './retentionOptions.js'

const day = 86_400
const month = 30 * day
const days = 45
const between = (at: number): boolean => at >= 10 && at < 20

// Forty-five days cost four payments where nothing is wrong, the first one of them the author's. Who
// cannot tell when that one expires pays for another at once.
const worlds: Record<string, [payments: number, script: RetentionScript]> = {
  'right times': [4, {}],
  'a node that says no number': [5, { blockTime: () => Number.NaN }],
  'a node that says nothing': [5, { blockTime: () => undefined }],
  'a node that says a text': [5, { blockTime: (time) => String(time) }],
  'a node that says milliseconds': [5, { blockTime: (time) => time * 1_000 }],
  'a node that says a far time': [5, { blockTime: (_, seconds) => seconds + month }],
  'a node that says every block is of now': [
    4,
    { blockTime: (_, seconds) => seconds, isOne: true },
  ],
  'receipts that say no number': [4, { expiry: () => Number.NaN }],
  'receipts that say no end': [4, { expiry: () => Number.POSITIVE_INFINITY }],
  'receipts that say nothing': [4, { expiry: () => undefined }],
  'receipts that say milliseconds': [4, { expiry: (until) => until * 1_000 }],
  'receipts that say a far time': [4, { expiry: (until) => until + month }],
  'receipts of the past': [4, { expiry: (until) => until - month }],
  'certificates of the copy before, for half a day': [
    8,
    { replays: (at) => at % 13 < 0.8 && at > 1 },
  ],
  'certificates of the copy before, and nothing else said': [
    8,
    { replays: (at) => at % 13 < 0.8 && at > 1, expiry: () => undefined, isOne: true },
  ],
  'read-backs that fail': [5, { readBackFails: () => true }],
  'read-backs that fail, and say the commitments alone': [
    5,
    { readBackFails: () => true, isBare: true },
  ],
  'a clock that is behind': [5, { clock: (s, at) => (between(at) ? s - month : s) }],
  'a clock that is ahead': [5, { clock: (s, at) => (between(at) ? s + month : s) }],
  'a clock that jumps back and forth': [
    16,
    { clock: (s, at) => (between(at) && Math.floor(at) % 2 === 0 ? s - month : s) },
  ],
}

describe('createRetentionKeeper', () => {
  test.each(Object.entries(worlds))(
    'behavior: with %s nothing is lost',
    async (_, [payments, script]) => {
      const outcome = await runRetention({ days, every: 3, ...script })
      expect(outcome).toMatchObject({ lostAt: undefined, isReadable: true })
      expect(outcome.payments).toBeLessThanOrEqual(payments)
      if (script.blockTime && !script.isOne) expect(outcome.findings).toContain('unknownExpiry')
    },
  )

  test('behavior: a kill at a step costs one payment, with a clock that was ahead', async () => {
    const clock = (s: number, at: number): number => (at > 12 && at < 13.2 ? s + month : s)
    const script = { days: 30, every: 6, clock }
    const quiet = await runRetention(script)
    for (let step = 1; step <= quiet.steps; step += 2) {
      const killed = await runRetention({ ...script, killsAt: new Set([step]) })
      expect(killed, `killed at ${step}`).toMatchObject({ lostAt: undefined, isReadable: true })
      expect(killed.payments, `killed at ${step}`).toBeLessThanOrEqual(quiet.payments + 2)
    }
  })

  test('error: a clock that gives no time', async () => {
    for (const now of [
      () => Number.NaN,
      () => undefined as never,
      () => Number.POSITIVE_INFINITY,
    ]) {
      const keeper = createRetentionKeeper({ ...options(), now })
      await expect(keeper.plan()).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'now' })
    }
  })

  test('behavior: an entry that is none ends no plan', async () => {
    const artifactHash = computeArtifactHash(Uint8Array.of(1))
    const good = { artifactHash, templateId: artifactHash, namespace: 4, locators: [] }
    const throwing = Object.defineProperty({ ...good }, 'artifactHash', {
      get: () => {
        throw new TypeError('no')
      },
    })
    const among = [
      null,
      undefined,
      5,
      'entry',
      {},
      { ...good, artifactHash: 5 },
      { ...good, artifactHash: '0x12' },
      { ...good, templateId: null },
      { ...good, namespace: 3 },
      { ...good, locators: null },
      throwing,
    ]
    const outcome = await runRetention({ days: 30, every: 6, among })
    expect(outcome).toMatchObject({ lostAt: undefined, isReadable: true, payments: 3 })
    expect(outcome.findings).toContain('notPlanned')

    const keeper = createRetentionKeeper({
      ...options(),
      entries: async () =>
        [...among, { ...good, locators: [null, 5, {}, { kind: 'eigenDa' }] }] as never,
    })
    const { findings } = await keeper.plan()
    const told = findings.filter((finding) => finding.type === 'notPlanned')
    expect(told).toHaveLength(among.length)
    // The last one is what the entry itself threw.
    expect(told.map(({ error }) => (error as { code?: string }).code)).toEqual([
      ...among.slice(1).map(() => 'INVALID_INPUT'),
      undefined,
    ])
    expect(findings.filter(({ type }) => type === 'unknownExpiry')).toHaveLength(4)
    expect(findings.filter(({ type }) => type === 'nowherePermanent')).toHaveLength(1)
  })

  test('error: a list that is none', async () => {
    const keeper = createRetentionKeeper({ ...options(), entries: async () => ({}) as never })
    await expect(keeper.plan()).rejects.toMatchObject({ field: 'entries' })
    const read = async (): Promise<never> => undefined as never
    const lost = createRetentionKeeper({ ...options(), journal: { read, write: read } })
    await expect(lost.plan()).rejects.toMatchObject({ field: 'journal' })
    await expect(keeper.apply(null as never)).rejects.toMatchObject({ field: 'plan' })
    const steps = [null, {}, { type: 'rewrite' }] as never
    const results = await keeper.apply({ at: 0, findings: [], steps })
    expect(results.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed'])
  })

  test('error: options that nothing could come of, or one payment an hour', () => {
    const junk = [Number.NaN, -1, 0, 1.5, Number.POSITIVE_INFINITY, '5', null, -1e6]
    for (const field of ['renewAfter', 'urgentBefore', 'verifyEvery']) {
      for (const value of junk)
        expect(() => createRetentionKeeper({ ...options(), [field]: value })).toThrow(field)
    }
    for (const renewAfter of [13, 13 * 24, day - 1, 14 * day])
      expect(() => createRetentionKeeper({ ...options(), renewAfter })).toThrow('renewAfter')
    for (const value of [null, 5, {}, async () => []])
      for (const field of ['source', 'journal', 'archives', 'publisher', 'announcer'])
        expect(() => createRetentionKeeper({ ...options(), [field]: value }), field).toThrow(field)
    const misspelled = { ...options(), renewafter: 13 * day }
    expect(() => createRetentionKeeper(misspelled)).toThrow('options.renewafter')
    const endless = { ...memoryDa(), retention: { kind: 'expires', seconds: Number.NaN } as const }
    const announcer = { announceArtifact: async () => ({ transactionHash: '0x' as const }) }
    expect(() => createRetentionKeeper({ ...options(), publisher: endless, announcer })).toThrow(
      'publisher.retention.seconds',
    )
  })

  function options(): RetentionKeeperOptions {
    const archive = memoryDa()
    return {
      entries: async () => [],
      archives: [archive],
      source: { getArtifact: async () => new Uint8Array(0) },
      journal: memoryJournal(),
      blockTime: async () => 0,
      now: () => 1_000 * day * 1_000,
    }
  }
})
