/** 16-ary nodes: read out of an arena, and as stores hold them. */

import { MalformedEncodingError } from '../../errors.js'
import {
  type Arena,
  EMPTY,
  hashOf,
  keyHashOf,
  kindOf,
  kinds,
  LEFT,
  leafCountOf,
  RECORD_WORDS,
  RIGHT,
  valueHashOf,
  versionOf,
} from '../arena.js'

/** A child of an inner 16-ary node. `leaf` is there when the child is a leaf. */
export type NodeChild = {
  nibble: number
  version: number
  hash: Uint8Array
  leafCount: number
  leaf?: { keyHash: Uint8Array; valueHash: Uint8Array } | undefined
}

/** A node of the tree as the crate knows it. */
export type TreeNode =
  | { type: 'null' }
  | { type: 'leaf'; keyHash: Uint8Array; valueHash: Uint8Array }
  | { type: 'internal'; children: readonly NodeChild[]; leafCount: number }

/** Reads the node whose top record is `id`, at `depth` bits (a multiple of 4 for inner nodes). */
export function readNode(arena: Arena, id: number, depth: number): TreeNode {
  if (id === EMPTY) return { type: 'null' }
  if (kindOf(arena, id) === kinds.leaf) {
    return { type: 'leaf', keyHash: keyHashOf(arena, id), valueHash: valueHashOf(arena, id) }
  }
  const children: NodeChild[] = []
  const visit = (child: number, level: number, nibble: number): void => {
    if (child === EMPTY) return
    const kind = kindOf(arena, child)
    if (kind === kinds.leaf) {
      const keyHash = keyHashOf(arena, child)
      const byte = keyHash[depth >> 3] as number
      children.push({
        nibble: depth % 8 === 0 ? byte >> 4 : byte & 0x0f,
        version: versionOf(arena, child),
        hash: hashOf(arena, child),
        leafCount: 1,
        leaf: { keyHash, valueHash: valueHashOf(arena, child) },
      })
    } else if (level === 4) {
      const version = versionOf(arena, child)
      children.push({
        nibble,
        version,
        hash: hashOf(arena, child),
        leafCount: leafCountOf(arena, child),
      })
    } else {
      visitPair(child, level, nibble)
    }
  }
  const visitPair = (parent: number, level: number, nibble: number): void => {
    const at = parent * RECORD_WORDS
    visit(arena.words[at + LEFT] as number, level + 1, nibble * 2)
    visit(arena.words[at + RIGHT] as number, level + 1, nibble * 2 + 1)
  }
  visitPair(id, 0, 0)
  return { type: 'internal', children, leafCount: leafCountOf(arena, id) }
}

/** The first byte of an encoded node. */
export const tags = { null: 0, internal: 1, leaf: 2 } as const

/**
 * Encodes a node for a store. Leaves lie inside their parent, so that one read gives a node whole:
 *
 * ```
 * 00 | 02 keyHash valueHash | 01 existence(u16 LE) leaves(u16 LE) child…
 * child: version(varint) ( keyHash valueHash | leafCount(varint) hash )
 * ```
 */
export function encodeNode(node: TreeNode): Uint8Array {
  if (node.type === 'null') return Uint8Array.of(tags.null)
  if (node.type === 'leaf') {
    const out = new Uint8Array(65)
    out[0] = tags.leaf
    out.set(node.keyHash, 1)
    out.set(node.valueHash, 33)
    return out
  }
  const out = new Uint8Array(5 + node.children.length * 80)
  let existence = 0
  let leaves = 0
  let at = 5
  for (const child of node.children) {
    existence |= 1 << child.nibble
    at = writeVarint(out, at, child.version)
    if (child.leaf !== undefined) {
      leaves |= 1 << child.nibble
      out.set(child.leaf.keyHash, at)
      out.set(child.leaf.valueHash, at + 32)
      at += 64
    } else {
      at = writeVarint(out, at, child.leafCount)
      out.set(child.hash, at)
      at += 32
    }
  }
  out[0] = tags.internal
  out[1] = existence & 0xff
  out[2] = existence >> 8
  out[3] = leaves & 0xff
  out[4] = leaves >> 8
  return out.slice(0, at)
}

