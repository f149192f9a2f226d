/** The simplest store that follows the interface: maps, no sharing with the tree. Can fail on demand. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { memoryBytes } from '../../src/statetree/store/memoryBytes.js'
import {
  assertFollows,
  type NodeStore,
  type StoreCommit,
  type StoreRange,
} from '../../src/statetree/store/store.js'

export type MapStore = NodeStore & { nodes: Map<string, Uint8Array>; failNext(): void }

export function mapStore(): MapStore {
  const nodes = new Map<string, Uint8Array>()
  const roots = new Map<number, Uint8Array>()
  const stale: { since: number; key: string }[] = []
  const records = new Map<string, Uint8Array>()
  let range: StoreRange | undefined
  let failing = false
  const write = (writes: StoreCommit['records']): void => {
    for (const [name, value] of writes) {
      if (value === null) records.delete(name)
      else records.set(name, value)
    }
  }
  return {
    kind: 'map',
    nodes,
    bytes: memoryBytes(),
    failNext() {
      failing = true
    },
    range: () => range,
    rootHash: (version) => roots.get(version),
    getNode: (key) => nodes.get(bytesToHex(key)),
    record: (name) => records.get(name),
    recordNames: (prefix) => [...records.keys()].filter((name) => name.startsWith(prefix)).sort(),
    async commit(commit) {
      await Promise.resolve()
      if (failing) {
        failing = false
        throw new TypeError('disk full')
      }
      assertFollows(commit.version, range)
      for (const [key, value] of commit.nodes) nodes.set(bytesToHex(key), value)
      for (const key of commit.stale) stale.push({ since: commit.version, key: bytesToHex(key) })
      roots.set(commit.version, commit.root)
      write(commit.records)
      range = { oldest: range?.oldest ?? commit.version, latest: commit.version }
    },
    async writeRecords(writes) {
      write(writes)
    },
    async prune({ oldest, limit }) {
      if (range === undefined) return { removed: 0, done: true }
      for (const version of roots.keys()) if (version < oldest) roots.delete(version)
      range = { ...range, oldest: Math.max(oldest, range.oldest) }
      let removed = 0
      while (removed < limit && stale[0] !== undefined && stale[0].since <= oldest) {
        const { key } = stale.shift() as { key: string }
        if (!nodes.delete(key)) throw new TypeError(`stale node ${hexToBytes(key)} was not stored`)
        removed++
      }
      return { removed, done: stale[0] === undefined || stale[0].since > oldest }
    },
    async close() {},
  }
}
