/**
 * Reading and verifying transparency logs in C2SP tlog-tiles: signed notes, checkpoints with
 * witnesses, RFC 6962 proofs, tiles, proof files; witnesses themselves. Browser-safe.
 */
export {
  type AnchorCandidate,
  type Anchorer,
  type AnchorerParameters,
  type AnchorOutcome,
  type AnchorTarget,
  createAnchorer,
} from './anchor/anchorer.js'
export {
  anchorLogId,
  anchorSlot,
  anchorsKept,
  anchorWord,
  type ChainAnchorTrust,
  type VerifiedChainAnchor,
  verifyChainAnchor,
} from './anchor/chainAnchor.js'
export type {
  AnchorReceipt,
  ChainAnchorReceipt,
  RekorAnchorReceipt,
  TimestampReceipt,
} from './anchor/receipts.js'
export {
  AnchorConflictError,
  LedgerLogError,
  type LogFault,
  PinError,
  type WitnessFault,
  WitnessRefusedError,
  WitnessStateError,
} from './errors.js'
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
  type LogTrust,
  openCheckpoint,
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
  type WitnessSigner,
  witnessSigner,
} from './log/keys.js'
export { emptyRoot, leafHash, nodeHash, verifyConsistency, verifyInclusion } from './log/merkle.js'
export {
  cosign,
  type NoteFault,
  type NoteSignature,
  type NoteSigned,
  type OpenedNote,
  openNote,
  parseNote,
  signNote,
} from './log/note.js'
export { meetsQuorum, parseTlogPolicy, type Quorum, type TlogPolicy } from './log/policy.js'
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
  type Cosigned,
  collectCosignatures,
  createWitnessClient,
  type ProveGrowth,
  type WitnessClient,
} from './witness/client.js'
export {
  type ForkEvidence,
  formatForkEvidence,
  type PrefixClaim,
  type VerifiedForkEvidence,
  verifyForkEvidence,
} from './witness/forkEvidence.js'
export { type PinnedLog, type PinOutcome, pinnedLog } from './witness/pinnedLog.js'
export { type CheckpointStore, memoryCheckpointStore } from './witness/store.js'
export {
  createWitness,
  type Witness,
  type WitnessAnswer,
  type WitnessedLog,
  type WitnessParameters,
} from './witness/witness.js'
export {
  type AckLevel,
  type AppendedEvent,
  type EventProof,
  type LedgerHead,
  type LedgerWriter,
  metaLog,
  type PlacedEvent,
} from './writer/types.js'
