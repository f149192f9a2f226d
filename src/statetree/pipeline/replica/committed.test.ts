import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import { createFakeChain, registerPolicy } from '../../../../test/statetree/fakeChain.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import { applyCommit, type CommitProposal, proposeCommit, submitCommit } from '../commit/commit.js'
import { envelopeWrites } from '../envelopes.js'
import { commitParameters } from '../parameters.js'
import { openCommitPipeline } from '../pipeline.js'
import { committedTree } from './committed.js'

test('artifacts and envelopes are there from the block of their commit on', async () => {
  const chain = createFakeChain()
  const rego = utf8('package a\n')
  const external = envelopeWrites()
  const tree = createStateTree({ store: memoryStore() })
  const events = chain.view()
  const pipeline = await openCommitPipeline({
    tree,
    events,
    external,
    parameters: commitParameters({ chainId: 31_337 }),
    artifacts: { getArtifact: async () => rego },
  })
  const committed = committedTree({ tree, events })
  registerPolicy(chain, rego)
  const policyDataInstanceId: Hex = keccakHex(utf8('instance'))
  const envelope = utf8('sealed')
  const { valueHash } = external.add({ policyDataInstanceId, bytes: envelope })
  chain.mine(20)
  const proposal = (await proposeCommit(pipeline, {
    timestamp: 1_320n,
    pcr0Commitment: keccakHex(utf8('p')),
  })) as CommitProposal
  const at = { namespace: 4, hash: keccakHex(rego) }
  expect(await committed.isCommittedAt({ ...at, block: 21n })).toBe(false)
  await submitCommit(chain.sink, { proposal, certificate: {} as never })
  const landed = chain.mine().number
  await expect(committed.isCommittedAt({ ...at, block: landed })).rejects.toMatchObject({
    code: 'TREE_VERSION_NOT_RETAINED',
  })
  await applyCommit(pipeline, proposal)
  expect(await committed.isCommittedAt({ ...at, block: landed })).toBe(true)
  expect(await committed.isCommittedAt({ ...at, block: landed - 1n })).toBe(false)
  expect(await committed.isCommittedAt({ namespace: 5, hash: at.hash, block: landed })).toBe(false)
  await expect(committed.proveArtifact({ ...at, block: landed - 1n })).rejects.toMatchObject({
    code: 'ARTIFACT_NOT_COMMITTED',
    retryable: true,
  })
  expect((await committed.proveArtifact({ ...at, block: landed })).root).toBe(
    proposal.commit.newStateRoot,
  )
  await expect(
    committed.getEnvelope({ policyDataInstanceId, block: landed }),
  ).rejects.toMatchObject({ code: 'BYTES_NOT_FOUND' })
  await tree.store.bytes.put(valueHash, envelope)
  expect(await committed.getEnvelope({ policyDataInstanceId, block: landed })).toEqual(envelope)
  expect(await committed.getEnvelope({ policyDataInstanceId: ZERO_HASH, block: landed })).toBeNull()
})
