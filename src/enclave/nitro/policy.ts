/**
 * What a verifier demands of a document. Nothing here has a permissive default.
 */
import type { Hex } from 'viem'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertKnown } from '../../internal/options.js'
import type { NonceLog } from './nonces.js'
import type { NitroRoot } from './x509/roots.js'
import type { P384Backend } from './x509/signature.js'

/** Expected PCRs by index, 48 bytes each as hex. PCR0 must be named. */
export type PcrSet = { readonly 0: Hex } & { readonly [index: number]: Hex }

/**
 * What is expected of the PCRs: sets of which one must match, `keccak256(PCR0)` as the chain names it, or
 * whatever the registry has active.
 */
export type ExpectedMeasurements = readonly PcrSet[] | { readonly pcr0Commitment: Hex } | 'registry'

/** The part of a registry reader that measurements are checked with. */
export type MeasurementRegistry = Pick<
  RegistryReader,
  'isEnclaveWhitelistedAt' | 'getLatestBlock'
> & {
  /** `EnclaveVersionRegistry.rootCertHash()`; zero reads as "not set". */
  getRootCertHash?: ((options?: IoOptions) => Promise<Hex>) | undefined
}

/** A certificate, for a revocation list of one's own. AWS asks not to use the CRLs. */
export type RevocationSubject = { issuerDer: Hex; serial: Hex; sha256: Hex }

/** Members of both policies. */
export type NitroPolicyBase = {
  /** @default 'aws' */
  roots?: 'aws' | readonly NitroRoot[] | undefined
  /** Must be true for roots other than AWS's. */
  insecureTrustRoot?: boolean | undefined
  /** One of these sets must match, or PCR0 must have this commitment, or the registry alone decides. */
  measurements: ExpectedMeasurements
  /** What the document must carry. `any` says aloud that it does not matter. */
  binding: {
    userData: Uint8Array | 'absent' | 'any'
    publicKey: Uint8Array | 'x25519' | 'absent' | 'any'
  }
  /** Milliseconds the reader's clock may be wrong by. @default 300000 */
  skew?: number | undefined
  /** Accepts enclaves in debug mode, whose memory the host can read. */
  allowDebug?: 'this-keeps-nothing-secret' | undefined
  /** Tells whether a certificate is on a revocation list of one's own. */
  revoked?: ((certificate: RevocationSubject) => boolean | Promise<boolean>) | undefined
  /** What checks signatures. @default 'auto' */
  backend?: P384Backend | undefined
}

/** What a fresh document must satisfy. */
export type NitroPolicy = NitroPolicyBase & {
  freshness:
    | {
        kind: 'nonce'
        nonce: Uint8Array
        /** Milliseconds. @default 300000 */
        maxAge?: number | undefined
        /** Where the nonce is recorded as used, after everything else is verified. */
        log?: NonceLog | undefined
      }
    | {
        kind: 'maxAge'
        /** Milliseconds between the document's timestamp and the clock. */
        maxAge: number
      }
  /** The registry, in addition to `measurements`, or alone where that is `'registry'`. */
  registry?: { reader: MeasurementRegistry; block: bigint | 'latest' } | undefined
  /** Milliseconds since 1970. @default Date.now */
  clock?: (() => number) | undefined
}

/** What a document of the past must satisfy. It says nothing about freshness. */
export type ArchivedNitroPolicy = NitroPolicyBase & {
  /** The time the certificates are judged at: the document's own, or a time in milliseconds. */
  at: 'document' | number
  /** The registry at the block that matters. */
  registry?: { reader: MeasurementRegistry; block: bigint } | undefined
}

/** Default of `skew` and of a nonce's `maxAge`: five minutes. */
export const FIVE_MINUTES = 300_000

/**
 * Checks a policy's shape, so that a mistake in it never passes as permission.
 *
 * @throws {InvalidInputError} naming the member.
 */
export function assertNitroPolicy(policy: NitroPolicy): void {
  assertBase(policy, ['freshness', 'clock'])
  const { freshness } = policy
  if (typeof freshness !== 'object' || freshness === null) {
    throw invalid(
      'freshness',
      "expected { kind: 'nonce' } or { kind: 'maxAge' }: there is no default",
    )
  }
  const own = freshness.kind === 'nonce' ? ['nonce', 'log'] : []
  assertKnown('policy.freshness', freshness, ['kind', 'maxAge', ...own])
  if (freshness.kind === 'nonce') {
    if (!(freshness.nonce instanceof Uint8Array) || freshness.nonce.length < 16) {
      throw invalid('freshness.nonce', 'expected 16 bytes or more')
    }
    if (freshness.maxAge !== undefined) assertSpan(freshness.maxAge, 'freshness.maxAge')
  } else if (freshness.kind === 'maxAge') {
    assertSpan(freshness.maxAge, 'freshness.maxAge')
  } else throw invalid('freshness.kind', "expected 'nonce' or 'maxAge'")
  if (policy.clock !== undefined && typeof policy.clock !== 'function') {
    throw invalid('clock', 'expected a function')
  }
}

