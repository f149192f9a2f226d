import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  author,
  createFakeChain,
  registerData,
  registerPolicy,
} from '../../../../test/statetree/fakeChain.js'
import { computeKeyHash, namespaces, ZERO_HASH } from '../../../core/artifact.js'
import {
  blsKeyFromSeed,
  createOperatorTable,
  verifyCertificate,
} from '../../../core/bn254/index.js'
import { computeStateCommitHash } from '../../../core/stateCommit.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { verifyProof } from '../../proof/proof.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import { computeDeltaHash, decodeDelta, encodeDelta } from '../delta.js'
import { commitParameters } from '../parameters.js'
import { openCommitPipeline } from '../pipeline.js'
import {
  aggregateCommit,
  applyCommit,
  type CommitProposal,
  proposeCommit,
  signCommit,
  submitCommit,
  validateProposal,
} from './commit.js'

const pcr0Commitment: Hex = keccakHex(utf8('pcr0'))
const parameters = commitParameters({ chainId: 31_337 })

function source(bytes: Map<Hex, Uint8Array>) {
  return {
    async getArtifact({ hash }: { hash: Hex }) {
      const found = bytes.get(hash)
      if (found === undefined) throw new TypeError('not here')
      return found
    },
  }
}

async function operator(chain: ReturnType<typeof createFakeChain>, bytes: Map<Hex, Uint8Array>) {
  const tree = createStateTree({ store: memoryStore() })
  return openCommitPipeline({ tree, events: chain.view(), artifacts: source(bytes), parameters })
}

describe('a commit by four operators', () => {
  test('default', async () => {
    const chain = createFakeChain()
    const rego = utf8('package a\n')
    const wasm = new Uint8Array(1000).fill(3)
    const schema = utf8('{}')
    registerPolicy(chain, rego, { schema })
    registerData(chain, wasm, { by: author(1) })
    chain.mine(20)
    const bytes = new Map([rego, wasm, schema].map((b) => [keccakHex(b), b]))
    const pipelines = await Promise.all([0, 1, 2, 3].map(() => operator(chain, bytes)))
    const timestamp = 1_320n
    const proposal = (await proposeCommit(pipelines[0]!, {
      timestamp,
      pcr0Commitment,
    })) as CommitProposal
    expect(proposal.commit.prevStateRoot).toBe(ZERO_HASH)
    expect(
      decodeDelta(proposal.delta).included.map(({ namespace, hash }) => [namespace, hash]),
    ).toEqual([
      [4, keccakHex(rego)],
      [5, keccakHex(schema)],
      [6, keccakHex(wasm)],
    ])

    const keys = [0, 1, 2, 3].map((i) => blsKeyFromSeed(Uint8Array.of(i)))
    const table = createOperatorTable(
      keys.map((key, i) => ({ operator: author(i), ...key.publicKey, weights: [100n] })),
    )
    const domain = { chainId: chain.chainId, registry: author(9), operatorSetId: 1 }
    const context = { domain, referenceTimestamp: 1_200 }
    const shares = []
    for (let i = 0; i < 4; i++) {
      const verdict = await validateProposal(pipelines[i]!, { proposal, pcr0Commitment })
      expect(verdict.status).toBe('valid')
      if (i === 3) continue
      const own = { proposal, verdict, operator: author(i), signer: keys[i]! }
      shares.push(await signCommit(own, context))
    }
    const { certificate } = await aggregateCommit(
      { commit: proposal.commit, table, shares },
      context,
    )
    const messageHash = computeStateCommitHash(proposal.commit, domain)
    expect(
      verifyCertificate({
        certificate,
        table: table.info,
        referenceTimestamp: 1_200,
        messageHash,
        quorumBps: 6_700,
      }).status,
    ).toBe('valid')
    await submitCommit(chain.sink, { proposal, certificate })
    for (const pipeline of pipelines) {
      expect(await applyCommit(pipeline, proposal)).toBe(proposal.commit.newStateRoot)
      const keyHash = computeKeyHash(namespaces.rego, keccakHex(rego))
      const root = proposal.commit.newStateRoot
      expect(
        verifyProof({
          root,
          keyHash,
          valueHash: keccakHex(rego),
          proof: pipeline.tree.prove(keyHash),
        }),
      ).toBe(true)
      expect(await pipeline.tree.value(keyHash)).toEqual(rego)
    }
    // Nothing waits: the next window has no commit, the tenth a heartbeat on the same root.
    chain.mine(200)
    expect(
      await proposeCommit(pipelines[1]!, { timestamp: timestamp + 120n, pcr0Commitment }),
    ).toBeUndefined()
    const heartbeat = (await proposeCommit(pipelines[1]!, {
      timestamp: timestamp + 1_200n,
      pcr0Commitment,
    })) as CommitProposal
    expect(heartbeat.commit.newStateRoot).toBe(proposal.commit.newStateRoot)
    expect(heartbeat.commit.prevStateRoot).toBe(proposal.commit.newStateRoot)
    for (const pipeline of pipelines) await applyCommit(pipeline, heartbeat)
    // Reopened on the same store, a pipeline goes on where it was.
    const again = await openCommitPipeline({
      tree: pipelines[2]!.tree,
      events: chain.view(),
      parameters,
    })
    expect(again.head()).toEqual(pipelines[2]!.head())
  })

  test('every changed byte of a delta is refused', async () => {
    const chain = createFakeChain()
    const rego = utf8('package a\n')
    registerPolicy(chain, rego)
    chain.mine(20)
    const pipeline = await operator(chain, new Map([[keccakHex(rego), rego]]))
    const proposal = (await proposeCommit(pipeline, {
      timestamp: 1_320n,
      pcr0Commitment,
    })) as CommitProposal
    const reasons = new Set<string>()
    for (let i = 0; i < proposal.delta.length; i++) {
      const delta = proposal.delta.slice()
      delta[i] = (delta[i] as number) ^ 1
      const deltaHash = computeDeltaHash(delta)
      const commit = { ...proposal.commit, daCertHash: keccakHex(utf8('')) }
      const verdict = await validateProposal(pipeline, {
        proposal: { ...proposal, commit, delta, deltaHash },
      })
      expect(verdict.status, `byte ${i}`).toBe('refuse')
      if (verdict.status === 'refuse') reasons.add(verdict.reason)
    }
    expect([...reasons].sort()).toEqual(
      [
        'BYTES_MISMATCH',
        'DOES_NOT_EXTEND',
        'MALFORMED_DELTA',
        'UNREGISTERED',
        'WRONG_CHAIN',
        'WRONG_COUNTERS',
        'WRONG_CUTOFF',
      ].sort(),
    )
    expect(encodeDelta(decodeDelta(proposal.delta))).toEqual(proposal.delta)
  })
})
