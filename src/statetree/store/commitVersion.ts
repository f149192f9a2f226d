/** One commit: values stored, writes applied, nodes hashed, and all of it handed to the store. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { BatchExpiredError, SnapshotError, TreeVersionError } from '../errors.js'
import type { TreeHasher } from '../hash/hasher.js'
import { applyRun, placeRoot } from '../tree/apply.js'
import { discard, EMPTY, hashOf, kindOf, kinds, reserve } from '../tree/arena.js'
import type { View } from '../tree/descend.js'
import { type CommitStats, listNodes, type TreeBatch } from '../tree/nodes/batch.js'
import { collectWritten, finishNoted, noneWritten } from '../tree/rehash.js'
import type { PreparedWrites, Run } from '../tree/writes.js'
import {
  copyRoot,
  countNodes,
  discardMade,
  type Encodable,
  encodeCommit,
  type Made,
  replacedNodes,
  staleKeys,
} from './commitRecords.js'
import { assertFollows, type NodeStore, type StoreCommit, type StoreRange } from './store.js'
import type { Versions } from './versions.js'

/** Result of a commit. */
export type CommitResult = { root: Hex; version: number; batch: TreeBatch; stats: CommitStats }

/** What commits are made on. */
export type Committing = { store: NodeStore; hasher: TreeHasher; versions: Versions }

/** The record that says which hasher a store was written with. */
export const hasherRecord = 'tree/hasher'

/**
 * Writes one version: all of it, durably, or nothing.
 *
 * @param commit.expected - The root it has to have, for the first version of a restored store.
 */
export async function commitVersion(
  { store, hasher, versions }: Committing,
  commit: {
    writes: PreparedWrites
    version: number
    records: StoreCommit['records']
    expected?: Hex | undefined
  },
): Promise<CommitResult> {
  const { writes, version, expected } = commit
  for (const { name, bytes, checked } of writes.values) {
    await store.bytes.put(name, bytes, { checked })
  }
  versions.trim()
  // From here to the store's own check nothing else runs in this process.
  const range = store.range()
  if (expected === undefined) assertNext(version, range)
  else assertEmpty(version, range)
  const base = versions.view()
  const { arena } = base
  let made: Applied | undefined
  try {
    const hadRoot = range !== undefined
    const { backed } = versions
    made = apply(base, writes.runs, { version, hadRoot, hasher, backed })
    const { root, stale, stats } = made
    const rootHash = hashOf(arena, root)
    if (expected !== undefined && toHex(rootHash) !== expected.toLowerCase()) {
      throw new SnapshotError({ reason: `its leaves have the root ${toHex(rootHash)}` })
    }
    const raw: Made = { arena, version, oldRoot: base.root, root, stale, hadRoot }
    const first: StoreCommit['records'] = hadRoot ? [] : [[hasherRecord, utf8(hasher.name)]]
    await store.commit({
      version,
      root: rootHash,
      ...(backed ? encodeCommit(raw, made) : { nodes: [], stale: [] }),
      records: [...commit.records, ...first],
      resident: backed ? undefined : { root, stale },
    })
    versions.add(version, { root, stale })
    return { root: toHex(rootHash), version, batch: batchOf(raw, versions), stats }
  } catch (error) {
    if (made === undefined) discard(arena, version)
    else discardMade(arena, made.root, version)
    throw error
  }
}

type Applied = Encodable & { root: number; stale: number[]; stats: CommitStats }

function apply(
  base: View,
  runs: readonly Run[],
  options: { version: number; hadRoot: boolean; hasher: TreeHasher; backed: boolean },
): Applied {
  const { version, hadRoot, hasher, backed } = options
  const { arena } = base
  const stale: number[] = []
  let puts = 0
  for (const run of runs) if (run.put) puts += run.count
  if (base.root === EMPTY) reserve(arena, { records: Math.ceil(puts * 2.46), leaves: puts })
  const old = replacedNodes(arena, backed)
  const isOneRun = runs.length === 1 && runs[0]?.put === true
  const noted = isOneRun ? noneWritten({ keys: backed }) : undefined
  const noting = { replaced: old.add, written: noted, hasher }
  const state = { arena, version, stale, staleLeaves: 0, load: base.load, ...noting }
  let root = base.root
  // As in the crate, a leaf that a delete moves up is written there, even when a later put of
  // the same commit moves it back down.
  for (const run of runs) root = placeRoot(state, applyRun(state, root, run))
  if (root === base.root && root !== EMPTY) {
    // Nothing changed: the root is written again, and the old one can be pruned.
    stale.push(root)
    if (kindOf(arena, root) === kinds.leaf) state.staleLeaves++
    else old.add(root, 0, noPath, 0)
    root = copyRoot(arena, root, version)
  }
  const written = noted ?? collectWritten(arena, root, version, { keys: backed })
  finishNoted(arena, written, hasher)
  const { staleLeaves } = state
  const counted = { arena, base, root, staleLeaves, hadRoot, inner: old.count() }
  return { root, stale, written, staleKeys: old.keys(), stats: countNodes(counted, written.counts) }
}

const noPath = new Uint8Array(0)

function batchOf(made: Made, versions: Versions): TreeBatch {
  const { arena, version, root, hadRoot } = made
  const assertListable = (needed: number): void => {
    if (!versions.listable({ arena, version, needed })) throw new BatchExpiredError({ version })
  }
  return {
    version,
    nodes() {
      assertListable(version)
      return listNodes(arena, root, version)
    },
    stale() {
      assertListable(hadRoot ? version - 1 : version)
      return staleKeys(made)
    },
  }
}

/** Checks the version of a commit. */
export function assertNext(version: number, range: StoreRange | undefined): void {
  if (!Number.isSafeInteger(version) || version < 0 || version > 2 ** 51) {
    throw new InvalidInputError({ field: 'version', reason: 'expected an integer from 0 to 2^51' })
  }
  if (range === undefined && version > 1)
    throw new TreeVersionError({ version, expected: '0 or 1', reason: 'the tree is new' })
  assertFollows(version, range)
}

function assertEmpty(version: number, range: StoreRange | undefined): void {
  if (range === undefined) return
  const reason = 'it has versions already'
  throw new TreeVersionError({ version, expected: 'an empty store', reason })
}
