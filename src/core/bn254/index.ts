export {
  BN254_CERTIFICATE_TYPEHASH,
  bn254AbiComponents,
  bn254CertificateParameter,
  buildCertificate,
  type Certificate,
  computeSignableDigest,
  decodeCertificate,
  encodeCertificate,
  type OperatorInfoWitness,
  operatorWitness,
  type SignatureShare,
} from './certificate.js'
export {
  CertificateBuildError,
  type CertificateBuildFault,
  CertificateError,
  InvalidBlsSecretError,
  InvalidPointError,
  OperatorTableError,
  type OperatorTableFault,
  type PointFault,
} from './errors.js'
export { hashToG1 } from './hashToG1.js'
export {
  type BlsKey,
  type BlsPublicKey,
  blsKeyFromSeed,
  createBlsKey,
  randomBlsKey,
} from './keys.js'
export {
  computeOperatorInfoLeaf,
  createOperatorTable,
  createOperatorTree,
  MAX_OPERATORS,
  OPERATOR_INFO_LEAF_SALT,
  type OperatorInfo,
  type OperatorSetInfo,
  type OperatorTable,
  type OperatorTree,
  type TableOperator,
  verifyOperatorProof,
} from './operatorTable.js'
export {
  addG1,
  addG2,
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
} from './points.js'
export {
  computePossessionDigest,
  explainPossession,
  type PossessionContext,
  PROOF_OF_POSSESSION_TAG,
  provePossession,
  verifyPossession,
} from './possession.js'
export {
  explainSignature,
  type SignatureCheck,
  type SignatureFault,
  verifySignature,
} from './signature.js'
export {
  assertCertificate,
  BPS_DENOMINATOR,
  type CertificateRefusal,
  type CertificateVerification,
  type VerifyCertificateParameters,
  verifyCertificate,
} from './verifyCertificate.js'
