/** Ways down a resident tree: to one key, with the siblings passed on the way. */
import {
  type Arena,
  EMPTY,
  kindOf,
  kinds,
  LEFT,
  leafOffset,
  RECORD_WORDS,
  RIGHT,
  valueHashOf,
} from './arena.js'
import type { StubPlace } from './resident.js'

/** A version of a tree that can be read. */
export type View = {
  arena: Arena
  root: number
  version: number
  load: (id: number, place: StubPlace) => void
}

/** Loads `id` if it is a stub; `key` leads to it. */
export function ensureLoaded(view: View, id: number, depth: number, key: Uint8Array): void {
  if (id !== EMPTY && kindOf(view.arena, id) === kinds.stub) {
    view.load(id, { depth, keys: key, keyAt: 0 })
  }
}

/** A way down: record ids of the siblings from the root, and where it ends. */
export type Descent = { end: number; depth: number; siblings: number[] }

/** Follows the bits of `key` to a leaf or an empty place. */
export function descend(view: View, key: Uint8Array): Descent {
  const { arena } = view
  const siblings: number[] = []
  let id = view.root
  let depth = 0
  while (id !== EMPTY && kindOf(arena, id) !== kinds.leaf) {
    if (kindOf(arena, id) === kinds.stub) view.load(id, { depth, keys: key, keyAt: 0 })
    const at = id * RECORD_WORDS
    const right = ((key[depth >> 3] as number) >> (7 - (depth & 7))) & 1
    siblings.push(arena.words[at + (right === 1 ? LEFT : RIGHT)] as number)
    id = arena.words[at + (right === 1 ? RIGHT : LEFT)] as number
    depth++
  }
  return { end: id, depth, siblings }
}

/** The value hash of a key, or `undefined`. */
export function lookup(view: View, key: Uint8Array): Uint8Array | undefined {
  const { arena } = view
  let id = view.root
  for (let depth = 0; id !== EMPTY && kindOf(arena, id) !== kinds.leaf; depth++) {
    if (kindOf(arena, id) === kinds.stub) view.load(id, { depth, keys: key, keyAt: 0 })
    const right = ((key[depth >> 3] as number) >> (7 - (depth & 7))) & 1
    id = arena.words[id * RECORD_WORDS + (right === 1 ? RIGHT : LEFT)] as number
  }
  return id !== EMPTY && isLeafOf(arena, id, key) ? valueHashOf(arena, id) : undefined
}

/** Whether leaf `id` is that of `key`. */
export function isLeafOf(arena: Arena, id: number, key: Uint8Array): boolean {
  const at = leafOffset(arena, id)
  for (let i = 31; i >= 0; i--) if (arena.leafBytes[at + i] !== key[i]) return false
  return true
}
