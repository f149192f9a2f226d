/** The files of one log in a store: its edge, its entries, its checkpoint. */
import type { TileReader } from '../../../core/interfaces/tileStore.js'
import { bytesEqual, toHex } from '../../../internal/bytes.js'
import { LedgerLogError, LedgerStateError } from '../../errors.js'
import { edgePaths, edgeRoot, type LogEdge } from '../../log/growth.js'
import { hashSize, leafHash } from '../../log/merkle.js'
import { type ReadLogFile, readTile } from '../../log/reader.js'
import { decodeEntryBundle } from '../../log/tiles.js'
import type { LogState } from './head.js'

/** Reads files below a log's folder. */
export function logFiles(store: TileReader, name: string): ReadLogFile {
  return async (path, { signal }) => (await store.read(`${name}/${path}`, { signal }))?.bytes
}

/** Loads the edge of a log, and holds it against the root that the commit point names. */
export async function loadEdge(
  store: TileReader,
  name: string,
  { size, root }: LogState,
): Promise<LogEdge> {
  const paths = edgePaths(size)
  const read = async (path: string): Promise<Uint8Array> => {
    const file = await store.read(`${name}/${path}`)
    if (file === undefined) throw new LedgerLogError({ fault: 'missing', path: `${name}/${path}` })
    return file.bytes
  }
  const levels: Uint8Array[][] = []
  for (const [level, path] of paths.levels.entries()) {
    const count = Number((size >> BigInt(8 * level)) % 256n)
    const bytes = path === undefined ? new Uint8Array() : await read(path)
    if (bytes.length !== count * hashSize) {
      throw new LedgerLogError({ fault: 'malformed', path: `${name}/${path}` })
    }
    levels.push(
      Array.from({ length: count }, (_, at) => bytes.slice(at * hashSize, (at + 1) * hashSize)),
    )
  }
  const bundle =
    paths.bundle === undefined
      ? []
      : decodeEntryBundle(await read(paths.bundle), Number(size % 256n))
  const edge: LogEdge = { size, levels, bundle: bundle ?? [] }
  const isBundle = bundle?.every((entry, at) =>
    bytesEqual(leafHash(entry), levels[0]?.[at] ?? new Uint8Array()),
  )
  if (isBundle !== true) {
    throw new LedgerLogError({ fault: 'inconsistent', path: `${name}/${paths.bundle}` })
  }
  if (!bytesEqual(edgeRoot(edge), root)) {
    throw new LedgerStateError({
      reason: `the files of ${name} at ${size} have the root ${toHex(edgeRoot(edge))}, and the commit point says ${toHex(root)}`,
    })
  }
  return edge
}

/** Entries of a log from `from` on, bundle by bundle. They are not proved: whoever asks compares. */
export async function* readEntries(
  parameters: { store: TileReader; name: string; from: bigint; size: bigint },
  signal: AbortSignal,
): AsyncGenerator<{ index: bigint; entry: Uint8Array }> {
  const { store, name, size } = parameters
  const read = logFiles(store, name)
  let index = parameters.from
  while (index < size) {
    const source = { read, signal, size }
    const { bytes, width, path } = await readTile(source, 'entries', index / 256n)
    const entries = decodeEntryBundle(bytes, width)
    if (entries === undefined) {
      throw new LedgerLogError({ fault: 'malformed', path: `${name}/${path}` })
    }
    for (const entry of entries.slice(Number(index % 256n))) {
      if (index >= size) return
      yield { index, entry }
      index += 1n
    }
  }
}
