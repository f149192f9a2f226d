/**
 * The hash scheme of the tree: that of the Rust crate `jmt` 0.12.
 *
 * ```
 * root(S, d): |S| = 0  PLACEHOLDER
 *             |S| = 1  H("JMT::LeafNode" ‖ keyHash ‖ valueHash)
 *             else     H("JMT::IntrnalNode" ‖ root(S with bit d = 0, d + 1) ‖ root(S with bit d = 1, d + 1))
 * ```
 * Bits are counted from the most significant one of the key hash. A root is a function of the map
 * alone: not of order, versions or deletions.
 */
import { utf8 } from '../../internal/bytes.js'

/** Prefix of a leaf's preimage. */
export const LEAF_DOMAIN_SEPARATOR: Uint8Array = utf8('JMT::LeafNode')
/** Prefix of an inner node's preimage. The missing letter is part of the crate's format. */
export const INTERNAL_DOMAIN_SEPARATOR: Uint8Array = utf8('JMT::IntrnalNode')
/** Hash of an empty subtree, and the root of the empty tree. Not the output of a hash function. */
export const PLACEHOLDER_HASH: Uint8Array = utf8('SPARSE_MERKLE_PLACEHOLDER_HASH__')
/** Bits of a key hash, and the most siblings of a proof. */
export const MAX_DEPTH = 256

/** Bit `index` of `bytes`, counted from the most significant one, which has index 0. */
export function bitAt(bytes: Uint8Array, index: number): number {
  return ((bytes[index >> 3] as number) >> (7 - (index & 7))) & 1
}

/** How many leading bits two 32-byte arrays share, 0 to 256. */
export function commonPrefixBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 32; i++) {
    const difference = (a[i] as number) ^ (b[i] as number)
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24
  }
  return MAX_DEPTH
}

/** Whether `hash` is the placeholder of an empty subtree. */
export function isPlaceholder(hash: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) if (hash[i] !== PLACEHOLDER_HASH[i]) return false
  return hash.length === 32
}
