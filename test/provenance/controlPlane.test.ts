import type { Address, Hex } from 'viem'
import { describe, expect, test, vi } from 'vitest'
import type { ProvenanceClaim, ProvenanceEvent } from '../../src/core/interfaces/provenance.js'
import { toHex } from '../../src/internal/bytes.js'
import {
  appendMetadata,
  type BuildCandidates,
  type BuildOutcome,
  type ControlEvent,
  computeBuildInfoHash,
  computeWasmHashes,
  createBuildWorker,
  createControlHandler,
  createControlPlane,
  createProvenanceIndex,
  encodeBuildInfo,
  evaluateTrust,
  httpWorkerControl,
  type JobQueue,
  type LeasedBuild,
  memoryQueue,
  type PluginBuilder,
  PluginBytesError,
  type RecordedClaim,
  toMetadataEntries,
} from '../../src/provenance/index.js'
import { toyPlugin } from './toy.js'

const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
const verifier: Address = `0x${'12'.repeat(20)}`
const pluginOf = (text: string, more: { image?: string } = {}): Uint8Array =>
  appendMetadata(
    toyPlugin(text),
    toMetadataEntries({
      ...{ image, args: [text], options: [], sourceSha256: `0x${'04'.repeat(32)}` },
      ...more,
    }),
  )

/** A chain of events, plugins by hash, and a control plane over them. */
function world(
  options: {
    confirmations?: number
    queue?: JobQueue
    now?: () => number
    verifier?: Address
    throws?: boolean
    /** Sends no result that is on chain already, as sinks do. */
    sparing?: boolean
    candidates?: BuildCandidates
    onClaim?: (claim: RecordedClaim) => Promise<void>
  } = {},
) {
  const plugins = new Map<Hex, Uint8Array>()
  const chain: ProvenanceEvent[] = []
  const claims: (ProvenanceClaim & { verifier: Address })[] = []
  const documents = new Map<Hex, Uint8Array>()
  const index = createProvenanceIndex()
  const queue = options.queue ?? memoryQueue({ backoff: 0 })
  const seen: ControlEvent[] = []
  const failing = { claim: 0 }
  const hanging = new Set<Hex>()
  const reads: Hex[] = []
  const plane = createControlPlane({
    ...{ fromBlock: 1n, index, queue, leaseMs: 60_000 },
    ...(options.confirmations === undefined ? {} : { confirmations: options.confirmations }),
    ...{ now: options.now, candidates: options.candidates, onClaim: options.onClaim },
    events: {
      getFinalizedBlock: async () => BigInt(chain.length),
      getEvents: async ({ fromBlock, toBlock }) =>
        chain.filter(({ blockNumber }) => blockNumber >= fromBlock && blockNumber <= toBlock),
    },
    claims: {
      verifier: options.verifier ?? verifier,
      submitClaim: async (claim, { replace = false } = {}) => {
        if (failing.claim-- > 0) throw new TypeError('the node is down')
        const held = claims
          .filter(({ buildInfoHash }) => buildInfoHash === claim.buildInfoHash)
          .at(-1)
        if (!replace && options.sparing && held?.result === claim.result) {
          return { transactionHash: undefined }
        }
        claims.push({ ...claim, verifier })
        push({ type: 'ClaimSubmitted', verifier, ...claim })
        return { transactionHash: `0x${claims.length}` }
      },
    },
    evidence: {
      put: async (bytes, hash) => {
        documents.set(hash, bytes)
        return `https://control.example/evidence/${hash.slice(2)}.json`
      },
      get: async (hash) => documents.get(hash),
    },
    readPlugin: async (wasmHash) => {
      reads.push(wasmHash)
      if (hanging.has(wasmHash)) await new Promise(() => undefined)
      const found = plugins.get(wasmHash)
      if (found === undefined) throw new TypeError('not published')
      return found
    },
    onEvent: (event) => {
      seen.push(event)
      if (options.throws) throw new TypeError('a listener of somebody')
    },
  })
  function push(event: object): void {
    const transactionHash: Hex = `0x${chain.length.toString(16)}`
    chain.push({
      ...{ blockNumber: BigInt(chain.length + 1), logIndex: 0, transactionHash, timestamp: 1n },
      ...event,
    } as ProvenanceEvent)
  }
  const register = (wasm: Uint8Array, published = true, author?: Address): Hex => {
    const { wasmHash } = computeWasmHashes(wasm)
    if (published) plugins.set(wasmHash, wasm)
    push({ type: 'PluginRegistered', wasmHash, templateId: wasmHash, author })
    return wasmHash
  }
  return {
    ...{ plane, register, plugins, claims, documents, index, queue, seen, failing, push },
    ...{ hanging, reads },
  }
}

/** What an honest build of a job that asks for `text` gives. */
function honest({ job }: LeasedBuild, text = job.args[0] ?? ''): BuildOutcome {
  const code = toyPlugin(text)
  const bytes = Buffer.concat([code, Buffer.from(job.metadata.slice(2), 'hex')])
  return {
    ...{ status: 'built', isolation: 'bubblewrap', logSha256: `0x${'00'.repeat(32)}` },
    codeSha256: computeWasmHashes(code).wasmSha256,
    rebuiltSha256: computeWasmHashes(new Uint8Array(bytes)).wasmSha256,
  }
}

async function leased(
  plane: ReturnType<typeof world>['plane'],
  worker = 'w',
): Promise<LeasedBuild> {
  const lease = await plane.lease(worker)
  if (lease === undefined) throw new TypeError('there is no job')
  return lease
}

