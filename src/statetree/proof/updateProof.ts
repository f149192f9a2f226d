/**
 * Update proofs: how a list of writes leads from one root to the next, for a verifier without the
 * tree. One typed proof an operation, of the state before it, as the crate has them.
 *
 * The crate accepts two things that this verifier refuses: an empty proof for the delete of a key
 * that is there, and a leaf that is not on the path of the key that is written.
 */
import type { Hex } from 'viem'
import { BaseError } from '../../errors/base.js'
import { bytesEqual, toHex } from '../../internal/bytes.js'
import { InvalidProofError, type ProofFault } from '../errors.js'
import { defaultHasher, foldPath, hashInternal, hashLeaf, type TreeHasher } from '../hash/hasher.js'
import { bitAt, commonPrefixBits, MAX_DEPTH, PLACEHOLDER_HASH } from '../hash/scheme.js'
import { applyRun, placeRoot } from '../tree/apply.js'
import { discard, hashOf, release } from '../tree/arena.js'
import { previewVersion } from '../tree/preview.js'
import type { ReadableTree } from '../tree/readable.js'
import { collectWritten, listedIds, rehash } from '../tree/rehash.js'
import { type Bytes32, bytes32, prepareWrites, type TreeWrite } from '../tree/writes.js'
import { proveTyped } from './prove.js'
import {
  hashSibling,
  isSibling,
  type TypedProof,
  type TypedSibling,
  typedRoot,
} from './typedProof.js'

/** A write of a 32-byte value hash, or a delete. */
export type UpdateWrite = { keyHash: Bytes32; valueHash: Bytes32 | null }

/** One proof for each write, in order. */
export type UpdateProof = readonly TypedProof[]

/**
 * Proves what `writes`, applied in order on top of the newest version, do to the root. Nothing is
 * stored.
 *
 * @throws {InvalidInputError} naming the malformed `writes[i]`.
 */
export function proveUpdate(
  tree: ReadableTree,
  writes: readonly TreeWrite[],
): { proof: UpdateProof; oldRoot: Hex; newRoot: Hex } {
  const view = tree.view()
  const { arena } = view
  const made: number[] = []
  const proof: TypedProof[] = []
  let root = view.root
  try {
    // One scratch version a write: the state between two writes is hashed like any other.
    for (const [i, write] of writes.entries()) {
      const [run] = prepareWrites([write], tree.hasher)
      if (run === undefined) continue
      proof.push(proveTyped({ ...view, root }, run.bytes.subarray(0, 32)))
      const version = previewVersion + i + 1
      const state = { arena, version, stale: [], staleLeaves: 0, load: view.load }
      root = placeRoot(state, applyRun(state, root, run))
      const written = collectWritten(arena, root, version)
      rehash(arena, written, tree.hasher)
      made.push(...listedIds(written))
    }
  } catch (error) {
    // A malformed write, or what is stored cannot be read.
    discard(arena, previewVersion)
    throw error
  }
  const newRoot = toHex(hashOf(arena, root))
  for (const id of made) release(arena, id)
  return { proof, oldRoot: tree.root(), newRoot }
}

/** What an update proof is checked against. */
export type UpdateClaim = {
  oldRoot: Bytes32
  newRoot: Bytes32
  /** In the order they are applied. */
  writes: readonly UpdateWrite[]
  proof: UpdateProof
  hasher?: TreeHasher | undefined
}

/** Checks that `writes` lead from one root to the other. Never throws. */
export function verifyUpdate(claim: UpdateClaim): boolean {
  try {
    assertUpdate(claim)
    return true
  } catch {
    return false
  }
}

/**
 * Checks an update proof and says what is wrong with it.
 *
 * @throws {InvalidProofError} whose `fault` names the reason.
 */
export function assertUpdate(claim: UpdateClaim): void {
  try {
    const { writes, proof, hasher = defaultHasher() } = claim
    if (!Array.isArray(proof) || !Array.isArray(writes) || proof.length !== writes.length) {
      refuse('MALFORMED', 'there is not one proof a write')
    }
    let root: Uint8Array = bytes32(claim.oldRoot, 'oldRoot')
    for (const [i, write] of writes.entries()) {
      root = step(root, write, { proof: proof[i] as TypedProof, hasher })
    }
    if (!bytesEqual(root, bytes32(claim.newRoot, 'newRoot'))) {
      refuse('ROOT_MISMATCH', `the writes lead to ${toHex(root)}`)
    }
  } catch (cause) {
    if (cause instanceof InvalidProofError) throw cause
    const reason =
      cause instanceof BaseError ? cause.shortMessage : 'it is not a proof, writes and roots'
    throw new InvalidProofError({ fault: 'MALFORMED', reason }, { cause })
  }
}

