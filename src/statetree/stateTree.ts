/** The state tree: versions of a verifiable map, in memory or over a store. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fromUtf8, toHex } from '../internal/bytes.js'
import { assertFunctions, assertOptions } from '../internal/options.js'
import { StoreMismatchError } from './errors.js'
import { defaultHasher, type TreeHasher } from './hash/hasher.js'
import type { TreeProof } from './proof/proof.js'
import { proveKey, proveTyped } from './proof/prove.js'
import type { TypedProof } from './proof/typedProof.js'
import {
  assertNext,
  type CommitResult,
  commitVersion,
  hasherRecord,
} from './store/commitVersion.js'
import {
  assertRecords,
  type NodeStore,
  type PruneStep,
  type StoreCommit,
  type StoreRange,
} from './store/store.js'
import { openVersions } from './store/versions.js'
import { hashOf, leafCountOf } from './tree/arena.js'
import { lookup } from './tree/descend.js'
import { entryAt, iterate, type TreeEntry } from './tree/iterate.js'
import type { AtVersion, ReadableTree } from './tree/readable.js'
import { type Bytes32, bytes32, prepareValues, type TreeWrite } from './tree/writes.js'

export type { CommitResult } from './store/commitVersion.js'

/** Options of {@link createStateTree}. */
export type StateTreeOptions = {
  store: NodeStore
  /** Default: keccak-256. A store remembers the hasher it was first written with. */
  hasher?: TreeHasher | undefined
  /** Over a durable store: records kept in memory before the cache starts anew. */
  maxResidentRecords?: number | undefined
}

/** A versioned, verifiable map from 32-byte key hashes to 32-byte value hashes. */
export type StateTree = ReadableTree & {
  readonly store: NodeStore
  /** Versions that can be read; `undefined` for a tree without any. */
  range(): StoreRange | undefined
  /** Number of leaves. */
  size(at?: AtVersion): number
  /**
   * Writes a version: all of it, durably, or nothing. Versions follow each other; the first is 0
   * or 1. Values are copied at the call, and hashed once.
   *
   * @throws {TreeVersionError} for a gap or a version that exists, also where another tree on the
   * same store wrote it first.
   * @throws {InvalidInputError} naming the malformed `writes[i]`.
   */
  commit(
    writes: Iterable<TreeWrite>,
    options: { version: number; records?: StoreCommit['records'] | undefined },
  ): Promise<CommitResult>
  /** Value hash of a key, or `undefined`. */
  get(keyHash: Bytes32, at?: AtVersion): Hex | undefined
  /** Bytes of a value, from the store's bytes; `undefined` where the key has no value. */
  value(keyHash: Bytes32, at?: AtVersion): Promise<Uint8Array | undefined>
  /** Proves the value of a key, or that it has none. */
  prove(keyHash: Bytes32, at?: AtVersion): TreeProof
  /** The same as the crate's typed proof. */
  proveTyped(keyHash: Bytes32, at?: AtVersion): TypedProof
  /**
   * Leaves in key order, from `from` on. An iterator may be held across commits and prunes: it
   * yields its own version to the end, or throws once that version is pruned.
   *
   * @throws {VersionNotRetainedError} when the version is pruned before the iterator is done.
   */
  entries(options?: AtVersion & { from?: Bytes32 | undefined }): IterableIterator<TreeEntry>
  /**
   * The leaf at `index` in key order; `undefined` past the end.
   *
   * @throws {InvalidInputError} when `index` is no integer from 0 on.
   */
  entryAt(index: number, at?: AtVersion): TreeEntry | undefined
  /**
   * Makes `oldest` the oldest readable version and removes at most `limit` nodes that only older
   * ones need. Call again until `done`.
   */
  prune(parameters: { oldest: number; limit?: number | undefined }): Promise<PruneStep>
  /** @internal Writes the first version of an empty store, whatever its number, if it has `root`. */
  restore(
    leaves: readonly TreeWrite[],
    expected: { version: number; root: Hex; records: StoreCommit['records'] },
  ): Promise<CommitResult>
}

/**
 * Opens a tree on a store.
 *
 * @throws {StoreMismatchError} when the store was written with another hasher.
 * @example
 * ```ts
 * import { createStateTree, memoryStore } from '@newton/policy-sdk/statetree'
 *
 * const tree = createStateTree({ store: memoryStore() })
 * const keyHash = new Uint8Array(32).fill(7)
 * const { root } = await tree.commit([{ keyHash, value: new Uint8Array([1]) }], { version: 1 })
 * tree.get(keyHash)
 * ```
 */
