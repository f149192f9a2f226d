/**
 * EigenDA certificates V2, V3 and V4 as typed values, and their commitment bytes.
 *
 * ```
 * standard commitment = versionByte(1) ‖ RLP(cert)      versionByte 0x01 V2, 0x02 V3, 0x03 V4
 * op-stack commitment = 0x01 ‖ 0x00 ‖ standard commitment
 * V3, V4 = [batchHeader, blobInclusionInfo, nonSigners, signedQuorums (, derivationVersion in V4)]
 * V2     = [blobInclusionInfo, batchHeader, nonSigners, signedQuorums]
 * ```
 * G2 coordinates have the imaginary part first, as in EIP-197. Source: Layr-Labs/eigenda,
 * `api/clients/v2/coretypes` and the Solidity structs it binds.
 */
import type { Hex } from 'viem'
import type { G1Point, G2Point } from '../../../core/bn254/curve/points.js'
import {
  bytesToUint,
  concat,
  fixedFromHex,
  fromHex,
  toHex,
  uintToBytes,
} from '../../../internal/bytes.js'
import { InvalidCommitmentError } from '../errors.js'
import { decodeRlp, encodeRlp, type RlpItem } from './rlp.js'

/** What a blob is committed to. */
export type BlobCommitment = {
  commitment: G1Point
  lengthCommitment: G2Point
  lengthProof: G2Point
  /** Symbols of 32 bytes, a power of two. */
  length: number
}

/** A certificate: that a quorum stored a blob. */
export type EigenDaCert = {
  version: 2 | 3 | 4
  batchHeader: { batchRoot: Hex; referenceBlockNumber: number }
  blobInclusionInfo: {
    blobCertificate: {
      blobHeader: {
        version: number
        quorumNumbers: Hex
        commitment: BlobCommitment
        paymentHeaderHash: Hex
      }
      signature: Hex
      relayKeys: readonly number[]
    }
    blobIndex: number
    inclusionProof: Hex
  }
  nonSignerStakesAndSignature: {
    nonSignerQuorumBitmapIndices: readonly number[]
    nonSignerPubkeys: readonly G1Point[]
    quorumApks: readonly G1Point[]
    apkG2: G2Point
    sigma: G1Point
    quorumApkIndices: readonly number[]
    totalStakeIndices: readonly number[]
    nonSignerStakeIndices: readonly (readonly number[])[]
  }
  signedQuorumNumbers: Hex
  /** V4 only. */
  offchainDerivationVersion?: number | undefined
}

/** Most bytes of a commitment that is read: the verifier contract's limit on a certificate. */
export const MAX_COMMITMENT_BYTES = 262_144

const versionBytes = { 1: 2, 2: 3, 3: 4 } as const

/**
 * Decodes a standard commitment. Accepts exactly what {@link encodeEigenDaCommitment} makes.
 *
 * @throws {InvalidCommitmentError} for op-stack commitments, V1 certificates, unknown versions,
 * text, RLP that is not canonical, and members out of range.
 * @example
 * ```ts
 * import { decodeEigenDaCommitment } from '@newton/policy-sdk/da'
 *
 * try {
 *   decodeEigenDaCommitment('0x00')
 * } catch (error) {
 *   // V1 certificates are not supported
 * }
 * ```
 */
export function decodeEigenDaCommitment(commitment: Hex | Uint8Array): EigenDaCert {
  const bytes = commitment instanceof Uint8Array ? commitment : fromHex(commitment, 'commitment')
  if (bytes.length === 0) fail('commitment', 'it is empty')
  if (bytes.length > MAX_COMMITMENT_BYTES)
    fail('commitment', `it is over ${MAX_COMMITMENT_BYTES} bytes`)
  if (isOpCommitment(bytes)) {
    fail(
      'commitment',
      'it is an op-stack commitment; ask the proxy with commitment_mode=standard, or strip its prefix',
    )
  }
  const version = versionBytes[bytes[0] as keyof typeof versionBytes]
  if (version === undefined) {
    fail(
      'commitment',
      bytes[0] === 0 ? 'V1 certificates are not supported' : `unknown version byte ${bytes[0]}`,
    )
  }
  return decodeCert(decodeRlp(bytes.subarray(1)), version)
}

/**
 * Encodes a certificate as a standard commitment.
 *
 * @throws {InvalidCommitmentError} naming a member that is malformed.
 */
export function encodeEigenDaCommitment(cert: EigenDaCert): Hex {
  const versionByte = { 2: 0x01, 3: 0x02, 4: 0x03 }[cert.version]
  if (versionByte === undefined) fail('version', `expected 2, 3 or 4, got ${cert.version}`)
  return toHex(concat(Uint8Array.of(versionByte), encodeCertRlp(cert)))
}

