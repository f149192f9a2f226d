/** Leaves in key order. */
import { InvalidInputError } from '../../errors/common.js'
import {
  EMPTY,
  keyHashOf,
  kindOf,
  kinds,
  LEFT,
  leafCountOf,
  RECORD_WORDS,
  RIGHT,
  valueHashOf,
} from './arena.js'
import type { View } from './descend.js'

/** A leaf of the tree. */
export type TreeEntry = { keyHash: Uint8Array; valueHash: Uint8Array }

type Frame = { id: number; depth: number; path: Uint8Array }

/**
 * Yields the leaves of a view with a key at or after `from`, ascending.
 *
 * Records of the arena may be given back and used again between two steps. Whenever some were, the
 * way to the next leaf is looked for anew in a view that `reopen` gives, so that an iterator, also
 * one that nobody finishes, holds nothing.
 */
export function iterate(
  first: View,
  options: { from?: Uint8Array | undefined; reopen: () => View },
): Generator<TreeEntry> {
  // Read at the call: records may be used again before the first step.
  return iterateSince(first, first.arena.released, options)
}

function* iterateSince(
  first: View,
  releasedThen: number,
  options: { from?: Uint8Array | undefined; reopen: () => View },
): Generator<TreeEntry> {
  if (first.root === EMPTY) return
  let view = first.arena.released === releasedThen ? first : options.reopen()
  let released = view.arena.released
  let steps = walkFrom(view, options.from ?? new Uint8Array(32))
  for (;;) {
    const { value: entry, done } = steps.next()
    if (done === true) return
    const { keyHash } = entry
    // The caller owns what it is given, and may change it.
    const last = keyHash.slice()
    yield entry
    if (view.arena.released === released) continue
    view = options.reopen()
    released = view.arena.released
    steps = walkFrom(view, last)
    // The leaf of `last` was yielded before.
    steps.next()
  }
}

function* walkFrom(view: View, from: Uint8Array): Generator<TreeEntry, undefined> {
  const { arena } = view
  const stack: Frame[] = [{ id: view.root, depth: 0, path: new Uint8Array(32) }]
  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    const { id, depth, path } = frame
    if (id === EMPTY) continue
    if (kindOf(arena, id) === kinds.leaf) {
      const keyHash = keyHashOf(arena, id)
      if (compare32(keyHash, from) >= 0) yield { keyHash, valueHash: valueHashOf(arena, id) }
      continue
    }
    // All keys below start with `depth` bits of `path`: skip what ends before `from`.
    if (comparePrefix(path, from, depth) < 0) continue
    if (kindOf(arena, id) === kinds.stub) view.load(id, { depth, keys: path, keyAt: 0 })
    const right = path.slice()
    right[depth >> 3] = (right[depth >> 3] as number) | (0x80 >> (depth & 7))
    const at = id * RECORD_WORDS
    stack.push({ id: arena.words[at + RIGHT] as number, depth: depth + 1, path: right })
    stack.push({ id: arena.words[at + LEFT] as number, depth: depth + 1, path })
  }
}

/** The leaf at `index` in key order, or `undefined` past the end. */
export function entryAt(view: View, index: number): TreeEntry | undefined {
  const { arena } = view
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new InvalidInputError({ field: 'index', reason: 'expected an integer from 0 on' })
  }
  if (index >= leafCountOf(arena, view.root)) return undefined
  const path = new Uint8Array(32)
  let rest = index
  let id = view.root
  for (let depth = 0; kindOf(arena, id) !== kinds.leaf; depth++) {
    if (kindOf(arena, id) === kinds.stub) view.load(id, { depth, keys: path, keyAt: 0 })
    const at = id * RECORD_WORDS
    const left = arena.words[at + LEFT] as number
    const before = leafCountOf(arena, left)
    if (rest < before) id = left
    else {
      rest -= before
      id = arena.words[at + RIGHT] as number
      path[depth >> 3] = (path[depth >> 3] as number) | (0x80 >> (depth & 7))
    }
  }
  return { keyHash: keyHashOf(arena, id), valueHash: valueHashOf(arena, id) }
}

/** Orders 32-byte keys. */
export function compare32(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 32; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

/** Orders the first `bits` bits of two keys. */
export function comparePrefix(a: Uint8Array, b: Uint8Array, bits: number): number {
  const bytes = bits >> 3
  for (let i = 0; i < bytes; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  if (bits % 8 === 0) return 0
  const mask = 0xff00 >> (bits & 7)
  return ((a[bytes] as number) & mask & 0xff) - ((b[bytes] as number) & mask & 0xff)
}
