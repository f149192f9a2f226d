/**
 * Checks that bytes are the artifact a hash names, and says what was checked.
 *
 * The keccak-256 hash on chain decides, always. Deeper checks (a CID's multihash, a KZG
 * commitment, an EigenDA certificate) come as {@link ArtifactCheck}s from their own subpaths and
 * are added to it, never put in its place.
 */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../core/artifact.js'
import type { DaEvidence } from '../core/interfaces/daClient.js'
import type { DaLocator } from '../core/locator.js'
import { BaseError } from '../errors/base.js'
import { toHex } from '../internal/bytes.js'
import type { IoOptions } from '../internal/deadline.js'
import { assertFunctions, assertOptions } from '../internal/options.js'
import { DaIntegrityError } from './errors.js'
import { artifactHashOf } from './internal/artifactHash.js'

/** Outcome of {@link verifyArtifact}: look at `status`, an object is always truthy. */
export type ArtifactVerification =
  | { status: 'verified'; evidence: DaEvidence }
  | { status: 'refused'; reason: string; code: string }

/**
 * Checks bytes against the artifact hash from the chain.
 *
 * Pure and synchronous. What `locator` leads to plays no part in the decision; it names the source
 * in the evidence.
 *
 * @param bytes - What a source returned.
 * @param locator - Where it came from.
 * @param expected - `keccak256` of the artifact, from the chain.
 * @throws {InvalidInputError} when `expected` can name no artifact or `bytes` are no bytes.
 * @throws {DaIntegrityError} when the bytes hash to something else.
 * @example
 * ```ts
 * import { assertArtifact } from '@newton/policy-sdk/da'
 * import { computeArtifactHash } from '@newton/policy-sdk'
 *
 * const bytes = new TextEncoder().encode('package example\n')
 * assertArtifact(bytes, { kind: 'keccakStore', name: '' }, computeArtifactHash(bytes)).checks // ['keccak256']
 * ```
 */
export function assertArtifact(bytes: Uint8Array, locator: DaLocator, expected: Hex): DaEvidence {
  const name = toHex(artifactHashBytes(expected, { field: 'expected', optional: false }))
  const source = locator.kind
  const actual = emptyOrHash(bytes)
  if (actual !== name) {
    throw new DaIntegrityError({
      source,
      expected: name,
      actual,
      reason: actual === undefined ? 'no bytes at all' : `keccak-256 is ${actual}, not ${name}`,
    })
  }
  return { source, checks: ['keccak256'] }
}

/**
 * Like {@link assertArtifact}, as a value. Never throws, whatever it is given.
 *
 * @returns `status` is `verified` only when every byte is the artifact's.
 */
export function verifyArtifact(
  bytes: Uint8Array,
  locator: DaLocator,
  expected: Hex,
): ArtifactVerification {
  try {
    return { status: 'verified', evidence: assertArtifact(bytes, locator, expected) }
  } catch (error) {
    return refusal(error)
  }
}

/** A check beyond the hash, for the locators it understands. */
export type ArtifactCheck = {
  /** Name in the evidence, such as `kzg`. */
  readonly name: string
  supports(locator: DaLocator): boolean
  /**
   * Returns the names of the checks that passed.
   *
   * @throws a typed error when one fails.
   */
  check(bytes: Uint8Array, locator: DaLocator, options: IoOptions): Promise<readonly string[]>
}

/** A verifier with checks beyond the hash. */
export type ArtifactVerifier = {
  assertArtifact(
    bytes: Uint8Array,
    locator: DaLocator,
    expected: Hex,
    options?: IoOptions,
  ): Promise<DaEvidence>
  verifyArtifact(
    bytes: Uint8Array,
    locator: DaLocator,
    expected: Hex,
    options?: IoOptions,
  ): Promise<ArtifactVerification>
}

/**
 * Creates a verifier that runs `checks` after the hash.
 *
 * A check that does not understand a locator is left out of the evidence; with `required`, that
 * is a refusal instead.
 *
 * @example
 * ```ts
 * import { createArtifactVerifier } from '@newton/policy-sdk/da'
 *
 * const verifier = createArtifactVerifier({ checks: [] })
 * ```
 */
export function createArtifactVerifier(options: {
  checks: readonly ArtifactCheck[]
  /** Names that must be in the evidence for a locator to pass. */
  required?: readonly string[] | undefined
}): ArtifactVerifier {
  assertOptions(options, { checks: 'list', required: 'list' }, { required: ['checks'] })
  const { checks, required = [] } = options
  for (const [index, check] of checks.entries())
    assertFunctions(`options.checks[${index}]`, check, ['supports', 'check'])
  const assert: ArtifactVerifier['assertArtifact'] = async (
    bytes,
    locator,
    expected,
    options = {},
  ) => {
    const base = assertArtifact(bytes, locator, expected)
    const passed = [...base.checks]
    for (const check of checks) {
      if (check.supports(locator)) passed.push(...(await check.check(bytes, locator, options)))
    }
    const missing = required.filter((name) => !passed.includes(name))
    if (missing.length > 0) {
      throw new DaIntegrityError({
        source: base.source,
        expected,
        reason: `the required check ${missing.join(', ')} does not apply to this locator`,
      })
    }
    return { source: base.source, checks: passed }
  }
  return {
    assertArtifact: assert,
    async verifyArtifact(bytes, locator, expected, options = {}) {
      try {
        return { status: 'verified', evidence: await assert(bytes, locator, expected, options) }
      } catch (error) {
        return refusal(error)
      }
    },
  }
}

function emptyOrHash(bytes: Uint8Array): Hex | undefined {
  return bytes instanceof Uint8Array && bytes.length === 0 ? undefined : artifactHashOf(bytes)
}

function refusal(error: unknown): ArtifactVerification {
  if (error instanceof BaseError)
    return { status: 'refused', reason: error.shortMessage, code: error.code }
  return { status: 'refused', reason: 'the input is malformed', code: 'INVALID_INPUT' }
}
