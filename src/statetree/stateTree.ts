/** The state tree: versions of a verifiable map, in memory or over a store. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fromUtf8, toHex, utf8 } from '../internal/bytes.js'
import {
  BatchExpiredError,
  CorruptNodeError,
  SnapshotError,
  StoreMismatchError,
  TreeVersionError,
  VersionNotRetainedError,
} from './errors.js'
import { defaultHasher, type TreeHasher } from './hash/hasher.js'
import type { TreeProof } from './proof/proof.js'
import { proveKey, proveTyped } from './proof/prove.js'
import type { TypedProof } from './proof/typedProof.js'
import {
  copyRoot,
  countNodes,
  discard,
  encodeCommit,
  type Made,
  staleKeys,
} from './store/commitRecords.js'
import type { NodeStore, PruneStep, StoreCommit, StoreRange } from './store/store.js'
import { applyRun, placeRoot } from './tree/apply.js'
import {
  type Arena,
  createArena,
  EMPTY,
  hashOf,
  leafCountOf,
  release,
  reserve,
} from './tree/arena.js'
import { type CommitStats, listNodes, type TreeBatch } from './tree/batch.js'
import { lookup, type View } from './tree/descend.js'
import { entryAt, iterate, type TreeEntry } from './tree/iterate.js'
import type { AtVersion, ReadableTree } from './tree/readable.js'
import { collectWritten, rehash } from './tree/rehash.js'
import { createResident, loadRoot, loadStub, type Resident } from './tree/resident.js'
import { type Bytes32, bytes32, prepareWrites, type Run, type TreeWrite } from './tree/writes.js'

/** Options of {@link createStateTree}. */
export type StateTreeOptions = {
  store: NodeStore
  /** Default: keccak-256. A store remembers the hasher it was first written with. */
  hasher?: TreeHasher | undefined
  /** Over a durable store: records kept in memory before the cache starts anew. */
  maxResidentRecords?: number | undefined
}

/** Result of a commit. */
export type CommitResult = { root: Hex; version: number; batch: TreeBatch; stats: CommitStats }

