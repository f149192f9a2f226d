/** The cutoff block of a window: the last one with `timestamp <= window timestamp - finalityDelay`. */
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { CutoffNotFinalError } from '../errors.js'

/**
 * Finds the cutoff by bisection.
 *
 * Which block is the last one is only known once a later block exists, so the head of the chain
 * has to be past the limit.
 *
 * @throws {CutoffNotFinalError} while the cutoff is not known or not finalized here.
 */
export async function findCutoff(
  parameters: {
    events: ChainEvents
    timestamp: bigint
    parameters: { window: bigint; finalityDelay: bigint }
    after: { timestamp: bigint; cutoffBlock: bigint }
    /** The commit is on chain: its timestamp is what it is. */
    landed?: boolean | undefined
  },
  io: IoOptions,
): Promise<BlockReference> {
  const { events, timestamp, after } = parameters
  const { window, finalityDelay } = parameters.parameters
  const grid = parameters.landed === true ? 1n : window
  if (timestamp % grid !== 0n || timestamp <= after.timestamp) {
    throw new InvalidInputError({
      field: 'timestamp',
      reason: `expected a multiple of ${grid} after ${after.timestamp}, got ${timestamp}`,
    })
  }
  const limit = timestamp - finalityDelay
  const [latest, finalized] = [await events.getLatestBlock(io), await events.getFinalizedBlock(io)]
  if (latest.timestamp <= limit)
    throw new CutoffNotFinalError({ timestamp, finalized: finalized.number })
  let low = after.cutoffBlock < 0n ? 0n : after.cutoffBlock
  let high = latest.number - 1n
  let found: BlockReference | null = null
  while (low <= high) {
    const middle = (low + high) / 2n
    const block = await events.getBlock(middle, io)
    // A node that is behind the one that told the newest block: later it is there.
    if (block === null) throw new CutoffNotFinalError({ timestamp, finalized: finalized.number })
    if (block.timestamp <= limit) {
      found = block
      low = middle + 1n
    } else high = middle - 1n
  }
  if (found === null) throw new CutoffNotFinalError({ timestamp, finalized: finalized.number })
  if (found.number > finalized.number)
    throw new CutoffNotFinalError({ timestamp, finalized: finalized.number })
  return found
}