/** The children of an inner node where they lie in its encoding, by nibble. */
export type StoredChildren = {
  existence: number
  leaves: number
  versions: number[]
  /** Leaves at or below each. */
  counts: number[]
  /** Where each hash, or key hash and value hash, begins. */
  offsets: number[]
}

/**
 * Reads where the children of an encoded inner node are; `undefined` for a node of another type.
 *
 * @throws {MalformedEncodingError} for bytes that {@link encodeNode} does not write.
 */
export function decodeChildren(bytes: Uint8Array): StoredChildren | undefined {
  if (bytes[0] === tags.null && bytes.length === 1) return undefined
  if (bytes[0] === tags.leaf && bytes.length === 65) return undefined
  if (bytes[0] !== tags.internal || bytes.length < 5)
    return fail(`tag ${bytes[0]}, ${bytes.length} bytes`)
  const existence = (bytes[1] as number) | ((bytes[2] as number) << 8)
  const leaves = (bytes[3] as number) | ((bytes[4] as number) << 8)
  if (existence === 0 || (leaves & ~existence) !== 0) fail('bitmaps')
  const [versions, counts, offsets]: [number[], number[], number[]] = [[], [], []]
  const cursor = { bytes, at: 5 }
  for (let nibble = 0; nibble < 16; nibble++) {
    const isThere = (existence & (1 << nibble)) !== 0
    const isLeaf = (leaves & (1 << nibble)) !== 0
    versions.push(isThere ? readVarint(cursor) : 0)
    counts.push(isThere ? (isLeaf ? 1 : readVarint(cursor)) : 0)
    offsets.push(cursor.at)
    if (isThere) cursor.at += isLeaf ? 64 : 32
    if (cursor.at > bytes.length) fail('it is cut short')
  }
  if (cursor.at !== bytes.length) fail('bytes after its end')
  return { existence, leaves, versions, counts, offsets }
}

/** Reads what {@link encodeNode} wrote. The hashes of leaf children come back empty. */
export function decodeNode(bytes: Uint8Array): TreeNode {
  const stored = decodeChildren(bytes)
  if (stored === undefined) {
    if (bytes[0] === tags.null) return { type: 'null' }
    return { type: 'leaf', keyHash: bytes.slice(1, 33), valueHash: bytes.slice(33) }
  }
  const { existence, leaves, versions, counts, offsets } = stored
  const children: NodeChild[] = []
  let leafCount = 0
  for (let nibble = 0; nibble < 16; nibble++) {
    if ((existence & (1 << nibble)) === 0) continue
    const version = versions[nibble] as number
    const count = counts[nibble] as number
    const at = offsets[nibble] as number
    leafCount += count
    if ((leaves & (1 << nibble)) === 0) {
      children.push({ nibble, version, hash: bytes.slice(at, at + 32), leafCount: count })
      continue
    }
    const leaf = { keyHash: bytes.slice(at, at + 32), valueHash: bytes.slice(at + 32, at + 64) }
    children.push({ nibble, version, hash: new Uint8Array(0), leafCount: count, leaf })
  }
  return { type: 'internal', children, leafCount }
}

function fail(reason: string): never {
  throw new MalformedEncodingError({ field: 'node', reason })
}

function readVarint(cursor: { bytes: Uint8Array; at: number }): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined || scale > 2 ** 49) return fail('a number is cut short')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return Number.isSafeInteger(value) ? value : fail('a number is too large')
  }
}

/** Writes a number, seven bits a byte, and returns where it ends. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  let to = at
  if (value < 0x80000000) {
    let small = value | 0
    for (; small >= 0x80; small >>= 7) out[to++] = (small & 0x7f) | 0x80
    out[to++] = small
    return to
  }
  let rest = value
  while (rest >= 0x80) {
    out[to++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  out[to++] = rest
  return to
}
