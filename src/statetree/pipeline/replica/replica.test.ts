import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  createFakeChain,
  type FakeChain,
  registerPolicy,
} from '../../../../test/statetree/fakeChain.js'
import type { DaLocator } from '../../../core/locator.js'
import { fromHex, utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import {
  applyCommit,
  type CommitProposal,
  proposeCommit,
  submitCommit,
  validateProposal,
} from '../commit/commit.js'
import { computeDeltaHash, decodeDelta, encodeDelta } from '../delta.js'
import { type CommitPipeline, openCommitPipeline } from '../pipeline.js'
import type { Anomaly } from './anomalies.js'
import { createReplica } from './replica.js'

const pcr0Commitment: Hex = keccakHex(utf8('pcr0'))
const at = (n: number): bigint => 1_440n + 120n * BigInt(n)
const artifact = (n: number): Uint8Array => utf8(`package p${n}\n`)
const hash = (word: string): Hex => keccakHex(utf8(word))

function open(chain: FakeChain, held = new Map<Hex, Uint8Array>()): Promise<CommitPipeline> {
  return openCommitPipeline({
    tree: createStateTree({ store: memoryStore() }),
    events: chain.view(),
    artifacts: { getArtifact: async ({ hash: name }) => held.get(name) as Uint8Array },
  })
}

async function setup() {
  const chain = createFakeChain()
  const held = new Map<Hex, Uint8Array>()
  const operator = await open(chain, held)
  const deltas = new Map<Hex, Uint8Array>()
  const anomalies: Anomaly[] = []
  const replica = createReplica({
    pipeline: await open(chain),
    events: chain.view(),
    deltas: async ({ deltaHash }) => {
      const found = deltas.get(deltaHash)
      if (found === undefined) throw new TypeError('nobody has it')
      return found
    },
    onAnomaly: (found) => anomalies.push(found),
  })
  const propose = async (w: number, rest: { version?: 1 | 2; locators?: DaLocator[] } = {}) => {
    registerPolicy(chain, artifact(w))
    held.set(keccakHex(artifact(w)), artifact(w))
    while (chain.blocks[chain.blocks.length - 1]!.timestamp <= at(w)) chain.mine()
    const { version, locators } = rest
    const proposal = (await proposeCommit(operator, {
      timestamp: at(w),
      pcr0Commitment,
      version,
      publish: async () => locators ?? [],
    })) as CommitProposal
    deltas.set(proposal.deltaHash, proposal.delta)
    return proposal
  }
  const land = async (proposal: CommitProposal): Promise<void> => {
    await submitCommit(chain.sink, { proposal, certificate: {} as never })
    chain.mine(3)
  }
  return { chain, operator, replica, deltas, anomalies, propose, land }
}

describe('a replica does not stop in silence', () => {
  test('a timestamp off the window’s grid: 0x11, and followed', async () => {
    const s = await setup()
    const first = await s.propose(0)
    const commit = { ...first.commit, timestamp: at(0) + 7n }
    await s.land({ ...first, commit })
    const status = await s.replica.follow()
    expect(status).toMatchObject({ sequenceNo: 1n, waitingFor: undefined, stopped: undefined })
    expect(status.root).toBe(first.commit.newStateRoot)
    expect(s.anomalies).toMatchObject([{ code: 0x11, sequenceNo: 1n }])
    expect(s.anomalies[0]?.detail).toContain('no multiple of 120')
    // The next one is judged by what it does itself.
    await applyCommit(s.operator, first)
    await s.land(await s.propose(2))
    expect(await s.replica.follow()).toMatchObject({ sequenceNo: 2n })
    expect(s.anomalies).toHaveLength(1)
  })

  test('a snapshot that was anchored: 0x10, once, and the status says that waiting is no use', async () => {
    const s = await setup()
    const first = await s.propose(0)
    await s.land(first)
    const root = hash('anchored')
    s.chain.emit({ type: 'SnapshotAnchored', sequenceNo: 6n, root, timestamp: at(1) })
    s.chain.mine(3)
    for (let i = 0; i < 3; i++) {
      expect(await s.replica.follow()).toMatchObject({
        sequenceNo: 1n,
        root: first.commit.newStateRoot,
        stopped: { sequenceNo: 2n, reason: 'SNAPSHOT_ANCHORED' },
      })
    }
    expect(s.anomalies).toMatchObject([{ code: 0x10, sequenceNo: 6n }])
    expect(s.anomalies[0]?.detail).toContain(root)
  })

  test('a number that is left out: 0x10', async () => {
    const s = await setup()
    const { commit } = await s.propose(0)
    s.chain.emit({ type: 'StateRootCommitted', ...commit, sequenceNo: 6n })
    s.chain.mine(3)
    expect(await s.replica.follow()).toMatchObject({
      sequenceNo: 0n,
      stopped: { sequenceNo: 1n, reason: 'COMMIT_MISSING' },
    })
    expect(s.anomalies).toMatchObject([{ code: 0x10, sequenceNo: 6n }])
  })
})

describe('deltas that strangers announce', () => {
  const announce = (chain: FakeChain, deltaHash: Hex, locators: DaLocator[] = []) =>
    chain.sink.announceCommit({ sequenceNo: 1n, deltaHash, locators })

  test('version 1: another hash first does not keep the replica from the right one', async () => {
    const s = await setup()
    const proposal = await s.propose(0, { version: 1 })
    await s.chain.sink.commitStateRoot({ commit: proposal.commit, certificate: {} as never })
    await announce(s.chain, hash('garbage'))
    await announce(s.chain, proposal.deltaHash)
    s.chain.mine(3)
    expect(await s.replica.follow()).toMatchObject({ sequenceNo: 1n, waitingFor: undefined })
    expect(s.anomalies).toEqual([])
  })

  test('version 1 on EigenDA: of those that fit, the one that leads to the root counts', async () => {
    const s = await setup()
    const commitment: Hex = `0x02${'ab'.repeat(40)}`
    const locators: DaLocator[] = [{ kind: 'eigenDa', commitments: [commitment] }] as never
    const proposal = await s.propose(0, { version: 1, locators })
    expect(proposal.commit.daCertHash).toBe(keccakHex(fromHex(commitment).slice(1)))
    await s.chain.sink.commitStateRoot({ commit: proposal.commit, certificate: {} as never })
    // The stranger serves a delta of his own under the true locator.
    const forged = encodeDelta({ ...decodeDelta(proposal.delta), included: [] })
    s.deltas.set(computeDeltaHash(forged), forged)
    await announce(s.chain, computeDeltaHash(forged), locators)
    await announce(s.chain, hash('nobody has it'), locators)
    s.chain.mine(3)
    // Only the stranger's is there: nothing is applied, and it is said.
    expect(await s.replica.follow()).toMatchObject({ sequenceNo: 0n, waitingFor: 1n })
    expect(s.anomalies).toMatchObject([{ code: 0x11, sequenceNo: 1n }])
    await announce(s.chain, proposal.deltaHash, locators)
    s.chain.mine(3)
    expect(await s.replica.follow()).toMatchObject({
      sequenceNo: 1n,
      root: proposal.commit.newStateRoot,
      waitingFor: undefined,
    })
    expect(s.anomalies).toHaveLength(1)
  })

  test('a source that never answers is waited for within its time', async () => {
    const s = await setup()
    await s.land(await s.propose(0))
    const hanging = createReplica({
      pipeline: await open(s.chain),
      events: s.chain.view(),
      deltas: () => new Promise(() => {}),
      deltaTimeout: 20,
      onAnomaly: (found) => s.anomalies.push(found),
    })
    expect(await hanging.follow()).toMatchObject({ waitingFor: 1n })
  })
})

test('a window that was prepared before another commit is not applied', async () => {
  const s = await setup()
  const proposal = await s.propose(0)
  const window = await s.operator.prepare(at(0))
  await applyCommit(s.operator, proposal)
  const delta = decodeDelta(proposal.delta)
  const { deltaHash } = proposal
  const next = s.operator.state()
  await expect(s.operator.apply(window, { delta, deltaHash, next })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'window',
  })
  const fresh = await open(s.chain, new Map())
  const twice = await Promise.allSettled([
    applyCommit(fresh, proposal),
    applyCommit(fresh, proposal),
  ])
  expect(twice.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(fresh.head().sequenceNo).toBe(1n)
  expect(fresh.tree.range()?.latest).toBe(1)
})

test('a proposal of any shape is refused, never thrown at', async () => {
  const s = await setup()
  const proposal = await s.propose(0)
  const junk: unknown[] = [
    undefined,
    null,
    0,
    'x',
    '0x',
    {},
    [],
    -1n,
    1n,
    2n ** 256n,
    1.5,
    Number.NaN,
    new Uint8Array(0),
    new Uint8Array(500),
    true,
    () => {},
    Symbol('x'),
    Object.create(null),
  ]
  const hostile: unknown[] = [...junk]
  for (const value of junk) {
    for (const field of Object.keys(proposal)) hostile.push({ ...proposal, [field]: value })
    hostile.push({ ...proposal, locators: [value] })
    for (const field of Object.keys(proposal.commit)) {
      if (proposal.commit[field as never] === value) continue
      hostile.push({ ...proposal, commit: { ...proposal.commit, [field]: value } })
    }
  }
  for (const one of hostile) {
    const verdict = await validateProposal(s.operator, { proposal: one as CommitProposal })
    if (verdict.status === 'valid') expect(one).toEqual(proposal)
  }
  expect(await validateProposal(s.operator, { proposal })).toMatchObject({ status: 'valid' })
})
