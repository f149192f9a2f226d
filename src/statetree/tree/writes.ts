/** Writes of a commit: checked, in flat arrays, cut into runs of puts or deletes, sorted. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes, fixedFromHex, toHex } from '../../internal/bytes.js'
import type { TreeHasher } from '../hash/hasher.js'

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
  keys: Uint8Array
  values: Uint8Array
  /** `keys` and `values`, eight words each. */
  keyWords: Uint32Array
  valueWords: Uint32Array
}

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
  const list = Array.isArray(writes) ? (writes as readonly TreeWrite[]) : [...writes]
  const total = list.length
  const keys = new Uint8Array(total * 32)
  const values = new Uint8Array(total * 32)
  const puts = new Uint8Array(total)
  for (let i = 0; i < total; i++) {
    const write = list[i] as TreeWrite
    if (typeof write !== 'object' || write === null) {
      throw new InvalidInputError({ field: `writes[${i}]`, reason: 'expected an object' })
    }
    copy32(keys, i, fast32(write.keyHash) ?? bytes32(write.keyHash, `writes[${i}].keyHash`))
    if (write.valueHash === null) continue
    puts[i] = 1
    const { valueHash } = write
    if (valueHash !== undefined) {
      copy32(values, i, fast32(valueHash) ?? bytes32(valueHash, `writes[${i}].valueHash`))
    } else if (write.value instanceof Uint8Array) {
      copy32(values, i, hasher.hash(write.value))
    } else {
      throw new InvalidInputError({
        field: `writes[${i}].valueHash`,
        reason: 'expected 32 bytes, or null to delete',
      })
    }
  }
  const runs: Run[] = []
  let start = 0
  while (start < total) {
    let end = start + 1
    while (end < total && puts[end] === puts[start]) end++
    runs.push(sortRun({ keys, values, put: puts[start] === 1 }, start, end))
    start = end
  }
  return runs
}

/**
 * {@link prepareWrites}, with the values to store. Each is copied first, so that a caller who goes
 * on with its buffer changes nothing, and hashed once: here, or where it is stored if it came with
 * a hash.
 *
 * @throws {InvalidInputError} naming the malformed `writes[i]`.
 */
export function prepareValues(writes: Iterable<TreeWrite>, hasher: TreeHasher): PreparedWrites {
  if (Array.isArray(writes) && !writes.some((write?: TreeWrite) => write?.value !== undefined)) {
    return { runs: prepareWrites(writes, hasher), values: [] }
  }
  const values: NamedValue[] = []
  const list = Array.from(writes, (write, i): TreeWrite => {
    if (!(write?.value instanceof Uint8Array)) return write
    const bytes = copyBytes(write.value)
    const { keyHash, valueHash } = write
    // A delete stores nothing.
    if (valueHash === null) return { keyHash, valueHash }
    const hash =
      valueHash === undefined
        ? hasher.hash(bytes)
        : copyBytes(bytes32(valueHash, `writes[${i}].valueHash`))
    values.push({ name: toHex(hash), bytes, checked: valueHash === undefined })
    return { keyHash, valueHash: hash }
  })
  return { runs: prepareWrites(list, hasher), values }
}

function fast32(value: Bytes32 | null): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length === 32 ? value : undefined
}

function copy32(target: Uint8Array, index: number, source: Uint8Array): void {
  target.set(source, index * 32)
}

type Unsorted = { keys: Uint8Array; values: Uint8Array; put: boolean }

function sortRun({ keys, values, put }: Unsorted, start: number, end: number): Run {
  const order = sortedOrder(keys, start, end)
  const count = order.length
  const keyWords = inOrder(new Uint32Array(keys.buffer), order)
  const valueWords = put ? inOrder(new Uint32Array(values.buffer), order) : new Uint32Array(0)
  return {
    ...{ put, count, keyWords, valueWords },
    ...{ keys: new Uint8Array(keyWords.buffer), values: new Uint8Array(valueWords.buffer) },
  }
}

function inOrder(words: Uint32Array, order: Uint32Array): Uint32Array {
  const sorted = new Uint32Array(order.length * 8)
  let to = 0
  for (let i = 0; i < order.length; i++) {
    let from = (order[i] as number) * 8
    for (let j = 0; j < 8; j++) sorted[to++] = words[from++] as number
  }
  return sorted
}

/** Indexes of the keys in [start, end), ascending by key, only the last of equal keys. */
function sortedOrder(keys: Uint8Array, start: number, end: number): Uint32Array {
  const count = end - start
  // Numbers hold 53 bits: as many leading key bits as fit beside the index. Typed arrays of
  // numbers sort natively, several times faster than with a comparison function.
  const indexBits = Math.max(1, Math.ceil(Math.log2(count + 1)))
  const scale = 2 ** indexBits
  const dropped = 2 ** Math.max(0, indexBits - 5)
  const composed = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const at = (start + i) * 32
    const high =
      (keys[at] as number) * 0x10000000000 +
      (keys[at + 1] as number) * 0x100000000 +
      (keys[at + 2] as number) * 0x1000000 +
      (((keys[at + 3] as number) << 16) |
        ((keys[at + 4] as number) << 8) |
        (keys[at + 5] as number))
    composed[i] = Math.floor(high / dropped) * scale + i
  }
  composed.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = start + ((composed[i] as number) % scale)

  let length = 0
  let groupStart = 0
  for (let i = 1; i <= count; i++) {
    const same =
      i < count &&
      Math.floor((composed[i] as number) / scale) ===
        Math.floor((composed[groupStart] as number) / scale)
    if (same) continue
    if (i - groupStart > 1) {
      // Equal leading bits: compare whole keys, then positions, so that the last write is last.
      const group = order.subarray(groupStart, i)
      const sorted = [...group].sort((a, b) => compareKeys(keys, a, b) || a - b)
      group.set(sorted)
    }
    for (let j = groupStart; j < i; j++) {
      const index = order[j] as number
      const repeated = length > 0 && compareKeys(keys, order[length - 1] as number, index) === 0
      order[repeated ? length - 1 : length++] = index
    }
    groupStart = i
  }
  return order.subarray(0, length)
}

function compareKeys(keys: Uint8Array, a: number, b: number): number {
  const left = a * 32
  const right = b * 32
  for (let i = 0; i < 32; i++) {
    const difference = (keys[left + i] as number) - (keys[right + i] as number)
    if (difference !== 0) return difference
  }
  return 0
}
