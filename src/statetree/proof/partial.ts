/**
 * A part of a tree, in pre-order: what multiproofs and range proofs are made of.
 *
 * ```
 * 0 empty        nothing
 * 1 hash         the hash of a subtree that is not shown
 * 2 known leaf   nothing: key and value come with the claim
 * 3 other leaf   key hash and value hash
 * 4 inner        nothing: its two halves follow
 * ```
 * A verifier walks it along the claim and has to use up every tag and every hash exactly once.
 */
import { InvalidProofError, type ProofFault } from '../errors.js'
import { hashInternal, hashLeaf, type TreeHasher } from '../hash/hasher.js'
import { bitAt, isPlaceholder, MAX_DEPTH, PLACEHOLDER_HASH } from '../hash/scheme.js'

/** Tags of a partial tree. */
export const tags = { empty: 0, hash: 1, known: 2, other: 3, inner: 4 } as const

/** A partial tree: tags in pre-order, and the hashes they use, 32 bytes each. */
export type PartialTree = { tags: Uint8Array; hashes: Uint8Array }

/** Collects a partial tree. */
export type PartialWriter = {
  empty(): void
  hash(hash: Uint8Array): void
  known(): void
  other(leaf: { keyHash: Uint8Array; valueHash: Uint8Array }): void
  inner(): void
  finish(): PartialTree
}

/** Creates a writer of a partial tree. */
export function createPartialWriter(): PartialWriter {
  const list: number[] = []
  const hashes: Uint8Array[] = []
  return {
    empty: () => void list.push(tags.empty),
    hash(hash) {
      list.push(tags.hash)
      hashes.push(hash)
    },
    known: () => void list.push(tags.known),
    other(leaf) {
      list.push(tags.other)
      hashes.push(leaf.keyHash, leaf.valueHash)
    },
    inner: () => void list.push(tags.inner),
    finish() {
      const packed = new Uint8Array(hashes.length * 32)
      hashes.forEach((hash, i) => {
        packed.set(hash, i * 32)
      })
      return { tags: Uint8Array.from(list), hashes: packed }
    },
  }
}

/** Reads a partial tree; throws `InvalidProofError` where it does not hold what is asked for. */
export type PartialReader = {
  tag(): number
  hash(): Uint8Array
  leaf(): { keyHash: Uint8Array; valueHash: Uint8Array }
  /** Everything has to be used. */
  end(): void
}

/** Refuses a proof. */
export function refuseProof(fault: ProofFault, reason: string): never {
  throw new InvalidProofError({ fault, reason })
}

/** Creates a reader of a partial tree of whatever origin. */
export function createPartialReader(partial: PartialTree): PartialReader {
  if (typeof partial !== 'object' || partial === null) refuseProof('MALFORMED', 'it is no object')
  const { tags: list, hashes } = partial
  if (
    !(list instanceof Uint8Array) ||
    !(hashes instanceof Uint8Array) ||
    hashes.length % 32 !== 0
  ) {
    return refuseProof('MALFORMED', 'its parts are not bytes')
  }
  let at = 0
  let hashAt = 0
  const take = (): Uint8Array => {
    if (hashAt + 32 > hashes.length) return refuseProof('MISSING_PARTS', 'it has too few hashes')
    hashAt += 32
    return hashes.subarray(hashAt - 32, hashAt)
  }
  return {
    tag() {
      const tag = list[at++]
      return tag === undefined ? refuseProof('MISSING_PARTS', 'it ends early') : tag
    },
    hash() {
      const hash = take()
      return isPlaceholder(hash)
        ? refuseProof('MALFORMED', 'a placeholder is sent as a hash')
        : hash
    },
    leaf: () => ({ keyHash: take(), valueHash: take() }),
    end() {
      if (at !== list.length) refuseProof('UNUSED_PARTS', `${list.length - at} tags are not used`)
      if (hashAt !== hashes.length) {
        refuseProof('UNUSED_PARTS', `${(hashes.length - hashAt) / 32} hashes are not used`)
      }
    },
  }
}

/** An inner node of a partial tree, put together. A lone leaf or nothing below it is refused. */
export function joinHalves(hasher: TreeHasher, left: Uint8Array, right: Uint8Array): Uint8Array {
  if (isPlaceholder(left) && isPlaceholder(right))
    refuseProof('MALFORMED', 'an inner node is empty')
  return hashInternal(hasher, left, right)
}

/** Refuses halving below the last bit of a key. */
export function assertDepth(depth: number): void {
  if (depth >= MAX_DEPTH) refuseProof('TOO_DEEP', `it goes below ${MAX_DEPTH} levels`)
}

/** Root of leaves that are a whole subtree at `depth`: the definition of the scheme. */
export function rootOfLeaves(
  hasher: TreeHasher,
  leaves: readonly { keyHash: Uint8Array; valueHash: Uint8Array }[],
  depth: number,
): Uint8Array {
  const only = leaves[0]
  if (only === undefined) return PLACEHOLDER_HASH
  if (leaves.length === 1) return hashLeaf(hasher, only.keyHash, only.valueHash)
  assertDepth(depth)
  const middle = firstWithBit(leaves, depth)
  const left = rootOfLeaves(hasher, leaves.slice(0, middle), depth + 1)
  return hashInternal(hasher, left, rootOfLeaves(hasher, leaves.slice(middle), depth + 1))
}

/** Index of the first of sorted leaves, or keys, whose key has bit `depth` set. */
export function firstWithBit(sorted: readonly { keyHash: Uint8Array }[], depth: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bitAt((sorted[middle] as { keyHash: Uint8Array }).keyHash, depth) === 0) low = middle + 1
    else high = middle
  }
  return low
}
