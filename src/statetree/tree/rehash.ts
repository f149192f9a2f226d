/** Computes the hashes and leaf counts of the records that a commit wrote. */

import type { TreeHasher } from '../hash/hasher.js'
import {
  type Arena,
  COUNT,
  EMPTY,
  kindOf,
  kinds,
  LEFT,
  leafCountOf,
  RECORD_WORDS,
  RIGHT,
  versionOf,
} from './arena.js'
import { encodeKeyAt } from './nodes/nodeKey.js'

/**
 * What a commit wrote: the ids of its leaves, and of its inner records by depth in bits. `keys`:
 * keys of the records of every fourth depth, where they were asked for.
 */
export type Written = { leaves: number[]; inner: number[][]; keys?: Uint8Array[][] | undefined }

/**
 * Lists the records of `version` below `root`, and fills in leaf counts. Those of one depth come in
 * the order of their keys.
 */
export function collectWritten(
  arena: Arena,
  root: number,
  version: number,
  options: { keys?: boolean | undefined } = {},
): Written {
  const written: Written = { leaves: [], inner: [] }
  const keys: Uint8Array[][] | undefined = options.keys === true ? [] : undefined
  const path = new Uint8Array(33)
  const visit = (id: number, depth: number): number => {
    if (id === EMPTY) return 0
    if (versionOf(arena, id) !== version) return leafCountOf(arena, id)
    if (kindOf(arena, id) === kinds.leaf) {
      written.leaves.push(id)
      return 1
    }
    while (written.inner.length <= depth) written.inner.push([])
    ;(written.inner[depth] as number[]).push(id)
    if (keys !== undefined && depth % 4 === 0) {
      while (keys.length <= depth >> 2) keys.push([])
      ;(keys[depth >> 2] as Uint8Array[]).push(encodeKeyAt(version, depth, path))
    }
    const at = id * RECORD_WORDS
    const left = visit(arena.words[at + LEFT] as number, depth + 1)
    const mask = 0x80 >> (depth & 7)
    path[depth >> 3] = (path[depth >> 3] as number) | mask
    const count = left + visit(arena.words[at + RIGHT] as number, depth + 1)
    path[depth >> 3] = (path[depth >> 3] as number) & ~mask
    arena.words[at + COUNT] = count
    return count
  }
  visit(root, 0)
  return { ...written, keys }
}

/** Hashes what was written: leaves first, then inner records from the deepest level up. */
export function rehash(arena: Arena, written: Written, hasher: TreeHasher): void {
  hashLeaves(arena, written.leaves, hasher)
  for (let depth = written.inner.length - 1; depth >= 0; depth--) {
    hashInner(arena, written.inner[depth] as number[], hasher)
  }
}

/** Hashes leaf records. */
export function hashLeaves(arena: Arena, ids: readonly number[], hasher: TreeHasher): void {
  const { words, leafWords } = arena
  const { input } = hasher
  for (let start = 0; start < ids.length; start += hasher.capacity) {
    const count = Math.min(hasher.capacity, ids.length - start)
    for (let i = 0; i < count; i++) {
      let from = (words[(ids[start + i] as number) * RECORD_WORDS + LEFT] as number) * 16
      let to = i * 16
      for (let j = 0; j < 16; j++) input[to++] = leafWords[from++] as number
    }
    hasher.leaves(count)
    takeHashes(words, hasher.output, { ids, start, count })
  }
}

/** Hashes inner records whose children have their hashes. */
export function hashInner(arena: Arena, ids: readonly number[], hasher: TreeHasher): void {
  const { words } = arena
  const { input } = hasher
  for (let start = 0; start < ids.length; start += hasher.capacity) {
    const count = Math.min(hasher.capacity, ids.length - start)
    for (let i = 0; i < count; i++) {
      const at = (ids[start + i] as number) * RECORD_WORDS
      let left = (words[at + LEFT] as number) * RECORD_WORDS
      let right = (words[at + RIGHT] as number) * RECORD_WORDS
      let to = i * 16
      for (let j = 0; j < 8; j++) input[to++] = words[left++] as number
      for (let j = 0; j < 8; j++) input[to++] = words[right++] as number
    }
    hasher.internals(count)
    takeHashes(words, hasher.output, { ids, start, count })
  }
}

function takeHashes(
  words: Uint32Array,
  output: Uint32Array,
  { ids, start, count }: { ids: readonly number[]; start: number; count: number },
): void {
  let from = 0
  for (let i = 0; i < count; i++) {
    let to = (ids[start + i] as number) * RECORD_WORDS
    for (let j = 0; j < 8; j++) words[to++] = output[from++] as number
  }
}
