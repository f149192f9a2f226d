/** Four operators and a replica through random windows: what is honest lands and is followed. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { ZERO_HASH } from '../../src/core/artifact.js'
import type { ChainEvent } from '../../src/core/interfaces/chainEvents.js'
import { toHex, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { collectBytes } from '../../src/statetree/pipeline/bytesGc.js'
import {
  applyCommit,
  type CommitProposal,
  proposeCommit,
  proposerIndex,
  submitCommit,
  validateProposal,
} from '../../src/statetree/pipeline/commit/commit.js'
import { type Delta, decodeDelta } from '../../src/statetree/pipeline/delta.js'
import { commitParameters } from '../../src/statetree/pipeline/parameters.js'
import { type CommitPipeline, openCommitPipeline } from '../../src/statetree/pipeline/pipeline.js'
import { refKey } from '../../src/statetree/pipeline/queue/queue.js'
import type { Anomaly } from '../../src/statetree/pipeline/replica/anomalies.js'
import { createReplica } from '../../src/statetree/pipeline/replica/replica.js'
import { bootstrapTree } from '../../src/statetree/snapshot/bootstrap.js'
import { snapshotClient } from '../../src/statetree/snapshot/client.js'
import { snapshotServer } from '../../src/statetree/snapshot/server.js'
import { createStateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import {
  author,
  createFakeChain,
  type FakeChain,
  registerData,
  registerPolicy,
} from './fakeChain.js'
import { seeded } from './model.js'

export const pcr0Commitment = keccakHex(utf8('pcr0'))
/** Short retention, so that what is in the tree also leaves it. */
export const parameters = commitParameters({
  chainId: 31_337,
  finalityDelay: 24n,
  keepBlocks: 60n,
  challengeWindow: 8n,
  taskResponseWindow: 4n,
  safetyMargin: 3n,
  maxCommitBytesPerWindow: 4_000,
})

type Holder = { pipeline: CommitPipeline; held: Map<Hex, Uint8Array>; landed: number; lag: bigint }

/** An operator with bytes of its own. */
export async function operator(
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

/** Random windows of a network; their number is the caller's. */
export function windowsSuite(windows: number): void {
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
          const bytes = utf8(
            `artifact ${serial++} ${'x'.repeat(next(next(9) === 0 ? 4_500 : 900))}`,
          )
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
        if (next(3) === 0)
          for (const bytes of everywhere) proposer.held.set(keccakHex(bytes), bytes)
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
      expect(sum((delta) => delta.deleted)).toBeGreaterThan(windows / 20)
      expect(sum((delta) => delta.omitted)).toBeGreaterThan(windows / 20)
      expect(sum((delta) => delta.quarantined)).toBeGreaterThan(0)
      expect(sum((delta) => delta.included)).toBeGreaterThan(windows / 4)

      await bootstrapsFrom(chain, operators[0]!.pipeline, commits)
      await prunesBytes(operators[1]!.pipeline)
    }, 600_000)
  })
}

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
