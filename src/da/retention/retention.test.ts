import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { createArtifactSource } from '../artifactSource.js'
import { adviseCost, formatCostAdvice } from '../costAdvisor.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import {
  DaExpiredError,
  DaFailoverError,
  DaIntegrityError,
  DaOutcomeUnknownError,
  ReplicationError,
} from '../errors.js'
import { memoryDa } from '../memoryDa.js'
import { fileJournal } from '../node/fileJournal.js'
import { memoryJournal, type RetentionJournal } from './journal/journal.js'
import { decodeJournal } from './journal/records.js'
import type { RetentionEntry } from './plan.js'
import { createRetentionKeeper } from './retentionKeeper.js'
import type { RetentionKeeperOptions } from './retentionOptions.js'

/** The failure of a write to several backends, one of which was paid. */
class InSeveral extends ReplicationError {
  constructor(paid: { source: string; reason: string; locator: DaLocator }) {
    const error = new DaOutcomeUnknownError(paid)
    super({ required: 2, receipts: [], attempts: [{ source: paid.source, error }] })
  }
}

const day = 86_400
const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const templateId: Hex = `0x${'77'.repeat(32)}`

/** A world of one chain, one expiring network and one archive, with time in days. */
function world() {
  let seconds = 1_000 * day
  let payments = 0
  const held = new Map<string, { bytes: Uint8Array; until: number }>()
  const chain: DaLocator[] = []
  const announcements: string[] = []
  const block = (): number => Math.floor(seconds / 12)
  const archive = memoryDa()
  const publisher: DaClient = createDaAdapter({
    kind: 'eigenda',
    retention: { kind: 'expires', seconds: 14 * day },
    supports: ({ kind }) => kind === 'eigenDa',
    async put(artifact) {
      payments += 1
      const locator = {
        kind: 'eigenDa',
        commitments: [encodeEigenDaCommitment(certAt(block(), payments))],
      } as const
      held.set(encodeLocator(locator), { bytes: artifact.slice(), until: seconds + 14 * day })
      return { locator, checks: [], expiresAt: seconds + 14 * day }
    },
    renew: async (artifact) => {
      payments += 1
      const locator = {
        kind: 'eigenDa',
        commitments: [encodeEigenDaCommitment(certAt(block(), payments))],
      } as const
      held.set(encodeLocator(locator), { bytes: artifact.slice(), until: seconds + 14 * day })
      return { locator, checks: [], expiresAt: seconds + 14 * day }
    },
    async read(locator) {
      const copy = held.get(encodeLocator(locator))
      if (!copy || seconds >= copy.until)
        throw new DaExpiredError({ source: 'eigenda', what: 'the blob', expiredAt: 0 })
      return copy.bytes.slice()
    },
  })
  const announcer: Announcer = {
    async announceArtifact({ locator }) {
      announcements.push(encodeLocator(locator))
      if (!chain.some((known) => encodeLocator(known) === encodeLocator(locator)))
        chain.push(locator)
      return { transactionHash: `0x${'00'.repeat(32)}` }
    },
  }
  const journal = memoryJournal()
  const entry = (more: Partial<RetentionEntry> = {}): RetentionEntry => ({
    artifactHash: hash,
    templateId,
    namespace: 4,
    locators: [...chain],
    ...more,
  })
  const keeper = (more: Partial<RetentionKeeperOptions> = {}) =>
    createRetentionKeeper({
      entries: async () => [entry()],
      publisher,
      archives: [archive],
      source: createArtifactSource({ clients: [publisher, archive] }),
      announcer,
      journal,
      blockTime: async (number) => Number(number) * 12,
      now: () => seconds * 1_000,
      ...more,
    })
  return {
    archive,
    publisher,
    announcer,
    journal,
    chain,
    announcements,
    entry,
    keeper,
    held,
    payments: () => payments,
    seconds: () => seconds,
    pass: (days: number) => {
      seconds += Math.round(days * day)
    },
    /** Publishes and announces, as a registration does. */
    async publish(): Promise<void> {
      const { locator } = await publisher.put(bytes)
      await announcer.announceArtifact({ templateId, namespace: 4, locator })
      announcements.length = 0
    },
  }
}

