import type { Address } from 'viem'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Why a pair of coordinates is no usable point of BN254. */
export type PointFault =
  | 'MALFORMED_POINT'
  | 'COORDINATE_OUT_OF_RANGE'
  | 'POINT_NOT_ON_CURVE'
  | 'POINT_NOT_IN_SUBGROUP'
  | 'POINT_AT_INFINITY'

/** A point is malformed, off the curve, outside the subgroup, or infinity where that is refused. */
export class InvalidPointError extends BaseError {
  override readonly name = 'InvalidPointError'
  override readonly code = 'BN254_INVALID_POINT'
  /** Path of the point inside the arguments. */
  readonly field: string
  /** What is wrong with it. */
  readonly fault: PointFault

  constructor(
    { field, fault, group }: { field: string; fault: PointFault; group: 'G1' | 'G2' },
    options: BaseErrorOptions = {},
  ) {
    super(`\`${field}\` is not a usable ${group} point: ${pointFaultText[fault]}.`, options)
    this.field = field
    this.fault = fault
  }
}

/** A BLS secret is zero, not below the group order, or malformed. The message never holds it. */
export class InvalidBlsSecretError extends BaseError {
  override readonly name = 'InvalidBlsSecretError'
  override readonly code = 'BN254_INVALID_SECRET'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The BLS secret is not valid: ${reason}.`, {
      metaMessages: ['A secret is an integer from 1 to the group order minus 1.'],
      ...options,
    })
  }
}

/** A backend cannot compute: nothing was found out about what it was asked for. */
export class Bn254BackendError extends BaseError {
  override readonly name = 'Bn254BackendError'
  override readonly code = 'BN254_BACKEND'

  constructor(
    { backend, reason }: { backend: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The BN254 backend ${backend} cannot compute: ${reason}.`, {
      metaMessages: ['Use nobleBackend, or give the backend a process or worker of its own.'],
      ...options,
    })
  }
}

/** Why an operator table, its members or the signatures over it cannot be used. */
export type OperatorTableFault =
  | 'EMPTY_OPERATOR_SET'
  | 'EMPTY_WEIGHTS'
  | 'WEIGHTS_LENGTH_MISMATCH'
  | 'WEIGHT_OVERFLOW'
  | 'DUPLICATE_OPERATOR'
  | 'DUPLICATE_PUBKEY'
  | 'KEY_MISMATCH'
  | 'AGGREGATE_AT_INFINITY'

/** An operator table cannot be built. */
export class OperatorTableError extends BaseError {
  override readonly name = 'OperatorTableError'
  override readonly code = 'OPERATOR_TABLE'
  /** What is wrong with it. */
  readonly fault: OperatorTableFault

  constructor(
    { fault, detail }: { fault: OperatorTableFault; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The operator table is not valid (${fault}): ${detail}.`, options)
    this.fault = fault
  }
}

/** Why signatures cannot be joined to a certificate. */
export type CertificateBuildFault =
  | 'NO_SIGNERS'
  | 'DUPLICATE_SIGNER'
  | 'UNKNOWN_OPERATOR'
  | 'SHARE_INVALID'

/** A share that is not part of a certificate. */
export type RefusedShare = {
  /** As the share named it. */
  readonly operator: Address
  /** Index in the table, `-1` where the operator is not in it. */
  readonly index: number
  readonly fault: Exclude<CertificateBuildFault, 'NO_SIGNERS'>
  /** The fact behind it, as a clause. */
  readonly detail: string
}

/** Signatures do not make a certificate. */
export class CertificateBuildError extends BaseError {
  override readonly name = 'CertificateBuildError'
  override readonly code = 'CERTIFICATE_BUILD'
  /** What is wrong with the signatures. */
  readonly fault: CertificateBuildFault
  /** Why each share was left out. */
  readonly refused: readonly RefusedShare[]

  constructor(
    {
      fault,
      detail,
      refused = [],
    }: {
      fault: CertificateBuildFault
      detail: string
      refused?: readonly RefusedShare[] | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    super(`The signatures do not make a certificate (${fault}): ${detail}.`, options)
    this.fault = fault
    this.refused = refused
  }
}

/** A certificate is refused. `reason` is the code that `verifyCertificate` reports. */
export class CertificateError extends BaseError {
  override readonly name = 'CertificateError'
  override readonly code = 'CERTIFICATE_REFUSED'
  /** The code of the refusal. */
  readonly reason: string
  /** The fact behind it, as a clause. */
  readonly detail: string

  constructor(
    { reason, detail }: { reason: string; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The certificate is refused (${reason}): ${detail}.`, options)
    this.reason = reason
    this.detail = detail
  }
}

/** What each fault means, for messages. */
export const pointFaultText: Readonly<Record<PointFault, string>> = {
  MALFORMED_POINT: 'expected bigint coordinates',
  COORDINATE_OUT_OF_RANGE: 'a coordinate is not below the field modulus',
  POINT_NOT_ON_CURVE: 'it is not on the curve',
  POINT_NOT_IN_SUBGROUP: 'it is not in the subgroup of prime order',
  POINT_AT_INFINITY: 'it is the point at infinity',
}
