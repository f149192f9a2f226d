/** Parts that hang, lie or are used twice at once: none of them costs a copy or a second payment. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { fallback } from '../combined/fallback.js'
import { replicated } from '../combined/replicated.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { memoryDa } from '../memoryDa.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper, type RetentionKeeper } from './retentionKeeper.js'
import type { RetentionKeeperOptions } from './retentionOptions.js'

const day = 86_400
const start = 1_000 * day
const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const templateId: Hex = `0x${'77'.repeat(32)}`
const never = (): Promise<never> => new Promise(() => undefined)

/** A copy of day 0 that is due, where it can be renewed, and what came of it. */
function due(more: Partial<RetentionKeeperOptions> = {}) {
  let payments = 0
  const announced: DaLocator[] = []
  const locatorAt = (index: number): DaLocator => ({
    kind: 'eigenDa',
    commitments: [
      encodeEigenDaCommitment(certAt((start + (index === 0 ? 0 : 13.5 * day)) / 12, index)),
    ],
  })
  const publisher = createDaAdapter({
    kind: 'eigenda',
    retention: { kind: 'expires', seconds: 14 * day },
    supports: ({ kind }) => kind === 'eigenDa',
    async put() {
      payments += 1
      await new Promise((resolve) => setTimeout(resolve, 10))
      return { locator: locatorAt(payments), checks: [] }
    },
    read: async () => bytes.slice(),
  })
  const announcer: Announcer = {
    async announceArtifact({ locator }) {
      announced.push(locator)
      return { transactionHash: `0x${'00'.repeat(32)}` }
    },
  }
  const locators = [locatorAt(0)]
  const entry = { artifactHash: hash, templateId, namespace: 4, locators } as const
  const options: RetentionKeeperOptions = {
    entries: async () => [entry],
    publisher,
    announcer,
    archives: [],
    source: { getArtifact: async () => bytes.slice() },
    journal: memoryJournal(),
    blockTime: async (block) => Number(block) * 12,
    now: () => (start + 13.5 * day) * 1_000,
    ...more,
  }
  return { options, entry, payments: () => payments, announced }
}

const run = async (keeper: RetentionKeeper, io = {}) => keeper.apply(await keeper.plan(io), io)

