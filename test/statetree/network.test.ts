import type { Hex } from 'viem'
import { describe, expect, test, vi } from 'vitest'
import { ARTIFACT_ABSENT, computeKeyHash, ZERO_HASH } from '../../src/core/artifact.js'
import type { ChainEvent } from '../../src/core/interfaces/chainEvents.js'
import { toHex, uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { collectBytes } from '../../src/statetree/pipeline/bytesGc.js'
import {
  applyCommit,
  type CommitProposal,
  computeCommitDaHash,
  proposeCommit,
  proposerIndex,
  submitCommit,
  validateProposal,
} from '../../src/statetree/pipeline/commit/commit.js'
import {
  computeDeltaHash,
  type Delta,
  decodeDelta,
  encodeDelta,
} from '../../src/statetree/pipeline/delta.js'
import { commitParameters } from '../../src/statetree/pipeline/parameters.js'
import {
  type CommitPipeline,
  deltaWrites,
  openCommitPipeline,
} from '../../src/statetree/pipeline/pipeline.js'
import { computeQueueHash, refKey } from '../../src/statetree/pipeline/queue/queue.js'
import type { Anomaly } from '../../src/statetree/pipeline/replica/anomalies.js'
import { createReplica } from '../../src/statetree/pipeline/replica/replica.js'
import { bootstrapTree } from '../../src/statetree/snapshot/bootstrap.js'
import { snapshotClient } from '../../src/statetree/snapshot/client.js'
import { snapshotServer } from '../../src/statetree/snapshot/server.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import { previewRoot } from '../../src/statetree/tree/preview.js'
import {
  author,
  createFakeChain,
  type FakeChain,
  registerData,
  registerPolicy,
} from './fakeChain.js'
import { seeded } from './model.js'

vi.setConfig({ testTimeout: 300_000 })

const windows = Number(process.env['STATETREE_WINDOWS'] ?? 200)
const pcr0Commitment = keccakHex(utf8('pcr0'))
const parameters = commitParameters({
  chainId: 31_337,
  finalityDelay: 24n,
  keepBlocks: 60n,
  challengeWindow: 8n,
  taskResponseWindow: 4n,
  safetyMargin: 3n,
  maxCommitBytesPerWindow: 4_000,
})

type Holder = { pipeline: CommitPipeline; held: Map<Hex, Uint8Array>; landed: number; lag: bigint }

async function operator(
  chain: FakeChain,
  lag: () => bigint,
  constants = parameters,
): Promise<Holder> {
  const held = new Map<Hex, Uint8Array>()
  const view = chain.view()
  const events = {
    ...view,
    getFinalizedBlock: async () => chain.view({ lag: lag() }).getFinalizedBlock(),
  }
  const pipeline = await openCommitPipeline({
    tree: createStateTree({ store: memoryStore() }),
    events,
    parameters: constants,
    artifacts: {
      async getArtifact({ hash }) {
        const bytes = held.get(hash)
        if (bytes === undefined) throw new TypeError('not here')
        return bytes
      },
    },
  })
  return { pipeline, held, landed: 0, lag: 0n }
}

/** Liveness of a template, read off the whole log each time. */
function isLive(log: readonly ChainEvent[], template: Hex, cutoff: bigint): boolean {
  const past = log.filter((event) => event.blockNumber <= cutoff)
  const { challengeWindow, taskResponseWindow, safetyMargin, keepBlocks } = parameters
  const after = challengeWindow + taskResponseWindow + safetyMargin
  for (const event of past) {
    if (
      event.type === 'PolicyTemplateRegistered' ||
      event.type === 'PolicyDataTemplateRegistered'
    ) {
      if (event.id === template && cutoff <= event.blockNumber + keepBlocks) return true
    }
    if (event.type !== 'PolicyInstanceDeployed' && event.type !== 'PolicyDataInstanceDeployed')
      continue
    if (event.templateId !== template) continue
    const moves = past.flatMap((e) =>
      (e.type === 'CurrentPolicyInstanceSet' || e.type === 'CurrentPolicyDataInstanceSet') &&
      e.previous !== e.current
        ? [e]
        : [],
    )
    const entered = moves.filter((e) => e.current === event.id).length
    const left = moves.filter((e) => e.previous === event.id)
    if (entered === 0 && cutoff <= event.blockNumber + keepBlocks) return true
    if (entered > left.length) return true
    if (left.some((e) => cutoff <= e.blockNumber + event.expireAfter + after)) return true
  }
  return false
}

describe('four operators and a replica', () => {
  test(`${windows} random windows`, async () => {
    const next = seeded(42)
    const chain = createFakeChain()
    const lags = [0n, 0n, 0n, 0n]
    const operators: Holder[] = []
    for (let i = 0; i < 4; i++) operators.push(await operator(chain, () => lags[i] as bigint))
    const anomalies: Anomaly[] = []
    const published = new Map<Hex, Uint8Array>()
    const replica = createReplica({
      pipeline: (await operator(chain, () => 0n)).pipeline,
      events: chain.view(),
      deltas: async ({ deltaHash }) => {
        // Some deltas cannot be had at first.
        if (next(5) === 0) throw new TypeError('not yet')
        return published.get(deltaHash) as Uint8Array
      },
      onAnomaly: (found) => anomalies.push(found),
    })
    const commits: CommitProposal[] = []
    const templates: { id: Hex; kind: 'policy' | 'data' }[] = []
    const instances: { id: Hex; template: number }[] = []
    const slots = new Map<string, Hex>()
    const everywhere: Uint8Array[] = []
    let serial = 0
    let abstentions = 0
    let refusals = 0

    const randomEvents = (): void => {
      for (let i = next(4); i > 0; i--) {
        const bytes = utf8(`artifact ${serial++} ${'x'.repeat(next(next(9) === 0 ? 4_500 : 900))}`)
        const policy = next(2) === 0
        const by = author(next(5))
        const id = policy
          ? registerPolicy(chain, bytes, { by })
          : registerData(chain, bytes, { by })
        templates.push({ id, kind: policy ? 'policy' : 'data' })
        // Bytes that one, some, all or none can fetch.
        const reach = next(8)
        operators.forEach(({ held }, n) => {
          if (reach > 4 || (reach > 0 && n % 4 === reach - 1)) held.set(keccakHex(bytes), bytes)
        })
        if (reach > 0) everywhere.push(bytes)
      }
      if (templates.length > 0 && next(2) === 0) {
        const template = next(templates.length)
        const { id: templateId, kind } = templates[template]!
        const id = keccakHex(utf8(`instance ${serial++}`))
        instances.push({ id, template })
        const type = kind === 'policy' ? 'PolicyInstanceDeployed' : 'PolicyDataInstanceDeployed'
        chain.emit({
          type,
          id,
          client: author(8),
          templateId,
          paramsHash: ZERO_HASH,
          expireAfter: BigInt(1 + next(30)),
          params: '0x',
        })
      }
      if (instances.length > 0 && next(2) === 0) {
        const { id: current, template } = instances[next(instances.length)]!
        const { kind, id: templateId } = templates[template]!
        const client = author(10 + next(3))
        const slot = kind === 'policy' ? `p${client}` : `d${client}${templateId}`
        const previous = slots.get(slot) ?? ZERO_HASH
        slots.set(slot, current)
        if (kind === 'policy')
          chain.emit({ type: 'CurrentPolicyInstanceSet', client, previous, current })
        else
          chain.emit({
            type: 'CurrentPolicyDataInstanceSet',
            client,
            templateId,
            previous,
            current,
          })
      }
    }
    const catchUp = async (holder: Holder): Promise<boolean> => {
      while (holder.landed < commits.length) {
        const verdict = await validateProposal(holder.pipeline, {
          proposal: commits[holder.landed]!,
        })
        if (verdict.status === 'abstain') return false
        // Nobody honest is ever refused.
        expect(verdict.status).toBe('valid')
        await applyCommit(holder.pipeline, commits[holder.landed]!)
        holder.landed++
      }
      return true
    }

    for (let w = 0; w < windows; w++) {
      const timestamp = 1_320n + 120n * BigInt(w)
      while (chain.blocks[chain.blocks.length - 1]!.timestamp <= timestamp) {
        randomEvents()
        chain.mine(1 + next(4))
      }
      lags.forEach((_, i) => {
        lags[i] = next(6) === 0 ? BigInt(next(25)) : 0n
      })
      // Holders hand bytes on to whoever proposes next, sooner or later.
      const index = proposerIndex({ timestamp, window: 120n, operators: 4 })
      const proposer = operators[index] as Holder
      if (next(3) === 0) for (const bytes of everywhere) proposer.held.set(keccakHex(bytes), bytes)
      for (const holder of operators) await catchUp(holder)
      const silent = next(10) === 0
      if (silent || proposer.landed < commits.length) continue
      let proposal: CommitProposal | undefined
      try {
        proposal = await proposeCommit(proposer.pipeline, { timestamp, pcr0Commitment })
      } catch (error) {
        expect(error).toMatchObject({ code: 'CUTOFF_NOT_FINAL' })
        abstentions++
        continue
      }
      if (proposal === undefined) continue
      let valid = 0
      for (const holder of operators) {
        if (holder.landed < commits.length) continue
        const verdict = await validateProposal(holder.pipeline, { proposal, pcr0Commitment })
        if (verdict.status === 'valid') valid++
        else if (verdict.status === 'abstain') abstentions++
        else refusals++
      }
      if (valid < 3) continue
      published.set(proposal.deltaHash, proposal.delta)
      await submitCommit(chain.sink, { proposal, certificate: {} as never })
      commits.push(proposal)
      const delta = decodeDelta(proposal.delta)
      const before = proposer.pipeline
      const inTreeBefore = new Set(
        [...before.index().artifacts()].filter(before.inTree).map(refKey),
      )
      for (const holder of operators) await catchUp(holder)
      if (w % 4 === 0) checkRetention(chain, { delta, pipeline: proposer.pipeline, inTreeBefore })
      await replica.follow()
    }
    chain.mine(30)
    lags.fill(0n)
    for (const holder of operators) {
      expect(await catchUp(holder)).toBe(true)
      expect(holder.pipeline.head()).toEqual(operators[0]!.pipeline.head())
      expect(holder.pipeline.state()).toEqual(operators[0]!.pipeline.state())
    }
    for (let i = 0; i < 100 && (await replica.follow()).waitingFor !== undefined; i++) {}
    expect(replica.pipeline.head()).toEqual(operators[0]!.pipeline.head())
    expect(anomalies).toEqual([])
    expect(refusals).toBe(0)
    expect(commits.length).toBeGreaterThan(windows / 3)
    expect(abstentions).toBeGreaterThan(0)
    const all = commits.map(({ delta }) => decodeDelta(delta))
    const sum = (pick: (delta: Delta) => readonly unknown[]): number =>
      all.reduce((n, delta) => n + pick(delta).length, 0)
    expect(sum((delta) => delta.deleted)).toBeGreaterThan(10)
    expect(sum((delta) => delta.omitted)).toBeGreaterThan(10)
    expect(sum((delta) => delta.quarantined)).toBeGreaterThan(0)
    expect(sum((delta) => delta.included)).toBeGreaterThan(50)

    await bootstrapsFrom(chain, operators[0]!.pipeline, commits)
    await prunesBytes(operators[1]!.pipeline)
  })
})

function checkRetention(
  chain: FakeChain,
  at: { delta: Delta; pipeline: CommitPipeline; inTreeBefore: ReadonlySet<string> },
): void {
  const { delta, pipeline, inTreeBefore } = at
  const users = (hash: Hex): Hex[] =>
    chain.events.flatMap((e) =>
      (e.type === 'PolicyTemplateRegistered' && e.regoHash === hash) ||
      (e.type === 'PolicyDataTemplateRegistered' && e.wasmHash === hash)
        ? [e.id]
        : [],
    )
  const deleted = new Set(delta.deleted.map(refKey))
  for (const ref of pipeline.index().artifacts()) {
    if (!inTreeBefore.has(refKey(ref))) continue
    const live = users(ref.hash).some((id) => isLive(chain.events, id, delta.cutoffBlock))
    expect(deleted.has(refKey(ref)), refKey(ref)).toBe(!live)
  }
}

async function bootstrapsFrom(
  chain: FakeChain,
  peer: CommitPipeline,
  commits: CommitProposal[],
): Promise<void> {
  const last = commits[commits.length - 1] as CommitProposal
  const handler = snapshotServer({
    tree: peer.tree,
    maxLeaves: 5,
    commitState: () => ({ queue: peer.state(), deltaHash: last.deltaHash }),
    delta: async (hash) => commits.find(({ deltaHash }) => deltaHash === hash)?.delta,
  })
  const client = snapshotClient({ url: 'https://peer.example', fetch: handler })
  const commit = {
    sequenceNo: last.commit.sequenceNo,
    root: last.commit.newStateRoot,
    deltaHash: last.deltaHash,
    timestamp: last.commit.timestamp,
  }
  const steps: string[] = []
  const tree = await bootstrapTree({
    store: memoryStore(),
    client,
    commit,
    onProgress: ({ step }) => steps.push(step),
  })
  expect(steps).toContain('leaves')
  expect(steps[steps.length - 1]).toBe('finished')
  const fresh = await openCommitPipeline({ tree, events: chain.view(), parameters })
  expect(fresh.head()).toEqual(peer.head())
  expect(fresh.state()).toEqual(peer.state())
  // It derives the same deletions and queue for the next window as everybody else.
  const timestamp = ((chain.blocks[chain.blocks.length - 1]!.timestamp - 60n) / 120n) * 120n
  const [mine, theirs] = [await fresh.prepare(timestamp), await peer.prepare(timestamp)]
  expect(mine.deletions).toEqual(theirs.deletions)
  expect(mine.state).toEqual(theirs.state)
  const lying = snapshotClient({ url: 'https://peer.example', fetch: handler })
  const wrong = { ...commit, root: keccakHex(utf8('other')) }
  await expect(
    bootstrapTree({ store: memoryStore(), client: lying, commit: wrong }),
  ).rejects.toMatchObject({ code: 'TREE_SNAPSHOT' })
}

async function prunesBytes(pipeline: CommitPipeline): Promise<void> {
  const { tree } = pipeline
  const before = (await tree.store.bytes.list()).length
  while (!(await tree.prune({ oldest: tree.range()!.latest, limit: 100 })).done) {}
  while (!(await collectBytes({ trees: [tree], limit: 3 })).done) {}
  const left = await tree.store.bytes.list()
  expect(left.length).toBeLessThan(before)
  const needed = [...tree.entries()].map(({ valueHash }) => toHex(valueHash))
  expect([...left].sort()).toEqual([...new Set(needed)].sort())
}

describe('misbehaviour of a quorum', () => {
  /** Two commits land honestly; then `change` makes a third one false and it lands all the same. */
  async function scenario(
    change: (delta: Delta, honest: CommitPipeline) => { delta?: Delta; root?: Hex },
  ): Promise<{ codes: number[]; reason: string }> {
    const chain = createFakeChain()
    const anomalies: Anomaly[] = []
    const published = new Map<Hex, Uint8Array>()
    // What was registered first is due for deletion in the ninth window.
    const constants = { ...parameters, keepBlocks: 80n }
    const honest = await operator(chain, () => 0n, constants)
    const replica = createReplica({
      pipeline: (await operator(chain, () => 0n, constants)).pipeline,
      events: chain.view(),
      deltas: async ({ deltaHash }) => published.get(deltaHash) as Uint8Array,
      onAnomaly: (found) => anomalies.push(found),
    })
    const blob = (n: number): Uint8Array => utf8(`artifact ${n} ${'y'.repeat(400)}`)
    const register = (n: number): void => {
      registerPolicy(chain, blob(n))
      honest.held.set(keccakHex(blob(n)), blob(n))
    }
    let reason = ''
    for (let w = 0; w < 9; w++) {
      const timestamp = 1_320n + 120n * BigInt(w)
      if (w === 0) for (let n = 0; n < 3; n++) register(n)
      if (w >= 6) for (let n = 0; n < 3; n++) register(10 * w + n)
      while (chain.blocks[chain.blocks.length - 1]!.timestamp <= timestamp) chain.mine()
      const proposal = await proposeCommit(honest.pipeline, { timestamp, pcr0Commitment })
      if (proposal === undefined) continue
      let landing = proposal
      if (w === 8) {
        const changed = change(decodeDelta(proposal.delta), honest.pipeline)
        const delta = changed.delta === undefined ? proposal.delta : encodeDelta(changed.delta)
        const deltaHash = computeDeltaHash(delta)
        const newStateRoot =
          changed.root ??
          (changed.delta === undefined
            ? proposal.commit.newStateRoot
            : previewRoot(honest.pipeline.tree, deltaWrites(changed.delta)))
        const daCertHash = computeCommitDaHash({ version: 2, deltaHash, locators: [] })
        landing = {
          commit: { ...proposal.commit, newStateRoot, daCertHash },
          delta,
          deltaHash,
          locators: [],
        }
        const verdict = await validateProposal(honest.pipeline, { proposal: landing })
        expect(verdict.status).toBe('refuse')
        reason = verdict.status === 'refuse' ? verdict.reason : ''
      } else await applyCommit(honest.pipeline, proposal)
      published.set(landing.deltaHash, landing.delta)
      await submitCommit(chain.sink, { proposal: landing, certificate: {} as never })
      chain.mine(2)
      if (w < 8) {
        await replica.follow()
        expect(anomalies).toEqual([])
      }
    }
    chain.mine(10)
    await replica.follow()
    await replica.follow()
    return { codes: anomalies.map(({ code }) => code), reason }
  }
  const forged = (n: number) => {
    const bytes = utf8(`forged ${n}`)
    return { namespace: 4 as const, hash: keccakHex(bytes), bytes }
  }

  test('a false root: 0x10', async () => {
    expect(await scenario(() => ({ root: keccakHex(utf8('false')) }))).toEqual({
      codes: [0x10],
      reason: 'WRONG_ROOT',
    })
  })
  test('an artifact nobody registered: 0x11', async () => {
    const found = await scenario((delta) => ({
      delta: { ...delta, included: [...delta.included, forged(1)] },
    }))
    expect(found).toEqual({ codes: [0x11], reason: 'UNREGISTERED' })
  })
  test('an artifact twice: 0x11', async () => {
    const found = await scenario((delta) => ({
      delta: { ...delta, included: [...delta.included, delta.included[0]!] },
    }))
    expect(found).toEqual({ codes: [0x11], reason: 'DUPLICATE' })
  })
  test('an artifact that is in the tree: 0x11', async () => {
    const found = await scenario((delta, { tree }) => {
      const bytes = utf8(`artifact 60 ${'y'.repeat(400)}`)
      expect(tree.get(computeKeyHash(4, keccakHex(bytes)))).toBeDefined()
      return {
        delta: {
          ...delta,
          included: [{ namespace: 4, hash: keccakHex(bytes), bytes }, ...delta.included],
        },
      }
    })
    expect(found).toEqual({ codes: [0x11], reason: 'DUPLICATE' })
  })
  test('out of order, and jumped: 0x11', async () => {
    const reversed = await scenario((delta) => ({
      delta: { ...delta, included: [...delta.included].reverse() },
    }))
    expect(reversed).toEqual({ codes: [0x11], reason: 'OUT_OF_ORDER' })
    const jumped = await scenario((delta) => ({
      delta: { ...delta, included: delta.included.slice(1) },
    }))
    expect(jumped).toEqual({ codes: [0x11], reason: 'OUT_OF_ORDER' })
  })
  test('over the cap: 0x11', async () => {
    const foreign = [...Array(70).keys()].map((n) => ({
      namespace: 1 as const,
      keyHash: keccakHex(uintToBytes(n, 4)),
      valueHash: ARTIFACT_ABSENT,
    }))
    expect((await scenario((delta) => ({ delta: { ...delta, foreign } }))).reason).toBe('OVER_CAP')
    expect((await scenario((delta) => ({ delta: { ...delta, foreign } }))).codes).toEqual([0x11])
  })
  test('other bytes: 0x12', async () => {
    const found = await scenario((delta) => ({
      delta: {
        ...delta,
        included: delta.included.map((e, i) => (i === 0 ? { ...e, bytes: utf8('corrupt') } : e)),
      },
    }))
    expect(found).toEqual({ codes: [0x12], reason: 'BYTES_MISMATCH' })
  })
  test('a live artifact deleted, a dead one kept: 0x14', async () => {
    const live = await scenario((delta) => {
      const hash = keccakHex(utf8(`artifact 60 ${'y'.repeat(400)}`))
      return { delta: { ...delta, deleted: [...delta.deleted, { namespace: 4, hash }] } }
    })
    expect(live).toEqual({ codes: [0x14], reason: 'WRONG_DELETIONS' })
    const kept = await scenario((delta) => {
      expect(delta.deleted.length).toBe(3)
      return { delta: { ...delta, deleted: delta.deleted.slice(1) } }
    })
    expect(kept).toEqual({ codes: [0x14], reason: 'WRONG_DELETIONS' })
  })
  test('false counters and quarantine: 0x11', async () => {
    const hash = await scenario((delta) => ({
      delta: { ...delta, queueHash: computeQueueHash({ queue: [], quarantine: [forged(1)] }) },
    }))
    expect(hash).toEqual({ codes: [0x11], reason: 'WRONG_COUNTERS' })
    const listed = await scenario((delta) => ({ delta: { ...delta, quarantined: [forged(1)] } }))
    expect(listed).toEqual({ codes: [0x11], reason: 'WRONG_COUNTERS' })
  })
  test('foreign writes of nobody: 0x11', async () => {
    const foreign = [
      { namespace: 3 as const, keyHash: keccakHex(utf8('k')), valueHash: keccakHex(utf8('v')) },
    ]
    const found = await scenario((delta) => ({ delta: { ...delta, foreign } }))
    expect(found).toEqual({ codes: [0x11], reason: 'WRONG_FOREIGN' })
  })
  test('another cutoff, chain, or predecessor: 0x11', async () => {
    for (const [change, reason] of [
      [{ cutoffBlock: 3n }, 'WRONG_CUTOFF'],
      [{ cutoffBlockHash: ZERO_HASH }, 'WRONG_CUTOFF'],
      [{ chainId: 5n }, 'WRONG_CHAIN'],
      [{ prevDeltaHash: ZERO_HASH }, 'DOES_NOT_EXTEND'],
      [{ sequenceNo: 77n }, 'DOES_NOT_EXTEND'],
    ] as const) {
      expect(await scenario((delta) => ({ delta: { ...delta, ...change } }))).toEqual({
        codes: [0x11],
        reason,
      })
    }
  })

  test('a response that names what is not committed: 0x13, and bytes that are others: 0x12', async () => {
    const chain = createFakeChain()
    const anomalies: Anomaly[] = []
    const replica = createReplica({
      pipeline: (await operator(chain, () => 0n)).pipeline,
      events: chain.view(),
      deltas: async () => new Uint8Array(0),
      onAnomaly: (found) => anomalies.push(found),
    })
    const artifact = { namespace: 6 as const, hash: keccakHex(utf8('plugin')) }
    const bound = await replica.checkBinding({
      taskId: ZERO_HASH,
      referenceBlock: 1n,
      artifacts: [artifact],
    })
    expect(bound).toBe(false)
    expect(replica.checkBytes({ ...artifact, bytes: utf8('plugin') })).toBe(true)
    expect(replica.checkBytes({ ...artifact, bytes: utf8('other') })).toBe(false)
    expect(anomalies.map(({ code, name }) => [code, name])).toEqual([
      [0x13, 'policy_attestation_wrong_artifact_binding'],
      [0x12, 'policy_artifact_bytes_corruption'],
    ])
  })
})
