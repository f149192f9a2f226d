import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Hex } from 'viem'
import { concat, toHex } from './bytes.js'

let implementation: (bytes: Uint8Array) => Uint8Array = keccak_256

/** Changes how hashes are computed, not what they are. See accelerateKeccak(). */
export function setKeccak(faster: (bytes: Uint8Array) => Uint8Array): void {
  implementation = faster
}

/** keccak-256 of the concatenation of `parts`, as bytes. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  return implementation(parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts))
}

/** keccak-256 of the concatenation of `parts`, as hex. */
export function keccakHex(...parts: readonly Uint8Array[]): Hex {
  return toHex(keccak(...parts))
}