function refuse(fault: ProofFault, reason: string): never {
  throw new InvalidProofError({ fault, reason })
}

type Step = { proof: TypedProof; hasher: TreeHasher }

// Checks one proof against the root before the write, and derives the root after it.
function step(root: Uint8Array, write: UpdateWrite, { proof, hasher }: Step): Uint8Array {
  const key = bytes32(write.keyHash, 'writes.keyHash')
  const value = write.valueHash === null ? null : bytes32(write.valueHash, 'writes.valueHash')
  const { siblings } = proof
  // What is checked is what is used: bytes, whatever form the leaf came in.
  const leaf = proof.leaf && {
    keyHash: bytes32(proof.leaf.keyHash, 'leaf.keyHash'),
    valueHash: bytes32(proof.leaf.valueHash, 'leaf.valueHash'),
  }
  if (!Array.isArray(siblings) || !siblings.every(isSibling))
    refuse('MALFORMED', 'its siblings are malformed')
  if (siblings.length > MAX_DEPTH)
    refuse('TOO_DEEP', `${siblings.length} siblings, at most ${MAX_DEPTH}`)
  if (leaf !== undefined && commonPrefixBits(key, leaf.keyHash) < siblings.length)
    refuse('OTHER_LEAF_NOT_ON_PATH', 'its leaf is not on the path of the key')
  // The path has to be the real one, also where the write changes nothing.
  if (!bytesEqual(typedRoot({ leaf, siblings }, key, hasher), root))
    refuse('ROOT_MISMATCH', 'a proof is of another root')
  const own = leaf !== undefined && bytesEqual(leaf.keyHash, key)
  if (value === null) return own ? rootWithout(key, siblings, hasher) : root
  const start = hashLeaf(hasher, key, value)
  if (leaf === undefined || own) return fold(hasher, { start, siblings, key })
  return rootWithSplit({ start, key, leaf, siblings }, hasher)
}

// Two leaves part at the first bit they differ in; between there and the old place are empty ones.
function rootWithSplit(
  at: {
    start: Uint8Array
    key: Uint8Array
    leaf: { keyHash: Uint8Array; valueHash: Uint8Array }
    siblings: readonly TypedSibling[]
  },
  hasher: TreeHasher,
): Uint8Array {
  const { start, key, leaf, siblings } = at
  const shared = commonPrefixBits(key, leaf.keyHash)
  const other = hashLeaf(hasher, leaf.keyHash, leaf.valueHash)
  const pair =
    bitAt(key, shared) === 1
      ? hashInternal(hasher, other, start)
      : hashInternal(hasher, start, other)
  const empty: TypedSibling[] = Array.from({ length: shared - siblings.length }, () => ({
    type: 'null',
  }))
  return fold(hasher, { start: pair, siblings: [...empty, ...siblings], key })
}

// The leaf goes; a lone leaf beside it moves up past empty siblings, as the scheme has it.
function rootWithout(
  key: Uint8Array,
  siblings: readonly TypedSibling[],
  hasher: TreeHasher,
): Uint8Array {
  const [beside, ...rest] = siblings
  if (beside === undefined) return PLACEHOLDER_HASH
  if (beside.type === 'null') return refuse('MALFORMED', 'a leaf stands beside an empty place')
  if (beside.type === 'internal') return fold(hasher, { start: PLACEHOLDER_HASH, siblings, key })
  let first = rest.findIndex((sibling) => sibling.type !== 'null')
  if (first === -1) first = rest.length
  return fold(hasher, { start: hashSibling(beside, hasher), siblings: rest.slice(first), key })
}

// `key` has at least as many bits as there are siblings; its first ones are the path.
function fold(
  hasher: TreeHasher,
  at: { start: Uint8Array; siblings: readonly TypedSibling[]; key: Uint8Array },
): Uint8Array {
  const siblings = at.siblings.map((sibling) => hashSibling(sibling, hasher))
  return foldPath(hasher, { start: at.start, siblings, keyHash: at.key })
}
