/**
 * How many blocks a follower reads at once. A read counts whole or not at all, so that one which is too
 * large for an endpoint would fail for ever.
 *
 * What fails for its size is halved: a range that is refused, a read that takes too long. Young blocks
 * take a request each, of which any may fail: a read of many that fails twice is halved whatever failed,
 * a rate limit included, but not to less than the few blocks that cost as much as the questions around
 * them. Of old
 * blocks, which are read in one request, another failure says nothing of size. Full reads that count
 * double it again; a size that failed is tried again after several in a row.
 */
import { classifyLogRefusal } from './logRefusals.js'

/** Blocks below the newest whose logs are proven complete, each with a request of its own. */
export const YOUNG_BLOCKS = 256n

/** Young blocks that cost no more than the questions around a read of them. */
const FEW_BLOCKS = 8n

/** Full reads in a row before a size that failed is tried again. */
const GROW_AFTER = 8

/** The blocks of a read, and the newest one. */
type Read = { fromBlock: bigint; toBlock: bigint; head: bigint }

/** The size of a follower's reads. */
export type ReadSize = {
  /** Most blocks of the next read. */
  blocks(): bigint
  /** Runs a read, and learns from how it ends. What it throws goes out as it is. */
  learn<value>(read: Read, work: () => Promise<value>, signal?: AbortSignal): Promise<value>
}

/** Starts with reads of `most` blocks. */
export function createReadSize(most: bigint): ReadSize {
  let blocks = most > 0n ? most : 1n
  const largest = blocks
  let failed: bigint | undefined
  let inARow = 0
  let failures = 0
  const grow = (): void => {
    const larger = blocks * 2n < largest ? blocks * 2n : largest
    inARow++
    if (failed !== undefined && larger >= failed && inARow < GROW_AFTER) return
    blocks = larger
    inARow = 0
    if (blocks === largest) failed = undefined
  }
  return {
    blocks: () => blocks,
    async learn(read, work, signal) {
      const size = read.toBlock - read.fromBlock + 1n
      try {
        const value = await work()
        failures = 0
        if (size >= blocks) grow()
        return value
      } catch (error) {
        const least = signal?.aborted === true ? size : leastAfter(error, read)
        failures++
        if (size > least && (least === 1n || failures > 1)) {
          failed = size
          inARow = 0
          blocks = size / 2n > least ? size / 2n : least
        }
        throw error
      }
    },
  }
}

/** How few blocks are worth a try after a failure: as many as were read, where size is not to blame. */
function leastAfter(error: unknown, read: Read): bigint {
  const size = read.toBlock - read.fromBlock + 1n
  const isYoung = read.toBlock > read.head - YOUNG_BLOCKS
  let least = isYoung ? FEW_BLOCKS : size
  let current = error
  for (let depth = 0; current instanceof Error && depth < 16; depth++) {
    const { code, retryable } = current as { code?: unknown; retryable?: unknown }
    // A node that is behind; a caller's mistake.
    if (code === 'BLOCK_NOT_FOUND' || retryable === false) return size
    const isRange = classifyLogRefusal(current, read).kind === 'range'
    if (isRange || current.name === 'TimeoutError') least = 1n
    current = current.cause
  }
  return least
}
