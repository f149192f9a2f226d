import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  author,
  createFakeChain,
  type FakeChain,
  registerData,
  registerPolicy,
} from '../../../../test/statetree/fakeChain.js'
import { mapStore } from '../../../../test/statetree/mapStore.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import { createMetricsRegistry } from '../../../core/metrics.js'
import { concat, utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import {
  applyCommit,
  type CommitProposal,
  proposeCommit,
  signCommit,
  validateProposal,
} from '../commit/commit.js'
import { holdQueueBytes } from '../commit/hold.js'
import { computeDeltaHash, type Delta, decodeDelta, encodeDelta } from '../delta.js'
import { ProposalRefusedError } from '../errors.js'
import type { PipelineEvent } from '../options.js'
import { type CommitParameters, commitParameters } from '../parameters.js'
import { type CommitPipeline, openCommitPipeline } from '../pipeline.js'
import {
  applySelection,
  computeQueueHash,
  decodeQueueState,
  emptyQueue,
  encodeQueueState,
  growQueue,
  type QueuedEvent,
  type QueueState,
  queueLimits,
} from './queue.js'

const pcr0Commitment = keccakHex(utf8('pcr0'))
const hashOf = (n: number): Hex => keccakHex(utf8(`artifact ${n}`))
const none = (): boolean => false

const enqueue = (state: QueueState, event: QueuedEvent) => {
  const growing = growQueue(state)
  const { skipped } = growing.add(event)
  return { queue: growing.state().queue, skipped }
}

describe('growQueue', () => {
  const many = (count: number, by: number, from = 0): QueueState => {
    let queue: QueueState['queue'] = []
    for (let i = 0; i < count; i++) {
      const refs = [{ namespace: 4 as const, hash: hashOf(from + i) }]
      queue = enqueue({ queue, quarantine: [] }, { refs, author: author(by), inTree: none }).queue
    }
    return { queue, quarantine: [] }
  }

  test('a full author: 64 entries, and an event over the bound is skipped whole', () => {
    const state = many(63, 0)
    const two = [
      { namespace: 4 as const, hash: hashOf(900) },
      { namespace: 5 as const, hash: hashOf(901) },
    ]
    const skipped = enqueue(state, { refs: two, author: author(0), inTree: none })
    expect(skipped).toEqual({ queue: state.queue, skipped: 'author' })
    // Another author, or one entry, fits.
    expect(enqueue(state, { refs: two, author: author(1), inTree: none }).queue.length).toBe(65)
    expect(
      enqueue(state, { refs: two.slice(1), author: author(0), inTree: none }).queue.length,
    ).toBe(64)
    // What is known already does not count against the bound.
    const known = [state.queue[0]!, two[0]!]
    expect(enqueue(state, { refs: known, author: author(0), inTree: none }).queue.length).toBe(64)
  })

  test('a full queue: 4,096 entries', () => {
    let state: QueueState = emptyQueue
    for (let by = 0; by < 64; by++)
      state = { ...state, queue: [...state.queue, ...many(64, by, by * 64).queue] }
    expect(state.queue.length).toBe(queueLimits.total)
    const more = {
      refs: [{ namespace: 4 as const, hash: hashOf(99_999) }],
      author: author(200),
      inTree: none,
    }
    expect(enqueue(state, more).skipped).toBe('total')
  })

  test('what is in tree, queue or quarantine is dropped', () => {
    const ref = { namespace: 4 as const, hash: hashOf(1) }
    expect(
      enqueue(emptyQueue, { refs: [ref], author: author(0), inTree: () => true }).queue,
    ).toEqual([])
    const quarantined = { queue: [], quarantine: [ref] }
    expect(enqueue(quarantined, { refs: [ref], author: author(0), inTree: none }).queue).toEqual([])
    // The same bytes in another namespace are another entry.
    expect(
      enqueue(quarantined, { refs: [{ ...ref, namespace: 5 }], author: author(0), inTree: none })
        .queue.length,
    ).toBe(1)
  })
})

describe('applySelection', () => {
  const ref = (n: number) => ({ namespace: 4 as const, hash: hashOf(n) })
  const state: QueueState = {
    queue: [0, 1, 2].map((n) => ({ ...ref(n), author: author(0), omissions: 0 })),
    quarantine: [ref(9)],
  }

  test('the fifth omission in a row moves an entry to quarantine, others keep their counters', () => {
    let current = state
    for (let i = 1; i <= 5; i++) {
      const { state: after, quarantined } = applySelection(current, {
        included: [],
        omitted: [ref(0)],
      })
      expect(quarantined).toEqual(i === 5 ? [ref(0)] : [])
      expect(after.queue.find(({ hash }) => hash === hashOf(0))?.omissions).toBe(
        i === 5 ? undefined : i,
      )
      expect(after.queue.find(({ hash }) => hash === hashOf(1))?.omissions).toBe(0)
      current = after
    }
    expect(current.quarantine).toEqual([ref(9), ref(0)])
    // Quarantined entries may come in later.
    expect(applySelection(current, { included: [ref(0)], omitted: [] }).state.quarantine).toEqual([
      ref(9),
    ])
  })

  test('encoding, one for each state', () => {
    const bytes = encodeQueueState(state)
    expect(decodeQueueState(bytes)).toEqual(state)
    // The preimage by hand.
    const count = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, n)
    const word = (hex: Hex): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
    const entries = state.queue.flatMap((e) => [
      Uint8Array.of(4),
      word(e.hash),
      word(e.author),
      Uint8Array.of(0),
    ])
    const preimage = concat(
      utf8('NQS1'),
      count(3),
      ...entries,
      count(1),
      Uint8Array.of(4),
      word(hashOf(9)),
    )
    expect(computeQueueHash(state)).toBe(keccakHex(preimage))
    for (let length = 0; length < bytes.length; length += 5) {
      expect(() => decodeQueueState(bytes.slice(0, length))).toThrow('malformed')
    }
    expect(() => decodeQueueState(concat(bytes, Uint8Array.of(0)))).toThrow('after its end')
    const namespace = bytes.slice()
    namespace[8] = 9
    expect(() => decodeQueueState(namespace)).toThrow('namespace 9')
  })
})

