/**
 * Files of a log and what is derived from them, kept by a reader within bounds. None of it is believed: what
 * is built on it is proved against the checkpoint each time, and after a failure all is forgotten.
 */
import { hashSize, nodeHash } from './merkle.js'
import { tileWidth } from './tiles.js'

/** A map that forgets what was not asked for longest, once its values weigh more than `most`. */
export type BoundedCache<value> = {
  get(key: string): value | undefined
  set(key: string, value: value): void
  clear(): void
}

/** Makes one; `weigh` is the weight of a value. */
export function boundedCache<value>(
  most: number,
  weigh: (value: value) => number,
): BoundedCache<value> {
  const kept = new Map<string, value>()
  let total = 0
  return {
    get: (key) => {
      const value = kept.get(key)
      if (value === undefined) return undefined
      // To the end of the order: what is at its start is forgotten first.
      kept.delete(key)
      kept.set(key, value)
      return value
    },
    set: (key, value) => {
      const before = kept.get(key)
      if (before !== undefined) total -= weigh(before)
      kept.delete(key)
      kept.set(key, value)
      total += weigh(value)
      for (const [oldest, held] of kept) {
        if (total <= most) return
        kept.delete(oldest)
        total -= weigh(held)
      }
    },
    clear: () => {
      kept.clear()
      total = 0
    },
  }
}

/** The hashes over a tile, row above row: those of the tile itself, then each pair's, as far as pairs go. */
export type TileTree = readonly Uint8Array[]

/** Derives all rows over a tile at once: the proofs of its neighbours need the same ones. */
export function tileTree(bytes: Uint8Array): TileTree {
  const rows = [bytes]
  for (let row = bytes; row.length >= 2 * hashSize; ) {
    const above = new Uint8Array(Math.floor(row.length / (2 * hashSize)) * hashSize)
    for (let at = 0; at < above.length; at += hashSize) {
      const left = row.subarray(2 * at, 2 * at + hashSize)
      above.set(nodeHash(left, row.subarray(2 * at + hashSize, 2 * at + 2 * hashSize)), at)
    }
    rows.push(above)
    row = above
  }
  return rows
}

/** Root over `2 ** height` hashes of a tile from the one at `first` on, which `height` divides evenly. */
export function rootIn(tree: TileTree, first: number, height: number): Uint8Array | undefined {
  const at = (first >> height) * hashSize
  const row = tree[height]
  return row === undefined || at + hashSize > row.length ? undefined : row.slice(at, at + hashSize)
}

/** Weight of the rows over a full tile, in bytes. */
export const treeWeight = 2 * tileWidth * hashSize
