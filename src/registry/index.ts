/** The chain side: readers, viem actions, pre-flight, events, for the policy registries. */
export {
  activateEnclaveVersion,
  activateEnclaveVersionSync,
  deprecateEnclaveVersion,
  deprecateEnclaveVersionSync,
  dryRunActivateEnclaveVersion,
  dryRunDeprecateEnclaveVersion,
  dryRunSetEnclaveRequired,
  dryRunSetInstanceDeployer,
  dryRunSetInstanceDeploymentPermissionless,
  dryRunSetTemplateAuthor,
  dryRunSetTemplateRegistrationPermissionless,
  type EnclaveRequiredInput,
  type EnclaveVersionInput,
  type GateInput,
  type InstanceDeployerInput,
  type Pcr0Input,
  setEnclaveRequired,
  setEnclaveRequiredSync,
  setInstanceDeployer,
  setInstanceDeployerSync,
  setInstanceDeploymentPermissionless,
  setInstanceDeploymentPermissionlessSync,
  setTemplateAuthor,
  setTemplateAuthorSync,
  setTemplateRegistrationPermissionless,
  setTemplateRegistrationPermissionlessSync,
  simulateActivateEnclaveVersion,
  simulateDeprecateEnclaveVersion,
  simulateSetEnclaveRequired,
  simulateSetInstanceDeployer,
  simulateSetInstanceDeploymentPermissionless,
  simulateSetTemplateAuthor,
  simulateSetTemplateRegistrationPermissionless,
  type TemplateAuthorInput,
} from './actions/admin/gates.js'
export {
  acceptGuard,
  acceptGuardSync,
  dryRunAcceptGuard,
  dryRunOfferGuard,
  type GuardHandOver,
  type GuardInput,
  type GuardOwnerEvent,
  type GuardOwnerInput,
  handOverGuardSync,
  offerGuard,
  offerGuardSync,
  simulateAcceptGuard,
  simulateOfferGuard,
} from './actions/admin/guards.js'
export { operatorKeyTypedData } from './actions/admin/operatorKeys.js'
export {
  dryRunPublishOperatorTable,
  dryRunRegisterOperatorKey,
  dryRunRegisterOperatorKeyFor,
  type OperatorKeyForInput,
  type OperatorKeyInput,
  type OperatorKeyRegisteredEvent,
  type OperatorTableInput,
  type OperatorTablePublishedEvent,
  publishOperatorTable,
  publishOperatorTableSync,
  registerOperatorKey,
  registerOperatorKeyFor,
  registerOperatorKeyForSync,
  registerOperatorKeySync,
  signOperatorKey,
  simulatePublishOperatorTable,
  simulateRegisterOperatorKey,
  simulateRegisterOperatorKeyFor,
} from './actions/admin/operators.js'
export {
  type AnchorCheckpointInput,
  anchorCheckpoint,
  anchorCheckpointSync,
  type CheckpointAnchoredEvent,
  dryRunAnchorCheckpoint,
  simulateAnchorCheckpoint,
} from './actions/anchors.js'
export {
  type ChainAnchorTargetParameters,
  createChainAnchor,
  proveAnchor,
} from './actions/chainAnchor.js'
export {
  type ChainOutcome,
  type ChainsOptions,
  type ChainTarget,
  registerPolicyDataTemplateOnChains,
  registerPolicyTemplateOnChains,
} from './actions/chains.js'
export {
  activateClient,
  activateClientSync,
  type ClientEvent,
  type ClientInput,
  type ClientOwnerChangedEvent,
  type ClientOwnerInput,
  type ClientRegisteredEvent,
  deactivateClient,
  deactivateClientSync,
  dryRunActivateClient,
  dryRunDeactivateClient,
  dryRunRegisterClient,
  dryRunSetClientOwner,
  registerClient,
  registerClientSync,
  setClientOwner,
  setClientOwnerSync,
  simulateActivateClient,
  simulateDeactivateClient,
  simulateRegisterClient,
  simulateSetClientOwner,
} from './actions/clients.js'
export {
  type AnnounceCommitCopyInput,
  type AnnounceCommitInput,
  announceCommit,
  announceCommitCopy,
  announceCommitCopySync,
  announceCommitSync,
  type CommitAnnouncedEvent,
  type CommitCopyAnnouncedEvent,
  type CommitStateRootInput,
  commitStateRoot,
  commitStateRootSync,
  dryRunAnnounceCommit,
  dryRunAnnounceCommitCopy,
  dryRunCommitStateRoot,
  type StateRootCommittedEvent,
  simulateAnnounceCommit,
  simulateAnnounceCommitCopy,
  simulateCommitStateRoot,
} from './actions/commits.js'
export {
  dryRunSetCurrentPolicyDataInstance,
  type PolicyDataSlotEvent,
  type PolicyDataSlotInput,
  setCurrentPolicyDataInstance,
  setCurrentPolicyDataInstanceSync,
  simulateSetCurrentPolicyDataInstance,
} from './actions/dataSlots.js'
export {
  deployPolicy,
  deployPolicySync,
  dryRunDeployPolicy,
  type PolicyDeployedEvent,
  type PolicyDeployedResult,
  simulateDeployPolicy,
} from './actions/deployments/deployments.js'
export type { DeployPolicyInput } from './actions/deployments/parameters.js'
export {
  type CancelDeploymentInput,
  cancelDeployment,
  cancelDeploymentSync,
  type DeploymentCancelledEvent,
  dryRunCancelDeployment,
  dryRunSignDeployment,
  type SignDeploymentDryRun,
  type SignDeploymentInput,
  type SignedDeployment,
  signDeployment,
  simulateCancelDeployment,
} from './actions/deployments/signatures.js'
export {
  deployPolicyDataInstance,
  deployPolicyDataInstanceSync,
  deployPolicyInstance,
  deployPolicyInstanceSync,
  dryRunDeployPolicyDataInstance,
  dryRunDeployPolicyInstance,
  dryRunEnsurePolicyDataInstance,
  dryRunEnsurePolicyInstance,
  dryRunSetCurrentPolicyInstance,
  ensurePolicyDataInstance,
  ensurePolicyDataInstanceSync,
  ensurePolicyInstance,
  ensurePolicyInstanceSync,
  type InstanceEvent,
  type PolicySlotEvent,
  type PolicySlotInput,
  setCurrentPolicyInstance,
  setCurrentPolicyInstanceSync,
  simulateDeployPolicyDataInstance,
  simulateDeployPolicyInstance,
  simulateEnsurePolicyDataInstance,
  simulateEnsurePolicyInstance,
  simulateSetCurrentPolicyInstance,
} from './actions/instances.js'
export {
  type PolicyActions,
  type PolicyActionsConfig,
  type PolicyReadActions,
  type PolicyWriteActions,
  policyActions,
} from './actions/policyActions.js'
export {
  type AcceptResponseInput,
  type AcceptSupersededInput,
  acceptResponse,
  acceptResponseSync,
  type ChallengeAttestationDigestInput,
  type ChallengeInvalidTeeAttestationInput,
  type ChallengePolicyResultInput,
  type ChallengeSucceededEvent,
  challengeAttestationDigest,
  challengeAttestationDigestSync,
  challengeInvalidTeeAttestation,
  challengeInvalidTeeAttestationSync,
  challengePolicyResult,
  challengePolicyResultSync,
  type DocumentChallengeSucceededEvent,
  dryRunAcceptResponse,
  dryRunChallengeAttestationDigest,
  dryRunSetAcceptSuperseded,
  type ResponseAcceptedEvent,
  type ResultChallengeSucceededEvent,
  setAcceptSuperseded,
  setAcceptSupersededSync,
  simulateAcceptResponse,
  simulateChallengeAttestationDigest,
  simulateChallengeInvalidTeeAttestation,
  simulateChallengePolicyResult,
  simulateSetAcceptSuperseded,
} from './actions/responses.js'
export {
  dryRunRevokeResponse,
  dryRunRevokeResponsesBefore,
  type RevokeResponseInput,
  type RevokeResponsesBeforeInput,
  revokeResponse,
  revokeResponseSync,
  revokeResponsesBefore,
  revokeResponsesBeforeSync,
  simulateRevokeResponse,
  simulateRevokeResponsesBefore,
} from './actions/revocations.js'
export type {
  DryRun,
  DryRunAction,
  SimulateAction,
  SimulateResult,
  SyncAction,
  SyncOptions,
  SyncResult,
  Write,
  WriteAction,
} from './actions/sending/write.js'
export {
  createAnnouncer,
  createChallengeSink,
  createCommitSink,
  createResponseSink,
  type SinkParameters,
} from './actions/sinks.js'
export type { RevocationOptions, SlotRevocation } from './actions/slotRevocation.js'
export {
  type AnnounceArtifactInput,
  type ArtifactAnnouncedEvent,
  announceArtifact,
  announceArtifactSync,
  dryRunAnnounceArtifact,
  dryRunEnsurePolicyDataTemplate,
  dryRunEnsurePolicyTemplate,
  dryRunRegisterPolicyDataTemplate,
  dryRunRegisterPolicyTemplate,
  type EnsureEvent,
  ensurePolicyDataTemplate,
  ensurePolicyDataTemplateSync,
  ensurePolicyTemplate,
  ensurePolicyTemplateSync,
  type PolicyDataTemplateEvent,
  type PolicyTemplateEvent,
  registerPolicyDataTemplate,
  registerPolicyDataTemplateSync,
  registerPolicyTemplate,
  registerPolicyTemplateSync,
  simulateAnnounceArtifact,
  simulateEnsurePolicyDataTemplate,
  simulateEnsurePolicyTemplate,
  simulateRegisterPolicyDataTemplate,
  simulateRegisterPolicyTemplate,
  type TemplateResult,
} from './actions/templates.js'
export type { PolicyAddresses, PolicyAddressesInput, PolicyContract } from './chain/addressBook.js'
export { resolveAddress } from './chain/addresses.js'
export type { ReadClient, WriteClient } from './chain/client.js'
export {
  AccountRequiredError,
  AddressRequiredError,
  BlockNotFoundError,
  ChainMismatchError,
  ChainRequiredError,
  ContractNotFoundError,
  ContractRevertError,
  EndpointsDisagreeError,
  EventMissingError,
  IndexStoreError,
  MalformedReturnDataError,
  PreflightError,
  RegistryMismatchError,
  RevocationFailedError,
  RowMismatchError,
  RpcError,
  RpcInconsistentError,
  RpcRateLimitError,
  StaleHeadError,
} from './chain/errors.js'
export type { PreflightCheck } from './chain/preflightCheck.js'
export { getEventProof } from './chain/proofs/event.js'
export { getSlotProof, type SlotProof } from './chain/proofs/slot.js'
export { type ReceiptOptions, waitForReceipt } from './chain/receipts.js'
export { decodeRevert } from './chain/revert.js'
export { createAnchorCarrier } from './enclaveApp/anchorCarrier.js'
export {
  type EvmChainClient,
  type EvmChainClientParameters,
  evmChainClient,
} from './enclaveApp/chainClient.js'
export type { SendingParameters, SubmissionEvent } from './enclaveApp/submitting.js'
export {
  type EvmEvent,
  type EvmReceipt,
  type EvmTransaction,
  evmEventCodec,
  evmTransactionCodec,
} from './enclaveApp/values.js'
export {
  type CreateChainEventsParameters,
  createChainEvents,
  decodeChainEvent,
  type Finality,
} from './events/events.js'
export {
  type IndexRegistryParameters,
  type IndexSync,
  indexRegistry,
  type RegistryIndex,
} from './events/indexer/indexer.js'
export {
  type Listed,
  type ListedInstance,
  listPolicyDataInstances,
  listPolicyDataTemplates,
  listPolicyInstances,
  listPolicyTemplates,
} from './events/indexer/lists.js'
export { createIndexedReader } from './events/indexer/reader.js'
export type { IndexState, SlotMove } from './events/indexer/state.js'
export { type IndexHandle, type IndexStore, memoryIndexStore } from './events/indexer/store.js'
export {
  type WatchParameters,
  watchArtifactAnnounced,
  watchCurrentPolicyDataInstanceSet,
  watchCurrentPolicyInstanceSet,
  watchPolicyDataInstanceDeployed,
  watchPolicyDataTemplateRegistered,
  watchPolicyEvents,
  watchPolicyInstanceDeployed,
  watchPolicyTemplateRegistered,
  watchStateRootCommitted,
} from './events/watch.js'
export {
  type CidFetcher,
  type ImportedPolicy,
  type ImportIssue,
  type ImportNewtonPolicyParameters,
  type ImportPlan,
  importNewtonPolicy,
  type NewtonClient,
  type NewtonPolicy,
  type NewtonPolicyData,
  NotNewtonPolicyError,
} from './newton/importPolicy.js'
export {
  type CompositeManifest,
  type ManifestModule,
  type ManifestReading,
  moduleParams,
  readManifest,
} from './newton/manifest.js'
export {
  type AnchoredLog,
  getLatestAnchor,
  isCheckpointAnchored,
  type LogAnchor,
  originHashOf,
} from './rows/anchors.js'
export {
  type CreateCertificateReaderParameters,
  createCertificateReader,
  readOperatorTable,
} from './rows/certificates.js'
export {
  type ChallengeReaderParameters,
  createAcceptedResponses,
  createOperatorTrees,
} from './rows/challenges.js'
export {
  type DescribeNode,
  type DescribeParameters,
  type DescribeTarget,
  describePolicy,
  flattenNodes,
  type NodeKind,
  type NodeStatus,
} from './rows/describe.js'
export type {
  EnsureResult,
  InstanceInput,
  PolicyDataTemplateInput,
  PolicyTemplateInput,
} from './rows/inputs.js'
export type { OffchainChecks, SecretsStatus, SecretsStatusSource } from './rows/offchain.js'
export type {
  DeploymentAuthorization,
  DeploymentTerms,
  DeploymentTypedData,
  PolicyDeploymentInput,
  ReadyPolicyDeployment,
  ReadySlotInstance,
  SlotInstanceInput,
} from './rows/policyDeployment.js'
export {
  type ComparedEndpoint,
  type CompareOptions,
  type ComparingReader,
  createComparingReader,
} from './rows/reader/comparing.js'
export {
  createProvenReaders,
  type ProvenFact,
  type ProvenReaderParameters,
  type ProvenReaders,
} from './rows/reader/proven.js'
export { type CreateRegistryReaderParameters, createRegistryReader } from './rows/reader/reader.js'
export {
  describe,
  getCurrentPolicyDataInstance,
  getCurrentPolicyInstance,
  getPolicyClient,
  getPolicyDataInstance,
  getPolicyDataTemplate,
  getPolicyInstance,
  getPolicySnapshot,
  getPolicyTemplate,
  type ReadOptions,
} from './rows/reads.js'
export type { RegistryKind } from './rows/rows.js'
export type { WriteOptions } from './rows/writeOptions.js'
