/** Nodes encoded straight out of an arena, into its slabs. */
import {
  type Arena,
  COUNT,
  EMPTY,
  ENCODED,
  KIND,
  kindOf,
  kinds,
  LEFT,
  leafFlag,
  leafOffset,
  RECORD_WORDS,
  RIGHT,
  versionOf,
} from '../arena.js'
import { encodeChanged } from './encodeChanged.js'
import { encodeNode, isLittleEndian, readNode, tags, writeVarint } from './node.js'
import { type Slab, slabOf, slabWithRoom } from './slabs.js'

// Nodes that are encoded together: what one waits for from memory is fetched for all of them meanwhile.
const group = 16
// Of each: the inner records of one level, at last those of its children by nibble; the leaves among its
// children, as they are found and by nibble.
const inner = new Int32Array(group * 16)
const found = new Int32Array(group * 17)
const foundCount = new Int32Array(group)
const lone = new Int32Array(16)

/** `encodeNode(readNode(arena, id, depth))`, without the objects between. */
export function encodeRecord(arena: Arena, id: number, depth: number): Uint8Array {
  if (id === EMPTY || kindOf(arena, id) === kinds.leaf)
    return encodeNode(readNode(arena, id, depth))
  const encoded: Uint8Array[] = []
  encodeInner(arena, [id], depth, encoded)
  return encoded[0] as Uint8Array
}

/**
 * Encodes inner nodes at one depth, all of one version, and adds them to `encoded`, which has the first of them.
 * What they were before is copied, as far as it is kept and they have not changed.
 */
export function encodeInner(
  arena: Arena,
  ids: readonly number[],
  depth: number,
  encoded: Uint8Array[],
): void {
  const whole: number[] = []
  for (let i = encoded.length; i < ids.length; i++) {
    const id = ids[i] as number
    const at = id * RECORD_WORDS + ENCODED
    const before = slabOf(arena.slabs, arena.words[at] as number)
    if (before === undefined) {
      whole.push(i)
      encoded.push(nothing)
      continue
    }
    const earlier = { bytes: before.bytes, at: arena.words[at + 1] as number }
    const { slab, number } = slabWithRoom(arena.slabs, arena.live)
    encoded.push(keep(arena, id, slab, number, encodeChanged(arena, id, depth, earlier, slab)))
  }
  for (let from = 0; from < whole.length; from += group)
    encodeGroup(arena, ids, depth, whole.slice(from, from + group), encoded)
}

const nothing = new Uint8Array(0)

function encodeGroup(
  arena: Arena,
  ids: readonly number[],
  depth: number,
  places: readonly number[],
  encoded: Uint8Array[],
): void {
  const count = places.length
  for (let node = 0; node < count; node++) {
    inner[node * 16] = ids[places[node] as number] as number
    foundCount[node] = 0
  }
  for (let width = 1; width <= 16; width *= 2)
    for (let node = 0; node < count; node++) takeLevel(arena.words, node, width)
  for (let node = 0; node < count; node++) {
    const place = places[node] as number
    const { slab, number } = slabWithRoom(arena.slabs, arena.live)
    const end = encodeTaken(arena, node, depth, slab)
    encoded[place] = keep(arena, ids[place] as number, slab, number, end)
  }
}

// Notes where the node is, for the commit that will change it.
function keep(arena: Arena, id: number, slab: Slab, number: number, end: number): Uint8Array {
  const { at } = slab
  slab.at = end
  arena.words[id * RECORD_WORDS + ENCODED] = number
  arena.words[id * RECORD_WORDS + ENCODED + 1] = at
  return slab.bytes.subarray(at, end)
}

// From the `width` records of one level of a node to those of the next; the leaves among them are set apart.
function takeLevel(words: Uint32Array, node: number, width: number): void {
  const first = node * 16
  let end = node * 17 + (foundCount[node] as number)
  for (let place = width - 1; place >= 0; place--) {
    const id = inner[first + place] as number
    const at = id * RECORD_WORDS
    const isLeaf = leafFlag(words[at + KIND] as number)
    // All bits, or none for a leaf.
    const kept = isLeaf - 1
    found[end] = id
    end += isLeaf
    if (width === 16) {
      inner[first + place] = id & kept
    } else {
      inner[first + place * 2] = (words[at + LEFT] as number) & kept
      inner[first + place * 2 + 1] = (words[at + RIGHT] as number) & kept
    }
  }
  foundCount[node] = end - node * 17
}

function encodeTaken(arena: Arena, node: number, depth: number, slab: Slab): number {
  const { words, leafWords } = arena
  const { bytes, view, at: start } = slab
  const leaves = placeLeaves(arena, node, depth)
  let existence = 0
  let at = start + 5
  for (let nibble = 0; nibble < 16; nibble++) {
    const isLeaf = (leaves & (1 << nibble)) !== 0
    const child = (isLeaf ? lone[nibble] : inner[node * 16 + nibble]) as number
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
  return at
}

// A leaf may sit above the level of its nibble, which its key has.
function placeLeaves(arena: Arena, node: number, depth: number): number {
  const end = node * 17 + (foundCount[node] as number)
  let leaves = 0
  for (let i = node * 17; i < end; i++) {
    const leaf = found[i] as number
    const byte = arena.leafBytes[leafOffset(arena, leaf) + (depth >> 3)] as number
    const nibble = depth % 8 === 0 ? byte >> 4 : byte & 0x0f
    lone[nibble] = leaf
    leaves |= 1 << nibble
  }
  return leaves
}