/** RLP of a certificate, without its version byte: what the proxy's store keys are hashes of. */
export function encodeCertRlp(cert: EigenDaCert): Uint8Array {
  const header = [
    fixed(cert.batchHeader.batchRoot, 32, 'batchHeader.batchRoot'),
    uint(cert.batchHeader.referenceBlockNumber, 4, 'batchHeader.referenceBlockNumber'),
  ]
  const { blobCertificate, blobIndex, inclusionProof } = cert.blobInclusionInfo
  const { blobHeader } = blobCertificate
  const { commitment } = blobHeader
  const inclusion = [
    [
      [
        uint(blobHeader.version, 2, 'blobHeader.version'),
        raw(blobHeader.quorumNumbers, 'blobHeader.quorumNumbers'),
        [
          g1(commitment.commitment, 'commitment'),
          g2(commitment.lengthCommitment, 'lengthCommitment'),
          g2(commitment.lengthProof, 'lengthProof'),
          uint(commitment.length, 4, 'length'),
        ],
        fixed(blobHeader.paymentHeaderHash, 32, 'blobHeader.paymentHeaderHash'),
      ],
      raw(blobCertificate.signature, 'blobCertificate.signature'),
      blobCertificate.relayKeys.map((key) => uint(key, 4, 'blobCertificate.relayKeys')),
    ],
    uint(blobIndex, 4, 'blobIndex'),
    raw(inclusionProof, 'inclusionProof'),
  ]
  const signers = cert.nonSignerStakesAndSignature
  const u32s = (values: readonly number[], field: string): RlpItem =>
    values.map((value) => uint(value, 4, field))
  const nonSigners = [
    u32s(signers.nonSignerQuorumBitmapIndices, 'nonSignerQuorumBitmapIndices'),
    signers.nonSignerPubkeys.map((point) => g1(point, 'nonSignerPubkeys')),
    signers.quorumApks.map((point) => g1(point, 'quorumApks')),
    g2(signers.apkG2, 'apkG2'),
    g1(signers.sigma, 'sigma'),
    u32s(signers.quorumApkIndices, 'quorumApkIndices'),
    u32s(signers.totalStakeIndices, 'totalStakeIndices'),
    signers.nonSignerStakeIndices.map((list) => u32s(list, 'nonSignerStakeIndices')),
  ]
  const quorums = raw(cert.signedQuorumNumbers, 'signedQuorumNumbers')
  if (cert.version === 2) return encodeRlp([inclusion, header, nonSigners, quorums])
  const members: RlpItem[] = [header, inclusion, nonSigners, quorums]
  if (cert.version === 4) {
    members.push(uint(cert.offchainDerivationVersion ?? 0, 2, 'offchainDerivationVersion'))
  }
  return encodeRlp(members)
}

/** Whether bytes are a commitment in the op-stack form, which has two more bytes in front. */
export function isOpCommitment(bytes: Uint8Array): boolean {
  // A standard commitment continues with an RLP list of over 55 bytes, so never with a zero.
  return (
    bytes instanceof Uint8Array &&
    bytes.length > 3 &&
    bytes[0] === 0x01 &&
    bytes[1] === 0x00 &&
    (bytes[2] as number) <= 0x03
  )
}

/**
 * Turns an op-stack commitment into the standard one.
 *
 * @throws {InvalidCommitmentError} when it is not in the op-stack form.
 */
export function standardFromOpCommitment(commitment: Hex): Hex {
  const bytes = fromHex(commitment, 'commitment')
  if (!isOpCommitment(bytes)) fail('commitment', 'it is not an op-stack commitment')
  return toHex(bytes.subarray(2))
}

function decodeCert(item: RlpItem, version: 2 | 3 | 4): EigenDaCert {
  const members = list(item, 'cert', version === 4 ? 5 : 4)
  const [header, inclusion] = version === 2 ? [members[1], members[0]] : [members[0], members[1]]
  const [batchRoot, referenceBlockNumber] = list(header, 'batchHeader', 2)
  const [blobCertificate, blobIndex, inclusionProof] = list(inclusion, 'blobInclusionInfo', 3)
  const [blobHeader, signature, relayKeys] = list(blobCertificate, 'blobCertificate', 3)
  const [blobVersion, quorumNumbers, commitment, paymentHeaderHash] = list(
    blobHeader,
    'blobHeader',
    4,
  )
  const [g1Commitment, lengthCommitment, lengthProof, length] = list(
    commitment,
    'blobHeader.commitment',
    4,
  )
  const cert: EigenDaCert = {
    version,
    batchHeader: {
      batchRoot: fixedItem(batchRoot, 32, 'batchHeader.batchRoot'),
      referenceBlockNumber: uintItem(referenceBlockNumber, 4, 'batchHeader.referenceBlockNumber'),
    },
    blobInclusionInfo: {
      blobCertificate: {
        blobHeader: {
          version: uintItem(blobVersion, 2, 'blobHeader.version'),
          quorumNumbers: rawItem(quorumNumbers, 'blobHeader.quorumNumbers'),
          commitment: {
            commitment: g1Item(g1Commitment, 'commitment'),
            lengthCommitment: g2Item(lengthCommitment, 'lengthCommitment'),
            lengthProof: g2Item(lengthProof, 'lengthProof'),
            length: uintItem(length, 4, 'length'),
          },
          paymentHeaderHash: fixedItem(paymentHeaderHash, 32, 'blobHeader.paymentHeaderHash'),
        },
        signature: rawItem(signature, 'blobCertificate.signature'),
        relayKeys: uintsItem(relayKeys, 'blobCertificate.relayKeys'),
      },
      blobIndex: uintItem(blobIndex, 4, 'blobIndex'),
      inclusionProof: rawItem(inclusionProof, 'inclusionProof'),
    },
    nonSignerStakesAndSignature: decodeSigners(members[2]),
    signedQuorumNumbers: rawItem(members[3], 'signedQuorumNumbers'),
  }
  if (version === 4)
    cert.offchainDerivationVersion = uintItem(members[4], 2, 'offchainDerivationVersion')
  return cert
}

