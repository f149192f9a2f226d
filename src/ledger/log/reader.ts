import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { LedgerLogError } from '../errors.js'
import type { Checkpoint } from './checkpoint.js'
import {
  emptyRoot,
  hashSize,
  isSize,
  leafHash,
  nodeHash,
  splitPoint,
  verifyConsistency,
  verifyInclusion,
} from './merkle.js'
import { boundedCache, rootIn, type TileTree, tileTree, treeWeight } from './tileCache.js'
import { entryOfBundle, tilePath, tileWidth } from './tiles.js'

/** Reads a file below the log's prefix, or answers `undefined` where there is none. */
export type ReadLogFile = (
  path: string,
  options: { signal: AbortSignal },
) => Promise<Uint8Array | undefined>

/** Reads a log of C2SP tlog-tiles. Every answer was proved against the checkpoint. */
export type LogReader = {
  /** An entry with its proof of inclusion. */
  entry(index: bigint, options?: IoOptions): Promise<{ entry: Uint8Array; proof: Uint8Array[] }>
  /** Proof that the log at the checkpoint extends the one at an older checkpoint. */
  consistency(older: Checkpoint, options?: IoOptions): Promise<Uint8Array[]>
  /** Root of the first `size` entries, with the proof that the checkpoint extends them. */
  prefix(size: bigint, options?: IoOptions): Promise<{ root: Uint8Array; proof: Uint8Array[] }>
}

/**
 * A reader of a log at a checkpoint that `verifyCheckpoint` verified. The files are not believed: a
 * proof is built from them and verified against the checkpoint's root before anything is answered.
 * `read` should limit how many bytes it takes; no file of a log is above 17 MB.
 *
 * @throws LedgerLogError where a file is missing or is not what the checkpoint commits to.
 * @throws InvalidInputError for an index or an older size that the log does not have.
 * @example
 * const reader = logReader({ checkpoint, read: async (path) => files.get(path) })
 * const { entry, proof } = await reader.entry(12n, { timeout: 5_000 })
 */
export function logReader(parameters: { checkpoint: Checkpoint; read: ReadLogFile }): LogReader {
  const { read } = parameters
  const { size } = parameters.checkpoint
  const root = parameters.checkpoint.root.slice()
  if (!isSize(size) || root.length !== hashSize) {
    throw new InvalidInputError({ field: 'checkpoint', reason: 'it has a size and a 32-byte root' })
  }
  const { hashes, forget, cached } = hashesOf(size, read)
  /** Work on files; where one of them is wrong, a later call reads it anew. */
  const reading = <value>(
    operation: string,
    options: IoOptions,
    work: (signal: AbortSignal) => Promise<value>,
  ): Promise<value> =>
    withDeadline(operation, options, (signal) =>
      work(signal).catch((error) => {
        if (error instanceof LedgerLogError) forget()
        throw error
      }),
    )
  return {
    entry: (index, options = {}) => {
      if (!isSize(index) || index >= size) {
        throw new InvalidInputError({ field: 'index', reason: `it is a bigint below ${size}` })
      }
      return reading('Reading a log entry', options, async (signal) => {
        const entry = await readEntry({ read: cached, signal, size, index })
        const proof = await inclusionPath(hashes(signal), index, size)
        if (!verifyInclusion({ index, size, root, leaf: leafHash(entry), proof })) {
          throw new LedgerLogError({ fault: 'inconsistent', path: `entry ${index}` })
        }
        return { entry, proof }
      })
    },
    consistency: (older, options = {}) => {
      if (!isSize(older?.size) || older.size > size) {
        throw new InvalidInputError({
          field: 'older.size',
          reason: `it is a bigint up to ${size}`,
          hint: 'Two checkpoints of which the later one is smaller are evidence: keep both.',
        })
      }
      return reading('Proving that a log grew', options, async (signal) => {
        const proof = await consistencyPath(hashes(signal), older.size, size)
        const claim = { oldSize: older.size, oldRoot: older.root, newSize: size, newRoot: root }
        if (!verifyConsistency({ ...claim, proof })) {
          throw new LedgerLogError({ fault: 'inconsistent', path: `checkpoint ${older.size}` })
        }
        return proof
      })
    },
    prefix: (older, options = {}) => {
      if (!isSize(older) || older > size) {
        throw new InvalidInputError({ field: 'size', reason: `it is a bigint up to ${size}` })
      }
      return reading('Reading the root of older entries', options, async (signal) => {
        const source = hashes(signal)
        const proof = await consistencyPath(source, older, size)
        const oldRoot = await rangeRoot(source, 0n, older)
        const claim = { oldSize: older, oldRoot, newSize: size, newRoot: root, proof }
        if (!verifyConsistency(claim)) {
          throw new LedgerLogError({ fault: 'inconsistent', path: `the first ${older} entries` })
        }
        return { root: oldRoot, proof }
      })
    },
  }
}

/** Files of a log, and the size at which they are read. */
export type TileSource = { read: ReadLogFile; signal: AbortSignal; size: bigint }

