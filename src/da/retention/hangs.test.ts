/** Whatever part of a keeper's caller hangs, what the other parts can save does not expire. */
import type { Hex } from 'viem'
import { afterEach, expect, test, vi } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { DaLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper } from './retentionKeeper.js'
import type { RetentionKeeperOptions } from './retentionOptions.js'

const day = 86_400
const start = 20_000 * day
const artifacts = 300
const never = (): Promise<never> => new Promise(() => undefined)

/** What hangs; `of` is the number of the artifact. */
type Hangs = {
  archivePut?: boolean
  archiveRead?: boolean
  announcer?: boolean
  node?: boolean
  reads?: boolean
  source?(of: number): boolean
  publisher?(of: number): boolean
  journalWrites?(count: number): boolean
}

type Artifact = { of: number; bytes: Uint8Array }

const seconds = (): number => Math.floor(Date.now() / 1_000)

function world(hangs: Hangs) {
  const paidAt = new Map<number, number>()
  const announced = new Set<number>()
  let blobs = 0
  const ofBlob = new Map<string, number>()
  const all = Array.from({ length: artifacts }, (_, of) => {
    const bytes = new TextEncoder().encode(`package example\n${of}`)
    return { of, bytes, artifactHash: computeArtifactHash(bytes) }
  })
  const byHash = new Map(all.map((one) => [one.artifactHash, one]))
  const store = (of: number): DaLocator => {
    const commitment = encodeEigenDaCommitment(certAt(Math.floor(seconds() / 12), blobs++))
    ofBlob.set(commitment, of)
    return { kind: 'eigenDa', commitments: [commitment] }
  }
  const numberOf = (locator: DaLocator): number =>
    ofBlob.get(locator.kind === 'eigenDa' ? (locator.commitments[0] as string) : '') as number
  const entries = all.map(({ of, artifactHash }) => ({
    artifactHash,
    templateId: `0x${'77'.repeat(32)}` as Hex,
    namespace: 4 as const,
    locators: [store(of)],
  }))
  const put = async (bytes: Uint8Array) => {
    const { of } = byHash.get(computeArtifactHash(bytes)) as { of: number }
    if (hangs.publisher?.(of)) return never()
    paidAt.set(of, seconds())
    return { locator: store(of), checks: [] }
  }
  const publisher = createDaAdapter({
    kind: 'eigenda',
    retention: { kind: 'expires', seconds: 14 * day },
    supports: ({ kind }) => kind === 'eigenDa',
    put,
    renew: put,
    read: async (locator) =>
      hangs.reads ? never() : (all[numberOf(locator)] as Artifact).bytes.slice(),
  })
  const archive = createDaAdapter({
    kind: 'archive',
    retention: { kind: 'permanent' },
    supports: ({ kind }) => kind === 'keccakStore',
    put: async () =>
      hangs.archivePut ? never() : { locator: { kind: 'keccakStore', name: '' }, checks: [] },
    read: () => never(),
    head: async () => ({ status: 'missing' }),
  })
  const announcer: Announcer = {
    async announceArtifact({ locator }) {
      if (hangs.announcer) return never()
      announced.add(numberOf(locator))
      return { transactionHash: `0x${'00'.repeat(32)}` }
    },
  }
  const journal = memoryJournal()
  let writes = 0
  const options: RetentionKeeperOptions = {
    entries: async () => entries,
    publisher,
    archives: hangs.archivePut || hangs.archiveRead ? [archive] : [],
    source: {
      async getArtifact({ hash }) {
        const { of, bytes } = byHash.get(hash) as Artifact
        return hangs.source?.(of) ? never() : bytes.slice()
      },
    },
    announcer,
    journal: {
      read: journal.read,
      async write(records) {
        writes += 1
        return hangs.journalWrites?.(writes) ? never() : journal.write(records)
      },
    },
    blockTime: async (block) => (hangs.node ? never() : Number(block) * 12),
  }
  return { keeper: createRetentionKeeper(options), paidAt, announced }
}

afterEach(() => {
  vi.useRealTimers()
})

const few = (of: number): boolean => of % 10 === 3
const worlds: Record<string, Hangs> = {
  'the writes of an archive': { archivePut: true },
  'the reads of an archive': { archiveRead: true },
  'the announcer': { announcer: true },
  'the node': { node: true },
  'reads of the network': { reads: true },
  'the source, for a tenth': { source: few },
  'the source, for the first hundred': { source: (of) => of < 100 },
  'the network, for three': { publisher: (of) => of < 3 },
  'a write of the journal now and then': { journalWrites: (count) => count % 50 === 0 },
}

test.each(Object.entries(worlds))(
  'behavior: where %s hangs for ever, 300 artifacts of one hour are paid for before they expire',
  async (_, hangs) => {
    vi.useFakeTimers({ now: start * 1_000 })
    const { keeper, paidAt, announced } = world(hangs)
    // A run each hour from 13 days on; what takes longer keeps the next one waiting.
    vi.setSystemTime((start + 13 * day) * 1_000)
    let isOver = false
    const running = (async () => {
      while (!isOver) {
        await keeper.apply(await keeper.plan())
        await new Promise((resolve) => setTimeout(resolve, 3_600_000))
      }
    })()
    running.catch(() => undefined)
    for (let minutes = 0; minutes < 23 * 60; minutes += 5)
      await vi.advanceTimersByTimeAsync(300_000)
    isOver = true
    const expected = Array.from({ length: artifacts }, (_, of) => of).filter(
      (of) => !(hangs.source?.(of) || hangs.publisher?.(of)),
    )
    expect(expected.filter((of) => !paidAt.has(of))).toEqual([])
    if (!hangs.announcer) expect(expected.filter((of) => !announced.has(of))).toEqual([])
  },
  120_000,
)

test('behavior: what expires first is renewed first, whatever the order of the entries', async () => {
  vi.useFakeTimers({ now: start * 1_000 })
  const { keeper, paidAt } = world({})
  vi.setSystemTime((start + 13.5 * day) * 1_000)
  const { steps, ...plan } = await keeper.plan()
  // Those of unknown expiry that are the keeper's own may be next; those that are gone can wait.
  const at = seconds()
  const expiries = [at + 900, at - 5, undefined, at + 100, at + 500]
  const changed = steps.slice(0, 5).map((step, index) => ({ ...step, expiresAt: expiries[index] }))
  const results = await keeper.apply({ ...plan, steps: changed as typeof steps })
  expect([...paidAt.keys()]).toEqual([2, 3, 4, 0, 1])
  expect(results.map(({ step }) => step)).toEqual(changed)
})
