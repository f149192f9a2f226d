/**
 * Tables of LMDB that grow at their end, and lists of replaced nodes, many in a record.
 *
 * A commit replaces thousands of nodes. A record for each name would cost LMDB as much as the nodes themselves.
 */
import type { Database } from 'lmdb'
import { concat } from '../../internal/bytes.js'
import { throughNames } from '../store/through.js'

type Table = Database<Uint8Array, Uint8Array>

// LMDB keeps values of up to half a page of 4,096 bytes in the page of their key.
const listBytes = 1_900
// LMDB takes no longer ones.
const longestKey = 1_978
const append = { append: true }

/**
 * Puts records into a table. What comes after all that is there is appended, which searches for no place
 * and fills pages to the end; anything else is put as usual. Keys are read at the call.
 */
export function appender(table: Table): (key: Uint8Array, value: Uint8Array) => void {
  const [newest] = table.getKeys({ reverse: true, limit: 1 })
  const last = new Uint8Array(longestKey)
  let length = 0
  const isAfter = (key: Uint8Array): boolean => {
    for (let i = 0; i < length && i < key.length; i++) {
      const difference = (key[i] as number) - (last[i] as number)
      if (difference !== 0) return difference > 0
    }
    return key.length > length
  }
  const note = (key: Uint8Array): void => {
    length = key.length
    for (let i = 0; i < length; i++) last[i] = key[i] as number
  }
  if (newest !== undefined) note(newest as Uint8Array)
  return (key, value) => {
    // LMDB says of an append out of order that the key is there, and keeps nothing of it.
    if (!isAfter(key)) {
      table.put(key, value)
      return
    }
    table.putSync(key, value, append)
    note(key)
  }
}

/** Cuts names of nodes into lists for a record each: `length(1) ‖ name` one after the other. */
export function packNames(names: Iterable<Uint8Array>): Uint8Array[] {
  const lists: Uint8Array[] = []
  let list = new Uint8Array(listBytes)
  let at = 0
  throughNames(names, (bytes, from, to) => {
    if (at + 1 + to - from > list.length) {
      lists.push(list.subarray(0, at))
      list = new Uint8Array(listBytes)
      at = 0
    }
    list[at++] = to - from
    for (let i = from; i < to; i++) list[at++] = bytes[i] as number
  })
  if (at > 0) lists.push(list.subarray(0, at))
  return lists
}

/** The names of a list of {@link packNames}. */
export function unpackNames(list: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = []
  for (let at = 0; at < list.length; ) {
    const end = at + 1 + (list[at] as number)
    names.push(list.subarray(at + 1, end))
    at = end
  }
  return names
}

/** Key of the list `index` of the nodes that version `since` replaced. */
export function staleKey(since: Uint8Array, index: number): Uint8Array {
  return concat(since, Uint8Array.of(index >>> 24, index >>> 16, index >>> 8, index))
}

/** Removes at most `limit` of the nodes that versions before `end` list, and their names. */
export function pruneNodes(
  { nodes, stale }: { nodes: Table; stale: Table },
  { end, limit }: { end: Uint8Array; limit: number },
): { removed: number; done: boolean } {
  const lists: { key: Uint8Array; names: Uint8Array[] }[] = []
  let found = 0
  for (const entry of stale.getKeys({ start: new Uint8Array(8), end })) {
    if (found > limit) break
    const key = Uint8Array.from(entry as Uint8Array)
    const names = unpackNames(Uint8Array.from(stale.get(key) as Uint8Array))
    lists.push({ key, names })
    found += names.length
  }
  let removed = 0
  for (const { key, names } of lists) {
    const gone = names.slice(0, limit - removed)
    if (gone.length === 0) break
    for (const name of gone) nodes.remove(name)
    removed += gone.length
    const [rest] = packNames(names.slice(gone.length))
    if (rest === undefined) stale.remove(key)
    else stale.put(key, rest)
  }
  return { removed, done: found <= limit }
}
