/** Commitments of payloads, here or in a worker, and the checks that use them. */
import type { Hex } from 'viem'
import type { G1Point } from '../../core/bn254/curve/points.js'
import type { DaLocator } from '../../core/locator.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertCount, assertFunctions, assertOptions } from '../../internal/options.js'
import { decodeEigenDaCommitment, type EigenDaCert } from '../eigenda/cert/cert.js'
import { blobSymbols, MAX_PAYLOAD_BYTES } from '../eigenda/payloadCodec.js'
import type { ArtifactCheck } from '../verifier.js'
import { assertEigenDaCert, type CertCheckOptions } from './certificate.js'
import { commitToPayload } from './commitment.js'
import { CommitmentMismatchError } from './errors.js'
import type { MsmBackend } from './msm/msm.js'
import { wasmMsm } from './msm/wasm.js'
import type { Srs } from './srs.js'
import type { KzgWorker } from './worker.js'

/** Computes and compares commitments. */
export type Kzg = {
  /** Symbols the reference string covers. */
  readonly maxSymbols: number
  commit(payload: Uint8Array, options?: IoOptions): Promise<G1Point>
  /**
   * Checks that a certificate commits to exactly this payload, one blob of it.
   *
   * @throws {CommitmentMismatchError} when it does not.
   */
  assertCommits(payload: Uint8Array, cert: EigenDaCert, options?: IoOptions): Promise<void>
}

/** Options of {@link createKzg}. */
export type KzgOptions = {
  srs: Srs
  /** Used in this thread. @default wasmMsm() */
  msm?: MsmBackend | undefined
  /** Does blobs above `workerThreshold` symbols. Without one they are done in this thread. */
  worker?: KzgWorker | undefined
  /** @default 4_096 */
  workerThreshold?: number | undefined
}

/**
 * Creates the commitment side of EigenDA's checks.
 *
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 * @example
 * ```ts
 * import { createKzg, createSrs } from '@newton/policy-sdk/da/kzg'
 *
 * const kzgOf = (points: Uint8Array) => createKzg({ srs: createSrs({ points }) })
 * ```
 */
export function createKzg(options: KzgOptions): Kzg {
  assertOptions(
    options,
    { srs: 'object', msm: 'object', worker: 'object', workerThreshold: { least: 0 } },
    { required: ['srs'] },
  )
  const { srs, worker, workerThreshold = 4_096 } = options
  assertFunctions('options.srs', srs, ['prefix'])
  assertCount('options.srs.length', srs.length)
  if (options.msm !== undefined) assertFunctions('options.msm', options.msm, ['msm'])
  if (worker !== undefined) assertFunctions('options.worker', worker, ['commit'])
  const msm = options.msm ?? wasmMsm()
  const commit: Kzg['commit'] = (payload, io = {}) =>
    worker && blobSymbols(payload.length) > workerThreshold
      ? worker.commit(payload, io)
      : commitToPayload(payload, { ...io, srs, msm })
  return {
    maxSymbols: srs.length,
    commit,
    async assertCommits(payload, cert, io = {}) {
      const { commitment, length } = cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
      const symbols = blobSymbols(payload.length)
      if (symbols !== length) {
        throw new CommitmentMismatchError({
          reason: `it is for ${length} symbols and the bytes make ${symbols}`,
        })
      }
      const actual = await commit(payload, io)
      if (actual.X !== commitment.X || actual.Y !== commitment.Y) {
        throw new CommitmentMismatchError({
          reason: 'the commitment computed from the bytes is another',
        })
      }
    },
  }
}

/**
 * The level `kzg` as a check of artifacts: every part's commitment is recomputed from the bytes.
 *
 * @example
 * ```ts
 * import { createArtifactVerifier } from '@newton/policy-sdk/da'
 * import { kzgCheck, type Kzg } from '@newton/policy-sdk/da/kzg'
 *
 * const verifierOf = (kzg: Kzg) => createArtifactVerifier({ checks: [kzgCheck(kzg)] })
 * ```
 */
export function kzgCheck(
  kzg: Kzg,
  options: { partBytes?: number | undefined } = {},
): ArtifactCheck {
  assertFunctions('kzg', kzg, ['assertCommits'])
  // A step of NaN or zero bytes would compare every certificate with nothing.
  assertOptions(options, { partBytes: { least: 1, most: MAX_PAYLOAD_BYTES } })
  const { partBytes = MAX_PAYLOAD_BYTES } = options
  return {
    name: 'kzg',
    supports: (locator) => locator.kind === 'eigenDa',
    async check(bytes, locator, io) {
      for (const [index, commitment] of commitmentsOf(locator).entries()) {
        const part = bytes.subarray(index * partBytes, (index + 1) * partBytes)
        await kzg.assertCommits(part, decodeEigenDaCommitment(commitment), io)
      }
      if (commitmentsOf(locator).length !== Math.max(1, Math.ceil(bytes.length / partBytes))) {
        throw new CommitmentMismatchError({ reason: 'the number of parts is another' })
      }
      return ['kzg']
    },
  }
}

/** The level `cert` as a check of artifacts: every part's certificate is verified. */
export function certCheck(options: CertCheckOptions = {}): ArtifactCheck {
  // A misspelled payer would let anybody have paid.
  assertOptions(options, {
    signal: 'object',
    timeout: 'milliseconds',
    payer: 'text',
    checkDACert: 'function',
  })
  return {
    name: 'cert',
    supports: (locator) => locator.kind === 'eigenDa',
    async check(_bytes, locator, io) {
      const passed = new Set<string>(['cert'])
      for (const commitment of commitmentsOf(locator)) {
        const { checks } = await assertEigenDaCert(commitment, { ...options, ...io })
        for (const check of checks) passed.add(`cert.${check}`)
      }
      return [...passed]
    },
  }
}

function commitmentsOf(locator: DaLocator): readonly Hex[] {
  return locator.kind === 'eigenDa' ? locator.commitments : []
}
