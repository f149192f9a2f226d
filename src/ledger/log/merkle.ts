import { sha256 } from '@noble/hashes/sha2.js'
import { bytesEqual } from '../../internal/bytes.js'

/** Bytes of a hash. */
export const hashSize = 32

/** Root of the empty tree: SHA-256 of nothing. */
export const emptyRoot = (): Uint8Array => sha256(new Uint8Array())

/** Hash of an entry, `SHA-256(0x00 ‖ entry)` (RFC 6962 section 2.1). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256.create().update(Uint8Array.of(0)).update(entry).digest()
}

/** Hash of an inner node, `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 section 2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256.create().update(Uint8Array.of(1)).update(left).update(right).digest()
}

/** The largest power of two below `size`, where RFC 6962 splits a tree of `size` > 1 leaves. */
export function splitPoint(size: bigint): bigint {
  return 1n << BigInt((size - 1n).toString(2).length - 1)
}

/**
 * Whether an entry with this leaf hash has this index in the tree of this size and root.
 * The algorithm is that of RFC 9162 section 2.1.3.2. Never throws.
 *
 * @example
 * verifyInclusion({ index: 0n, size: 1n, root, leaf: leafHash(entry), proof: [] })
 */
export function verifyInclusion(claim: {
  index: bigint
  size: bigint
  root: Uint8Array
  leaf: Uint8Array
  proof: readonly Uint8Array[]
}): boolean {
  try {
    const { index, size, root, leaf, proof } = claim
    if (!isSize(index) || !isSize(size) || index >= size) return false
    if (!areHashes([root, leaf]) || !Array.isArray(proof) || !areHashes(proof)) return false
    let position = index
    let last = size - 1n
    let hash = leaf
    for (const sibling of proof) {
      if (last === 0n) return false
      if ((position & 1n) === 1n || position === last) {
        hash = nodeHash(sibling, hash)
        while ((position & 1n) === 0n && position !== 0n) {
          position >>= 1n
          last >>= 1n
        }
      } else {
        hash = nodeHash(hash, sibling)
      }
      position >>= 1n
      last >>= 1n
    }
    return last === 0n && bytesEqual(hash, root)
  } catch {
    return false
  }
}

/**
 * Whether the tree of `newSize` and `newRoot` starts with all leaves of the older tree, in order.
 * The algorithm is that of RFC 9162 section 2.1.4.2. Every tree extends the empty one, and a tree
 * extends itself, both with an empty proof. Never throws.
 *
 * @example
 * verifyConsistency({ oldSize: 1n, oldRoot, newSize: 1n, newRoot: oldRoot, proof: [] }) // true
 */
export function verifyConsistency(claim: {
  oldSize: bigint
  oldRoot: Uint8Array
  newSize: bigint
  newRoot: Uint8Array
  proof: readonly Uint8Array[]
}): boolean {
  try {
    const { oldSize, oldRoot, newSize, newRoot, proof } = claim
    if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false
    if (!areHashes([oldRoot, newRoot]) || !Array.isArray(proof) || !areHashes(proof)) return false
    if (newSize === 0n && !bytesEqual(newRoot, emptyRoot())) return false
    if (oldSize === newSize) return proof.length === 0 && bytesEqual(oldRoot, newRoot)
    if (oldSize === 0n) return proof.length === 0 && bytesEqual(oldRoot, emptyRoot())
    return walkConsistency(oldSize, oldRoot, newSize, newRoot, proof)
  } catch {
    return false
  }
}

function walkConsistency(
  oldSize: bigint,
  oldRoot: Uint8Array,
  newSize: bigint,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const isPowerOfTwo = (oldSize & (oldSize - 1n)) === 0n
  const path = isPowerOfTwo ? [oldRoot, ...proof] : proof
  const first = path[0]
  if (proof.length === 0 || first === undefined) return false
  let position = oldSize - 1n
  let last = newSize - 1n
  while ((position & 1n) === 1n) {
    position >>= 1n
    last >>= 1n
  }
  let older = first
  let newer = first
  for (const sibling of path.slice(1)) {
    if (last === 0n) return false
    if ((position & 1n) === 1n || position === last) {
      older = nodeHash(sibling, older)
      newer = nodeHash(sibling, newer)
      while ((position & 1n) === 0n && position !== 0n) {
        position >>= 1n
        last >>= 1n
      }
    } else {
      newer = nodeHash(newer, sibling)
    }
    position >>= 1n
    last >>= 1n
  }
  return last === 0n && bytesEqual(older, oldRoot) && bytesEqual(newer, newRoot)
}

/** A size or an index: a bigint from 0 to 2^63 - 1. */
export function isSize(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value < 1n << 63n
}

function areHashes(values: readonly unknown[]): boolean {
  return values.every((value) => value instanceof Uint8Array && value.length === hashSize)
}
