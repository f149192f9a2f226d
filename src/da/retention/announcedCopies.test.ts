/** Archives whose copies are found under what is announced, and what strangers announce for them. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { createDaAdapter } from '../adapter.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { DaNotFoundError, DaUnavailableError } from '../errors.js'
import { ipfs } from '../ipfs/index.js'
import { memoryDa } from '../memoryDa.js'
import { memoryJournal } from './journal/journal.js'
import { createRetentionKeeper } from './retentionKeeper.js'

const day = 86_400
const templateId: Hex = `0x${'77'.repeat(32)}`
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const bytes = bytesOf('package example\n')
const hash = computeArtifactHash(bytes)

/** A pinning service behind a gateway, and a keeper of some artifacts that has nothing else. */
async function world({ artifacts = [bytes], isOne = true, hangs = false } = {}) {
  const blocks = new Map<string, Uint8Array>()
  const state = { uploads: 0, reads: 0, announced: 0, now: 1_000 * day, announcerFails: false }
  const archive = ipfs({
    gateways: ['https://gateway.test'],
    pinned: true,
    car: false,
    now: () => state.now * 1_000,
    fetch: async (url, init) => {
      const cid = /ipfs\/([^?/]+)/.exec(String(url))?.[1] ?? ''
      const block = blocks.get(cid)
      if (block === undefined && hangs) return new Promise(() => undefined)
      if (block === undefined) return new Response('it takes too long', { status: 504 })
      const isHead = init?.method === 'HEAD'
      if (!isHead) state.reads += 1
      const headers = { 'content-type': 'application/vnd.ipld.raw' }
      return new Response(isHead ? null : block.slice(), { headers })
    },
    upload: async ({ blocks: given }) => {
      state.uploads += 1
      for (const { cid, bytes } of given) blocks.set(cid.toString(), bytes)
    },
  })
  const other = (await archive.put(bytesOf('something else'))).locator
  state.uploads = 0
  const listed = new Map<Hex, DaLocator[]>(artifacts.map((one) => [computeArtifactHash(one), []]))
  const journal = memoryJournal()
  const open = () =>
    createRetentionKeeper({
      entries: async () =>
        [...listed].map(([artifactHash, locators]) => ({
          ...{ artifactHash, templateId, namespace: 4, locators: [...locators] },
        })),
      archives: [archive],
      source: {
        getArtifact: async ({ hash }) =>
          artifacts.find((one) => computeArtifactHash(one) === hash)?.slice() as Uint8Array,
      },
      announcer: {
        async announceArtifact({ locator }) {
          if (state.announcerFails)
            throw new DaUnavailableError({ source: 'chain', reason: 'full' })
          state.announced += 1
          listed.get(hash)?.push(locator)
          return { transactionHash: `0x${'00'.repeat(32)}` }
        },
      },
      journal,
      blockTime: async () => 0,
      now: () => state.now * 1_000,
    })
  const one = open()
  const round = async () => {
    const keeper = isOne ? one : open()
    const plan = await keeper.plan({ timeout: 300 })
    const results = await keeper.apply(plan, { timeout: 300 })
    state.now += 3_600
    return {
      findings: plan.findings.map(({ type }) => type),
      steps: plan.steps.map(({ type }) => type),
      results: results.map(({ status }) => status),
    }
  }
  const nowhere: DaLocator = {
    kind: 'cid',
    cid: (other as { cid: Hex }).cid.replace(/..$/, '00') as Hex,
  }
  return { archive, blocks, state, other, nowhere, listed, round }
}

const filled = { steps: ['archive'], results: ['done'] }
const quiet = { findings: [], steps: [], results: [] }

describe('an archive whose copies the hash does not name', () => {
  test.each([true, false])(
    'behavior: it is filled once, and announced once; one keeper: %s',
    async (isOne) => {
      const { state, listed, round } = await world({ isOne })
      expect(await round()).toEqual({ ...filled, findings: ['nowherePermanent'] })
      for (let run = 0; run < 40; run++) expect(await round()).toEqual(quiet)
      expect(state).toMatchObject({ uploads: 1, announced: 1 })
      expect(listed.get(hash)).toMatchObject([{ kind: 'cid' }])
      // Once for the read-back; who runs on knows what was read.
      if (isOne) expect(state.reads).toBeLessThanOrEqual(2)
    },
  )

  test('behavior: where the announcement fails the step does, and it is done again', async () => {
    const { state, round } = await world()
    state.announcerFails = true
    expect(await round()).toMatchObject({ results: ['failed'] })
    state.announcerFails = false
    expect(await round()).toMatchObject(filled)
    expect(await round()).toEqual(quiet)
    expect(state.announced).toBe(1)
  })

  test.each(['other', 'nowhere'] as const)(
    'behavior: a stranger who announces a CID of %s does not make it look held, or away',
    async (kind) => {
      const at = await world()
      at.listed.get(hash)?.push(at[kind])
      const { findings, ...done } = await at.round()
      expect(done).toEqual(filled)
      expect(findings).toEqual([
        ...(kind === 'nowhere' ? ['storeUnreachable'] : []),
        'nowherePermanent',
      ])
      expect(await at.round()).toEqual(quiet)
      expect(at.state).toMatchObject({ uploads: 1, announced: 1 })
    },
  )

  test('behavior: a CID of other bytes is read once a day where nothing can be written', async () => {
    const at = await world({ artifacts: [] })
    at.listed.set(hash, [at.other, at.nowhere])
    const before = at.state.reads
    for (let run = 0; run < 48; run++)
      expect(await at.round()).toMatchObject({ results: ['failed'] })
    expect(at.state.reads - before).toBeLessThanOrEqual(3)
  })

  test("behavior: strangers' locators that hang keep no other artifact from being filled", async () => {
    const artifacts = Array.from({ length: 12 }, (_, at) => bytesOf(`artifact ${at}`))
    const at = await world({ artifacts, hangs: true })
    for (const locators of at.listed.values()) locators.push(at.nowhere, at.nowhere)
    const { results } = await at.round()
    expect(results).toEqual(artifacts.map(() => 'done'))
    expect(at.state.uploads).toBe(12)
  })
})

