/**
 * Applies sorted runs of writes to a resident tree by copying changed paths.
 *
 * Records written by the commit under way are its own: they are changed in place and given back
 * when they go. Older ones are never touched; those replaced are listed as stale.
 */
import type { TreeHasher } from '../hash/hasher.js'
import { MAX_DEPTH } from '../hash/scheme.js'
import {
  type Arena,
  allocate,
  COUNT,
  copyLeaf,
  EMPTY,
  ENCODED,
  isOf,
  kindOf,
  kinds,
  LEFT,
  leafOffset,
  RECORD_WORDS,
  RIGHT,
  release,
  takeLeaf,
  UNPLACED,
} from './arena.js'
import { finishNoted, noteInner, noteLeaf, type Written } from './rehash.js'
import { copy8 } from './words.js'
import { type Run, WRITE_BYTES, WRITE_WORDS } from './writes.js'

// Leaves: with the paths above them and what lies beside these, about half of what a processor's own cache holds.
const hashedAtOnce = 128

/** State of one commit while it is applied. */
export type Applying = {
  arena: Arena
  version: number
  /** Ids of older records that this commit replaced, and how many of them are leaves. */
  stale: number[]
  staleLeaves: number
  /** Told of those among them that are tops of 16-ary nodes: at `depth` on the path of a key. */
  replaced?: ((id: number, depth: number, keys: Uint8Array, keyAt: number) => void) | undefined
  /**
   * Takes down what is written, as `collectWritten` lists it, where a commit is one run of puts: nothing
   * that such a run makes goes again.
   */
  written?: Written | undefined
  /** Hashes what is written some hundred leaves at a time, while a processor's cache still has them. */
  hasher?: TreeHasher | undefined
  /** Loads a stub that sits at `depth` on the path of the key at byte `keyAt` of `keys`. */
  load: (id: number, at: { depth: number; keys: Uint8Array; keyAt: number }) => void
}

/** Applies one run and returns the id of the new root. The root leaf is not placed yet. */
export function applyRun(state: Applying, root: number, run: Run): number {
  if (run.count === 0) return root
  return run.put
    ? putRange(state, run, root, 0, 0, run.count)
    : deleteRange(state, run, root, 0, 0, run.count)
}

/** Gives a lone root leaf its place. Every other leaf is placed when its parent is made. */
export function placeRoot(state: Applying, root: number): number {
  return root !== EMPTY && kindOf(state.arena, root) === kinds.leaf ? place(state, root, 0) : root
}

function putRange(
  s: Applying,
  run: Run,
  id: number,
  depth: number,
  lo: number,
  hi: number,
): number {
  if (lo === hi) return id
  if (id === EMPTY) return build(s, run, depth, lo, hi)
  const { arena } = s
  const kind = kindOf(arena, id)
  if (kind === kinds.leaf) {
    const at = leafOffset(arena, id)
    if (hi - lo === 1 && sameKey(arena, at, run, lo)) {
      if (isOf(arena, id, s.version)) {
        const from = lo * WRITE_BYTES
        arena.leafBytes.set(run.bytes.subarray(from + 32, from + 64), at + 32)
        return id
      }
      staleLeaf(s, id)
      return newLeaf(s, run, lo)
    }
    const mid = split(run.bytes, lo, hi, depth)
    const right = bitOf(arena.leafBytes, at, depth)
    const left = putRange(s, run, right === 0 ? id : EMPTY, depth + 1, lo, mid)
    const other = putRange(s, run, right === 1 ? id : EMPTY, depth + 1, mid, hi)
    return loneLeaf(arena, left, other) ?? innerOf(s, run, lo, depth, left, other)
  }
  if (hi - lo === 1) return putOne(s, run, id, depth, lo)
  if (kind === kinds.stub) s.load(id, { depth, keys: run.bytes, keyAt: lo * WRITE_BYTES })
  const mid = split(run.bytes, lo, hi, depth)
  let left = arena.words[id * RECORD_WORDS + LEFT] as number
  let right = arena.words[id * RECORD_WORDS + RIGHT] as number
  // A child that stays has its place.
  if (mid > lo) left = placeChild(s, putRange(s, run, left, depth + 1, lo, mid), depth)
  if (hi > mid) right = placeChild(s, putRange(s, run, right, depth + 1, mid, hi), depth)
  return withChildren(s, run, id, depth, lo, left, right)
}

