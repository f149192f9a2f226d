export {
  type Aggregation,
  type AggregatorParameters,
  buildCertificate,
  type CertificateAggregator,
  createAggregator,
} from './aggregator.js'
export {
  type Bn254Backend,
  nobleBackend,
  type PairingProduct,
  type PointPair,
} from './backend.js'
export {
  BN254_CERTIFICATE_TYPEHASH,
  bn254AbiComponents,
  bn254CertificateParameter,
  type Certificate,
  computeCertificateHash,
  computeSignableDigest,
  decodeCertificate,
  encodeCertificate,
  type OperatorInfoWitness,
  operatorWitness,
  type SignatureShare,
} from './certificate.js'
export { hashToG1 } from './curve/hashToG1.js'
export { addG1, addG2, sumG1 } from './curve/pointSums.js'
export {
  decodeG1,
  decodeG2,
  encodeG1,
  encodeG2,
  FIELD_MODULUS,
  G1_GENERATOR,
  G1_INFINITY,
  type G1Point,
  G2_GENERATOR,
  G2_INFINITY,
  type G2Point,
  GROUP_ORDER,
} from './curve/points.js'
export {
  Bn254BackendError,
  CertificateBuildError,
  type CertificateBuildFault,
  CertificateError,
  InvalidBlsSecretError,
  InvalidPointError,
  OperatorTableError,
  type OperatorTableFault,
  type PointFault,
  type RefusedShare,
} from './errors.js'
export {
  type BlsKey,
  type BlsKeyOptions,
  type BlsPublicKey,
  type BlsSigner,
  blsKeyFromSeed,
  createBlsKey,
  randomBlsKey,
  signWith,
} from './keys.js'
export {
  createOperatorTable,
  createOperatorTree,
  MAX_OPERATORS,
  type OperatorSetInfo,
  type OperatorTable,
  type OperatorTree,
  type TableOperator,
} from './operatorTable.js'
export {
  computePossessionDigest,
  explainPossession,
  type PossessionContext,
  PROOF_OF_POSSESSION_TAG,
  provePossession,
  verifyPossession,
} from './possession.js'
export { findBadShares, keysCancel, type SignatureSum, sumsVerify } from './shareChecks.js'
export {
  type BackendOptions,
  explainSignature,
  isUsableSignature,
  type SignatureCheck,
  type SignatureFault,
  verifySignature,
} from './signature.js'
export {
  computeOperatorInfoLeaf,
  OPERATOR_INFO_LEAF_SALT,
  type OperatorInfo,
  verifyOperatorProof,
} from './table/proofs.js'
export {
  assertCertificate,
  BPS_DENOMINATOR,
  type CertificateRefusal,
  type CertificateVerification,
  type VerifyCertificateParameters,
  verifyCertificate,
} from './verifyCertificate.js'
