/**
 * A tree in LMDB: nodes, roots, stale index and records; value bytes beside it as files.
 *
 * ```
 * nodes    version(8, BE) ‖ nibbles(1) ‖ path           → node
 * roots    version(8, BE)                               → root(32)
 * stale    staleSince(8, BE) ‖ index(4, BE)             → keys of nodes, a length(1) before each
 * records  name                                         → bytes
 * meta     "layout" → 2, "range" → oldest(8, BE) ‖ latest(8, BE), "writer" → who may write
 * ```
 * One transaction a commit: whenever the process dies, a reopened store has the old version or the
 * new one, whole. Who writes, and which version is next, is checked inside that transaction.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { isPolicySdkError } from '../../errors/base.js'
import { DatabaseDamagedError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { makeDirectory } from '../../internal/node/directories.js'
import { damageOf, undamaged } from '../../internal/node/lmdb/lmdbFaults.js'
import { openLmdb } from '../../internal/node/lmdb/openLmdb.js'
import { assertOptions } from '../../internal/options.js'
import { StoreMismatchError, StoreWriteError, TreeStoreClosedError } from '../errors.js'
import {
  assertCommit,
  assertFollows,
  assertNodeKey,
  assertPruning,
  assertRecordName,
  assertRecordPrefix,
  assertRecords,
  type ByteStore,
  isVersion,
  type NodeStore,
  type PruneStep,
  type StoreCommit,
  type StoreRange,
} from '../store/store.js'
import { throughNodes } from '../store/through.js'
import { fileBytes } from './fileBytes.js'
import { appender, packNames, pruneNodes, staleKey } from './staleNames.js'
import { type WriterLock, writerLock } from './writerLock.js'

type Table = Database<Uint8Array, Uint8Array>

type Tables = {
  path: string
  root: RootDatabase
  nodes: Table
  roots: Table
  stale: Table
  records: Table
  meta: Table
}

const layout = '2'
const layoutKey = utf8('layout')
const rangeKey = utf8('range')
const writerKey = utf8('writer')

/** A store on disk. */
export type LmdbStore = NodeStore & {
  /** Bytes of the database file in use. Value bytes are not counted. */
  diskBytes(): number
}

/**
 * Opens or creates a store in a directory. One handle at a time writes to it: a second one, in
 * this process or another, is refused while the first may still run, and told who has it. A handle
 * that was given up by a killed process is taken over.
 *
 * @param options.bytes - Where value bytes go, such as a directory that several chains share.
 * Default: files under `<path>/bytes`.
 * @param options.checkAll - Whether each page in use is looked at before LMDB opens the database, about 2 s a GiB:
 * LMDB ends the process at a page that is damaged. Without it this is done up to 64 MiB of leaves, and of a larger
 * database the branches alone are looked at, about 0.3 s a GiB.
 * @throws {MissingPeerError} when the optional peer `lmdb` is not installed.
 * @throws {DatabaseDamagedError} for a file that LMDB cannot open.
 * @throws {DatabaseUnavailableError} where its files cannot be made, read or written.
 * @throws {StoreMismatchError} for a directory written with another layout.
 * @throws {StoreLockedError} when another process, or another handle, has the store.
 * @throws {TreeStoreClosedError} from every call after `close`.
 * @throws {StoreWriteError} from any write when the disk is full or fails. What was there is whole,
 * and the same handle goes on once there is room.
 * @example
 * ```ts
 * import { createStateTree } from '@newton/policy-sdk/statetree'
 * import { lmdbStore } from '@newton/policy-sdk/statetree/node'
 *
 * const tree = createStateTree({ store: await lmdbStore({ path: './state' }) })
 * ```
 */
export async function lmdbStore(options: {
  path: string
  bytes?: ByteStore | undefined
  checkAll?: boolean | undefined
}): Promise<LmdbStore> {
  assertOptions(
    options,
    { path: 'text', bytes: 'object', checkAll: 'flag' },
    { required: ['path'] },
  )
  const { path } = options
  await makeFolder(path)
  await assertNotEmptied(path)
  const bytes = options.bytes ?? (await fileBytes({ directory: join(path, 'bytes') }))
  const tables = await openTables(path, options.checkAll)
  const { root, roots, meta } = tables
  const lock = writerLock(
    {
      read: () => meta.get(writerKey),
      write: (value) => meta.put(writerKey, value),
      remove: () => meta.remove(writerKey),
    },
    path,
  )
  try {
    transact(tables, () => {
      checkLayout(meta)
      lock.claim()
    })
  } catch (error) {
    await root.close()
    throw error
  }
  const file = join(path, 'tree.mdb')
  let closing: Promise<void> | undefined
  /** What LMDB says of a handle that is closed is no error of ours. */
  const opened = <result>(work: () => result): result => {
    if (closing !== undefined) throw new TreeStoreClosedError({ store: 'LMDB' })
    return undamaged(file, work)
  }
  const write = <result>(work: () => result): result =>
    opened(() =>
      transact(tables, () => {
        lock.assertHeld()
        return work()
      }),
    )
  return {
    kind: 'lmdb',
    bytes,
    range: () => opened(() => readRange(tables)),
    rootHash: (version) =>
      opened(() => (isVersion(version) ? read(roots, be8(version)) : undefined)),
    getNode: (key) => opened(() => readNode(tables, key)),
    record: (name) => opened(() => readRecord(tables, name)),
    recordNames: (prefix) => opened(() => listRecords(tables, prefix)),
    async commit(commit) {
      assertCommit(commit)
      write(() => putCommit(tables, commit))
    },
    async writeRecords(writes) {
      assertRecords(writes)
      write(() => putRecords(tables, writes))
    },
    async prune(parameters) {
      assertPruning(parameters)
      return write(() => pruneStep(tables, parameters))
    },
    close() {
      closing ??= closeTables(tables, lock)
      return closing
    },
    diskBytes() {
      const stats = root.getStats() as { lastPageNumber?: number; pageSize?: number }
      return ((stats.lastPageNumber ?? 0) + 1) * (stats.pageSize ?? 4096)
    },
  }
}

