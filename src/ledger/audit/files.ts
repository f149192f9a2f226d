/** Files that outsiders prove from, held against the entries: hash tiles, older bundles, checkpoints. */
import type { TileReader, TileStore } from '../../core/interfaces/tileStore.js'
import { bytesEqual, concatAll } from '../../internal/bytes.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { LedgerLogError } from '../errors.js'
import type { MetaRecord } from '../events/metaRoot.js'
import { type CheckpointTrust, openCheckpoint } from '../log/checkpoint.js'
import { tileRoot } from '../log/growth.js'
import { keyOfLog, type NoteKey } from '../log/keys.js'
import { hashSize } from '../log/merkle.js'
import { logReader } from '../log/reader.js'
import { decodeEntryBundle, encodeEntryBundle, tilePath, tileWidth } from '../log/tiles.js'
import { logFiles } from '../writer/files/log.js'
import { metaLog } from '../writer/types.js'

/** Reads a ledger's files; with `list`, none has to be guessed. */
export type AuditedStore = TileReader & Partial<Pick<TileStore, 'list'>>

/** Takes a log's entries in their order and compares what its files say of them. */
export type FileCheck = {
  add(entry: Uint8Array, leaf: Uint8Array): Promise<void>
  /** Compares the right edge, once all entries are there. */
  finish(): Promise<void>
}

/** The tile of one level that is not full yet. */
type OpenTile = { level: number | 'entries'; index: bigint; parts: Uint8Array[] }

/** Files that are read at a time. */
const atOnce = 8

/**
 * Compares every hash tile of a log, and what is there of partial tiles and bundles of older sizes: they
 * were published too, and are asked for until the full ones are there. `tell` is called with each fault.
 */
export function fileCheck(
  log: { store: AuditedStore; name: string; tell: (fault: string) => void },
  signal: AbortSignal,
): FileCheck {
  const { store, name, tell } = log
  const open = (level: OpenTile['level']): OpenTile => ({ level, index: 0n, parts: [] })
  const levels: OpenTile[] = [open(0)]
  const bundle = open('entries')
  const read = async (path: string) => (await store.read(`${name}/${path}`, { signal }))?.bytes
  const wrong = (path: string): void => tell(`${name}/${path} does not have what the entries give`)
  const next = (tile: OpenTile): void => {
    Object.assign(tile, { index: tile.index + 1n, parts: [] })
  }

  const push = async (level: number, hash: Uint8Array): Promise<void> => {
    levels[level] ??= open(level)
    const tile = levels[level]
    tile.parts.push(hash)
    if (tile.parts.length < tileWidth) return
    const path = tilePath({ level, index: tile.index, width: tileWidth })
    const bytes = await read(path)
    if (bytes === undefined) tell(`${name}/${path} is not there`)
    else if (!bytesEqual(bytes, concatAll(tile.parts))) wrong(path)
    const root = tileRoot(tile.parts)
    next(tile)
    await push(level + 1, root)
  }

  /** The partial tile in force, or the full one that has replaced it since. */
  const checkEdge = async ({ level, index, parts }: OpenTile): Promise<void> => {
    if (parts.length === 0) return
    const path = tilePath({ level, index, width: parts.length })
    const expected = concatAll(parts)
    const partial = await read(path)
    if (partial !== undefined) {
      if (!bytesEqual(partial, expected)) wrong(path)
      return
    }
    const whole = tilePath({ level, index, width: tileWidth })
    const full = await read(whole)
    if (full === undefined) tell(`${name}/${path} is not there`)
    else if (!bytesEqual(full.subarray(0, expected.length), expected)) wrong(whole)
  }

  const checkOlder = async (
    path: string,
    at: { tile?: OpenTile; width: number },
  ): Promise<void> => {
    signal.throwIfAborted()
    const bytes = await read(path)
    if (bytes === undefined) return
    const { tile, width } = at
    const expected =
      tile === undefined
        ? await startOf(path, { read, width })
        : encode(tile.level, tile.parts.slice(0, width))
    if (expected === undefined || !bytesEqual(bytes, expected)) wrong(path)
  }

  return {
    add: async (entry, leaf) => {
      bundle.parts.push(entry)
      if (bundle.parts.length === tileWidth) next(bundle)
      await push(0, leaf)
    },
    finish: async () => {
      for (const tile of levels) await checkEdge(tile)
      const listed = await store.list?.(name, { signal })
      const older = olderFiles(
        [bundle, ...levels],
        listed?.map((path) => path.slice(name.length + 1)),
      )
      await mapBounded(older, atOnce, ({ path, ...at }) => checkOlder(path, at))
    },
  }
}

