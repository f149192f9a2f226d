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
  takeLeaf,
  versionOf,
} from './arena.js'
import { decodeChildren, decodeNode, type StoredChildren } from './nodes/node.js'
import { encodeKeyAt, encodeNodeKey, formatNodeKey, nodeKeyAt } from './nodes/nodeKey.js'
import { hashInner, hashLeaves } from './rehash.js'
import { read8 } from './words.js'

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
  const version = versionOf(arena, id)
  const { depth, keys, keyAt } = place
  const name = (): string => formatNodeKey(nodeKeyAt(version, depth, keys, keyAt))
  const bytes = read(encodeKeyAt(version, depth, keys, keyAt))
  if (bytes === undefined) throw new CorruptNodeError({ node: name(), reason: 'it is missing' })
  const node = readable(() => decodeChildren(bytes), name)
  if (node === undefined)
    throw new CorruptNodeError({ node: name(), reason: 'it is no inner node' })
  // No hash covers versions, and a commit changes in place what has its own.
  if (node.versions.some((child) => child > version))
    throw new CorruptNodeError({ node: name(), reason: 'a child is newer than it is' })
  const expected = hashOf(arena, id)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const loading: Loading = {
    ...{ arena, node, view, version },
    ...{ nibbles: (depth >> 2) + 1, made: [], leaves: [], inner: [[id], [], [], []] },
  }
  setChildren(loading, id, 0, 16, 0)
  hashLeaves(arena, loading.leaves, hasher)
  for (let level = 3; level >= 0; level--)
    hashInner(arena, loading.inner[level] as number[], hasher)
  if (!bytesEqual(hashOf(arena, id), expected)) {
    for (const record of loading.made) release(arena, record)
    arena.bytes.set(expected, id * RECORD_WORDS * 4)
    throw new CorruptNodeError({ node: name(), reason: 'its hash is not the one its parent has' })
  }
  markLoaded(arena, id)
}

/** A stored node on its way into an arena. */
type Loading = {
  arena: Arena
  node: StoredChildren
  view: DataView
  version: number
  /** Depth of its leaves' places. */
  nibbles: number
  /** Ids that go again if its hash is not the one it should have. */
  made: number[]
  leaves: number[]
  /** Inner records by level. */
  inner: number[][]
}

function setChildren(
  l: Loading,
  parent: number,
  start: number,
  width: number,
  level: number,
): void {
  const left = makeChild(l, start, width / 2, level + 1)
  const right = makeChild(l, start + width / 2, width / 2, level + 1)
  const { arena } = l
  const at = parent * RECORD_WORDS
  arena.words[at + LEFT] = left
  arena.words[at + RIGHT] = right
  if (level > 0) arena.words[at + COUNT] = countOf(arena, left) + countOf(arena, right)
}

// The same rule as the scheme's: nothing is empty, a lone leaf is lifted, the rest is a pair.
function makeChild(l: Loading, start: number, width: number, level: number): number {
  const { existence, leaves } = l.node
  const mask = ((1 << width) - 1) << start
  const present = existence & mask
  if (present === 0) return EMPTY
  const isLone = (present & (present - 1)) === 0
  if (width === 1 || (isLone && (leaves & present) !== 0))
    return makeSlot(l, 31 - Math.clz32(present))
  const parent = allocate(l.arena, kinds.internal, l.version)
  l.made.push(parent)
  ;(l.inner[level] as number[]).push(parent)
  setChildren(l, parent, start, width, level)
  return parent
}

function makeSlot({ arena, node, view, nibbles, made, leaves }: Loading, nibble: number): number {
  const version = node.versions[nibble] as number
  const from = node.offsets[nibble] as number
  if ((node.leaves & (1 << nibble)) !== 0) {
    const leaf = takeLeaf(arena, version)
    const { words, leafWords } = arena
    const to = (words[leaf * RECORD_WORDS + LEFT] as number) * 16
    read8(view, from, leafWords, to)
    read8(view, from + 32, leafWords, to + 8)
    words[leaf * RECORD_WORDS + COUNT] = nibbles
    made.push(leaf)
    leaves.push(leaf)
    return leaf
  }
  const stub = allocate(arena, kinds.stub, version)
  made.push(stub)
  const at = stub * RECORD_WORDS
  read8(view, from, arena.words, at)
  arena.words[at + COUNT] = node.counts[nibble] as number
  return stub
}

/** Loads the root record of a stored version. */
export function loadRoot(
  arena: Arena,
  version: number,
  { read, hasher, root }: { read: NodeReader; hasher: TreeHasher; root: Uint8Array },
): number {
  const key = nodeKeyAt(version, 0, new Uint8Array(0))
  const name = (): string => formatNodeKey(key)
  const bytes = read(encodeNodeKey(key))
  if (bytes === undefined) throw new CorruptNodeError({ node: name(), reason: 'it is missing' })
  const node = readable(() => decodeNode(bytes), name)
  let id: number
  if (node.type === 'null') id = EMPTY
  else if (node.type === 'leaf') id = makeLeaf(arena, { ...node, version, nibbles: 0 }, hasher)
  else {
    id = allocate(arena, kinds.stub, version)
    arena.bytes.set(root, id * RECORD_WORDS * 4)
    arena.words[id * RECORD_WORDS + COUNT] = node.leafCount
    try {
      const place = { depth: 0, keys: new Uint8Array(0), keyAt: 0 }
      loadStub(arena, id, place, { read: () => bytes, hasher })
    } catch (error) {
      release(arena, id)
      throw error
    }
  }
  if (!bytesEqual(hashOf(arena, id), root)) {
    if (id !== EMPTY) release(arena, id)
    throw new CorruptNodeError({ node: name(), reason: 'its hash is not the stored root' })
  }
  return id
}

function readable<node>(decode: () => node, name: () => string): node {
  try {
    return decode()
  } catch (cause) {
    throw new CorruptNodeError({ node: name(), reason: 'it cannot be decoded' }, { cause })
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
