/** The three-line recursion, and random histories for it. */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

const placeholder = utf8ToBytes('SPARSE_MERKLE_PLACEHOLDER_HASH__')
const leaf = utf8ToBytes('JMT::LeafNode')
const inner = utf8ToBytes('JMT::IntrnalNode')

export type Hash = (bytes: Uint8Array) => Uint8Array
/** Key hash to value hash, in hex. */
export type Model = Map<string, string>

/** Root of a map, by definition. */
export function modelRoot(model: Model, hash: Hash = keccak_256): string {
  const entries = [...model].sort().map(([k, v]) => [hexToBytes(k), hexToBytes(v)] as const)
  const bit = (key: Uint8Array, d: number): number => ((key[d >> 3] as number) >> (7 - (d & 7))) & 1
  type Entry = (typeof entries)[number]
  const root = (set: readonly Entry[], d: number): Uint8Array => {
    if (set.length === 0) return placeholder
    if (set.length === 1) return hash(concatBytes(leaf, ...(set[0] as Entry)))
    return hash(
      concatBytes(
        inner,
        root(
          set.filter(([k]) => bit(k, d) === 0),
          d + 1,
        ),
        root(
          set.filter(([k]) => bit(k, d) === 1),
          d + 1,
        ),
      ),
    )
  }
  return `0x${bytesToHex(root(entries, 0))}`
}

/** A seeded source of numbers in [0, n). */
export function seeded(seed: number): (n: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return (n) => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % n
  }
}

/** Keys that often share long prefixes, and differ late. */
export function randomKey(next: (n: number) => number): Uint8Array {
  const key = new Uint8Array(32)
  const style = next(4)
  if (style === 0) for (let i = 0; i < 32; i++) key[i] = next(256)
  else if (style === 1) key[0] = next(16)
  else if (style === 2) key[next(32)] = 1 << next(8)
  else {
    key.fill(0x5a)
    key[31 - next(3)] = next(8)
  }
  return key
}

export type RandomOp = { keyHash: Uint8Array; valueHash: Uint8Array | null }

/** A random batch of writes, some deletes, some of keys seen before, some repeated. */
export function randomOps(
  next: (n: number) => number,
  seen: readonly string[],
  size: number,
): RandomOp[] {
  const ops: RandomOp[] = []
  for (let i = 0; i < size; i++) {
    const known = seen.length > 0 && next(2) === 0
    const again = ops.length > 0 && next(8) === 0
    const keyHash = again
      ? (ops[next(ops.length)] as RandomOp).keyHash
      : known
        ? hexToBytes(seen[next(seen.length)] as string)
        : randomKey(next)
    const valueHash = next(3) === 0 ? null : new Uint8Array(32).fill(next(250) + 1)
    ops.push({ keyHash, valueHash })
  }
  return ops
}

/** Applies writes in order: the last one of a key wins. */
export function applyOps(model: Model, ops: readonly RandomOp[]): Model {
  const next = new Map(model)
  for (const { keyHash, valueHash } of ops) {
    if (valueHash === null) next.delete(bytesToHex(keyHash))
    else next.set(bytesToHex(keyHash), bytesToHex(valueHash))
  }
  return next
}
