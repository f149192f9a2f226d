/** Names of stored nodes: the version that wrote a node, and its place as a path of nibbles. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { compareBytes } from '../../../internal/bytes.js'
import { MalformedEncodingError } from '../../errors.js'

/** Name of a 16-ary node. `path` has `nibbles` nibbles, a last odd one in the high half. */
export type NodeKey = { version: number; nibbles: number; path: Uint8Array }

/** The name of the node at `depth` bits (a multiple of 4) on the way to a key. */
export function nodeKeyAt(version: number, depth: number, key: Uint8Array, keyAt = 0): NodeKey {
  const nibbles = depth >> 2
  const path = key.slice(keyAt, keyAt + ((nibbles + 1) >> 1))
  if (nibbles % 2 === 1) path[path.length - 1] = (path[path.length - 1] as number) & 0xf0
  return { version, nibbles, path }
}

/** Key of a node in a store: `version(8, big-endian) ‖ nibbles(1) ‖ path`. Orders as nodes do. */
export function encodeNodeKey({ version, nibbles, path }: NodeKey): Uint8Array {
  const out = new Uint8Array(9 + path.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, Math.floor(version / 0x100000000))
  view.setUint32(4, version >>> 0)
  out[8] = nibbles
  out.set(path, 9)
  return out
}

/**
 * Encoded keys of one depth, one after the other: a small array for each would be three objects, which the
 * collector copies while a commit is under way.
 */
export type KeyList = { bytes: Uint8Array; length: number; count: number }

/** An empty list of keys at `depth` bits. */
export function createKeyList(depth: number): KeyList {
  const length = keyLength(depth)
  return { bytes: new Uint8Array(8 * length), length, count: 0 }
}

/** The keys of a list, in the order they came. */
export function* keysOf({ bytes, length, count }: KeyList): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) yield bytes.subarray(i * length, (i + 1) * length)
}

/** Puts the keys of a list in order. Those that are stay where they are. */
export function sortKeys(list: KeyList): void {
  const { bytes, length, count } = list
  let i = 1
  while (i < count && !isBefore(bytes, i * length, length)) i++
  if (i >= count) return
  const sorted = new Uint8Array(count * length)
  let at = 0
  for (const key of [...keysOf(list)].sort(compareBytes)) {
    sorted.set(key, at)
    at += length
  }
  list.bytes = sorted
}

// Whether the key at `at` comes before the one in front of it.
function isBefore(bytes: Uint8Array, at: number, length: number): boolean {
  for (let to = at; to < at + length; to++) {
    const difference = (bytes[to] as number) - (bytes[to - length] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Adds `encodeNodeKey(nodeKeyAt(version, depth, key, keyAt))` to a list of that depth. */
export function addKey(
  list: KeyList,
  version: number,
  depth: number,
  key: Uint8Array,
  keyAt: number,
): void {
  const start = list.count++ * list.length
  if (start + list.length > list.bytes.length) {
    const larger = new Uint8Array(list.bytes.length * 2)
    larger.set(list.bytes)
    list.bytes = larger
  }
  writeKey(list.bytes, start, version, depth, key, keyAt)
}

/** `encodeNodeKey(nodeKeyAt(version, depth, key, keyAt))`, without the object between. */
export function encodeKeyAt(
  version: number,
  depth: number,
  key: Uint8Array,
  keyAt = 0,
): Uint8Array {
  const out = new Uint8Array(keyLength(depth))
  writeKey(out, 0, version, depth, key, keyAt)
  return out
}

function keyLength(depth: number): number {
  return 9 + ((depth + 7) >> 3)
}

function writeKey(
  out: Uint8Array,
  start: number,
  version: number,
  depth: number,
  key: Uint8Array,
  keyAt: number,
): void {
  const nibbles = depth >> 2
  let high = Math.floor(version / 0x100000000)
  let low = version >>> 0
  for (let i = start + 3; i >= start; i--) {
    out[i] = high & 0xff
    out[i + 4] = low & 0xff
    high >>>= 8
    low >>>= 8
  }
  out[start + 8] = nibbles
  const end = start + keyLength(depth)
  for (let to = start + 9, from = keyAt; to < end; ) out[to++] = key[from++] as number
  if (nibbles % 2 === 1) out[end - 1] = (out[end - 1] as number) & 0xf0
}

/** Reads a key written by {@link encodeNodeKey}. */
export function decodeNodeKey(bytes: Uint8Array): NodeKey {
  const nibbles = bytes[8] as number
  if (bytes.length < 9 || nibbles > 64 || bytes.length !== 9 + ((nibbles + 1) >> 1)) {
    throw new MalformedEncodingError({ field: 'nodeKey', reason: `${bytes.length} bytes` })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    version: view.getUint32(0) * 0x100000000 + view.getUint32(4),
    nibbles,
    path: bytes.slice(9),
  }
}

/** A readable name such as `7/3fa`, for messages. */
export function formatNodeKey({ version, nibbles, path }: NodeKey): string {
  return `${version}/${bytesToHex(path).slice(0, nibbles)}`
}

/** Orders keys by version, depth and path. */
export function compareNodeKeys(a: NodeKey, b: NodeKey): number {
  if (a.version !== b.version) return a.version - b.version
  if (a.nibbles !== b.nibbles) return a.nibbles - b.nibbles
  for (let i = 0; i < a.path.length; i++) {
    const difference = (a.path[i] as number) - (b.path[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}