describe('DeltaV1', () => {
  const delta: Delta = {
    chainId: 5n,
    sequenceNo: 7n,
    prevDeltaHash: hashOf(1),
    cutoffBlock: 9n,
    cutoffBlockHash: hashOf(2),
    queueHash: hashOf(3),
    included: [{ namespace: 6, hash: hashOf(4), bytes: utf8('abc') }],
    omitted: [{ namespace: 4, hash: hashOf(5) }],
    quarantined: [{ namespace: 5, hash: hashOf(6) }],
    deleted: [{ namespace: 8, hash: hashOf(7) }],
    foreign: [
      { namespace: 1, keyHash: hashOf(8), valueHash: hashOf(9) },
      { namespace: 3, keyHash: hashOf(10), valueHash: null },
    ],
  }
  test('layout, by hand', () => {
    const word = (hex: Hex): string => hex.slice(2)
    const uint = (n: number, bytes: number): string => n.toString(16).padStart(bytes * 2, '0')
    const header = [
      '4e444c31',
      uint(5, 32),
      uint(7, 8),
      word(hashOf(1)),
      uint(9, 8),
      word(hashOf(2)),
      word(hashOf(3)),
    ]
    const lists = [
      uint(1, 4),
      '06',
      word(hashOf(4)),
      uint(3, 4),
      '616263',
      uint(1, 4),
      '04',
      word(hashOf(5)),
      uint(1, 4),
      '05',
      word(hashOf(6)),
      uint(1, 4),
      '08',
      word(hashOf(7)),
      uint(2, 4),
      '01',
      word(hashOf(8)),
      '01',
      word(hashOf(9)),
      '03',
      word(hashOf(10)),
      '00',
      uint(0, 32),
    ]
    const bytes = encodeDelta(delta)
    expect(Buffer.from(bytes).toString('hex')).toBe([...header, ...lists].join(''))
    expect(decodeDelta(bytes)).toEqual(delta)
    expect(computeDeltaHash(bytes)).toBe(keccakHex(bytes))
  })

  test('malformed', () => {
    const bytes = encodeDelta(delta)
    for (let length = 0; length < bytes.length; length += 3) {
      expect(() => decodeDelta(bytes.slice(0, length))).toThrow('malformed')
    }
    expect(() => decodeDelta(concat(bytes, Uint8Array.of(0)))).toThrow('after its end')
    const at = (offset: number, value: number): Uint8Array => {
      const changed = bytes.slice()
      changed[offset] = value
      return changed
    }
    expect(() => decodeDelta(at(0, 0))).toThrow('no DeltaV1')
    expect(() => decodeDelta(at(148, 0xff))).toThrow('do not fit')
    expect(() => decodeDelta(at(152, 3))).toThrow('not 4 to 8')
    expect(() => decodeDelta(at(bytes.length - 66, 4))).toThrow('not 1 to 3')
    expect(() => decodeDelta(at(bytes.length - 33, 2))).toThrow('operation 2')
    expect(() => decodeDelta(at(bytes.length - 1, 1))).toThrow('operation 0')
    expect(() =>
      encodeDelta({ ...delta, omitted: [{ namespace: 9 as never, hash: hashOf(1) }] }),
    ).toThrow('not 4 to 8')
    expect(() => encodeDelta({ ...delta, sequenceNo: 2n ** 64n })).toThrow('delta.sequenceNo')
  })
})