export function createStateTree(options: StateTreeOptions): StateTree {
  assertOptions(
    options,
    { store: 'object', hasher: 'object', maxResidentRecords: { least: 1 } },
    { required: ['store'] },
  )
  assertFunctions('options.store', options.store, storeCalls)
  const { store, hasher = defaultHasher(), maxResidentRecords = 4_000_000 } = options
  assertHasher(store, hasher)
  const versions = openVersions({ store, hasher, maxResidentRecords })
  const { view } = versions
  const inTurn = queue()
  const at = (keyHash: Bytes32): Uint8Array => bytes32(keyHash, 'keyHash')
  const get: StateTree['get'] = (keyHash, atVersion) => {
    const found = lookup(view(atVersion), at(keyHash))
    return found === undefined ? undefined : toHex(found)
  }
  return {
    hasher,
    store,
    view,
    range: () => store.range(),
    root(atVersion) {
      const { arena, root } = view(atVersion)
      return toHex(hashOf(arena, root))
    },
    size(atVersion) {
      const { arena, root } = view(atVersion)
      return leafCountOf(arena, root)
    },
    // Up to the queue nothing waits, so that the caller's arrays are copied at the call.
    async commit(given, options) {
      assertOptions(options, { version: 'any', records: 'list' }, { required: ['version'] })
      const { version, records = [] } = options
      assertRecords(records)
      assertWrites(given)
      const writes = prepareValues(given, hasher)
      return inTurn(async () => {
        assertNext(version, store.range())
        return commitVersion({ store, hasher, versions }, { writes, version, records })
      })
    },
    restore(leaves, { version, root: expected, records }) {
      const writes = prepareValues(leaves, hasher)
      const commit = { writes, version, records, expected }
      return inTurn(() => commitVersion({ store, hasher, versions }, commit))
    },
    get,
    async value(keyHash, atVersion) {
      const hash = get(keyHash, atVersion)
      return hash === undefined ? undefined : store.bytes.get(hash)
    },
    prove: (keyHash, atVersion) => proveKey(view(atVersion), at(keyHash)),
    proveTyped: (keyHash, atVersion) => proveTyped(view(atVersion), at(keyHash)),
    entries(options = {}) {
      assertOptions(options, { version: 'any', from: 'any' })
      const { version: asked, from } = options
      const first = view({ version: asked })
      const { version } = first
      const start = from === undefined ? undefined : bytes32(from, 'from')
      return iterate(first, { from: start, reopen: () => view({ version }) })
    },
    entryAt: (index, atVersion) => entryAt(view(atVersion), index),
    async prune(options) {
      assertOptions(options, { oldest: 'any', limit: 'any' }, { required: ['oldest'] })
      const { oldest, limit = 10_000 } = options
      return inTurn(async () => {
        const range = store.range()
        if (range === undefined) return { removed: 0, done: true }
        assertPrune({ oldest, limit, latest: range.latest })
        versions.forget(oldest)
        return store.prune({ oldest: Math.max(oldest, range.oldest), limit })
      })
    },
  }
}

const storeCalls = [
  'range',
  'rootHash',
  'getNode',
  'record',
  'recordNames',
  'commit',
  'writeRecords',
  'prune',
] as const satisfies readonly (keyof NodeStore)[]

// Runs one piece of work after the other, whatever became of those before.
function queue(): <result>(work: () => Promise<result>) => Promise<result> {
  let tail: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = tail.then(work)
    tail = result.catch(() => {})
    return result
  }
}

function assertWrites(writes: unknown): void {
  const isList = typeof writes === 'object' && writes !== null && Symbol.iterator in writes
  if (!isList) throw new InvalidInputError({ field: 'writes', reason: 'expected a list of writes' })
}

function assertPrune(asked: { oldest: number; limit: number; latest: number }): void {
  if (!Number.isSafeInteger(asked.oldest) || asked.oldest < 0 || asked.oldest > asked.latest) {
    const reason = `expected a version up to ${asked.latest}`
    throw new InvalidInputError({ field: 'oldest', reason })
  }
  if (!Number.isInteger(asked.limit) || asked.limit < 1) {
    throw new InvalidInputError({ field: 'limit', reason: 'expected a positive number of nodes' })
  }
}

function assertHasher(store: NodeStore, hasher: TreeHasher): void {
  const recorded = store.record(hasherRecord)
  if (recorded === undefined) return
  const found = fromUtf8(recorded)
  if (found !== hasher.name)
    throw new StoreMismatchError({ what: 'hasher', found, expected: hasher.name })
}
