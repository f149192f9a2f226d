/** Data availability: adapters, verified reads, combination. */
export {
  createDaAdapter,
  type DaAdapterDefinition,
  type DaCall,
  type DaEvent,
  type DaHooks,
  type DaPaid,
  requireArtifactHash,
} from './adapter.js'
export {
  type ArtifactEvent,
  type ArtifactSourceOptions,
  createArtifactSource,
} from './artifactSource.js'
export { type ByteStore, type MemoryByteStoreOptions, memoryByteStore } from './cache/byteStore.js'
export { recordCacheMetrics } from './cache/cacheMetrics.js'
export { type CacheEvent, type CacheTier, cacheTiers } from './cache/events.js'
export {
  createLayeredArtifactCache,
  type LayeredArtifactCache,
  type LayeredCacheOptions,
} from './cache/layeredCache.js'
export { type FallbackOptions, fallback } from './combined/fallback.js'
export {
  type ReplicatedClient,
  type ReplicatedOptions,
  type ReplicatedReceipt,
  type ReplicationOutcome,
  replicated,
} from './combined/replicated.js'
export {
  adviseCost,
  type CostAdvice,
  type CostOption,
  type CostPrices,
  formatCostAdvice,
} from './costAdvisor.js'
export { type EigenDaArchiveOptions, eigenDaArchive } from './eigenda/archive.js'
export {
  type BlobCommitment,
  decodeEigenDaCommitment,
  type EigenDaCert,
  encodeCertRlp,
  encodeEigenDaCommitment,
  isOpCommitment,
  MAX_COMMITMENT_BYTES,
  standardFromOpCommitment,
} from './eigenda/cert/cert.js'
export {
  computeBatchRoot,
  computeBlobCertificateHash,
  computeBlobKey,
  computeProxyStoreKey,
} from './eigenda/cert/digest.js'
export { type EigenDaClient, eigenDa } from './eigenda/eigenDa.js'
export { InvalidCommitmentError, InvalidEncodedPayloadError } from './eigenda/errors.js'
export {
  EIGENDA_EXPIRY_BLOCKS,
  EIGENDA_RETENTION_SECONDS,
  type EigenDaKzg,
  type EigenDaOptions,
} from './eigenda/options.js'
export {
  blobSymbols,
  decodePayload,
  encodePayload,
  MAX_BLOB_SYMBOLS,
  MAX_PAYLOAD_BYTES,
  payloadCapacity,
} from './eigenda/payloadCodec.js'
export { memoryPayments, type Payment, type PaymentRecord } from './eigenda/payments.js'
export type { EigenDaProxyConfig } from './eigenda/proxyClient.js'
export {
  ArtifactUnavailableError,
  type DaAttempt,
  DaBodyLengthError,
  DaConfigError,
  DaError,
  DaExpiredError,
  DaFailoverError,
  DaIntegrityError,
  DaInvalidCertError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaProtocolError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaTransportError,
  DaUnavailableError,
  ForbiddenAddressError,
  ReplicationError,
  UnsupportedLocatorError,
} from './errors.js'
export { createHealthBoard, type HealthBoard, type HealthBoardOptions } from './health.js'
export { type HttpsOptions, https } from './https.js'
export type { FetchLike } from './internal/http.js'
export { type MemoryDaOptions, memoryDa } from './memoryDa.js'
export {
  type MockDa,
  type MockDaOptions,
  type MockFault,
  type MockFaultKind,
  mockDa,
  mockFaultKinds,
} from './mockDa.js'
export { type S3ObjectStoreOptions, s3ObjectStore } from './objectStore/conditional.js'
export { type ObjectStoreOptions, objectStore } from './objectStore/objectStore.js'
export type { S3Like } from './objectStore/sdkStore.js'
export { type S3Credentials, signRequest } from './objectStore/sigv4.js'
export { type PushArtifactParameters, type PushResult, pushArtifact } from './pushArtifact.js'
export { memoryJournal, type RetentionJournal } from './retention/journal/journal.js'
export type { AnsweredCopy, OwnCopy, RenewalRecord } from './retention/journal/records.js'
export type {
  RetentionEntry,
  RetentionFinding,
  RetentionPlan,
  RetentionResult,
  RetentionStep,
} from './retention/plan.js'
export { createRetentionKeeper, type RetentionKeeper } from './retention/retentionKeeper.js'
export type { RetentionKeeperOptions } from './retention/retentionOptions.js'
export {
  type ArtifactCheck,
  type ArtifactVerification,
  type ArtifactVerifier,
  assertArtifact,
  createArtifactVerifier,
  verifyArtifact,
} from './verifier.js'
