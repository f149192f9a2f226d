/** Events of final blocks, each once, by the rule of all followers: what cannot be shown is not passed over. */
import type { BlockMark } from '../../../core/follow.js'
import type {
  ChainEvent,
  ChainEvents,
  ChainEventType,
} from '../../../core/interfaces/chainEvents.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { readOn } from '../queue/reading.js'

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
  return {
    get upTo() {
      return mark?.number ?? startBlock - 1n
    },
    async read(take, io) {
      for (;;) {
        const to = await events.getFinalizedBlock(io)
        const reading = await readOn(events, { read: mark, startBlock, to, types }, io)
        if (reading.status === 'reorganized') {
          mark = undefined
          onReset()
          continue
        }
        if (reading.status !== 'read') return
        for (const event of reading.found) take(event)
        mark = reading.end
        return
      }
    },
  }
}
