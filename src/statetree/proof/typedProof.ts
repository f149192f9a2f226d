/** The crate's own proofs, whose siblings say what they are made of. */
import { bytesEqual } from '../../internal/bytes.js'
import { defaultHasher, foldPath, hashInternal, hashLeaf, type TreeHasher } from '../hash/hasher.js'
import { commonPrefixBits, MAX_DEPTH, PLACEHOLDER_HASH } from '../hash/scheme.js'
import { type Bytes32, bytes32 } from '../tree/writes.js'
import type { TreeProof } from './proof.js'

/** A sibling, by what it is. */
export type TypedSibling =
  | { type: 'null' }
  | { type: 'leaf'; keyHash: Uint8Array; valueHash: Uint8Array }
  | { type: 'internal'; left: Uint8Array; right: Uint8Array }

/** `SparseMerkleProof` of the crate. Siblings go from the bottom to the root. */
export type TypedProof = {
  leaf: { keyHash: Uint8Array; valueHash: Uint8Array } | undefined
  siblings: readonly TypedSibling[]
}

/** Hash of a sibling. */
export function hashSibling(sibling: TypedSibling, hasher: TreeHasher): Uint8Array {
  if (sibling.type === 'null') return PLACEHOLDER_HASH
  return sibling.type === 'leaf'
    ? hashLeaf(hasher, sibling.keyHash, sibling.valueHash)
    : hashInternal(hasher, sibling.left, sibling.right)
}

/** The compact form of a typed proof for `keyHash`. */
export function toCompactProof(
  typed: TypedProof,
  keyHash: Uint8Array,
  hasher: TreeHasher = defaultHasher(),
): TreeProof {
  const present = typed.siblings.map((sibling) => sibling.type !== 'null')
  const hashes = typed.siblings.filter((_, i) => present[i]).map((s) => hashSibling(s, hasher))
  const siblings = new Uint8Array(hashes.length * 32)
  hashes.forEach((hash, i) => {
    siblings.set(hash, i * 32)
  })
  let bits = 0n
  present.forEach((set, i) => {
    if (set) bits |= 1n << BigInt(i)
  })
  const own = typed.leaf !== undefined && bytesEqual(typed.leaf.keyHash, keyHash)
  return {
    type: own ? 'inclusion' : 'exclusion',
    depth: typed.siblings.length,
    present: bits,
    siblings,
    leaf: own ? undefined : typed.leaf,
  }
}

/**
 * Checks a typed proof as the crate does. Never throws.
 *
 * @param claim.valueHash - Hash of the value, or `null` to show absence.
 */
export function verifyTypedProof(claim: {
  root: Bytes32
  keyHash: Bytes32
  valueHash: Bytes32 | null
  proof: TypedProof
  hasher?: TreeHasher | undefined
}): boolean {
  try {
    const { proof, hasher = defaultHasher() } = claim
    const key = bytes32(claim.keyHash, 'keyHash')
    const value = claim.valueHash === null ? null : bytes32(claim.valueHash, 'valueHash')
    const { leaf, siblings } = proof
    if (!Array.isArray(siblings) || siblings.length > MAX_DEPTH || !siblings.every(isSibling))
      return false
    if (leaf !== undefined && !(is32(leaf.keyHash) && is32(leaf.valueHash))) return false
    if (value !== null) {
      if (leaf === undefined) return false
      if (!bytesEqual(leaf.keyHash, key) || !bytesEqual(leaf.valueHash, value)) return false
    } else if (leaf !== undefined) {
      const shared = commonPrefixBits(key, leaf.keyHash)
      if (shared === MAX_DEPTH || shared < siblings.length) return false
    }
    return bytesEqual(typedRoot(proof, key, hasher), bytes32(claim.root, 'root'))
  } catch {
    return false
  }
}

/** The root that a typed proof leads to along the bits of `key`. */
export function typedRoot(proof: TypedProof, key: Uint8Array, hasher: TreeHasher): Uint8Array {
  const { leaf } = proof
  const start =
    leaf === undefined ? PLACEHOLDER_HASH : hashLeaf(hasher, leaf.keyHash, leaf.valueHash)
  const siblings = proof.siblings.map((sibling) => hashSibling(sibling, hasher))
  return foldPath(hasher, { start, siblings, keyHash: key })
}

/** Whether a value has the shape of a sibling. */
export function isSibling(value: unknown): value is TypedSibling {
  if (typeof value !== 'object' || value === null) return false
  const sibling = value as Record<string, unknown>
  if (sibling['type'] === 'null') return true
  if (sibling['type'] === 'leaf') return is32(sibling['keyHash']) && is32(sibling['valueHash'])
  return sibling['type'] === 'internal' && is32(sibling['left']) && is32(sibling['right'])
}

function is32(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32
}
