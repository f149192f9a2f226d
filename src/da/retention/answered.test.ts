/** What a renewal answered was paid for: until a copy was read, no later renewal makes a keeper forget it. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { DaNotFoundError, DaOutcomeUnknownError, DaRateLimitedError } from '../errors.js'
import { memoryJournal } from './journal/journal.js'
import { decodeJournal, encodeJournal, keptRecord, ownLocators } from './journal/records.js'
import { createRetentionKeeper } from './retentionKeeper.js'

const day = 86_400
const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const templateId: Hex = `0x${'77'.repeat(32)}`
const outcomes = ['answered', 'unread receipt', 'refused', 'open', 'crash'] as const
type Outcome = (typeof outcomes)[number]

function sequences(of: readonly Outcome[], length: number): Outcome[][] {
  if (length === 0) return [[]]
  return sequences(of, length - 1).flatMap((before) => of.map((outcome) => [...before, outcome]))
}
const all = [...sequences(['answered', 'refused', 'open', 'crash'], 4), ...sequences(outcomes, 3)]

const locatorAt = (index: number): DaLocator => ({
  kind: 'eigenDa',
  commitments: [encodeEigenDaCommitment(certAt(1 + (index * 14 * day) / 12, index))],
})

/** A network that answers renewals as told, and gives back what is in `readable`. */
function world() {
  let seconds = 1_000 * day
  let sent = 0
  const readable = new Set<string>()
  const announced: DaLocator[] = []
  const answered: DaLocator[] = []
  const kept = memoryJournal()
  const state: { next: Outcome } = { next: 'open' }
  const source = 'eigenda'
  const run = async (): Promise<void> => {
    let die = (): void => undefined
    const killed = new Promise<void>((resolve) => {
      die = resolve
    })
    const publisher = createDaAdapter({
      kind: 'eigenda',
      retention: { kind: 'expires', seconds: 14 * day },
      supports: ({ kind }) => kind === 'eigenDa',
      async put() {
        sent += 1
        if (state.next === 'crash') {
          die()
          return new Promise<never>(() => undefined)
        }
        if (state.next === 'refused') throw new DaRateLimitedError({ source })
        if (state.next === 'open') throw new DaOutcomeUnknownError({ source, reason: 'no answer' })
        const locator = locatorAt(sent)
        answered.push(locator)
        if (state.next === 'unread receipt') return { locator, checks: [] }
        throw new DaOutcomeUnknownError({ source, reason: 'not there', locator })
      },
      async read(locator) {
        if (readable.has(encodeLocator(locator))) return bytes.slice()
        throw new DaNotFoundError({ source, what: 'the blob' })
      },
    })
    const keeper = createRetentionKeeper({
      entries: async () => [
        { artifactHash: hash, templateId, namespace: 4, locators: [locatorAt(0), ...announced] },
      ],
      publisher,
      archives: [],
      source: { getArtifact: async () => bytes.slice() },
      announcer: {
        async announceArtifact({ locator }) {
          announced.push(locator)
          return { transactionHash: `0x${'00'.repeat(32)}` }
        },
      },
      // A killed process leaves its turn with it.
      journal: { read: () => kept.read(), write: (records) => kept.write(records) },
      blockTime: async () => 1_000 * day,
      now: () => seconds * 1_000,
    })
    await Promise.race([keeper.plan().then((plan) => keeper.apply(plan)), killed])
  }
  return {
    state,
    run,
    readable,
    announced,
    answered,
    sent: () => sent,
    pass: (days: number) => {
      seconds += days * day
    },
    records: () => kept.read(),
  }
}

describe('a renewal after one that was answered and not seen', () => {
  test('behavior: after every sequence of four outcomes all that was answered is known, and is found', async () => {
    for (const sequence of all) {
      const name = sequence.join(', ')
      const at = world()
      for (const outcome of sequence) {
        // Where nothing was answered before, a receipt is the publisher's word that the copy is there.
        if (outcome === 'unread receipt' && at.answered.length === 0) continue
        at.pass(14)
        at.state.next = outcome
        const before = at.sent()
        await at.run()
        expect(at.sent(), name).toBe(before + 1)
        const known = (await at.records()).flatMap(ownLocators)
        expect(known, name).toEqual([...at.answered].reverse())
      }
      const [oldest] = at.answered
      if (oldest === undefined) continue
      at.readable.add(encodeLocator(oldest))
      await at.run()
      expect(at.announced, name).toEqual([oldest])
      expect(
        (await at.records()).map(({ state }) => state),
        name,
      ).not.toContain('sending')
    }
  })

  test('behavior: what is found counts from when it was sent, and not from the renewal after it', async () => {
    const at = world()
    at.state.next = 'answered'
    await at.run()
    at.pass(5)
    at.state.next = 'open'
    await at.run()
    at.readable.add(encodeLocator(at.answered[0] as DaLocator))
    await at.run()
    expect(await at.records()).toMatchObject([{ state: 'held', expiresAt: 1_014 * day }])
  })
})

test('behavior: a journal that was written with one answer is read as a list of one', () => {
  const locator = locatorAt(1)
  const old = [
    { state: 'sending', artifactHash: hash, startedAt: 5, locator: encodeLocator(locator) },
  ]
  const records = decodeJournal(JSON.stringify(old))
  expect(records).toEqual([
    { state: 'sending', artifactHash: hash, startedAt: 5, answered: [{ locator, at: 5 }] },
  ])
  expect(decodeJournal(encodeJournal(records))).toEqual(records)
  expect(keptRecord(records[0] as (typeof records)[0])).toBe(records[0])
  for (const answered of ['x', [null], [{ at: 1 }], [{ locator: encodeLocator(locator) }]]) {
    const text = JSON.stringify([{ ...old[0], answered }])
    expect(() => decodeJournal(text), text).toThrow(/journal/)
  }
})
