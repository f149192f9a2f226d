/** Pure building blocks: ids, canonical JSON, tasks, responses, digest, state commits, locators. */
export {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  artifactHashBytes,
  computeArtifactHash,
  computeKeyHash,
  computeLeafKey,
  isArtifactNamespace,
  type Namespace,
  namespaces,
  ZERO_HASH,
} from './artifact.js'
export { ArtifactNotCommittedError } from './artifactNotCommitted.js'
export {
  assertJson,
  CanonicalJsonError,
  canonicalBytes,
  canonicalJson,
  isCanonicalJson,
  type Json,
  type JsonObject,
  MAX_JSON_DEPTH,
  parseJson,
  parseJsonBytes,
} from './canonicalJson.js'
export {
  type ChainConstants,
  type ChallengeWindows,
  chainConstants,
  chains,
  UnknownChainError,
} from './chains.js'
export {
  computeArtifactDigest,
  computeExpirationBlock,
  type DigestData,
  type DigestPreimage,
  decodeDigestPreimage,
  encodeDigestPreimage,
} from './digest.js'
export { type EventVerdict, verifyEventProof } from './ethereum/eventProof.js'
export { type ExecutionHeader, readExecutionHeader } from './ethereum/header.js'
export {
  type ProvenAccount,
  type ProvenLog,
  type ProvenReceipt,
  type StateProofFault,
  verifyAccountProof,
  verifyReceiptProof,
  verifyStorageProof,
} from './ethereum/proofs.js'
export { type SlotVerdict, verifySlotProof } from './ethereum/slotProof.js'
export type { TrieFault } from './ethereum/trie.js'
export {
  encodeEvaluationResult,
  evaluateResult,
  RESULT_ALLOW,
  RESULT_DENY,
} from './evaluationResult.js'
export {
  assertExpireAfter,
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
  type InstanceKey,
  MAX_EXPIRE_AFTER,
  MAX_PARAMS_BYTES,
  MAX_REFS,
  type PolicyDataTemplate,
  type PolicyTemplate,
  sortRefs,
} from './ids.js'
export { computeInputsHash, type EvaluationInputs } from './inputsHash.js'
export {
  assertIntent,
  computeIntentHash,
  type IntegerInput,
  type Intent,
  type IntentInput,
  intentAbi,
  intentTypes,
  toIntent,
} from './intent.js'
export {
  assertIntentSignature,
  buildIntentTypedData,
  hashIntentTypedData,
  type IntentDomain,
  IntentSignatureError,
  readIntentDomain,
  recoverIntentSigner,
} from './intentSignature.js'
export type { Announcer } from './interfaces/announcer.js'
export type { ArtifactRequest, ArtifactSource } from './interfaces/artifactSource.js'
export type { CertificateReader } from './interfaces/certificates.js'
export type {
  ChainEvent,
  ChainEvents,
  ChainEventType,
  EventPosition,
  ReadAnchors,
  SlotKeys,
  SlotValues,
} from './interfaces/chainEvents.js'
export type {
  DaClient,
  DaEvidence,
  DaOptions,
  DaProgress,
  DaReceipt,
  DaRetention,
  DaStatus,
} from './interfaces/daClient.js'
export type { DocumentVerifier } from './interfaces/documentVerifier.js'
export type {
  Assurance,
  Evaluation,
  EvaluationRequest,
  Evaluator,
  HttpExchange,
  PluginReplayer,
  PluginTranscript,
  ResultReplayer,
} from './interfaces/evaluator.js'
export type { ExternalWrite, ExternalWrites } from './interfaces/externalWrites.js'
export type { LedgerRecord, LedgerSink } from './interfaces/ledgerSink.js'
export type { ObjectStore, StoredObjectVersion } from './interfaces/objectStore.js'
export type {
  ClaimSink,
  ImageTrust,
  PluginProvenance,
  ProvenanceClaim,
  ProvenanceEvent,
  ProvenanceEvents,
  ProvenanceVerdict,
  VerificationResult,
} from './interfaces/provenance.js'
export type {
  BlockReference,
  InstanceRow,
  PolicyDataSnapshot,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistryReader,
  RegistrySnapshot,
} from './interfaces/registryReader.js'
export type { AcceptedResponse, AcceptedResponses, OperatorTrees } from './interfaces/responses.js'
export type { SchemaIssue, SchemaValidator, SchemaVerdict } from './interfaces/schemaValidator.js'
export type {
  CommittedArtifacts,
  EnvelopeSource,
  SecretsOpener,
} from './interfaces/secretsOpener.js'
export type {
  ChallengeSink,
  CommitSink,
  ResponseSink,
  SendingOptions,
  SignerWitness,
} from './interfaces/sinks.js'
export type { StoredFile, TileFile, TileReader, TileStore } from './interfaces/tileStore.js'
export type {
  TransparencyProofVerdict,
  TransparencyProofVerifier,
} from './interfaces/transparencyProof.js'
export {
  type DaLocator,
  decodeLocator,
  encodeLocator,
  locatorKinds,
  MAX_LOCATOR_BYTES,
} from './locator.js'
export {
  type LocatorAnnouncement,
  MAX_LOCATORS_TRIED,
  type OrderLocatorsParameters,
  orderLocators,
} from './locatorOrder.js'
export { decodeParams, encodeParams, ParamsNotCanonicalError } from './params.js'
export {
  assertResponse,
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  POLICY_TASK_RESPONSE_TYPEHASH,
  type PolicyTaskResponse,
  policyTaskResponseAbi,
} from './response.js'
export {
  assertStateCommit,
  computeDaCertHash,
  computeStateCommitHash,
  STATE_COMMIT_V2_TYPEHASH,
  type StateCommit,
  type StateCommitDomain,
  stateCommitAbi,
} from './stateCommit.js'
export {
  assertTask,
  computeTaskId,
  decodeTask,
  encodeTask,
  POLICY_TASK_TYPEHASH,
  type Task,
  taskAbi,
} from './task.js'