// The inner records on a way down.
const way = new Int32Array(MAX_DEPTH)

// `putRange` of one key, without looking for where keys part: most records of a commit are on such a way.
function putOne(s: Applying, run: Run, start: number, from: number, index: number): number {
  const { arena } = s
  const { bytes } = run
  const keyAt = index * WRITE_BYTES
  let id = start
  let depth = from
  while (id !== EMPTY) {
    const kind = kindOf(arena, id)
    if (kind === kinds.leaf) break
    if (kind === kinds.stub) s.load(id, { depth, keys: bytes, keyAt })
    way[depth] = id
    id = arena.words[id * RECORD_WORDS + LEFT + bitOf(bytes, keyAt, depth)] as number
    depth++
  }
  id = putRange(s, run, id, depth, index, index + 1)
  while (depth > from) {
    const parent = way[--depth] as number
    const right = bitOf(bytes, keyAt, depth)
    const other = arena.words[parent * RECORD_WORDS + RIGHT - right] as number
    const child = placeChild(s, id, depth)
    id =
      right === 1
        ? withChildren(s, run, parent, depth, index, other, child)
        : withChildren(s, run, parent, depth, index, child, other)
  }
  return id
}

// The inner record `id` with other children, which are placed: itself where it is new, otherwise one instead of it.
function withChildren(
  s: Applying,
  run: Run,
  id: number,
  depth: number,
  lo: number,
  left: number,
  right: number,
): number {
  if (!isOf(s.arena, id, s.version)) {
    replace(s, run, id, depth, lo)
    return inner(s, run, lo, depth, left, right, id)
  }
  const { words } = s.arena
  words[id * RECORD_WORDS + LEFT] = left
  words[id * RECORD_WORDS + RIGHT] = right
  return id
}

function build(s: Applying, run: Run, depth: number, lo: number, hi: number): number {
  if (hi - lo === 1) return newLeaf(s, run, lo)
  const mid = split(run.bytes, lo, hi, depth)
  const left = lo === mid ? EMPTY : build(s, run, depth + 1, lo, mid)
  const right = mid === hi ? EMPTY : build(s, run, depth + 1, mid, hi)
  return innerOf(s, run, lo, depth, left, right)
}

function deleteRange(
  s: Applying,
  run: Run,
  id: number,
  depth: number,
  lo: number,
  hi: number,
): number {
  if (lo === hi || id === EMPTY) return id
  const { arena } = s
  const kind = kindOf(arena, id)
  if (kind === kinds.leaf) {
    const at = leafOffset(arena, id)
    for (let i = lo; i < hi; i++) {
      if (!sameKey(arena, at, run, i)) continue
      drop(s, id)
      return EMPTY
    }
    return id
  }
  if (kind === kinds.stub) s.load(id, { depth, keys: run.bytes, keyAt: lo * WRITE_BYTES })
  const mid = split(run.bytes, lo, hi, depth)
  const left = arena.words[id * RECORD_WORDS + LEFT] as number
  const right = arena.words[id * RECORD_WORDS + RIGHT] as number
  const newLeft = deleteRange(s, run, left, depth + 1, lo, mid)
  const newRight = deleteRange(s, run, right, depth + 1, mid, hi)
  const own = isOf(arena, id, s.version)
  if (!own && newLeft === left && newRight === right) return id
  const lone = loneLeaf(arena, newLeft, newRight)
  if (lone !== undefined) {
    if (own) release(arena, id)
    else replace(s, run, id, depth, lo)
    return lone
  }
  const placedLeft = placeChild(s, newLeft, depth)
  return withChildren(s, run, id, depth, lo, placedLeft, placeChild(s, newRight, depth))
}

// An older inner node on the path of key `lo`.
function replace(s: Applying, run: Run, id: number, depth: number, lo: number): void {
  s.stale.push(id)
  if ((depth & 3) === 0) s.replaced?.(id, depth, run.bytes, lo * WRITE_BYTES)
}

// What a node with these children collapses to; `undefined` where it has to be an inner node.
function loneLeaf(arena: Arena, left: number, right: number): number | undefined {
  if (left === EMPTY)
    return right === EMPTY || kindOf(arena, right) === kinds.leaf ? right : undefined
  return right === EMPTY && kindOf(arena, left) === kinds.leaf ? left : undefined
}

