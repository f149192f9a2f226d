/** Attestation: BLS certificates, verification of what operators signed, evidence. */
export {
  addG1,
  addG2,
  assertCertificate,
  type BlsKey,
  type BlsPublicKey,
  BN254_CERTIFICATE_TYPEHASH,
  BPS_DENOMINATOR,
  blsKeyFromSeed,
  bn254AbiComponents,
  bn254CertificateParameter,
  buildCertificate,
  type Certificate,
  CertificateBuildError,
  type CertificateBuildFault,
  CertificateError,
  type CertificateRefusal,
  type CertificateVerification,
  computeOperatorInfoLeaf,
  computePossessionDigest,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  createOperatorTree,
  decodeCertificate,
  decodeG1,
  decodeG2,
  encodeCertificate,
  encodeG1,
  encodeG2,
  explainPossession,
  explainSignature,
  type G1Point,
  type G2Point,
  hashToG1,
  InvalidBlsSecretError,
  InvalidPointError,
  type OperatorInfo,
  type OperatorInfoWitness,
  type OperatorSetInfo,
  type OperatorTable,
  OperatorTableError,
  type OperatorTableFault,
  type OperatorTree,
  operatorWitness,
  type PointFault,
  type PossessionContext,
  provePossession,
  randomBlsKey,
  type SignatureCheck,
  type SignatureFault,
  type SignatureShare,
  type TableOperator,
  type VerifyCertificateParameters,
  verifyCertificate,
  verifyOperatorProof,
  verifyPossession,
  verifySignature,
} from '../core/bn254/index.js'
export {
  type DocumentChallenge,
  type DocumentPublicValues,
  encodeDocumentPublicValues,
  encodeResultPublicValues,
  type ResultChallenge,
  type ResultPublicValues,
} from '../core/challengeProofs.js'
export type { PluginReplayer } from '../core/interfaces/evaluator.js'
export {
  agreeOnOutputs,
  assertOwnOutputs,
  type CommitmentFault,
  commitToOutputs,
  computeOutputHashes,
  computeOutputsDigest,
  type OutputAgreement,
  type OutputCommitment,
  type OutputHashes,
} from './agreement.js'
export { createChallenger } from './challenger/challenger.js'
export {
  buildDocumentChallenge,
  buildResultChallenge,
  documentPublicValues,
  type ResultEvidence,
  resultPublicValues,
} from './challenger/proofs.js'
export {
  ChallengerStateError,
  type ChallengerStore,
  type ChallengeStatus,
  memoryChallengerStore,
  type OutboxEntry,
} from './challenger/state.js'
export type {
  Challenger,
  ChallengerEvent,
  ChallengerParameters,
  PollReport,
  ResponseAttachments,
} from './challenger/types.js'
export { AbstainError, InputsDivergeError } from './errors.js'
export { namedArtifacts } from './verify/artifacts.js'
export { AttestationError, InconclusiveError } from './verify/errors.js'
export {
  type Evidence,
  type ExpectedAttestation,
  evidenceToJson,
  type MismatchReason,
} from './verify/evidence.js'
export {
  type AttestationLevel,
  type AttestationOutcome,
  attestationLevels,
  type ConsistentLevel,
  type InconclusiveReason,
  type RejectReason,
} from './verify/outcome.js'
export type { AttestationReader, AttestedInputs } from './verify/reader.js'
export {
  computeTeeDocumentDigest,
  computeTeeUserData,
  type SignedTeeDocument,
} from './verify/teeDocument.js'
export {
  assertTaskAttestation,
  type VerifyTaskAttestationParameters,
  verifyTaskAttestation,
} from './verify/verify.js'
