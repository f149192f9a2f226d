/**
 * What a control plane and its workers say to each other, as JSON over HTTP:
 *
 * ```
 * POST /worker/lease   {}                        -> 200 { leaseId, leaseMs, job } or 204
 * POST /worker/renew   { leaseId }               -> 204, or 409 where the lease is another's
 * POST /worker/result  { leaseId, outcome }      -> 204, or 409
 * ```
 * with `authorization: Bearer <token>`, one token a worker. A job does not say what its build should give:
 * a worker that did not build has nothing to repeat.
 */
import type { Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import { MAX_TIMER } from '../../internal/options.js'
import { MAX_BUILD_INFO_BYTES } from '../build/buildInfo.js'
import { MAX_METADATA_SECTIONS_BYTES } from '../build/metadata.js'
import { type DidNotRunReason, didNotRunReasons } from '../claims/evidence.js'

/** A build to make. */
export type BuildJob = {
  image: string
  args: readonly string[]
  options: readonly string[]
  sourceSha256: Hex
  sourceUri?: string | undefined
  determinism?: string | undefined
  /** Metadata sections to put on what was built, in hex, byte for byte. */
  metadata: Hex
}

/** What became of a build. */
export type BuildOutcome =
  | {
      status: 'built'
      /** SHA-256 of what was built, without metadata. */
      codeSha256: Hex
      /** SHA-256 of that with the job's metadata. */
      rebuiltSha256: Hex
      /** SHA-256 of what the build printed. */
      logSha256: Hex
      isolation: 'bubblewrap' | 'none'
    }
  | {
      status: 'did_not_run'
      reason: DidNotRunReason
      logSha256?: Hex | undefined
      isolation: 'bubblewrap' | 'none'
    }
  /** The worker's own fault: another one may be able to. It says nothing of the build. */
  | { status: 'worker_failed'; reason: string }

/** A leased build. */
export type LeasedBuild = { leaseId: string; leaseMs: number; job: BuildJob }

/**
 * Most bytes of a lease: every build that has a name fits. Its metadata is in hex, and each byte of the
 * build information may be a character that JSON writes as six (`\u0001`).
 */
export const MAX_LEASE_BYTES = 2 * MAX_METADATA_SECTIONS_BYTES + 6 * MAX_BUILD_INFO_BYTES + 4_096

/** Most bytes of what a worker sends: an outcome is hashes and a reason. */
export const MAX_WORKER_REQUEST_BYTES = 131_072

/** Reads an outcome that came from a worker; `undefined` for what is none. */
export function readOutcome(value: unknown): BuildOutcome | undefined {
  if (!isObject(value)) return undefined
  const { status, reason, isolation, codeSha256, rebuiltSha256, logSha256 } = value
  if (status === 'worker_failed') {
    return typeof reason === 'string' ? { status, reason: reason.slice(0, 200) } : undefined
  }
  if (isolation !== 'bubblewrap' && isolation !== 'none') return undefined
  if (status === 'built') {
    if (!isHash(codeSha256) || !isHash(rebuiltSha256) || !isHash(logSha256)) return undefined
    return { status, codeSha256, rebuiltSha256, logSha256, isolation }
  }
  if (status !== 'did_not_run' || !(didNotRunReasons as readonly unknown[]).includes(reason)) {
    return undefined
  }
  if (logSha256 !== undefined && !isHash(logSha256)) return undefined
  return { status, reason: reason as DidNotRunReason, logSha256, isolation }
}

/** Reads a lease that came from a control plane; `undefined` for what is none. */
export function readLease(value: unknown): LeasedBuild | undefined {
  if (!isObject(value) || !isObject(value['job'])) return undefined
  const { leaseId, leaseMs, job } = value
  const { image, args, options, sourceSha256, sourceUri, determinism, metadata } = job as JsonObject
  const isLease =
    typeof leaseId === 'string' &&
    Number.isSafeInteger(leaseMs) &&
    (leaseMs as number) > 0 &&
    (leaseMs as number) <= MAX_TIMER
  const isJob =
    typeof image === 'string' &&
    isTexts(args) &&
    isTexts(options) &&
    isHash(sourceSha256) &&
    (sourceUri === undefined || typeof sourceUri === 'string') &&
    (determinism === undefined || typeof determinism === 'string') &&
    typeof metadata === 'string' &&
    /^0x(?:[0-9a-f]{2})*$/.test(metadata)
  return isLease && isJob ? (value as unknown as LeasedBuild) : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isHash(value: unknown): value is Hex {
  return typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)
}
