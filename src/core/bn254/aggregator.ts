/**
 * Joins operators' signatures to a certificate, share by share: what a share costs when it arrives is a
 * look at its point; all are checked together when a certificate is asked for.
 */
import type { Address, Hex } from 'viem'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  assembleCertificate,
  type Certificate,
  computeSignableDigest,
  type SignatureShare,
} from './certificate.js'
import { sumG1, sumG2 } from './curve/pointSums.js'
import { type G1Point, G2_INFINITY, g2Equal, readG1 } from './curve/points.js'
import { CertificateBuildError, pointFaultText, type RefusedShare } from './errors.js'
import type { OperatorTable, TableOperator } from './operatorTable.js'
import { findBadShares } from './shareChecks.js'
import type { BackendOptions } from './signature.js'

/** A certificate and what was left out of it. */
export type Aggregation = {
  readonly certificate: Certificate
  /** Indices of its signers in the table, ascending. */
  readonly signers: readonly number[]
  /** Shares that are no part of it, in the order they were refused. */
  readonly refused: readonly RefusedShare[]
}

/** What an aggregator joins. */
export type AggregatorParameters = BackendOptions & {
  table: OperatorTable
  referenceTimestamp: number
  messageHash: Hex
  /** Source of the coefficients; the platform's by default. */
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** Joins shares to certificates. See {@link createAggregator}. */
export type CertificateAggregator = {
  /**
   * Takes in a share, without a pairing.
   *
   * @returns Why it is refused, `undefined` where it is held. An operator whose share turned out bad
   * may send another one.
   */
  add(share: SignatureShare): RefusedShare | undefined
  /** Indices of the operators whose shares are held, ascending. Unchecked ones may turn out bad. */
  signers(): readonly number[]
  /** Weight of those operators, for each strategy. */
  weights(): readonly bigint[]
  /**
   * Checks the shares that are new, leaves out the bad ones, and makes a certificate of all others.
   * The event loop is given way to between its steps.
   *
   * `refused` are those that this call found. Whether what is left is enough is for the caller to
   * decide: `weights()` is that of the certificate afterwards, and shares added meanwhile.
   *
   * @throws {CertificateBuildError} `NO_SIGNERS` where no good share is left, or the keys of all that
   * signed cancel out.
   */
  certificate(options?: IoOptions): Promise<Aggregation>
}

/**
 * Creates an aggregator for one message.
 *
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { createAggregator } from '@newton/policy-sdk/attestation'
 *
 * const aggregator = createAggregator({ table, referenceTimestamp, messageHash })
 * for (const share of shares) aggregator.add(share)
 * const { certificate, signers, refused } = await aggregator.certificate()
 * ```
 */
export function createAggregator(parameters: AggregatorParameters): CertificateAggregator {
  const { table, referenceTimestamp, messageHash } = parameters
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  const { backend, randomBytes } = parameters
  const good = new Map<number, G1Point>()
  const unchecked = new Map<number, G1Point>()
  let tail: Promise<unknown> = Promise.resolve()

  const signers = (): number[] => [...good.keys(), ...unchecked.keys()].sort((a, b) => a - b)
  const certify = async (options: IoOptions): Promise<Aggregation> => {
    const { signal } = options
    const fresh = new Map(unchecked)
    const bad = await findBadShares({ table, digest, good, fresh, backend, randomBytes, signal })
    const refused = bad.map((index) =>
      refuse(operatorAt(table, index).operator, {
        index,
        fault: 'SHARE_INVALID',
        detail: 'its signature is not over this message',
      }),
    )
    for (const [index, share] of fresh) {
      unchecked.delete(index)
      if (!bad.includes(index)) good.set(index, share)
    }
    if (good.size === 0) {
      const detail = refused.length === 0 ? 'nobody signed' : 'no share is over this message'
      throw new CertificateBuildError({ fault: 'NO_SIGNERS', detail, refused })
    }
    const certified = [...good.keys()].sort((a, b) => a - b)
    const apk = sumG2(certified.map((index) => operatorAt(table, index).pubkeyG2))
    if (g2Equal(apk, G2_INFINITY)) {
      const detail = 'the keys of all that signed cancel out'
      throw new CertificateBuildError({ fault: 'NO_SIGNERS', detail, refused })
    }
    const certificate = assembleCertificate({
      table,
      referenceTimestamp,
      messageHash,
      signature: sumG1([...good.values()]),
      apk,
      signers: certified,
    })
    return { certificate, signers: certified, refused }
  }

  return {
    signers,
    weights() {
      const { totalWeights } = table.info
      const held = signers()
      return totalWeights.map((_, strategy) =>
        held.reduce((sum, i) => sum + (operatorAt(table, i).weights[strategy] ?? 0n), 0n),
      )
    },
    add(share) {
      // It comes from anybody, in any shape: what is no share is refused as one.
      const { operator, signature } = Object(share) as SignatureShare
      const index = table.indexOf(operator)
      if (index === -1) {
        const detail = 'it is not in the table'
        return refuse(operator, { index, fault: 'UNKNOWN_OPERATOR', detail })
      }
      if (good.has(index) || unchecked.has(index)) {
        const detail = 'a share of it is held already'
        return refuse(operator, { index, fault: 'DUPLICATE_SIGNER', detail })
      }
      const { fault } = readG1(signature, { infinity: false })
      if (fault !== undefined) {
        const detail = `its signature: ${pointFaultText[fault]}`
        return refuse(operator, { index, fault: 'SHARE_INVALID', detail })
      }
      unchecked.set(index, { X: signature.X, Y: signature.Y })
      return undefined
    },
    certificate(options = {}) {
      const made = tail.then(() =>
        withDeadline('aggregation', options, (signal) => certify({ signal })),
      )
      tail = made.catch(() => undefined)
      return made
    },
  }
}

/**
 * Joins operators' signatures to a certificate: {@link createAggregator} for shares that are all
 * there. Operators of the table without a good share become non-signer witnesses.
 *
 * @returns The certificate of all good shares, its signers, and why each of the others was left out.
 * @throws {CertificateBuildError} `NO_SIGNERS` where no share is good.
 * @example
 * ```ts
 * import { buildCertificate } from '@newton/policy-sdk/attestation'
 *
 * const { certificate, signers, refused } = await buildCertificate({
 *   table, referenceTimestamp, messageHash, shares,
 * })
 * ```
 */
export async function buildCertificate(
  parameters: AggregatorParameters & { shares: readonly SignatureShare[] },
  options: IoOptions = {},
): Promise<Aggregation> {
  const aggregator = createAggregator(parameters)
  const refused = parameters.shares.flatMap((share) => aggregator.add(share) ?? [])
  try {
    const made = await aggregator.certificate(options)
    return { ...made, refused: [...refused, ...made.refused] }
  } catch (error) {
    if (!(error instanceof CertificateBuildError)) throw error
    const all = [...refused, ...error.refused]
    const detail = all.length === 0 ? 'nobody signed' : 'no share is good'
    throw new CertificateBuildError({ fault: error.fault, detail, refused: all })
  }
}

function operatorAt(table: OperatorTable, index: number): TableOperator {
  return table.operators[index] as TableOperator
}

function refuse(operator: Address, refused: Omit<RefusedShare, 'operator'>): RefusedShare {
  return { operator, ...refused }
}
