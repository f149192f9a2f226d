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

type Tile = (level: number, index: bigint) => Promise<Uint8Array>

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
  const known = new Map<string, Uint8Array>()
  return {
    entry: (index, options = {}) => {
      if (!isSize(index) || index >= size) {
        throw new InvalidInputError({ field: 'index', reason: `it is a bigint below ${size}` })
      }
      return withDeadline('Reading a log entry', options, async (signal) => {
        const entry = await readEntry({ read, signal, size, index })
        const source = { tile: tileSource({ read, signal, size }), known }
        const proof = await inclusionPath(source, index, size)
        if (!verifyInclusion({ index, size, root, leaf: leafHash(entry), proof })) {
          known.clear()
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
      return withDeadline('Proving that a log grew', options, async (signal) => {
        const source = { tile: tileSource({ read, signal, size }), known }
        const proof = await consistencyPath(source, older.size, size)
        const claim = { oldSize: older.size, oldRoot: older.root, newSize: size, newRoot: root }
        if (!verifyConsistency({ ...claim, proof })) {
          known.clear()
          throw new LedgerLogError({ fault: 'inconsistent', path: `checkpoint ${older.size}` })
        }
        return proof
      })
    },
    prefix: (older, options = {}) => {
      if (!isSize(older) || older > size) {
        throw new InvalidInputError({ field: 'size', reason: `it is a bigint up to ${size}` })
      }
      return withDeadline('Reading the root of older entries', options, async (signal) => {
        const source = { tile: tileSource({ read, signal, size }), known }
        const proof = await consistencyPath(source, older, size)
        const oldRoot = await rangeRoot(source, 0n, older)
        const claim = { oldSize: older, oldRoot, newSize: size, newRoot: root, proof }
        if (!verifyConsistency(claim)) {
          known.clear()
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

/** Tiles of one operation, each read once. */
function tileSource(source: TileSource): Tile {
  const tiles = new Map<string, Promise<Uint8Array>>()
  return (level, index) => {
    const key = `${level}/${index}`
    const known = tiles.get(key)
    if (known !== undefined) return known
    const loading = readTile(source, level, index).then(({ bytes, width, path }) => {
      if (bytes.length === width * hashSize) return bytes
      throw new LedgerLogError({ fault: 'malformed', path })
    })
    tiles.set(key, loading)
    return loading
  }
}

async function readEntry(source: TileSource & { index: bigint }): Promise<Uint8Array> {
  const { bytes, width, path } = await readTile(source, 'entries', source.index / 256n)
  const entry = entryOfBundle(bytes, { width, at: Number(source.index % 256n) })
  if (entry === undefined) throw new LedgerLogError({ fault: 'malformed', path })
  return entry
}

/**
 * Tiles of one operation, and roots of ranges that earlier operations of the reader came to. Those are no
 * more trusted than the files they came from: what is built on them is verified against the checkpoint,
 * and after a failure all are forgotten.
 */
type Hashes = { tile: Tile; known: Map<string, Uint8Array> }

/** Roots that are remembered: those of the right edge are in the proof of every entry. */
const maxKnown = 4_096

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
  const bytes = await source.tile(level, first / 256n)
  const start = Number(first % 256n) * hashSize
  return perfectRoot(bytes, start, 2 ** (height % 8))
}

/** Root over `count` hashes that lie one after another, a power of two of them. */
function perfectRoot(bytes: Uint8Array, start: number, count: number): Uint8Array {
  const hashes: Uint8Array[] = []
  for (let at = start; at < start + count * hashSize; at += hashSize) {
    hashes.push(bytes.subarray(at, at + hashSize))
  }
  for (let width = count; width > 1; width /= 2) {
    for (let at = 0; at < width; at += 2) {
      hashes[at / 2] = nodeHash(hashes[at] as Uint8Array, hashes[at + 1] as Uint8Array)
    }
  }
  return (hashes[0] as Uint8Array).slice()
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
