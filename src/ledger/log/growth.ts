/** The right edge of a log, and the files that it grows by. */
import { concatAll } from '../../internal/bytes.js'
import { emptyRoot, leafHash, nodeHash } from './merkle.js'
import { encodeEntryBundle, tilePath, tileWidth } from './tiles.js'

/** What is needed to append to a log: the tiles and the bundle that are not full yet. */
export type LogEdge = {
  readonly size: bigint
  /** By level, the hashes of the tile that is not full. None of them has 256. */
  readonly levels: readonly (readonly Uint8Array[])[]
  /** Entries of the bundle that is not full. */
  readonly bundle: readonly Uint8Array[]
}

/** Path below the log's folder, and content. */
export type LogFile = { path: string; bytes: Uint8Array }

/** A log without entries. */
export const emptyEdge: LogEdge = { size: 0n, levels: [], bundle: [] }

/** Root of a tile's hashes: they are 256, so that the tree is balanced. */
export function tileRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) {
    row = row.flatMap((left, at) => {
      const right = row[at + 1]
      return at % 2 === 0 && right !== undefined ? [nodeHash(left, right)] : []
    })
  }
  return row[0] ?? emptyRoot()
}

/** Root of the whole tree, from its right edge. */
export function edgeRoot(edge: LogEdge): Uint8Array {
  let root: Uint8Array | undefined
  // From the right: small subtrees first, each joined to what is right of it.
  for (const hashes of edge.levels) {
    for (const subtree of peaks(hashes))
      root = root === undefined ? subtree : nodeHash(subtree, root)
  }
  return root ?? emptyRoot()
}

/** Roots of the perfect subtrees of a tile's first hashes, the rightmost (smallest) first. */
function peaks(hashes: readonly Uint8Array[]): Uint8Array[] {
  const found: Uint8Array[] = []
  let end = hashes.length
  for (let bit = 1; bit < tileWidth; bit *= 2) {
    if ((hashes.length & bit) === 0) continue
    found.push(tileRoot(hashes.slice(end - bit, end)))
    end -= bit
  }
  return found
}

/** Appends entries: the edge after it, and every file that the log has then and did not have before. */
export function growLog(
  edge: LogEdge,
  entries: readonly Uint8Array[],
): { edge: LogEdge; files: LogFile[] } {
  if (entries.length === 0) return { edge, files: [] }
  const files: LogFile[] = []
  const size = edge.size + BigInt(entries.length)
  const bundle = fill(
    { level: 'entries', held: edge.bundle, first: edge.size, items: entries },
    { files, encode: encodeEntryBundle },
  ).rest
  const levels: Uint8Array[][] = []
  let items: readonly Uint8Array[] = entries.map(leafHash)
  for (let level = 0; items.length > 0 || level < edge.levels.length; level += 1) {
    const held = edge.levels[level] ?? []
    const first = edge.size >> BigInt(8 * level)
    const { full, rest } = fill({ level, held, first, items }, { files, encode: concatAll })
    levels.push(rest)
    items = full.map(tileRoot)
  }
  return { edge: { size, levels, bundle }, files }
}

/** Fills tiles of one level. Full ones and the last one that is not become files. */
function fill(
  part: {
    level: number | 'entries'
    held: readonly Uint8Array[]
    /** Number of items at this level before. */
    first: bigint
    items: readonly Uint8Array[]
  },
  out: { files: LogFile[]; encode: (items: readonly Uint8Array[]) => Uint8Array },
): { full: Uint8Array[][]; rest: Uint8Array[] } {
  const { level, held, first, items } = part
  const full: Uint8Array[][] = []
  const all = [...held, ...items]
  let index = first / 256n
  let at = 0
  for (; at + tileWidth <= all.length; at += tileWidth) {
    const tile = all.slice(at, at + tileWidth)
    full.push(tile)
    out.files.push({ path: tilePath({ level, index, width: tileWidth }), bytes: out.encode(tile) })
    index += 1n
  }
  const rest = all.slice(at)
  if (rest.length > 0 && items.length > 0) {
    const path = tilePath({ level, index, width: rest.length })
    out.files.push({ path, bytes: out.encode(rest) })
  }
  return { full, rest }
}

/** Paths of the files that hold the right edge of a log of this size. */
export function edgePaths(size: bigint): { levels: (string | undefined)[]; bundle?: string } {
  const levels: (string | undefined)[] = []
  for (let level = 0; size >> BigInt(8 * level) > 0n; level += 1) {
    const count = size >> BigInt(8 * level)
    const width = Number(count % 256n)
    const index = count / 256n
    levels.push(width === 0 ? undefined : tilePath({ level, index, width }))
  }
  const width = Number(size % 256n)
  if (width === 0) return { levels }
  return { levels, bundle: tilePath({ level: 'entries', index: size / 256n, width }) }
}
