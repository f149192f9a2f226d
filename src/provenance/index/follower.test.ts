import type { Hex } from 'viem'
import { describe, expect, test, vi } from 'vitest'
import type { ProvenanceEvent } from '../../core/interfaces/provenance.js'
import { computeBuildInfoHash, toMetadataEntries } from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { appendMetadata } from '../build/metadata.js'
import { encodeEvidence } from '../claims/evidence.js'
import { indexedProvenance } from '../trust/trustPolicy.js'
import { createProvenanceFollower } from './follower.js'
import { createProvenanceIndex } from './provenanceIndex.js'
import { createStatusHandler } from './statusHandler.js'

const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
const told = { image, args: ['build'], options: [], sourceSha256: `0x${'04'.repeat(32)}` as Hex }
const code = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
const plugin = appendMetadata(code, toMetadataEntries(told))
const { wasmHash, wasmSha256 } = computeWasmHashes(plugin)
const verifier = `0x${'aa'.repeat(20)}` as const
const stranger = `0x${'ee'.repeat(20)}` as const

/** A chain of events, whose head and whose reading can fail. */
function world(options: { verifiers?: readonly Hex[] } = {}) {
  const chain: ProvenanceEvent[] = []
  const state = { head: 0n, broken: false, asked: [] as string[], now: 0, reads: 0 }
  const documents = new Map<string, Uint8Array>()
  const plugins = new Map<Hex, Uint8Array>([[wasmHash, plugin]])
  const index = createProvenanceIndex()
  const follower = createProvenanceFollower({
    ...{ index, fromBlock: 0n, now: () => state.now, ...options },
    events: {
      getFinalizedBlock: async () => {
        if (state.broken) throw new TypeError('the node is gone')
        return state.head
      },
      getEvents: async ({ fromBlock, toBlock }) => {
        state.reads += 1
        return chain.filter(({ blockNumber }) => blockNumber >= fromBlock && blockNumber <= toBlock)
      },
    },
    readPlugin: async (hash) => {
      state.asked.push(hash)
      const bytes = plugins.get(hash)
      if (bytes === undefined) throw new TypeError('nobody has it')
      return bytes
    },
    readEvidence: async (uri) => {
      state.asked.push(uri)
      if (uri.includes('tarpit')) await new Promise(() => undefined)
      const bytes = documents.get(uri)
      if (bytes === undefined) throw new TypeError('nobody has it')
      return bytes
    },
  })
  const emit = (event: object): void => {
    state.head += 1n
    const transactionHash: Hex = `0x${state.head.toString(16).padStart(64, '0')}`
    const place = { blockNumber: state.head, logIndex: 0, timestamp: state.head, transactionHash }
    chain.push({ ...place, ...event } as ProvenanceEvent)
  }
  const claim = (
    result: 'match' | 'did_not_run',
    who: Hex = verifier,
    host = `${who}.example`,
  ): string => {
    const buildInfoHash = computeBuildInfoHash({ ...told, wasmSha256 })
    const { bytes, hash } = encodeEvidence({
      schema: 'newton.verification-evidence/1',
      ...{ wasmHash, wasmSha256, buildInfoHash, result, image, sourceSha256: told.sourceSha256 },
      ...{ isolation: 'bubblewrap' },
      ...(result === 'match' ? { level: 'exact', rebuiltSha256: wasmSha256 } : {}),
      ...(result === 'did_not_run' ? { reason: 'timeout' } : {}),
    })
    const evidenceUri = `https://${host}/${hash.slice(2)}.json`
    documents.set(evidenceUri, bytes)
    emit({ type: 'ClaimSubmitted', wasmHash, verifier: who, result, buildInfoHash, evidenceUri })
    return evidenceUri
  }
  /** Claims with evidence at servers that accept and say nothing. */
  const tarpits = (count: number, of: (at: number) => { who: Hex; host: string }): void => {
    for (let at = 0; at < count; at++) {
      const { who, host } = of(at)
      const evidenceUri = `https://tarpit.${host}/${at.toString(16).padStart(64, '0')}.json`
      const buildInfoHash = computeBuildInfoHash({ ...told, wasmSha256 })
      const claimed = { wasmHash, verifier: who, result: 'match', buildInfoHash, evidenceUri }
      emit({ type: 'ClaimSubmitted', ...claimed })
    }
  }
  return { state, index, follower, emit, claim, documents, plugins, tarpits }
}

/** A verifier nobody knows. */
const strangerOf = (at: number): Hex => `0x${at.toString(16).padStart(40, 'e')}`

