/** The second tier: artifact bytes close by, bounded, oldest use first out. */

import type { Hex } from 'viem'
import { copyBytes } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertBytes, assertOptions } from '../../internal/options.js'
import { createProcessMemory } from '../../internal/processMemory.js'

/** A local store of bytes by artifact hash. Never believed: what it returns is hashed by its caller. */
export interface ByteStore {
  readonly name: string
  read(key: string, options?: IoOptions): Promise<Uint8Array | undefined>
  write(key: string, bytes: Uint8Array, options?: IoOptions): Promise<void>
  remove(key: string, options?: IoOptions): Promise<void>
  has(key: string, options?: IoOptions): Promise<boolean>
  /** Entries and bytes held. */
  usage(): Promise<{ entries: number; bytes: number }>
}

/** Options of {@link memoryByteStore}. */
export type MemoryByteStoreOptions = {
  /** @default 1_024 */
  maxEntries?: number | undefined
  /** @default 256 MiB */
  maxBytes?: number | undefined
  /** Whether an artifact must not be evicted, because the tree still needs it. */
  isNeeded?: ((hash: Hex) => boolean) | undefined
}

/**
 * Creates a second tier in memory, for browsers and for processes without a disk.
 *
 * @example
 * ```ts
 * import { memoryByteStore } from '@newton/policy-sdk/da'
 *
 * memoryByteStore({ maxBytes: 64 * 1024 * 1024 })
 * ```
 */
export function memoryByteStore(options: MemoryByteStoreOptions = {}): ByteStore {
  assertOptions(options, { maxEntries: { least: 1 }, maxBytes: { least: 1 }, isNeeded: 'function' })
  const { maxEntries = 1_024, maxBytes = 268_435_456, isNeeded } = options
  const held = createProcessMemory({ maxEntries, maxBytes })
  const at = (key: string) => ({ form: 'bytes', key })
  return {
    name: 'memory',
    async read(key) {
      return held.peek<Uint8Array>(at(key))?.slice()
    },
    async write(key, bytes) {
      assertBytes('bytes', bytes)
      if (isNeeded?.(key as Hex)) held.pin(at(key))
      else held.unpin(at(key))
      held.set(at(key), { value: copyBytes(bytes), weight: bytes.length })
    },
    async remove(key) {
      held.delete(at(key))
    },
    async has(key) {
      return held.peek(at(key)) !== undefined
    },
    async usage() {
      const { entries, bytes } = held.stats()
      return { entries, bytes }
    },
  }
}
