/** A cut through a ledger as an outsider reads it: from its files, believing signatures only. */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import { bytesEqual } from '../../internal/bytes.js'
import { LedgerLogError } from '../errors.js'
import { decodeMetaRecord, type MetaRecord } from '../events/metaRoot.js'
import { type Checkpoint, type CheckpointTrust, verifyCheckpoint } from '../log/checkpoint.js'
import { emptyRange, growRange, rangeRoot } from '../log/compactRange.js'
import { type LogReader, logReader } from '../log/reader.js'
import { logFiles, readEntries } from '../writer/files/log.js'
import { metaLog } from '../writer/types.js'
import { type AuditedStore, type FileCheck, fileCheck } from './files.js'

/** A recorded cut, under a checkpoint of the meta log that was verified. */
export type VerifiedCut = {
  record: MetaRecord
  /** Checkpoint of the meta log, and the note that signs it. */
  meta: Checkpoint
  note: string
  reader: LogReader
}

/**
 * Reads the newest recorded cut of a ledger; `undefined` for one without events.
 *
 * @throws {LedgerLogError} where files are missing, or are not what the signed checkpoint commits to.
 */
export async function readCut(
  parameters: { store: TileReader; ledger: string; trust: CheckpointTrust },
  signal: AbortSignal,
): Promise<VerifiedCut | undefined> {
  const { store, ledger, trust } = parameters
  const path = `${metaLog}/checkpoint`
  const file = await store.read(path, { signal })
  if (file === undefined) return undefined
  const verified = verifyCheckpoint(file.bytes, trust)
  if (verified.status !== 'verified' || verified.checkpoint.origin !== `${ledger}/${metaLog}`) {
    throw new LedgerLogError({ fault: 'malformed', path })
  }
  const meta = verified.checkpoint
  if (meta.size === 0n) return undefined
  const reader = logReader({ checkpoint: meta, read: logFiles(store, metaLog) })
  const { entry } = await reader.entry(meta.size - 1n, { signal })
  const record = decodeMetaRecord(entry)
  if (record === undefined) {
    throw new LedgerLogError({ fault: 'malformed', path: `${metaLog} entry ${meta.size - 1n}` })
  }
  return { record, meta, note: new TextDecoder().decode(file.bytes), reader }
}

/** A recorded cut and its place in the meta log; `undefined` for an entry that is none. */
export type PlacedCut = { index: bigint; entry: Uint8Array; record: MetaRecord | undefined }

/** Every cut that the meta log has up to this one, the oldest first. */
export async function* readCuts(
  { store, cut }: { store: TileReader; cut: VerifiedCut },
  signal: AbortSignal,
): AsyncGenerator<PlacedCut> {
  const log = { store, name: metaLog, from: 0n, size: cut.meta.size }
  for await (const { index, entry } of readEntries(log, signal)) {
    yield { index, entry, record: decodeMetaRecord(entry) }
  }
}

/** What the entries of a ledger contradict. */
export type RebuiltLogs = {
  /** Logs whose entries do not have a root that was recorded. */
  roots: string[]
  /** Files that do not have what the entries give, or are missing, each with what is wrong. */
  files: string[]
}

/** Names the logs whose entries do not have a root that was recorded. See {@link rebuildLogs}. */
export async function rebuildRoots(
  parameters: { store: AuditedStore; cut: VerifiedCut },
  signal: AbortSignal,
): Promise<string[]> {
  return (await rebuildLogs(parameters, signal)).roots
}

/**
 * Computes the root of every domain again from the entries, at every cut that was ever recorded, and names
 * what differs: a proof may end in any of them, so an old one that is false is as bad as the newest. Hash
 * tiles, and what is there of partial ones, are compared too: without them nobody can prove anything.
 */
export async function rebuildLogs(
  { store, cut }: { store: AuditedStore; cut: VerifiedCut },
  signal: AbortSignal,
): Promise<RebuiltLogs> {
  const wrong: RebuiltLogs = { roots: [], files: [] }
  const tellFile = (fault: string): void => {
    if (wrong.files.length < maxWrong) wrong.files.push(fault)
  }
  const checkOf = (name: string): FileCheck => fileCheck({ store, name, tell: tellFile }, signal)
  const domains = cut.record.domains.map(({ name, size }) =>
    domainOf({ store, name, size, files: checkOf(name) }, signal),
  )
  const meta = emptyRange()
  const metaFiles = checkOf(metaLog)
  let seq = -1n
  for await (const { index, entry, record } of readCuts({ store, cut }, signal)) {
    await metaFiles.add(entry, growRange(meta, entry))
    const isLast = index === cut.meta.size - 1n
    const tell = (fault: string): void => {
      if (wrong.roots.length < maxWrong) {
        wrong.roots.push(isLast ? fault : `${fault} of meta entry ${index}`)
      }
    }
    if (record === undefined || record.seq <= seq || record.domains.length !== domains.length) {
      tell(metaLog)
      continue
    }
    seq = record.seq
    let entries = 0n
    for (const [at, { name, size, root }] of record.domains.entries()) {
      entries += size
      const domain = domains[at] as (typeof domains)[number]
      const derived = domain.name === name ? await domain.rootAt(size) : undefined
      if (derived === undefined || !bytesEqual(derived, root)) tell(name)
    }
    // An entry that is in no chain is in a log that is longer than the chain.
    if (entries !== seq + 1n) tell('sizes')
  }
  if (!bytesEqual(rangeRoot(meta), cut.meta.root)) wrong.roots.push(metaLog)
  await metaFiles.finish()
  for (const domain of domains) await domain.finish()
  return wrong
}

/** Faults that are named: a log that is false from its start has no use for each. */
const maxWrong = 100

/** Roots of a domain at sizes that grow; `undefined` for one that it cannot have any more. */
function domainOf(
  log: { store: TileReader; name: string; size: bigint; files: FileCheck },
  signal: AbortSignal,
) {
  const { store, name, size: most, files } = log
  const entries = readEntries({ store, name, from: 0n, size: most }, signal)
  const range = emptyRange()
  let root = rangeRoot(range)
  const rootAt = async (size: bigint): Promise<Uint8Array | undefined> => {
    if (size < range.size || size > most) return undefined
    if (size === range.size) return root
    while (range.size < size) {
      const next = await entries.next()
      if (next.done === true) return undefined
      const { entry } = next.value
      await files.add(entry, growRange(range, entry))
    }
    root = rangeRoot(range)
    return root
  }
  return {
    ...{ name, rootAt },
    /** Compares the right edge, whatever sizes were asked for. */
    finish: async (): Promise<void> => {
      await rootAt(most)
      await files.finish()
    },
  }
}
