/** Both proofs of an event: into its domain's log, and of that log's root into the meta log. */
import { InvalidInputError } from '../../errors/common.js'
import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from '../log/checkpoint.js'
import type { NoteSigner } from '../log/keys.js'
import { parseNote } from '../log/note.js'
import { logReader } from '../log/reader.js'
import { formatTlogProof } from '../log/tlogProof.js'
import type { Published } from '../writer/engine.js'
import { logFiles } from '../writer/files/log.js'
import { type EventProof, metaLog } from '../writer/types.js'
import type { OpenWriter } from '../writer/writer.js'

/** Proves an event against the newest recorded cut. See `Ledger.prove`. */
export async function proveEvent(
  writer: OpenWriter,
  eventId: string,
  options: { metaCheckpoint?: string | undefined } = {},
): Promise<EventProof | 'pending' | undefined> {
  if (writer.waiting(eventId) !== undefined) return 'pending'
  const placed = await writer.find(eventId)
  if (placed === undefined) return undefined
  const cut = writer.cut()
  const published = cut?.domains.get(placed.domain)
  if (cut === undefined || published === undefined || placed.index >= published.size) {
    return 'pending'
  }
  const meta = metaOf(writer, { ...options, newest: cut.meta })
  if (cut.index >= meta.checkpoint.size) return 'pending'
  const { entry, proof } = await entryOf(writer, placed.domain, published, placed.index)
  const record = await entryOf(writer, metaLog, meta.checkpoint, cut.index)
  return {
    entry,
    domainProof: formatTlogProof({ index: placed.index, proof, checkpoint: published.note }),
    metaRecord: record.entry,
    metaProof: formatTlogProof({ index: cut.index, proof: record.proof, checkpoint: meta.note }),
  }
}

function entryOf(
  writer: OpenWriter,
  name: string,
  checkpoint: Checkpoint,
  index: bigint,
): Promise<{ entry: Uint8Array; proof: Uint8Array[] }> {
  return logReader({ checkpoint, read: logFiles(writer.store, name) }).entry(index)
}

/** The meta checkpoint to prove against: the newest, or one that witnesses have cosigned since. */
function metaOf(
  writer: OpenWriter,
  { metaCheckpoint, newest }: { metaCheckpoint?: string | undefined; newest: Published },
): { checkpoint: Checkpoint; note: string } {
  if (metaCheckpoint === undefined) return { checkpoint: newest, note: newest.note }
  const log = (writer.signers.get(metaLog) as NoteSigner).key
  const isOurs = verifyCheckpoint(metaCheckpoint, { log }).status === 'verified'
  const checkpoint = parseCheckpoint(parseNote(metaCheckpoint)?.text ?? '')
  if (!isOurs || checkpoint === undefined) {
    throw new InvalidInputError({
      field: 'metaCheckpoint',
      reason: 'it is no checkpoint of this ledger’s meta log',
    })
  }
  return { checkpoint, note: metaCheckpoint }
}
