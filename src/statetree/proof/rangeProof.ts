/** Proofs that a list of leaves is all there is between two keys. */
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
import { compare32, comparePrefix, type TreeEntry } from '../tree/iterate.js'
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
  rootOfLeaves,
  tags,
} from './partial.js'

/** What lies around a range of keys. */
export type RangeProof = PartialTree

/** Two keys, both included, which need not be in the tree. */
export type KeyRange = { from: Bytes32; to: Bytes32 }

/**
 * Lists the leaves of a range with a proof that none is missing.
 *
 * @throws {InvalidInputError} when the range is empty or malformed.
 */
export function proveRange(
  tree: ReadableTree,
  range: KeyRange,
  at: AtVersion = {},
): { entries: TreeEntry[]; proof: RangeProof } {
  const { from, to } = rangeBytes(range)
  const view = tree.view(at)
  const { arena } = view
  const writer = createPartialWriter()
  const entries: TreeEntry[] = []
  const visit = (id: number, depth: number, path: Uint8Array): void => {
    const place = relate(path, depth, { from, to })
    if (id === EMPTY) {
      if (place !== 'inside') writer.empty()
      return
    }
    if (place === 'outside') {
      writer.hash(hashOf(arena, id))
      return
    }
    if (kindOf(arena, id) === kinds.leaf) {
      const leaf = { keyHash: keyHashOf(arena, id), valueHash: valueHashOf(arena, id) }
      const within = compare32(leaf.keyHash, from) >= 0 && compare32(leaf.keyHash, to) <= 0
      if (within) entries.push(leaf)
      if (place === 'straddles' && within) writer.known()
      else if (place === 'straddles') writer.other(leaf)
      return
    }
    if (kindOf(arena, id) === kinds.stub) view.load(id, { depth, keys: path, keyAt: 0 })
    if (place === 'straddles') writer.inner()
    const at = id * RECORD_WORDS
    const [left, right] = [arena.words[at + LEFT] as number, arena.words[at + RIGHT] as number]
    visit(left, depth + 1, path)
    visit(right, depth + 1, withBit(path, depth))
  }
  visit(view.root, 0, new Uint8Array(32))
  return { entries, proof: writer.finish() }
}

/** What a range proof is checked against. */
export type RangeProofClaim = {
  root: Bytes32
  range: KeyRange
  /** All leaves of the range, ascending by key. */
  entries: readonly TreeEntry[]
  proof: RangeProof
  hasher?: TreeHasher | undefined
}

/** Checks that `entries` are exactly the leaves of the range under `root`. Never throws. */
export function verifyRangeProof(claim: RangeProofClaim): boolean {
  try {
    assertRangeProof(claim)
    return true
  } catch {
    return false
  }
}

/**
 * Checks a range proof and says what is wrong with it.
 *
 * @throws {InvalidProofError} whose `fault` names the reason.
 */
