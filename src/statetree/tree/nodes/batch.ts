/** Lists what a commit wrote and replaced, as the crate's node batch and stale index. */
import {
  type Arena,
  COUNT,
  EMPTY,
  keyHashOf,
  kindOf,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  versionOf,
} from '../arena.js'
import { readNode, type TreeNode } from './node.js'
import { compareNodeKeys, type NodeKey, nodeKeyAt } from './nodeKey.js'

/** The nodes one commit wrote and those it made stale. */
export type TreeBatch = {
  readonly version: number
  /** New nodes, ordered by key. The root is always among them. */
  nodes(): readonly { key: NodeKey; node: TreeNode; hash: Uint8Array }[]
  /** Names of the nodes that this version replaced, ordered. */
  stale(): readonly NodeKey[]
}

/** Counts of one commit, as the crate reports them. */
export type CommitStats = {
  newNodes: number
  newLeaves: number
  staleNodes: number
  staleLeaves: number
  /** Leaves in the tree after the commit. */
  leaves: number
}

type Visitor = (id: number, depth: number, key: NodeKey) => void

/** Calls `visit` for every 16-ary node of `version` below `root`, the empty root included. */
export function visitWritten(arena: Arena, root: number, version: number, visit: Visitor): void {
  walk(arena, root, (id) => versionOf(arena, id) === version, visit)
  if (root === EMPTY) visit(EMPTY, 0, nodeKeyAt(version, 0, new Uint8Array(0)))
}

/** Calls `visit` for every 16-ary node below `root` whose record is in `stale`. */
export function visitStale(
  arena: Arena,
  root: number,
  stale: ReadonlySet<number>,
  visit: Visitor,
): void {
  walk(arena, root, (id) => stale.has(id), visit)
}

function walk(arena: Arena, root: number, matches: (id: number) => boolean, visit: Visitor): void {
  const path = new Uint8Array(33)
  const step = (id: number, depth: number): void => {
    if (id === EMPTY || !matches(id)) return
    if (kindOf(arena, id) === kinds.leaf) {
      const nibbles = arena.words[id * RECORD_WORDS + COUNT] as number
      visit(id, depth, nodeKeyAt(versionOf(arena, id), nibbles * 4, keyHashOf(arena, id)))
      return
    }
    if (depth % 4 === 0) visit(id, depth, nodeKeyAt(versionOf(arena, id), depth, path))
    if (kindOf(arena, id) === kinds.stub) return
    const at = id * RECORD_WORDS
    step(arena.words[at + LEFT] as number, depth + 1)
    const mask = 0x80 >> (depth & 7)
    path[depth >> 3] = (path[depth >> 3] as number) | mask
    step(arena.words[at + RIGHT] as number, depth + 1)
    path[depth >> 3] = (path[depth >> 3] as number) & ~mask
  }
  step(root, 0)
}

/** Lists new nodes in the order of their keys. */
export function listNodes(
  arena: Arena,
  root: number,
  version: number,
): { key: NodeKey; node: TreeNode; hash: Uint8Array }[] {
  const nodes: { key: NodeKey; node: TreeNode; hash: Uint8Array }[] = []
  visitWritten(arena, root, version, (id, depth, key) => {
    const at = id * RECORD_WORDS * 4
    nodes.push({ key, node: readNode(arena, id, depth), hash: arena.bytes.slice(at, at + 32) })
  })
  return nodes.sort((a, b) => compareNodeKeys(a.key, b.key))
}
