/**
 * What can be checked of an EigenDA certificate without a node, and a hook for what cannot.
 *
 * | check | equation |
 * |---|---|
 * | inclusion | the blob certificate is a leaf under `batchRoot` |
 * | payer | the signature over the blob key recovers an address |
 * | length commitment | e(C, [1]₂) = e([1]₁, lengthCommitment) |
 * | length proof | e([τ^(2²⁸ − length)]₁, lengthCommitment) = e([1]₁, lengthProof) |
 * | on chain | `checkDACert` of the verifier contract answers 1, asked by the caller's hook |
 *
 * Only the last one covers the operators' signatures and the reference block: without it, anyone
 * can make a certificate that passes the others.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { Address, Hex } from 'viem'
import { G1_GENERATOR, type G1Point, readG1, readG2 } from '../../core/bn254/curve/points.js'
import { BaseError } from '../../errors/base.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import { decodeEigenDaCommitment, type EigenDaCert } from '../eigenda/cert/cert.js'
import { computeBatchRoot, computeBlobKey } from '../eigenda/cert/digest.js'
import { MAX_BLOB_SYMBOLS } from '../eigenda/payloadCodec.js'
import { type CertFault, InvalidCertError } from './errors.js'
import { pairingsEqual } from './pairing.js'
import { reversePowersOfTau } from './reversePowersOfTau.js'
import { decompressG1 } from './srs.js'

/** Options of {@link assertEigenDaCert}. */
export type CertCheckOptions = IoOptions & {
  /** The address that must have paid. Any address without it. */
  payer?: Address | undefined
  /**
   * Asks the verifier contract about a certificate at a block after its reference block; returns
   * the contract's status, 1 for success.
   */
  checkDACert?: ((cert: EigenDaCert, options: IoOptions) => Promise<number>) | undefined
}

/** What a certificate was found to be. */
export type CertEvidence = {
  /** Checks that passed, in order. */
  checks: readonly string[]
  blobKey: Hex
  payer: Address
}

/**
 * Checks a certificate as far as it can be checked here.
 *
 * @param commitment - A standard commitment, or the certificate decoded from it.
 * @throws {InvalidCommitmentError} for bytes that are no certificate.
 * @throws {InvalidCertError} whose `fault` names the failed check.
 * @example
 * ```ts
 * import { assertEigenDaCert } from '@newton/policy-sdk/da/kzg'
 *
 * const payerOf = async (commitment: `0x${string}`) => (await assertEigenDaCert(commitment)).payer
 * ```
 */
export async function assertEigenDaCert(
  commitment: Hex | Uint8Array | EigenDaCert,
  options: CertCheckOptions = {},
): Promise<CertEvidence> {
  const cert =
    typeof commitment === 'string' || commitment instanceof Uint8Array
      ? decodeEigenDaCommitment(commitment)
      : commitment
  const blob = cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
  const blobKey = computeBlobKey(cert)
  if (computeBatchRoot(cert) !== cert.batchHeader.batchRoot) {
    fail('INCLUSION', 'its inclusion proof does not lead to its batch root')
  }
  const payer = recoverPayer(cert)
  if (payer === undefined) fail('PAYER_SIGNATURE', 'no address can be recovered from its signature')
  if (options.payer !== undefined && options.payer.toLowerCase() !== payer) {
    fail('UNEXPECTED_PAYER', `${payer} paid, not ${options.payer}`)
  }
  assertPoints(cert)
  if (!Number.isInteger(Math.log2(blob.length)) || blob.length > MAX_BLOB_SYMBOLS) {
    fail('LENGTH', `${blob.length} symbols are no power of two up to ${MAX_BLOB_SYMBOLS}`)
  }
  const lengthCommitment = { g1: G1_GENERATOR, g2: blob.lengthCommitment }
  if (!pairingsEqual({ left: { g1: blob.commitment, g2: 'generator' }, right: lengthCommitment })) {
    fail('LENGTH_COMMITMENT', 'its two commitments are to different blobs')
  }
  const shift = { g1: highestShift(blob.length), g2: blob.lengthCommitment }
  if (!pairingsEqual({ left: shift, right: { g1: G1_GENERATOR, g2: blob.lengthProof } })) {
    fail('LENGTH_PROOF', `its length proof does not prove ${blob.length} symbols`)
  }
  const checks = ['inclusion', 'payer', 'lengthCommitment', 'lengthProof']
  const { checkDACert } = options
  if (checkDACert) {
    const status = await withDeadline('checkDACert', options, (signal) =>
      checkDACert(cert, { signal }),
    )
    if (status !== 1) fail('REFUSED_ON_CHAIN', `the verifier contract answered ${status}`)
    checks.push('checkDACert')
  }
  return { checks, blobKey, payer }
}

/** Outcome of {@link verifyEigenDaCert}. */
export type CertVerification =
  | ({ status: 'verified' } & CertEvidence)
  | { status: 'refused'; fault: CertFault; reason: string }
  /** The contract could not be asked. */
  | { status: 'unknown'; error: unknown }

/** Like {@link assertEigenDaCert}, as a value. Never throws, whatever it is given. */
export async function verifyEigenDaCert(
  commitment: Hex | Uint8Array | EigenDaCert,
  options: CertCheckOptions = {},
): Promise<CertVerification> {
  let asked = false
  const { checkDACert } = options ?? {}
  try {
    const evidence = await assertEigenDaCert(commitment, {
      ...options,
      checkDACert:
        checkDACert &&
        ((cert, io) => {
          asked = true
          return checkDACert(cert, io)
        }),
    })
    return { status: 'verified', ...evidence }
  } catch (error) {
    if (error instanceof InvalidCertError)
      return { status: 'refused', fault: error.fault, reason: error.shortMessage }
    if (asked) return { status: 'unknown', error }
    const reason = error instanceof BaseError ? error.shortMessage : 'the input is malformed'
    return { status: 'refused', fault: 'MALFORMED', reason }
  }
}

/** The address that signed the blob key; `undefined` when the signature is malformed. */
export function recoverPayer(cert: EigenDaCert): Address | undefined {
  const signature = fromHex(cert.blobInclusionInfo.blobCertificate.signature, 'signature')
  const recovery = signature[64]
  if (signature.length !== 65 || (recovery !== 0 && recovery !== 1)) return undefined
  try {
    const key = secp256k1.Signature.fromBytes(signature.subarray(0, 64), 'compact')
      .addRecoveryBit(recovery)
      .recoverPublicKey(fromHex(computeBlobKey(cert), 'blobKey'))
      .toBytes(false)
    return toHex(keccak(key.subarray(1)).subarray(12))
  } catch {
    return undefined
  }
}

function assertPoints(cert: EigenDaCert): void {
  const { commitment, lengthCommitment, lengthProof } =
    cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
  const faults = {
    commitment: readG1(commitment, { infinity: true }).fault,
    lengthCommitment: readG2(lengthCommitment, { infinity: true }).fault,
    lengthProof: readG2(lengthProof, { infinity: true }).fault,
  }
  for (const [name, fault] of Object.entries(faults)) {
    if (fault !== undefined) fail('POINT', `${name} is not a point of its group (${fault})`)
  }
}

function highestShift(length: number): G1Point {
  return decompressG1(fromHex(reversePowersOfTau[Math.log2(length)] as Hex, 'shift'))
}

function fail(fault: CertFault, reason: string): never {
  throw new InvalidCertError({ fault, reason })
}
