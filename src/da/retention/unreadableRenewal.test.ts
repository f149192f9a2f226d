/** A keeper over the adapter itself: one renewal is paid for and never comes back. */
import { expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { createFakeEigenDaProxy } from '../../testing/eigenDaProxy/fakeProxy.js'
import { createArtifactSource } from '../artifactSource.js'
import { decodeEigenDaCommitment, encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { eigenDa } from '../eigenda/eigenDa.js'
import { memoryPayments } from '../eigenda/payments.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper } from './retentionKeeper.js'

const day = 86_400
const start = 20_000 * day
const answers: Record<string, () => Response> = {
  'not found': () => new Response('blob not found', { status: 500 }),
  unavailable: () => new Response('no', { status: 503 }),
  'a page': () => new Response('<html>'),
  'an invalid certificate': () =>
    new Response(JSON.stringify({ StatusCode: 3, Msg: 'invalid cert' }), { status: 418 }),
}

/** Runs a keeper each hour; blob `broken` answers every read with `answer`. Counts what was paid. */
async function run(answer: () => Response, { isOne, urgentBefore }: World) {
  let seconds = start
  const bytes = utf8('package example\n')
  const artifactHash = computeArtifactHash(bytes)
  const proxy = createFakeEigenDaProxy({
    now: () => seconds * 1_000,
    config: { blobExpiration: 0 },
  })
  const blobs: { commitment: string; old: string; at: number; isBroken: boolean }[] = []
  const fetch = async (input: string, init: RequestInit): Promise<Response> => {
    if (init.method === 'POST') {
      const old = toHex(new Uint8Array(await (await proxy.fetch(input, init)).arrayBuffer()))
      // The network's block moves with the clock: a copy's age is read from it.
      const cert = structuredClone(decodeEigenDaCommitment(old))
      Object.assign(cert.batchHeader, { referenceBlockNumber: Math.floor(seconds / 12) })
      const commitment = encodeEigenDaCommitment(cert)
      blobs.push({ commitment, old, at: seconds, isBroken: blobs.length === 1 })
      return new Response(fromHex(commitment) as Uint8Array<ArrayBuffer>)
    }
    const asked = /\/get\/(0x[0-9a-f]+)/.exec(input)?.[1]
    const blob = blobs.find(({ commitment }) => commitment === asked)
    if (asked === undefined || !blob) return proxy.fetch(input, init)
    if (seconds >= blob.at + 14 * day) return new Response('not found', { status: 500 })
    return blob.isBroken ? answer() : proxy.fetch(input.replace(asked, blob.old), init)
  }
  const payments = memoryPayments()
  const client = () =>
    eigenDa({
      ...{ url: 'http://proxy.test', fetch, payments, now: () => seconds * 1_000 },
      currentBlock: async () => BigInt(Math.floor(seconds / 12)),
      retry: { reads: 1, writes: 1, baseDelay: 1, maxDelay: 1 },
    })
  let publisher = client()
  const chain: DaLocator[] = [(await publisher.put(bytes)).locator]
  const journal = memoryJournal()
  for (let hour = 12 * 24; hour < 28 * 24; hour++) {
    seconds = start + hour * 3_600
    const isHeld = blobs.some(({ at, isBroken }) => !isBroken && seconds < at + 14 * day)
    if (!isHeld) return { payments: blobs.length, lostAt: hour / 24 }
    if (!isOne) publisher = client()
    const keeper = createRetentionKeeper({
      ...(urgentBefore === undefined ? {} : { urgentBefore }),
      entries: async () => [
        { artifactHash, templateId: `0x${'77'.repeat(32)}`, namespace: 4, locators: [...chain] },
      ],
      publisher,
      archives: [],
      source: createArtifactSource({ clients: [publisher] }),
      announcer: {
        async announceArtifact({ locator }) {
          chain.push(locator)
          return { transactionHash: `0x${'00'.repeat(32)}` }
        },
      },
      journal,
      blockTime: async (block) => Number(block) * 12,
      now: () => seconds * 1_000,
    })
    await keeper.apply(await keeper.plan())
  }
  return { payments: blobs.length, lostAt: undefined }
}
type World = { isOne: boolean; urgentBefore?: number }

test.each(
  Object.keys(answers).flatMap((name) =>
    ([{ isOne: true }, { isOne: false }, { isOne: false, urgentBefore: 3_600 }] as World[]).map(
      (one) => [name, one] as const,
    ),
  ),
)(
  'behavior: a renewal that answers %s for ever costs one payment, and no copy: %o',
  async (name, one) => {
    const answer = answers[name] as () => Response
    // The first copy, the one that does not come back, the one in its place, and the next renewal.
    expect(await run(answer, one)).toEqual({ payments: 4, lostAt: undefined })
  },
)
