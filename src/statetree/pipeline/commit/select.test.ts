import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { author, createFakeChain, registerPolicy } from '../../../../test/statetree/fakeChain.js'
import type { ArtifactSource } from '../../../core/interfaces/artifactSource.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import type { ByteStore } from '../../store/store.js'
import { decodeDelta } from '../delta.js'
import type { PipelineEvent } from '../options.js'
import { type CommitParameters, commitParameters } from '../parameters.js'
import { openCommitPipeline } from '../pipeline.js'
import { applyCommit, type CommitProposal, proposeCommit, validateProposal } from './commit.js'
import { holdQueueBytes } from './hold.js'

const pcr0Commitment: Hex = keccakHex(utf8('pcr0'))
const at = (n: number): bigint => 1_440n + 120n * BigInt(n)
const never = new Promise<never>(() => {})
const good = (n: number): Uint8Array => utf8(`package good${n}\n`)
const pit = (n: number): Uint8Array => utf8(`a tar pit ${n}`)

type Setup = {
  /** What the source does for an artifact that is no good one. */
  pits?: (hash: Hex) => Promise<Uint8Array>
  bytes?: ByteStore
  parameters?: Partial<CommitParameters>
}

async function setup({ pits = () => never, bytes, parameters }: Setup = {}) {
  const chain = createFakeChain()
  const held = new Map<Hex, Uint8Array>()
  const asked: Hex[] = []
  const events: PipelineEvent[] = []
  const artifacts: ArtifactSource = {
    async getArtifact({ hash }) {
      asked.push(hash)
      return held.get(hash) ?? pits(hash)
    },
  }
  const tree = createStateTree({ store: memoryStore({ bytes }) })
  const pipeline = await openCommitPipeline({
    tree,
    events: chain.view(),
    artifacts,
    parameters: commitParameters({ chainId: 31_337, ...parameters }),
    onEvent: (event) => events.push(event),
  })
  const register = (content: Uint8Array, n: number, here = false): Hex => {
    registerPolicy(chain, content, { by: author(Math.floor(n / 60)) })
    if (here) held.set(keccakHex(content), content)
    return keccakHex(content)
  }
  /** Proposes, checks and applies the commit of a window. */
  const commit = async (w: number, limits = {}) => {
    while (chain.blocks[chain.blocks.length - 1]!.timestamp <= at(w)) chain.mine()
    asked.length = 0
    const proposal = (await proposeCommit(pipeline, {
      timestamp: at(w),
      pcr0Commitment,
      fetchTimeout: 50,
      fetchBudget: 400,
      ...limits,
    })) as CommitProposal
    const delta = decodeDelta(proposal.delta)
    expect(await validateProposal(pipeline, { proposal })).toMatchObject({ status: 'valid' })
    await applyCommit(pipeline, proposal)
    return delta
  }
  return { chain, pipeline, held, asked, events, register, commit }
}

