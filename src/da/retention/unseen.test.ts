/** What a network takes money for and never shows: the pauses double, and an archive ends them. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { DaNotFoundError, DaOutcomeUnknownError, DaUnavailableError } from '../errors.js'
import { memoryDa } from '../memoryDa.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper } from './retentionKeeper.js'

const day = 86_400
const start = 1_000 * day
const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const templateId: Hex = `0x${'77'.repeat(32)}`
const source = 'eigenda'

type Script = {
  /** What a renewal answers, which is paid for. */
  answer: 'a certificate' | 'nothing'
  isArchived: boolean
  /** Block that each announced certificate names, by the day it was announced at. */
  announced?: readonly DaLocator[]
  isOne?: boolean
  /** Hours for which the archive and the source are away. */
  awayFor?: number
  nodeFails?: boolean
}

const claim = (atDay: number, index = 900_000): DaLocator => ({
  kind: 'eigenDa',
  commitments: [encodeEigenDaCommitment(certAt((start + atDay * day) / 12, index))],
})

/** Days of hourly runs, with a network that gives nothing back. When it was paid, in days. */
async function run(script: Script, days: number) {
  const paidAt: number[] = []
  const findings = new Map<string, unknown>()
  let seconds = start
  const publisher = createDaAdapter({
    kind: 'eigenda',
    retention: { kind: 'expires', seconds: 14 * day },
    supports: ({ kind }) => kind === 'eigenDa',
    async put() {
      paidAt.push((seconds - start) / day)
      const locator = claim((seconds - start) / day, paidAt.length)
      const known = script.answer === 'nothing' ? {} : { locator }
      throw new DaOutcomeUnknownError({ source, reason: 'it is not there', ...known })
    },
    async read() {
      throw new DaNotFoundError({ source, what: 'the blob' })
    },
  })
  const memory = memoryDa()
  if (script.isArchived) await memory.put(bytes)
  const isAway = (): boolean => seconds - start < (script.awayFor ?? 0) * 3_600
  const away = async <value>(work: () => Promise<value>): Promise<value> => {
    if (isAway()) throw new DaUnavailableError({ source: 'memory', reason: 'away' })
    return work()
  }
  const archive: DaClient = {
    ...memory,
    getWithVerification: (locator, expected, io) =>
      away(() => memory.getWithVerification(locator, expected, io)),
    head: (locator, io) =>
      away(async () => (await memory.head?.(locator, io)) ?? { status: 'unknown' }),
  }
  const journal = memoryJournal()
  const open = () =>
    createRetentionKeeper({
      entries: async () => [
        { artifactHash: hash, templateId, namespace: 4, locators: script.announced ?? [claim(0)] },
      ],
      publisher,
      archives: script.isArchived ? [archive] : [],
      source: { getArtifact: () => away(async () => bytes.slice()) },
      announcer: { announceArtifact: async () => ({ transactionHash: `0x${'00'.repeat(32)}` }) },
      journal,
      blockTime: async (block) => {
        if (script.nodeFails) throw new TypeError('no node')
        return Number(block) * 12
      },
      now: () => seconds * 1_000,
    })
  const one = open()
  for (let hour = 0; hour < days * 24; hour++) {
    seconds = start + hour * 3_600
    const keeper = script.isOne ? one : open()
    const plan = await keeper.plan()
    for (const finding of plan.findings) findings.set(finding.type, finding)
    await keeper.apply(plan)
  }
  return { paidAt, findings }
}

const worlds = [true, false].flatMap((isOne) =>
  (['a certificate', 'nothing'] as const).map((answer) => ({ isOne, answer })),
)

describe('a network that takes payments and shows no copy', () => {
  test.each(worlds)('behavior: it is paid at pauses that double, and told: %o', async (world) => {
    const { paidAt, findings } = await run({ ...world, isArchived: false }, 20)
    // 240 times, where each two hours are a time that is urgent.
    expect(paidAt.length).toBeLessThanOrEqual(10)
    const pauses = paidAt.slice(1).map((at, index) => at - (paidAt[index] as number))
    for (const [index, pause] of pauses.slice(1).entries())
      expect(pause).toBeGreaterThanOrEqual(Math.min(1.9 * (pauses[index] as number), 13))
    expect(findings.get('paidUnseen')).toMatchObject({ count: paidAt.length })
  })

  test.each(worlds)(
    'behavior: where an archive has the bytes it is not paid at all: %o',
    async (world) => {
      const { paidAt, findings } = await run({ ...world, isArchived: true }, 20)
      expect(paidAt).toEqual([])
      expect(findings.get('unreadClaims')).toMatchObject({ store: 'memory' })
    },
  )
})

describe('announcements of strangers for what its owner keeps in archives', () => {
  const archived: DaLocator = { kind: 'keccakStore', name: '' }
  test.each([
    ['a fresh certificate', [claim(0)]],
    ['one of long ago', [claim(-100)]],
    ['one of a block to come', [claim(1_000)]],
    ['eight of all kinds', [-100, 0, 5, 10, 1_000].map((at, index) => claim(at, index))],
    ['one behind that of the owner', [archived, claim(0)]],
  ])('behavior: %s costs nothing in sixty days', async (_, announced) => {
    for (const isOne of [true, false]) {
      const world = { answer: 'a certificate', isArchived: true, isOne, announced } as const
      expect((await run(world, 60)).paidAt).toEqual([])
    }
  })

  test('behavior: nor does one that was there while the archive was away', async () => {
    for (const isOne of [true, false]) {
      const announced = [archived, claim(0)]
      const world = { answer: 'a certificate', isArchived: true, isOne, announced } as const
      const { paidAt, findings } = await run({ ...world, awayFor: 30 }, 30)
      expect(paidAt).toEqual([])
      expect([...findings.keys()]).toEqual(
        expect.arrayContaining(['storeUnreachable', 'onlyClaimed', 'unreadClaims']),
      )
    }
  })

  test('behavior: nor does one while the node is away', async () => {
    const announced = [archived, claim(0)]
    const world = { answer: 'nothing', isArchived: true, nodeFails: true, announced } as const
    expect((await run(world, 20)).paidAt).toEqual([])
  })
})
