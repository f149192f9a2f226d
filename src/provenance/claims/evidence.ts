/**
 * What stands behind a claim: a JSON document, canonical, named by its SHA-256 in the claim's URI. It is
 * the verifier's word like the claim itself, and only more of it.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import {
  canonicalBytes,
  isCanonicalJson,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import type { ProvenanceClaim, VerificationResult } from '../../core/interfaces/provenance.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'

/** Why a build did not run. None of them says anything about the plugin. */
export const didNotRunReasons = [
  'unknown_image',
  'toolchain_unavailable',
  'nondeterministic_toolchain',
  'source_unavailable',
  'source_invalid',
  'build_info_invalid',
  'build_failed',
  'output_invalid',
  'limit_exceeded',
  'timeout',
] as const

/** Why a build did not run. */
export type DidNotRunReason = (typeof didNotRunReasons)[number]

/** What a verifier keeps of a rebuild. */
export type VerificationEvidence = {
  schema: 'newton.verification-evidence/1'
  wasmHash: Hex
  wasmSha256: Hex
  buildInfoHash: Hex
  result: VerificationResult
  /** How far the rebuild agrees: all bytes, all but metadata, or not. */
  level?: 'exact' | 'code' | 'none' | undefined
  /** Why it did not run. */
  reason?: DidNotRunReason | undefined
  image: string
  sourceSha256: Hex
  /** SHA-256 of what the build gave, with the plugin's metadata on it. */
  rebuiltSha256?: Hex | undefined
  rebuiltCodeSha256?: Hex | undefined
  /** The first section that differs. */
  difference?: string | undefined
  /** SHA-256 of what the build printed. */
  logSha256?: Hex | undefined
  /** What kept the build from the rest of the machine. */
  isolation: 'bubblewrap' | 'none'
}

/** Most bytes of an evidence document. */
export const MAX_EVIDENCE_BYTES = 16_384

const hashMembers = ['wasmHash', 'wasmSha256', 'buildInfoHash', 'sourceSha256'] as const
const members: ReadonlySet<string> = new Set([
  'schema',
  'result',
  'level',
  'reason',
  'image',
  'rebuiltSha256',
  'rebuiltCodeSha256',
  'difference',
  'logSha256',
  'isolation',
  ...hashMembers,
])

/**
 * The document and its SHA-256.
 *
 * @throws {InvalidInputError} for evidence that {@link readEvidence} would refuse.
 */
export function encodeEvidence(evidence: VerificationEvidence): { bytes: Uint8Array; hash: Hex } {
  assertEvidence(evidence)
  const given = Object.entries(evidence).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  const bytes = canonicalBytes(Object.fromEntries(given))
  if (bytes.length > MAX_EVIDENCE_BYTES) {
    const reason = `it has ${bytes.length} bytes, and nobody reads over ${MAX_EVIDENCE_BYTES}`
    throw new InvalidInputError({ field: 'evidence', reason })
  }
  return { bytes, hash: toHex(sha256(bytes)) }
}

/** Refuses what is no evidence, or contradicts itself: nobody would read it. */
export function assertEvidence(evidence: VerificationEvidence): void {
  assertMembers('evidence', evidence, [
    'schema',
    'wasmHash',
    'wasmSha256',
    'buildInfoHash',
    'result',
  ])
  if (isEvidence(evidence as unknown as JsonObject)) return
  throw new InvalidInputError({
    field: 'evidence',
    reason: 'its members do not go together: see VerificationEvidence',
  })
}

/** Reads a document; `undefined` for anything that is none. Never throws. */
export function readEvidence(bytes: Uint8Array): VerificationEvidence | undefined {
  if (!(bytes instanceof Uint8Array)) return undefined
  if (bytes.length > MAX_EVIDENCE_BYTES || !isCanonicalJson(bytes)) return undefined
  const value = parseJsonBytes(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return isEvidence(value as JsonObject) ? (value as unknown as VerificationEvidence) : undefined
}

/** SHA-256 that a URI names: `ni:` of RFC 6920, or a path whose last name is the hash in hex. */
export function evidenceHashOf(uri: string): Hex | undefined {
  const hex = /[/:]([0-9a-f]{64})(?:\.json)?$/.exec(uri)?.[1]
  return hex === undefined ? undefined : `0x${hex}`
}

/** What a check of evidence found. */
export type EvidenceVerdict =
  | { status: 'verified'; evidence: VerificationEvidence }
  | { status: 'refused'; reason: string }

/**
 * Checks that a document is what a claim names, and says what the claim says. Never throws.
 *
 * @example
 * ```ts
 * import { verifyEvidence } from '@newton/policy-sdk/provenance'
 *
 * const zero = `0x${'00'.repeat(32)}` as const
 * verifyEvidence(
 *   { wasmHash: zero, buildInfoHash: zero, result: 'match', evidenceUri: '' },
 *   new Uint8Array(),
 * ) // { status: 'refused', reason: 'the claim names no evidence by hash' }
 * ```
 */
export function verifyEvidence(claim: ProvenanceClaim, bytes: Uint8Array): EvidenceVerdict {
  const named =
    typeof claim?.evidenceUri === 'string' ? evidenceHashOf(claim.evidenceUri) : undefined
  if (!(bytes instanceof Uint8Array)) return refused('it is no evidence document')
  if (named === undefined) return refused('the claim names no evidence by hash')
  if (toHex(sha256(bytes)) !== named) return refused('it is not what the claim names')
  const evidence = readEvidence(bytes)
  if (evidence === undefined) return refused('it is no evidence document')
  for (const member of ['wasmHash', 'buildInfoHash', 'result'] as const) {
    if (evidence[member] !== claim[member]) return refused(`its ${member} is not the claim's`)
  }
  return { status: 'verified', evidence }
}

function isEvidence(value: JsonObject): boolean {
  const { schema, result, level, reason, image, isolation, difference } = value
  if (schema !== 'newton.verification-evidence/1') return false
  if (Object.keys(value).some((name) => !members.has(name))) return false
  if (hashMembers.some((name) => !isHash(value[name]))) return false
  for (const name of ['rebuiltSha256', 'rebuiltCodeSha256', 'logSha256']) {
    if (value[name] !== undefined && !isHash(value[name])) return false
  }
  if (typeof image !== 'string' || (isolation !== 'bubblewrap' && isolation !== 'none'))
    return false
  if (difference !== undefined && typeof difference !== 'string') return false
  if (result === 'did_not_run') {
    return level === undefined && (didNotRunReasons as readonly unknown[]).includes(reason)
  }
  if (reason !== undefined || !isHash(value['rebuiltSha256'])) return false
  if (result === 'match') {
    const isSame = value['rebuiltSha256'] === value['wasmSha256']
    return level === 'exact' && isSame && difference === undefined
  }
  return (
    result === 'no_match' &&
    (level === 'code' || level === 'none') &&
    value['rebuiltSha256'] !== value['wasmSha256']
  )
}

function isHash(value: unknown): boolean {
  return typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)
}

function refused(reason: string): EvidenceVerdict {
  return { status: 'refused', reason }
}
