/**
 * One batch at a time, from entries to signed checkpoints:
 *
 * 1. the batch is staged;
 * 2. `.state/head` names it: the commit point;
 * 3. the files of the logs are written;
 * 4. they are read again, and the roots derived from what was read;
 * 5. checkpoints are signed and published, each proved to extend the one before.
 *
 * Recovery runs 3 to 5 with the staged batch. What fails in between ends the instance.
 */
import type { TileStore } from '../../core/interfaces/tileStore.js'
import { bytesEqual, fromUtf8, utf8 } from '../../internal/bytes.js'
import { LedgerLogError, LedgerStateError } from '../errors.js'
import { type Checkpoint, formatCheckpoint, verifyCheckpoint } from '../log/checkpoint.js'
import { edgeRoot, growLog, type LogEdge, type LogFile } from '../log/growth.js'
import type { NoteSigner } from '../log/keys.js'
import { signNote } from '../log/note.js'
import { logReader } from '../log/reader.js'
import { encodeHead, type HeadRecord, headPath, type LogState } from './files/head.js'
import { loadEdge, logFiles } from './files/log.js'
import { encodeStaging, type LogGrowth } from './files/staging.js'

/** A checkpoint as it is published. */
export type Published = Checkpoint & { note: string; version: string }

/** A log that is written. */
export type OpenLog = {
  signer: NoteSigner
  edge: LogEdge
  published: Published | undefined
}

/** What a writer knows of its ledger. */
export type Engine = {
  readonly store: TileStore
  readonly keepPartials: boolean
  readonly logs: Map<string, OpenLog>
  head: HeadRecord
  headVersion: string | undefined
  /** Batches staged by this instance: no two have one name. */
  staged: number
  /** What can be removed before the next batch. */
  garbage: string[]
}

/** What the commit point says after a batch. */
export type NextHead = { head: string; seq: bigint }

/** Where a checkpoint is kept. */
export const checkpointPath = (name: string): string => `${name}/checkpoint`

/** Makes a batch final. After it nothing can undo the batch; its files are not there yet. */
export async function commitBatch(
  engine: Engine,
  added: ReadonlyMap<string, readonly Uint8Array[]>,
  next: NextHead,
): Promise<LogGrowth[]> {
  const sizes = new Map(engine.head.sizes)
  const growths: LogGrowth[] = []
  for (const [name, entries] of added) {
    const before = engine.head.sizes.get(name)
    const log = engine.logs.get(name)
    if (before === undefined || log === undefined) {
      throw new LedgerStateError({ reason: `it has no log ${name}` })
    }
    growths.push({ name, before, entries })
    const { edge } = growLog(log.edge, entries)
    sizes.set(name, { size: edge.size, root: edgeRoot(edge) })
  }
  engine.staged += 1
  const staging = `.state/staging/${engine.head.epoch}-${engine.staged}`
  await engine.store.create([{ path: staging, bytes: encodeStaging(growths) }])
  await replaceHead(engine, { ...engine.head, ...next, sizes, staging })
  return growths
}

/** Replaces the commit point, if it is still what this instance wrote. */
export async function replaceHead(engine: Engine, record: HeadRecord): Promise<void> {
  const file = { path: headPath, bytes: encodeHead(record), version: engine.headVersion }
  const { version } = await engine.store.replace(file)
  engine.head = record
  engine.headVersion = version
}

/** Writes the files of a batch that is final, looks at what was written, and publishes. */
export async function finishBatch(engine: Engine, growths: readonly LogGrowth[]): Promise<void> {
  const { store } = engine
  const grown = growths.map(({ name, entries }) => {
    const log = engine.logs.get(name) as OpenLog
    return { name, log, before: log.edge, ...growLog(log.edge, entries) }
  })
  const files = grown.flatMap(({ name, files: parts }) =>
    parts.map(({ path, bytes }) => ({ path: `${name}/${path}`, bytes })),
  )
  await store.create(files)
  await Promise.all(files.map((file) => readBack(store, file)))
  for (const { name, log, edge } of grown) {
    await loadEdge(store, name, engine.head.sizes.get(name) as LogState)
    log.edge = edge
  }
  for (const { name } of grown) await publish(engine, name)
  const { staging } = engine.head
  if (staging !== '') engine.garbage.push(staging)
  if (!engine.keepPartials) {
    for (const { name, files: parts } of grown) {
      for (const file of parts) {
        if (!isFull(file)) continue
        engine.garbage.push(...(await store.list(`${name}/${file.path}.p`)))
      }
    }
  }
}

/** Removes what no reader needs any more. */
export async function collectGarbage(engine: Engine): Promise<void> {
  const paths = engine.garbage.splice(0)
  if (paths.length > 0) await engine.store.remove(paths)
}

const isFull = ({ path }: LogFile): boolean => !path.includes('.p/')

async function readBack(store: TileStore, { path, bytes }: LogFile): Promise<void> {
  const file = await store.read(path)
  if (file === undefined || !bytesEqual(file.bytes, bytes)) {
    throw new LedgerLogError({ fault: file === undefined ? 'missing' : 'inconsistent', path })
  }
}

/**
 * Signs and publishes the checkpoint of a log, if it has grown. That it extends the published one is
 * proved from the files first, by the function that strangers verify with.
 */
export async function publish(engine: Engine, name: string): Promise<void> {
  const log = engine.logs.get(name) as OpenLog
  const { size, root } = engine.head.sizes.get(name) as LogState
  const { published } = log
  if (published?.size === size) return
  const checkpoint = { origin: log.signer.key.name, size, root }
  if (published !== undefined && published.size > 0n) {
    const reader = logReader({ checkpoint, read: logFiles(engine.store, name) })
    await reader.consistency(published)
  }
  const note = signNote({ text: formatCheckpoint(checkpoint), signers: [log.signer] })
  const file = { path: checkpointPath(name), bytes: utf8(note), version: published?.version }
  const { version } = await engine.store.replace(file)
  log.published = { ...checkpoint, note, version }
}

/**
 * Reads the published checkpoint of a log. One that the commit point does not know, larger or with
 * another root, was signed in another history: nothing may be signed then.
 */
export async function readPublished(
  store: TileStore,
  parameters: { name: string; signer: NoteSigner; state: LogState },
): Promise<Published | undefined> {
  const { name, signer, state } = parameters
  const file = await store.read(checkpointPath(name))
  if (file === undefined) return undefined
  const verified = verifyCheckpoint(file.bytes, { log: signer.key })
  if (verified.status !== 'verified') {
    throw new LedgerStateError({
      reason: `the checkpoint of ${name} is not one of this ledger’s key (${verified.reason})`,
    })
  }
  const { checkpoint } = verified
  if (checkpoint.size > state.size) {
    throw new LedgerStateError({
      reason: `a checkpoint of ${name} at ${checkpoint.size} is published, and the commit point knows ${state.size}`,
    })
  }
  if (checkpoint.size === state.size && !bytesEqual(checkpoint.root, state.root)) {
    throw new LedgerStateError({
      reason: `${name} at ${state.size} was published with another root`,
    })
  }
  return { ...checkpoint, note: fromUtf8(file.bytes), version: file.version }
}
