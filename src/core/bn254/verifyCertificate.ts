/**
 * The whole check of a certificate against an operator table, off chain.
 *
 * Cheap checks come first, and weights are subtracted as witnesses are read, so that a certificate
 * with thousands of non-signers ends at the first one that makes the quorum impossible.
 */
import type { Hex } from 'viem'
import { BaseError } from '../../errors/base.js'
import { fixedFromHex } from '../../internal/bytes.js'
import { type Certificate, computeSignableDigest, type OperatorInfoWitness } from './certificate.js'
import { sumG1 } from './curve/pointSums.js'
import { type G1Point, g1Equal, negateG1, readG1 } from './curve/points.js'
import { Bn254BackendError, CertificateError, type PointFault } from './errors.js'
import type { OperatorSetInfo } from './operatorTable.js'
import { type BackendOptions, explainSignature } from './signature.js'
import { operatorProofs } from './table/proofs.js'

/** Every reason for which a certificate is refused. */
export type CertificateRefusal =
  | PointFault
  | 'MALFORMED'
  | 'EMPTY_OPERATOR_SET'
  | 'EMPTY_WEIGHTS'
  | 'ZERO_TOTAL_WEIGHT'
  | 'INVALID_QUORUM'
  | 'WRONG_TABLE'
  | 'MESSAGE_HASH_MISMATCH'
  | 'CERTIFICATE_STALE'
  | 'TOO_MANY_NON_SIGNERS'
  | 'NON_SIGNERS_NOT_SORTED'
  | 'DUPLICATE_NON_SIGNER'
  | 'INVALID_OPERATOR_INDEX'
  | 'UNKNOWN_OPERATOR'
  | 'WEIGHTS_LENGTH_MISMATCH'
  | 'WEIGHT_OVERFLOW'
  | 'WEIGHT_UNDERFLOW'
  | 'NO_SIGNERS'
  | 'QUORUM_NOT_MET'
  | 'SIGNATURE_INVALID'

/** Largest part of a quorum: 10,000 is all of the stake. */
export const BPS_DENOMINATOR = 10_000

/** What a certificate is verified against. */
export type VerifyCertificateParameters = BackendOptions & {
  certificate: Certificate
  /** The table in force, as the chain keeps it. */
  table: OperatorSetInfo
  /** Timestamp that names that table; another one in the certificate is `WRONG_TABLE`. */
  referenceTimestamp: number
  /** The message it must be for; another one is `MESSAGE_HASH_MISMATCH`. */
  messageHash: Hex
  /** Part of each strategy's weight that must have signed, 1 to 10,000. */
  quorumBps: number
  /** When acceptance is judged: the table may be at most `maxAge` seconds old at `now`. */
  staleness?: { now: number; maxAge: number } | undefined
}

/** Outcome of {@link verifyCertificate}. */
export type CertificateVerification =
  | { readonly status: 'valid'; readonly signedWeights: readonly bigint[] }
  | { readonly status: 'reject'; readonly code: CertificateRefusal; readonly detail: string }

/**
 * Verifies a certificate: table, message, non-signer witnesses, quorum, signature. Never throws
 * for what it is given.
 *
 * @returns `valid` with the signed weight of each strategy, or `reject` with the code.
 * @throws {Bn254BackendError} only, where `backend` cannot compute: that is no verdict.
 * @example
 * ```ts
 * import { verifyCertificate } from '@newton/policy-sdk/attestation'
 *
 * const outcome = verifyCertificate({
 *   certificate, table: table.info, referenceTimestamp, messageHash, quorumBps: 6_667,
 * })
 * if (outcome.status === 'reject') console.log(outcome.code)
 * ```
 */
export function verifyCertificate(
  parameters: VerifyCertificateParameters,
): CertificateVerification {
  try {
    return { status: 'valid', signedWeights: checkCertificate(parameters) }
  } catch (error) {
    if (error instanceof CertificateError) {
      const code = error.reason as CertificateRefusal
      return { status: 'reject', code, detail: error.detail }
    }
    if (error instanceof Bn254BackendError) throw error
    const detail = error instanceof BaseError ? error.shortMessage : 'it is not a certificate'
    return { status: 'reject', code: 'MALFORMED', detail }
  }
}