/** As {@link assertNitroPolicy}, for documents of the past. */
export function assertArchivedNitroPolicy(policy: ArchivedNitroPolicy): void {
  assertBase(policy, ['at'])
  if (
    policy.at !== 'document' &&
    !(typeof policy.at === 'number' && Number.isSafeInteger(policy.at))
  ) {
    throw invalid('at', "expected 'document' or a time in milliseconds")
  }
  if (policy.registry !== undefined && typeof policy.registry.block !== 'bigint') {
    throw invalid('registry.block', 'a document of the past is judged at a block of the past')
  }
}

const baseNames: Readonly<Record<keyof NitroPolicyBase | 'registry', true>> = {
  ...{ roots: true, insecureTrustRoot: true, measurements: true, binding: true, skew: true },
  ...{ allowDebug: true, revoked: true, backend: true, registry: true },
}

// A misspelled `registry` or `revoked` would be a check that nobody makes.
function assertBase(
  policy: NitroPolicyBase & { registry?: unknown },
  ownNames: readonly string[],
): void {
  if (typeof policy !== 'object' || policy === null) throw invalid('', 'expected an object')
  assertKnown('policy', policy, [...Object.keys(baseNames), ...ownNames])
  const { measurements, binding, skew } = policy
  if (measurements === 'registry') {
    if (policy.registry === undefined) throw invalid('registry', 'is needed where it alone decides')
  } else if (Array.isArray(measurements) && measurements.length > 0) {
    measurements.forEach(assertPcrSet)
  } else if (isCommitment(measurements)) {
    fixedFromHex(measurements.pcr0Commitment, 32, 'policy.measurements.pcr0Commitment')
  } else
    throw invalid('measurements', "expected one set of PCRs at least, a commitment, or 'registry'")
  const registry = policy.registry as NitroPolicy['registry'] | null
  if (registry !== undefined) {
    const usable =
      registry !== null &&
      typeof registry === 'object' &&
      typeof registry.reader?.isEnclaveWhitelistedAt === 'function' &&
      (typeof registry.block === 'bigint' || registry.block === 'latest')
    if (!usable) throw invalid('registry', 'expected { reader, block }')
    assertKnown('policy.registry', registry, ['reader', 'block'])
  }
  if (typeof binding !== 'object' || binding === null) {
    throw invalid('binding', 'expected { userData, publicKey }: there is no default')
  }
  assertKnown('policy.binding', binding, ['userData', 'publicKey'])
  assertOneOf(binding.userData, ['absent', 'any'], 'binding.userData')
  assertOneOf(binding.publicKey, ['x25519', 'absent', 'any'], 'binding.publicKey')
  if (skew !== undefined) assertSpan(skew, 'skew')
  if (policy.allowDebug !== undefined && policy.allowDebug !== 'this-keeps-nothing-secret') {
    throw invalid('allowDebug', "expected 'this-keeps-nothing-secret' or nothing")
  }
  if (policy.revoked !== undefined && typeof policy.revoked !== 'function') {
    throw invalid('revoked', 'expected a function')
  }
}

/** Whether measurements are given as a commitment. */
export function isCommitment(
  measurements: ExpectedMeasurements,
): measurements is { readonly pcr0Commitment: Hex } {
  return (
    typeof measurements === 'object' && measurements !== null && 'pcr0Commitment' in measurements
  )
}

function assertPcrSet(set: PcrSet, position: number): void {
  const field = `measurements[${position}]`
  if (typeof set !== 'object' || set === null || set[0] === undefined) {
    throw invalid(field, 'a set names PCR0 at least')
  }
  for (const [index, value] of Object.entries(set)) {
    if (!/^(?:[0-9]|[12][0-9]|3[01])$/.test(index))
      throw invalid(`${field}[${index}]`, 'an index is 0 to 31')
    fixedFromHex(value, 48, `policy.${field}[${index}]`)
  }
}

function assertOneOf(value: unknown, words: readonly string[], field: string): void {
  if (value instanceof Uint8Array || (typeof value === 'string' && words.includes(value))) return
  throw invalid(field, `expected bytes or one of ${words.join(', ')}: there is no default`)
}

function assertSpan(value: unknown, field: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw invalid(field, 'expected milliseconds, zero or more')
  }
}

function invalid(member: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field: member === '' ? 'policy' : `policy.${member}`, reason })
}
