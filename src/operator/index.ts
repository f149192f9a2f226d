/** The operator network: calls between operators, and signing behind a journal. */
export { DirectoryLockedError } from '../errors/common.js'
export {
  type Committer,
  type CommitterParameters,
  createCommitter,
  type DeltaReader,
  type KeptDeltas,
  type WindowOutcome,
} from './commits/committer.js'
export { createDeltaReader } from './commits/deltas.js'
export {
  EquivocationRefusedError,
  JournalDamagedError,
  JournalFailedError,
  JournalFloorError,
  JournalMissingError,
} from './errors.js'
export { gatewayInputs } from './gateway/attachments.js'
export {
  anyCaller,
  apiKeyCallers,
  type CallerCheck,
  type HoldsKey,
  hashApiKey,
} from './gateway/callers.js'
export type { SentRequest } from './gateway/client/sent.js'
export {
  createTaskClient,
  type TaskClient,
  type TaskClientParameters,
  type TaskProgress,
  type TaskReading,
  type UnverifiedAnswer,
  type VerifiedTask,
} from './gateway/client/taskClient.js'
export { GatewayAnswerError } from './gateway/errors.js'
export type { GatewayEvent } from './gateway/events.js'
export { createGateway, type Gateway, type GatewayParameters } from './gateway/gateway.js'
export type { WebhookFetch } from './gateway/hooks/delivering.js'
export type { WebhookOptions } from './gateway/hooks/options.js'
export type {
  SubscriptionConnection,
  SubscriptionLimits,
  SubscriptionSocket,
  Subscriptions,
} from './gateway/live/subscriptions.js'
export type { GatewayMethod, GatewayRpc } from './gateway/methods.js'
export { memoryGatewayStore } from './gateway/store/memoryStore.js'
export {
  type GatewayStore,
  type Lease,
  type LeasedTask,
  type StoredAnswer,
  type StoredCommitment,
  type StoredShare,
  type StoredTask,
  type TaskFailureRecord,
  type TaskState,
  taskStates,
} from './gateway/store/store.js'
export type {
  ClaimedDelivery,
  DeliveryOutcome,
  StoredWebhook,
  WebhookStore,
} from './gateway/store/webhooks.js'
export { webhookBounds } from './gateway/store/webhooks.js'
export { type GatewayWatch, watchGateway } from './gateway/watch.js'
export {
  readTaskAnswer,
  type TaskRequest,
  type TaskStatus,
  writeTaskAnswer,
} from './gateway/wire.js'
export {
  type IdentityFault,
  type IdentityVerdict,
  type OperatorIdentity,
  verifyOperatorIdentity,
} from './identity/identity.js'
export { type ProvenClientsParameters, provenClients } from './identity/proving.js'
export { createIdentity, type IdentitySigner } from './identity/stating.js'
export {
  createLedgerRecorder,
  type LedgerRecorder,
  type LedgerRecorderParameters,
} from './ledger/recorder.js'
export type { AttestedTask, EvaluatedTask, RecordedCommit } from './ledger/records.js'
export {
  createReEvaluator,
  type FalseEvaluation,
  type LoggedInputs,
  type NamedEvaluation,
  type ReEvaluatorParameters,
} from './ledger/reEvaluate.js'
export type { CursorStore } from './ledger/registrations.js'
export { type LedgerSalts, memorySalts } from './ledger/salts.js'
export type { TextStore } from './roles/bindings.js'
export {
  type ChallengerNode,
  type ChallengerNodeParameters,
  createChallengerNode,
} from './roles/challenger.js'
export {
  type ArtifactIntake,
  type ArtifactIntakeParameters,
  type ArtifactName,
  createArtifactIntake,
  type IntakeOutcome,
  intakeOutcomes,
} from './roles/intake.js'
export {
  createOperatorNode,
  type OperatorNode,
  type OperatorNodeParameters,
} from './roles/operator.js'
export {
  createReplicaNode,
  type ReplicaNode,
  type ReplicaNodeParameters,
} from './roles/replica.js'
export {
  type CallSigner,
  computeParamsDigest,
  MAX_CALL_SECONDS,
  type OperatorRpcCall,
  type OperatorRpcTypedData,
  operatorRpcTypedData,
  type RpcDomain,
} from './rpc/auth.js'
export {
  createOperatorClient,
  type OperatorClient,
  type OperatorClientParameters,
} from './rpc/client.js'
export type { RpcAnswer } from './rpc/envelope.js'
export {
  OperatorAnswerError,
  OperatorIdentityError,
  OperatorRpcError,
  OperatorUnreachableError,
} from './rpc/errors.js'
export { type RpcFault, rpcFaults } from './rpc/faults.js'
export type { RpcLimits } from './rpc/limits.js'
export {
  type EvaluateAndSignParams,
  type OperatorMethod,
  type OperatorMethods,
  operatorMethods,
  type ProposalHead,
  type RpcMethod,
  type SignedEvaluation,
} from './rpc/methods.js'
export {
  createReadAuthentication,
  type ReadAuthentication,
  type ReadAuthenticationParameters,
} from './rpc/readAuth.js'
export {
  createOperatorRpc,
  type MethodParams,
  type MethodResult,
  type OperatorHandlers,
  type OperatorRpc,
  type OperatorRpcParameters,
  type RpcContext,
  type RpcEvent,
  type RpcRequest,
} from './rpc/server.js'
export {
  createSigningGuard,
  type OperatorSigner,
  type SigningContext,
  type SigningGuard,
} from './signing/guard.js'
export {
  type OpenSigningJournalParameters,
  openSigningJournal,
  type RecordedAnswer,
  type SigningJournal,
} from './signing/journal.js'
export type { JournalHeights, JournalKind, JournalRecord } from './signing/record.js'
export { createRemoteSigner, type RemoteSignerParameters } from './signing/remote.js'
export { computeJournalDomain } from './signing/rules.js'
export {
  type JournalStorage,
  type JournalWitness,
  memoryJournalStorage,
  type WitnessMark,
} from './signing/storage.js'
export {
  type CollectedShare,
  type CollectTaskParameters,
  collectTask,
  type TaskAnswer,
} from './tasks/collecting.js'
export { type OperatorFault, TaskFailedError, type TaskFailure } from './tasks/errors.js'
export {
  createTaskEvaluator,
  type TaskEvaluator,
  type TaskEvaluatorParameters,
} from './tasks/evaluating.js'
export {
  chainTables,
  knownTables,
  type OperatorTables,
  type TableInForce,
} from './tasks/tables.js'