type Setup = {
  chain: FakeChain
  held: Map<Hex, Uint8Array>
  pipeline: CommitPipeline
  events: PipelineEvent[]
  metrics: ReturnType<typeof createMetricsRegistry>
}

async function setup(change: Partial<CommitParameters> = {}): Promise<Setup> {
  const chain = createFakeChain()
  const held = new Map<Hex, Uint8Array>()
  const events: PipelineEvent[] = []
  const metrics = createMetricsRegistry()
  const pipeline = await openCommitPipeline({
    tree: createStateTree({ store: memoryStore() }),
    events: chain.view(),
    parameters: commitParameters({ chainId: 31_337, ...change }),
    metrics,
    onEvent: (event) => events.push(event),
    artifacts: {
      async getArtifact({ hash }) {
        const bytes = held.get(hash)
        if (bytes === undefined) throw new TypeError('not here')
        return bytes
      },
    },
  })
  return { chain, held, pipeline, events, metrics }
}

const at = (w: number): bigint => 1_320n + 120n * BigInt(w)
async function propose({ chain, pipeline }: Setup, w: number): Promise<CommitProposal | undefined> {
  while (chain.blocks[chain.blocks.length - 1]!.timestamp <= at(w)) chain.mine()
  return proposeCommit(pipeline, { timestamp: at(w), pcr0Commitment })
}