// A new inner record, whose children get their places.
function innerOf(
  s: Applying,
  run: Run,
  lo: number,
  depth: number,
  left: number,
  right: number,
): number {
  const placedLeft = placeChild(s, left, depth)
  return inner(s, run, lo, depth, placedLeft, placeChild(s, right, depth))
}

// A new inner record at `depth` on the path of key `lo`, with placed children. `before`: what it is instead of.
function inner(
  s: Applying,
  run: Run,
  lo: number,
  depth: number,
  left: number,
  right: number,
  before: number = EMPTY,
): number {
  const id = allocate(s.arena, kinds.internal, s.version)
  const { words } = s.arena
  words[id * RECORD_WORDS + LEFT] = left
  words[id * RECORD_WORDS + RIGHT] = right
  // Before it is taken down, which may encode it at once, and then says where.
  if (before !== EMPTY && (depth & 3) === 0) {
    const [from, to] = [before * RECORD_WORDS + ENCODED, id * RECORD_WORDS + ENCODED]
    words[to] = words[from] as number
    words[to + 1] = words[from + 1] as number
  }
  if (s.written === undefined) return id
  noteInner(s.written, id, s.version, depth, run.bytes, lo * WRITE_BYTES)
  // What is below a record was taken down before it.
  if (s.hasher !== undefined && s.written.leaves.count >= hashedAtOnce)
    finishNoted(s.arena, s.written, s.hasher)
  return id
}

function placeChild(s: Applying, id: number, parentDepth: number): number {
  if (id === EMPTY || kindOf(s.arena, id) !== kinds.leaf) return id
  return place(s, id, parentDepth + 1)
}

// A leaf of a stored tree is named by its version and place: moved, it is a new node.
function place(s: Applying, id: number, depth: number): number {
  const nibbles = (depth + 3) >> 2
  const current = s.arena.words[id * RECORD_WORDS + COUNT]
  if (current === nibbles) return id
  if (current === UNPLACED || isOf(s.arena, id, s.version)) {
    s.arena.words[id * RECORD_WORDS + COUNT] = nibbles
    return id
  }
  const moved = copyLeaf(s.arena, id, s.version)
  s.arena.words[moved * RECORD_WORDS + COUNT] = nibbles
  staleLeaf(s, id)
  if (s.written !== undefined) noteLeaf(s.written, moved)
  return moved
}

function newLeaf(s: Applying, run: Run, index: number): number {
  const id = takeLeaf(s.arena, s.version)
  const { words, leafWords } = s.arena
  const to = (words[id * RECORD_WORDS + LEFT] as number) * 16
  const from = index * WRITE_WORDS
  copy8(run.words, from, leafWords, to)
  copy8(run.words, from + 8, leafWords, to + 8)
  if (s.written !== undefined) noteLeaf(s.written, id)
  return id
}

function drop(s: Applying, id: number): void {
  if (isOf(s.arena, id, s.version)) release(s.arena, id)
  else staleLeaf(s, id)
}

function staleLeaf(s: Applying, id: number): void {
  s.stale.push(id)
  s.staleLeaves++
}

function sameKey(arena: Arena, leafAt: number, run: Run, index: number): boolean {
  const { leafBytes } = arena
  const { bytes } = run
  const at = index * WRITE_BYTES
  for (let i = 31; i >= 0; i--) if (leafBytes[leafAt + i] !== bytes[at + i]) return false
  return true
}

function bitOf(bytes: Uint8Array, keyAt: number, depth: number): number {
  return ((bytes[keyAt + (depth >> 3)] as number) >> (7 - (depth & 7))) & 1
}

/** First index of [lo, hi) whose key has bit `depth` set. The keys share all bits before it. */
function split(bytes: Uint8Array, lo: number, hi: number, depth: number): number {
  const byte = depth >> 3
  const mask = 0x80 >> (depth & 7)
  let low = lo
  let high = hi
  while (low < high) {
    const mid = (low + high) >>> 1
    if (((bytes[mid * WRITE_BYTES + byte] as number) & mask) === 0) low = mid + 1
    else high = mid
  }
  return low
}
