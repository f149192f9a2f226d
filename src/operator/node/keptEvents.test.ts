/** What a start reads of a chain that was read before, and when the file is not believed. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import { keepEvents } from './keptEvents.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kept-events-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const word = (value: bigint | number): Hex => `0x${value.toString(16).padStart(64, '0')}`

/** A chain with an event in each tenth block. */
function chainOf(finalized = 1_000n) {
  const state = { finalized, branch: 0, asked: [] as [bigint, bigint][] }
  const hashOf = (number: bigint): Hex => word(number * 16n + BigInt(state.branch))
  const eventAt = (blockNumber: bigint): ChainEvent => ({
    ...{ blockNumber, blockHash: hashOf(blockNumber), transactionIndex: 0, logIndex: 1 },
    transactionHash: word(blockNumber),
    ...(blockNumber % 20n === 0n
      ? { type: 'SnapshotAnchored', sequenceNo: blockNumber, root: word(7), timestamp: 2n ** 63n }
      : {
          type: 'CommitAnnounced',
          sequenceNo: blockNumber,
          deltaHash: word(8),
          locators: ['0x12'],
        }),
  })
  const events: Omit<ChainEvents, 'getLatestBlock'> = {
    chainId: 1n,
    async getEvents({ fromBlock, toBlock, types, parentHash, blockHash }) {
      state.asked.push([fromBlock, toBlock])
      if (parentHash !== undefined) expect(parentHash).toBe(hashOf(fromBlock - 1n))
      if (blockHash !== undefined) expect(blockHash).toBe(hashOf(toBlock))
      const found: ChainEvent[] = []
      for (let at = fromBlock; at <= toBlock; at++) if (at % 10n === 0n) found.push(eventAt(at))
      return found.filter(({ type }) => types === undefined || types.includes(type))
    },
    getBlock: async (number: bigint) =>
      number > state.finalized ? null : { number, hash: hashOf(number), timestamp: number },
    getFinalizedBlock: async () => ({
      number: state.finalized,
      hash: hashOf(state.finalized),
      timestamp: 1n,
    }),
  }
  return { state, events: events as ChainEvents, hashOf }
}
const open = (events: ChainEvents, change: object = {}) => {
  const told: string[] = []
  const onReset = (reason: string): void => void told.push(reason)
  const parts = { events, startBlock: 5n, directory, name: 'a', onReset, ...change }
  return { told, ...keepEvents(parts) }
}
const whole = { fromBlock: 5n, toBlock: 1_000n }

test('behavior: a start reads what came since, and gives all, as the chain does', async () => {
  const { state, events, hashOf } = chainOf()
  await open(events).extend()
  state.finalized = 1_300n
  state.asked = []
  const again = open(events)
  for (const types of [undefined, ['SnapshotAnchored'], ['StateRootCommitted']] as const) {
    for (const toBlock of [936n, 937n, 1_000n, 1_299n]) {
      const asked = { fromBlock: 5n, toBlock, types, blockHash: hashOf(toBlock) }
      const given = await again.events.getEvents(asked)
      const plain = await events.getEvents(asked)
      expect(given).toEqual(plain)
    }
  }
  const own = state.asked.filter(([from]) => from !== 5n)
  expect(new Set(own.map(([from]) => from))).toEqual(new Set([937n]))
  // Of what comes later the chain itself is asked, and of less than is kept.
  for (const asked of [
    { fromBlock: 500n, toBlock: 600n },
    { fromBlock: 5n, toBlock: 600n },
  ]) {
    expect(await again.events.getEvents(asked)).toEqual(await events.getEvents(asked))
  }
  await again.extend()
  state.asked = []
  await again.events.getEvents({ fromBlock: 5n, toBlock: 1_300n })
  expect(state.asked).toEqual([[1_237n, 1_300n]])
  expect(again.told).toEqual([])
})

test('behavior: another chain, other contracts, a hash that is gone: all is read again', async () => {
  const { state, events } = chainOf()
  await open(events).extend()
  for (const change of [{ name: 'b' }, { startBlock: 6n }]) {
    await open(events).extend()
    state.asked = []
    const other = open(events, change)
    const fromBlock = 'startBlock' in change ? 6n : 5n
    await other.events.getEvents({ ...whole, fromBlock })
    expect(state.asked).toEqual([[fromBlock, 1_000n]])
    expect(other.told).toHaveLength(1)
  }
  await open(events).extend()
  state.branch = 1
  state.asked = []
  const branched = open(events)
  const given = await branched.events.getEvents(whole)
  expect(state.asked).toEqual([[5n, 1_000n]])
  expect(branched.told).toEqual(['block 936 is another one now'])
  expect(given).toEqual(await events.getEvents(whole))
  // A node that is behind says nothing of it: the file stays.
  await branched.extend()
  state.finalized = 900n
  await branched.events.getEvents({ fromBlock: 5n, toBlock: 900n })
  state.finalized = 1_000n
  state.asked = []
  await branched.events.getEvents(whole)
  expect(state.asked).toEqual([[937n, 1_000n]])
})

test('behavior: a line that is torn or changed does not count, nor what is behind it', async () => {
  const { state, events } = chainOf(500n)
  const path = join(directory, 'events.jsonl')
  await open(events).extend()
  state.finalized = 800n
  await open(events).extend()
  const good = await readFile(path, 'utf8')
  const lines = good.split('\n')
  expect(lines).toHaveLength(4)
  const flipped = (lines[2] as string).replace('CommitAnnounced', 'CommitAnnouncee')
  for (const [text, from] of [
    [good.slice(0, -20), 437n],
    [`${good}["737"`, 737n],
    [[lines[0], lines[1], flipped, ''].join('\n'), 437n],
    [[lines[0], lines[2], ''].join('\n'), 5n],
    [lines[0] as string, 5n],
    ['', 5n],
    ['junk\n\n', 5n],
  ] as const) {
    await writeFile(path, text)
    state.asked = []
    const asked = { fromBlock: 5n, toBlock: 800n }
    const given = await open(events).events.getEvents(asked)
    expect(state.asked, text.slice(-30)).toEqual([[from, 800n]])
    expect(given).toEqual(await events.getEvents(asked))
    // What is kept from then on is whole.
    await open(events).extend()
    state.asked = []
    await open(events).events.getEvents(asked)
    expect(state.asked, text.slice(-30)).toEqual([[737n, 800n]])
  }
  await appendFile(path, '\n')
  await open(events).extend()
})
