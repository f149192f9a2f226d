/** Where an index is kept between runs: records by key, for one writer at a time. */
import { InvalidInputError } from '../../../errors/common.js'

/** Records of an index. What they hold is the index's own affair. */
export type IndexStore = {
  /**
   * Claims the store for one writer.
   *
   * @throws Where another one has it.
   */
  open(): Promise<IndexHandle>
}

/** A claim on a store. */
export type IndexHandle = {
  /** All records, in no order. */
  records(): Iterable<readonly [key: string, value: Uint8Array]>
  /**
   * Writes records, and deletes those whose value is `null`: all of them or none.
   *
   * @throws Where another writer took the store over: nothing was written.
   */
  write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void>
  /** Gives the store back. */
  close(): Promise<void>
}

/**
 * A store in memory: for tests, and for indexes that are handed on within one process.
 *
 * @throws {InvalidInputError} from `open`, while another handle has it.
 * @example
 * ```ts
 * import { createChainEvents, indexRegistry, memoryIndexStore } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const index = await indexRegistry({ events, fromBlock: 0n, store: memoryIndexStore() })
 * await index.close()
 * ```
 */
export function memoryIndexStore(): IndexStore {
  const records = new Map<string, Uint8Array>()
  let holder: object | undefined
  return {
    async open() {
      if (holder !== undefined) {
        throw new InvalidInputError({ field: 'store', reason: 'another index has it open' })
      }
      const own = {}
      holder = own
      return {
        records: () => [...records].map(([key, value]) => [key, Uint8Array.from(value)] as const),
        async write(changes) {
          if (holder !== own) {
            throw new InvalidInputError({ field: 'store', reason: 'it was closed' })
          }
          for (const [key, value] of changes) {
            if (value === null) records.delete(key)
            else records.set(key, Uint8Array.from(value))
          }
        },
        async close() {
          if (holder === own) holder = undefined
        },
      }
    },
  }
}