const types = (steps: readonly { type: string }[]): string[] => steps.map(({ type }) => type)

describe('createRetentionKeeper', () => {
  test('archives at once, renews after thirteen days, and then has nothing to do', async () => {
    const at = world()
    await at.publish()
    const keeper = at.keeper()
    const first = await keeper.plan()
    expect(types(first.steps)).toEqual(['archive'])
    expect(first.findings).toMatchObject([{ type: 'nowherePermanent', artifactHash: hash }])
    expect(await keeper.apply(first)).toMatchObject([{ status: 'done' }])
    expect((await keeper.plan()).steps).toEqual([])
    at.pass(12.9)
    expect((await keeper.plan()).steps).toEqual([])
    at.pass(0.2)
    const due = await keeper.plan()
    expect(types(due.steps)).toEqual(['renew'])
    expect(await keeper.plan()).toEqual(due)
    expect(await keeper.apply(due)).toMatchObject([{ status: 'done' }])
    expect(at.payments()).toBe(2)
    expect(at.chain).toHaveLength(2)
    expect(await keeper.plan()).toMatchObject({ steps: [], findings: [] })
    // The old plan again, as after a restart with stale state: nothing is paid.
    expect(await keeper.apply(due)).toMatchObject([{ status: 'skipped' }])
    expect(at.payments()).toBe(2)
  })

  test('a year of daily runs leaves a readable copy at all times', async () => {
    const at = world()
    await at.publish()
    const keeper = at.keeper()
    for (let days = 0; days < 365; days++) {
      await keeper.apply(await keeper.plan())
      const last = at.chain[at.chain.length - 1] as DaLocator
      expect(await at.publisher.getWithVerification(last, hash)).toEqual(bytes)
      at.pass(1)
    }
    expect(at.payments()).toBe(1 + Math.floor(364 / 13))
  })

  test('a copy lapses only when an archive gives the bytes back', async () => {
    const at = world()
    await at.publish()
    const keeper = at.keeper({ entries: async () => [at.entry({ policy: 'lapse' })] })
    at.pass(13.5)
    // No archive yet: the copy is kept alive, and the archive filled.
    const first = await keeper.plan()
    expect(types(first.steps)).toEqual(['archive', 'renew'])
    await keeper.apply(first)
    at.pass(13.5)
    expect(await keeper.plan()).toMatchObject({
      steps: [],
      findings: [{ type: 'lapsing', store: 'memory' }],
    })

    // An archive that only says so is not enough.
    const liar: DaClient = {
      ...memoryDa(),
      head: async () => ({ status: 'available' }),
      getWithVerification: async () => {
        throw new DaExpiredError({ source: 'liar', what: 'it', expiredAt: 0 })
      },
    }
    const doubtful = at.keeper({
      entries: async () => [at.entry({ policy: 'lapse' })],
      archives: [liar],
    })
    expect(types((await doubtful.plan()).steps)).toEqual(['archive', 'renew'])
  })

  test('reports what is held nowhere permanent, what expired, and who cannot be asked', async () => {
    const at = world()
    await at.publish()
    at.pass(20)
    const down: DaClient = {
      ...memoryDa(),
      head: async () => {
        throw new DaFailoverError({ source: 'down', reason: 'down' })
      },
    }
    const keeper = at.keeper({ archives: [at.archive, down] })
    const { findings, steps } = await keeper.plan()
    expect(types(findings)).toEqual(['storeUnreachable', 'expired', 'onlyClaimed'])
    expect(types(steps)).toEqual(['archive', 'renew'])
    // The bytes are gone everywhere: both steps fail, with what was tried.
    expect(await keeper.apply({ at: 0, steps, findings })).toMatchObject([
      { status: 'failed', error: { code: 'DA_ARTIFACT_UNAVAILABLE' } },
      { status: 'failed', error: { code: 'DA_ARTIFACT_UNAVAILABLE' } },
    ])
    expect(at.payments()).toBe(1)
    await at.archive.put(bytes)
    expect(await keeper.apply(await keeper.plan())).toMatchObject([{ status: 'done' }])
  })

  test('an unknown age counts as old, and a damaged locator does not stop the plan', async () => {
    const at = world()
    await at.publish()
    await at.archive.put(bytes)
    const blind = at.keeper({
      blockTime: async () => {
        throw new TypeError('no RPC')
      },
    })
    const { findings, steps } = await blind.plan()
    expect(types(findings)).toContain('unknownExpiry')
    expect(types(steps)).toEqual(['renew'])
    const broken = at.keeper({
      entries: async () => [
        at.entry({ locators: [{ kind: 'eigenDa', commitments: ['0x1234'] }, ...at.chain] }),
      ],
    })
    expect(await broken.plan()).toMatchObject({ steps: [], findings: [{ type: 'unknownExpiry' }] })
  })

  test('a write whose outcome is unknown is held back until it is urgent', async () => {
    const at = world()
    await at.publish()
    await at.archive.put(bytes)
    at.pass(13.1)
    let fail = true
    const flaky: DaClient = {
      ...at.publisher,
      renew: async (previous, artifact, io) => {
        if (fail) throw new DaOutcomeUnknownError({ source: 'eigenda', reason: 'no answer' })
        return (at.publisher.renew as NonNullable<DaClient['renew']>)(previous, artifact, io)
      },
    }
    const keeper = at.keeper({ publisher: flaky })
    expect(await keeper.apply(await keeper.plan())).toMatchObject([{ status: 'failed' }])
    fail = false
    expect(await keeper.plan()).toMatchObject({
      steps: [],
      findings: [{ type: 'renewalUncertain' }],
    })
    at.pass(0.7)
    const urgent = await keeper.plan()
    expect(urgent.steps).toMatchObject([{ type: 'renew', mayPayTwice: true }])
    await keeper.apply(urgent)
    expect(await keeper.plan()).toMatchObject({ steps: [], findings: [] })
  })

  test('a refused write is simply made again', async () => {
    const at = world()
    await at.publish()
    await at.archive.put(bytes)
    at.pass(13.1)
    let refusals = 3
    const busy: DaClient = {
      ...at.publisher,
      renew: async (previous, artifact, io) => {
        if (refusals-- > 0) throw new DaFailoverError({ source: 'eigenda', reason: 'down' })
        return (at.publisher.renew as NonNullable<DaClient['renew']>)(previous, artifact, io)
      },
    }
    const keeper = at.keeper({ publisher: busy })
    for (let run = 0; run < 4; run++) await keeper.apply(await keeper.plan())
    expect(at.payments()).toBe(2)
    expect(at.chain).toHaveLength(2)
  })

  test('checks its options', () => {
    const at = world()
    expect(() => at.keeper({ renewAfter: 14 * day })).toThrow(/renewAfter/)
    expect(() => at.keeper({ archives: [at.publisher] })).toThrow(/archives/)
    expect(() => at.keeper({ announcer: undefined })).toThrow(/announcer/)
  })
})

