/** A cut through a ledger as an outsider reads it: from its files, believing signatures only. */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import { bytesEqual } from '../../internal/bytes.js'
import { LedgerLogError } from '../errors.js'
import { decodeMetaRecord, type MetaRecord } from '../events/metaRoot.js'
import { type Checkpoint, type CheckpointTrust, verifyCheckpoint } from '../log/checkpoint.js'
import { edgeRoot, emptyEdge, growLog } from '../log/growth.js'
import { type LogReader, logReader } from '../log/reader.js'
import { logFiles, readEntries } from '../writer/files/log.js'
import { metaLog } from '../writer/types.js'

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

/**
 * Computes the root of every domain of a cut again from the entries, and names those that differ from
 * what was recorded.
 */
export async function rebuildRoots(
  { store, cut }: { store: TileReader; cut: VerifiedCut },
  signal: AbortSignal,
): Promise<string[]> {
  const wrong: string[] = []
  for (const { name, size, root } of cut.record.domains) {
    let edge = emptyEdge
    let batch: Uint8Array[] = []
    for await (const { entry } of readEntries({ store, name, from: 0n, size }, signal)) {
      batch.push(entry)
      if (batch.length < 256) continue
      edge = growLog(edge, batch).edge
      batch = []
    }
    edge = growLog(edge, batch).edge
    if (edge.size !== size || !bytesEqual(edgeRoot(edge), root)) wrong.push(name)
  }
  return wrong
}
