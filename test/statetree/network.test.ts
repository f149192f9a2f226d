import type { Hex } from 'viem'
import { describe, expect, test, vi } from 'vitest'
import { ARTIFACT_ABSENT, computeKeyHash, ZERO_HASH } from '../../src/core/artifact.js'
import { uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import {
  applyCommit,
  computeCommitDaHash,
  proposeCommit,
  submitCommit,
  validateProposal,
} from '../../src/statetree/pipeline/commit/commit.js'
import {
  computeDeltaHash,
  type Delta,
  decodeDelta,
  encodeDelta,
} from '../../src/statetree/pipeline/delta.js'
import { type CommitPipeline, deltaWrites } from '../../src/statetree/pipeline/pipeline.js'
import { computeQueueHash } from '../../src/statetree/pipeline/queue/queue.js'
import type { Anomaly } from '../../src/statetree/pipeline/replica/anomalies.js'
import { createReplica } from '../../src/statetree/pipeline/replica/replica.js'
import { previewRoot } from '../../src/statetree/tree/preview.js'
import { createFakeChain, registerPolicy } from './fakeChain.js'

import { operator, parameters, pcr0Commitment, windowsSuite } from './windowsSuite.js'

vi.setConfig({ testTimeout: 300_000 })

// The long form is windows.deep.test.ts.
windowsSuite(50)

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