describe("an archive's word", () => {
  /** A store that says that it has everything, and gives back what `bytes` are. */
  function store(state: { isAway?: boolean; bytes: Uint8Array | undefined; reads?: number }) {
    const answer = (): void => {
      if (state.isAway) throw new DaUnavailableError({ source: 'store', reason: 'away' })
    }
    return createDaAdapter({
      kind: 'store',
      retention: { kind: 'permanent' },
      supports: ({ kind }) => kind === 'keccakStore',
      async put(given) {
        answer()
        state.bytes = given.slice()
        return { locator: { kind: 'keccakStore', name: '' }, checks: [] }
      },
      async read() {
        answer()
        state.reads = (state.reads ?? 0) + 1
        return (state.bytes as Uint8Array).slice()
      },
      async head() {
        answer()
        return { status: 'available' }
      },
    })
  }

  test('behavior: a copy whose turn to be read comes while the archive is away is read after', async () => {
    const state = { isAway: true, bytes: bytesOf('damaged'), reads: 0 }
    let now = 1_000 * day
    const keeper = createRetentionKeeper({
      entries: async () => [{ artifactHash: hash, templateId, namespace: 4, locators: [] }],
      archives: [store(state)],
      source: { getArtifact: async () => bytes.slice() },
      journal: memoryJournal(),
      blockTime: async () => 0,
      now: () => now * 1_000,
      verifyEvery: 10 * day,
    })
    for (let hour = 0; hour < 11 * 24; hour++) {
      const { findings } = await keeper.plan()
      expect(findings.map(({ type }) => type)).toEqual(['storeUnreachable'])
      now += 3_600
    }
    state.isAway = false
    const plan = await keeper.plan()
    expect(plan.findings.map(({ type }) => type)).toEqual(['damagedCopy', 'nowherePermanent'])
    expect(await keeper.apply(plan)).toMatchObject([{ status: 'done' }])
    expect(await keeper.plan()).toMatchObject({ findings: [], steps: [] })
  })

  test("behavior: it does not let the registration's copy go that cannot be read just now", async () => {
    let seconds = 1_000 * day
    const claim = (atDay: number): DaLocator => ({
      kind: 'eigenDa',
      commitments: [
        encodeEigenDaCommitment(certAt(Math.floor(((1_000 + atDay) * day) / 12), 1_000)),
      ],
    })
    const registered = claim(0)
    const state = { bytes: bytesOf('damaged'), reads: 0 }
    const copies = memoryDa()
    const publisher = createDaAdapter({
      kind: 'eigenda',
      retention: { kind: 'expires', seconds: 14 * day },
      supports: ({ kind }) => kind === 'eigenDa',
      async put(given) {
        await copies.put(given)
        return { locator: claim((seconds - 1_000 * day) / day), checks: [] }
      },
      async read(locator) {
        if (encodeLocator(locator) !== encodeLocator(registered)) return bytes.slice()
        throw new DaNotFoundError({ source: 'eigenda', what: 'the blob' })
      },
    })
    // What a stranger announces of long ago changes nothing.
    for (const locators of [[registered], [registered, claim(-100)]]) {
      for (const policy of ['renew', 'lapse'] as const) {
        state.bytes = bytesOf('damaged')
        seconds = 1_013.2 * day
        const keeper = createRetentionKeeper({
          entries: async () => [{ artifactHash: hash, templateId, namespace: 4, locators, policy }],
          publisher,
          archives: [store(state)],
          source: { getArtifact: async () => bytes.slice() },
          announcer: {
            announceArtifact: async () => ({ transactionHash: `0x${'00'.repeat(32)}` }),
          },
          journal: memoryJournal(),
          blockTime: async (block) => Number(block) * 12,
          now: () => seconds * 1_000,
        })
        const plan = await keeper.plan()
        const types = plan.findings.map(({ type }) => type)
        expect(types).toContain('damagedCopy')
        expect(plan.steps.map(({ type }) => type).sort()).toEqual(['archive', 'renew'])
        await keeper.apply(plan)
        // With a copy of the right bytes it is read, once a day.
        const before = state.reads
        for (let hour = 0; hour < 12; hour++) {
          await keeper.plan()
          seconds += 3_600
        }
        expect(state.reads - before).toBeLessThanOrEqual(1)
      }
    }
  })
})