describe('artifacts whose bytes never come', () => {
  test('40 of them before good ones: the good ones are in the next commit', async () => {
    const s = await setup()
    for (let n = 0; n < 40; n++) s.register(pit(n), n)
    const hashes = [...Array(10).keys()].map((n) => s.register(good(n), 120 + n, true))
    const delta = await s.commit(0)
    expect(delta.included.map(({ hash }) => hash)).toEqual(hashes)
    expect(delta.omitted).toHaveLength(40)
    // From now on they are tried last, and new ones do not wait for them.
    const late = s.register(good(99), 240, true)
    const second = await s.commit(1)
    expect(second.included.map(({ hash }) => hash)).toEqual([late])
    expect(s.asked[0]).toBe(late)
    for (let w = 2; w < 5; w++) await s.commit(w)
    expect(s.pipeline.state().quarantine).toHaveLength(40)
    // In quarantine a few are asked for in a window, others in the next.
    const turns = new Set<Hex>()
    for (let w = 5; w < 21; w++) {
      s.register(good(100 + w), 300 + w, true)
      expect((await s.commit(w)).included).toHaveLength(1)
      expect(s.asked.length).toBeLessThanOrEqual(1 + 16)
      for (const hash of s.asked.slice(1)) turns.add(hash)
    }
    expect(turns.size).toBe(40)
  }, 60_000)

  test('more of them than a window has time for: each window gets past as many as it can', async () => {
    const s = await setup()
    for (let n = 0; n < 300; n++) s.register(pit(n), n)
    const hash = s.register(good(1), 400, true)
    let windows = 0
    let before = 300
    for (let found = false; !found; windows++) {
      const delta = await s.commit(windows, { fetchConcurrency: 16 })
      found = delta.included.some((entry) => entry.hash === hash)
      const fresh = s.pipeline.state().queue.filter(({ omissions }) => omissions === 0).length
      // Never stuck: those that were tried are listed, those that were not keep their counter.
      expect(fresh).toBeLessThan(before)
      before = fresh
    }
    expect(windows).toBeLessThanOrEqual(5)
  }, 60_000)

  test('one artifact does not get the whole time, whatever its limit', async () => {
    const s = await setup()
    s.register(pit(0), 0)
    const hash = s.register(good(1), 1, true)
    const delta = await s.commit(0, { fetchTimeout: 1e9, fetchBudget: 200, fetchConcurrency: 1 })
    expect(delta.omitted).toHaveLength(1)
    expect(delta.included.map((entry) => entry.hash)).toEqual([hash])
  })

  test('an entry that was omitted before is not pushed out by newer ones that fill the room', async () => {
    const s = await setup({ parameters: { maxCommitBytesPerWindow: 100 } })
    const old = new Uint8Array(60).fill(1)
    s.register(old, 0)
    expect((await s.commit(0)).omitted).toHaveLength(1)
    s.held.set(keccakHex(old), old)
    for (let n = 2; n < 30; n++) s.register(new Uint8Array(60).fill(n), n, true)
    expect((await s.commit(1)).included.map(({ hash }) => hash)).toEqual([keccakHex(old)])
  })

  test('holding bytes ends too, and holds the good ones', async () => {
    const s = await setup()
    for (let n = 0; n < 40; n++) s.register(pit(n), n)
    await s.commit(0)
    s.held.set(keccakHex(pit(39)), pit(39))
    const held = await holdQueueBytes(s.pipeline, { timeout: 50, fetchBudget: 400 })
    expect(held).toMatchObject({ artifacts: 1, backpressure: false })
    expect(held.missing).toHaveLength(39)
    expect(await s.pipeline.tree.store.bytes.has(keccakHex(pit(39)))).toBe(true)
  })

  test('the caller’s signal ends the wait with its reason', async () => {
    const s = await setup()
    s.register(pit(0), 0)
    s.chain.mine(60)
    const signal = AbortSignal.timeout(20)
    const reason = proposeCommit(s.pipeline, { timestamp: at(0), pcr0Commitment }, { signal })
    await expect(reason).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test.each([
    { fetchTimeout: 0 },
    { fetchBudget: Number.NaN },
    { fetchBudget: -1 },
    { fetchConcurrency: 0 },
    { fetchConcurrency: 1.5 },
  ])('error: INVALID_INPUT for %o', async (limits) => {
    const s = await setup()
    s.register(good(0), 0, true)
    await expect(s.commit(0, limits)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('bytes that are not what they are called', () => {
  test('from the source: left out by the proposer, who keeps its window', async () => {
    const s = await setup({ pits: async () => utf8('something else') })
    s.register(pit(0), 0)
    const hash = s.register(good(0), 1, true)
    const delta = await s.commit(0)
    expect(delta.included.map((entry) => entry.hash)).toEqual([hash])
    expect(delta.omitted).toHaveLength(1)
    expect(s.events.find(({ type }) => type === 'statetree.omitted')).toMatchObject({
      cause: { code: 'BYTES_CORRUPT' },
    })
  })

  /** A byte store of which some files went bad, as `fileBytes` tells of them. */
  const failing = (bad: Set<Hex>): ByteStore => {
    const whole = memoryStore().bytes
    return {
      ...whole,
      async get(hash) {
        if (bad.has(hash)) throw new TypeError('damaged')
        return whole.get(hash)
      },
      async put(hash, bytes, options) {
        bad.delete(hash)
        return whole.put(hash, bytes, options)
      },
    }
  }

  test('here: fetched anew and mended, by the proposer and by who holds', async () => {
    const bad = new Set<Hex>()
    const s = await setup({ bytes: failing(bad) })
    const hash = s.register(good(0), 0, true)
    bad.add(hash)
    expect((await s.commit(0)).included.map((entry) => entry.hash)).toEqual([hash])
    expect(bad.size).toBe(0)
    expect(s.events).toContainEqual(
      expect.objectContaining({ type: 'statetree.damaged', hash, mended: true }),
    )
    // Damaged, and nobody else has it: omitted, and no error.
    const lost = s.register(pit(1), 1)
    bad.add(lost)
    expect((await s.commit(1)).omitted.map((entry) => entry.hash)).toEqual([lost])
    expect((await holdQueueBytes(s.pipeline, { timeout: 20, fetchBudget: 100 })).missing).toEqual([
      lost,
    ])
    s.held.set(lost, pit(1))
    expect(await holdQueueBytes(s.pipeline)).toMatchObject({ artifacts: 1, missing: [] })
    expect(bad.size).toBe(0)
  })
})
