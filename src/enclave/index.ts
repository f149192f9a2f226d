/** Enclaves: attestation, sealed secrets, the wire protocol, and evaluation inside an enclave. */

export {
  type ChainClient,
  type ChainEvent as AppChainEvent,
  defineEnclaveApp,
  defineRequest,
  type EnclaveApp,
  type EnclaveContext,
  type EventRoute,
  type Handler,
  type InputOf,
  type OutputOf,
  type RequestAnswer,
  type RequestCall,
  type RequestRoute,
  type RequestRoutes,
} from './app/app.js'
export { type AppRefusal, appRefusalUserData, appUserData } from './app/call.js'
export {
  type AnchorCarrier,
  type ChainAnchorParameters,
  chainAnchor,
} from './app/chainAnchor.js'
export { type AppEnclave, type AppEnclaveParameters, createAppEnclave } from './app/enclave.js'
export {
  AppCallError,
  AppContractError,
  AppRefusalError,
  AppSequenceError,
  EventBuildError,
  TransactionRejectedError,
} from './app/errors.js'
export { handOverState, receiveHandOver, requestHandOver } from './app/handOver.js'
export {
  type Attestor,
  createAttestor,
  createKeyManager,
  type EnclaveAccount,
  type KeyManager,
} from './app/keyManager.js'
export {
  type ChainProofs,
  chainProofs,
  type HeaderTrust,
  headerQuorum,
  SequenceProofError,
  storageSequence,
} from './app/provenSequence.js'
export { connectAppEnclave, serveAppEnclave } from './app/wire.js'
export { EnclaveCborError } from './cbor/errors.js'
export { type CborMap, type CborValue, readCbor } from './cbor/read.js'
export { type CborInput, writeCbor } from './cbor/write.js'
export { ARTIFACT_PIECE, answerArtifact, createEnclaveArtifacts } from './evaluate/artifacts.js'
export {
  EnclaveArtifactError,
  EnclaveBuildError,
  EnclaveResultError,
  NotInSnapshotError,
} from './evaluate/errors.js'
export {
  createEnclaveEvaluator,
  type EnclaveEvaluator,
  type EnclaveEvaluatorParameters,
  type EnclaveEvent,
} from './evaluate/evaluator.js'
export { computeRequestDigest, type EnclaveRequest } from './evaluate/messages/request.js'
export { computeTaskUserData } from './evaluate/messages/result.js'
export { createSnapshotReader } from './evaluate/messages/snapshot.js'
export type { SecretsCheck } from './evaluate/secretsCheck.js'
export {
  type EnclaveHostServices,
  type ServedEnclave,
  type ServeEnclaveParameters,
  serveEnclave,
} from './evaluate/serve.js'
export { computeSessionUserData, documentedRecipient } from './evaluate/session.js'
export type { EnclavePolicy, EnclaveSession } from './evaluate/sessionKeeper.js'
export { createTunnelHost, type TunnelDial, type TunnelHost } from './evaluate/tunnel.js'
export {
  defineEvaluationService,
  type EvaluatedTask,
  type EvaluatedTransaction,
  type EvaluationApp,
  evaluatedTaskCodec,
  evaluatedTransactionCodec,
  evaluationRequestCodec,
  type TaskEvent,
  taskEventCodec,
} from './evaluationService.js'
export {
  type AppHost,
  type AppHostEvent,
  type AppHostParameters,
  createAppHost,
} from './host/host.js'
export type { DeadLetter, HostStep, LetterPlace } from './host/journal.js'
export type { AppHostMetrics } from './host/metrics.js'
export {
  createDocumentVerifier,
  type DocumentVerifierParameters,
} from './nitro/documentVerifier.js'
export {
  NitroAttestationError,
  type NitroErrorCode,
  type NitroStage,
  nitroErrorCodes,
  nitroStages,
} from './nitro/errors.js'
export { createNonceLog, type NonceLog } from './nitro/nonces.js'
export type {
  ArchivedNitroPolicy,
  ExpectedMeasurements,
  MeasurementRegistry,
  NitroPolicy,
  NitroPolicyBase,
  PcrSet,
} from './nitro/policy.js'
export {
  isVerifiedAttestation,
  type NitroJournal,
  nitroJournal,
  type VerifiedAttestation,
} from './nitro/verified.js'
export {
  assertArchivedNitroAttestation,
  assertNitroAttestation,
  type NitroVerdict,
  verifyArchivedNitroAttestation,
  verifyNitroAttestation,
} from './nitro/verify.js'
export {
  AWS_NITRO_ROOT_KECCAK256,
  AWS_NITRO_ROOT_SHA256,
  type NitroRoot,
} from './nitro/x509/roots.js'
export type { P384Backend } from './nitro/x509/signature.js'
export {
  createNsm,
  type Nsm,
  type NsmDescription,
  type NsmDevice,
  NsmError,
  type NsmErrorName,
} from './nsm.js'
export {
  decodeEnvelopeV1,
  type EnvelopeV1,
  encodeEnvelopeV1,
  envelopeV1Aad,
  isEnvelopeV1,
  signEnvelope,
  verifyEnvelopeSignature,
} from './secrets/envelopeV1.js'
export {
  decodeEnvelopeV2,
  type EnvelopeContext,
  type EnvelopeV2,
  encodeEnvelopeV2,
  envelopeV2Aad,
} from './secrets/envelopeV2.js'
export {
  EnvelopeInvalidError,
  EnvelopeKeyUnknownError,
  EnvelopeMismatchError,
  EnvelopeOpenError,
  EnvelopeSequenceError,
  EnvelopeV1RefusedError,
  RecipientRefusedError,
  SecretsInvalidError,
} from './secrets/errors.js'
export { HPKE_SUITE, type HpkeContext, hpkeSeal } from './secrets/hpke.js'
export {
  createDecryptionKey,
  type DecryptionKey,
  deriveDecryptionKey,
  deriveEnclaveKey,
  type EnclaveKeyBinding,
} from './secrets/keys.js'
export type { SecretsValidation } from './secrets/plaintext.js'
export {
  attestedRecipient,
  computeKeyId,
  type GatewaySecretsKey,
  gatewayRecipient,
  pinnedRecipient,
  type RecipientKey,
} from './secrets/recipient.js'
export { type ResealParameters, resealSecrets } from './secrets/reseal.js'
export {
  assertEnvelopeSupersedes,
  createSecretsOpener,
  type SealedSecrets,
  type SealParameters,
  type SecretsOpenerParameters,
  sealSecrets,
} from './secrets/seal.js'
export {
  type ContractSignatureCheck,
  hashSecretsUpload,
  type SecretsUpload,
  type SecretsUploadTypedData,
  secretsUploadTypedData,
  secretsUploadTypes,
  verifySecretsUpload,
} from './secrets/upload.js'
export {
  type SecretsGateway,
  SecretsUploadRefusedError,
  uploadSecrets,
} from './secrets/uploadSecrets.js'
export { bytesCodec, type Codec, jsonCodec, uint64Codec } from './store/codec.js'
export { type KvTestApi, type KvUnderTest, testKvStore } from './store/conformance.js'
export {
  HandOverPendingError,
  SealedStateError,
  StateRollbackError,
  StoreClosedError,
  StoreConflictError,
  StoreFailedError,
  StoreStoppedError,
} from './store/errors.js'
export { type KvBatch, type KvStore, MAX_KEY_BYTES, memoryKv } from './store/kv.js'
export {
  memoryAnchor,
  type StateAdvance,
  type StateAnchor,
  takesStep,
} from './store/sealed/anchor.js'
export { type BlobStore, memoryBlobs } from './store/sealed/blobs.js'
export type { TakeOver } from './store/sealed/history.js'
export { openSealedKv, type SealedKv, type SealedKvParameters } from './store/sealed/kv.js'
export { NO_PREVIOUS_STATE, type StatePlace } from './store/sealed/record.js'
export {
  createTypedStore,
  defineKey,
  type StoreKey,
  type StoreTransaction,
  type TypedStore,
} from './store/typedStore.js'
export { type HttpListener, httpListener, httpTransport } from './transport/http.js'
export { createMemoryTransport, type MemoryTransport } from './transport/memory.js'
export type { WireEvent } from './wire/client.js'
export {
  EnclaveBusyError,
  EnclaveClosedError,
  EnclaveProtocolError,
  EnclaveRemoteError,
  EnclaveTransportError,
  type RemoteErrorCode,
  type WireFault,
} from './wire/errors.js'
export {
  defaultServerLimits,
  defaultWireLimits,
  type ServerLimits,
  type WireLimits,
} from './wire/limits.js'
export type { ByteStream, EnclaveListener, EnclaveTransport } from './wire/stream.js'