/** A tile or bundle, as its path says or, once it was completed, the full one. */
export async function readTile(
  { read, signal, size }: TileSource,
  level: number | 'entries',
  index: bigint,
): Promise<{ bytes: Uint8Array; width: number; path: string }> {
  const count = level === 'entries' ? size : size >> BigInt(8 * level)
  const rest = count - index * 256n
  const width = rest >= 256n ? tileWidth : Number(rest)
  const widths = width === tileWidth ? [width] : [width, tileWidth]
  for (const candidate of widths) {
    const path = tilePath({ level, index, width: candidate })
    signal.throwIfAborted()
    const bytes = await read(path, { signal })
    if (bytes === undefined) continue
    if (!(bytes instanceof Uint8Array)) throw new LedgerLogError({ fault: 'malformed', path })
    return { bytes, width: candidate, path }
  }
  throw new LedgerLogError({ fault: 'missing', path: tilePath({ level, index, width }) })
}

async function readEntry(source: TileSource & { index: bigint }): Promise<Uint8Array> {
  const { bytes, width, path } = await readTile(source, 'entries', source.index / 256n)
  const entry = entryOfBundle(bytes, { width, at: Number(source.index % 256n) })
  if (entry === undefined) throw new LedgerLogError({ fault: 'malformed', path })
  return entry
}

/**
 * Tiles, and roots of ranges that earlier operations of the reader came to. Those are no more trusted than
 * the files they came from: what is built on them is verified against the checkpoint, and after a failure
 * all are forgotten.
 */
type Hashes = {
  tree: (level: number, index: bigint) => Promise<TileTree>
  known: Map<string, Uint8Array>
}

/** Roots that are remembered: those of the right edge are in the proof of every entry. */
const maxKnown = 4_096
/** Bytes of files that are kept: the bundles around an entry are asked for again by its neighbours. */
const maxFiles = 8 * 1_048_576
/** Bytes of hashes over tiles that are kept. */
const maxTrees = 64 * treeWeight

/** What the operations of one reader share. */
function hashesOf(size: bigint, read: ReadLogFile) {
  const known = new Map<string, Uint8Array>()
  const files = boundedCache<Uint8Array>(maxFiles, (bytes) => bytes.length)
  const trees = boundedCache<TileTree>(maxTrees, () => treeWeight)
  const cached: ReadLogFile = async (path, options) => {
    const before = files.get(path)
    if (before !== undefined) return before
    const bytes = await read(path, options)
    if (bytes instanceof Uint8Array && bytes.length <= maxFiles) files.set(path, bytes)
    return bytes
  }
  const treeOf = async (level: number, index: bigint, signal: AbortSignal): Promise<TileTree> => {
    const key = `${level}/${index}`
    const before = trees.get(key)
    if (before !== undefined) return before
    const { bytes, width, path } = await readTile({ read, signal, size }, level, index)
    if (bytes.length !== width * hashSize) throw new LedgerLogError({ fault: 'malformed', path })
    const tree = tileTree(bytes.slice())
    trees.set(key, tree)
    return tree
  }
  return {
    cached,
    hashes: (signal: AbortSignal): Hashes => ({
      tree: (level, index) => treeOf(level, index, signal),
      known,
    }),
    forget: (): void => {
      known.clear()
      files.clear()
      trees.clear()
    },
  }
}

/** Root of the leaves `from` to `to`, a range that RFC 6962's splitting makes. */
async function rangeRoot(source: Hashes, from: bigint, to: bigint): Promise<Uint8Array> {
  const size = to - from
  if (size === 0n) return emptyRoot()
  const key = `${from}/${to}`
  const before = source.known.get(key)
  if (before !== undefined) return before.slice()
  const root = await deriveRoot(source, from, to)
  if (source.known.size >= maxKnown) source.known.clear()
  source.known.set(key, root)
  return root.slice()
}

async function deriveRoot(source: Hashes, from: bigint, to: bigint): Promise<Uint8Array> {
  const size = to - from
  if ((size & (size - 1n)) !== 0n) {
    const middle = from + splitPoint(size)
    return nodeHash(await rangeRoot(source, from, middle), await rangeRoot(source, middle, to))
  }
  const height = size.toString(2).length - 1
  const level = Math.floor(height / 8)
  const first = from >> BigInt(8 * level)
  const tree = await source.tree(level, first / 256n)
  const root = rootIn(tree, Number(first % 256n), height % 8)
  if (root !== undefined) return root
  throw new LedgerLogError({ fault: 'malformed', path: `tile ${first / 256n} of level ${level}` })
}

async function inclusionPath(source: Hashes, index: bigint, size: bigint): Promise<Uint8Array[]> {
  const path: Uint8Array[] = []
  let [from, to] = [0n, size]
  while (to - from > 1n) {
    const middle = from + splitPoint(to - from)
    if (index < middle) {
      path.unshift(await rangeRoot(source, middle, to))
      to = middle
    } else {
      path.unshift(await rangeRoot(source, from, middle))
      from = middle
    }
  }
  return path
}

async function consistencyPath(source: Hashes, older: bigint, size: bigint): Promise<Uint8Array[]> {
  if (older === 0n || older === size) return []
  const path: Uint8Array[] = []
  let [from, to] = [0n, size]
  while (to !== older) {
    const middle = from + splitPoint(to - from)
    if (older <= middle) {
      path.unshift(await rangeRoot(source, middle, to))
      to = middle
    } else {
      path.unshift(await rangeRoot(source, from, middle))
      from = middle
    }
  }
  return from === 0n ? path : [await rangeRoot(source, from, to), ...path]
}

/** Whether two checkpoints of one log show that it forked: one size, two roots. */
export function isFork(one: Checkpoint, other: Checkpoint): boolean {
  return one.origin === other.origin && one.size === other.size && !bytesEqual(one.root, other.root)
}
