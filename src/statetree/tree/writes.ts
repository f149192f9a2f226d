/** Writes of a commit: checked, in flat arrays, cut into runs of puts or deletes, sorted. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes, fixedFromHex, toHex } from '../../internal/bytes.js'
import type { TreeHasher } from '../hash/hasher.js'
import { copy8 } from './words.js'

/** Thirty-two bytes, as bytes or as hex. */
export type Bytes32 = Uint8Array | Hex

/**
 * One write. `valueHash: null` deletes; `value` alone is hashed with the tree's hasher. Give both
 * where the hash is already known and checked.
 */
export type TreeWrite =
  | { keyHash: Bytes32; valueHash: Bytes32 | null; value?: undefined }
  | { keyHash: Bytes32; valueHash?: Bytes32 | undefined; value: Uint8Array }

/** A run of consecutive puts, or of consecutive deletes, sorted by key, each key once. */
export type Run = {
  put: boolean
  count: number
  /** {@link WRITE_BYTES} a write: its key hash, and the value hash of a put. */
  bytes: Uint8Array
  /** `bytes`, {@link WRITE_WORDS} words a write. */
  words: Uint32Array
}

/** Bytes of a write in a {@link Run}. */
export const WRITE_BYTES = 64
/** Words of a write in a {@link Run}. */
export const WRITE_WORDS = 16

/** Bytes to store beside the leaf that names them. `checked`: `name` was derived from them here. */
export type NamedValue = { name: Hex; bytes: Uint8Array; checked: boolean }

/** Writes as a commit needs them: nothing in them is the caller's any more. */
export type PreparedWrites = { runs: Run[]; values: NamedValue[] }

/** The bytes of a 32-byte input. Throws `InvalidInputError` naming `field`. */
export function bytes32(value: Bytes32, field: string): Uint8Array {
  if (typeof value === 'string') return fixedFromHex(value, 32, field)
  if (!(value instanceof Uint8Array) || value.length !== 32) {
    throw new InvalidInputError({ field, reason: 'expected 32 bytes' })
  }
  return value
}

/**
 * Cuts `writes` into sorted runs. Within a run the last write of a key wins; runs are applied in
 * order, so that a delete between two puts has the effect, and the node versions, it has in the
 * crate.
 *
 * @throws {InvalidInputError} naming the malformed `writes[i]`.
 */
export function prepareWrites(writes: Iterable<TreeWrite>, hasher: TreeHasher): Run[] {
  return sortRuns(copyWrites(writes, hasher))
}

/**
 * {@link prepareWrites}, with the values to store. Each is copied first, so that a caller who goes
 * on with its buffer changes nothing, and hashed once: here, or where it is stored if it came with
 * a hash.
 *
 * @throws {InvalidInputError} naming the malformed `writes[i]`.
 */
export function prepareValues(writes: Iterable<TreeWrite>, hasher: TreeHasher): PreparedWrites {
  const values: NamedValue[] = []
  return { runs: sortRuns(copyWrites(writes, hasher, values)), values }
}

/** Writes as they came. `puts`: 1 for a put, 0 for a delete. */
type Unsorted = { bytes: Uint8Array; puts: Uint8Array }

function copyWrites(
  writes: Iterable<TreeWrite>,
  hasher: TreeHasher,
  values?: NamedValue[],
): Unsorted {
  const list = Array.isArray(writes) ? (writes as readonly TreeWrite[]) : [...writes]
  const bytes = new Uint8Array(list.length * WRITE_BYTES)
  const puts = new Uint8Array(list.length)
  for (let i = 0; i < list.length; i++) {
    const write = list[i] as TreeWrite
    if (typeof write !== 'object' || write === null) {
      throw new InvalidInputError({ field: `writes[${i}]`, reason: 'expected an object' })
    }
    const { keyHash, valueHash, value: given } = write
    const at = i * WRITE_BYTES
    bytes.set(fast32(keyHash) ?? bytes32(keyHash, `writes[${i}].keyHash`), at)
    // A delete stores nothing.
    if (valueHash === null) continue
    puts[i] = 1
    const isKept = values !== undefined && given instanceof Uint8Array
    const value = isKept ? copyBytes(given) : given
    if (valueHash !== undefined) {
      bytes.set(fast32(valueHash) ?? bytes32(valueHash, `writes[${i}].valueHash`), at + 32)
    } else if (value instanceof Uint8Array) {
      bytes.set(hasher.hash(value), at + 32)
    } else {
      throw new InvalidInputError({
        field: `writes[${i}].valueHash`,
        reason: 'expected 32 bytes, or null to delete',
      })
    }
    if (!isKept || value === undefined) continue
    const name = toHex(bytes.subarray(at + 32, at + 64))
    values.push({ name, bytes: value, checked: valueHash === undefined })
  }
  return { bytes, puts }
}