/**
 * {@link verifyCertificate} that throws.
 *
 * @returns The signed weight of each strategy.
 * @throws {CertificateError} whose `reason` is the code.
 */
export function assertCertificate(parameters: VerifyCertificateParameters): readonly bigint[] {
  const outcome = verifyCertificate(parameters)
  if (outcome.status === 'valid') return outcome.signedWeights
  throw new CertificateError({ reason: outcome.code, detail: outcome.detail })
}

function checkCertificate(parameters: VerifyCertificateParameters): readonly bigint[] {
  const { certificate, table, referenceTimestamp, messageHash, quorumBps, staleness } = parameters
  checkTable(table)
  if (!Number.isInteger(quorumBps) || quorumBps < 1 || quorumBps > BPS_DENOMINATOR) {
    throw refuse('INVALID_QUORUM', `the quorum is ${String(quorumBps)} basis points`)
  }
  checkShape(certificate)
  if (certificate.referenceTimestamp !== referenceTimestamp) {
    throw refuse(
      'WRONG_TABLE',
      `it names the table of ${certificate.referenceTimestamp}, in force is that of ${referenceTimestamp}`,
    )
  }
  if (certificate.messageHash.toLowerCase() !== messageHash.toLowerCase()) {
    throw refuse('MESSAGE_HASH_MISMATCH', `it is for the message ${certificate.messageHash}`)
  }
  // Not `>`: of what is no number, neither is true, and it is refused.
  if (staleness !== undefined && !(staleness.now <= referenceTimestamp + staleness.maxAge)) {
    throw refuse('CERTIFICATE_STALE', `its table is older than ${staleness.maxAge} seconds`)
  }
  checkIndices(certificate.nonSignerWitnesses, table)
  const { signedWeights, nonSigners } = subtractNonSigners(parameters)
  const aggregate = readG1(table.aggregatePubkey, { infinity: false })
  if (aggregate.fault !== undefined) throw refuse(aggregate.fault, 'the key of the table')
  const signers = sumG1([table.aggregatePubkey, ...nonSigners.map(negateG1)])
  if (g1Equal(signers, { X: 0n, Y: 0n })) throw refuse('NO_SIGNERS', 'nobody signed')
  const { backend } = parameters
  const fault = explainSignature(
    {
      digest: computeSignableDigest({ referenceTimestamp, messageHash }),
      signature: certificate.signature,
      pubkey: signers,
      pubkeyG2: certificate.apk,
    },
    { backend },
  )
  if (fault === 'KEY_MISMATCH') {
    throw refuse('UNKNOWN_OPERATOR', 'its key is not the sum of the keys of the signers it names')
  }
  if (fault === 'MALFORMED_DIGEST') throw refuse('MALFORMED', 'its digest cannot be computed')
  if (fault !== undefined) throw refuse(fault, 'the signature or key of the certificate')
  return signedWeights
}

function checkTable(table: OperatorSetInfo): void {
  if (typeof table.numOperators !== 'bigint' || table.numOperators <= 0n) {
    throw refuse('EMPTY_OPERATOR_SET', 'the table has no operators')
  }
  if (!Array.isArray(table.totalWeights) || table.totalWeights.length === 0) {
    throw refuse('EMPTY_WEIGHTS', 'the table has no stake weights')
  }
  table.totalWeights.forEach((total: unknown, strategy: number) => {
    if (typeof total !== 'bigint') throw refuse('MALFORMED', 'a weight of the table is no integer')
    if (total <= 0n) throw refuse('ZERO_TOTAL_WEIGHT', `strategy ${strategy} has no stake`)
    // The contract computes weight · 10,000 in 256 bits; a table that breaks it there is refused.
    if (total > (2n ** 256n - 1n) / BigInt(BPS_DENOMINATOR)) {
      throw refuse('WEIGHT_OVERFLOW', `the total weight of strategy ${strategy} is too large`)
    }
  })
}

