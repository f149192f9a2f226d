import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { createArtifactSource } from '../artifactSource.js'
import { DaFailoverError, DaNotFoundError } from '../errors.js'
import { memoryJournal } from './journal/journal.js'
import type { RetentionEntry, RetentionPlan } from './plan.js'
import { createRetentionKeeper } from './retentionKeeper.js'
import type { RetentionKeeperOptions } from './retentionOptions.js'

const day = 86_400
const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const templateId: Hex = `0x${'77'.repeat(32)}`
const entry = (more: Partial<RetentionEntry> = {}): RetentionEntry => ({
  artifactHash: hash,
  templateId,
  namespace: 4,
  locators: [],
  ...more,
})

type Archive = DaClient & {
  held: Map<string, Uint8Array>
  reads: number
  asked: number
  mode: 'up' | 'down' | 'hung' | 'full'
}

/** A permanent store that can be damaged, emptied, filled up and taken down. */
function archive(kind: string): Archive {
  const held = new Map<string, Uint8Array>()
  const state = { held, reads: 0, asked: 0, mode: 'up' as Archive['mode'] }
  const answer = async (): Promise<void> => {
    state.asked += 1
    if (state.mode === 'hung') await new Promise(() => {})
    if (state.mode === 'down') throw new DaFailoverError({ source: kind, reason: 'down' })
  }
  const client = createDaAdapter({
    kind,
    retention: { kind: 'permanent' },
    supports: (locator) => locator.kind === 'keccakStore',
    async put(given, call) {
      await answer()
      if (state.mode === 'full') throw new DaFailoverError({ source: kind, reason: 'full' })
      held.set(call.hash, given.slice())
      return { locator: { kind: 'keccakStore', name: '' }, checks: [] }
    },
    async read(_locator, { artifactHash = '0x' }) {
      await answer()
      state.reads += 1
      const found = held.get(artifactHash)
      if (found === undefined) throw new DaNotFoundError({ source: kind, what: artifactHash })
      return found.slice()
    },
    async head(_locator, { artifactHash = '0x' }) {
      await answer()
      return { status: held.has(artifactHash) ? 'available' : 'missing' }
    },
  })
  return Object.defineProperties(
    { ...client },
    Object.getOwnPropertyDescriptors({
      get held() {
        return held
      },
      get reads() {
        return state.reads
      },
      get asked() {
        return state.asked
      },
      get mode() {
        return state.mode
      },
      set mode(mode) {
        state.mode = mode
      },
    }),
  ) as Archive
}

function world(archives: readonly Archive[], more: Partial<RetentionKeeperOptions> = {}) {
  let seconds = 1_000 * day
  const keeper = createRetentionKeeper({
    entries: async () => [entry()],
    archives,
    source: createArtifactSource({ clients: archives, hedgeDelay: 5 }),
    journal: memoryJournal(),
    blockTime: async () => 0,
    now: () => seconds * 1_000,
    ...more,
  })
  const round = async () => {
    const plan = await keeper.plan({ timeout: 30 })
    return { plan, results: await keeper.apply(plan, { timeout: 30 }) }
  }
  return {
    keeper,
    round,
    pass: (days: number) => {
      seconds += Math.round(days * day)
    },
  }
}

const stores = (plan: RetentionPlan): string[] =>
  plan.steps.flatMap((step) => (step.type === 'archive' ? [step.store] : []))
const types = (list: readonly { type: string }[]): string[] => list.map(({ type }) => type)

