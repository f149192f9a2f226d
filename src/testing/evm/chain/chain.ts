/** The chain: its blocks, its pool, its time, and going back. */
import type { Block } from '@ethereumjs/block'
import type { TypedTransaction } from '@ethereumjs/tx'
import type { Address, Hex } from 'viem'
import type { EvmLibraries } from '../libraries.js'
import { invalidParams, transactionRejected } from '../nodeError.js'
import {
  genesisBlock,
  hashOf,
  type MinedBlock,
  mineBlock,
  type NextBlock,
  pendingBlock,
} from './blocks.js'
import { type ClockState, createChainClock } from './clock.js'
import { assertAcceptable, createPool, type Pool } from './pool.js'
import {
  type AccountChange,
  type ChainState,
  changeAccount,
  createChainState,
  type Machine,
} from './state.js'

/** A chain with everything that happened on it. Nothing here takes two calls at a time. */
export type Chain = {
  readonly chainId: number
  readonly state: ChainState
  readonly libraries: EvmLibraries
  readonly pool: Pool
  /** All blocks, the first one first. */
  readonly blocks: readonly MinedBlock[]
  readonly slotsInAnEpoch: number
  head(): MinedBlock
  byHash(hash: string): MinedBlock | undefined
  findTransaction(hash: Hex): { mined: MinedBlock; index: number } | undefined
  /** The state after a block; after the newest one, with what tests changed since. */
  rootAt(mined: MinedBlock): Promise<Uint8Array>
  /** The block that would come next. */
  next(): Block
  mine(): Promise<MinedBlock>
  /** Takes a transaction, and mines it where blocks are mined by themselves. */
  send(tx: TypedTransaction): Promise<Hex>
  setAutomine(on: boolean): void
  change(change: AccountChange & { address: Address }): Promise<void>
  increaseTime(seconds: number): void
  setNextTimestamp(seconds: number): void
  snapshot(): Promise<number>
  /** Goes back to a snapshot, which is used up with those after it. `false` where there is none. */
  revert(id: number): Promise<boolean>
  reorg(depth: number): Promise<void>
}

type Snapshot = {
  height: number
  root: Uint8Array
  clock: ClockState
  waiting: readonly TypedTransaction[]
}

/** Creates a chain of one block, with funded accounts. */
export async function createChain(
  libraries: EvmLibraries,
  options: {
    chainId: number
    accounts: readonly Address[]
    seconds: (() => number) | undefined
    start: number
    slotsInAnEpoch: number
  },
): Promise<Chain> {
  const { chainId, slotsInAnEpoch } = options
  let blocks: MinedBlock[] = []
  let salt = 0
  let automine = true
  const byHash = new Map<string, MinedBlock>()
  const places = new Map<Hex, { mined: MinedBlock; index: number }>()
  const snapshots: Snapshot[] = []
  const clock = createChainClock(options.seconds)
  const pool = createPool()
  const blockAt = (number: number): Block | undefined => blocks[number]?.block
  const state = await createChainState(libraries, { chainId, blockAt })
  const { writer } = state
  for (const address of options.accounts) {
    await changeAccount(writer, libraries, { address, balance: 10_000n * 10n ** 18n })
  }
  const append = (mined: MinedBlock): void => {
    blocks.push(mined)
    byHash.set(hashOf(mined.block), mined)
    for (const [index, { tx }] of mined.transactions.entries()) {
      places.set(hashOf(tx), { mined, index })
    }
  }
  append({
    block: genesisBlock(libraries, writer, {
      stateRoot: await writer.state.getStateRoot(),
      timestamp: options.start,
    }),
    transactions: [],
  })
  const head = (): MinedBlock => blocks.at(-1) as MinedBlock
  const headTime = (): number => Number(head().block.header.timestamp)
  const dropAfter = (height: number): void => {
    for (const { block, transactions } of blocks.slice(height + 1)) {
      byHash.delete(hashOf(block))
      for (const { tx } of transactions) places.delete(hashOf(tx))
    }
    blocks = blocks.slice(0, height + 1)
  }
  const appendBlock = async (
    transactions: readonly TypedTransaction[],
    next: NextBlock,
  ): Promise<{ mined: MinedBlock; left: readonly TypedTransaction[] }> => {
    const { left, ...mined } = await mineBlock(libraries, writer, {
      parent: head().block,
      next,
      transactions,
    })
    append(mined)
    return { mined, left }
  }
  const nonceOf = async (sender: Address): Promise<bigint> =>
    (await writer.state.getAccount(libraries.util.createAddressFromString(sender)))?.nonce ?? 0n
  const mine = async (): Promise<MinedBlock> => {
    const ready = await pool.takeReady(nonceOf)
    const { mined } = await appendBlock(ready, { timestamp: clock.take(headTime()), salt: 0 })
    return mined
  }
  const restore = async (height: number, root: Uint8Array): Promise<void> => {
    dropAfter(height)
    await writer.state.setStateRoot(root)
  }
  return {
    ...{ chainId, slotsInAnEpoch, state, libraries, pool, head, mine },
    get blocks() {
      return blocks
    },
    byHash: (hash) => byHash.get(hash.toLowerCase()),
    findTransaction: (hash) => places.get(hash),
    rootAt: async (mined) =>
      mined === head() ? writer.state.getStateRoot() : mined.block.header.stateRoot,
    next: () =>
      pendingBlock(libraries, writer, {
        parent: head().block,
        next: { timestamp: clock.peek(headTime()), salt: 0 },
      }),
    send: async (tx) => {
      if (places.has(hashOf(tx))) throw transactionRejected('nonce too low')
      const baseFee = head().block.header.calcNextBaseFee()
      await assertAcceptable(tx, { machine: writer, libraries, baseFee, pool })
      pool.add(tx)
      if (automine) await mine()
      return hashOf(tx)
    },
    setAutomine: (on) => {
      automine = on
    },
    change: (change) => changeAccount(writer, libraries, change),
    increaseTime: (seconds) => clock.increase(seconds, headTime()),
    setNextTimestamp: (seconds) => clock.setNext(seconds, headTime()),
    snapshot: async () => {
      const root = await writer.state.getStateRoot()
      const height = blocks.length - 1
      return snapshots.push({ height, root, clock: clock.state(), waiting: pool.waiting }) - 1
    },
    revert: async (id) => {
      const found = snapshots[id]
      if (found === undefined) return false
      snapshots.length = id
      await restore(found.height, found.root)
      clock.restore(found.clock)
      pool.restore(found.waiting)
      return true
    },
    reorg: async (depth) => {
      const height = blocks.length - 1
      if (!Number.isSafeInteger(depth) || depth < 1 || depth > height) {
        throw invalidParams(`cannot replace ${depth} blocks of ${height}`)
      }
      const times = blocks.slice(-depth).map(({ block }) => Number(block.header.timestamp))
      const base = blocks[height - depth] as MinedBlock
      await restore(height - depth, base.block.header.stateRoot)
      salt = (salt % 255) + 1
      for (const timestamp of times) await appendBlock([], { timestamp, salt })
    },
  }
}

/** The state of a chain at a block, for reading. */
export async function viewAt<value>(
  chain: Chain,
  mined: MinedBlock,
  look: (machine: Machine) => Promise<value>,
): Promise<value> {
  return chain.state.view(await chain.rootAt(mined), look)
}
