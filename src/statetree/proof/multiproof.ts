/** One proof for many keys, present or absent. */
import { BaseError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { InvalidProofError } from '../errors.js'
import { defaultHasher, hashLeaf, type TreeHasher } from '../hash/hasher.js'
import { PLACEHOLDER_HASH } from '../hash/scheme.js'
import {
  EMPTY,
  hashOf,
  keyHashOf,
  kindOf,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  valueHashOf,
} from '../tree/arena.js'
import type { View } from '../tree/descend.js'
import { compare32, comparePrefix } from '../tree/iterate.js'
import type { AtVersion, ReadableTree } from '../tree/readable.js'
import { type Bytes32, bytes32 } from '../tree/writes.js'
import {
  assertDepth,
  createPartialReader,
  createPartialWriter,
  firstWithBit,
  joinHalves,
  type PartialTree,
  refuseProof,
  tags,
} from './partial.js'

/** A proof for a set of keys. */
export type MultiProof = PartialTree

/** A key with the hash of its value, or `null` for a key that is absent. */
export type MultiClaim = { keyHash: Bytes32; valueHash: Bytes32 | null }

/**
 * Proves many keys at once: shared siblings are there once.
 *
 * @param keyHashes - At least one key, in any order, without repeats.
 * @throws {InvalidInputError} for no key, a repeated or a malformed one.
 * @example
 * ```ts
 * import { createStateTree, memoryStore, proveMany, verifyMultiProof } from '@newton/policy-sdk/statetree'
 *
 * const tree = createStateTree({ store: memoryStore() })
 * const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
 * const { root } = await tree.commit([{ keyHash: a, valueHash: b }], { version: 1 })
 * const proof = proveMany(tree, [a, b])
 * const claims = [{ keyHash: a, valueHash: b }, { keyHash: b, valueHash: null }]
 * verifyMultiProof({ root, claims, proof }) // true
 * ```
 */
export function proveMany(
  tree: ReadableTree,
  keyHashes: readonly Bytes32[],
  at: AtVersion = {},
): MultiProof {
  const keys = sortedClaims(keyHashes.map((keyHash) => ({ keyHash, valueHash: null })))
  const view = tree.view(at)
  const writer = createPartialWriter()
  const visit = (id: number, depth: number, below: readonly Sorted[]): void => {
    const { arena } = view
    if (id === EMPTY) {
      writer.empty()
      return
    }
    if (below.length === 0) {
      writer.hash(hashOf(arena, id))
      return
    }
    if (kindOf(arena, id) === kinds.leaf) {
      const leaf = { keyHash: keyHashOf(arena, id), valueHash: valueHashOf(arena, id) }
      if (below.some(({ keyHash }) => bytesEqual(keyHash, leaf.keyHash))) writer.known()
      else writer.other(leaf)
      return
    }
    load(view, id, depth, (below[0] as Sorted).keyHash)
    writer.inner()
    const middle = firstWithBit(below, depth)
    const [left, right] = [
      arena.words[id * RECORD_WORDS + LEFT],
      arena.words[id * RECORD_WORDS + RIGHT],
    ]
    visit(left as number, depth + 1, below.slice(0, middle))
    visit(right as number, depth + 1, below.slice(middle))
  }
  visit(view.root, 0, keys)
  return writer.finish()
}

/** What a multiproof is checked against. */
export type MultiProofClaim = {
  root: Bytes32
  /** The same keys the proof was made for, in any order, without repeats. */
  claims: readonly MultiClaim[]
  proof: MultiProof
  hasher?: TreeHasher | undefined
}

/**
 * Checks a multiproof. Never throws.
 *
 * Every leaf, hash and claim has to be used exactly once: a proof with parts left over, or one
 * that does not settle some claim, is refused.
 */
export function verifyMultiProof(claim: MultiProofClaim): boolean {
  try {
    assertMultiProof(claim)
    return true
  } catch {
    return false
  }
}

/**
 * Checks a multiproof and says what is wrong with it.
 *
 * @throws {InvalidProofError} whose `fault` names the reason.
 */
export function assertMultiProof({
  root,
  claims,
  proof,
  hasher = defaultHasher(),
}: MultiProofClaim): void {
  try {
    const expected = bytes32(root, 'root')
    const sorted = sortedClaims(claims)
    const reader = createPartialReader(proof)
    const visit = (depth: number, below: readonly Sorted[]): Uint8Array => {
      const tag = reader.tag()
      if (below.length === 0) {
        if (tag === tags.empty) return PLACEHOLDER_HASH
        return tag === tags.hash
          ? reader.hash()
          : refuseProof('UNUSED_PARTS', 'it shows what nobody asked for')
      }
      switch (tag) {
        case tags.empty:
          assertAbsent(below)
          return PLACEHOLDER_HASH
        case tags.known: {
          const present = below.filter(({ valueHash }) => valueHash !== null)
          const [only] = present
          if (only === undefined || only.valueHash === null || present.length > 1) {
            return refuseProof('WRONG_VALUE', 'a leaf is not that of exactly one claim')
          }
          return hashLeaf(hasher, only.keyHash, only.valueHash)
        }
        case tags.other: {
          assertAbsent(below)
          const leaf = reader.leaf()
          for (const { keyHash } of below) {
            if (bytesEqual(keyHash, leaf.keyHash))
              refuseProof('WRONG_KEY', 'the other leaf is that of a claim')
          }
          if (comparePrefix(leaf.keyHash, (below[0] as Sorted).keyHash, depth) !== 0) {
            refuseProof('OTHER_LEAF_NOT_ON_PATH', 'the other leaf is not on the path of its claims')
          }
          return hashLeaf(hasher, leaf.keyHash, leaf.valueHash)
        }
        case tags.inner: {
          assertDepth(depth)
          const middle = firstWithBit(below, depth)
          const left = visit(depth + 1, below.slice(0, middle))
          return joinHalves(hasher, left, visit(depth + 1, below.slice(middle)))
        }
        default:
          return refuseProof('MISSING_PARTS', 'a claim is hidden behind a hash')
      }
    }
    const found = visit(0, sorted)
    reader.end()
    if (!bytesEqual(found, expected)) refuseProof('ROOT_MISMATCH', 'it leads to another root')
  } catch (cause) {
    if (cause instanceof InvalidProofError) throw cause
    const reason =
      cause instanceof BaseError ? cause.shortMessage : 'it is not a proof, claims and root'
    throw new InvalidProofError({ fault: 'MALFORMED', reason }, { cause })
  }
}

type Sorted = { keyHash: Uint8Array; valueHash: Uint8Array | null }

function sortedClaims(claims: readonly MultiClaim[]): Sorted[] {
  if (!Array.isArray(claims) || claims.length === 0) {
    throw new InvalidInputError({ field: 'claims', reason: 'expected at least one key' })
  }
  const sorted = claims
    .map(({ keyHash, valueHash }: MultiClaim, i: number) => ({
      keyHash: bytes32(keyHash, `claims[${i}].keyHash`),
      valueHash: valueHash === null ? null : bytes32(valueHash, `claims[${i}].valueHash`),
    }))
    .sort((a, b) => compare32(a.keyHash, b.keyHash))
  for (let i = 1; i < sorted.length; i++) {
    if (compare32((sorted[i - 1] as Sorted).keyHash, (sorted[i] as Sorted).keyHash) === 0) {
      throw new InvalidInputError({ field: 'claims', reason: 'a key is named twice' })
    }
  }
  return sorted
}

function assertAbsent(below: readonly Sorted[]): void {
  if (below.some(({ valueHash }) => valueHash !== null)) {
    refuseProof('NOT_INCLUSION', 'it shows absence where a value was claimed')
  }
}

function load(view: View, id: number, depth: number, key: Uint8Array): void {
  if (kindOf(view.arena, id) === kinds.stub) view.load(id, { depth, keys: key, keyAt: 0 })
}