describe('createRetentionKeeper', () => {
  test('behavior: an archive of a caller’s own is hashed, also through others', async () => {
    const honest = memoryDa()
    await honest.put(bytes)
    const liar: DaClient = {
      ...honest,
      getWithVerification: async () => new TextEncoder().encode('other bytes'),
    }
    const empty: DaClient = { ...honest, getWithVerification: async () => undefined as never }
    const worlds = [
      liar,
      empty,
      fallback([liar]),
      replicated([liar], { quorum: 1 }) as unknown as DaClient,
    ]
    for (const archive of worlds) {
      const { options, entry } = due()
      const lapse = { ...entry, policy: 'lapse' } as const
      const keeper = createRetentionKeeper({
        ...options,
        entries: async () => [lapse],
        archives: [archive],
      })
      const { steps, findings } = await keeper.plan()
      expect(findings.map(({ type }) => type)).not.toContain('lapsing')
      expect(findings).toContainEqual(expect.objectContaining({ type: 'damagedCopy' }))
      expect(steps.map(({ type }) => type)).toEqual(['archive', 'renew'])
      // And what it is filled with is read back.
      const filled = await keeper.apply({ at: 0, findings: [], steps: steps.slice(0, 1) })
      expect(filled).toMatchObject([{ status: 'failed', error: { code: 'DA_INTEGRITY' } }])
    }
  })

  test('behavior: a publisher and a source of a caller’s own are hashed', async () => {
    const { options, payments } = due()
    const other = new TextEncoder().encode('other bytes')
    const lying = { ...(options.publisher as DaClient), getWithVerification: async () => other }
    const early = createRetentionKeeper({ ...options, publisher: lying, now: () => start * 1_000 })
    expect((await early.plan()).findings).toContainEqual(
      expect.objectContaining({ type: 'unprovenCopy' }),
    )
    const keeper = createRetentionKeeper({ ...options, source: { getArtifact: async () => other } })
    expect(await run(keeper)).toMatchObject([{ status: 'failed', error: { code: 'DA_INTEGRITY' } }])
    expect(payments()).toBe(0)
  })

  test('behavior: a renewed copy counts until its certificate ends, and not from when it was sent', async () => {
    const journal = memoryJournal()
    const { options } = due({ journal, blockTime: async (block) => Number(block) * 12 - 3_000 })
    expect(await run(createRetentionKeeper(options))).toMatchObject([{ status: 'done' }])
    const expiresAt = start + 27.5 * day - 3_000
    expect(await journal.read()).toMatchObject([{ state: 'held', expiresAt }])
  })

  test('behavior: two runs at once pay once, by one keeper or by two on one journal', async () => {
    const { options, payments, announced } = due()
    const one = createRetentionKeeper(options)
    const two = createRetentionKeeper(options)
    const plans = [await one.plan(), await one.plan(), await two.plan()] as const
    const results = await Promise.all([
      one.apply(plans[0]),
      one.apply(plans[1]),
      two.apply(plans[2]),
    ])
    expect(payments()).toBe(1)
    expect(announced).toHaveLength(1)
    expect(results.flat().map(({ status }) => status)).toEqual(['done', 'skipped', 'skipped'])
    // One that is told to stop while it waits leaves its place to the next.
    const gone = one.apply(plans[0], { signal: AbortSignal.abort(new Error('gone')) })
    await expect(gone).rejects.toThrow('gone')
    expect(await two.apply(await two.plan())).toEqual([])
  })

  test('behavior: what hangs ends within the time of a call', async () => {
    const { options } = due()
    const io = { timeout: 40 }
    const fails = async (more: Partial<RetentionKeeperOptions>): Promise<void> => {
      const keeper = createRetentionKeeper({ ...options, ...more })
      await expect(keeper.plan(io)).rejects.toMatchObject({ code: 'TIMEOUT' })
    }
    await fails({ entries: never })
    await fails({ journal: { read: never, write: never } })
    const told = async (more: Partial<RetentionKeeperOptions>, type: string): Promise<void> => {
      const { findings } = await createRetentionKeeper({ ...options, ...more }).plan(io)
      expect(findings).toContainEqual(
        expect.objectContaining({ type, error: expect.objectContaining({ code: 'TIMEOUT' }) }),
      )
    }
    const early = { now: () => start * 1_000 }
    await told({ blockTime: never }, 'unknownExpiry')
    const publisher = { ...(options.publisher as DaClient), getWithVerification: never }
    await told({ publisher, ...early }, 'unprovenCopy')
    const ends = async (more: Partial<RetentionKeeperOptions>): Promise<void> => {
      const world = due(more)
      const results = await run(createRetentionKeeper(world.options), io)
      expect(results).toMatchObject([{ status: 'failed', error: { code: 'TIMEOUT' } }])
    }
    await ends({ announcer: { announceArtifact: never } })
    await ends({ source: { getArtifact: never } })
    await ends({ journal: { read: async () => [], write: never } })
  })

  test('behavior: a node that answers nothing is asked a few times in a plan', async () => {
    let asked = 0
    const entries = Array.from({ length: 20 }, (_, index) => ({
      ...due().entry,
      artifactHash: computeArtifactHash(Uint8Array.of(index + 1)),
    }))
    const keeper = createRetentionKeeper({
      ...due().options,
      entries: async () => entries,
      blockTime: () => {
        asked += 1
        return never()
      },
    })
    const { steps } = await keeper.plan({ timeout: 20 })
    expect(asked).toBe(3)
    expect(steps.filter(({ type }) => type === 'renew')).toHaveLength(20)
  })

  test('error: what a publisher answers is a receipt of the artifact', async () => {
    const junk = [undefined, {}, { locator: { kind: 'eigenDa', commitments: ['0x01'] } }]
    for (const receipt of junk) {
      const { options } = due()
      const publisher = { ...(options.publisher as DaClient), put: async () => receipt as never }
      const keeper = createRetentionKeeper({ ...options, publisher })
      const [result] = await run(keeper)
      expect(result).toMatchObject({ status: 'failed', error: { code: 'INVALID_INPUT' } })
      // It may have been paid for, so it is not paid for again in the next run.
      expect(await options.journal.read()).toMatchObject([{ state: 'sending' }])
      expect(await run(keeper)).toEqual([])
    }
  })
})
