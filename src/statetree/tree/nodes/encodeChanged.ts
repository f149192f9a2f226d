/** Nodes encoded out of what they were before, and out of the records that changed since. */
import {
  type Arena,
  COUNT,
  EMPTY,
  KIND,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  VERSION,
  versionOf,
} from '../arena.js'
import { isLittleEndian, tags, writeVarint } from './node.js'
import type { Slab } from './slabs.js'

// Of the node under way: where the children of its earlier encoding begin, by nibble, and the last one ends.
const begins = new Int32Array(17)
// What its children are, by nibble: nothing, what they were, or the record of one that changed.
const children = new Int32Array(16)
const none = 0
const kept = -1

/** Where the encoding of a node is that another one replaces. */
export type Earlier = { bytes: Uint8Array; at: number }

/**
 * Writes the encoding of the inner node `id` behind what its slab holds, and returns where it ends.
 *
 * An older record that is still there is where it was: below it nothing changed, and its children are copied.
 */
export function encodeChanged(
  arena: Arena,
  id: number,
  depth: number,
  { bytes: base, at: baseAt }: Earlier,
  slab: Slab,
): number {
  const { words, leafWords } = arena
  const existed = (base[baseAt + 1] as number) | ((base[baseAt + 2] as number) << 8)
  const wereLeaves = (base[baseAt + 3] as number) | ((base[baseAt + 4] as number) << 8)
  readBegins(base, baseAt + 5, existed, wereLeaves)
  children.fill(none)
  takeChildren(arena, id, depth, 0, 16)
  const { bytes, view, at: start } = slab
  let at = start + 5
  let existence = 0
  let leaves = 0
  for (let nibble = 0; nibble < 16; nibble++) {
    const child = children[nibble] as number
    if (child === none) continue
    const bit = 1 << nibble
    if (child === kept) {
      // Children that follow each other are copied in one piece.
      let end = nibble + 1
      while (end < 16 && children[end] === kept) end++
      const mask = ((1 << (end - nibble)) - 1) << nibble
      existence |= existed & mask
      leaves |= wereLeaves & mask
      at = copy(base, begins[nibble] as number, begins[end] as number, bytes, at)
      nibble = end - 1
      continue
    }
    existence |= bit
    const record = child * RECORD_WORDS
    at = writeVarint(bytes, at, versionOf(arena, child))
    let source = words
    let from = record
    let end = record + 8
    if (((words[record + KIND] as number) & 0xff) === kinds.leaf) {
      leaves |= bit
      source = leafWords
      from = (words[record + LEFT] as number) * 16
      end = from + 16
    } else at = writeVarint(bytes, at, words[record + COUNT] as number)
    for (; from < end; from++, at += 4) view.setUint32(at, source[from] as number, isLittleEndian)
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
    while ((base[at++] as number) >= 0x80);
    if (((leaves >> nibble) & 1) !== 0) {
      at += 64
    } else {
      while ((base[at++] as number) >= 0x80);
      at += 32
    }
  }
  begins[16] = at
}

// Takes what is below the record `parent`, which was written by this commit and has `width` nibbles.
function takeChildren(
  arena: Arena,
  parent: number,
  depth: number,
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
    const isNew =
      words[child + VERSION] === words[at + VERSION] &&
      word >>> 8 === (words[at + KIND] as number) >>> 8
    if ((word & 0xff) === kinds.leaf) {
      const place = half === 1 ? first : leafNibble(arena, child, depth)
      children[place] = isNew ? id : kept
    } else if (!isNew) {
      for (let i = first; i < first + half; i++) children[i] = kept
    } else if (half === 1) children[first] = id
    else takeChildren(arena, id, depth, first, half)
  }
}

// A leaf may sit above the level of its nibble, which its key has.
function leafNibble(arena: Arena, record: number, depth: number): number {
  const key = (arena.words[record + LEFT] as number) * 64
  const byte = arena.leafBytes[key + (depth >> 3)] as number
  return (depth & 7) === 0 ? byte >> 4 : byte & 0x0f
}

function copy(
  source: Uint8Array,
  from: number,
  end: number,
  target: Uint8Array,
  start: number,
): number {
  if (end - from > 256) {
    target.set(source.subarray(from, end), start)
    return start + end - from
  }
  let at = start
  for (let i = from; i < end; i++) target[at++] = source[i] as number
  return at
}
