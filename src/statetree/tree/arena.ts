/**
 * Resident nodes: a persistent binary tree in flat typed arrays.
 *
 * The 16-ary nodes of the scheme are a way to store the tree; in memory every inner hash of a
 * 16-ary node is a record of its own, so that a commit hashes changed paths only and a proof
 * hashes nothing. Changed paths are copied, so every retained version stays readable.
 *
 * A record has 16 words, a line of a processor's cache: hash (8), left, right, version (low 32 bits),
 * kind and version (high), leaf count, where its encoding lies (2), and one that is not used. Leaves have 16
 * words more in a second array: key hash and value hash.
 */

import { PLACEHOLDER_HASH } from '../hash/scheme.js'
import { createGrowable, type Growable } from './growable.js'
import { createSlabs, type Slabs } from './nodes/slabs.js'
import { copy8 } from './words.js'

/** Words of a record. */
export const RECORD_WORDS = 16
/** Word of the left child; in a leaf, the index of its key and value hash. */
export const LEFT = 8
/** Word of the right child. */
export const RIGHT = 9
/** Word of the version's low 32 bits. */
export const VERSION = 10
/** Word of the kind, in its low byte. */
export const KIND = 11
/** Word of the number of leaves below; in a leaf, the nibbles of its place in a stored tree. */
export const COUNT = 12

/**
 * Of the top record of a 16-ary node: number of the slab that has its encoding, or that of the node it
 * replaces, or 0; the next word is where in the slab.
 */
export const ENCODED = 13

/** Id of the empty subtree. */
export const EMPTY = 0
/** Kinds of record. A stub is a stored 16-ary node that is not loaded: it has a hash, no children. */
export const kinds = { free: 0, leaf: 1, internal: 2, stub: 3 } as const
/** Nibble depth of a leaf that has no place yet. */
export const UNPLACED = 255

/** Flat storage of records. Arrays are replaced when they grow: re-read them after an allocation. */
export type Arena = {
  words: Uint32Array
  bytes: Uint8Array
  leafWords: Uint32Array
  leafBytes: Uint8Array
  /** First id never used. */
  next: number
  leafNext: number
  /** Ids that were given back, and of leaves their place in `leafWords`. */
  free: number[]
  leafFree: number[]
  /** Ids that were given back together, the first of them from `listAt` on: not looked at until they are taken. */
  lists: (readonly number[])[]
  listAt: number
  /** Records in use. */
  live: number
  /** How often a record was given back: while it stays, ids mean what they meant. */
  released: number
  records: Growable
  leaves: Growable
  /** Encoded nodes, of trees that are stored. */
  slabs: Slabs
}

/** Creates an arena with room for `records` records. */
export function createArena(records = 64): Arena {
  const growable = createGrowable(records * RECORD_WORDS)
  const leaves = createGrowable(records * 16)
  const arena: Arena = {
    words: growable.words,
    bytes: growable.bytes,
    leafWords: leaves.words,
    leafBytes: leaves.bytes,
    next: 1,
    leafNext: 0,
    free: [],
    leafFree: [],
    lists: [],
    listAt: 0,
    live: 0,
    released: 0,
    records: growable,
    leaves,
    slabs: createSlabs(),
  }
  // Record 0 is the empty subtree, so that hashing reads its hash like any other.
  arena.bytes.set(PLACEHOLDER_HASH)
  return arena
}

/** Makes room for `records` further records and `leaves` further leaves at once. */
export function reserve(
  arena: Arena,
  { records, leaves }: { records: number; leaves: number },
): void {
  const needed = (arena.next + records) * RECORD_WORDS
  if (needed > arena.words.length) growRecords(arena, needed)
  const leafNeeded = (arena.leafNext + leaves) * 16
  if (leafNeeded > arena.leafWords.length) growLeaves(arena, leafNeeded)
}

function growRecords(arena: Arena, needed: number): void {
  arena.records.grow(needed)
  arena.words = arena.records.words
  arena.bytes = arena.records.bytes
}

function growLeaves(arena: Arena, needed: number): void {
  arena.leaves.grow(needed)
  arena.leafWords = arena.leaves.words
  arena.leafBytes = arena.leaves.bytes
}

/** Takes a record. Its hash and children are whatever they were. */
export function allocate(arena: Arena, kind: number, version: number): number {
  let id = arena.free.pop() ?? takeListed(arena)
  if (id === undefined) {
    id = arena.next++
    if (arena.next * RECORD_WORDS > arena.words.length)
      growRecords(arena, arena.next * RECORD_WORDS)
  }
  arena.live++
  const at = id * RECORD_WORDS
  arena.words[at + VERSION] = version >>> 0
  arena.words[at + KIND] =
    version < 0x100000000 ? kind : kind | (Math.floor(version / 0x100000000) << 8)
  arena.words[at + ENCODED] = 0
  return id
}

// In the order in which they were listed, which is that of keys: what is near in a tree comes to lie near.
function takeListed(arena: Arena): number | undefined {
  const [list] = arena.lists
  if (list === undefined) return undefined
  const id = list[arena.listAt++] as number
  if (arena.listAt === list.length) {
    arena.lists.shift()
    arena.listAt = 0
  }
  if (kindOf(arena, id) === kinds.leaf)
    arena.leafFree.push(arena.words[id * RECORD_WORDS + LEFT] as number)
  return id
}

