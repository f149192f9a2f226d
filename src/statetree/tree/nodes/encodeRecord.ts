/** Nodes encoded straight out of an arena, many of them into one buffer. */
import {
  type Arena,
  COUNT,
  EMPTY,
  kindOf,
  kinds,
  LEFT,
  leafOffset,
  RECORD_WORDS,
  RIGHT,
  versionOf,
} from '../arena.js'
import { encodeNode, isLittleEndian, readNode, tags, writeVarint } from './node.js'

/** Where encoded nodes are put, one after the other: an allocation for each costs more than its bytes. */
export type NodeSlab = { bytes: Uint8Array; view: DataView; at: number }

const slabBytes = 1 << 20
const longestNode = 5 + 16 * 80

/** Creates a slab with room for `nodes` nodes of a usual size; it goes on in another when it is full. */
export function createNodeSlab(nodes: number): NodeSlab {
  return newSlab(Math.min(slabBytes, (nodes + 1) * longestNode))
}

function newSlab(size: number): NodeSlab {
  const bytes = new Uint8Array(size)
  return { bytes, view: new DataView(bytes.buffer), at: 0 }
}

// The node being encoded: the inner records of one level, at last those of its children, and the
// leaves among its children, by nibble.
const inner = new Uint32Array(16)
const lone = new Uint32Array(16)

/** `encodeNode(readNode(arena, id, depth))`, without the objects between. */
export function encodeRecord(
  arena: Arena,
  id: number,
  depth: number,
  slab: NodeSlab = createNodeSlab(0),
): Uint8Array {
  if (id === EMPTY || kindOf(arena, id) === kinds.leaf)
    return encodeNode(readNode(arena, id, depth))
  if (slab.bytes.length - slab.at < longestNode) Object.assign(slab, newSlab(slabBytes))
  const { words, leafWords } = arena
  const { bytes, view, at: start } = slab
  const leaves = takeChildren(arena, id, depth)
  let existence = 0
  let at = start + 5
  for (let nibble = 0; nibble < 16; nibble++) {
    const isLeaf = (leaves & (1 << nibble)) !== 0
    const child = (isLeaf ? lone : inner)[nibble] as number
    if (child === EMPTY) continue
    existence |= 1 << nibble
    const record = child * RECORD_WORDS
    const version = versionOf(arena, child)
    if (version < 0x80) bytes[at++] = version
    else at = writeVarint(bytes, at, version)
    let from = record
    if (isLeaf) from = (words[record + LEFT] as number) * 16
    else at = writeVarint(bytes, at, words[record + COUNT] as number)
    const source = isLeaf ? leafWords : words
    const end = from + (isLeaf ? 16 : 8)
    for (; from < end; from++, at += 4) view.setUint32(at, source[from] as number, isLittleEndian)
  }
  bytes[start] = tags.internal
  bytes[start + 1] = existence & 0xff
  bytes[start + 2] = existence >> 8
  bytes[start + 3] = leaves & 0xff
  bytes[start + 4] = leaves >> 8
  slab.at = at
  return bytes.subarray(start, at)
}

// Finds the children of the record in `inner` and `lone`, and says which of them are leaves.
function takeChildren(arena: Arena, top: number, depth: number): number {
  const { words } = arena
  let leaves = 0
  inner[0] = top
  for (let width = 1; width < 16; width *= 2) {
    for (let place = width - 1; place >= 0; place--) {
      const at = (inner[place] as number) * RECORD_WORDS
      let left = EMPTY
      let right = EMPTY
      if (at !== 0) {
        left = words[at + LEFT] as number
        right = words[at + RIGHT] as number
        if (left !== EMPTY && kindOf(arena, left) === kinds.leaf) {
          leaves |= takeLeaf(arena, left, depth)
          left = EMPTY
        }
        if (right !== EMPTY && kindOf(arena, right) === kinds.leaf) {
          leaves |= takeLeaf(arena, right, depth)
          right = EMPTY
        }
      }
      inner[place * 2] = left
      inner[place * 2 + 1] = right
    }
  }
  return leaves
}

// A leaf may sit above the level of its nibble, which its key has.
function takeLeaf(arena: Arena, leaf: number, depth: number): number {
  const byte = arena.leafBytes[leafOffset(arena, leaf) + (depth >> 3)] as number
  const nibble = depth % 8 === 0 ? byte >> 4 : byte & 0x0f
  lone[nibble] = leaf
  return 1 << nibble
}
