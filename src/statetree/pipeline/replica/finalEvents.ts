/** Events of final blocks, each once, by the rule of all followers: what cannot be shown is not passed over. */
import { type BlockMark, checkRead, type FollowedChain, planRead } from '../../../core/follow.js'
import type {
  ChainEvent,
  ChainEvents,
  ChainEventType,
} from '../../../core/interfaces/chainEvents.js'
import type { IoOptions } from '../../../internal/deadline.js'

/** Reads on to the newest final block. */
export type FinalEvents = {
  /**
   * Hands on what is new. An answer that does not fit the chain is passed over: it is read again the
   * next time.
   */
  read(take: (event: ChainEvent) => void, io: IoOptions): Promise<void>
  /** The last block that was read. */
  readonly upTo: bigint
}

/** One read, whatever its length: `getEvents` splits it. */
const ALL = 2n ** 62n

/**
 * Starts before `startBlock`.
 *
 * @param options.onReset - Called where a block that was final is not on the chain any more: all that
 * was handed on is undone, and comes again.
 */
export function finalEvents(options: {
  events: ChainEvents
  startBlock: bigint
  types: readonly ChainEventType[]
  onReset: () => void
}): FinalEvents {
  const { events, startBlock, types, onReset } = options
  let mark: BlockMark | undefined
  const chain: FollowedChain = {
    getBlock: (number, io) => events.getBlock(number, io),
    getLatestBlock: (io) => events.getFinalizedBlock(io),
  }
  return {
    get upTo() {
      return mark?.number ?? startBlock - 1n
    },
    async read(take, io) {
      for (;;) {
        const marks = mark === undefined ? [] : [mark]
        const follow = { marks, startBlock, confirmations: 0, maxBlocks: ALL }
        const plan = await planRead(chain, follow, io)
        if (plan.status === 'reorganized') {
          mark = undefined
          onReset()
          continue
        }
        if (plan.status !== 'read') return
        const { fromBlock, toBlock, anchor, end } = plan
        const anchors = { parentHash: anchor?.hash, blockHash: end.hash }
        const found = await events.getEvents({ fromBlock, toBlock, types, ...anchors }, io)
        if ((await checkRead(chain, { plan, found }, io)) !== undefined) return
        for (const event of found) take(event)
        mark = end
        return
      }
    },
  }
}