describe('createControlPlane', () => {
  test('behavior: a registered plugin with metadata is verified without any other act', async () => {
    const { plane, register, claims, index, documents } = world()
    const wasmHash = register(pluginOf('a'))
    await plane.follow()
    expect(plane.isPending(wasmHash)).toBe(true)
    const lease = await leased(plane)
    // A job does not say what it should give.
    expect(JSON.stringify(lease)).not.toContain(wasmHash.slice(2))
    expect(JSON.stringify(lease)).not.toContain(
      computeWasmHashes(pluginOf('a')).wasmSha256.slice(2),
    )
    expect(await plane.finish('w', lease.leaseId, honest(lease))).toBe(true)
    await plane.settle()
    await plane.settle()
    expect(plane.isPending(wasmHash)).toBe(false)
    expect(claims).toMatchObject([{ wasmHash, result: 'match', verifier }])
    await plane.follow()
    for (const bytes of documents.values()) index.addEvidence(bytes)
    const policy = { images: { [image]: 'trusted' as const }, verifiers: [verifier] }
    expect(evaluateTrust(policy, wasmHash, index.get(wasmHash)).status).toBe('verified')
  })

  test.each([1, 4])(
    'behavior: %i workers that die in between verify each of 1,000 plugins once',
    async (workers) => {
      let time = 0
      const queue = memoryQueue({ backoff: 0, now: () => time })
      const { plane, register, claims, seen } = world({ queue, now: () => time })
      const names = Array.from({ length: 1_000 }, (_, at) => `p${at}`)
      const expected = names.map((name) => register(pluginOf(name)))
      const late: LeasedBuild[] = []
      const abandoned = new Map<string, number>()
      let state = 1
      const drawn = (of: number): boolean => {
        state = (state * 48_271) % 2_147_483_647
        return state % of === 0
      }
      const work = async (worker: string): Promise<boolean> => {
        const lease = await plane.lease(worker)
        if (lease === undefined) return false
        const [name = ''] = lease.job.args
        const died = abandoned.get(name) ?? 0
        if (died < 3 && drawn(5)) {
          abandoned.set(name, died + 1)
          late.push(lease)
          return true
        }
        return plane.finish(worker, lease.leaseId, honest(lease))
      }
      for (let round = 0; round < 2_000 && claims.length < names.length; round++) {
        await plane.follow()
        const busy = await Promise.all(
          Array.from({ length: workers * 16 }, (_, at) => work(`w${at % workers}`)),
        )
        await plane.settle()
        // What is leased to the dead comes back when their leases are over.
        if (busy.every((one) => !one)) time += 60_001
      }
      expect(abandoned.size).toBeGreaterThan(100)
      expect(claims.map(({ wasmHash }) => wasmHash).sort()).toEqual([...expected].sort())
      expect(new Set(claims.map(({ result }) => result))).toEqual(new Set(['match']))
      // They were not dead after all, and nothing of theirs counts.
      for (const lease of late) {
        expect(await plane.finish('late', lease.leaseId, honest(lease, 'b'))).toBe(false)
      }
      await plane.settle()
      expect(claims).toHaveLength(names.length)
      expect(seen.filter(({ type }) => type === 'control.gave_up')).toEqual([])
      expect(await queue.counts()).toMatchObject({ done: 1_000, queued: 0, leased: 0 })
    },
  )

  test('behavior: a source that gives other bytes does not match', async () => {
    const { plane, register, claims, documents } = world()
    register(pluginOf('a'))
    await plane.follow()
    const lease = await leased(plane)
    expect(await plane.finish('w', lease.leaseId, honest(lease, 'b'))).toBe(true)
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'no_match' }])
    const [document] = [...documents.values()].map((bytes) =>
      JSON.parse(Buffer.from(bytes).toString()),
    )
    expect(document).toMatchObject({ level: 'none', result: 'no_match' })
  })

  test('behavior: what cannot be so together is refused, and the job goes to another', async () => {
    const { plane, register, claims, seen } = world()
    const wasm = pluginOf('a')
    const { wasmSha256 } = computeWasmHashes(wasm)
    register(wasm)
    await plane.follow()
    const lie = async (change: (outcome: BuildOutcome) => object): Promise<void> => {
      const lease = await leased(plane)
      const outcome = change(honest(lease)) as BuildOutcome
      expect(await plane.finish('liar', lease.leaseId, outcome)).toBe(false)
    }
    const other: Hex = `0x${'99'.repeat(32)}`
    await lie((outcome) => ({ ...outcome, codeSha256: other, rebuiltSha256: wasmSha256 }))
    await lie((outcome) => ({ ...outcome, rebuiltSha256: other }))
    await plane.settle()
    expect(claims).toEqual([])
    expect(seen.filter(({ type }) => type === 'control.refused')).toHaveLength(2)
    const lease = await leased(plane)
    await plane.finish('honest', lease.leaseId, honest(lease))
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'match' }])
  })

  test('behavior: with two confirmations one lying worker makes no claim', async () => {
    const { plane, register, claims } = world({ confirmations: 2 })
    register(pluginOf('a'))
    await plane.follow()
    const finish = async (worker: string, text?: string): Promise<void> => {
      const lease = await leased(plane, worker)
      await plane.finish(worker, lease.leaseId, honest(lease, text))
      await plane.settle()
    }
    // The liar knows the chain and says what is wanted; alone it is nothing, and it is not asked twice.
    await finish('liar')
    expect(await plane.lease('liar')).toBeUndefined()
    expect(claims).toEqual([])
    await finish('honest', 'b')
    expect(await plane.lease('honest')).toBeUndefined()
    expect(claims).toEqual([])
    await finish('third', 'b')
    expect(claims).toMatchObject([{ result: 'no_match' }])
  })

  describe('where another worker is there', () => {
    /** Workers that ask, and one that answers what it is told to. */
    function staffed(names: readonly string[]) {
      let time = 0
      const now = (): number => time
      const at = world({ queue: memoryQueue({ backoff: 0, now }), now })
      const ask = async (): Promise<void> => {
        for (const name of names) expect(await at.plane.lease(name)).toBeUndefined()
      }
      const answer = async (worker: string, text?: string, more: object = {}): Promise<void> => {
        const lease = await leased(at.plane, worker)
        const outcome = { ...honest(lease, text), ...more } as BuildOutcome
        expect(await at.plane.finish(worker, lease.leaseId, outcome)).toBe(true)
        await at.plane.settle()
        await at.plane.follow()
      }
      const pass = (milliseconds: number): void => {
        time += milliseconds
      }
      return { ...at, ask, answer, pass }
    }
    const results = ({ claims }: { claims: readonly ProvenanceClaim[] }) =>
      claims.map(({ result }) => result)

    test('behavior: a mismatch is one where the other says so too', async () => {
      const at = staffed(['one', 'two'])
      await at.ask()
      at.register(pluginOf('a'))
      await at.plane.follow()
      await at.answer('one', 'b')
      expect(at.claims).toEqual([])
      expect(await at.plane.lease('one')).toBeUndefined()
      await at.answer('two', 'b')
      expect(results(at)).toEqual(['no_match'])
    })

    test('behavior: two that differ claim nothing, and a third decides', async () => {
      for (const names of [
        ['one', 'two'],
        ['one', 'two', 'three'],
      ]) {
        const at = staffed(names)
        await at.ask()
        at.register(pluginOf('a'))
        await at.plane.follow()
        await at.answer('one', 'b')
        await at.answer('two')
        expect(at.claims).toEqual([])
        if (names.length === 3) {
          await at.answer('three')
          expect(results(at)).toEqual(['match'])
        } else {
          expect(at.seen.at(-1)).toMatchObject({
            ...{ type: 'control.gave_up', reason: 'workers disagree' },
          })
        }
      }
    })

    test('behavior: one that stays away, or has not the toolchain, holds nothing up for ever', async () => {
      const gone = staffed(['one', 'two'])
      await gone.ask()
      gone.register(pluginOf('a'))
      await gone.plane.follow()
      await gone.answer('one', 'b')
      gone.pass(1_800_000)
      await gone.answer('one', 'b')
      expect(results(gone)).toEqual(['no_match'])
      const lacking = staffed(['one', 'two'])
      await lacking.ask()
      lacking.register(pluginOf('a'))
      await lacking.plane.follow()
      await lacking.answer('one', 'b')
      const reason = 'toolchain_unavailable'
      await lacking.answer('two', 'b', { status: 'did_not_run', reason })
      expect(results(lacking)).toEqual(['no_match'])
    })

    test('behavior: one that is there and fails confirms nothing: nothing is claimed', async () => {
      const at = staffed(['one', 'two'])
      await at.ask()
      at.register(pluginOf('a'))
      await at.plane.follow()
      await at.answer('one', 'b')
      for (let tries = 2; tries <= 5; tries++) {
        await at.answer('two', 'b', { status: 'worker_failed', reason: 'unexpected' })
        at.pass(1_800_000)
      }
      expect(at.claims).toEqual([])
      expect(at.seen.at(-1)).toMatchObject({ type: 'control.gave_up' })
    })

    test('behavior: a build without walls is made once more by one that may have some', async () => {
      const at = staffed(['one', 'two'])
      await at.ask()
      at.register(pluginOf('a'))
      await at.plane.follow()
      await at.answer('one', 'a', { isolation: 'none' })
      expect(at.claims).toEqual([])
      await at.answer('two')
      const isolations = () =>
        at.seen.flatMap((event) =>
          event.type === 'control.claimed' ? [event.evidence.isolation] : [],
        )
      expect(isolations()).toEqual(['bubblewrap'])
      // The first is known to have none by now.
      at.register(pluginOf('c'))
      await at.plane.follow()
      await at.answer('two', 'c', { isolation: 'none' })
      expect(isolations()).toEqual(['bubblewrap', 'none'])
    })
  })

  test('behavior: a claim that is slow is kept by whoever makes it, and one that came late is not sent', async () => {
    vi.useFakeTimers()
    try {
      const queue = memoryQueue({ backoff: 0 })
      let slow: (() => void) | undefined
      const first = world({ queue, onClaim: () => new Promise((done) => (slow = done)) })
      const second = world({ queue })
      first.register(pluginOf('a'))
      await first.plane.follow()
      const lease = await leased(first.plane)
      await first.plane.finish('w', lease.leaseId, honest(lease))
      const settling = first.plane.settle()
      await vi.advanceTimersByTimeAsync(120_000)
      await second.plane.settle()
      slow?.()
      await settling
      expect([first.claims, second.claims].map(({ length }) => length)).toEqual([1, 0])
      expect(await queue.unsettled(1)).toEqual([])
      // One whose reservation another has by now sends nothing.
      const lost = world({ queue: { ...queue, keep: async () => false } })
      lost.register(pluginOf('b'))
      await lost.plane.follow()
      const next = await leased(lost.plane)
      await lost.plane.finish('w', next.leaseId, honest(next))
      await lost.plane.settle()
      expect(lost.claims).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })

  test('behavior: those who agree are counted, whatever others say in between', async () => {
    const { plane, register, claims, seen } = world({ confirmations: 3 })
    register(pluginOf('a'))
    await plane.follow()
    const answer = async (worker: string, change: (lease: LeasedBuild) => BuildOutcome) => {
      const lease = await leased(plane, worker)
      await plane.finish(worker, lease.leaseId, change(lease))
      await plane.settle()
    }
    await answer('w1', (lease) => honest(lease))
    await answer('w2', (lease) => honest(lease, 'b'))
    await answer('w3', (lease) => honest(lease))
    // A build that did not run is one worker's word, too.
    const failed = {
      status: 'did_not_run',
      reason: 'build_failed',
      isolation: 'bubblewrap',
    } as const
    await answer('w4', () => failed)
    expect(claims).toEqual([])
    await answer('w5', (lease) => ({ ...honest(lease), isolation: 'none' }) as BuildOutcome)
    expect(claims).toMatchObject([{ result: 'match' }])
    // The one that was not isolated speaks for those who agree with it.
    expect(seen.at(-1)).toMatchObject({ evidence: { isolation: 'none' } })
  })

  test('behavior: what one of two says did not run is not claimed, and why there is no claim is said', async () => {
    const run = async (...reasons: (string | undefined)[]) => {
      const { plane, register, claims, seen } = world({ confirmations: 2 })
      register(pluginOf('a'))
      await plane.follow()
      for (const [at, reason] of reasons.entries()) {
        const lease = await leased(plane, `w${at}`)
        await plane.finish(`w${at}`, lease.leaseId, {
          ...(reason === undefined
            ? honest(lease)
            : { status: 'did_not_run', reason, isolation: 'bubblewrap' }),
        } as BuildOutcome)
        await plane.settle()
      }
      return { claims, last: seen.at(-1) }
    }
    const [failed, lacking] = ['build_failed', 'toolchain_unavailable']
    expect(await run(failed)).toMatchObject({ claims: [] })
    expect(await run(failed, failed)).toMatchObject({ claims: [{ result: 'did_not_run' }] })
    expect(await run(undefined, failed, 'timeout', lacking, 'output_invalid')).toMatchObject({
      claims: [],
      last: { type: 'control.gave_up', reason: 'workers disagree' },
    })
    // Where somebody had the toolchain, that others lack it is no answer, and takes none back.
    expect(await run(undefined, lacking, lacking, lacking, lacking)).toMatchObject({ claims: [] })
    expect(await run(undefined, lacking, lacking, lacking, undefined)).toMatchObject({
      claims: [{ result: 'match' }],
    })
    expect(await run(lacking, lacking, lacking, lacking, lacking)).toMatchObject({
      claims: [{ result: 'did_not_run' }],
    })
  })

  test('behavior: a build of which there are too few workers ends, and it is said', async () => {
    for (const liar of [false, true]) {
      let now = 0
      const { plane, register, seen, queue, claims } = world({
        ...{ confirmations: 2, queue: memoryQueue({ backoff: 0, now: () => now }), now: () => now },
      })
      const wasmHash = register(pluginOf('a'))
      await plane.follow()
      for (
        let days = 0;
        days < 30 && (await queue.counts()).queued > 0;
        days++, now += 86_400_001
      ) {
        const lease = await plane.lease('only')
        if (lease === undefined) continue
        const outcome = honest(lease)
        const lie = { ...outcome, rebuiltSha256: `0x${'99'.repeat(32)}` as Hex } as BuildOutcome
        await plane.finish('only', lease.leaseId, liar ? lie : outcome)
        // Not at once: another may come.
        expect(await plane.lease('only')).toBeUndefined()
      }
      await plane.settle()
      expect([claims.length, plane.isPending(wasmHash)]).toEqual([0, false])
      expect(seen.at(-1)).toMatchObject({ type: 'control.gave_up', state: 'failed' })
      expect(await plane.again(wasmHash)).toBe(1)
    }
  })

  test('behavior: a worker whose word cannot be so is not asked again', async () => {
    const { plane, register, claims } = world()
    register(pluginOf('a'))
    await plane.follow()
    const lease = await leased(plane, 'liar')
    const lie = { ...honest(lease), rebuiltSha256: `0x${'99'.repeat(32)}` } as BuildOutcome
    expect(await plane.finish('liar', lease.leaseId, lie)).toBe(false)
    expect(await plane.lease('liar')).toBeUndefined()
    const next = await leased(plane, 'honest')
    await plane.finish('honest', next.leaseId, honest(next))
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'match' }])
  })

  test.each<[string, unknown]>([
    ['nothing', null],
    ['another isolation', { isolation: 'docker' }],
    ['a reason of nobody', { status: 'did_not_run', reason: 'no_isolation' }],
    ['hashes that are none', { rebuiltSha256: '0x12' }],
  ])('error: an outcome that is %s', async (_, change) => {
    const { plane, register, claims } = world()
    register(pluginOf('a'))
    await plane.follow()
    const lease = await leased(plane)
    const outcome = change === null ? null : { ...honest(lease), ...(change as object) }
    await expect(plane.finish('w', lease.leaseId, outcome as BuildOutcome)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    // The lease is as it was.
    expect(await plane.finish('w', lease.leaseId, honest(lease))).toBe(true)
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'match' }])
  })

  test('behavior: a late result is none', async () => {
    let now = 0
    const { plane, register, claims } = world({
      queue: memoryQueue({ backoff: 0, now: () => now }),
    })
    register(pluginOf('a'))
    await plane.follow()
    const late = await leased(plane)
    now += 60_001
    expect(await plane.finish('w', late.leaseId, honest(late))).toBe(false)
    expect(await plane.renew(late.leaseId)).toBe(false)
    const next = await leased(plane)
    expect(await plane.finish('w', late.leaseId, honest(late))).toBe(false)
    expect(await plane.renew(next.leaseId)).toBe(true)
    await plane.settle()
    expect(claims).toEqual([])
  })

  test.each([
    ['leases and says nothing', false],
    ['renews for ever', true],
  ])('behavior: a worker that %s holds up nobody else’s builds', async (_, renews) => {
    let now = 0
    const { plane, register, claims } = world({ queue: memoryQueue({ now: () => now }) })
    for (let i = 0; i < 20; i++) register(pluginOf(`plugin ${i}`))
    await plane.follow()
    const held = new Set<string>()
    for (let round = 0; round < 120 && claims.length < 20; round++) {
      for (let i = 0; i < 20; i++) held.add((await plane.lease('silent'))?.leaseId ?? '')
      if (renews) for (const leaseId of held) await plane.renew(leaseId, 'silent')
      const lease = await plane.lease('honest')
      if (lease !== undefined) await plane.finish('honest', lease.leaseId, honest(lease))
      await plane.settle()
      now += 30_001
    }
    expect(claims.map(({ result }) => result)).toEqual(Array(20).fill('match'))
  })

  test('behavior: what did not run is claimed as that, with its reason; lost workers claim nothing', async () => {
    const { plane, register, claims, documents, seen } = world()
    register(pluginOf('a'))
    register(pluginOf('b'))
    await plane.follow()
    const first = await leased(plane)
    await plane.finish('w', first.leaseId, {
      ...{ status: 'did_not_run', reason: 'build_failed', isolation: 'bubblewrap' },
    })
    for (let tries = 0; tries < 5; tries++) {
      const lease = await leased(plane, `w${tries}`)
      await plane.finish(`w${tries}`, lease.leaseId, {
        ...{ status: 'worker_failed', reason: 'NO_ISOLATION' },
      })
    }
    expect(await plane.lease('w')).toBeUndefined()
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'did_not_run' }])
    expect(JSON.parse(Buffer.from([...documents.values()][0] ?? []).toString())).toMatchObject({
      reason: 'build_failed',
    })
    expect(seen).toContainEqual(
      expect.objectContaining({ type: 'control.gave_up', state: 'failed', reason: 'NO_ISOLATION' }),
    )
  })

  test('behavior: what another worker may have is asked for again, then said', async () => {
    let now = 0
    const { plane, register, claims } = world({
      queue: memoryQueue({ backoff: 0, now: () => now }),
    })
    register(pluginOf('a'))
    await plane.follow()
    for (let tries = 0; tries < 5; tries++) {
      const lease = await leased(plane)
      await plane.finish('w', lease.leaseId, {
        ...{ status: 'did_not_run', reason: 'toolchain_unavailable', isolation: 'bubblewrap' },
      })
      await plane.settle()
      expect(claims).toHaveLength(tries === 4 ? 1 : 0)
      // The same worker may have it later; until then it is asked of others.
      expect(await plane.lease('w')).toBeUndefined()
      now += 120_001
    }
  })

  test.each<[string, BuildOutcome]>([
    ['fails', { status: 'worker_failed', reason: 'ENOSPC' }],
    ['lacks', { status: 'did_not_run', reason: 'unknown_image', isolation: 'bubblewrap' }],
  ])('behavior: a worker that %s does not use up the tries of the others', async (_, outcome) => {
    const { plane, register, claims } = world()
    register(pluginOf('a'))
    await plane.follow()
    for (const worker of ['broken 1', 'broken 2']) {
      const lease = await leased(plane, worker)
      await plane.finish(worker, lease.leaseId, outcome)
    }
    for (const worker of ['broken 1', 'broken 2']) {
      expect(await plane.lease(worker)).toBeUndefined()
    }
    const lease = await leased(plane, 'sound')
    await plane.finish('sound', lease.leaseId, honest(lease))
    await plane.settle()
    expect(claims).toMatchObject([{ result: 'match' }])
  })

  /** Entries of build information of a plugin without metadata, the first of which are of others. */
  function submitted(at: ReturnType<typeof world>, texts: readonly string[]): Hex {
    const wasm = toyPlugin('a')
    const wasmHash = at.register(wasm)
    const { wasmSha256 } = computeWasmHashes(wasm)
    for (const text of texts) {
      const info = {
        ...{ wasmSha256, image, args: [text], options: [] },
        sourceSha256: `0x${'04'.repeat(32)}` as Hex,
      }
      at.push({
        ...{ type: 'BuildInfoSubmitted', wasmHash, submitter: verifier },
        ...{ buildInfoHash: computeBuildInfoHash(info), xdr: toHex(encodeBuildInfo(info)) },
      })
    }
    return wasmHash
  }

  test('behavior: entries are tried in their order, and the first match ends it', async () => {
    const at = world()
    const texts = Array.from({ length: 100 }, (_, i) => (i === 2 ? 'a' : `other ${i}`))
    const wasmHash = submitted(at, texts)
    const built: string[] = []
    for (let round = 0; round < 10; round++) {
      await at.plane.follow()
      const lease = await at.plane.lease('w')
      if (lease === undefined) continue
      expect(at.plane.isPending(wasmHash)).toBe(true)
      expect(await at.plane.lease('w')).toBeUndefined()
      built.push(lease.job.args[0] ?? '')
      await at.plane.finish('w', lease.leaseId, honest(lease))
      await at.plane.settle()
    }
    expect(built).toEqual(['other 0', 'other 1', 'a'])
    expect(at.claims.map(({ result }) => result)).toEqual(['no_match', 'no_match', 'match'])
    expect(at.plane.isPending(wasmHash)).toBe(false)
  })

  test('behavior: no more than 64 of them', async () => {
    const at = world()
    submitted(
      at,
      Array.from({ length: 70 }, (_, i) => `other ${i}`),
    )
    let builds = 0
    for (let round = 0; round < 80; round++) {
      await at.plane.follow()
      const lease = await at.plane.lease('w')
      if (lease === undefined) continue
      builds += 1
      await at.plane.finish('w', lease.leaseId, honest(lease))
      await at.plane.settle()
    }
    expect(builds).toBe(64)
  })

  /** What may have built a plugin of which nobody says it: what is built is what its option says. */
  const candidates: BuildCandidates = {
    sources: [{ sourceSha256: `0x${'04'.repeat(32)}` }],
    images: [{ archs: { 'linux-x64': image } }],
    options: ['b', 'a', 'c'].map((text) => [`--text=${text}`]),
  }
  /** Builds what is asked for until there is no more; what each was asked for. */
  const drain = async ({ plane }: ReturnType<typeof world>, rounds = 80): Promise<string[]> => {
    const built: string[] = []
    for (let round = 0; round < rounds; round++) {
      await plane.follow()
      const lease = await plane.lease('w')
      if (lease === undefined) continue
      // One after another.
      expect(await plane.lease('w')).toBeUndefined()
      const [option = ''] = lease.job.options
      built.push(option.slice('--text='.length))
      await plane.finish('w', lease.leaseId, honest(lease, built.at(-1)))
      await plane.settle()
    }
    return built
  }

  test('behavior: what may have built a plugin is tried in order, and only a match is claimed', async () => {
    const told: RecordedClaim[] = []
    const onClaim = async (claim: RecordedClaim) => void told.push(claim)
    const at = world({ candidates, onClaim })
    const wasm = toyPlugin('a')
    const wasmHash = at.register(wasm)
    expect(await drain(at, 6)).toEqual(['b', 'a'])
    expect(at.plane.isPending(wasmHash)).toBe(false)
    expect(at.claims).toMatchObject([{ wasmHash, result: 'match' }])
    expect(at.seen.filter(({ type }) => type === 'control.guessed')).toMatchObject([
      { wasmHash, result: 'no_match' },
    ])
    expect(at.seen.map(({ type }) => type)).not.toContain('control.undescribed')
    expect(told).toMatchObject([{ guessed: true, buildInfo: { options: ['--text=a'] } }])
    // Readers know of the build once a manager has submitted it, and then nothing is built again but once.
    for (const bytes of at.documents.values()) at.index.addEvidence(bytes)
    const policy = { images: { [image]: 'trusted' as const }, verifiers: [verifier] }
    const status = () => evaluateTrust(policy, wasmHash, at.index.get(wasmHash)).status
    expect(status()).toBe('unverified')
    const { buildInfo } = told[0] as RecordedClaim
    const buildInfoHash = computeBuildInfoHash(buildInfo)
    const xdr = toHex(encodeBuildInfo(buildInfo))
    at.push({ type: 'BuildInfoSubmitted', wasmHash, submitter: verifier, buildInfoHash, xdr })
    expect(await drain(at, 4)).toEqual(['a'])
    for (const bytes of at.documents.values()) at.index.addEvidence(bytes)
    expect(status()).toBe('verified')
  })

  test('behavior: where none of them gives it, that is the end, and nothing is claimed', async () => {
    const queue = memoryQueue({ backoff: 0 })
    const at = world({ queue, candidates })
    const wasmHash = at.register(toyPlugin('z'))
    expect(await drain(at, 8)).toEqual(['b', 'a', 'c'])
    expect(at.claims).toEqual([])
    expect(at.plane.isPending(wasmHash)).toBe(false)
    const end = { type: 'control.undescribed', wasmHash, tried: 3 }
    expect(at.seen.at(-1)).toEqual(end)
    // A plane that starts anew knows it from the queue.
    const later = world({ queue, candidates })
    later.register(toyPlugin('z'))
    expect(await drain(later, 3)).toEqual([])
    expect(later.seen).toEqual([end])
    // When it is told to, it tries all of them once more.
    expect(await later.plane.again(wasmHash)).toBe(3)
  })

  test('behavior: a build that was guessed and is then named is claimed, whatever came of it', async () => {
    const at = world({ candidates })
    const wasm = toyPlugin('z')
    const wasmHash = at.register(wasm)
    await drain(at, 6)
    const { wasmSha256 } = computeWasmHashes(wasm)
    const [{ sourceSha256 } = { sourceSha256: wasmHash }] = candidates.sources
    const info = {
      ...{ wasmSha256, image, sourceSha256 },
      ...{ args: ['plugin', 'build'], options: ['--text=a'] },
    }
    const [buildInfoHash, xdr] = [computeBuildInfoHash(info), toHex(encodeBuildInfo(info))]
    at.push({ type: 'BuildInfoSubmitted', wasmHash, submitter: verifier, buildInfoHash, xdr })
    expect(await drain(at, 4)).toEqual(['a'])
    expect(at.claims).toMatchObject([{ buildInfoHash, result: 'no_match' }])
  })

  test('behavior: 64 at most, and nothing is guessed where somebody says it, or says it malformed', async () => {
    const many = { ...candidates, options: Array.from({ length: 90 }, (_, i) => [`--text=x${i}`]) }
    const at = world({ candidates: many })
    const wasmHash = at.register(toyPlugin('z'))
    expect(await drain(at, 70)).toHaveLength(64)
    expect(at.seen.at(-1)).toEqual({ type: 'control.undescribed', wasmHash, tried: 64 })
    at.register(pluginOf('a'))
    const malformed = appendMetadata(toyPlugin('m'), [{ key: 'source_sha256', value: 'none' }])
    const broken = at.register(malformed)
    await at.plane.follow()
    expect((await leased(at.plane)).job.args).toEqual(['a'])
    expect(await at.plane.lease('w')).toBeUndefined()
    expect(at.seen).toContainEqual({
      ...{ type: 'control.undescribed', wasmHash: broken, tried: 0 },
      fault: expect.stringContaining('source_sha256') as string,
    })
    // Without anything to guess from, that nobody says it is the end at once.
    const without = world()
    const alone = without.register(toyPlugin('z'))
    await without.plane.follow()
    expect(without.seen).toEqual([{ type: 'control.undescribed', wasmHash: alone, tried: 0 }])
  })

  test('behavior: a guess that did not run, or whose workers were lost, is followed by the next', async () => {
    const at = world({ candidates })
    const wasmHash = at.register(toyPlugin('c'))
    const failed = {
      status: 'did_not_run',
      reason: 'build_failed',
      isolation: 'bubblewrap',
    } as const
    await at.plane.follow()
    await at.plane.finish('w', (await leased(at.plane)).leaseId, failed)
    await at.plane.settle()
    await at.plane.follow()
    for (let tries = 0; tries < 5; tries++) {
      const { leaseId } = await leased(at.plane, `w${tries}`)
      await at.plane.finish(`w${tries}`, leaseId, { status: 'worker_failed', reason: 'ENOSPC' })
    }
    await at.plane.settle()
    expect(at.claims).toEqual([])
    expect(await drain(at, 4)).toEqual(['c'])
    expect(at.claims).toMatchObject([{ wasmHash, result: 'match' }])
  })

  test('behavior: who registers one source many times over waits behind others', async () => {
    const { plane, register } = world()
    const many = (i: number) => ({ options: [`--variant=${i}`] }) as object
    for (let i = 0; i < 31; i++) register(pluginOf('spam', many(i)))
    register(pluginOf('honest', { sourceSha256: `0x${'05'.repeat(32)}` } as object))
    await plane.follow()
    const first = [await leased(plane), await leased(plane)].map(({ job }) => job.args[0])
    expect(first).toEqual(['spam', 'honest'])
  })

  const people: readonly Address[] = ['a1', 'b2', 'c3'].map(
    (byte) => `0x${byte.repeat(20)}` as const,
  )
  const [spammer, other] = people as [Address, Address]
  /** A plugin of a source of its own. */
  const ofSource = (text: string, at: number): Uint8Array =>
    pluginOf(text, { sourceSha256: `0x${at.toString(16).padStart(64, '0')}` } as object)

  test('behavior: who varies its source gets no further, and waits behind nobody else', async () => {
    const { plane, register } = world()
    for (let i = 0; i < 200; i++) register(ofSource(`spam ${i}`, i), true, spammer)
    for (let i = 0; i < 2; i++) register(ofSource(`honest ${i}`, 900 + i), true, other)
    const upper = `0x${spammer.slice(2).toUpperCase()}` as const
    register(ofSource('spam in capitals', 800), true, upper)
    // Read in turn too: what is behind 200 others is there in the first round.
    await plane.follow()
    const first: (string | undefined)[] = []
    for (let i = 0; i < 5; i++) first.push((await leased(plane, `w${i}`)).job.args[0])
    expect(first).toEqual(['spam 0', 'honest 0', 'spam 1', 'honest 1', 'spam 2'])
  })

  test('behavior: a plugin that two ask for is of the one of whom fewer wait', async () => {
    const { plane, register } = world()
    for (let i = 0; i < 100; i++) register(ofSource(`spam ${i}`, i), true, spammer)
    const wanted = ofSource('wanted', 1_000)
    register(wanted, true, spammer)
    // In the queue already, behind all of its requester.
    for (let round = 0; round < 4; round++) await plane.follow()
    register(wanted, true, other)
    await plane.follow()
    const first = [await leased(plane), await leased(plane)].map(({ job }) => job.args[0])
    expect(first).toEqual(['spam 0', 'wanted'])
  })

  test('behavior: a queue that is full is left alone, and everything is verified in the end', async () => {
    let time = 0
    const now = () => time
    const queue = memoryQueue({ backoff: 0, now, waiting: 6, waitingOfOne: 4 })
    const { plane, register, claims, seen } = world({ queue, now })
    for (let i = 0; i < 20; i++) register(ofSource(`spam ${i}`, i), true, spammer)
    await plane.follow()
    expect(await queue.counts()).toMatchObject({ queued: 4 })
    for (const [i, author] of [other, people[2], other].entries()) {
      register(ofSource(`honest ${i}`, 900 + i), true, author)
    }
    await plane.follow()
    expect(await queue.counts()).toMatchObject({ queued: 6 })
    const full = seen.filter(({ type }) => type === 'control.full')
    expect(full).toEqual([
      { type: 'control.full', of: 'requester', requester: spammer },
      { type: 'control.full', of: 'queue' },
    ])
    // Nothing is asked of it while it is full, and nobody's plugin is called unreadable.
    await plane.follow()
    expect(seen.filter(({ type }) => type === 'control.full')).toHaveLength(2)
    for (let round = 0; round < 60 && claims.length < 23; round++) {
      time += 10_001
      await plane.follow()
      for (let i = 0; i < 2; i++) {
        const lease = await plane.lease('w')
        if (lease !== undefined) await plane.finish('w', lease.leaseId, honest(lease))
      }
      await plane.settle()
      const { queued } = await queue.counts()
      expect(queued).toBeLessThanOrEqual(6)
    }
    expect(claims).toHaveLength(23)
    expect(seen.filter(({ type }) => type === 'control.unreadable')).toEqual([])
  })

  test('behavior: a claim that was slow settles nothing of what came after it', async () => {
    let now = 0
    const queue = memoryQueue({ backoff: 0, now: () => now })
    let isFirst = true
    const { plane, register, claims } = world({
      queue,
      onClaim: async () => {
        if (!isFirst) return
        isFirst = false
        // While it is recorded, its time ends, and somebody has it built again.
        now += 30_001
        expect(await plane.again(wasmHash)).toBe(1)
        const next = await leased(plane, 'other')
        expect(await plane.finish('other', next.leaseId, honest(next))).toBe(true)
      },
    })
    const wasmHash = register(pluginOf('a'))
    await plane.follow()
    const { leaseId } = await leased(plane)
    const notRun = {
      status: 'did_not_run',
      reason: 'build_failed',
      isolation: 'bubblewrap',
    } as const
    await plane.finish('w', leaseId, notRun)
    for (let i = 0; i < 3; i++) await plane.settle()
    expect(claims.map(({ result }) => result)).toEqual(['did_not_run', 'match'])
  })

  test('behavior: results that cannot be recorded hold none of the others up', async () => {
    const { plane, register, claims, failing } = world()
    const hashes = Array.from({ length: 60 }, (_, i) => register(pluginOf(`plugin ${i}`)))
    for (let i = 0; i < 2; i++) await plane.follow()
    for (let i = 0; i < 60; i++) {
      const lease = await leased(plane)
      await plane.finish('w', lease.leaseId, honest(lease))
    }
    failing.claim = Number.POSITIVE_INFINITY
    await plane.settle()
    failing.claim = 0
    await plane.settle()
    const own = claims.map(({ wasmHash }) => hashes.indexOf(wasmHash))
    expect(own.slice(0, 10)).toEqual([50, 51, 52, 53, 54, 55, 56, 57, 58, 59])
    await plane.settle()
    expect(claims).toHaveLength(60)
  })

  test('behavior: planes that share a queue make one claim, and not those of two verifiers', async () => {
    const queue = memoryQueue({ backoff: 0 })
    const [a, b] = [world({ queue }), world({ queue })]
    const other = world({ queue, verifier: `0x${'34'.repeat(20)}` })
    for (let i = 0; i < 5; i++) {
      for (const each of [a, b, other]) each.register(pluginOf(`p${i}`))
    }
    for (const each of [a, b, other]) await each.plane.follow()
    for (let i = 0; i < 5; i++) {
      const lease = await leased(a.plane)
      await a.plane.finish('w', lease.leaseId, honest(lease))
    }
    await Promise.all([a.plane.settle(), b.plane.settle(), other.plane.settle()])
    expect(a.claims.length + b.claims.length).toBe(5)
    expect(other.claims).toEqual([])
    const told = other.seen.filter(({ type }) => type === 'control.unreadable')
    expect(told).toHaveLength(5)
    expect(told[0]).toMatchObject({ error: { code: 'INVALID_INPUT' } })
    expect(`${(told[0] as { error: Error }).error.message}`).toContain(verifier)
  })

  test('behavior: what did not run is tried again when it is asked for, and a match is not', async () => {
    const { plane, register, claims } = world()
    const [lost, fine] = [register(pluginOf('a')), register(pluginOf('b'))]
    await plane.follow()
    const first = await leased(plane)
    const gone = { status: 'did_not_run', reason: 'source_invalid' } as const
    await plane.finish('w', first.leaseId, { ...gone, isolation: 'bubblewrap' })
    const second = await leased(plane)
    await plane.finish('w', second.leaseId, honest(second))
    await plane.settle()
    expect(await plane.again(lost)).toBe(1)
    expect(await plane.again(lost)).toBe(0)
    expect(await plane.again(fine)).toBe(0)
    const lease = await leased(plane)
    await plane.finish('w', lease.leaseId, honest(lease))
    await plane.settle()
    expect(claims.map(({ result }) => result)).toEqual(['did_not_run', 'match', 'match'])
  })

  test('behavior: a match that is worth little becomes one that is worth more, once', async () => {
    const lost = ['evidence of no walls', 'evidence that is lost', 'evidence at another address']
    for (const [at, name] of lost.entries()) {
      const { plane, register, claims, documents, index, push } = world({ sparing: true })
      const wasmHash = register(pluginOf('a'))
      await plane.follow()
      const build = async (isolation: 'none' | 'bubblewrap', log: string): Promise<void> => {
        const lease = await leased(plane, `w${log}`)
        const outcome = { ...honest(lease), isolation, logSha256: `0x${log.repeat(32)}` as Hex }
        await plane.finish(`w${log}`, lease.leaseId, outcome as BuildOutcome)
        await plane.settle()
        await plane.follow()
      }
      await build('none', '01')
      if (at === 1) documents.clear()
      if (at === 2) {
        const [claim] = claims
        const evidenceUri = claim?.evidenceUri.replace('control.example', '127.0.0.1:8720')
        push({ type: 'ClaimSubmitted', ...claim, evidenceUri })
        await plane.follow()
      }
      // Without walls again, it is worth no more.
      expect(await plane.again(wasmHash), name).toBe(1)
      await build('none', '02')
      expect(claims, name).toHaveLength(1)
      expect(await plane.again(wasmHash), name).toBe(1)
      await build('bubblewrap', '03')
      expect(claims, name).toHaveLength(2)
      const newest = claims.at(-1)?.evidenceUri ?? ''
      const bytes = documents.get(`0x${newest.slice(-69, -5)}`) ?? new Uint8Array()
      expect(index.addEvidence(bytes), name).toBe(true)
      const policy = { images: { [image]: 'trusted' as const }, verifiers: [verifier] }
      expect(evaluateTrust(policy, wasmHash, index.get(wasmHash)), name).toMatchObject({
        status: 'verified',
      })
      expect(await plane.again(wasmHash), name).toBe(0)
    }
  })

  test('behavior: a match of the same worth is sent once, whoever rebuilds it', async () => {
    const first = world({ sparing: true })
    const wasmHash = first.register(pluginOf('a'))
    const rebuild = async (plane: ReturnType<typeof world>['plane'], log: string) => {
      const lease = await leased(plane)
      const outcome = { ...honest(lease), logSha256: `0x${log.repeat(32)}` as Hex }
      await plane.finish('w', lease.leaseId, outcome as BuildOutcome)
      await plane.settle()
      await plane.follow()
    }
    await first.plane.follow()
    await rebuild(first.plane, '01')
    const job = (await first.queue.get(`${wasmHash}:${first.claims[0]?.buildInfoHash}`))?.id ?? ''
    expect(await first.queue.requeue(job)).toBe(true)
    await rebuild(first.plane, '02')
    expect(first.claims).toHaveLength(1)
  })

  test('behavior: a listener that throws stops nothing', async () => {
    const { plane, register, claims } = world({ throws: true })
    register(pluginOf('a'))
    await plane.follow()
    const lease = await leased(plane)
    expect(await plane.finish('w', lease.leaseId, honest(lease))).toBe(true)
    await plane.settle()
    await plane.settle()
    expect(claims).toHaveLength(1)
  })

  test('behavior: one plugin that cannot be read stops no other, and is asked for again', async () => {
    let now = 0
    const { plane, register, plugins, seen } = world({ now: () => now })
    const late = pluginOf('late')
    const wasmHash = register(late, false)
    register(pluginOf('a'))
    await plane.follow()
    expect((await leased(plane)).job.args).toEqual(['a'])
    expect(seen).toContainEqual(expect.objectContaining({ type: 'control.unreadable', wasmHash }))
    // What comes in its place is not it.
    plugins.set(wasmHash, pluginOf('other'))
    now += 2_000
    await plane.follow()
    expect(seen.at(-1)).toMatchObject({ error: expect.any(PluginBytesError) })
    expect(await plane.lease('w')).toBeUndefined()
    plugins.set(wasmHash, late)
    now += 4_000
    await plane.follow()
    expect((await leased(plane)).job.args).toEqual(['late'])
  })

  test('behavior: plugins that never come hold up no other, and no round', async () => {
    vi.useFakeTimers()
    try {
      let now = 0
      const { plane, register, hanging, reads, queue } = world({ now: () => now })
      const asOf = async (work: Promise<unknown>): Promise<number> => {
        let isOver = false
        const ended = work.finally(() => {
          isOver = true
        })
        let seconds = 0
        for (; !isOver && seconds < 100; seconds++) {
          now += 1_000
          await vi.advanceTimersByTimeAsync(1_000)
        }
        if (isOver) await ended
        return seconds
      }
      for (let at = 0; at < 100; at++) hanging.add(register(pluginOf(`h${at}`), false))
      const fine = ['a', 'b', 'c'].map((text) => register(pluginOf(text)))
      let rounds = 0
      for (; (await queue.counts()).queued < 3 && rounds < 20; rounds++) {
        expect(await asOf(plane.follow())).toBeLessThanOrEqual(31)
      }
      expect(rounds).toBeLessThan(20)
      expect(reads).toEqual(expect.arrayContaining(fine))
      // One that hangs is none of a full round of others.
      const more = register(pluginOf('more'))
      now += 10_000_000
      for (let at = 0; at < 20 && !plane.isPending(more); at++) await asOf(plane.follow())
      expect(plane.isPending(more)).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  test('behavior: a claim that cannot be recorded waits, and the others do not', async () => {
    const { plane, register, claims, failing } = world()
    register(pluginOf('a'))
    register(pluginOf('b'))
    await plane.follow()
    for (let i = 0; i < 2; i++) {
      const lease = await leased(plane)
      await plane.finish('w', lease.leaseId, honest(lease))
    }
    failing.claim = 1
    await plane.settle()
    expect(claims).toHaveLength(1)
    await plane.settle()
    expect(claims).toHaveLength(2)
    await plane.settle()
    expect(claims).toHaveLength(2)
  })
})

const token = 'a'.repeat(32)
const connect = (handle: (request: Request) => Promise<Response>, own = token) =>
  httpWorkerControl({
    ...{ url: 'https://control.example', token: own },
    fetch: (async (url, init) => handle(new Request(url as string, init))) as typeof fetch,
  })

describe('worker and control plane over HTTP', () => {
  const builder = (more: Partial<PluginBuilder> = {}): PluginBuilder => ({
    build: async (job) => honest({ leaseId: '', leaseMs: 1, job }),
    ...more,
  })

  test('behavior: a worker builds what there is', async () => {
    const { plane, register, claims, documents } = world()
    for (const text of ['a', 'b', 'c']) register(pluginOf(text))
    await plane.follow()
    const evidence = { get: async (hash: Hex) => documents.get(hash) }
    const handle = createControlHandler({ plane, workers: { [token]: 'w' }, evidence })
    const worker = createBuildWorker({ control: connect(handle), builder: builder() })
    for (let i = 0; i < 3; i++) expect(await worker.runOnce()).toBe(true)
    expect(await worker.runOnce()).toBe(false)
    await plane.settle()
    expect(claims.map(({ result }) => result)).toEqual(['match', 'match', 'match'])
    const response = await handle(new Request(claims[0]?.evidenceUri ?? ''))
    expect(await response.json()).toMatchObject({ result: 'match' })
    const missing = new Request(`https://control.example/evidence/${'00'.repeat(32)}.json`)
    expect((await handle(missing)).status).toBe(404)
  })

  test('behavior: a worker that breaks hands the job back', async () => {
    let now = 0
    const { plane, register, claims } = world({
      queue: memoryQueue({ backoff: 0, now: () => now }),
    })
    register(pluginOf('a'))
    await plane.follow()
    const handle = createControlHandler({ plane, workers: { [token]: 'w' } })
    const broken = builder({
      build: async () => {
        throw new TypeError('the disk is full')
      },
    })
    await createBuildWorker({ control: connect(handle), builder: broken }).runOnce()
    await plane.settle()
    expect(claims).toEqual([])
    // Others come first.
    now += 120_001
    await createBuildWorker({ control: connect(handle), builder: builder() }).runOnce()
    await plane.settle()
    expect(claims).toHaveLength(1)
  })

  test('behavior: a lost lease ends the build', async () => {
    const { plane, register } = world()
    register(pluginOf('a'))
    await plane.follow()
    const handle = createControlHandler({
      plane: {
        ...plane,
        renew: async () => false,
        lease: async (worker) => {
          const lease = await plane.lease(worker)
          return lease && { ...lease, leaseMs: 60 }
        },
      },
      workers: { [token]: 'w' },
    })
    const events: string[] = []
    const worker = createBuildWorker({
      control: connect(handle),
      builder: builder({
        build: (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
      }),
      onEvent: ({ type }) => events.push(type),
    })
    await worker.runOnce()
    expect(events).toEqual(['worker.leased', 'worker.lost'])
  })

  test('behavior: a lease is kept by the worker that has it', async () => {
    const { plane, register } = world()
    register(pluginOf('a'))
    await plane.follow()
    const tokens = ['a', 'b'].map((letter) => letter.repeat(32)) as [string, string]
    const workers = { [tokens[0]]: 'one', [tokens[1]]: 'two' }
    const handle = createControlHandler({ plane, workers })
    const [one, two] = [connect(handle, tokens[0]), connect(handle, tokens[1])]
    const { leaseId = '' } = (await one.lease()) ?? {}
    expect([await two.renew(leaseId), await one.renew(leaseId)]).toEqual([false, true])
  })

  test('error: a token that is unknown or short, an address that is not https', async () => {
    const { plane } = world()
    const handle = createControlHandler({ plane, workers: { [token]: 'w' } })
    await expect(connect(handle, 'b'.repeat(32)).lease()).rejects.toMatchObject({
      code: 'CONTROL_PLANE_FAILED',
      message: expect.not.stringContaining('bbbb'),
    })
    expect(() => createControlHandler({ plane, workers: { short: 'w' } })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
    for (const url of ['http://control.example', 'ftp://x', 'nothing']) {
      expect(() => httpWorkerControl({ url, token })).toThrow(
        expect.objectContaining({ code: 'CONTROL_PLANE_FAILED' }),
      )
    }
  })

  test('behavior: malformed messages are refused', async () => {
    const { plane } = world()
    const handle = createControlHandler({ plane, workers: { [token]: 'w' } })
    const post = (path: string, body: string, own = token): Promise<Response> =>
      handle(
        new Request(`https://control.example/worker/${path}`, {
          ...{ method: 'POST', body, headers: { authorization: `Bearer ${own}` } },
        }),
      )
    expect((await post('lease', '{}', '')).status).toBe(401)
    expect((await post('lease', 'x')).status).toBe(400)
    expect((await post('lease', '[]')).status).toBe(400)
    expect((await post('lease', `{"a":"${'x'.repeat(140_000)}"}`)).status).toBe(400)
    expect((await post('renew', '{}')).status).toBe(400)
    expect((await post('renew', '{"leaseId":"x"}')).status).toBe(409)
    for (const leaseId of ['', '\0', 'a\0', '\ud800', 'é', ' ', 'x'.repeat(101), 1, null]) {
      expect((await post('renew', JSON.stringify({ leaseId }))).status, `${leaseId}`).toBe(400)
    }
    const outcomes = [
      ...[{}, { status: 'match' }, { status: 'built' }, null],
      { status: 'did_not_run', reason: 'because', isolation: 'none' },
      { status: 'built', isolation: 'bubblewrap', codeSha256: '0x', rebuiltSha256: '0x' },
    ]
    for (const outcome of outcomes) {
      expect((await post('result', JSON.stringify({ leaseId: 'x', outcome }))).status).toBe(400)
    }
    expect((await post('bogus', '{}')).status).toBe(404)
    expect((await handle(new Request('https://control.example/worker/lease'))).status).toBe(405)
  })
})
