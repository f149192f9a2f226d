/** Versions of a tree in memory: the roots in an arena, and loading what is only stored. */

import { bytesEqual } from '../../internal/bytes.js'
import { CorruptNodeError } from '../errors.js'
import { hashLeaf, type TreeHasher } from '../hash/hasher.js'
import {
  type Arena,
  allocate,
  allocateLeaf,
  COUNT,
  createArena,
  EMPTY,
  hashOf,
  kindOf,
  kinds,
  LEFT,
  markLoaded,
  RECORD_WORDS,
  RIGHT,
  release,
  versionOf,
} from './arena.js'
import { decodeNode, type NodeChild, type TreeNode } from './nodes/node.js'
import { encodeNodeKey, formatNodeKey, nodeKeyAt } from './nodes/nodeKey.js'
import { hashInner } from './rehash.js'

/** A version in memory: its root record, and the older records it replaced. */
export type ResidentVersion = { root: number; stale: readonly number[] }

/** A tree in memory. Shared by all handles on one memory store. */
export type Resident = {
  arena: Arena
  versions: Map<number, ResidentVersion>
  oldest: number
  latest: number
  hasher: TreeHasher['name'] | undefined
}

/** A tree without any version. */
export function createResident(): Resident {
  return { arena: createArena(), versions: new Map(), oldest: 0, latest: -1, hasher: undefined }
}

/** Reads a stored node; `undefined` where it is not there. */
export type NodeReader = (key: Uint8Array) => Uint8Array | undefined

/** Path of a stub: the first `depth` bits at byte `keyAt` of `keys`. */
export type StubPlace = { depth: number; keys: Uint8Array; keyAt: number }

/**
 * Loads the children of a stub and checks them against its hash, so that a damaged store is
 * noticed before anything is derived from it.
 *
 * @throws {CorruptNodeError} when the node is missing, malformed, or hashes to something else.
 */
export function loadStub(
  arena: Arena,
  id: number,
  place: StubPlace,
  { read, hasher }: { read: NodeReader; hasher: TreeHasher },
): void {
  const key = nodeKeyAt(versionOf(arena, id), place.depth, place.keys, place.keyAt)
  const name = formatNodeKey(key)
  const bytes = read(encodeNodeKey(key))
  if (bytes === undefined) throw new CorruptNodeError({ node: name, reason: 'it is missing' })
  const node = readable(bytes, name)
  if (node.type !== 'internal')
    throw new CorruptNodeError({ node: name, reason: 'it is no inner node' })
  const expected = hashOf(arena, id)
  const made: number[] = []
  const inner: number[][] = [[id], [], [], []]
  const version = key.version

  const slots: (NodeChild | undefined)[] = new Array(16)
  for (const child of node.children) slots[child.nibble] = child
  const slot = (child: NodeChild): number => {
    const nibbles = (place.depth >> 2) + 1
    if (child.leaf !== undefined) {
      const leaf = makeLeaf(arena, { ...child.leaf, version: child.version, nibbles }, hasher)
      made.push(leaf)
      return leaf
    }
    const stub = allocate(arena, kinds.stub, child.version)
    made.push(stub)
    arena.bytes.set(child.hash, stub * RECORD_WORDS * 4)
    arena.words[stub * RECORD_WORDS + COUNT] = child.leafCount
    return stub
  }
  // The same rule as the scheme's: nothing is empty, a lone leaf is lifted, the rest is a pair.
  const make = (start: number, width: number, level: number): number => {
    let only: NodeChild | undefined
    let found = 0
    for (let i = start; i < start + width; i++) {
      if (slots[i] === undefined) continue
      found++
      only = slots[i]
    }
    if (only === undefined) return EMPTY
    if (width === 1 || (found === 1 && only.leaf !== undefined)) return slot(only)
    const parent = allocate(arena, kinds.internal, version)
    made.push(parent)
    ;(inner[level] as number[]).push(parent)
    setChildren(parent, start, width, level)
    return parent
  }
  const setChildren = (parent: number, start: number, width: number, level: number): void => {
    const left = make(start, width / 2, level + 1)
    const right = make(start + width / 2, width / 2, level + 1)
    const at = parent * RECORD_WORDS
    arena.words[at + LEFT] = left
    arena.words[at + RIGHT] = right
    if (parent !== id) arena.words[at + COUNT] = countOf(arena, left) + countOf(arena, right)
  }
  setChildren(id, 0, 16, 0)
  for (let level = 3; level >= 0; level--) hashInner(arena, inner[level] as number[], hasher)
  if (!bytesEqual(hashOf(arena, id), expected)) {
    for (const record of made) release(arena, record)
    arena.bytes.set(expected, id * RECORD_WORDS * 4)
    throw new CorruptNodeError({ node: name, reason: 'its hash is not the one its parent has' })
  }
  markLoaded(arena, id)
}

/** Loads the root record of a stored version. */
export function loadRoot(
  arena: Arena,
  version: number,
  { read, hasher, root }: { read: NodeReader; hasher: TreeHasher; root: Uint8Array },
): number {
  const key = nodeKeyAt(version, 0, new Uint8Array(0))
  const name = formatNodeKey(key)
  const bytes = read(encodeNodeKey(key))
  if (bytes === undefined) throw new CorruptNodeError({ node: name, reason: 'it is missing' })
  const node = readable(bytes, name)
  let id: number
  if (node.type === 'null') id = EMPTY
  else if (node.type === 'leaf') id = makeLeaf(arena, { ...node, version, nibbles: 0 }, hasher)
  else {
    id = allocate(arena, kinds.stub, version)
    arena.bytes.set(root, id * RECORD_WORDS * 4)
    arena.words[id * RECORD_WORDS + COUNT] = node.leafCount
    loadStub(
      arena,
      id,
      { depth: 0, keys: new Uint8Array(0), keyAt: 0 },
      { read: () => bytes, hasher },
    )
  }
  if (!bytesEqual(hashOf(arena, id), root)) {
    throw new CorruptNodeError({ node: name, reason: 'its hash is not the stored root' })
  }
  return id
}

function readable(bytes: Uint8Array, name: string): TreeNode {
  try {
    return decodeNode(bytes)
  } catch (cause) {
    throw new CorruptNodeError({ node: name, reason: 'it cannot be decoded' }, { cause })
  }
}

function makeLeaf(
  arena: Arena,
  leaf: { keyHash: Uint8Array; valueHash: Uint8Array; version: number; nibbles: number },
  hasher: TreeHasher,
): number {
  const id = allocateLeaf(arena, leaf.version, {
    keys: leaf.keyHash,
    keyAt: 0,
    values: leaf.valueHash,
    valueAt: 0,
  })
  arena.words[id * RECORD_WORDS + COUNT] = leaf.nibbles
  arena.bytes.set(hashLeaf(hasher, leaf.keyHash, leaf.valueHash), id * RECORD_WORDS * 4)
  return id
}

function countOf(arena: Arena, id: number): number {
  if (id === EMPTY) return 0
  return kindOf(arena, id) === kinds.leaf ? 1 : (arena.words[id * RECORD_WORDS + COUNT] as number)
}
