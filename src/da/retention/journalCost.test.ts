/** What a journal costs grows with the renewals of a run, and not with their square. */
import { expect, test, vi } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { memoryJournal, type RetentionJournal } from './journal/journal.js'
import { encodeJournal } from './journal/records.js'
import { createRetentionKeeper } from './retentionKeeper.js'

const count = vi.hoisted(() => ({ locators: 0 }))
vi.mock('../../core/locator.js', async (original) => {
  const real = await original<typeof import('../../core/locator.js')>()
  return {
    ...real,
    encodeLocator: (locator: DaLocator) => {
      count.locators += 1
      return real.encodeLocator(locator)
    },
    decodeLocator: (text: `0x${string}`) => {
      count.locators += 1
      return real.decodeLocator(text)
    },
  }
})

const day = 86_400

/** Renews `number` artifacts in one run; what was done for it. */
async function renewed(number: number, journal: RetentionJournal) {
  const artifacts = Array.from({ length: number }, (_, index) => {
    const bytes = new TextEncoder().encode(`package example\n${index}`)
    return { bytes, artifactHash: computeArtifactHash(bytes) }
  })
  const calls = { read: 0, write: 0, entries: 0 }
  const blobs = new Map<string, Uint8Array>()
  const store = (bytes: Uint8Array): DaLocator => {
    // What is renewed has certificates of a later day than what was there before.
    const block = blobs.size < number ? 1 : 1 + (13.5 * day) / 12
    const commitment = encodeEigenDaCommitment(certAt(block, blobs.size))
    blobs.set(commitment, bytes)
    return { kind: 'eigenDa', commitments: [commitment] }
  }
  const entries = artifacts.map(({ artifactHash, bytes }) => ({
    artifactHash,
    templateId: `0x${'77'.repeat(32)}` as const,
    namespace: 4 as const,
    locators: [store(bytes)],
  }))
  const bytesOf = (hash: string) =>
    artifacts.find(({ artifactHash }) => artifactHash === hash)?.bytes as Uint8Array
  const put = async (bytes: Uint8Array) => ({ locator: store(bytes.slice()), checks: [] })
  const publisher = createDaAdapter({
    kind: 'eigenda',
    retention: { kind: 'expires', seconds: 14 * day },
    supports: ({ kind }) => kind === 'eigenDa',
    put,
    renew: put,
    async read(locator) {
      const [commitment] = locator.kind === 'eigenDa' ? locator.commitments : []
      return (blobs.get(commitment as string) as Uint8Array).slice()
    },
  })
  const keeper = createRetentionKeeper({
    entries: async () => {
      calls.entries += 1
      return entries
    },
    publisher,
    archives: [],
    source: { getArtifact: async ({ hash }) => bytesOf(hash).slice() },
    announcer: { announceArtifact: async () => ({ transactionHash: `0x${'00'.repeat(32)}` }) },
    journal: {
      async read() {
        calls.read += 1
        return journal.read()
      },
      async write(records) {
        calls.write += 1
        return journal.write(records)
      },
    },
    blockTime: async () => 1_000 * day,
    now: () => 1_013.5 * day * 1_000,
  })
  count.locators = 0
  const results = await keeper.apply(await keeper.plan())
  expect(results.filter(({ status }) => status === 'done')).toHaveLength(number)
  return { ...calls, locators: count.locators }
}

/** A journal that keeps a text, as one in a file does. */
function textJournal(): RetentionJournal {
  let text = ''
  const memory = memoryJournal()
  return {
    read: memory.read,
    async write(records) {
      text = encodeJournal(records)
      await memory.write(records)
      expect(text.length).toBeGreaterThan(1)
    },
  }
}

test.each([
  ['in memory', memoryJournal],
  ['as a text', textJournal],
])(
  'behavior: of a journal %s each locator is encoded and read a fixed number of times',
  async (_, open) => {
    const some = await renewed(10, open())
    const many = await renewed(40, open())
    expect(many.locators).toBeLessThanOrEqual(4 * some.locators)
    expect(many).toMatchObject({ read: 2, entries: 2, write: 4 * some.write })
  },
)
