import type { Address, Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  author,
  createFakeChain,
  type FakeChain,
  registerPolicy,
} from '../../../../test/statetree/fakeChain.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import type { ArtifactRequest } from '../../../core/interfaces/artifactSource.js'
import { type DaLocator, encodeLocator } from '../../../core/locator.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import { applyCommit, type CommitProposal, proposeCommit } from '../commit/commit.js'
import { holdQueueBytes } from '../commit/hold.js'
import { decodeDelta } from '../delta.js'
import { type CommitPipeline, openCommitPipeline } from '../pipeline.js'
import type { ClientOwner } from './locators.js'

const pcr0Commitment = keccakHex(utf8('pcr0'))
const rego = utf8('package policy\n')
const hash = keccakHex(rego)
const url = (name: string): DaLocator => ({ kind: 'https', url: `https://${name}.example/` })
const genuine = url('genuine')

type World = { chain: FakeChain; pipeline: CommitPipeline; asked: Set<string> }

/** A pipeline whose source only has what the genuine locator leads to. */
async function world(
  options: { ownerOf?: ClientOwner; locatorKey?: Uint8Array; chain?: FakeChain } = {},
): Promise<World> {
  const { chain = createFakeChain(), ...rest } = options
  const asked = new Set<string>()
  const pipeline = await openCommitPipeline({
    tree: createStateTree({ store: memoryStore() }),
    events: chain.view(),
    artifacts: {
      async getArtifact({ locators = [] }: ArtifactRequest) {
        for (const locator of locators) asked.add(encodeLocator(locator))
        if (locators.some((locator) => encodeLocator(locator) === encodeLocator(genuine)))
          return rego
        throw new TypeError('not here')
      },
    },
    ...rest,
  })
  return { chain, pipeline, asked }
}

const announce = (chain: FakeChain, announcer: Address, locator: DaLocator, namespace = 4): void =>
  chain.emit({
    type: 'ArtifactAnnounced',
    hash,
    namespace,
    announcer,
    locator: encodeLocator(locator),
  })

const flood = (chain: FakeChain, count: number, from = 1_000): void => {
  for (let i = 0; i < count; i++) announce(chain, author(from + i), url(`junk${from + i}`))
}

const at = (w: number): bigint => 1_320n + 120n * BigInt(w)
async function propose({ chain, pipeline }: World, w: number): Promise<CommitProposal> {
  while (chain.blocks[chain.blocks.length - 1]!.timestamp <= at(w)) chain.mine()
  return (await proposeCommit(pipeline, { timestamp: at(w), pcr0Commitment })) as CommitProposal
}
const included = (proposal: CommitProposal): Hex[] =>
  decodeDelta(proposal.delta).included.map((entry) => entry.hash)