function checkShape(certificate: Certificate): void {
  const { referenceTimestamp, messageHash, nonSignerWitnesses } = certificate
  if (
    !Number.isInteger(referenceTimestamp) ||
    referenceTimestamp < 0 ||
    referenceTimestamp > 0xffff_ffff
  ) {
    throw refuse('MALFORMED', 'the reference timestamp is no uint32')
  }
  fixedFromHex(messageHash, 32, 'messageHash')
  if (!Array.isArray(nonSignerWitnesses)) throw refuse('MALFORMED', 'the witnesses are no list')
}

function checkIndices(
  witnesses: readonly OperatorInfoWitness[],
  { numOperators }: OperatorSetInfo,
): void {
  if (BigInt(witnesses.length) > numOperators) {
    throw refuse(
      'TOO_MANY_NON_SIGNERS',
      `it lists ${witnesses.length} non-signers of ${numOperators} operators`,
    )
  }
  let previous = -1
  for (const { operatorIndex } of witnesses) {
    if (!Number.isInteger(operatorIndex) || operatorIndex < 0) {
      throw refuse('MALFORMED', 'an operator index is no uint32')
    }
    if (operatorIndex === previous) {
      throw refuse('DUPLICATE_NON_SIGNER', `non-signer ${operatorIndex} is listed twice`)
    }
    if (operatorIndex < previous) {
      throw refuse('NON_SIGNERS_NOT_SORTED', `non-signer ${operatorIndex} follows ${previous}`)
    }
    if (BigInt(operatorIndex) >= numOperators) {
      throw refuse('INVALID_OPERATOR_INDEX', `there is no operator ${operatorIndex}`)
    }
    previous = operatorIndex
  }
}

function subtractNonSigners({ certificate, table, quorumBps }: VerifyCertificateParameters): {
  signedWeights: readonly bigint[]
  nonSigners: readonly G1Point[]
} {
  const signed = [...table.totalWeights]
  const nonSigners: G1Point[] = []
  const { operatorInfoTreeRoot: root, numOperators } = table
  const proofs = operatorProofs({ root, numOperators })
  for (const {
    operatorIndex,
    operatorInfo: info,
    operatorInfoProof: proof,
  } of certificate.nonSignerWitnesses) {
    if (!proofs.verify({ info, operatorIndex, proof })) {
      throw refuse('UNKNOWN_OPERATOR', `non-signer ${operatorIndex} is not proved in the table`)
    }
    const pubkey = readG1(info.pubkey, { infinity: false })
    if (pubkey.fault !== undefined) throw refuse(pubkey.fault, `key of operator ${operatorIndex}`)
    nonSigners.push(info.pubkey)
    if (info.weights.length !== signed.length) {
      throw refuse('WEIGHTS_LENGTH_MISMATCH', `operator ${operatorIndex} has other strategies`)
    }
    info.weights.forEach((weight, strategy) => {
      const rest = (signed[strategy] as bigint) - weight
      if (rest < 0n) throw refuse('WEIGHT_UNDERFLOW', `non-signers outweigh strategy ${strategy}`)
      signed[strategy] = rest
    })
    checkQuorum(signed, { totals: table.totalWeights, quorumBps })
  }
  return { signedWeights: signed, nonSigners }
}

function checkQuorum(
  signed: readonly bigint[],
  { totals, quorumBps }: { totals: readonly bigint[]; quorumBps: number },
): void {
  signed.forEach((weight, strategy) => {
    if (weight * BigInt(BPS_DENOMINATOR) < (totals[strategy] as bigint) * BigInt(quorumBps)) {
      throw refuse(
        'QUORUM_NOT_MET',
        `strategy ${strategy}: at most ${weight} of ${totals[strategy]} signed, needed are ${quorumBps} of 10000`,
      )
    }
  })
}

function refuse(reason: CertificateRefusal, detail: string): CertificateError {
  return new CertificateError({ reason, detail })
}
