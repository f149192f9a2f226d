/**
 * Reading and verifying transparency logs in C2SP tlog-tiles: signed notes, checkpoints with
 * witnesses, RFC 6962 proofs, tiles, proof files. Browser-safe.
 */
export { LedgerLogError, type LogFault } from './errors.js'
export {
  type EventDomain,
  type EventHeader,
  type EventPayload,
  encodeEvent,
  eventDomains,
  eventHash,
  genesisHash,
  isEventDomain,
  keyIdOf,
  type LedgerEvent,
  type SubmitBody,
} from './events/event.js'
export {
  type LedgerReceipt,
  type RefusalCode,
  refusalStatus,
  type SubmitRefusal,
  type SubmitResult,
} from './events/submit.js'
export {
  type Checkpoint,
  type CheckpointTrust,
  formatCheckpoint,
  parseCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from './log/checkpoint.js'
export {
  formatNoteKey,
  type NoteKey,
  type NoteSigner,
  noteSigner,
  parseNoteKey,
} from './log/keys.js'
export { emptyRoot, leafHash, nodeHash, verifyConsistency, verifyInclusion } from './log/merkle.js'
export {
  type NoteFault,
  type NoteSignature,
  type NoteSigned,
  type OpenedNote,
  openNote,
  parseNote,
  signNote,
} from './log/note.js'
export { isFork, type LogReader, logReader, type ReadLogFile } from './log/reader.js'
export {
  decodeEntryBundle,
  encodeEntryBundle,
  maxEntrySize,
  tilePath,
  tileWidth,
} from './log/tiles.js'
export { formatTlogProof, type VerifiedTlogProof, verifyTlogProof } from './log/tlogProof.js'
export {
  type AckLevel,
  type AppendedEvent,
  type EventProof,
  type LedgerHead,
  type LedgerWriter,
  metaLog,
  type PlacedEvent,
} from './writer/types.js'
