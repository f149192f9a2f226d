import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Hex } from 'viem'
import { concat, toHex } from './bytes.js'

/** keccak-256 of the concatenation of `parts`, as bytes. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  return keccak_256(parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts))
}

/** keccak-256 of the concatenation of `parts`, as hex. */
export function keccakHex(...parts: readonly Uint8Array[]): Hex {
  return toHex(keccak(...parts))
}
