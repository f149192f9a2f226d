/** What one commit did to an arena: counted, listed, and encoded for a store. */
import {
  type Arena,
  allocate,
  COUNT,
  copyLeaf,
  EMPTY,
  kindOf,
  kinds,
  LEFT,
  leafCountOf,
  RECORD_WORDS,
  RIGHT,
  release,
  versionOf,
} from '../tree/arena.js'
import type { View } from '../tree/descend.js'
import { type CommitStats, countStale, visitStale, walkInner } from '../tree/nodes/batch.js'
import { encodeRecord } from '../tree/nodes/node.js'
import { compareNodeKeys, encodeKeyAt, type NodeKey } from '../tree/nodes/nodeKey.js'
import type { StoreCommit } from './store.js'

/** Writes the root again under a new version: nothing below it changed. */
export function copyRoot(arena: Arena, root: number, version: number): number {
  if (kindOf(arena, root) === kinds.leaf) {
    const copy = copyLeaf(arena, root, version)
    arena.words[copy * RECORD_WORDS + COUNT] = 0
    return copy
  }
  const copy = allocate(arena, kinds.internal, version)
  arena.words[copy * RECORD_WORDS + LEFT] = arena.words[root * RECORD_WORDS + LEFT] as number
  arena.words[copy * RECORD_WORDS + RIGHT] = arena.words[root * RECORD_WORDS + RIGHT] as number
  return copy
}

/** Gives back the records of an abandoned version, which are reachable from no root. */
export function discard(arena: Arena, version: number): void {
  for (let id = 1; id < arena.next; id++) {
    if (kindOf(arena, id) !== kinds.free && versionOf(arena, id) === version) release(arena, id)
  }
}

/** Counts what a commit wrote and replaced, as the crate does. */
export function countNodes(
  made: {
    arena: Arena
    base: View
    root: number
    replaced: ReadonlySet<number>
    hadRoot: boolean
  },
  written: { leaves: number[]; inner: number[][] },
): CommitStats {
  let newNodes = written.leaves.length + (made.root === EMPTY ? 1 : 0)
  for (let depth = 0; depth < written.inner.length; depth += 4) {
    newNodes += (written.inner[depth] as number[]).length
  }
  let staleNodes = made.hadRoot && made.base.root === EMPTY ? 1 : 0
  const found = countStale(made.arena, made.base.root, made.replaced)
  staleNodes += found.inner + found.leaves
  return {
    newNodes,
    newLeaves: written.leaves.length,
    staleNodes,
    staleLeaves: found.leaves,
    leaves: leafCountOf(made.arena, made.root),
  }
}

/** What one commit did to an arena. */
export type Made = {
  arena: Arena
  version: number
  oldRoot: number
  root: number
  /** Older records that the commit replaced. */
  replaced: ReadonlySet<number>
  hadRoot: boolean
}

/** Names of the nodes that a commit replaced, ordered. */
export function staleKeys({ arena, version, oldRoot, replaced, hadRoot }: Made): NodeKey[] {
  const keys: NodeKey[] = []
  if (hadRoot && oldRoot === EMPTY)
    keys.push({ version: version - 1, nibbles: 0, path: new Uint8Array(0) })
  visitStale(arena, oldRoot, replaced, (_id, _depth, key) => keys.push(key))
  return keys.sort(compareNodeKeys)
}

/** What a store gets: leaves lie inside their parents, so only a root leaf is a node of its own. */
export function encodeCommit(raw: Made): Pick<StoreCommit, 'nodes' | 'stale'> {
  const { arena, version, oldRoot, root, replaced } = raw
  const nodes: (readonly [Uint8Array, Uint8Array])[] = []
  const isNew = (id: number): boolean => versionOf(arena, id) === version
  if (isInner(arena, root))
    walkInner(arena, root, isNew, (id, depth, key) => {
      nodes.push([key, encodeRecord(arena, id, depth)])
    })
  else nodes.push([encodeKeyAt(version, 0, noPath), encodeRecord(arena, root, 0)])
  const stale: Uint8Array[] = []
  if (isInner(arena, oldRoot))
    walkInner(
      arena,
      oldRoot,
      (id) => replaced.has(id),
      (_id, _depth, key) => stale.push(key),
    )
  else if (oldRoot === EMPTY ? raw.hadRoot : replaced.has(oldRoot))
    stale.push(encodeKeyAt(oldRoot === EMPTY ? version - 1 : versionOf(arena, oldRoot), 0, noPath))
  return { nodes: nodes.sort(byKey), stale: stale.sort(compareBytes) }
}

const noPath = new Uint8Array(0)

function isInner(arena: Arena, id: number): boolean {
  return id !== EMPTY && kindOf(arena, id) !== kinds.leaf
}

type Entry = readonly [key: Uint8Array, value: Uint8Array]

// In the order of the table they go to: each page is written once.
function byKey([a]: Entry, [b]: Entry): number {
  return compareBytes(a, b)
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