describe('createProvenanceFollower', () => {
  test('behavior: an answer is of the chain as it is now, and there is none where that is not known', async () => {
    const { state, index, follower, emit, claim } = world()
    const policy = { images: { [image]: 'trusted' as const }, verifiers: [verifier] }
    const provenance = indexedProvenance({ index, policy, follower })
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    expect(await provenance.getProvenance(wasmHash)).toMatchObject({ status: 'unverified' })
    claim('match')
    expect(await provenance.getProvenance(wasmHash)).toMatchObject({ status: 'verified' })
    // The verifier takes it back: nobody has to tell the reader.
    claim('did_not_run')
    expect(await provenance.getProvenance(wasmHash)).toMatchObject({ status: 'unverified' })
    claim('match')
    state.broken = true
    await expect(provenance.getProvenance(wasmHash)).rejects.toThrow('the node is gone')
    state.broken = false
    expect(await provenance.getProvenance(wasmHash)).toMatchObject({ status: 'verified' })
    expect(() => indexedProvenance({ index, policy } as never)).toThrow(/createProvenanceFollower/)
    const misspelled = { index, policy, follower, folower: follower }
    expect(() => indexedProvenance(misspelled as never)).toThrow(/folower/)
  })

  test('behavior: an answer waits for nothing that strangers wrote', async () => {
    const { state, index, follower, emit, claim } = world()
    const policy = { images: { [image]: 'trusted' as const }, verifiers: [verifier] }
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    await follower.follow()
    await follower.load(wasmHash, [])
    for (let at = 0; at < 100; at++) claim('match', `0x${at.toString(16).padStart(40, '0')}`)
    const own = claim('match')
    state.asked.length = 0
    const verdict = await indexedProvenance({ index, policy, follower }).getProvenance(wasmHash)
    expect(verdict).toMatchObject({ status: 'verified', agreeing: [verifier] })
    expect(state.asked).toEqual([own])
  })

  test('behavior: what cannot be had is asked for less and less, and a claim alone for no plugin', async () => {
    const { state, follower, emit, claim, documents, index } = world()
    const missing: Hex = `0x${'07'.repeat(32)}`
    emit({ type: 'PluginRegistered', wasmHash: missing, templateId: wasmHash })
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    const alone: Hex = `0x${'08'.repeat(32)}`
    const evidenceUri = `https://a.example/no-hash`
    const claimed = { type: 'ClaimSubmitted', verifier: stranger, result: 'match', evidenceUri }
    emit({ ...claimed, wasmHash: alone, buildInfoHash: alone })
    const gone = claim('match')
    documents.delete(gone)
    await follower.follow()
    expect(await follower.loadSome()).toBe(3)
    expect(state.asked).toEqual([missing, wasmHash, gone])
    expect(index.get(wasmHash)?.hashes).toBeDefined()
    expect(await follower.loadSome()).toBe(0)
    for (const [now, asked] of [
      [2_000, 2],
      [3_000, 0],
      [6_000, 2],
      [10_000_000, 2],
    ] as const) {
      state.now = now
      expect(await follower.loadSome(), `at ${now}`).toBe(asked)
    }
  })

  test('behavior: claims about what is no build of a registered plugin are no reason to read', async () => {
    const { state, index, follower, emit, claim } = world()
    for (let at = 0; at < 1_000; at++) {
      const alone: Hex = `0x${at.toString(16).padStart(64, '0')}`
      const evidenceUri = `https://a.example/${alone.slice(2)}.json`
      const claimed = { verifier: stranger, result: 'match', evidenceUri, buildInfoHash: alone }
      // About hashes of nothing, and about builds of which nobody says that the plugin comes from them.
      emit({ type: 'ClaimSubmitted', ...claimed, wasmHash: at % 2 === 0 ? alone : wasmHash })
    }
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    const own = claim('match')
    await follower.follow()
    expect(await follower.loadSome()).toBe(2)
    expect(state.asked).toEqual([wasmHash, own])
    expect(index.missingEvidence()).toEqual([])
  })

  const crowds = {
    'of one stranger at one server': () => ({ who: stranger, host: 'one.example' }),
    'of one stranger at many servers': (at: number) => ({ who: stranger, host: `h${at}.example` }),
    'of many strangers at one server': (at: number) => ({
      who: strangerOf(at),
      host: 'one.example',
    }),
  }
  for (const [name, of] of Object.entries(crowds)) {
    test(`behavior: servers that say nothing keep no evidence from being read: ${name}`, async () => {
      vi.useFakeTimers()
      try {
        const { state, index, follower, emit, claim, tarpits } = world()
        emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
        tarpits(150, of)
        const own = claim('match')
        await follower.follow()
        const loading = follower.loadSome()
        await vi.advanceTimersByTimeAsync(9_000)
        expect(state.asked).toContain(own)
        expect(index.get(wasmHash)?.claims.at(-1)?.evidence).toMatchObject({ result: 'match' })
        // One that hangs is not waited for longer than its time, whatever it does with its signal.
        await vi.advanceTimersByTimeAsync(60_000)
        expect(await loading).toBeLessThanOrEqual(33)
        // What comes new goes before what failed, and what is at a server that failed comes last.
        state.now = 3_600_000
        state.asked.length = 0
        const next = claim('did_not_run')
        await follower.follow()
        follower.loadSome().catch(() => undefined)
        await vi.advanceTimersByTimeAsync(1)
        expect(state.asked).toContain(next)
        expect(state.asked.indexOf(next)).toBeLessThanOrEqual(1)
      } finally {
        vi.useRealTimers()
      }
    })
  }

  test('behavior: evidence of named verifiers is read before that of all others', async () => {
    vi.useFakeTimers()
    try {
      const { state, follower, emit, claim, tarpits } = world({ verifiers: [verifier] })
      emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
      tarpits(1_000, (at) => ({ who: strangerOf(at), host: `h${at}.example` }))
      const own = claim('match')
      await follower.follow()
      follower.loadSome().catch(() => undefined)
      await vi.advanceTimersByTimeAsync(1)
      expect(state.asked.slice(0, 2)).toEqual([wasmHash, own])
    } finally {
      vi.useRealTimers()
    }
  })

  test('behavior: a round ends, however long what it asks for takes', async () => {
    vi.useFakeTimers()
    try {
      const { state, follower, emit, tarpits } = world()
      emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
      tarpits(150, (at) => ({ who: strangerOf(at), host: `h${at}.example` }))
      await follower.follow()
      const loading = follower.loadSome()
      for (let second = 0; second < 30; second++) {
        state.now += 1_000
        await vi.advanceTimersByTimeAsync(1_000)
      }
      expect(await loading).toBeLessThanOrEqual(1 + 2 * 8)
    } finally {
      vi.useRealTimers()
    }
  })

  test('behavior: other bytes than the ones that were asked for come to nothing', async () => {
    const { follower, emit, index, plugins, documents, claim } = world()
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    plugins.set(wasmHash, code)
    documents.set(claim('match'), Uint8Array.of(0x7b, 0x7d))
    await follower.follow()
    await follower.loadSome()
    expect(index.list()).toHaveLength(1)
    expect(index.get(wasmHash)).toMatchObject({ hashes: undefined, claims: [{ result: 'match' }] })
    expect(index.get(wasmHash)?.claims[0]?.evidence).toBeUndefined()
  })

  test('behavior: callers at once read each block once', async () => {
    const { state, follower, emit } = world()
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    await Promise.all(Array.from({ length: 20 }, () => follower.follow()))
    expect(state.reads).toBe(1)
  })
})

