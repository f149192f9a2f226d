/**
 * A tree in LMDB: nodes, roots, stale index and records; value bytes beside it as files.
 *
 * ```
 * nodes    version(8, BE) ‖ nibbles(1) ‖ path           → node
 * roots    version(8, BE)                               → root(32)
 * stale    staleSince(8, BE) ‖ key of the node          → nothing
 * records  name                                         → bytes
 * meta     "layout" → 1, "range" → oldest(8, BE) ‖ latest(8, BE)
 * ```
 * One transaction a commit: whenever the process dies, a reopened store has the old version or the
 * new one, whole.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { MissingPeerError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { StoreMismatchError } from '../errors.js'
import type { ByteStore, NodeStore, StoreCommit, StoreRange } from '../store/store.js'
import { fileBytes } from './fileBytes.js'

type Table = Database<Uint8Array, Uint8Array>

const layout = '1'
const layoutKey = utf8('layout')
const rangeKey = utf8('range')

/** A store on disk. */
export type LmdbStore = NodeStore & {
  /** Bytes of the database file in use. Value bytes are not counted. */
  diskBytes(): number
}

/**
 * Opens or creates a store in a directory. One process at a time writes to it.
 *
 * @param options.bytes - Where value bytes go, such as a directory that several chains share.
 * Default: files under `<path>/bytes`.
 * @throws {MissingPeerError} when the optional peer `lmdb` is not installed.
 * @throws {StoreMismatchError} for a directory written with another layout.
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
}): Promise<LmdbStore> {
  const { path } = options
  await mkdir(path, { recursive: true })
  const bytes = options.bytes ?? (await fileBytes({ directory: join(path, 'bytes') }))
  const { open } = await import('lmdb').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'lmdb', needed: 'lmdbStore' }, { cause })
  })
  const root: RootDatabase = open({ path: join(path, 'tree.mdb'), maxDbs: 8, noSubdir: true })
  const table = (name: string): Table =>
    root.openDB<Uint8Array, Uint8Array>({ name, keyEncoding: 'binary', encoding: 'binary' })
  const nodes = table('nodes')
  const roots = table('roots')
  const stale = table('stale')
  const records = table('records')
  const meta = table('meta')
  await checkLayout(meta, root)

  const read = (from: Table, key: Uint8Array): Uint8Array | undefined => {
    const found = from.get(key)
    return found === undefined ? undefined : Uint8Array.from(found)
  }
  const range = (): StoreRange | undefined => {
    const found = meta.get(rangeKey)
    if (found === undefined) return undefined
    const view = new DataView(found.buffer, found.byteOffset, 16)
    return { oldest: Number(view.getBigUint64(0)), latest: Number(view.getBigUint64(8)) }
  }
  const putRange = ({ oldest, latest }: StoreRange): void => {
    const value = new Uint8Array(16)
    value.set(be8(oldest))
    value.set(be8(latest), 8)
    meta.put(rangeKey, value)
  }
  const putRecords = (writes: StoreCommit['records']): void => {
    for (const [name, value] of writes) {
      if (value === null) records.remove(utf8(name))
      else records.put(utf8(name), value)
    }
  }
  // Committed is not yet flushed: a write resolves only when it is on disk.
  const write = async (work: () => void): Promise<void> => {
    await root.transaction(work)
    await root.flushed
  }
  return {
    kind: 'lmdb',
    bytes,
    range,
    rootHash: (version) => read(roots, be8(version)),
    getNode: (key) => read(nodes, key),
    record: (name) => read(records, utf8(name)),
    recordNames(prefix) {
      const names: string[] = []
      for (const key of records.getKeys({ start: utf8(prefix) })) {
        const name = fromUtf8(key as Uint8Array)
        if (!name.startsWith(prefix)) break
        names.push(name)
      }
      return names
    },
    async commit(commit) {
      await write(() => {
        for (const [key, value] of commit.nodes) nodes.put(key, value)
        const since = be8(commit.version)
        for (const key of commit.stale) {
          const entry = new Uint8Array(8 + key.length)
          entry.set(since)
          entry.set(key, 8)
          stale.put(entry, new Uint8Array(0))
        }
        roots.put(since, commit.root)
        putRecords(commit.records)
        putRange({ oldest: range()?.oldest ?? commit.version, latest: commit.version })
      })
    },
    writeRecords: (writes) => write(() => putRecords(writes)),
    async prune({ oldest, limit }) {
      let removed = 0
      let done = false
      await write(() => {
        const current = range()
        if (current === undefined) {
          done = true
          return
        }
        if (oldest > current.oldest) {
          for (const key of [...roots.getKeys({ start: be8(current.oldest), end: be8(oldest) })]) {
            roots.remove(key as Uint8Array)
          }
          putRange({ oldest, latest: current.latest })
        }
        const end = be8(oldest + 1)
        const entries = [...stale.getKeys({ start: new Uint8Array(8), end, limit: limit + 1 })]
        for (const entry of entries.slice(0, limit)) {
          const key = Uint8Array.from(entry as Uint8Array)
          nodes.remove(key.subarray(8))
          stale.remove(key)
          removed++
        }
        done = entries.length <= limit
      })
      return { removed, done }
    },
    async close() {
      await root.flushed
      await root.close()
    },
    diskBytes() {
      const stats = root.getStats() as { lastPageNumber?: number; pageSize?: number }
      return ((stats.lastPageNumber ?? 0) + 1) * (stats.pageSize ?? 4096)
    },
  }
}

async function checkLayout(meta: Table, root: RootDatabase): Promise<void> {
  const found = meta.get(layoutKey)
  if (found === undefined) {
    await meta.put(layoutKey, utf8(layout))
    return
  }
  const written = fromUtf8(Uint8Array.from(found))
  if (written === layout) return
  await root.close()
  throw new StoreMismatchError({ what: 'layout', found: written, expected: layout })
}

function be8(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}