describe('ninety days of hourly runs', () => {
  /** Runs hourly and says at which day the bytes could not be read from what the keeper knows. */
  async function ninetyDays(
    at: ReturnType<typeof world>,
    more: Partial<RetentionKeeperOptions>,
    eachHour: (hour: number) => void = () => {},
  ): Promise<number | undefined> {
    const keeper = at.keeper(more)
    for (let hour = 0; hour < 90 * 24; hour++) {
      eachHour(hour)
      await keeper.apply(await keeper.plan())
      const isHeld = [...at.held.values()].some(({ until }) => until > at.seconds())
      if (!isHeld) return hour / 24
      at.pass(1 / 24)
    }
    return undefined
  }

  const forged = (at: ReturnType<typeof world>, index: number): DaLocator => ({
    kind: 'eigenDa',
    commitments: [
      encodeEigenDaCommitment(certAt(Math.floor(at.seconds() / 12), 1_000_000 + index)),
    ],
  })

  test('announcements of copies that do not exist do not stop the renewal', async () => {
    const at = world()
    await at.publish()
    const lost = await ninetyDays(at, { archives: [] }, (hour) => {
      // More of them than a plan reads, newer than the true copy at all times.
      if (hour % 24 === 0) for (let n = 0; n < 12; n++) at.chain.push(forged(at, hour * 12 + n))
    })
    expect(lost).toBeUndefined()
    expect(at.payments()).toBeLessThanOrEqual(2 + Math.ceil(90 / 13))
  })

  test('a copy of another artifact under a true certificate does not either', async () => {
    const at = world()
    await at.publish()
    const other = await at.publisher.put(new TextEncoder().encode('package other\n'))
    at.pass(0.5)
    at.chain.push(other.locator)
    at.pass(12.7)
    expect(types((await at.keeper().plan()).steps)).toContain('renew')
  })

  test('a forged copy is not what a renewal is compared with, and settles no open one', async () => {
    const at = world()
    await at.publish()
    await at.journal.write([
      { state: 'sending', artifactHash: hash, startedAt: at.seconds() + 13.1 * day },
    ])
    at.pass(13.8)
    at.chain.push(forged(at, 1))
    const { steps, findings } = await at.keeper().plan()
    expect(types(steps)).not.toContain('settle')
    expect(types(findings)).toContain('unprovenCopy')
    expect(steps.find(({ type }) => type === 'renew')).toMatchObject({ previous: at.chain[0] })
  })

  test('an announcer that fails for a month costs no copy', async () => {
    const at = world()
    await at.publish()
    let days = 0
    const announcer: Announcer = {
      async announceArtifact(announcement) {
        if (days >= 12 && days < 45) throw new TypeError('no RPC')
        return at.announcer.announceArtifact(announcement)
      },
    }
    const lost = await ninetyDays(at, { archives: [], announcer }, (hour) => {
      days = hour / 24
    })
    expect(lost).toBeUndefined()
    expect(at.payments()).toBeLessThanOrEqual(1 + Math.ceil(90 / 13))
    expect(at.announcements.length).toBeGreaterThan(0)
  })

  test.each([
    ['could not be read back', DaOutcomeUnknownError],
    ['was read back as other bytes', DaIntegrityError],
    ['was one of several, and not read back', InSeveral],
  ])('a copy that was paid for and %s is not paid for again', async (reason, Failure) => {
    const at = world()
    await at.publish()
    const renew = at.publisher.renew as NonNullable<DaClient['renew']>
    let isReadable = true
    const publisher: DaClient = {
      ...at.publisher,
      renew: async (previous, artifact, io) => {
        const { locator } = await renew(previous, artifact, io)
        isReadable = false
        throw new Failure({ source: 'eigenda', reason, locator })
      },
      getWithVerification: async (locator, expected, io) => {
        if (!isReadable) throw new DaFailoverError({ source: 'eigenda', reason: 'relay is late' })
        return at.publisher.getWithVerification(locator, expected, io)
      },
    }
    const source = createArtifactSource({ clients: [at.publisher] })
    const lost = await ninetyDays(at, { archives: [], publisher, source }, (hour) => {
      if (hour % 5 === 0) isReadable = true
    })
    expect(lost).toBeUndefined()
    expect(at.payments()).toBeLessThanOrEqual(1 + Math.ceil(90 / 13))
    // Each was announced once it was read.
    expect(at.chain).toHaveLength(at.payments())
  })

  test('a write of which nothing is ever known is not paid for every hour', async () => {
    const at = world()
    await at.publish()
    await at.archive.put(bytes)
    let sent = 0
    const publisher: DaClient = {
      ...at.publisher,
      renew: async () => {
        sent += 1
        throw new DaOutcomeUnknownError({ source: 'eigenda', reason: 'no answer' })
      },
      put: async () => {
        sent += 1
        throw new DaOutcomeUnknownError({ source: 'eigenda', reason: 'no answer' })
      },
    }
    expect(await ninetyDays(at, { publisher })).toBe(14)
    expect(sent).toBeLessThanOrEqual(5)
  })
})