describe('every archive', () => {
  test('is filled, not the first alone', async () => {
    const all = [archive('a'), archive('b'), archive('c')] as const
    all[1].held.set(hash, bytes)
    const at = world(all)
    const { plan, results } = await at.round()
    expect(stores(plan)).toEqual(['a', 'c'])
    expect(results.map(({ status }) => status)).toEqual(['done', 'done'])
    expect((await at.round()).plan).toMatchObject({ steps: [], findings: [] })
    for (const { held } of all) expect(held.get(hash)).toEqual(bytes)
  })

  test('is filled once it is back, and holds up nobody while it is away', async () => {
    for (const mode of ['down', 'hung', 'full'] as const) {
      const all = [archive('a'), archive('b'), archive('c')] as const
      all[2].held.set(hash, bytes)
      all[0].mode = mode
      const at = world(all)
      await at.round()
      expect(all[1].held.has(hash), mode).toBe(true)
      const { findings } = await at.keeper.plan({ timeout: 30 })
      expect(types(findings), mode).toEqual(mode === 'full' ? [] : ['storeUnreachable'])
      all[0].mode = 'up'
      at.pass(1 / 24)
      await at.round()
      expect(all[0].held.get(hash), mode).toEqual(bytes)
    }
  })

  test('that hangs costs one plan a few waits and not one for each artifact', async () => {
    const all = [archive('a'), archive('b')] as const
    all[0].mode = 'hung'
    const many = Array.from({ length: 40 }, (_, i) => Uint8Array.of(i, 1, 2))
    for (const one of many) await all[1].put(one)
    const at = world(all, {
      entries: async () => many.map((one) => entry({ artifactHash: computeArtifactHash(one) })),
    })
    const { plan } = await at.round()
    expect(all[0].asked).toBe(3)
    expect(plan.findings).toHaveLength(40)
    expect(plan.steps).toEqual([])
  })

  test('that is damaged at rest is found by reading, and repaired', async () => {
    const all = [archive('a'), archive('b')] as const
    for (const { held } of all) held.set(hash, bytes)
    const at = world(all)
    all[0].held.set(hash, Uint8Array.of(1, 2, 3))
    let found = -1
    for (let hour = 0; hour < 31 * 24 && found < 0; hour++) {
      const plan = await at.keeper.plan()
      // Two plans of one state are equal, whichever of them read the copy.
      expect(await at.keeper.plan()).toEqual(plan)
      if (plan.steps.length > 0) {
        expect(plan).toMatchObject({
          steps: [{ type: 'archive', store: 'a' }],
          findings: [{ type: 'damagedCopy', store: 'a', error: { code: 'DA_INTEGRITY' } }],
        })
        expect(await at.keeper.apply(plan)).toMatchObject([{ status: 'done' }])
        found = hour
      }
      at.pass(1 / 24)
    }
    expect(found).toBeGreaterThanOrEqual(0)
    expect(all[0].held.get(hash)).toEqual(bytes)
    expect((await at.keeper.plan()).steps).toEqual([])
  })

  test('is read once in a period, not at every run', async () => {
    const one = archive('a')
    one.held.set(hash, bytes)
    const at = world([one], { verifyEvery: 10 * day })
    for (let hour = 0; hour < 100 * 24; hour++) {
      await at.keeper.plan()
      at.pass(1 / 24)
    }
    expect(one.reads).toBe(10)
  })

  test('fetches the bytes once for all of them', async () => {
    let fetches = 0
    const all = [archive('a'), archive('b'), archive('c')]
    const at = world(all, {
      source: {
        getArtifact: async () => {
          fetches += 1
          return bytes
        },
      },
    })
    await at.round()
    expect(fetches).toBe(1)
    for (const { held } of all) held.clear()
    await at.round()
    expect(fetches).toBe(2)
  })
})

describe('findings', () => {
  const claimed: DaLocator = { kind: 'eigenDa', commitments: ['0x0201'] }

  test('a copy that is due and nowhere to renew it, and one that is only claimed', async () => {
    const at = world([], { entries: async () => [entry({ locators: [claimed] })] })
    const { plan } = await at.round()
    expect(types(plan.findings)).toEqual([
      'unknownExpiry',
      'nowherePermanent',
      'onlyClaimed',
      'renewalMissing',
    ])
    expect(plan.steps).toEqual([])
    // With an archive that holds the bytes the claim does not matter.
    const held = archive('a')
    held.held.set(hash, bytes)
    const safe = world([held], { entries: async () => [entry({ locators: [claimed] })] })
    expect(types((await safe.round()).plan.findings)).toEqual(['unknownExpiry', 'renewalMissing'])
  })

  test('an artifact that cannot be planned does not stop the others', async () => {
    const one = archive('a')
    one.held.set(hash, bytes)
    const two = archive('b')
    const bad = { ...entry(), artifactHash: hash.replace('4', '5') as Hex, locators: null as never }
    const at = world([one, two], { entries: async () => [bad, entry()] })
    const { plan, results } = await at.round()
    expect(types(plan.findings)).toContain('notPlanned')
    expect(results).toMatchObject([{ status: 'done', step: { store: 'b', artifactHash: hash } }])
  })

  test('a step that is skipped says why', async () => {
    const at = world([archive('a')])
    const results = await at.keeper.apply({
      at: 0,
      findings: [],
      steps: [
        { type: 'archive', artifactHash: hash, namespace: 4, store: 'gone', locators: [] },
        {
          type: 'renew',
          artifactHash: hash,
          namespace: 4,
          templateId,
          previous: undefined,
          locators: [],
          expiresAt: undefined,
          mayPayTwice: false,
        },
        { type: 'announce', artifactHash: hash, namespace: 4, templateId, locator: claimed },
      ],
    })
    expect(results.map(({ status, reason }) => [status, reason])).toEqual([
      ['skipped', 'there is no archive gone'],
      ['skipped', 'there is no publisher'],
      ['skipped', 'the journal has another copy by now'],
    ])
  })

  test('options are checked', () => {
    for (const bad of [0, -1, Number.NaN]) {
      expect(() => world([], { verifyEvery: bad })).toThrow('verifyEvery')
      expect(() => world([], { renewAfter: bad })).toThrow('renewAfter')
    }
  })
})
