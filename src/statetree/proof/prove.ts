/** Makes compact proofs and the crate's typed proofs from a resident tree. */
import {
  type Arena,
  EMPTY,
  hashOf,
  keyHashOf,
  kindOf,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  valueHashOf,
} from '../tree/arena.js'
import { descend, ensureLoaded, isLeafOf, type View } from '../tree/descend.js'
import { copy8 } from '../tree/words.js'
import type { TreeProof } from './proof.js'
import type { TypedProof, TypedSibling } from './typedProof.js'

/** Proves the value of a key, or that it has none. Hashes nothing. */
export function proveKey(view: View, key: Uint8Array): TreeProof {
  const { arena } = view
  const { end, depth, siblings } = descend(view, key)
  let count = 0
  for (const id of siblings) if (id !== EMPTY) count++
  const bytes = new Uint8Array(count * 32)
  const words = new Uint32Array(bytes.buffer)
  let present = 0n
  let bits = 0
  let to = 0
  for (let level = 0; level < depth; level++) {
    const id = siblings[depth - 1 - level] as number
    if (id !== EMPTY) {
      bits |= 1 << (level & 31)
      copy8(arena.words, id * RECORD_WORDS, words, to)
      to += 8
    }
    if ((level & 31) === 31 || level === depth - 1) {
      present |= BigInt(bits >>> 0) << BigInt(level & ~31)
      bits = 0
    }
  }
  if (end === EMPTY) return { type: 'exclusion', depth, present, siblings: bytes }
  if (isLeafOf(arena, end, key)) return { type: 'inclusion', depth, present, siblings: bytes }
  const leaf = { keyHash: keyHashOf(arena, end), valueHash: valueHashOf(arena, end) }
  return { type: 'exclusion', depth, present, siblings: bytes, leaf }
}

/** The crate's form of the same proof: every sibling with what it is made of. */
export function proveTyped(view: View, key: Uint8Array): TypedProof {
  const { arena } = view
  const { end, depth, siblings } = descend(view, key)
  const typed: TypedSibling[] = []
  for (let i = depth - 1; i >= 0; i--) {
    typed.push(typedSibling(view, siblings[i] as number, { depth: i, key }))
  }
  const leaf =
    end === EMPTY
      ? undefined
      : { keyHash: keyHashOf(arena, end), valueHash: valueHashOf(arena, end) }
  return { leaf, siblings: typed }
}

function typedSibling(
  view: View,
  id: number,
  at: { depth: number; key: Uint8Array },
): TypedSibling {
  const { arena } = view
  if (id === EMPTY) return { type: 'null' }
  if (kindOf(arena, id) === kinds.leaf) {
    return { type: 'leaf', keyHash: keyHashOf(arena, id), valueHash: valueHashOf(arena, id) }
  }
  // A stub has to be read for its two halves: its path is the key's with one bit turned.
  const path = at.key.slice()
  path[at.depth >> 3] = (path[at.depth >> 3] as number) ^ (0x80 >> (at.depth & 7))
  ensureLoaded(view, id, at.depth + 1, path)
  const [left, right] = childHashes(arena, id)
  return { type: 'internal', left, right }
}

function childHashes(arena: Arena, id: number): [Uint8Array, Uint8Array] {
  const at = id * RECORD_WORDS
  return [
    hashOf(arena, arena.words[at + LEFT] as number),
    hashOf(arena, arena.words[at + RIGHT] as number),
  ]
}
