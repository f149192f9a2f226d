/**
 * EigenLayer's BN254 certificate, to the byte.
 *
 * ```
 * BN254Certificate { uint32 referenceTimestamp; bytes32 messageHash; G1Point signature;
 *                    G2Point apk; BN254OperatorInfoWitness[] nonSignerWitnesses; }
 * BN254OperatorInfoWitness { uint32 operatorIndex; bytes operatorInfoProof; BN254OperatorInfo operatorInfo; }
 * signable = keccak256(abi.encode(BN254_CERTIFICATE_TYPEHASH, uint32 referenceTimestamp, bytes32 messageHash))
 * ```
 * `apk` is the sum of the signers' G2 keys. Who signed is whoever is not among the non-signers.
 */
import { type Address, encodeAbiParameters, type Hex } from 'viem'
import { fixedFromHex, fromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  type Certificate,
  type OperatorInfoWitness,
  readCertificateWords,
} from './certificateWords.js'
import type { G1Point, G2Point } from './curve/points.js'
import { CertificateError } from './errors.js'
import type { OperatorTree } from './operatorTable.js'
import type { OperatorInfo } from './table/proofs.js'

export type { Certificate, OperatorInfoWitness }

/** `keccak256("BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)")`. */
export const BN254_CERTIFICATE_TYPEHASH: Hex =
  '0xd9f77a423768f4b0526fa60a7c732334516a93f1d228dce50ad804ea74ced36e'
/** Largest encoded certificate that is decoded. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024 * 1024

const g1Components = [
  { name: 'X', type: 'uint256' },
  { name: 'Y', type: 'uint256' },
] as const

/** ABI of a G1 point, of a G2 point, of an operator entry with its proof, and of a certificate. */
export const bn254AbiComponents = {
  g1: g1Components,
  g2: [
    { name: 'X', type: 'uint256[2]' },
    { name: 'Y', type: 'uint256[2]' },
  ],
  witness: [
    { name: 'operatorIndex', type: 'uint32' },
    { name: 'operatorInfoProof', type: 'bytes' },
    {
      name: 'operatorInfo',
      type: 'tuple',
      components: [
        { name: 'pubkey', type: 'tuple', components: g1Components },
        { name: 'weights', type: 'uint256[]' },
      ],
    },
  ],
} as const

/** ABI parameter of a certificate, for `encodeAbiParameters` and contract calls. */
export const bn254CertificateParameter = {
  name: 'certificate',
  type: 'tuple',
  components: [
    { name: 'referenceTimestamp', type: 'uint32' },
    { name: 'messageHash', type: 'bytes32' },
    { name: 'signature', type: 'tuple', components: bn254AbiComponents.g1 },
    { name: 'apk', type: 'tuple', components: bn254AbiComponents.g2 },
    { name: 'nonSignerWitnesses', type: 'tuple[]', components: bn254AbiComponents.witness },
  ],
} as const

/**
 * Computes the digest that operators sign for a certificate.
 *
 * @param parameters.referenceTimestamp - Seconds, of the operator table in force.
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeSignableDigest } from '@newton/policy-sdk/attestation'
 *
 * computeSignableDigest({ referenceTimestamp: 1750000000, messageHash: `0x${'11'.repeat(32)}` })
 * ```
 */
export function computeSignableDigest(parameters: {
  referenceTimestamp: number
  messageHash: Hex
}): Hex {
  return keccakHex(
    fixedFromHex(BN254_CERTIFICATE_TYPEHASH, 32, 'typehash'),
    new Uint8Array(28),
    uintToBytes(parameters.referenceTimestamp, 4, 'referenceTimestamp'),
    fixedFromHex(parameters.messageHash, 32, 'messageHash'),
  )
}

/**
 * Computes the hash by which a response registry binds the certificate that it accepted:
 * `keccak256(abi.encode(certificate))`. A policy client names it to use the response.
 *
 * @param certificate - The accepted certificate, as `accept` was given it.
 * @throws {CertificateError} `MALFORMED` for a member that does not fit its type.
 * @example
 * ```ts
 * import { type Certificate, computeCertificateHash } from '@newton/policy-sdk/attestation'
 *
 * declare const certificate: Certificate
 * computeCertificateHash(certificate)
 * ```
 */
export function computeCertificateHash(certificate: Certificate): Hex {
  return keccakHex(fromHex(encodeCertificate(certificate)))
}

/** One operator's signature over the signable digest. */
export type SignatureShare = {
  operator: Address
  signature: G1Point
}

/** Puts a certificate together from sums that were checked. */
export function assembleCertificate(parameters: {
  table: OperatorTree
  referenceTimestamp: number
  messageHash: Hex
  signature: G1Point
  apk: G2Point
  /** Indices of those that signed. */
  signers: Iterable<number>
}): Certificate {
  const { table, referenceTimestamp, messageHash, signature, apk } = parameters
  const signed = new Set(parameters.signers)
  const nonSignerWitnesses = table.operators.flatMap((_, index) => {
    return signed.has(index) ? [] : [operatorWitness(table, index)]
  })
  return { referenceTimestamp, messageHash, signature, apk, nonSignerWitnesses }
}

/** The entry at `index` of a table with its proof. Throws `InvalidInputError` past the table. */
export function operatorWitness(table: OperatorTree, index: number): OperatorInfoWitness {
  const proof = table.proof(index)
  const { pubkey, weights } = table.operators[index] as OperatorInfo
  return { operatorIndex: index, operatorInfoProof: proof, operatorInfo: { pubkey, weights } }
}

/**
 * Encodes a certificate: `abi.encode(BN254Certificate)`.
 *
 * @throws {CertificateError} `MALFORMED` when a member does not fit its type.
 */
export function encodeCertificate(certificate: Certificate): Hex {
  try {
    return encodeAbiParameters([bn254CertificateParameter], [certificate])
  } catch (cause) {
    throw malformed('a member does not fit its type', cause)
  }
}

/**
 * Decodes a certificate that may come from anyone.
 *
 * Only the one canonical encoding is accepted: other offsets, dirty padding and trailing bytes
 * are refused, so that equal certificates have equal bytes. Points are checked when verifying.
 *
 * @throws {CertificateError} `MALFORMED`.
 */
export function decodeCertificate(data: Hex | Uint8Array): Certificate {
  const bytes = data instanceof Uint8Array ? data : readHex(data)
  if (bytes.length > MAX_CERTIFICATE_BYTES) {
    throw malformed(`it has ${bytes.length} bytes, at most ${MAX_CERTIFICATE_BYTES} are read`)
  }
  return readCertificateWords(toHex(bytes))
}

function readHex(data: Hex): Uint8Array {
  try {
    return fromHex(data, 'certificate')
  } catch (cause) {
    throw malformed('it is no hex string', cause)
  }
}

function malformed(detail: string, cause?: unknown): CertificateError {
  return new CertificateError({ reason: 'MALFORMED', detail }, { cause })
}
