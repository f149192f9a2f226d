/** Names of stored nodes: the version that wrote a node, and its place as a path of nibbles. */
import { bytesToHex } from '@noble/hashes/utils.js'
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
 * Where encoded keys are put, one after the other: a small array of its own is three objects, which the
 * collector copies while a commit is under way.
 */
export type KeySlab = { bytes: Uint8Array; at: number }

const slabBytes = 8_192
const longestKey = 41

/** Creates an empty slab; it goes on in another when it is full. */
export function createKeySlab(): KeySlab {
  return { bytes: new Uint8Array(0), at: 0 }
}

/** `encodeNodeKey(nodeKeyAt(version, depth, key, keyAt))`, without the object between. */
export function encodeKeyAt(
  version: number,
  depth: number,
  key: Uint8Array,
  { keyAt = 0, slab }: { keyAt?: number; slab?: KeySlab | undefined } = {},
): Uint8Array {
  const nibbles = depth >> 2
  const length = (nibbles + 1) >> 1
  if (slab !== undefined && slab.bytes.length - slab.at < longestKey) {
    slab.bytes = new Uint8Array(slabBytes)
    slab.at = 0
  }
  const out = slab?.bytes ?? new Uint8Array(9 + length)
  const start = slab?.at ?? 0
  let high = Math.floor(version / 0x100000000)
  let low = version >>> 0
  for (let i = start + 3; i >= start; i--) {
    out[i] = high & 0xff
    out[i + 4] = low & 0xff
    high >>>= 8
    low >>>= 8
  }
  out[start + 8] = nibbles
  const end = start + 9 + length
  for (let i = 0; i < length; i++) out[start + 9 + i] = key[keyAt + i] as number
  if (nibbles % 2 === 1) out[end - 1] = (out[end - 1] as number) & 0xf0
  if (slab === undefined) return out
  slab.at = end
  return out.subarray(start, end)
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
