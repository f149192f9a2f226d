/** Reading on along the chain, by the rule of all followers: what cannot be shown does not count. */
import { type BlockMark, checkRead, type FollowedChain, planRead } from '../../../core/follow.js'
import type {
  ChainEvent,
  ChainEvents,
  ChainEventType,
} from '../../../core/interfaces/chainEvents.js'
import type { IoOptions } from '../../../internal/deadline.js'

/** What a read gave. */
export type Reading =
  /** All events after what was read before, up to `end`. */
  | { status: 'read'; found: readonly ChainEvent[]; end: BlockMark }
  /** Nothing is new. */
  | { status: 'current' }
  /** The last block that was read before is not on the chain any more. */
  | { status: 'reorganized' }
  /** What came cannot be shown to be all and of this chain: nothing of it counts. */
  | { status: 'unshown'; reason: string }

/** One read, whatever its length: `getEvents` splits it. */
const ALL = 2n ** 62n

/**
 * Reads the events between the last block that was read and another.
 *
 * @param parameters.read - The last block that was read, where one was.
 * @param parameters.startBlock - First block to read, where none was.
 * @param parameters.to - The last block to read, a final one.
 */
export async function readOn(
  events: ChainEvents,
  parameters: {
    read: BlockMark | undefined
    startBlock: bigint
    to: Awaited<ReturnType<FollowedChain['getLatestBlock']>>
    types?: readonly ChainEventType[] | undefined
  },
  io: IoOptions,
): Promise<Reading> {
  const { read, startBlock, to, types } = parameters
  const chain: FollowedChain = {
    getBlock: (number, options) => events.getBlock(number, options),
    getLatestBlock: async () => to,
  }
  const marks = read === undefined ? [] : [read]
  const follow = { marks, startBlock, confirmations: 0, maxBlocks: ALL }
  const plan = await planRead(chain, follow, io)
  if (plan.status === 'behind') {
    return { status: 'unshown', reason: `block ${read?.number ?? to.number} is not there` }
  }
  if (plan.status === 'current') return { status: 'current' }
  if (plan.status === 'reorganized') return { status: 'reorganized' }
  const { fromBlock, toBlock, anchor, end } = plan
  const anchors = { parentHash: anchor?.hash, blockHash: end.hash }
  const found = await events.getEvents({ fromBlock, toBlock, types, ...anchors }, io)
  const reason = await checkRead(chain, { plan, found }, io)
  return reason === undefined ? { status: 'read', found, end } : { status: 'unshown', reason }
}
