/** Byte strings in memory, by content hash. */

import type { Hex } from 'viem'
import { copyBytes } from '../../internal/bytes.js'
import { assertNamed, byteName, type HashBytes } from './byteNames.js'
import type { ByteStore } from './store.js'

/**
 * Creates a byte store in memory.
 *
 * @param options.hash - What names bytes. Default: keccak-256 or SHA-256, as the tree's hasher is.
 */
export function memoryBytes(options: { hash?: HashBytes | undefined } = {}): ByteStore {
  const held = new Map<Hex, Uint8Array>()
  return {
    has: async (name) => held.has(byteName(name)),
    get: async (name) => held.get(byteName(name))?.slice(),
    async put(name, bytes, { checked = false } = {}) {
      const key = byteName(name)
      if (held.has(key) && checked) return
      const copy = copyBytes(bytes)
      if (!checked) assertNamed(key, copy, options.hash)
      held.set(key, copy)
    },
    async delete(name) {
      held.delete(byteName(name))
    },
    list: async () => [...held.keys()].sort(),
  }
}