/** Takes a record of a leaf. Its key hash and value hash, at {@link leafOffset}, are whatever they were. */
export function takeLeaf(arena: Arena, version: number): number {
  const id = allocate(arena, kinds.leaf, version)
  let leaf = arena.leafFree.pop()
  if (leaf === undefined) {
    leaf = arena.leafNext++
    if (arena.leafNext * 16 > arena.leafWords.length) growLeaves(arena, arena.leafNext * 16)
  }
  arena.words[id * RECORD_WORDS + LEFT] = leaf
  arena.words[id * RECORD_WORDS + COUNT] = UNPLACED
  return id
}

/** Takes a record of a leaf and copies its key hash and value hash from byte arrays. */
export function allocateLeaf(
  arena: Arena,
  version: number,
  source: { keys: Uint8Array; keyAt: number; values: Uint8Array; valueAt: number },
): number {
  const id = takeLeaf(arena, version)
  const { keys, keyAt, values, valueAt } = source
  const at = leafOffset(arena, id)
  arena.leafBytes.set(keys.subarray(keyAt, keyAt + 32), at)
  arena.leafBytes.set(values.subarray(valueAt, valueAt + 32), at + 32)
  return id
}

/** Copies a leaf under a new version, hash included. */
export function copyLeaf(arena: Arena, id: number, version: number): number {
  // It may grow the arrays, so that offsets and arrays are read after it.
  const copy = takeLeaf(arena, version)
  const from = leafOffset(arena, id)
  arena.leafBytes.copyWithin(leafOffset(arena, copy), from, from + 64)
  copyHash(arena, id, copy)
  return copy
}

/** Gives a record back. Its id will be used again. */
export function release(arena: Arena, id: number): void {
  const at = id * RECORD_WORDS
  if (kindOf(arena, id) === kinds.leaf) arena.leafFree.push(arena.words[at + LEFT] as number)
  arena.words[at + KIND] = kinds.free
  arena.free.push(id)
  arena.live--
  arena.released++
}

/** Gives back many records, which nobody reads any more. The list is the arena's from then on. */
export function releaseList(arena: Arena, ids: readonly number[]): void {
  if (ids.length === 0) return
  arena.lists.push(ids)
  arena.live -= ids.length
  arena.released += ids.length
}

/**
 * Gives back the records of `version` and later ones, where work on them ended half-way: they are reachable from
 * no root.
 */
export function discard(arena: Arena, version: number): void {
  for (let id = 1; id < arena.next; id++)
    if (kindOf(arena, id) !== kinds.free && versionOf(arena, id) >= version) release(arena, id)
}

/** Kind of a record. The empty subtree has none: test for {@link EMPTY} first. */
export function kindOf(arena: Arena, id: number): number {
  return (arena.words[id * RECORD_WORDS + KIND] as number) & 0xff
}

/**
 * 1 where a record's {@link KIND} word is that of a leaf, otherwise 0. Without a branch: a processor that
 * guesses wrong about a record it still waits for has nothing else to wait for meanwhile.
 */
export function leafFlag(kindWord: number): number {
  return kindWord & 1 & ~(kindWord >> 1)
}

/** Turns a stub into a loaded inner node. */
export function markLoaded(arena: Arena, id: number): void {
  const at = id * RECORD_WORDS + KIND
  arena.words[at] = ((arena.words[at] as number) & ~0xff) | kinds.internal
}

/** Version under which a record was written. */
export function versionOf(arena: Arena, id: number): number {
  const at = id * RECORD_WORDS
  const high = (arena.words[at + KIND] as number) >>> 8
  const low = arena.words[at + VERSION] as number
  return high === 0 ? low : low + high * 0x100000000
}

/** Whether a record was written under `version`. */
export function isOf(arena: Arena, id: number, version: number): boolean {
  const at = id * RECORD_WORDS
  // The low word tells nearly always.
  return arena.words[at + VERSION] === version >>> 0 && versionOf(arena, id) === version
}

/** Byte offset of a leaf's key hash in `leafBytes`; the value hash follows. */
export function leafOffset(arena: Arena, id: number): number {
  return (arena.words[id * RECORD_WORDS + LEFT] as number) * 64
}

/** Number of leaves at or below a record. */
export function leafCountOf(arena: Arena, id: number): number {
  if (id === EMPTY) return 0
  if (kindOf(arena, id) === kinds.leaf) return 1
  return arena.words[id * RECORD_WORDS + COUNT] as number
}

/** A copy of a record's hash. */
export function hashOf(arena: Arena, id: number): Uint8Array {
  const at = id * RECORD_WORDS * 4
  return arena.bytes.slice(at, at + 32)
}

/** A copy of a leaf's key hash. */
export function keyHashOf(arena: Arena, id: number): Uint8Array {
  const at = leafOffset(arena, id)
  return arena.leafBytes.slice(at, at + 32)
}

/** A copy of a leaf's value hash. */
export function valueHashOf(arena: Arena, id: number): Uint8Array {
  const at = leafOffset(arena, id) + 32
  return arena.leafBytes.slice(at, at + 32)
}

function copyHash({ words }: Arena, from: number, to: number): void {
  copy8(words, from * RECORD_WORDS, words, to * RECORD_WORDS)
}
