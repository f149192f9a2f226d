/**
 * Snapshots: the leaves of one version in key order, cut into chunks that are checked one by one.
 *
 * ```
 * "NSC1" ‖ from(32) ‖ to(32) ‖ count(4) ( keyHash(32) ‖ valueHash(32) )… ‖ count(4) tags ‖ count(4) ( hash(32) )…
 * ```
 * Chunk ranges meet without gaps, the first starts at the lowest key and the last ends at the
 * highest, each other one at a leaf, and each has a range proof: no chunk can hide or add a leaf.
 */
import { concat, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { MalformedEncodingError } from '../errors.js'
import { proveRange, type RangeProof } from '../proof/rangeProof.js'
import type { StateTree } from '../stateTree.js'
import type { TreeEntry } from '../tree/iterate.js'

/** A part of a snapshot. */
export type SnapshotChunk = {
  /** First and last key it covers, both included. */
  from: Uint8Array
  to: Uint8Array
  entries: readonly TreeEntry[]
  proof: RangeProof
}

/** Lowest and highest key. */
export const lowestKey: Uint8Array = new Uint8Array(32)
/** See {@link lowestKey}. */
export const highestKey: Uint8Array = new Uint8Array(32).fill(0xff)

const magic = utf8('NSC1')

/**
 * Makes the chunk of a version that starts at `from`.
 *
 * @param parameters.maxLeaves - Default 4,096.
 */
export function snapshotChunk(
  tree: StateTree,
  parameters: { version: number; from: Uint8Array; maxLeaves?: number | undefined },
): SnapshotChunk {
  assertOptions(
    parameters,
    { version: { least: 0 }, from: 'object', maxLeaves: { least: 1 } },
    { field: 'parameters', required: ['version', 'from'] },
  )
  const { version, from, maxLeaves = 4_096 } = parameters
  let last: TreeEntry | undefined
  let count = 0
  let to = highestKey
  for (const entry of tree.entries({ version, from })) {
    if (count === maxLeaves && last !== undefined) {
      to = last.keyHash
      break
    }
    last = entry
    count++
  }
  const { entries, proof } = proveRange(tree, { from, to }, { version })
  return { from, to, entries, proof }
}

/** The key after `key`, or `undefined` after the highest. */
export function keyAfter(key: Uint8Array): Uint8Array | undefined {
  const next = key.slice()
  for (let i = 31; i >= 0; i--) {
    next[i] = ((next[i] as number) + 1) & 0xff
    if (next[i] !== 0) return next
  }
  return undefined
}

/** Encodes a chunk. */
export function encodeChunk({ from, to, entries, proof }: SnapshotChunk): Uint8Array {
  return concat(
    magic,
    from,
    to,
    encodeEntries(entries),
    uintToBytes(proof.tags.length, 4),
    proof.tags,
    uintToBytes(proof.hashes.length / 32, 4),
    proof.hashes,
  )
}

/** Encodes leaves: `count(4) ( keyHash ‖ valueHash )…`. */
export function encodeEntries(entries: readonly TreeEntry[]): Uint8Array {
  const out = new Uint8Array(4 + entries.length * 64)
  out.set(uintToBytes(entries.length, 4))
  entries.forEach(({ keyHash, valueHash }, i) => {
    out.set(keyHash, 4 + i * 64)
    out.set(valueHash, 4 + i * 64 + 32)
  })
  return out
}

/**
 * Decodes a chunk. Its proof is not checked.
 *
 * @throws {MalformedEncodingError} for anything but one encoded chunk.
 */
export function decodeChunk(bytes: Uint8Array): SnapshotChunk {
  const { take, count, end } = reader(bytes)
  if (toHex(take(4)) !== toHex(magic)) {
    throw new MalformedEncodingError({ field: 'chunk', reason: 'it is no snapshot chunk' })
  }
  const from = take(32)
  const to = take(32)
  const entries = readEntries({ take, count })
  const tags = take(count(1))
  const hashes = take(count(32) * 32)
  end()
  return { from, to, entries, proof: { tags, hashes } }
}

/** Decodes leaves written by {@link encodeEntries}. */
export function decodeEntries(bytes: Uint8Array): TreeEntry[] {
  const parts = reader(bytes)
  const entries = readEntries(parts)
  parts.end()
  return entries
}

type Reader = { take(length: number): Uint8Array; count(entryBytes: number): number; end(): void }

function reader(bytes: Uint8Array): Reader {
  let at = 0
  const fail = (reason: string): never => {
    throw new MalformedEncodingError({ field: 'chunk', reason })
  }
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) return fail('it is cut short')
    at += length
    return bytes.slice(at - length, at)
  }
  return {
    take,
    count(entryBytes) {
      const value = new DataView(take(4).buffer).getUint32(0)
      return value * entryBytes > bytes.length - at ? fail(`${value} entries do not fit`) : value
    },
    end() {
      if (at !== bytes.length) fail('bytes after its end')
    },
  }
}

function readEntries({ take, count }: Pick<Reader, 'take' | 'count'>): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (let i = count(64); i > 0; i--) entries.push({ keyHash: take(32), valueHash: take(32) })
  return entries
}
