/** Byte strings in memory, by content hash. */
import type { Hex } from 'viem'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { BytesCorruptError } from '../errors.js'
import type { ByteStore } from './store.js'

/**
 * Creates a byte store in memory.
 *
 * @param options.hash - What names bytes. Default: keccak-256.
 */
export function memoryBytes(
  options: { hash?: ((bytes: Uint8Array) => Uint8Array) | undefined } = {},
): ByteStore {
  const { hash = keccak } = options
  const held = new Map<Hex, Uint8Array>()
  return {
    has: async (name) => held.has(normal(name)),
    get: async (name) => held.get(normal(name))?.slice(),
    async put(name, bytes) {
      const key = normal(name)
      const actual = toHex(hash(bytes))
      if (actual !== key) throw new BytesCorruptError({ hash: key, actual })
      if (!held.has(key)) held.set(key, bytes.slice())
    },
    async delete(name) {
      held.delete(normal(name))
    },
    list: async () => [...held.keys()].sort(),
  }
}

function normal(hash: Hex): Hex {
  return toHex(fixedFromHex(hash, 32, 'hash'))
}