describe('where a proposer looks for an artifact', () => {
  test.each([8, 100, 600])(
    '%i strangers do not keep it from the author’s locator',
    async (count) => {
      const w = await world()
      registerPolicy(w.chain, rego, { by: author(0) })
      announce(w.chain, author(0), genuine)
      flood(w.chain, count)
      expect(included(await propose(w, 0))).toEqual([hash])
      expect(w.asked.size).toBeLessThanOrEqual(16)
    },
  )

  test('nor one stranger with as many announcements as he likes', async () => {
    const w = await world()
    registerPolicy(w.chain, rego, { by: author(0) })
    announce(w.chain, author(7), genuine)
    for (let i = 0; i < 300; i++) announce(w.chain, author(9), url(`junk${i}`))
    expect(included(await propose(w, 0))).toEqual([hash])
  })

  test('an author who announces again after the flood is heard', async () => {
    const w = await world()
    registerPolicy(w.chain, rego, { by: author(0) })
    for (let i = 0; i < 10; i++) announce(w.chain, author(0), url(`lost${i}`))
    flood(w.chain, 400)
    w.chain.mine()
    announce(w.chain, author(0), genuine)
    expect(included(await propose(w, 0))).toEqual([hash])
  })

  test('who registers the same bytes first cannot hide them: another window has another order', async () => {
    const w = await world({ locatorKey: new Uint8Array(32).fill(3) })
    registerPolicy(w.chain, rego, { by: author(66) })
    for (let i = 0; i < 10; i++) announce(w.chain, author(66), url(`squatter${i}`))
    flood(w.chain, 60)
    announce(w.chain, author(0), genuine)
    // Quarantined after five windows, and tried in each.
    const found: boolean[] = []
    for (let i = 0; i < 40 && !found.includes(true); i++) {
      const proposal = await propose(w, i)
      if (proposal === undefined) continue
      found.push(included(proposal).includes(hash))
      await applyCommit(w.pipeline, proposal)
    }
    expect(found).toContain(true)
    expect(w.asked.size).toBeGreaterThan(16)
  })

  test('owners of clients with a current instance have places of their own', async () => {
    const client = author(500)
    const owner = author(501)
    const reads: Address[] = []
    const w = await world({
      ownerOf: async (of) => {
        reads.push(of)
        if (of !== client) throw new TypeError('the node is away')
        return owner
      },
    })
    const templateId = registerPolicy(w.chain, rego, { by: author(66) })
    const deploy = (of: Address, id: Hex): void => {
      w.chain.emit({
        type: 'PolicyInstanceDeployed',
        id,
        client: of,
        templateId,
        paramsHash: ZERO_HASH,
        expireAfter: 50n,
        params: '0x',
      })
      w.chain.emit({
        type: 'CurrentPolicyInstanceSet',
        client: of,
        previous: ZERO_HASH,
        current: id,
      })
    }
    deploy(client, keccakHex(utf8('instance')))
    deploy(author(502), keccakHex(utf8('other')))
    announce(w.chain, owner, genuine)
    flood(w.chain, 200)
    expect(included(await propose(w, 0))).toEqual([hash])
    expect(new Set(reads)).toEqual(new Set([client, author(502)]))
  })

  test('the owner of a client that left has no place any more, a client has one itself', async () => {
    const index = (await world()).pipeline
    expect(index.index().locatorsOf({ namespace: 4, hash })).toEqual({
      announcements: [],
      template: undefined,
      clients: [],
    })
    const w = await world()
    const templateId = registerPolicy(w.chain, rego)
    const client = author(500)
    const id = keccakHex(utf8('instance'))
    const block = { params: '0x', paramsHash: ZERO_HASH, expireAfter: 50n } as const
    w.chain.emit({ type: 'PolicyInstanceDeployed', id, client, templateId, ...block })
    w.chain.emit({ type: 'CurrentPolicyInstanceSet', client, previous: ZERO_HASH, current: id })
    announce(w.chain, client, genuine)
    flood(w.chain, 200)
    await applyCommit(w.pipeline, await propose(w, 0))
    const ref = { namespace: 4, hash } as const
    expect(w.pipeline.index().locatorsOf(ref).clients).toEqual([client])
    // The author announced nothing, so the client's comes first.
    expect((await w.pipeline.locators({ ref }))[0]).toEqual(genuine)
    w.chain.emit({ type: 'CurrentPolicyInstanceSet', client, previous: id, current: ZERO_HASH })
    const window = await (async () => {
      w.chain.mine(30)
      return w.pipeline.prepare(at(2))
    })()
    expect(window.index.locatorsOf(ref).clients).toEqual([])
  })

  test('what is kept is bounded, and nothing is kept for what nobody registered', async () => {
    const w = await world()
    registerPolicy(w.chain, rego, { by: author(0) })
    announce(w.chain, author(0), genuine)
    for (let i = 0; i < 5; i++) flood(w.chain, 500)
    flood(w.chain, 200, 5_000)
    announce(w.chain, author(1), genuine, 5)
    await applyCommit(w.pipeline, await propose(w, 0))
    const index = w.pipeline.index()
    const { announcements } = index.locatorsOf({ namespace: 4, hash })
    expect(new Set(announcements.map(({ announcer }) => announcer)).size).toBe(257)
    expect(announcements.length).toBeLessThanOrEqual(2 * 257)
    expect(announcements[0]).toMatchObject({ announcer: author(0), locator: genuine })
    expect(index.locatorsOf({ namespace: 5, hash }).announcements).toEqual([])
  })

  test('bytes announced under another namespace are found there', async () => {
    const w = await world()
    registerPolicy(w.chain, utf8('package other\n'), { by: author(3), schema: rego })
    registerPolicy(w.chain, rego, { by: author(0) })
    announce(w.chain, author(3), genuine, 5)
    expect(included(await propose(w, 0))).toContain(hash)
    expect(await w.pipeline.locators({ ref: { namespace: 6, hash } })).toEqual([])
  })

  test('those who hold bytes before the commit look in the same order', async () => {
    const w = await world()
    registerPolicy(w.chain, utf8('package missing\n'), { by: author(3) })
    await applyCommit(w.pipeline, await propose(w, 0))
    registerPolicy(w.chain, rego, { by: author(0) })
    announce(w.chain, author(0), url('wrong'))
    flood(w.chain, 20)
    await applyCommit(w.pipeline, await propose(w, 1))
    expect((await holdQueueBytes(w.pipeline)).missing).toContain(hash)
    expect(w.asked).toContain(encodeLocator(url('wrong')))
    announce(w.chain, author(0), genuine)
    flood(w.chain, 20, 3_000)
    await applyCommit(w.pipeline, await propose(w, 2))
    expect((await holdQueueBytes(w.pipeline)).missing).not.toContain(hash)
  })
})
