/**
 * The evaluation ledger: signed events in one chain, kept in transparency logs (C2SP tlog-tiles);
 * reading and verifying such logs: notes, checkpoints with witnesses, RFC 6962 proofs, tiles, proof
 * files. Browser-safe.
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
export { type AnchorFault, AnchorRefusedError } from './anchor/errors.js'
export {
  type AnchorReceipt,
  anchorRecord,
  type ChainAnchorReceipt,
  type RekorAnchorReceipt,
  rekorAnchorRecord,
  type TimestampReceipt,
  timestampAnchorRecord,
} from './anchor/receipts.js'
export {
  type RekorFault,
  type RekorTrust,
  type VerifiedRekorAnchor,
  type VerifiedRekorEntry,
  verifyRekorAnchor,
  verifyRekorEntry,
} from './anchor/rekor.js'
export {
  createRekorAnchor,
  createTimestampAnchor,
  type RekorAnchorParameters,
  type TimestampAnchorParameters,
  upgradeTimestamp,
} from './anchor/targets.js'
export {
  type TimestampTrust,
  type VerifiedTimestamp,
  verifyTimestamp,
} from './anchor/timestamps.js'
export { type Auditor, createAuditor } from './audit/auditor.js'
export {
  type RebuiltLogs,
  readCut,
  rebuildLogs,
  rebuildRoots,
  type VerifiedCut,
} from './audit/cut.js'
export type { AuditedStore } from './audit/files.js'
export type {
  AnchoredCheckpoint,
  AnchorsOutcome,
  AuditClock,
  AuditorParameters,
  LedgerViolation,
} from './audit/parameters.js'
export {
  computeStateRoot,
  createLedgerState,
  type LedgerState,
  type ReducerRoot,
} from './audit/reducers.js'
export {
  type ReEvaluation,
  type Replay,
  type ReplayFault,
  type ReplayParameters,
  replayLedger,
} from './audit/replay.js'
export { type SnapshotClaim, snapshotRecord } from './audit/snapshots.js'
export {
  createSnapshotter,
  type SnapshotOutcome,
  type Snapshotter,
  type SnapshotterParameters,
} from './audit/snapshotter.js'
export { type VerifiedEventProof, verifyEventProof } from './audit/verifyProof.js'
export {
  AnchorConflictError,
  EventSignatureError,
  LedgerBehindError,
  LedgerBusyError,
  LedgerChainError,
  LedgerLockedError,
  LedgerLogError,
  LedgerOutboxError,
  LedgerReceiptError,
  LedgerSinkClosedError,
  LedgerStateError,
  LedgerStoppedError,
  LedgerUnreachableError,
  type LogFault,
  PinError,
  TileConflictError,
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
export { deriveEventId, eventIds, eventIdTime, isEventId } from './events/eventId.js'
export {
  type PreparedEvent,
  type PrepareEventParameters,
  prepareEvent,
  signEvent,
} from './events/flow.js'
export {
  type PrepareKeyEventParameters,
  prepareGenesis,
  prepareKeyEvent,
} from './events/keyEvents.js'
export {
  computeMetaRoot,
  type DomainRoot,
  decodeMetaRecord,
  encodeMetaRecord,
  type MetaRecord,
} from './events/metaRoot.js'
export {
  authorityProblem,
  authorityTable,
  type SemanticContext,
  semanticProblem,
} from './events/rules.js'
export type { EventSchemas } from './events/schemaTypes.js'
export {
  type EventSigner,
  ed25519EventSigner,
  keyProofMessage,
  strictEd25519,
  type VerifySignature,
} from './events/signature.js'
export {
  type LedgerReceipt,
  type RefusalCode,
  refusalStatus,
  type SubmitRefusal,
  type SubmitResult,
} from './events/submit.js'
export {
  type CheckVerdict,
  type EventCheck,
  type EventVerdict,
  eventChecks,
  readEvent,
  type VerifyEventParameters,
  verifyEvent,
} from './events/verify.js'
export {
  type KeyRole,
  type KeyRow,
  keyRoles,
  keyRow,
  type LedgerView,
  reduceEvent,
  type ViewChange,
} from './events/view.js'
export {
  createLedgerHandler,
  type LedgerHandler,
  type LedgerHandlerParameters,
} from './http/handler.js'
export { type HttpLedgerTargetParameters, httpLedgerTarget } from './intake/httpTarget.js'
export {
  type CreateLedgerParameters,
  createLedger,
  type Ledger,
  type SubmitOptions,
} from './intake/ledger.js'
export { memoryOutbox, type Outbox, type OutboxItem } from './intake/outbox.js'
export { createLedgerSink, type DeliveringSink, type LedgerSinkParameters } from './intake/sink.js'
export { type LedgerTarget, ledgerTarget } from './intake/target.js'
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
  keyOfLog,
  type NoteKey,
  type NoteSigner,
  noteSigner,
  parseNoteKey,
  verifyEd25519,
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
  type TileStoreUnderTest,
  type TileTestApi,
  testTileStore,
} from './store/conformance.js'
export { httpTiles } from './store/httpTiles.js'
export { type MemoryTiles, memoryTiles } from './store/memoryTiles.js'
export { objectTiles } from './store/objectTiles.js'
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
export { type ChainPlace, chainStart, type WalkedEvent, walkChain } from './writer/chain.js'
export type { FsckFault, FsckParameters, FsckReport } from './writer/fsck/chain.js'
export { fsck } from './writer/fsck/fsck.js'
export {
  type LedgerLookup,
  type LookupMark,
  memoryLookup,
} from './writer/lookup.js'
export type { Cut } from './writer/meta.js'
export {
  type AckLevel,
  type AppendedEvent,
  type EventProof,
  type LedgerHead,
  type LedgerWriter,
  metaLog,
  type PlacedEvent,
} from './writer/types.js'
export {
  checkpointSigners,
  ledgerLogs,
  type OpenWriter,
  type OpenWriterParameters,
  openWriter,
} from './writer/writer.js'
