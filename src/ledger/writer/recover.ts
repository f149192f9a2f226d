/** Opening: what was final is finished, what was not is forgotten. */
import type { TileStore } from '../../core/interfaces/tileStore.js'
import { LedgerLogError, LedgerStateError } from '../errors.js'
import { emptyEdge, type LogEdge } from '../log/growth.js'
import type { NoteSigner } from '../log/keys.js'
import { emptyRoot } from '../log/merkle.js'
import { tilePath, tileWidth } from '../log/tiles.js'
import {
  checkpointPath,
  type Engine,
  finishBatch,
  type OpenLog,
  publish,
  readPublished,
  replaceHead,
} from './engine.js'
import { decodeHead, emptyHead, headPath, type LogState } from './files/head.js'
import { loadEdge } from './files/log.js'
import { decodeStaging, type LogGrowth } from './files/staging.js'

/** What opening needs. */
export type RecoverParameters = {
  store: TileStore
  /** Signers of all logs, by name. */
  signers: ReadonlyMap<string, NoteSigner>
  keepPartials: boolean
}

/**
 * Takes over a ledger's files: raises the epoch, so that an instance that still writes elsewhere is
 * refused at its next batch, and finishes the batch that the commit point names.
 *
 * @throws {LedgerStateError} where files and commit point contradict each other.
 */
export async function recover(parameters: RecoverParameters): Promise<Engine> {
  const { store, signers } = parameters
  const file = await store.read(headPath)
  const names = [...signers.keys()]
  if (file === undefined) await assertNew(store, names)
  const head = file === undefined ? emptyHead(names, emptyRoot()) : decodeHead(file.bytes)
  if (head === undefined) throw new LedgerStateError({ reason: `${headPath} cannot be read` })
  if ([...head.sizes.keys()].sort().join() !== [...names].sort().join()) {
    throw new LedgerStateError({
      reason: `it has the logs ${[...head.sizes.keys()].join(', ')}, not ${names.join(', ')}`,
    })
  }
  const engine: Engine = {
    store,
    keepPartials: parameters.keepPartials,
    logs: new Map(),
    head,
    headVersion: file?.version,
    staged: 0,
    garbage: [],
  }
  const staged = await stagedBatch(store, head.staging)
  for (const [name, signer] of signers) {
    const state = head.sizes.get(name) as LogState
    const published = await readPublished(store, { name, signer, state })
    const growth = staged.find((part) => part.name === name)
    const edge = growth === undefined ? await edgeOf(store, name, state) : undefined
    engine.logs.set(name, { signer, edge: edge ?? emptyEdge, published })
  }
  // From here on another instance cannot commit.
  await replaceHead(engine, { ...head, epoch: head.epoch + 1n })
  await finishStaged(engine, staged)
  for (const name of names) await publish(engine, name)
  await sweep(engine)
  return engine
}

/** Without a commit point there is no ledger; files of one would be lost under a new one. */
async function assertNew(store: TileStore, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if ((await store.read(checkpointPath(name))) === undefined) continue
    throw new LedgerStateError({ reason: `${name} has a checkpoint, and ${headPath} is missing` })
  }
}

async function stagedBatch(store: TileStore, path: string): Promise<LogGrowth[]> {
  if (path === '') return []
  const file = await store.read(path)
  // It is removed only once everything in it is in the logs.
  if (file === undefined) return []
  const growths = decodeStaging(file.bytes)
  if (growths === undefined) throw new LedgerLogError({ fault: 'malformed', path })
  return growths
}

async function edgeOf(store: TileStore, name: string, state: LogState): Promise<LogEdge> {
  return state.size === 0n ? emptyEdge : loadEdge(store, name, state)
}

async function finishStaged(engine: Engine, staged: readonly LogGrowth[]): Promise<void> {
  if (staged.length === 0) return
  for (const { name, before, entries } of staged) {
    const after = engine.head.sizes.get(name)
    const log = engine.logs.get(name) as OpenLog
    if (after === undefined || before.size + BigInt(entries.length) !== after.size) {
      throw new LedgerStateError({
        reason: `the staged batch does not lead to the size of ${name}`,
      })
    }
    log.edge = await edgeBefore(engine.store, { name, before, after })
  }
  await finishBatch(engine, staged)
}

/**
 * The edge that a staged batch starts from. Its partial files are there until the batch is published;
 * where they were removed since, the batch is in the log, and its entries before the edge too.
 */
async function edgeBefore(
  store: TileStore,
  { name, before, after }: { name: string; before: LogState; after: LogState },
): Promise<LogEdge> {
  try {
    return await edgeOf(store, name, before)
  } catch (error) {
    if (!(error instanceof LedgerLogError) || error.fault !== 'missing') throw error
  }
  const cut = await cutEdge(store, { name, before })
  if (cut !== undefined) return cut
  throw new LedgerStateError({
    reason: `neither ${name} at ${before.size} nor at ${after.size} is complete`,
  })
}

/** The same edge from full files, cut to its width. The root decides whether it is the one. */
async function cutEdge(
  store: TileStore,
  { name, before }: { name: string; before: LogState },
): Promise<LogEdge | undefined> {
  const view = {
    read: async (path: string) => {
      const whole = await store.read(path)
      if (whole !== undefined) return whole
      const full = await store.read(path.replace(/\.p\/\d+$/, ''))
      if (full === undefined) return undefined
      const width = Number(/\.p\/(\d+)$/.exec(path)?.[1] ?? 256)
      return { ...full, bytes: cutTile(full.bytes, path.includes('/entries/'), width) }
    },
  }
  return loadEdge(view, name, before).catch(() => undefined)
}

function cutTile(bytes: Uint8Array, isBundle: boolean, width: number): Uint8Array {
  if (!isBundle) return bytes.slice(0, width * 32)
  let at = 0
  for (let count = 0; count < width; count += 1) {
    at += 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0))
  }
  return bytes.slice(0, at)
}

/** Staged batches that never became final, and partial files whose full ones are there. */
async function sweep(engine: Engine): Promise<void> {
  const { store } = engine
  const stale = await store.list('.state/staging')
  await store.remove(stale)
  engine.garbage = []
  if (engine.keepPartials) return
  for (const [name, { edge }] of engine.logs) {
    for (const level of ['entries' as const, ...edge.levels.keys()]) {
      const count = level === 'entries' ? edge.size : edge.size >> BigInt(8 * level)
      if (count < 256n) continue
      const full = tilePath({ level, index: count / 256n - 1n, width: tileWidth })
      await store.remove(await store.list(`${name}/${full}.p`))
    }
  }
}
