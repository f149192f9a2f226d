/**
 * The two signature encodings of the current protocol.
 *
 * Source chain: `abi.encode(NonSignerStakesAndSignature)`, where operators sign the consensus digest
 * itself. Destination chain: `abi.encode(BN254Certificate)`, where they sign the certificate's
 * digest over it. The task manager of a chain takes one of the two; `StateCommitRegistry` always
 * takes the second.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { decodeAbiParameters, encodeAbiParameters, type Hex } from 'viem'
import { BaseError } from '../../errors/base.js'
import { type Certificate, decodeCertificate, MAX_CERTIFICATE_BYTES } from '../bn254/certificate.js'
import {
  fromNobleG1,
  type G1Point,
  type G2Point,
  type NobleG1,
  readG1,
} from '../bn254/curve/points.js'
import { CertificateError } from '../bn254/errors.js'
import type { OperatorSetInfo } from '../bn254/operatorTable.js'
import { explainSignature } from '../bn254/signature.js'
import {
  type CertificateRefusal,
  type CertificateVerification,
  verifyCertificate,
} from '../bn254/verifyCertificate.js'
import { nonSignerStakesAndSignatureAbi } from './abi.js'
import {
  computeNewtonConsensusDigest,
  computePubkeyHash,
  computeSignatoryRecord,
  decode,
  encode,
  type NewtonTaskResponse,
} from './messages.js'

/** EigenLayer's signature data on the source chain. */
export type NonSignerStakesAndSignature = {
  nonSignerQuorumBitmapIndices: readonly number[]
  /** In ascending order of {@link computePubkeyHash}. */
  nonSignerPubkeys: readonly G1Point[]
  /** Sum of all keys of each signing quorum. */
  quorumApks: readonly G1Point[]
  apkG2: G2Point
  sigma: G1Point
  quorumApkIndices: readonly number[]
  totalStakeIndices: readonly number[]
  nonSignerStakeIndices: readonly (readonly number[])[]
}

/** Signature data of either chain role. */
export type NewtonSignatureData =
  | { type: 'source'; signature: NonSignerStakesAndSignature }
  | { type: 'destination'; certificate: Certificate }

/** Encodes source-chain signature data. Throws `InvalidInputError` when a member does not fit. */
export function encodeNonSignerStakesAndSignature(signature: NonSignerStakesAndSignature): Hex {
  return encode('signatureData', () =>
    encodeAbiParameters([nonSignerStakesAndSignatureAbi], [signature]),
  )
}

/** Decodes source-chain signature data; other encodings of the same value are refused. */
export function decodeNonSignerStakesAndSignature(encoded: Hex): NonSignerStakesAndSignature {
  const read = (): NonSignerStakesAndSignature =>
    decodeAbiParameters([nonSignerStakesAndSignatureAbi], encoded)[0]
  return decode(
    { field: 'signatureData', encoded },
    { read, write: encodeNonSignerStakesAndSignature },
  )
}

/**
 * Decodes signature data of either kind. Both encodings are canonical, so bytes are never both.
 *
 * @throws {CertificateError} `MALFORMED` for bytes that are neither.
 */
export function decodeNewtonSignatureData(encoded: Hex): NewtonSignatureData {
  if (typeof encoded === 'string' && encoded.length > 2 + 2 * MAX_CERTIFICATE_BYTES) {
    throw new CertificateError({ reason: 'MALFORMED', detail: 'it is too long to be read' })
  }
  try {
    return { type: 'destination', certificate: decodeCertificate(encoded) }
  } catch {
    try {
      return { type: 'source', signature: decodeNonSignerStakesAndSignature(encoded) }
    } catch (cause) {
      const detail = 'it is neither a BN254Certificate nor a NonSignerStakesAndSignature'
      throw new CertificateError({ reason: 'MALFORMED', detail }, { cause })
    }
  }
}

/** Chain state of one signing quorum at the task's block. */
export type SourceQuorum = {
  /** The quorum's aggregate key as the registry keeps it. */
  apk: G1Point
  totalStake: bigint
  /** Stake of each non-signer that is registered in the quorum, by {@link computePubkeyHash}. */
  nonSignerStakes: ReadonlyMap<Hex, bigint>
}

/** Outcome of {@link verifySourceSignature}. */
export type SourceVerification =
  | { status: 'valid'; signedStakes: readonly bigint[]; signatoryRecord: Hex }
  | { status: 'reject'; code: CertificateRefusal; detail: string }

/**
 * Verifies source-chain signature data over a response, as EigenLayer's `checkSignatures` and the
 * quorum rule of the task manager do, against chain state that the caller read. Never throws.
 *
 * Stricter than the contract: a threshold of zero, which there accepts anything, is refused, and so
 * is a non-signer of no signing quorum.
 */
export function verifySourceSignature(parameters: {
  response: NewtonTaskResponse
  signature: NonSignerStakesAndSignature
  /** In the order of the task's `quorumNumbers`. */
  quorums: readonly SourceQuorum[]
  /** 1 to 100. Take it from a task whose hash the chain knows, never from the submitter. */
  thresholdPercentage: number
  taskCreatedBlock: number
}): SourceVerification {
  try {
    const { signature, taskCreatedBlock } = parameters
    const signedStakes = checkSource(parameters)
    const nonSigners = signature.nonSignerPubkeys
    const signatoryRecord = computeSignatoryRecord({ taskCreatedBlock, nonSigners })
    return { status: 'valid', signedStakes, signatoryRecord }
  } catch (error) {
    if (error instanceof CertificateError) {
      return { status: 'reject', code: error.reason as CertificateRefusal, detail: error.detail }
    }
    const detail = error instanceof BaseError ? error.shortMessage : 'it is no signature data'
    return { status: 'reject', code: 'MALFORMED', detail }
  }
}