describe('the pipeline', () => {
  test('an entry too large, and one nobody has, are omitted, quarantined, and come in when they can', async () => {
    const s = await setup({ maxCommitBytesPerWindow: 1_000 })
    const [large, missing, good] = [new Uint8Array(1_001).fill(1), utf8('missing'), utf8('good')]
    for (const bytes of [large, missing, good]) registerPolicy(s.chain, bytes)
    s.held.set(keccakHex(large), large)
    s.held.set(keccakHex(good), good)
    const omitted = []
    for (let w = 0; w < 5; w++) {
      const proposal = (await propose(s, w)) as CommitProposal
      const delta = decodeDelta(proposal.delta)
      omitted.push(delta.omitted.length)
      expect(delta.included.length).toBe(w === 0 ? 1 : 0)
      expect(delta.quarantined.length).toBe(w === 4 ? 2 : 0)
      await applyCommit(s.pipeline, proposal)
    }
    expect(omitted).toEqual([2, 2, 2, 2, 2])
    // A queue with nothing outside quarantine is quiet.
    expect(await propose(s, 5)).toBeUndefined()
    expect(s.metrics.value('policy_commit_defer_queue_depth', { chain_id: '31337' })).toBe(0)
    expect(
      s.metrics.value('policy_commit_deferrals_total', {
        chain_id: '31337',
        reason: 'unavailable',
      }),
    ).toBeGreaterThan(0)
    // What fits no window is told apart from what has no room in this one.
    const deferred = (reason: string): number =>
      s.metrics.value('policy_commit_deferrals_total', { chain_id: '31337', reason })
    expect([deferred('rejected_oversize'), deferred('cap_hit')]).toEqual([5, 0])
    expect(s.metrics.value('policy_artifact_pruned_total', { chain_id: '31337' })).toBe(0)
    s.held.set(keccakHex(missing), missing)
    registerPolicy(s.chain, utf8('next'))
    const later = decodeDelta(((await propose(s, 6)) as CommitProposal).delta)
    expect(later.included.map(({ hash }) => hash)).toEqual([keccakHex(missing)])
    // No event brings a quarantined entry back to the queue.
    expect(later.omitted.map(({ hash }) => hash)).toEqual([keccakHex(utf8('next'))])
  })

  test('an entry that foreign writes leave no room for does not hold the others up', async () => {
    const s = await setup({ maxCommitBytesPerWindow: 1_000 })
    const foreign = [{ namespace: 1 as const, keyHash: hashOf(1), valueHash: hashOf(2) }]
    const pipeline = await openCommitPipeline({
      tree: createStateTree({ store: memoryStore() }),
      events: s.chain.view(),
      parameters: s.pipeline.parameters,
      external: { writesFor: async () => foreign },
      artifacts: { getArtifact: async ({ hash }) => s.held.get(hash) as Uint8Array },
    })
    const [whole, small] = [new Uint8Array(1_000).fill(1), utf8('small')]
    for (const bytes of [whole, small]) {
      registerPolicy(s.chain, bytes)
      s.held.set(keccakHex(bytes), bytes)
    }
    const { delta } = (await propose({ ...s, pipeline }, 0)) as CommitProposal
    expect(decodeDelta(delta).omitted.map(({ hash }) => hash)).toEqual([keccakHex(whole)])
    expect(decodeDelta(delta).included.map(({ hash }) => hash)).toEqual([keccakHex(small)])
  })

  test('the walk ends at the cap and goes on in the next window, in order', async () => {
    const s = await setup({ maxCommitBytesPerWindow: 1_000 })
    const artifacts = [...Array(7).keys()].map((n) => new Uint8Array(300).fill(n + 1))
    for (const bytes of artifacts) {
      registerData(s.chain, bytes)
      s.held.set(keccakHex(bytes), bytes)
    }
    const order: Hex[] = []
    for (let w = 0; w < 3; w++) {
      const proposal = (await propose(s, w)) as CommitProposal
      order.push(...decodeDelta(proposal.delta).included.map(({ hash }) => hash))
      await applyCommit(s.pipeline, proposal)
    }
    expect(order).toEqual(artifacts.map((bytes) => keccakHex(bytes)))
  })

  test('pruned bytes come back with a later slot event', async () => {
    const s = await setup({
      keepBlocks: 20n,
      challengeWindow: 1n,
      taskResponseWindow: 1n,
      safetyMargin: 1n,
    })
    const rego = utf8('package a\n')
    const templateId = registerPolicy(s.chain, rego)
    s.held.set(keccakHex(rego), rego)
    const ref = { namespace: 4 as const, hash: keccakHex(rego) }
    const seen: boolean[] = []
    for (let w = 0; w < 8; w++) {
      if (w === 5) {
        const event = {
          client: author(7),
          templateId,
          paramsHash: ZERO_HASH,
          expireAfter: 3n,
          params: '0x' as Hex,
        }
        s.chain.emit({ type: 'PolicyInstanceDeployed', id: hashOf(5), ...event })
        s.chain.emit({
          type: 'CurrentPolicyInstanceSet',
          client: author(7),
          previous: ZERO_HASH,
          current: hashOf(5),
        })
      }
      const proposal = await propose(s, w)
      if (proposal !== undefined) await applyCommit(s.pipeline, proposal)
      seen.push(s.pipeline.inTree(ref))
    }
    expect(seen[0]).toBe(true)
    expect(seen[4]).toBe(false)
    expect(seen[7]).toBe(true)
  })

  test('held bytes, and backpressure past the limit', async () => {
    const s = await setup({ maxDeferQueueBytes: 500, maxCommitBytesPerWindow: 10 })
    for (let n = 0; n < 4; n++) {
      const bytes = new Uint8Array(300).fill(n + 1)
      registerPolicy(s.chain, bytes)
      if (n !== 1) s.held.set(keccakHex(bytes), bytes)
    }
    await applyCommit(s.pipeline, (await propose(s, 0)) as CommitProposal)
    expect(s.pipeline.state().queue.length).toBe(4)
    const held = await holdQueueBytes(s.pipeline)
    expect(held).toEqual({
      artifacts: 2,
      bytes: 600,
      missing: [s.pipeline.state().queue[1]!.hash],
      backpressure: true,
    })
    expect(s.metrics.value('policy_commit_defer_queue_bytes', { chain_id: '31337' })).toBe(600)
    expect(s.events.some(({ type }) => type === 'statetree.backpressure')).toBe(true)
    expect(s.pipeline.state().queue.length).toBe(4)
  })

  test('abstains before the cutoff is final, and for another build', async () => {
    const s = await setup({ finalityDelay: 24n })
    registerPolicy(s.chain, utf8('x'))
    s.chain.mine(3)
    await expect(
      proposeCommit(s.pipeline, { timestamp: at(9), pcr0Commitment }),
    ).rejects.toMatchObject({ code: 'CUTOFF_NOT_FINAL', retryable: true })
    await expect(
      proposeCommit(s.pipeline, { timestamp: 1_321n, pcr0Commitment }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const proposal = (await propose(s, 0)) as CommitProposal
    const behind = await openCommitPipeline({
      tree: createStateTree({ store: memoryStore() }),
      events: s.chain.view({ lag: 8n }),
      parameters: s.pipeline.parameters,
    })
    expect(await validateProposal(behind, { proposal })).toMatchObject({
      status: 'abstain',
      reason: 'CUTOFF_NOT_FINAL',
    })
    const other = keccakHex(utf8('other build'))
    expect(await validateProposal(s.pipeline, { proposal, pcr0Commitment: other })).toMatchObject({
      status: 'abstain',
      reason: 'OTHER_BUILD',
    })
  })

  test('error: PROPOSAL_REFUSED, nothing unchecked is signed or stored', async () => {
    const s = await setup()
    const rego = utf8('package a\n')
    registerPolicy(s.chain, rego)
    s.held.set(keccakHex(rego), rego)
    const proposal = (await propose(s, 0)) as CommitProposal
    const wrong = { ...proposal, commit: { ...proposal.commit, newStateRoot: hashOf(1) } }
    const verdict = await validateProposal(s.pipeline, { proposal: wrong })
    const signer = { sign: () => ({ X: 1n, Y: 2n }) }
    const context = {
      domain: { chainId: 1n, registry: author(1), operatorSetId: 1 },
      referenceTimestamp: 1,
    }
    const attempt = { proposal: wrong, verdict, operator: author(0), signer }
    await expect(signCommit(attempt, context)).rejects.toThrow(ProposalRefusedError)
    const valid = await validateProposal(s.pipeline, { proposal })
    await expect(signCommit({ ...attempt, verdict: valid }, context)).rejects.toThrow(
      'another proposal',
    )
    await expect(applyCommit(s.pipeline, wrong)).rejects.toMatchObject({
      code: 'PROPOSAL_REFUSED',
      reason: 'WRONG_ROOT',
    })
    for (const [commit, reason] of [
      [{ prevStateRoot: hashOf(2) }, 'DOES_NOT_EXTEND'],
      [{ sequenceNo: 2n }, 'DOES_NOT_EXTEND'],
      [{ daCertHash: hashOf(3) }, 'WRONG_COMMIT'],
      [{ pcr0Commitment: ZERO_HASH }, 'WRONG_COMMIT'],
      [{ timestamp: 1_321n }, 'WRONG_COMMIT'],
    ] as const) {
      const changed = { ...proposal, commit: { ...proposal.commit, ...commit } }
      expect(await validateProposal(s.pipeline, { proposal: changed })).toMatchObject({
        status: 'refuse',
        reason,
      })
    }
    expect(
      await validateProposal(s.pipeline, { proposal: { ...proposal, deltaHash: hashOf(4) } }),
    ).toMatchObject({ reason: 'DELTA_HASH_MISMATCH' })
    expect(s.pipeline.head().sequenceNo).toBe(0n)
    expect(s.pipeline.tree.range()).toBeUndefined()
  })

  test('error: PIPELINE_STATE, a tree that no commit made', async () => {
    const tree = createStateTree({ store: mapStore() })
    await tree.commit([], { version: 1 })
    const { chain } = await setup()
    await expect(openCommitPipeline({ tree, events: chain.view() })).rejects.toMatchObject({
      code: 'PIPELINE_STATE',
    })
  })
})

test('behavior: a quarantine of any length, which strangers fill, is encoded, hashed and read', () => {
  const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
  const state = {
    queue: [],
    quarantine: Array.from({ length: 100_000 }, (_, i) => ({
      namespace: 6 as const,
      hash: word(i),
    })),
  }
  const bytes = encodeQueueState(state)
  expect(bytes.length).toBe(12 + 33 * 100_000)
  expect(computeQueueHash(state)).toBe(keccakHex(bytes))
  expect(decodeQueueState(bytes).quarantine.at(-1)).toEqual({ namespace: 6, hash: word(99_999) })
})