/** Partial files of older sizes: those that a store lists, or all that there can be of the right edge. */
function olderFiles(
  tiles: readonly OpenTile[],
  listed: readonly string[] | undefined,
): { path: string; tile?: OpenTile; width: number }[] {
  const found: { path: string; tile?: OpenTile; width: number }[] = []
  for (const tile of tiles) {
    const { level, index, parts } = tile
    for (let width = 1; width < parts.length; width += 1) {
      found.push({ path: tilePath({ level, index, width }), tile, width })
    }
  }
  if (listed === undefined) return found
  const edges = new Map(found.map((file) => [file.path, file]))
  const opens = new Map(tiles.map(({ level, index }) => [`${level}`, index]))
  return listed.flatMap((path) => {
    const known = edges.get(path)
    if (known !== undefined) return [known]
    const [, level = '', digits = '', width] = partialPath.exec(path) ?? []
    const index = opens.get(level)
    // Of sizes that came after this look, nothing is known.
    if (index === undefined || BigInt(digits.replace(/\D/g, '')) >= index) return []
    return [{ path, width: Number(width) }]
  })
}

const partialPath = /^tile\/(entries|\d+)\/((?:x\d{3}\/)*\d{3})\.p\/(\d{1,3})$/

/** What a partial file of a tile that is full has to be; `undefined` where that one is not there. */
async function startOf(
  path: string,
  { read, width }: { read: (path: string) => Promise<Uint8Array | undefined>; width: number },
): Promise<Uint8Array | undefined> {
  const full = await read(path.slice(0, path.lastIndexOf('.p/')))
  if (full === undefined) return undefined
  if (!path.startsWith('tile/entries/')) return full.subarray(0, width * hashSize)
  const entries = decodeEntryBundle(full, tileWidth)
  return entries && encodeEntryBundle(entries.slice(0, width))
}

function encode(level: OpenTile['level'], parts: readonly Uint8Array[]): Uint8Array {
  return level === 'entries' ? encodeEntryBundle(parts) : concatAll(parts)
}

/**
 * Whether each domain's own checkpoint is signed by the ledger's key and extends the newest cut: proofs of
 * events end in it. Answers what is wrong.
 */
export async function checkDomainCheckpoints(
  parameters: {
    store: TileReader
    ledger: string
    trust: CheckpointTrust
    /** As the newest cut names them. */
    domains: MetaRecord['domains']
  },
  signal: AbortSignal,
): Promise<string[]> {
  const { store, ledger, trust, domains } = parameters
  const keys = metaKeys(trust, ledger)
  const wrong: string[] = []
  for (const { name, size, root } of domains) {
    const path = `${name}/checkpoint`
    const file = await store.read(path, { signal })
    const opened = keys
      .map((key) => file && openCheckpoint(file.bytes, { log: keyOfLog(key, `${ledger}/${name}`) }))
      .find((one) => one?.status === 'verified')
    if (opened?.status !== 'verified') {
      wrong.push(`${path} ${file === undefined ? 'is not there' : 'is not signed by the ledger'}`)
      continue
    }
    const { checkpoint } = opened
    const reader = logReader({ checkpoint, read: logFiles(store, name) })
    const isSmaller = checkpoint.size < size
    const prefix = isSmaller ? undefined : await prefixRoot(reader, size, signal)
    if (prefix === undefined || !bytesEqual(prefix, root)) {
      wrong.push(`${path} does not extend what the newest cut names`)
    }
  }
  return wrong
}

async function prefixRoot(
  reader: ReturnType<typeof logReader>,
  size: bigint,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.prefix(size, { signal })).root
  } catch (error) {
    if (error instanceof LedgerLogError) return undefined
    throw error
  }
}

/** Keys of the meta log: the ledger's other logs are signed with the same ones. */
export function metaKeys(trust: CheckpointTrust, ledger: string): NoteKey[] {
  const logs =
    'quorum' in trust
      ? trust.logs.map(({ key }) => ({ key, origin: key.name }))
      : [{ key: trust.log, origin: trust.origin ?? trust.log.name }]
  return logs.filter(({ origin }) => origin === `${ledger}/${metaLog}`).map(({ key }) => key)
}