export function assertRangeProof({
  root,
  range,
  entries,
  proof,
  hasher = defaultHasher(),
}: RangeProofClaim): void {
  try {
    const bounds = rangeBytes(range)
    const expected = bytes32(root, 'root')
    const leaves = readEntries(entries, bounds)
    const reader = createPartialReader(proof)
    const visit = (depth: number, path: Uint8Array, below: readonly TreeEntry[]): Uint8Array => {
      const place = relate(path, depth, bounds)
      if (place === 'inside') return rootOfLeaves(hasher, below, depth)
      const tag = reader.tag()
      if (place === 'outside') {
        if (tag === tags.empty) return PLACEHOLDER_HASH
        return tag === tags.hash
          ? reader.hash()
          : refuseProof('UNUSED_PARTS', 'it shows what is outside')
      }
      switch (tag) {
        case tags.empty:
          if (below.length > 0) refuseProof('UNUSED_PARTS', 'leaves were given for an empty place')
          return PLACEHOLDER_HASH
        case tags.known: {
          const [only] = below
          if (only === undefined || below.length > 1) {
            return refuseProof(
              'MISSING_PARTS',
              'a place of one leaf was given another number of them',
            )
          }
          return hashLeaf(hasher, only.keyHash, only.valueHash)
        }
        case tags.other: {
          const leaf = reader.leaf()
          const { from, to } = bounds
          if (below.length > 0) refuseProof('UNUSED_PARTS', 'leaves were given for a place outside')
          if (compare32(leaf.keyHash, from) >= 0 && compare32(leaf.keyHash, to) <= 0) {
            refuseProof('MISSING_PARTS', 'a leaf of the range is not listed')
          }
          if (comparePrefix(leaf.keyHash, path, depth) !== 0) {
            refuseProof('OTHER_LEAF_NOT_ON_PATH', 'a leaf is not where it is said to be')
          }
          return hashLeaf(hasher, leaf.keyHash, leaf.valueHash)
        }
        case tags.inner: {
          assertDepth(depth)
          const middle = firstWithBit(below, depth)
          const left = visit(depth + 1, path, below.slice(0, middle))
          const right = visit(depth + 1, withBit(path, depth), below.slice(middle))
          return joinHalves(hasher, left, right)
        }
        default:
          return refuseProof('MISSING_PARTS', 'a part of the range is hidden behind a hash')
      }
    }
    const found = visit(0, new Uint8Array(32), leaves)
    reader.end()
    if (!bytesEqual(found, expected)) refuseProof('ROOT_MISMATCH', 'it leads to another root')
  } catch (cause) {
    if (cause instanceof InvalidProofError) throw cause
    const reason =
      cause instanceof BaseError ? cause.shortMessage : 'it is not a proof, entries and root'
    throw new InvalidProofError({ fault: 'MALFORMED', reason }, { cause })
  }
}

type Bounds = { from: Uint8Array; to: Uint8Array }

function rangeBytes({ from, to }: KeyRange): Bounds {
  const bounds = { from: bytes32(from, 'range.from'), to: bytes32(to, 'range.to') }
  if (compare32(bounds.from, bounds.to) > 0) {
    throw new InvalidInputError({ field: 'range', reason: 'it ends before it starts' })
  }
  return bounds
}

// The entries as bytes, whatever form they came in: what is checked is what is used.
function readEntries(entries: readonly TreeEntry[], { from, to }: Bounds): TreeEntry[] {
  if (!Array.isArray(entries)) return refuseProof('MALFORMED', 'entries are no list')
  let last: Uint8Array | undefined
  return (entries as readonly TreeEntry[]).map((entry) => {
    const keyHash = bytes32(entry.keyHash, 'entries.keyHash')
    const valueHash = bytes32(entry.valueHash, 'entries.valueHash')
    if (last !== undefined && compare32(last, keyHash) >= 0)
      refuseProof('ORDER', 'entries do not ascend')
    if (compare32(keyHash, from) < 0 || compare32(keyHash, to) > 0)
      refuseProof('ORDER', 'an entry is outside the range')
    last = keyHash
    return { keyHash, valueHash }
  })
}

// Where the keys that start with `depth` bits of `path` lie.
function relate(
  path: Uint8Array,
  depth: number,
  { from, to }: Bounds,
): 'inside' | 'outside' | 'straddles' {
  const low = comparePrefix(path, from, depth)
  const high = comparePrefix(path, to, depth)
  if (low < 0 || high > 0) return 'outside'
  const startsInside = low > 0 || restIs(from, depth, 0)
  const endsInside = high < 0 || restIs(to, depth, 1)
  return startsInside && endsInside ? 'inside' : 'straddles'
}

// Whether all bits of `key` from `depth` on are `bit`.
function restIs(key: Uint8Array, depth: number, bit: 0 | 1): boolean {
  const full = bit === 0 ? 0 : 0xff
  const byte = depth >> 3
  if (depth % 8 !== 0) {
    const mask = 0xff >> (depth % 8)
    if (((key[byte] as number) & mask) !== (full & mask)) return false
  }
  for (let i = (depth + 7) >> 3; i < 32; i++) if (key[i] !== full) return false
  return true
}

function withBit(path: Uint8Array, depth: number): Uint8Array {
  const next = path.slice()
  next[depth >> 3] = (next[depth >> 3] as number) | (0x80 >> (depth & 7))
  return next
}
