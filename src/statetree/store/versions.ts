/** The versions of a store as views: loaded where they are on disk, kept in memory for a while. */

import { assertOptions } from '../../internal/options.js'
import { CorruptNodeError, StoreMismatchError, VersionNotRetainedError } from '../errors.js'
import type { TreeHasher } from '../hash/hasher.js'
import { type Arena, createArena, EMPTY, releaseList } from '../tree/arena.js'
import type { View } from '../tree/descend.js'
import type { AtVersion } from '../tree/readable.js'
import {
  createResident,
  loadRoot,
  loadStub,
  type Resident,
  type ResidentVersion,
} from '../tree/resident.js'
import type { NodeStore, StoreRange } from './store.js'

/** Readable versions of one store. */
export type Versions = {
  /** Whether nodes are on disk, and memory holds a part of them. */
  readonly backed: boolean
  /** A view of a retained version, or of the empty tree where there is none. */
  view(at?: AtVersion): View
  /** Takes in a version that was stored. */
  add(version: number, made: ResidentVersion): void
  /** Drops what only versions before `oldest` need. */
  forget(oldest: number): void
  /** Over a durable store: starts with an empty cache where it has grown past its limit. */
  trim(): void
  /** Whether the records of a version's batch are still there. */
  listable(batch: { arena: Arena; version: number; needed: number }): boolean
}

/**
 * Opens the versions of a store.
 *
 * @throws {StoreMismatchError} when its records were made with another hasher.
 */
export function openVersions(options: {
  store: NodeStore
  hasher: TreeHasher
  maxResidentRecords: number
}): Versions {
  const { store, hasher, maxResidentRecords } = options
  const backed = store.resident === undefined
  let resident: Resident = store.resident ?? createResident()
  if (resident.hasher !== undefined && resident.hasher !== hasher.name) {
    const [found, expected] = [resident.hasher, hasher.name]
    throw new StoreMismatchError({ what: 'hasher', found, expected })
  }
  // Roots of older versions, each with its own arena, a few at a time.
  const history = new Map<number, { arena: Arena; root: number }>()
  // Records that the last commit replaced: kept until the next one so that its batch can be listed.
  let replaced: { version: number; ids: readonly number[] } = { version: -1, ids: [] }
  const read = (key: Uint8Array): Uint8Array | undefined => store.getNode(key)

  const openVersion = (version: number, range: StoreRange): { arena: Arena; root: number } => {
    const known = resident.versions.get(version)
    if (known !== undefined) return { arena: resident.arena, root: known.root }
    const root = store.rootHash(version)
    if (root === undefined)
      throw new CorruptNodeError({ node: `${version}/`, reason: 'its root is not stored' })
    if (version === range.latest) {
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
  return {
    backed,
    view(at) {
      if (at !== undefined) assertOptions(at, { version: 'any' }, { field: 'at' })
      const asked = at?.version
      const range = store.range()
      if (range === undefined) {
        if (asked !== undefined && asked !== 0) throw notRetained(asked, { oldest: 0, latest: 0 })
        return { arena: resident.arena, root: EMPTY, version: 0, load: () => {} }
      }
      const version = asked ?? range.latest
      if (!(version >= range.oldest && version <= range.latest && Number.isInteger(version))) {
        throw notRetained(version, range)
      }
      const { arena, root } = openVersion(version, range)
      const load: View['load'] = (id, place) => {
        try {
          loadStub(arena, id, place, { read, hasher })
        } catch (error) {
          // A view that was held while its version was pruned misses nodes, and nothing is damaged.
          const now = store.range()
          if (now !== undefined && version < now.oldest) throw notRetained(version, now)
          throw error
        }
      }
      return { arena, root, version, load }
    },
    add(version, made) {
      resident.hasher = hasher.name
      if (!backed) return
      resident.versions.set(version, made)
      releaseList(resident.arena, replaced.ids)
      resident.versions.delete(replaced.version - 1)
      replaced = { version, ids: made.stale }
    },
    forget(oldest) {
      for (const version of history.keys()) if (version < oldest) history.delete(version)
    },
    trim() {
      if (!backed || resident.arena.live <= maxResidentRecords) return
      resident = createResident()
      replaced = { version: -1, ids: [] }
    },
    listable({ arena, version, needed }) {
      if (backed) return resident.arena === arena && replaced.version === version
      return needed >= (store.range()?.oldest ?? 0)
    },
  }
}

function notRetained(version: number, range: StoreRange): VersionNotRetainedError {
  return new VersionNotRetainedError({ version, oldest: range.oldest, latest: range.latest })
}
