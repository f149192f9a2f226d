/** Nodes encoded straight out of an arena, and out of what they were before. */
import {
  type Arena,
  COUNT,
  EMPTY,
  ENCODED,
  KIND,
  kindOf,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  VERSION,
  versionOf,
} from '../arena.js'
import { write8 } from '../words.js'
import { encodeNode, readNode, tags, writeVarint } from './node.js'
import { type Slab, slabOf, slabWithRoom } from './slabs.js'

// Of the node under way, by nibble: nothing, the record of a child, or that the child is what it was.
const children = new Int32Array(16)
const none = 0
const kept = -1
// Of what it was: where its children begin, by nibble, and where the last one ends.
const begins = new Int32Array(17)
const nothing = new Uint8Array(5)

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
 *
 * An older record below such a node is where it was in the node that this one replaces, and nothing below it has
 * changed: while that node's encoding is kept, its children are copied from there, in one piece where their
 * records lie anywhere in memory.
 */
export function encodeInner(
  arena: Arena,
  ids: readonly number[],
  depth: number,
  encoded: Uint8Array[],
): void {
  const { slabs, words } = arena
  for (let i = encoded.length; i < ids.length; i++) {
    const id = ids[i] as number
    const at = id * RECORD_WORDS + ENCODED
    const before = slabOf(slabs, words[at] as number)
    const { slab, number } = slabWithRoom(slabs, arena.live)
    const start = slab.at
    children.fill(none)
    takeChildren(arena, id, depth, before !== undefined, 0, 16)
    slab.at =
      before === undefined
        ? writeNode(arena, nothing, 0, slab)
        : writeNode(arena, before.bytes, words[at + 1] as number, slab)
    // For the commit that will change it.
    words[at] = number
    words[at + 1] = start
    encoded.push(slab.bytes.subarray(start, slab.at))
  }
}

// Takes what is below the inner record `parent`, whose children lie in `width` nibbles.
function takeChildren(
  arena: Arena,
  parent: number,
  depth: number,
  isChange: boolean,
  nibble: number,
  width: number,
): void {
  const { words } = arena
  const at = parent * RECORD_WORDS
  const half = width >> 1
  for (let side = 0; side < 2; side++) {
    const id = words[at + (side === 0 ? LEFT : RIGHT)] as number
    if (id === EMPTY) continue
    const first = nibble + side * half
    const child = id * RECORD_WORDS
    const word = words[child + KIND] as number
    const isKept =
      isChange &&
      (words[child + VERSION] !== words[at + VERSION] ||
        word >>> 8 !== (words[at + KIND] as number) >>> 8)
    if ((word & 0xff) === kinds.leaf) {
      const place = half === 1 ? first : leafNibble(arena, child, depth)
      children[place] = isKept ? kept : id
    } else if (isKept) {
      for (let i = first; i < first + half; i++) children[i] = kept
    } else if (half === 1) children[first] = id
    else takeChildren(arena, id, depth, isChange, first, half)
  }
}

// A leaf may sit above the level of its nibble, which its key has.
function leafNibble(arena: Arena, record: number, depth: number): number {
  const key = (arena.words[record + LEFT] as number) * 64
  const byte = arena.leafBytes[key + (depth >> 3)] as number
  return (depth & 7) === 0 ? byte >> 4 : byte & 0x0f
}

// Writes the children that were taken, and returns where the node ends. `base`: what it was.
function writeNode(arena: Arena, base: Uint8Array, baseAt: number, slab: Slab): number {
  const { words, leafWords } = arena
  const existed = (base[baseAt + 1] as number) | ((base[baseAt + 2] as number) << 8)
  const wereLeaves = (base[baseAt + 3] as number) | ((base[baseAt + 4] as number) << 8)
  readBegins(base, baseAt + 5, existed, wereLeaves)
  const { bytes, view, at: start } = slab
  let at = start + 5
  let existence = 0
  let leaves = 0
  for (let nibble = 0; nibble < 16; nibble++) {
    const child = children[nibble] as number
    if (child === none) continue
    if (child === kept) {
      const first = nibble
      while (nibble < 15 && children[nibble + 1] === kept) nibble++
      const mask = ((2 << nibble) - 1) & ~((1 << first) - 1)
      existence |= existed & mask
      leaves |= wereLeaves & mask
      at = copy(base, begins[first] as number, begins[nibble + 1] as number, bytes, at)
      continue
    }
    existence |= 1 << nibble
    const record = child * RECORD_WORDS
    at = writeVarint(bytes, at, versionOf(arena, child))
    if (((words[record + KIND] as number) & 0xff) === kinds.leaf) {
      leaves |= 1 << nibble
      const leaf = (words[record + LEFT] as number) * 16
      write8(leafWords, leaf, view, at)
      write8(leafWords, leaf + 8, view, at + 32)
      at += 64
    } else {
      at = writeVarint(bytes, at, words[record + COUNT] as number)
      write8(words, record, view, at)
      at += 32
    }
  }
  bytes[start] = tags.internal
  bytes[start + 1] = existence & 0xff
  bytes[start + 2] = existence >> 8
  bytes[start + 3] = leaves & 0xff
  bytes[start + 4] = leaves >> 8
  return at
}

function readBegins(base: Uint8Array, start: number, existed: number, leaves: number): void {
  let at = start
  for (let nibble = 0; nibble < 16; nibble++) {
    begins[nibble] = at
    if (((existed >> nibble) & 1) === 0) continue
    at = afterVarint(base, at)
    at = ((leaves >> nibble) & 1) === 1 ? at + 64 : afterVarint(base, at) + 32
  }
  begins[16] = at
}

function afterVarint(bytes: Uint8Array, start: number): number {
  let at = start
  while ((bytes[at] as number) >= 0x80) at++
  return at + 1
}

function copy(
  source: Uint8Array,
  from: number,
  end: number,
  target: Uint8Array,
  start: number,
): number {
  // Setting up a copy costs about as much as so many bytes.
  if (end - from > 256) {
    target.set(source.subarray(from, end), start)
    return start + end - from
  }
  let at = start
  for (let i = from; i < end; i++) target[at++] = source[i] as number
  return at
}