/** A versioned, verifiable map from 32-byte key hashes to 32-byte value hashes. */
export type StateTree = ReadableTree & {
  readonly store: NodeStore
  /** Versions that can be read; `undefined` for a tree without any. */
  range(): StoreRange | undefined
  /** Number of leaves. */
  size(at?: AtVersion): number
  /**
   * Writes a version: all of it, durably, or nothing. Versions follow each other; the first is 0
   * or 1.
   *
   * @throws {TreeVersionError} for a gap or a version that exists.
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
  /** Leaves in key order, from `from` on. */
  entries(options?: AtVersion & { from?: Bytes32 | undefined }): IterableIterator<TreeEntry>
  /** The leaf at `index` in key order. */
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

const hasherRecord = 'tree/hasher'

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
  const { store, hasher = defaultHasher(), maxResidentRecords = 4_000_000 } = options
  assertHasher(store, hasher)
  const backed = store.resident === undefined
  let resident: Resident = store.resident ?? createResident()
  if (store.resident !== undefined) {
    if (resident.hasher !== undefined && resident.hasher !== hasher.name) {
      throw new StoreMismatchError({
        what: 'hasher',
        found: resident.hasher,
        expected: hasher.name,
      })
    }
  }
  // Over a durable store: roots of older versions, each with its own arena, a few at a time.
  const history = new Map<number, { arena: Arena; root: number }>()
  // Records that the last commit replaced: kept until the next one so that its batch can be listed.
  let replaced: { version: number; ids: readonly number[] } = { version: -1, ids: [] }
  let tail: Promise<unknown> = Promise.resolve()

  const read = (key: Uint8Array): Uint8Array | undefined => store.getNode(key)

  const openVersion = (version: number): { arena: Arena; root: number } => {
    const known = resident.versions.get(version)
    if (known !== undefined) return { arena: resident.arena, root: known.root }
    const root = store.rootHash(version)
    if (root === undefined)
      throw new CorruptNodeError({ node: `${version}/`, reason: 'its root is not stored' })
    if (version === store.range()?.latest) {
      const id = loadRoot(resident.arena, version, { read, hasher, root })
      resident.versions.set(version, { root: id, stale: [] })
      return { arena: resident.arena, root: id }
    }
    let view = history.get(version)
    if (view === undefined || view.arena.live > maxResidentRecords) {
      const arena = createArena()
      view = { arena, root: loadRoot(arena, version, { read, hasher, root }) }
    }
    history.delete(version)
    history.set(version, view)
    if (history.size > 4) history.delete(history.keys().next().value as number)
    return view
  }

  const view = (at: AtVersion = {}): View => {
    const range = store.range()
    if (range === undefined) {
      if (at.version !== undefined && at.version !== 0)
        throw notRetained(at.version, { oldest: 0, latest: 0 })
      return { arena: resident.arena, root: EMPTY, version: 0, load: () => {} }
    }
    const version = at.version ?? range.latest
    if (!(version >= range.oldest && version <= range.latest && Number.isInteger(version))) {
      throw notRetained(version, range)
    }
    const { arena, root } = openVersion(version)
    return {
      arena,
      root,
      version,
      load: (id, place) => loadStub(arena, id, place, { read, hasher }),
    }
  }

  const commit: StateTree['commit'] = (writes, { version, records = [] }) => {
    const list = Array.isArray(writes) ? (writes as readonly TreeWrite[]) : [...writes]
    const runs = prepareWrites(list, hasher)
    const result = tail.then(() => {
      assertNext(version, store.range())
      return commitRuns(list, runs, { version, records })
    })
    tail = result.catch(() => {})
    return result
  }

  const restore: StateTree['restore'] = (leaves, { version, root, records }) => {
    const runs = prepareWrites(leaves, hasher)
    const result = tail.then(() => {
      if (store.range() !== undefined) {
        throw new TreeVersionError({
          version,
          expected: 'an empty store',
          reason: 'it has versions already',
        })
      }
      return commitRuns(leaves, runs, { version, records, expected: root })
    })
    tail = result.catch(() => {})
    return result
  }

  const commitRuns = async (
    writes: readonly TreeWrite[],
    runs: readonly Run[],
    {
      version,
      records,
      expected,
    }: { version: number; records: StoreCommit['records']; expected?: Hex | undefined },
  ): Promise<CommitResult> => {
    const range = store.range()
    for (const { value, valueHash } of writes) {
      if (value === undefined) continue
      await store.bytes.put(toHex(bytes32(valueHash ?? hasher.hash(value), 'valueHash')), value)
    }
    if (backed && resident.arena.live > maxResidentRecords) {
      resident = createResident()
      replaced = { version: -1, ids: [] }
    }
    const base = view()
    const { arena } = base
    try {
      const written = apply(base, runs, version, range !== undefined)
      const { root, stale, stats } = written
      const rootHash = hashOf(arena, root)
      if (expected !== undefined && toHex(rootHash) !== expected.toLowerCase()) {
        throw new SnapshotError({ reason: `its leaves have the root ${toHex(rootHash)}` })
      }
      const batch = makeBatch({
        arena,
        version,
        oldRoot: base.root,
        root,
        stale,
        hadRoot: range !== undefined,
      })
      await store.commit({
        version,
        root: rootHash,
        ...(backed ? encodeCommit(batch.raw) : { nodes: [], stale: [] }),
        records: range === undefined ? [...records, [hasherRecord, utf8(hasher.name)]] : records,
      })
      resident.versions.set(version, { root, stale })
      if (resident.latest < 0) resident.oldest = version
      resident.latest = version
      resident.hasher = hasher.name
      if (backed) {
        for (const id of replaced.ids) release(arena, id)
        resident.versions.delete(replaced.version - 1)
        replaced = { version, ids: stale }
      }
      return { root: toHex(rootHash), version, batch: batch.batch, stats }
    } catch (error) {
      discard(arena, version)
      throw error
    }
  }

  const apply = (
    base: View,
    runs: readonly Run[],
    version: number,
    hadRoot: boolean,
  ): { root: number; stale: number[]; stats: CommitStats } => {
    const { arena } = base
    const stale: number[] = []
    let puts = 0
    for (const run of runs) if (run.put) puts += run.count
    if (base.root === EMPTY) reserve(arena, { records: Math.ceil(puts * 2.46), leaves: puts })
    const state = { arena, version, stale, load: base.load }
    let root = base.root
    // As in the crate, a leaf that a delete moves up is written there, even when a later put of
    // the same commit moves it back down.
    for (const run of runs) root = placeRoot(state, applyRun(state, root, run))
    if (root === base.root && root !== EMPTY) {
      // Nothing changed: the root is written again, and the old one can be pruned.
      stale.push(root)
      root = copyRoot(arena, root, version)
    }
    const written = collectWritten(arena, root, version)
    rehash(arena, written, hasher)
    return { root, stale, stats: countNodes({ arena, base, root, stale, hadRoot }, written) }
  }

  const makeBatch = (made: Made): { batch: TreeBatch; raw: Made } => {
    const { arena, version, root } = made
    const assertAlive = (needed: number): void => {
      const oldest = store.range()?.oldest ?? 0
      const gone = backed
        ? resident.arena !== arena || replaced.version !== version
        : needed < oldest
      if (gone) throw new BatchExpiredError({ version })
    }
    return {
      raw: made,
      batch: {
        version,
        nodes() {
          assertAlive(version)
          return listNodes(arena, root, version)
        },
        stale() {
          assertAlive(made.hadRoot ? version - 1 : version)
          return staleKeys(made)
        },
      },
    }
  }

  const at = (keyHash: Bytes32): Uint8Array => bytes32(keyHash, 'keyHash')
  const get: StateTree['get'] = (keyHash, options) => {
    const found = lookup(view(options), at(keyHash))
    return found === undefined ? undefined : toHex(found)
  }
  return {
    hasher,
    store,
    range: () => store.range(),
    root(options) {
      const { arena, root } = view(options)
      return toHex(hashOf(arena, root))
    },
    size(options) {
      const { arena, root } = view(options)
      return leafCountOf(arena, root)
    },
    commit,
    get,
    async value(keyHash, options) {
      const hash = get(keyHash, options)
      return hash === undefined ? undefined : store.bytes.get(hash)
    },
    prove: (keyHash, options) => proveKey(view(options), at(keyHash)),
    proveTyped: (keyHash, options) => proveTyped(view(options), at(keyHash)),
    entries: (options = {}) =>
      iterate(
        view(options),
        options.from === undefined ? undefined : bytes32(options.from, 'from'),
      ),
    entryAt: (index, options) => entryAt(view(options), index),
    prune({ oldest, limit = 10_000 }) {
      const result = tail.then(async () => {
        const range = store.range()
        if (range === undefined) return { removed: 0, done: true }
        if (!Number.isInteger(oldest) || oldest > range.latest) {
          throw new InvalidInputError({
            field: 'oldest',
            reason: `expected a version up to ${range.latest}`,
          })
        }
        if (!Number.isInteger(limit) || limit < 1) {
          throw new InvalidInputError({
            field: 'limit',
            reason: 'expected a positive number of nodes',
          })
        }
        for (const version of history.keys()) if (version < oldest) history.delete(version)
        return store.prune({ oldest: Math.max(oldest, range.oldest), limit })
      })
      tail = result.catch(() => {})
      return result
    },
    view,
    restore,
  }
}

function assertHasher(store: NodeStore, hasher: TreeHasher): void {
  const recorded = store.record(hasherRecord)
  if (recorded === undefined) return
  const found = fromUtf8(recorded)
  if (found !== hasher.name)
    throw new StoreMismatchError({ what: 'hasher', found, expected: hasher.name })
}

function notRetained(version: number, range: StoreRange): VersionNotRetainedError {
  return new VersionNotRetainedError({ version, oldest: range.oldest, latest: range.latest })
}

function assertNext(version: number, range: StoreRange | undefined): void {
  if (!Number.isSafeInteger(version) || version < 0 || version > 2 ** 51) {
    throw new InvalidInputError({ field: 'version', reason: 'expected an integer from 0 to 2^51' })
  }
  if (range === undefined) {
    if (version > 1)
      throw new TreeVersionError({ version, expected: '0 or 1', reason: 'the tree is new' })
    return
  }
  const expected = range.latest + 1
  if (version === expected) return
  const reason = version < expected ? 'it is not after the newest one' : 'it leaves a gap'
  throw new TreeVersionError({ version, expected: String(expected), reason })
}