/**
 * Verifies destination-chain signature data over a response. Never throws.
 *
 * @param parameters.thresholdPercentage - 1 to 100.
 */
export function verifyDestinationSignature(parameters: {
  response: NewtonTaskResponse
  certificate: Certificate
  table: OperatorSetInfo
  referenceTimestamp: number
  thresholdPercentage: number
}): CertificateVerification {
  const { response, thresholdPercentage, ...rest } = parameters ?? {}
  let messageHash: Hex
  try {
    messageHash = computeNewtonConsensusDigest(response)
  } catch {
    return { status: 'reject', code: 'MALFORMED', detail: 'the response is malformed' }
  }
  return verifyCertificate({ ...rest, messageHash, quorumBps: thresholdPercentage * 100 })
}

function checkSource(parameters: Parameters<typeof verifySourceSignature>[0]): readonly bigint[] {
  const { response, signature, quorums, thresholdPercentage } = parameters
  if (
    !Number.isInteger(thresholdPercentage) ||
    thresholdPercentage < 1 ||
    thresholdPercentage > 100
  ) {
    throw refuse('INVALID_QUORUM', `the threshold is ${String(thresholdPercentage)} percent`)
  }
  if (quorums.length === 0) throw refuse('EMPTY_OPERATOR_SET', 'no quorum signs')
  checkLengths(signature, quorums.length)
  const digest = computeNewtonConsensusDigest(response)
  const signed = quorums.map(({ totalStake }) => totalStake)
  let apk: NobleG1 = bn254.G1.Point.ZERO
  quorums.forEach(({ apk: expected }, index) => {
    const given = signature.quorumApks[index] as G1Point
    if (given.X !== expected.X || given.Y !== expected.Y) {
      throw refuse('WRONG_TABLE', `the key of quorum ${index} is not the registry's`)
    }
    apk = apk.add(point(given))
  })
  let previous = ''
  for (const pubkey of signature.nonSignerPubkeys) {
    const id = computePubkeyHash(pubkey)
    if (id === previous) throw refuse('DUPLICATE_NON_SIGNER', `${id} is listed twice`)
    if (id < previous) throw refuse('NON_SIGNERS_NOT_SORTED', `${id} follows ${previous}`)
    previous = id
    const key = point(pubkey)
    let member = false
    quorums.forEach(({ nonSignerStakes }, index) => {
      const stake = nonSignerStakes.get(id)
      if (stake === undefined) return
      member = true
      // A key is part of the sum of every quorum it is in.
      apk = apk.add(key.negate())
      const rest = (signed[index] as bigint) - stake
      if (rest < 0n) throw refuse('WEIGHT_UNDERFLOW', `non-signers outweigh quorum ${index}`)
      signed[index] = rest
    })
    if (!member) throw refuse('UNKNOWN_OPERATOR', `non-signer ${id} is in no signing quorum`)
    checkThreshold(signed, { quorums, thresholdPercentage })
  }
  checkThreshold(signed, { quorums, thresholdPercentage })
  const pubkey = fromNobleG1(apk)
  if (apk.is0()) throw refuse('NO_SIGNERS', 'nobody signed')
  const fault = explainSignature({
    digest,
    signature: signature.sigma,
    pubkey,
    pubkeyG2: signature.apkG2,
  })
  if (fault === 'KEY_MISMATCH')
    throw refuse('UNKNOWN_OPERATOR', 'its key is not that of the signers')
  if (fault === 'MALFORMED_DIGEST') throw refuse('MALFORMED', 'its digest cannot be computed')
  if (fault !== undefined) throw refuse(fault, 'the signature or the key')
  return signed
}

function checkLengths(signature: NonSignerStakesAndSignature, quorums: number): void {
  const { quorumApks, quorumApkIndices, totalStakeIndices, nonSignerStakeIndices } = signature
  for (const list of [quorumApks, quorumApkIndices, totalStakeIndices, nonSignerStakeIndices]) {
    if (list.length !== quorums) {
      throw refuse(
        'WEIGHTS_LENGTH_MISMATCH',
        `a list has ${list.length} entries for ${quorums} quorums`,
      )
    }
  }
  const { nonSignerPubkeys, nonSignerQuorumBitmapIndices } = signature
  if (nonSignerPubkeys.length !== nonSignerQuorumBitmapIndices.length) {
    throw refuse('WEIGHTS_LENGTH_MISMATCH', 'non-signers and their bitmap indices differ in number')
  }
}

function checkThreshold(
  signed: readonly bigint[],
  {
    quorums,
    thresholdPercentage,
  }: { quorums: readonly SourceQuorum[]; thresholdPercentage: number },
): void {
  quorums.forEach(({ totalStake }, index) => {
    if (totalStake <= 0n) throw refuse('ZERO_TOTAL_WEIGHT', `quorum ${index} has no stake`)
    if ((signed[index] as bigint) * 100n < totalStake * BigInt(thresholdPercentage)) {
      throw refuse(
        'QUORUM_NOT_MET',
        `quorum ${index}: at most ${signed[index]} of ${totalStake} signed`,
      )
    }
  })
}

function point(value: G1Point): NobleG1 {
  const read = readG1(value, { infinity: false })
  if (read.fault !== undefined) throw refuse(read.fault, 'a key')
  return read.point
}

function refuse(reason: CertificateRefusal, detail: string): CertificateError {
  return new CertificateError({ reason, detail })
}
