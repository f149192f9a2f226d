/** A store in memory: its nodes are the tree's own records, held once. */

import { InvalidInputError } from '../../errors/common.js'
import { copyBytes } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { TreeStoreClosedError } from '../errors.js'
import { bitAt } from '../hash/scheme.js'
import {
  hashOf,
  kindOf,
  kinds,
  LEFT,
  RECORD_WORDS,
  RIGHT,
  releaseList,
  versionOf,
} from '../tree/arena.js'
import { encodeNode, readNode } from '../tree/nodes/node.js'
import { decodeNodeKey } from '../tree/nodes/nodeKey.js'
import { createResident } from '../tree/resident.js'
import { memoryBytes } from './memoryBytes.js'
import {
  assertCommit,
  assertFollows,
  assertNodeKey,
  assertPruning,
  assertRecordName,
  assertRecordPrefix,
  assertRecords,
  type ByteStore,
  type NodeStore,
  type StoreCommit,
} from './store.js'

/**
 * Creates a store in memory. Several trees may be opened on it, one after another or at once; all
 * see the same versions.
 *
 * @param options.bytes - Where value bytes go. Default: memory.
 * @example
 * ```ts
 * import { createStateTree, memoryStore } from '@newton/policy-sdk/statetree'
 *
 * const tree = createStateTree({ store: memoryStore() })
 * ```
 */
export function memoryStore(options: { bytes?: ByteStore | undefined } = {}): NodeStore {
  assertOptions(options, { bytes: 'object' })
  let isClosed = false
  const assertOpen = (): void => {
    if (isClosed) throw new TreeStoreClosedError({ store: 'memory' })
  }
  const resident = createResident()
  const records = new Map<string, Uint8Array>()
  const writeRecords = (writes: StoreCommit['records']): void => {
    assertRecords(writes)
    for (const [name, value] of writes) {
      if (value === null) records.delete(name)
      else records.set(name, copyBytes(value))
    }
  }
  return {
    kind: 'memory',
    bytes: options.bytes ?? memoryBytes(),
    resident,
    range() {
      assertOpen()
      return resident.latest < 0 ? undefined : { oldest: resident.oldest, latest: resident.latest }
    },
    rootHash(version) {
      assertOpen()
      const found = resident.versions.get(version)
      return found === undefined ? undefined : hashOf(resident.arena, found.root)
    },
    getNode(bytes) {
      assertOpen()
      assertNodeKey(bytes)
      const key = decodeNodeKey(bytes)
      // A node lives in every root from its own version until it is replaced.
      const first = Math.max(key.version, resident.oldest)
      let id = resident.versions.get(first)?.root
      if (id === undefined) return undefined
      for (let depth = 0; depth < key.nibbles * 4; depth++) {
        if (id === 0 || kindOf(resident.arena, id) !== kinds.internal) return undefined
        const side: number = bitAt(key.path, depth) === 1 ? RIGHT : LEFT
        id = resident.arena.words[id * RECORD_WORDS + side] as number
      }
      if (id === 0)
        return key.nibbles === 0 && first === key.version ? encodeNode({ type: 'null' }) : undefined
      if (versionOf(resident.arena, id) !== key.version) return undefined
      // Leaves lie inside their parents; only a root leaf is a node of its own.
      if (key.nibbles > 0 && kindOf(resident.arena, id) === kinds.leaf) return undefined
      return encodeNode(readNode(resident.arena, id, key.nibbles * 4))
    },
    record(name) {
      assertOpen()
      assertRecordName('name', name)
      return records.get(name)?.slice()
    },
    recordNames(prefix) {
      assertOpen()
      assertRecordPrefix(prefix)
      return [...records.keys()].filter((name) => name.startsWith(prefix)).sort()
    },
    async commit(commit) {
      assertOpen()
      assertCommit(commit)
      const { version, records: writes, resident: made } = commit
      const { latest, oldest } = resident
      assertFollows(version, latest < 0 ? undefined : { oldest, latest })
      // Without it the version would be there, and nothing of it.
      if (made === undefined)
        throw new InvalidInputError({ field: 'resident', reason: 'expected a commit of a tree' })
      resident.versions.set(version, made)
      if (latest < 0) resident.oldest = version
      resident.latest = version
      writeRecords(writes)
    },
    async writeRecords(writes) {
      assertOpen()
      writeRecords(writes)
    },
    async prune({ oldest, limit }) {
      assertOpen()
      assertPruning({ oldest, limit })
      resident.oldest = Math.max(resident.oldest, oldest)
      let removed = 0
      for (const version of [...resident.versions.keys()].sort((a, b) => a - b)) {
        if (version > oldest) break
        const entry = resident.versions.get(version)
        if (entry === undefined) continue
        const taken = entry.stale.slice(0, limit - removed)
        releaseList(resident.arena, taken)
        removed += taken.length
        const rest = entry.stale.slice(taken.length)
        if (rest.length === 0 && version < oldest) resident.versions.delete(version)
        else resident.versions.set(version, { root: entry.root, stale: rest })
        if (rest.length > 0) return { removed, done: false }
      }
      return { removed, done: true }
    },
    async close() {
      isClosed = true
    },
  }
}