/** A file that was emptied is no new one where there are bytes that a tree has named. */
async function assertNotEmptied(path: string): Promise<void> {
  const file = join(path, 'tree.mdb')
  const info = await stat(file).catch(() => undefined)
  if (info === undefined || info.size > 0) return
  const left = await readdir(join(path, 'bytes')).catch(() => [])
  if (left.some((name) => name !== 'incoming'))
    throw new DatabaseDamagedError({ path: file, reason: 'it is empty, beside bytes of its tree' })
}

async function makeFolder(path: string): Promise<void> {
  try {
    await makeDirectory(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'there is no such directory'
    throw new StoreWriteError({ path, reason }, { cause })
  }
}

async function openTables(path: string, checkAll: boolean | undefined): Promise<Tables> {
  const { root, tables } = await openLmdb({
    ...{ path: join(path, 'tree.mdb'), needed: 'lmdbStore', checkAll },
    // A transaction that returns is on disk, and one that fails says so where it was begun.
    options: { maxDbs: 8, overlappingSync: false },
    tables: (from) => {
      const table = (name: string): Table =>
        from.openDB<Uint8Array, Uint8Array>({ name, keyEncoding: 'binary', encoding: 'binary' })
      return {
        nodes: table('nodes'),
        roots: table('roots'),
        stale: table('stale'),
        records: table('records'),
        meta: table('meta'),
      }
    },
  })
  return { path, root, ...tables }
}

// One write transaction, flushed when this returns. What throws inside it leaves nothing behind.
function transact<result>({ root, path }: Tables, work: () => result): result {
  try {
    return root.transactionSync(work)
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    const damaged = damageOf(join(path, 'tree.mdb'), cause)
    if (damaged !== undefined) throw damaged
    const reason = cause instanceof Error ? cause.message : 'the transaction failed'
    throw new StoreWriteError({ path, reason }, { cause })
  }
}

async function closeTables(tables: Tables, lock: WriterLock): Promise<void> {
  try {
    transact(tables, () => lock.release())
  } catch {
    // On a full disk the claim stays behind; it names a handle that is gone once the process is.
  }
  await tables.root.close()
}

function read(from: Table, key: Uint8Array): Uint8Array | undefined {
  const found = from.get(key)
  return found === undefined ? undefined : new Uint8Array(found)
}

function readNode({ nodes }: Tables, key: Uint8Array): Uint8Array | undefined {
  assertNodeKey(key)
  return read(nodes, key)
}

function readRecord({ records }: Tables, name: string): Uint8Array | undefined {
  assertRecordName('name', name)
  return read(records, utf8(name))
}

function readRange({ meta }: Tables): StoreRange | undefined {
  const found = meta.get(rangeKey)
  if (found === undefined) return undefined
  const view = new DataView(found.buffer, found.byteOffset, 16)
  return { oldest: Number(view.getBigUint64(0)), latest: Number(view.getBigUint64(8)) }
}

function putRange({ meta }: Tables, { oldest, latest }: StoreRange): void {
  const value = new Uint8Array(16)
  value.set(be8(oldest))
  value.set(be8(latest), 8)
  meta.put(rangeKey, value)
}

function listRecords({ records }: Tables, prefix: string): string[] {
  assertRecordPrefix(prefix)
  const names: string[] = []
  for (const key of records.getKeys({ start: utf8(prefix) })) {
    const name = fromUtf8(key as Uint8Array)
    if (!name.startsWith(prefix)) break
    names.push(name)
  }
  // LMDB orders bytes, and texts are ordered by their UTF-16 units.
  return names.sort()
}

function putRecords({ records }: Tables, writes: StoreCommit['records']): void {
  for (const [name, value] of writes) {
    if (value === null) records.remove(utf8(name))
    else records.put(utf8(name), value)
  }
}

function putCommit(tables: Tables, commit: StoreCommit): void {
  const range = readRange(tables)
  assertFollows(commit.version, range)
  const since = be8(commit.version)
  throughNodes(commit.nodes, appender(tables.nodes))
  const putStale = appender(tables.stale)
  packNames(commit.stale).forEach((list, i) => {
    putStale(staleKey(since, i), list)
  })
  tables.roots.put(since, commit.root)
  putRecords(tables, commit.records)
  putRange(tables, { oldest: range?.oldest ?? commit.version, latest: commit.version })
}

function pruneStep(
  tables: Tables,
  { oldest, limit }: { oldest: number; limit: number },
): PruneStep {
  const { roots } = tables
  const range = readRange(tables)
  if (range === undefined) return { removed: 0, done: true }
  if (oldest > range.oldest) {
    for (const key of [...roots.getKeys({ start: be8(range.oldest), end: be8(oldest) })]) {
      roots.remove(key as Uint8Array)
    }
    putRange(tables, { oldest, latest: range.latest })
  }
  return pruneNodes(tables, { end: be8(oldest + 1), limit })
}

function checkLayout(meta: Table): void {
  const found = meta.get(layoutKey)
  if (found === undefined) {
    meta.put(layoutKey, utf8(layout))
    return
  }
  const written = fromUtf8(Uint8Array.from(found))
  if (written === layout) return
  throw new StoreMismatchError({ what: 'layout', found: written, expected: layout })
}

function be8(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}
