/** Computes the hashes and leaf counts of the records that a commit wrote. */

import type { TreeHasher } from '../hash/hasher.js'
import {
  type Arena,
  COUNT,
  EMPTY,
  isOf,
  KIND,
  kindOf,
  kinds,
  LEFT,
  leafFlag,
  RECORD_WORDS,
  RIGHT,
} from './arena.js'
import { encodeInner } from './nodes/encodeRecord.js'
import { addKey, createKeyList, type KeyList } from './nodes/nodeKey.js'
import { copy8 } from './words.js'

/**
 * What a commit wrote: the ids of its leaves, and of its inner records by depth in bits. `keys`:
 * keys of the records of every fourth depth, where they were asked for.
 */
export type Written = {
  leaves: Ids
  inner: Ids[]
  /** Leaves, and inner records of every fourth depth, that were taken down. */
  counts: { leaves: number; nodes: number }
  /** The 16-ary nodes among them by level, where they were asked for. */
  nodes?: StoredLevel[] | undefined
}

/** The first `count` of `list`: emptied, it keeps its room. */
export type Ids = { list: number[]; count: number }

/** The 16-ary nodes of one level: ids of their top records, their keys, and the encodings of the first of them. */
export type StoredLevel = { ids: number[]; keys: KeyList; values: Uint8Array[] }

/** Takes down an inner record at `depth` on the way to the key at byte `keyAt` of `keys`. */
export function noteInner(
  written: Written,
  id: number,
  version: number,
  depth: number,
  keys: Uint8Array,
  keyAt: number,
): void {
  while (written.inner.length <= depth) written.inner.push({ list: [], count: 0 })
  add(written.inner[depth] as Ids, id)
  if ((depth & 3) !== 0) return
  written.counts.nodes++
  if (written.nodes === undefined) return
  while (written.nodes.length <= depth >> 2)
    written.nodes.push({ ids: [], keys: createKeyList(written.nodes.length * 4), values: [] })
  const level = written.nodes[depth >> 2] as StoredLevel
  level.ids.push(id)
  addKey(level.keys, version, depth, keys, keyAt)
}

/** Takes down a leaf. */
export function noteLeaf(written: Written, id: number): void {
  add(written.leaves, id)
  written.counts.leaves++
}

function add(ids: Ids, id: number): void {
  ids.list[ids.count++] = id
}

/** All ids that are listed. */
export function listedIds({ leaves, inner }: Written): number[] {
  return [leaves, ...inner].flatMap(({ list, count }) => list.slice(0, count))
}

/** Nothing written yet. `keys`: the 16-ary nodes are asked for. */
export function noneWritten(options: { keys?: boolean | undefined } = {}): Written {
  const nodes = options.keys === true ? [] : undefined
  return { leaves: { list: [], count: 0 }, inner: [], counts: { leaves: 0, nodes: 0 }, nodes }
}

/** Lists the records of `version` below `root`. Those of one depth come in the order of their keys. */
export function collectWritten(
  arena: Arena,
  root: number,
  version: number,
  options: { keys?: boolean | undefined } = {},
): Written {
  const written = noneWritten(options)
  const path = new Uint8Array(33)
  const visit = (id: number, depth: number): void => {
    if (id === EMPTY || !isOf(arena, id, version)) return
    if (kindOf(arena, id) === kinds.leaf) {
      noteLeaf(written, id)
      return
    }
    noteInner(written, id, version, depth, path, 0)
    const at = id * RECORD_WORDS
    visit(arena.words[at + LEFT] as number, depth + 1)
    const mask = 0x80 >> (depth & 7)
    path[depth >> 3] = (path[depth >> 3] as number) | mask
    visit(arena.words[at + RIGHT] as number, depth + 1)
    path[depth >> 3] = (path[depth >> 3] as number) & ~mask
  }
  visit(root, 0)
  return written
}

/** Hashes and counts what was written: leaves first, then inner records from the deepest level up. */
export function rehash(arena: Arena, written: Written, hasher: TreeHasher): void {
  const { leaves, inner } = written
  hashLeaves(arena, leaves.list, hasher, leaves.count)
  for (let depth = inner.length - 1; depth >= 0; depth--) {
    const { list, count } = inner[depth] as Ids
    hashInner(arena, list, hasher, { counts: true, count })
  }
}

/**
 * {@link rehash} of what was taken down since the last call, which then is no longer listed. Nodes are encoded
 * where they were asked for.
 */
export function finishNoted(arena: Arena, written: Written, hasher: TreeHasher): void {
  rehash(arena, written, hasher)
  written.leaves.count = 0
  for (const level of written.inner) level.count = 0
  written.nodes?.forEach(({ ids, values }, level) => {
    encodeInner(arena, ids, level * 4, values)
  })
}

/** Hashes leaf records. */
export function hashLeaves(
  arena: Arena,
  ids: readonly number[],
  hasher: TreeHasher,
  total: number = ids.length,
): void {
  const { words, leafWords } = arena
  const { input } = hasher
  for (let start = 0; start < total; start += hasher.capacity) {
    const count = Math.min(hasher.capacity, total - start)
    for (let i = 0; i < count; i++) {
      const from = (words[(ids[start + i] as number) * RECORD_WORDS + LEFT] as number) * 16
      copy8(leafWords, from, input, i * 16)
      copy8(leafWords, from + 8, input, i * 16 + 8)
    }
    hasher.leaves(count)
    takeHashes(words, hasher.output, { ids, start, count })
  }
}

/** Hashes inner records whose children have their hashes, and with `counts` their leaf counts. */
export function hashInner(
  arena: Arena,
  ids: readonly number[],
  hasher: TreeHasher,
  { counts = false, count: total = ids.length }: { counts?: boolean; count?: number } = {},
): void {
  const { words } = arena
  const { input } = hasher
  for (let start = 0; start < total; start += hasher.capacity) {
    const count = Math.min(hasher.capacity, total - start)
    // Also the first look at children that lie anywhere: a short loop waits for many of them at once.
    if (counts) countLeaves(arena, ids, start, start + count)
    for (let i = 0; i < count; i++) {
      const at = (ids[start + i] as number) * RECORD_WORDS
      copy8(words, (words[at + LEFT] as number) * RECORD_WORDS, input, i * 16)
      copy8(words, (words[at + RIGHT] as number) * RECORD_WORDS, input, i * 16 + 8)
    }
    hasher.internals(count)
    takeHashes(words, hasher.output, { ids, start, count })
  }
}

function countLeaves({ words }: Arena, ids: readonly number[], start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const at = (ids[i] as number) * RECORD_WORDS
    words[at + COUNT] =
      countAt(words, (words[at + LEFT] as number) * RECORD_WORDS) +
      countAt(words, (words[at + RIGHT] as number) * RECORD_WORDS)
  }
}

// The count of a leaf is its place.
function countAt(words: Uint32Array, at: number): number {
  const isLeaf = leafFlag(words[at + KIND] as number)
  return isLeaf | ((words[at + COUNT] as number) & (isLeaf - 1))
}

function takeHashes(
  words: Uint32Array,
  output: Uint32Array,
  { ids, start, count }: { ids: readonly number[]; start: number; count: number },
): void {
  for (let i = 0; i < count; i++)
    copy8(output, i * 8, words, (ids[start + i] as number) * RECORD_WORDS)
}
