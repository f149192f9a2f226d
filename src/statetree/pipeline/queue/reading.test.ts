import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { createFakeChain, registerPolicy } from '../../../../test/statetree/fakeChain.js'
import type { ChainEvent, ChainEvents } from '../../../core/interfaces/chainEvents.js'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createStateTree } from '../../stateTree.js'
import { memoryStore } from '../../store/memoryStore.js'
import { applyCommit, type CommitProposal, proposeCommit } from '../commit/commit.js'
import { commitParameters } from '../parameters.js'
import { openCommitPipeline } from '../pipeline.js'

const pcr0Commitment = keccakHex(utf8('pcr0'))
const otherBranch: Hex = keccakHex(utf8('another branch'))
const first = utf8('first')

/** A chain with one commit, and an endpoint for it whose answers can be changed. */
async function setup() {
  const chain = createFakeChain()
  const queries: Parameters<ChainEvents['getEvents']>[0][] = []
  const answers = {
    events: (found: readonly ChainEvent[]): readonly ChainEvent[] => found,
    hash: (hash: Hex, _number: bigint): Hex | null => hash,
  }
  const honest = chain.view()
  const events: ChainEvents = {
    ...honest,
    async getEvents(query, io) {
      queries.push(query)
      return answers.events(await honest.getEvents(query, io))
    },
    async getBlock(number, io) {
      const block = await honest.getBlock(number, io)
      const hash = block && answers.hash(block.hash, number)
      return block && hash && { ...block, hash }
    },
  }
  const tree = createStateTree({ store: memoryStore() })
  const parameters = commitParameters({ chainId: 31337n, finalityDelay: 0n })
  const artifacts = { getArtifact: async () => first }
  const open = () => openCommitPipeline({ tree, events, parameters, artifacts })
  const pipeline = await open()
  registerPolicy(chain, first)
  chain.mine(11)
  const timestamp = 1_320n
  const made = await proposeCommit(pipeline, { timestamp, pcr0Commitment })
  await applyCommit(pipeline, made as CommitProposal)
  registerPolicy(chain, utf8('second'))
  chain.mine(12)
  queries.length = 0
  const next = () => pipeline.prepare(timestamp + 120n)
  return { answers, queries, open, pipeline, next }
}

const notShown = { code: 'EVENTS_NOT_SHOWN', retryable: true }

describe('what the commit pipeline reads', () => {
  test('behavior: a read names the block that it stands on and the one that it ends at', async () => {
    const { pipeline, queries, next, open, answers } = await setup()
    const { cutoffBlock } = pipeline.head()
    const { cutoff, state } = await next()
    expect(queries).toHaveLength(1)
    expect(queries[0]).toMatchObject({
      ...{ fromBlock: cutoffBlock + 1n, toBlock: cutoff.number, blockHash: cutoff.hash },
      parentHash: expect.stringMatching(/^0x/),
    })
    expect(state.queue.map(({ hash }) => hash)).toEqual([keccakHex(utf8('second'))])
    await open()
    const { parentHash } = queries[0] as { parentHash: Hex }
    expect(queries[1]).toMatchObject({ fromBlock: 0n, toBlock: cutoffBlock, blockHash: parentHash })
    answers.hash = (hash, number) => (number === cutoffBlock ? null : hash)
    await expect(open()).rejects.toMatchObject(notShown)
  })

  test.each([
    [
      'events of two branches',
      (answers: Answers) => {
        answers.events = (found) =>
          found.flatMap((event) => [event, { ...event, blockHash: otherBranch, logIndex: 9 }])
      },
    ],
    [
      'events of other blocks',
      (answers: Answers) => {
        answers.events = (found) => found.map((event) => ({ ...event, blockNumber: 0n }))
      },
    ],
    [
      'another block where the last read ended',
      (answers: Answers, cutoffBlock: bigint) => {
        answers.hash = (hash, number) => (number === cutoffBlock ? otherBranch : hash)
      },
    ],
  ])('error: EVENTS_NOT_SHOWN for %s, and nothing is taken in', async (_, change) => {
    const { answers, pipeline, next } = await setup()
    const honest = { ...answers }
    change(answers, pipeline.head().cutoffBlock)
    await expect(next()).rejects.toMatchObject(notShown)
    Object.assign(answers, honest)
    const { state } = await next()
    expect(state.queue.map(({ hash }) => hash)).toEqual([keccakHex(utf8('second'))])
  })
})

type Answers = Awaited<ReturnType<typeof setup>>['answers']