describe('several archives', () => {
  test('one that is down does not keep the next from being filled', async () => {
    const at = world()
    await at.publish()
    const down: DaClient = {
      ...memoryDa(),
      head: async () => {
        throw new DaFailoverError({ source: 'down', reason: 'down' })
      },
      put: async () => {
        throw new DaFailoverError({ source: 'down', reason: 'down' })
      },
    }
    const keeper = at.keeper({ archives: [down, at.archive] })
    const { steps } = await keeper.plan()
    expect(steps).toMatchObject([{ type: 'archive', store: 'memory#1' }])
    expect(await keeper.apply(await keeper.plan())).toMatchObject([{ status: 'done' }])
    expect(
      await at.archive.head?.({ kind: 'keccakStore', name: '' }, { artifactHash: hash }),
    ).toMatchObject({ status: 'available' })
  })

  test('one that answers and refuses to write is passed over', async () => {
    const at = world()
    await at.publish()
    const full: DaClient = {
      ...memoryDa(),
      put: async () => {
        throw new DaFailoverError({ source: 'full', reason: 'disk full' })
      },
    }
    const keeper = at.keeper({ archives: [full, at.archive] })
    expect(await keeper.apply(await keeper.plan())).toMatchObject([
      { status: 'failed', error: { code: 'DA_FAILOVER' } },
      { status: 'done' },
    ])
    // It is tried again at every run, and nobody else is.
    expect((await keeper.plan()).steps).toMatchObject([{ type: 'archive', store: 'memory#0' }])
  })
})

