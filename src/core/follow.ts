/**
 * Following a chain: what to read next, and whether what was read counts. One rule for a node that is
 * behind, for a reorganization and for two backends that answer for one endpoint; the index, the
 * watchers and the challenger follow by it.
 *
 * A block that is not there is a node behind, never a reorganization: only another block at the same
 * height is one.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import type { IoOptions } from '../internal/deadline.js'
import type { ChainEvents, EventPosition } from './interfaces/chainEvents.js'

/** A block that was read up to. */
export type BlockMark = { number: bigint; hash: Hex }

/** What a follower needs of a chain. */
export type FollowedChain = Pick<ChainEvents, 'getBlock' | 'getLatestBlock'>

/**
 * Blocks that followers stay behind the newest one, where nothing else is said: most reorganizations
 * and most lags of backends are not deeper.
 */
export const DEFAULT_CONFIRMATIONS = 2

/** What a follower does next. */
export type FollowPlan =
  /** The node has not reached what was read already: wait. */
  | { status: 'behind'; head: bigint }
  /** Nothing is new. */
  | { status: 'current'; head: bigint }
  /** What was read above `kept` is undone; `null` where no mark is left. */
  | { status: 'reorganized'; kept: BlockMark | null }
  /** Read these blocks, then ask {@link checkRead}. */
  | {
      status: 'read'
      fromBlock: bigint
      toBlock: bigint
      /** The last block that was read before, where one was. */
      anchor: BlockMark | undefined
      end: BlockMark
      head: bigint
    }

/**
 * Plans the next read.
 *
 * @param parameters.marks - Blocks read so far, ascending; the last one is the cursor.
 * @param parameters.startBlock - First block to read.
 * @param parameters.confirmations - Blocks to stay behind the newest.
 * @param parameters.maxBlocks - Most blocks of one read.
 * @param parameters.toBlock - Last block to read, where not all are wanted.
 */
export async function planRead(
  chain: FollowedChain,
  parameters: {
    marks: readonly BlockMark[]
    startBlock: bigint
    confirmations: number
    maxBlocks: bigint
    toBlock?: bigint | undefined
  },
  io?: IoOptions,
): Promise<FollowPlan> {
  const { marks, startBlock, confirmations, maxBlocks, toBlock } = parameters
  const { number: head, hash } = await chain.getLatestBlock(io)
  const anchor = marks.at(-1)
  if (anchor !== undefined) {
    if (anchor.number > head) return { status: 'behind', head }
    const ancestor = await commonAncestor(chain, marks, io)
    if (ancestor === 'behind') return { status: 'behind', head }
    if (ancestor !== anchor) return { status: 'reorganized', kept: ancestor }
  }
  const confirmed = head - BigInt(confirmations)
  const target = toBlock !== undefined && toBlock < confirmed ? toBlock : confirmed
  const fromBlock = anchor === undefined ? startBlock : anchor.number + 1n
  if (target < fromBlock) return { status: 'current', head }
  const last = fromBlock + maxBlocks - 1n < target ? fromBlock + maxBlocks - 1n : target
  const end = last === head ? { number: head, hash } : await chain.getBlock(last, io)
  if (end === null) return { status: 'behind', head }
  return {
    ...{ status: 'read', fromBlock, toBlock: last, anchor, head },
    end: { number: end.number, hash: end.hash },
  }
}

/**
 * Checks that a read is of the chain it was planned on.
 *
 * @returns `undefined` where it counts, else why not: nothing of it may be used, and a later plan
 * tells what happened.
 */
export async function checkRead(
  chain: FollowedChain,
  {
    plan,
    found,
  }: { plan: Extract<FollowPlan, { status: 'read' }>; found: readonly EventPosition[] },
  io?: IoOptions,
): Promise<string | undefined> {
  const { fromBlock, toBlock, anchor, end } = plan
  let before: EventPosition | undefined
  for (const one of found) {
    const { blockNumber: number } = one
    if (number < fromBlock || number > toBlock) return `an event of block ${number} came unasked`
    if (before !== undefined && number < before.blockNumber) return 'events are out of order'
    const two = number === before?.blockNumber && !same(one.blockHash, before.blockHash)
    if (two || (number === end.number && !same(one.blockHash, end.hash))) {
      return `block ${number} has two hashes`
    }
    before = one
  }
  for (const mark of anchor === undefined ? [end] : [anchor, end]) {
    const now = await chain.getBlock(mark.number, io)
    if (now === null) return `block ${mark.number} is not there any more`
    if (!same(now.hash, mark.hash)) return `block ${mark.number} changed while events were read`
  }
  return undefined
}

/**
 * Checks the number of confirmations.
 *
 * @throws {InvalidInputError} when it is not a whole number.
 */
export function checkConfirmations(confirmations: number): number {
  if (Number.isSafeInteger(confirmations) && confirmations >= 0) return confirmations
  const reason = `expected a whole number, got ${String(confirmations)}`
  throw new InvalidInputError({ field: 'confirmations', reason })
}

// The newest mark that is still on the chain.
async function commonAncestor(
  chain: FollowedChain,
  marks: readonly BlockMark[],
  io?: IoOptions,
): Promise<BlockMark | 'behind' | null> {
  for (let i = marks.length - 1; i >= 0; i--) {
    const mark = marks[i] as BlockMark
    const now = await chain.getBlock(mark.number, io)
    if (now === null) return 'behind'
    if (same(now.hash, mark.hash)) return mark
  }
  return null
}

function same(a: Hex, b: Hex): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
