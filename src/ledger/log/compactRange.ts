/** A log's root from its entries, one after another, holding no more than one hash a level. */
import { emptyRoot, leafHash, nodeHash } from './merkle.js'

/** Roots of the perfect subtrees from the left: all that appending needs. */
export type CompactRange = { size: bigint; peaks: Uint8Array[] }

/** A log without entries. */
export function emptyRange(): CompactRange {
  return { size: 0n, peaks: [] }
}

/** Appends an entry, and answers its leaf hash. */
export function growRange(range: CompactRange, entry: Uint8Array): Uint8Array {
  const leaf = leafHash(entry)
  let node = leaf
  for (let rest = range.size; (rest & 1n) === 1n; rest >>= 1n) {
    node = nodeHash(range.peaks.pop() as Uint8Array, node)
  }
  range.peaks.push(node)
  range.size += 1n
  return leaf
}

/** The RFC 6962 root of all entries so far. */
export function rangeRoot({ peaks }: CompactRange): Uint8Array {
  return (
    peaks.reduceRight<Uint8Array | undefined>(
      (right, peak) => (right === undefined ? peak : nodeHash(peak, right)),
      undefined,
    ) ?? emptyRoot()
  )
}
