/** The state tree and the commit pipeline on it. Browser-safe; LMDB is in `statetree/node`. */

export { type StoreUnderTest, type TestApi, testNodeStore } from './conformance.js'
export {
  BatchExpiredError,
  BytesCorruptError,
  BytesMissingError,
  BytesNotFoundError,
  CorruptNodeError,
  InvalidProofError,
  LeafRefusedError,
  MalformedEncodingError,
  type ProofFault,
  SnapshotError,
  StoreLockedError,
  StoreMismatchError,
  StoreWriteError,
  TreeStoreClosedError,
  TreeVersionError,
  VersionNotRetainedError,
} from './errors.js'
export { keccakHasher, sha256Hasher, type TreeHasher } from './hash/hasher.js'
export { MAX_DEPTH, PLACEHOLDER_HASH } from './hash/scheme.js'
export { collectBytes } from './pipeline/bytesGc.js'
export {
  aggregateCommit,
  applyCommit,
  type CommitContext,
  type CommitProposal,
  type CommitSigner,
  computeCommitDaHash,
  computeCommitDigest,
  type ProposalParameters,
  type ProposalVerdict,
  type PublishDelta,
  proposeCommit,
  proposerIndex,
  signCommit,
  submitCommit,
  validateProposal,
} from './pipeline/commit/commit.js'
export type { FetchLimits } from './pipeline/commit/fetchBytes.js'
export { type HeldBytes, holdQueueBytes } from './pipeline/commit/hold.js'
export {
  type ArtifactRef,
  computeDeltaHash,
  type Delta,
  decodeDelta,
  encodeDelta,
  type IncludedArtifact,
} from './pipeline/delta.js'
export { type EnvelopeWrites, envelopeWrites } from './pipeline/envelopes.js'
export {
  ArtifactNotCommittedError,
  CutoffNotFinalError,
  EventsNotShownError,
  PipelineStateError,
  ProposalRefusedError,
  type RefusalReason,
} from './pipeline/errors.js'
export type { CommitPipelineOptions, PipelineEvent } from './pipeline/options.js'
export {
  type CommitParameters,
  type CommitParametersInput,
  commitParameters,
  RetentionTooShortError,
} from './pipeline/parameters.js'
export {
  type CommitHead,
  type CommitPipeline,
  openCommitPipeline,
  type PreparedWindow,
} from './pipeline/pipeline.js'
export {
  type ChainIndex,
  createChainIndex,
  type RetentionParameters,
} from './pipeline/queue/chainIndex.js'
export type { ArtifactLocators, ClientOwner } from './pipeline/queue/locators.js'
export {
  computeQueueHash,
  decodeQueueState,
  encodeQueueState,
  type QueueEntry,
  type QueueState,
  queueLimits,
} from './pipeline/queue/queue.js'
export {
  type Anomaly,
  type AnomalyName,
  anomalyCodes,
  anomalyName,
} from './pipeline/replica/anomalies.js'
export {
  type CommittedRoot,
  type CommittedTree,
  committedTree,
} from './pipeline/replica/committed.js'
export {
  createReplica,
  type DeltaSource,
  type Replica,
  type ReplicaOptions,
  type ReplicaStatus,
  type ReplicaStop,
  type ResponseBinding,
} from './pipeline/replica/replica.js'
export {
  decodeBorshProof,
  decodeBorshRangeProof,
  decodeBorshUpdateProof,
  encodeBorshNode,
  encodeBorshNodeKey,
  encodeBorshProof,
  encodeBorshRangeProof,
  encodeBorshStale,
  encodeBorshUpdateProof,
} from './proof/borsh.js'
export {
  assertMultiProof,
  type MultiClaim,
  type MultiProof,
  type MultiProofClaim,
  proveMany,
  verifyMultiProof,
} from './proof/multiproof.js'
export {
  assertProof,
  fromProofCalldata,
  type ProofCalldata,
  type ProofClaim,
  type TreeProof,
  toProofCalldata,
  verifyProof,
} from './proof/proof.js'
export {
  assertRangeProof,
  type KeyRange,
  proveRange,
  type RangeProof,
  type RangeProofClaim,
  verifyRangeProof,
} from './proof/rangeProof.js'
export {
  type TypedProof,
  type TypedSibling,
  toCompactProof,
  verifyTypedProof,
} from './proof/typedProof.js'
export {
  assertUpdate,
  proveUpdate,
  type UpdateClaim,
  type UpdateProof,
  type UpdateWrite,
  verifyUpdate,
} from './proof/updateProof.js'
export { bootstrapTree, type TrustedCommit } from './snapshot/bootstrap.js'
export {
  decodeChunk,
  encodeChunk,
  type SnapshotChunk,
  snapshotChunk,
} from './snapshot/chunk.js'
export {
  type SnapshotClient,
  type SnapshotClientOptions,
  snapshotClient,
} from './snapshot/client.js'
export { type BootstrapProgress, fetchMissingBytes } from './snapshot/missingBytes.js'
export { type Restore, restoreSnapshot } from './snapshot/restore.js'
export {
  type CommitState,
  type SnapshotManifest,
  type SnapshotServerOptions,
  snapshotServer,
} from './snapshot/server.js'
export {
  assertLeafReading,
  type LeafAdmission,
  type LeafReading,
  type LeafSource,
  readLeaf,
  readLeafReading,
  readReadParams,
  type SignedReadParams,
  writeLeafReading,
  writeReadParams,
} from './snapshot/signedRead.js'
export {
  type CommitResult,
  createStateTree,
  type StateTree,
  type StateTreeOptions,
} from './stateTree.js'
export { memoryBytes } from './store/memoryBytes.js'
export { memoryStore } from './store/memoryStore.js'
export {
  assertFollows,
  assertPruning,
  assertRecords,
  type ByteStore,
  type NodeStore,
  type PruneStep,
  type StoreCommit,
  type StoreRange,
} from './store/store.js'
export type { TreeEntry } from './tree/iterate.js'
export type { CommitStats, TreeBatch } from './tree/nodes/batch.js'
export { decodeNode, encodeNode, type NodeChild, type TreeNode } from './tree/nodes/node.js'
export { decodeNodeKey, encodeNodeKey, formatNodeKey, type NodeKey } from './tree/nodes/nodeKey.js'
export { previewRoot } from './tree/preview.js'
export type { AtVersion } from './tree/readable.js'
export type { Bytes32, TreeWrite } from './tree/writes.js'
