/** What one commit did to an arena: counted, listed, and encoded for a store. */

import type { Applying } from '../tree/apply.js'
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
import { type CommitStats, visitStale } from '../tree/nodes/batch.js'
import { encodeRecord } from '../tree/nodes/encodeRecord.js'
import {
  addKey,
  compareNodeKeys,
  createKeyList,
  encodeKeyAt,
  type KeyList,
  keysOf,
  type NodeKey,
  sortKeys,
} from '../tree/nodes/nodeKey.js'
import { collectWritten, listedIds, type StoredLevel, type Written } from '../tree/rehash.js'
import type { StoreCommit } from './store.js'
import { withWay } from './through.js'

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

/**
 * Gives back what an abandoned commit made below its root. Not all records of its version: another tree may have
 * written that version meanwhile, and this arena have it, loaded or shared.
 */
export function discardMade(arena: Arena, root: number, version: number): void {
  for (const id of listedIds(collectWritten(arena, root, version))) release(arena, id)
}

/** Counts what a commit wrote and replaced, as the crate does. */
export function countNodes(
  made: {
    arena: Arena
    base: View
    root: number
    staleLeaves: number
    hadRoot: boolean
    /** Inner 16-ary nodes that were replaced. */
    inner: number
  },
  written: Written['counts'],
): CommitStats {
  const { inner, staleLeaves } = made
  const staleNodes = inner + staleLeaves + (made.hadRoot && made.base.root === EMPTY ? 1 : 0)
  return {
    newNodes: written.leaves + written.nodes + (made.root === EMPTY ? 1 : 0),
    newLeaves: written.leaves,
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
  /** Older records that the commit replaced. */
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

/** Collects the keys of replaced 16-ary nodes, leaves aside, while a commit is applied. */
export function replacedNodes(
  arena: Arena,
  withKeys: boolean,
): { add: NonNullable<Applying['replaced']>; count(): number; keys(): Iterable<Uint8Array> } {
  // By version and depth, as keys are ordered: a run meets those of one depth in order.
  const byVersion = new Map<number, KeyList[]>()
  let last: { version: number; byDepth: KeyList[] } = { version: -1, byDepth: [] }
  let count = 0
  return {
    add(id, depth, keys, keyAt) {
      count++
      if (!withKeys) return
      const version = versionOf(arena, id)
      if (version !== last.version) {
        last = { version, byDepth: byVersion.get(version) ?? [] }
        byVersion.set(version, last.byDepth)
      }
      const { byDepth } = last
      while (byDepth.length <= depth >> 2) byDepth.push(createKeyList(byDepth.length * 4))
      addKey(byDepth[depth >> 2] as KeyList, version, depth, keys, keyAt)
    },
    count: () => count,
    keys: () => inKeyOrder(byVersion),
  }
}

function inKeyOrder(byVersion: ReadonlyMap<number, KeyList[]>): Iterable<Uint8Array> {
  const lists = [...byVersion.keys()]
    .sort((a, b) => a - b)
    .flatMap((version) => byVersion.get(version) as KeyList[])
  // Those of one depth several runs of a commit may have met in turn.
  for (const list of lists) sortKeys(list)
  return withWay(
    function* () {
      for (const list of lists) yield* keysOf(list)
    },
    (take: (bytes: Uint8Array, from: number, to: number) => void) => {
      for (const { bytes, length, count } of lists)
        for (let i = 0; i < count; i++) take(bytes, i * length, (i + 1) * length)
    },
  )
}

/** What {@link encodeCommit} needs beside the arena: what was written, and names of what went. */
export type Encodable = { written: Written; staleKeys: Iterable<Uint8Array> }

type StoredNode = readonly [Uint8Array, Uint8Array]

/**
 * What a store gets, in the order of the tables it goes to, so that each page is written once.
 * Leaves lie inside their parents, so only a root leaf is a node of its own.
 */
export function encodeCommit(
  { arena, version, oldRoot, root, stale, hadRoot }: Made,
  { written, staleKeys }: Encodable,
): Pick<StoreCommit, 'nodes' | 'stale'> {
  const levels = written.nodes ?? []
  const nodes: Iterable<StoredNode> =
    levels.length === 0
      ? [[encodeKeyAt(version, 0, noPath), encodeRecord(arena, root, 0)]]
      : levelByLevel(levels)
  if (oldRoot === EMPTY && hadRoot) return { nodes, stale: [encodeKeyAt(version - 1, 0, noPath)] }
  // An older leaf at the root is its own node, and the only one there was.
  if (oldRoot !== EMPTY && kindOf(arena, oldRoot) === kinds.leaf && stale.includes(oldRoot))
    return { nodes, stale: [encodeKeyAt(versionOf(arena, oldRoot), 0, noPath)] }
  return { nodes, stale: staleKeys }
}

function levelByLevel(levels: readonly StoredLevel[]): Iterable<StoredNode> {
  return withWay(
    function* () {
      for (const { keys, values } of levels) {
        let i = 0
        for (const key of keysOf(keys)) yield [key, values[i++] as Uint8Array] as const
      }
    },
    (take: (key: Uint8Array, value: Uint8Array) => void) => {
      for (const { keys, values } of levels) {
        const key = new Uint8Array(keys.length)
        for (let i = 0; i < keys.count; i++) {
          let from = i * keys.length
          for (let to = 0; to < key.length; ) key[to++] = keys.bytes[from++] as number
          take(key, values[i] as Uint8Array)
        }
      }
    },
  )
}

const noPath = new Uint8Array(0)