describe('a crash between any two steps', () => {
  class Crash extends Error {}
  const calls = [
    'entries',
    'read',
    'write',
    'renew',
    'announce',
    'archivePut',
    'archiveGet',

    'fetch',
  ] as const

  /** Runs one round in a process that dies at its `n`th outside call, before or after its effect. */
  async function roundThatDies(at: ReturnType<typeof world>, n: number, when: 'before' | 'after') {
    let count = 0
    let dead = false
    let diedIn: string | undefined
    const wrap =
      <args extends unknown[], value>(
        name: (typeof calls)[number],
        work: (...args: args) => Promise<value>,
      ) =>
      async (...args: args): Promise<value> => {
        if (dead) throw new Crash('dead')
        const dies = count++ === n
        if (dies) diedIn = name
        if (dies && when === 'before') {
          dead = true
          throw new Crash('dies before')
        }
        const value = await work(...args)
        if (dies) {
          dead = true
          throw new Crash('dies after')
        }
        return value
      }
    const source = createArtifactSource({ clients: [at.publisher, at.archive] })
    const journal: RetentionJournal = {
      read: wrap('read', () => at.journal.read()),
      write: wrap('write', (records) => at.journal.write(records)),
    }
    const keeper = at.keeper({
      entries: wrap('entries', async () => [at.entry()]),
      publisher: {
        ...at.publisher,
        renew: wrap('renew', at.publisher.renew as NonNullable<DaClient['renew']>),
      },
      archives: [
        {
          ...at.archive,
          put: wrap('archivePut', at.archive.put),
          getWithVerification: wrap('archiveGet', at.archive.getWithVerification),
        },
      ],
      source: { getArtifact: wrap('fetch', (request, io) => source.getArtifact(request, io)) },
      announcer: { announceArtifact: wrap('announce', at.announcer.announceArtifact) },
      journal,
    })
    await keeper
      .plan()
      .then((plan) => keeper.apply(plan))
      .catch(() => undefined)
    return { diedIn, reached: count > n }
  }

  test('costs nothing', async () => {
    const diedIn = new Set<string>()
    for (const when of ['before', 'after'] as const) {
      for (let n = 0; ; n++) {
        const at = world()
        await at.publish()
        at.pass(13.1)
        const round = await roundThatDies(at, n, when)
        if (!round.reached) break
        diedIn.add(round.diedIn as string)
        // Cut off while it was being sent, whether it was paid for is not known.
        const isHeldBack = (await at.journal.read()).some(({ state }) => state === 'sending')
        const mostPayments = at.payments() + (isHeldBack || at.payments() === 1 ? 1 : 0)

        // The next process runs twice at once, then hourly until the old copy would be gone.
        const keeper = at.keeper()
        for (let run = 0; run < 2; run++) await keeper.apply(await keeper.plan())
        const label = `${when} call ${n} (${round.diedIn})`
        if (!isHeldBack) {
          expect(at.payments(), label).toBe(2)
          expect(at.chain, label).toHaveLength(2)
        }
        for (let hour = 0; hour < 24; hour++) {
          at.pass(1 / 24)
          await keeper.apply(await keeper.plan())
          // Never a moment without a readable copy on chain.
          const last = at.chain[at.chain.length - 1] as DaLocator
          expect(await at.publisher.getWithVerification(last, hash), label).toEqual(bytes)
        }
        expect(at.payments(), label).toBe(mostPayments)
        expect(new Set(at.announcements).size, label).toBe(at.chain.length - 1)
        const states = (await at.journal.read()).map(({ state }) => state)
        expect(
          states.filter((state) => state !== 'held'),
          label,
        ).toEqual([])
        expect(await keeper.plan(), label).toMatchObject({ steps: [], findings: [] })
      }
    }
    expect([...diedIn].sort()).toEqual([...calls].sort())
  })
})