function sortRuns({ bytes, puts }: Unsorted): Run[] {
  const words = new Uint32Array(bytes.buffer)
  const runs: Run[] = []
  let start = 0
  while (start < puts.length) {
    let end = start + 1
    while (end < puts.length && puts[end] === puts[start]) end++
    runs.push({ put: puts[start] === 1, ...inOrder(words, start, sortedRanks(bytes, start, end)) })
    start = end
  }
  return runs
}

function fast32(value: Bytes32 | null): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length === 32 ? value : undefined
}

const noRank = 0x3fffffff

/** Where each write of [start, end) goes among them, ascending by key; {@link noRank} for those that a later one replaces. */
type Ranks = { ranks: Uint32Array; count: number }

function inOrder(words: Uint32Array, start: number, { ranks, count }: Ranks): Omit<Run, 'put'> {
  const sorted = new Uint32Array(count * WRITE_WORDS)
  let from = start * WRITE_WORDS
  // Written out of order, not read so: a processor waits for what it reads.
  for (let i = 0; i < ranks.length; i++, from += WRITE_WORDS) {
    const rank = ranks[i] as number
    if (rank === noRank) continue
    const to = rank * WRITE_WORDS
    copy8(words, from, sorted, to)
    copy8(words, from + 8, sorted, to + 8)
  }
  return { count, words: sorted, bytes: new Uint8Array(sorted.buffer) }
}

function sortedRanks(bytes: Uint8Array, start: number, end: number): Ranks {
  const { order, prefixes, ends } = intoBuckets(bytes, start, end)
  const isSame = (a: number, b: number): boolean =>
    prefixes[a] === prefixes[b] && compareKeys(bytes, order[a] as number, order[b] as number) === 0
  let from = 0
  for (const to of ends) {
    if (to - from > 1) sortBucket(bytes, { order, prefixes, ends }, from, to)
    from = to
  }
  const ranks = new Uint32Array(end - start)
  let count = 0
  for (let i = 0; i < order.length; i++) {
    const isReplaced = i + 1 < order.length && isSame(i, i + 1)
    ranks[(order[i] as number) - start] = isReplaced ? noRank : count
    if (!isReplaced) count++
  }
  return { ranks, count }
}

/** Bits of a key that are looked at first: a small integer, which engines keep apart from other numbers. */
const prefixBits = 31

/**
 * Indexes by the leading bits of their keys, about as many buckets as keys: `ends` says where each ends.
 * `prefixes` are the first {@link prefixBits} bits of the keys in that order.
 */
type Buckets = { order: Uint32Array; prefixes: Uint32Array; ends: Uint32Array }

function intoBuckets(bytes: Uint8Array, start: number, end: number): Buckets {
  const count = end - start
  const bits = Math.min(16, 32 - Math.clz32(count))
  const found = new Uint32Array(count)
  // Where the next of each bucket goes: at first where it begins, at last where it ends.
  const next = new Uint32Array((1 << bits) + 1)
  for (let i = 0; i < count; i++) {
    const prefix = prefixAt(bytes, (start + i) * WRITE_BYTES)
    found[i] = prefix
    const after = (prefix >>> (prefixBits - bits)) + 1
    next[after] = (next[after] as number) + 1
  }
  for (let i = 1; i < next.length; i++) next[i] = (next[i] as number) + (next[i - 1] as number)
  const order = new Uint32Array(count)
  const prefixes = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const prefix = found[i] as number
    const bucket = prefix >>> (prefixBits - bits)
    const place = next[bucket] as number
    next[bucket] = place + 1
    order[place] = start + i
    prefixes[place] = prefix
  }
  return { order, prefixes, ends: next.subarray(0, 1 << bits) }
}

function prefixAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
  return (high << 15) | (low >> 1)
}

/** Sorts [from, to) by key, equal keys as they came. */
function sortBucket(
  bytes: Uint8Array,
  { order, prefixes }: Buckets,
  from: number,
  to: number,
): void {
  if (to - from > 16) {
    // Keys that have their beginnings in common, as no hashes have.
    order.subarray(from, to).sort((a, b) => compareKeys(bytes, a, b) || a - b)
    for (let i = from; i < to; i++)
      prefixes[i] = prefixAt(bytes, (order[i] as number) * WRITE_BYTES)
    return
  }
  for (let i = from + 1; i < to; i++) {
    const index = order[i] as number
    const prefix = prefixes[i] as number
    let place = i
    for (; place > from; place--) {
      const before = order[place - 1] as number
      const beforePrefix = prefixes[place - 1] as number
      if (beforePrefix < prefix) break
      if (beforePrefix === prefix && compareKeys(bytes, before, index) <= 0) break
      order[place] = before
      prefixes[place] = beforePrefix
    }
    order[place] = index
    prefixes[place] = prefix
  }
}

function compareKeys(bytes: Uint8Array, a: number, b: number): number {
  const left = a * WRITE_BYTES
  const right = b * WRITE_BYTES
  for (let i = 0; i < 32; i++) {
    const difference = (bytes[left + i] as number) - (bytes[right + i] as number)
    if (difference !== 0) return difference
  }
  return 0
}
