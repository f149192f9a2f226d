import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import type { ChainEvent, ChainEvents } from '../../../core/interfaces/chainEvents.js'
import { toHex } from '../../../internal/bytes.js'
import { finalEvents } from './finalEvents.js'

/** A chain whose blocks have one event each, and a branch that can be changed. */
function fakeChain() {
  const state = { head: 3n, branch: 1, lies: false, behind: false }
  const hashOf = (number: bigint): Hex =>
    toHex(Uint8Array.of(...new Uint8Array(30), state.branch, Number(number)))
  const blockAt = (number: bigint) => ({ number, hash: hashOf(number), timestamp: number })
  const events = {
    chainId: 1n,
    getBlock: async (number) => (state.behind || number > state.head ? null : blockAt(number)),
    getLatestBlock: async () => blockAt(state.head),
    getFinalizedBlock: async () => blockAt(state.head),
    getEvents: async ({ fromBlock, toBlock }) => {
      const found: ChainEvent[] = []
      for (let number = fromBlock; number <= toBlock; number++) {
        found.push({
          ...{ type: 'SnapshotAnchored', sequenceNo: number, root: hashOf(number), timestamp: 1n },
          ...{ blockNumber: number, transactionIndex: 0, logIndex: 0, transactionHash: '0x' },
          blockHash: state.lies ? `0x${'ff'.repeat(32)}` : hashOf(number),
        })
      }
      return found
    },
  } satisfies ChainEvents
  const taken: string[] = []
  const reader = finalEvents({
    events,
    startBlock: 1n,
    types: ['SnapshotAnchored'],
    onReset: () => {
      taken.length = 0
    },
  })
  const read = async () => {
    await reader.read(({ blockNumber, blockHash }) => taken.push(`${blockNumber} ${blockHash}`), {})
    return taken.length
  }
  return { state, read, reader, taken, hashOf }
}

test('default: each event once', async () => {
  const { state, read, reader } = fakeChain()
  expect(reader.upTo).toBe(0n)
  expect(await read()).toBe(3)
  expect(await read()).toBe(3)
  state.head = 5n
  expect(await read()).toBe(5)
  expect(reader.upTo).toBe(5n)
})

test('behavior: an answer of another branch is passed over, and read again', async () => {
  const { state, read, reader } = fakeChain()
  state.lies = true
  expect(await read()).toBe(0)
  expect(reader.upTo).toBe(0n)
  state.lies = false
  expect(await read()).toBe(3)
})

test('behavior: a node that is behind is waited for', async () => {
  const { state, read } = fakeChain()
  expect(await read()).toBe(3)
  state.behind = true
  state.head = 4n
  expect(await read()).toBe(3)
  state.behind = false
  expect(await read()).toBe(4)
})

test('behavior: where a final block is another one all comes again', async () => {
  const { state, read, taken, hashOf } = fakeChain()
  await read()
  state.branch = 2
  state.head = 4n
  expect(await read()).toBe(4)
  expect(taken).toEqual([1n, 2n, 3n, 4n].map((number) => `${number} ${hashOf(number)}`))
})