describe('journals', () => {
  test('a file survives, and a damaged one is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'journal-'))
    try {
      const path = join(folder, 'deep', 'journal.json')
      const journal = fileJournal({ path })
      expect(await journal.read()).toEqual([])
      const records = [
        { state: 'sending', artifactHash: hash, startedAt: 5 },
        {
          state: 'sending',
          artifactHash: hash,
          startedAt: 6,
          answered: [{ locator: { kind: 'eigenDaArchive' }, at: 5 }],
        },
        {
          state: 'sending',
          artifactHash: hash,
          startedAt: 6,
          previous: { locator: { kind: 'eigenDaArchive' }, expiresAt: 9 },
        },
        { state: 'paid', artifactHash: hash, locator: { kind: 'eigenDaArchive' }, expiresAt: 7 },
        { state: 'held', artifactHash: hash, locator: { kind: 'eigenDaArchive' }, expiresAt: 8 },
      ] as const
      await journal.write(records)
      await journal.close()
      const again = fileJournal({ path })
      expect(await again.read()).toEqual(records)
      await again.close()
      await writeFile(path, '[{"state":"paid"}]')
      await expect(journal.read()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await journal.close()
    } finally {
      await rm(folder, { recursive: true })
    }
  })
  test('what is not a journal is refused', () => {
    for (const text of ['', '{}', '[null]', '[{}]', `[{"state":"x","artifactHash":"${hash}"}]`]) {
      expect(() => decodeJournal(text), text).toThrow(/journal/)
    }
  })
})

describe('adviseCost', () => {
  test('follows the published ladder', () => {
    const once = (length: number): bigint => adviseCost(length).options[0]?.initialWei as bigint
    expect(once(1)).toBe(1_830_912_000_000n)
    expect(once(126_945)).toBe(once(1))
    expect(once(126_946)).toBe(2n * once(1))
    expect(once(1_048_576)).toBe(16n * once(1))
    expect(adviseCost(1_015_778)).toMatchObject({ billedSymbols: 65_536, sameCostUpTo: 2_031_585 })
    expect(adviseCost(16_252_898)).toMatchObject({ parts: 2, billedSymbols: 524_288 + 4_096 })
  })
  test('says what would be cheaper', () => {
    expect(adviseCost(126_950).hints.join()).toMatch(/5 bytes less would halve/)
    expect(adviseCost(1_000).hints.join()).toMatch(/pack 126 artifacts/)
    expect(adviseCost(20_000_000).hints.join()).toMatch(/split over 2 blobs/)
    expect(adviseCost(2_000).options.map(({ name }) => name)).toContain('contract code')
    expect(adviseCost(30_000).options.map(({ name }) => name)).not.toContain('contract code')
  })
  test('prints a table', () => {
    const lines = formatCostAdvice(adviseCost(126_945, { archiveWeiPerGbYear: 10n ** 17n })).split(
      '\n',
    )
    expect(lines[0]).toBe('126945 bytes: 1 blob, 4096 symbols billed')
    expect(lines[2]).toMatch(/^eigenda once\s+0\.00000183\s+0\s+14 days$/)
    expect(lines[4]).toMatch(/^archive\s+0\s+0\.000012694\s+while its owner pays$/)
  })
  test('refuses what is no length', () => {
    for (const bad of [0, -1, 1.5, Number.NaN]) expect(() => adviseCost(bad)).toThrow(/byteLength/)
  })
})
