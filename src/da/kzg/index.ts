/** EigenDA's commitments and certificates, recomputed and verified without trusting a proxy. */

export {
  assertEigenDaCert,
  type CertCheckOptions,
  type CertEvidence,
  type CertVerification,
  recoverPayer,
  verifyEigenDaCert,
} from './certificate.js'
export { checkDACertWith, encodeCertAbi } from './checkDACert.js'
export {
  type BlobForm,
  type CommitOptions,
  commitToEncodedPayload,
  commitToPayload,
} from './commitment.js'
export {
  type CertFault,
  CommitmentMismatchError,
  InvalidCertError,
  InvalidSrsError,
  KzgWorkerError,
  SrsTooShortError,
} from './errors.js'
export { certCheck, createKzg, type Kzg, type KzgOptions, kzgCheck } from './kzg.js'
export { affineMsm } from './msm/affine.js'
export { type MclCurve, type MclPoint, mclMsm } from './msm/mcl.js'
export { type MsmBackend, nobleMsm } from './msm/msm.js'
export { wasmMsm } from './msm/wasm.js'
export {
  compressG1,
  createSrs,
  decompressG1,
  MAINNET_TAU_G2,
  SRS_POINT_BYTES,
  type Srs,
  type SrsOptions,
} from './srs.js'
export {
  browserKzgWorker,
  connectKzgWorker,
  type KzgWorker,
  type MessageEndpoint,
  serveKzg,
  type WorkerLike,
} from './worker.js'
