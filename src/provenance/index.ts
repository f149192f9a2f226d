/**
 * Where plugin binaries come from: build information, source archives, claims of verifiers, and what
 * a reader makes of them. Browser-safe.
 *
 * @packageDocumentation
 */
export {
  type ArchiveLimits,
  archiveLimits,
  createSourceArchive,
  readSourceArchive,
  type SourceFile,
} from './build/archive.js'
export {
  type BuildInfo,
  type BuildInfoFields,
  completeBuildInfo,
  computeBuildInfoHash,
  decodeBuildInfo,
  decodeBuildInfoFields,
  encodeBuildInfo,
  encodeBuildInfoFields,
  isToolchainManifest,
  MAX_BUILD_INFO_BYTES,
  type PartialBuildInfo,
  parseBuildEntries,
  toMetadataEntries,
} from './build/buildInfo.js'
export {
  assertCandidates,
  type BuildCandidates,
  type CandidateImage,
  type CandidateSource,
  type GuessedPlugin,
  guessBuilds,
  MAX_BUILDS,
} from './build/candidates.js'
export {
  type BuildComparison,
  type BuildMatch,
  compareBuild,
  computeWasmHashes,
  type SectionDifference,
  type WasmHashes,
} from './build/compareBuild.js'
export {
  appendMetadata,
  decodeMetadata,
  encodeMetadata,
  METADATA_SECTION,
  type MetadataEntry,
  type PluginMetadata,
  readMetadata,
  splitMetadata,
} from './build/metadata.js'
export {
  type DsseEnvelope,
  type StatementSigner,
  type StatementVerdict,
  statementSigner,
  verifyStatement,
} from './claims/dsse.js'
export {
  type DidNotRunReason,
  didNotRunReasons,
  type EvidenceVerdict,
  encodeEvidence,
  evidenceHashOf,
  MAX_EVIDENCE_BYTES,
  readEvidence,
  type VerificationEvidence,
  verifyEvidence,
} from './claims/evidence.js'
export {
  createProvenanceRecorder,
  type ProvenanceRecorder,
  type ProvenanceRecorderParameters,
} from './claims/ledgerRecords.js'
export {
  type ClaimOrigin,
  provenanceStatement,
  STATEMENT_MEDIA_TYPE,
  type Statement,
  statementTypes,
  summaryStatement,
} from './claims/statement.js'
export { type ControlHandlerParameters, createControlHandler } from './control/controlHandler.js'
export { type ControlPlane, createControlPlane } from './control/controlPlane.js'
export type {
  ControlEvent,
  ControlPlaneParameters,
  EvidenceStore,
  RecordedClaim,
} from './control/parameters.js'
export {
  type ArchiveFault,
  BuildInfoError,
  type BuildInfoFault,
  ControlPlaneError,
  IsolationError,
  PluginBytesError,
  QueueFullError,
  SourceArchiveError,
  SourceUnavailableError,
  ToolchainError,
} from './errors.js'
export {
  createProvenanceFollower,
  type ProvenanceFollower,
  type ProvenanceFollowerParameters,
} from './index/follower.js'
export {
  createProvenanceIndex,
  type IndexedBuild,
  type IndexedClaim,
  type ProvenanceFilter,
  type ProvenanceIndex,
  type ProvenanceRecord,
} from './index/provenanceIndex.js'
export {
  createStatusHandler,
  type StatusHandlerParameters,
  type VerifierProfile,
} from './index/statusHandler.js'
export {
  type JobLease,
  type JobQueue,
  type JobResult,
  type JobState,
  MAX_TRIES,
  type NewJob,
  type QueueBounds,
  type StoredJob,
} from './queue/jobQueue.js'
export { memoryQueue, type QueueOptions } from './queue/memoryQueue.js'
export { type QueueCase, QueueConformanceError } from './queue/queueChecks.js'
export { queueConformance } from './queue/queueConformance.js'
export {
  assertTrustPolicy,
  evaluateTrust,
  indexedProvenance,
  type TrustPolicy,
  trustOfClaim,
} from './trust/trustPolicy.js'
export type { BuildJob, BuildOutcome, LeasedBuild } from './worker/protocol.js'
export {
  type BuildWorker,
  createBuildWorker,
  type PluginBuilder,
  type WorkerEvent,
} from './worker/worker.js'
export { httpWorkerControl, type WorkerControl } from './worker/workerClient.js'