describe('an index of strangers’ plugins', () => {
  test('behavior: build information too large for a claim breaks no list and no other plugin', async () => {
    const { index, follower, emit, plugins } = world()
    const args = Array.from({ length: 100 }, () => 'x'.repeat(200))
    const large = appendMetadata(code, toMetadataEntries({ ...told, args }))
    const { wasmHash: largeHash } = computeWasmHashes(large)
    plugins.set(largeHash, large)
    emit({ type: 'PluginRegistered', wasmHash: largeHash, templateId: wasmHash })
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    await follower.follow()
    await follower.loadSome()
    expect(index.get(largeHash)).toMatchObject({
      builds: [],
      metadataFault: expect.stringContaining('bytes'),
    })
    expect(
      index
        .list()
        .map((record) => record.builds.length)
        .sort(),
    ).toEqual([0, 1])
    const handle = createStatusHandler({ index, service: { name: 'Example' } })
    for (const path of ['wasms.json', `wasms/${largeHash}.json`, `wasms/${wasmHash}.json`]) {
      expect((await handle(new Request(`https://a.example/${path}`))).status, path).toBe(200)
    }
  })
})

describe('createStatusHandler', () => {
  test('behavior: an index that nobody keeps up answers nothing', async () => {
    const { index, follower, emit, claim } = world()
    emit({ type: 'PluginRegistered', wasmHash, templateId: wasmHash })
    await follower.follow()
    await follower.loadSome()
    claim('match')
    await follower.follow()
    const state = { now: 1_000_000, asOf: undefined as number | undefined }
    const service = { name: 'Example' }
    const handle = createStatusHandler({
      ...{ index, service, maxAge: 60_000, now: () => state.now, asOf: () => state.asOf },
    })
    const statusOf = async (path = `wasms/${wasmHash}.json`): Promise<number> =>
      (await handle(new Request(`https://a.example/${path}`))).status
    expect(await statusOf()).toBe(503)
    state.asOf = 1_000_000
    expect(await statusOf()).toBe(200)
    state.now += 60_000
    expect(await statusOf()).toBe(200)
    const ageOf = async (): Promise<string | null> =>
      (await handle(new Request('https://a.example/wasms.json'))).headers.get('age')
    expect(await ageOf()).toBe('60')
    for (const now of [1_060_001, 999_999, Number.NaN]) {
      state.now = now
      for (const path of [
        `wasms/${wasmHash}.json`,
        'wasms.json',
        `wasms/${wasmHash}/claims.json`,
      ]) {
        expect(await statusOf(path), `${path} at ${now}`).toBe(503)
      }
    }
    for (const maxAge of [0, Number.NaN, Infinity]) {
      expect(() => createStatusHandler({ index, service, maxAge })).toThrow(/maxAge/)
    }
  })
})
