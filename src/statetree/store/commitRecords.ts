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
import { type CommitStats, visitStale, visitWritten } from '../tree/nodes/batch.js'
import { encodeNode, readNode } from '../tree/nodes/node.js'
import { compareNodeKeys, encodeNodeKey, type NodeKey } from '../tree/nodes/nodeKey.js'
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
  made: { arena: Arena; base: View; root: number; stale: readonly number[]; hadRoot: boolean },
  written: { leaves: number[]; inner: number[][] },
): CommitStats {
  let newNodes = written.leaves.length + (made.root === EMPTY ? 1 : 0)
  for (let depth = 0; depth < written.inner.length; depth += 4) {
    newNodes += (written.inner[depth] as number[]).length
  }
  let staleNodes = made.hadRoot && made.base.root === EMPTY ? 1 : 0
  let staleLeaves = 0
  visitStale(made.arena, made.base.root, new Set(made.stale), (id) => {
    staleNodes++
    if (kindOf(made.arena, id) === kinds.leaf) staleLeaves++
  })
  return {
    newNodes,
    newLeaves: written.leaves.length,
    staleNodes,
    staleLeaves,
    leaves: leafCountOf(made.arena, made.root),
  }
}

/** What one commit did to an arena. */
export type Made = {
  arena: Arena
  version: number
  oldRoot: number
  root: number
  stale: readonly number[]
  hadRoot: boolean
}

/** Names of the nodes that a commit replaced, ordered. */
export function staleKeys({ arena, version, oldRoot, stale, hadRoot }: Made): NodeKey[] {
  const keys: NodeKey[] = []
  if (hadRoot && oldRoot === EMPTY)
    keys.push({ version: version - 1, nibbles: 0, path: new Uint8Array(0) })
  visitStale(arena, oldRoot, new Set(stale), (_id, _depth, key) => keys.push(key))
  return keys.sort(compareNodeKeys)
}

/** What a store gets: leaves lie inside their parents, so only a root leaf is a node of its own. */
export function encodeCommit(raw: Made): Pick<StoreCommit, 'nodes' | 'stale'> {
  const { arena, version, oldRoot, root } = raw
  const nodes: (readonly [Uint8Array, Uint8Array])[] = []
  visitWritten(arena, root, version, (id, depth, key) => {
    if (key.nibbles > 0 && kindOf(arena, id) === kinds.leaf) return
    nodes.push([encodeNodeKey(key), encodeNode(readNode(arena, id, depth))])
  })
  const stale: Uint8Array[] = []
  if (raw.hadRoot && oldRoot === EMPTY) {
    stale.push(encodeNodeKey({ version: version - 1, nibbles: 0, path: new Uint8Array(0) }))
  }
  visitStale(arena, oldRoot, new Set(raw.stale), (id, _depth, key) => {
    if (key.nibbles > 0 && kindOf(arena, id) === kinds.leaf) return
    stale.push(encodeNodeKey(key))
  })
  return { nodes, stale }
}