function decodeSigners(item: RlpItem | undefined): EigenDaCert['nonSignerStakesAndSignature'] {
  const members = list(item, 'nonSignerStakesAndSignature', 8)
  return {
    nonSignerQuorumBitmapIndices: uintsItem(members[0], 'nonSignerQuorumBitmapIndices'),
    nonSignerPubkeys: list(members[1], 'nonSignerPubkeys').map((point) =>
      g1Item(point, 'nonSignerPubkeys'),
    ),
    quorumApks: list(members[2], 'quorumApks').map((point) => g1Item(point, 'quorumApks')),
    apkG2: g2Item(members[3], 'apkG2'),
    sigma: g1Item(members[4], 'sigma'),
    quorumApkIndices: uintsItem(members[5], 'quorumApkIndices'),
    totalStakeIndices: uintsItem(members[6], 'totalStakeIndices'),
    nonSignerStakeIndices: list(members[7], 'nonSignerStakeIndices').map((values) =>
      uintsItem(values, 'nonSignerStakeIndices'),
    ),
  }
}

// Go's big integers are written without leading zeros, and so is every number here.
function uint(value: number | bigint, size: number, field: string): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = uintToBytes(value, size, field)
  } catch (cause) {
    throw new InvalidCommitmentError(
      { field, reason: `expected an unsigned integer of ${size} bytes` },
      { cause },
    )
  }
  let start = 0
  while (start < bytes.length && bytes[start] === 0) start += 1
  return bytes.subarray(start)
}

function g1({ X, Y }: G1Point, field: string): RlpItem {
  return [uint(X, 32, field), uint(Y, 32, field)]
}

function g2({ X, Y }: G2Point, field: string): RlpItem {
  return [X.map((value) => uint(value, 32, field)), Y.map((value) => uint(value, 32, field))]
}

function fixed(hex: Hex, size: number, field: string): Uint8Array {
  try {
    return fixedFromHex(hex, size, field)
  } catch (cause) {
    throw new InvalidCommitmentError({ field, reason: `expected ${size} bytes of hex` }, { cause })
  }
}

function raw(hex: Hex, field: string): Uint8Array {
  try {
    return fromHex(hex, field)
  } catch (cause) {
    throw new InvalidCommitmentError({ field, reason: 'expected hex' }, { cause })
  }
}

function list(item: RlpItem | undefined, field: string, length?: number): readonly RlpItem[] {
  if (item === undefined || item instanceof Uint8Array) fail(field, 'expected a list')
  if (length !== undefined && item.length !== length) {
    fail(field, `expected ${length} members, got ${item.length}`)
  }
  return item
}

function bytesItem(item: RlpItem | undefined, field: string): Uint8Array {
  if (!(item instanceof Uint8Array)) fail(field, 'expected bytes')
  return item
}

function rawItem(item: RlpItem | undefined, field: string): Hex {
  return toHex(bytesItem(item, field))
}

function fixedItem(item: RlpItem | undefined, size: number, field: string): Hex {
  const bytes = bytesItem(item, field)
  if (bytes.length !== size) fail(field, `expected ${size} bytes, got ${bytes.length}`)
  return toHex(bytes)
}

function bigItem(item: RlpItem | undefined, size: number, field: string): bigint {
  const bytes = bytesItem(item, field)
  if (bytes.length > size) fail(field, `over ${size} bytes`)
  if (bytes[0] === 0) fail(field, 'a number has leading zeros')
  return bytesToUint(bytes)
}

function uintItem(item: RlpItem | undefined, size: number, field: string): number {
  return Number(bigItem(item, size, field))
}

function uintsItem(item: RlpItem | undefined, field: string): number[] {
  return list(item, field).map((value) => uintItem(value, 4, field))
}

function g1Item(item: RlpItem | undefined, field: string): G1Point {
  const [x, y] = list(item, field, 2)
  return { X: bigItem(x, 32, field), Y: bigItem(y, 32, field) }
}

function g2Item(item: RlpItem | undefined, field: string): G2Point {
  const [x, y] = list(item, field, 2)
  const pair = (limbs: RlpItem | undefined): readonly [bigint, bigint] => {
    const [imaginary, real] = list(limbs, field, 2)
    return [bigItem(imaginary, 32, field), bigItem(real, 32, field)]
  }
  return { X: pair(x), Y: pair(y) }
}

function fail(field: string, reason: string): never {
  throw new InvalidCommitmentError({ field, reason })
}
