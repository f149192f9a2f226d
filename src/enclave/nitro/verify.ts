/**
 * Verification of AWS Nitro attestation documents.
 *
 * Cheap checks first, nothing trusted before the signature, the nonce used up last. Sources: AWS's
 * `attestation_process.md`, RFC 9052 (COSE), RFC 8949 (CBOR), RFC 5280 (X.509).
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { isPolicySdkError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import { asBytes, bytesEqual, concat, copyBytes, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { type CoseSign1, MAX_DOCUMENT_BYTES, parseCoseSign1, signatureStructure } from './cose.js'
import { NitroAttestationError, type NitroErrorCode, type NitroStage } from './errors.js'
import { assertBinding, assertFreshness, assertMeasurements, isDebugBank } from './judge.js'
import { type NitroPayload, parseNitroPayload } from './payload.js'
import {
  type ArchivedNitroPolicy,
  assertArchivedNitroPolicy,
  assertNitroPolicy,
  FIVE_MINUTES,
  type NitroPolicy,
  type NitroPolicyBase,
} from './policy.js'
import { assertRegistry } from './registry.js'
import { brandVerified, type VerifiedAttestation } from './verified.js'
import { assertChain, type ChainClock, type NitroChain } from './x509/chain.js'
import { AWS_NITRO_ROOT_SHA256, trustedFingerprints } from './x509/roots.js'
import { p384Verifier } from './x509/signature.js'

/** Outcome of a verification. */
export type NitroVerdict =
  | { status: 'valid'; attestation: VerifiedAttestation }
  | { status: 'reject'; code: NitroErrorCode; stage: NitroStage }

/**
 * Verifies a fresh attestation document and returns what it says.
 *
 * Runs in browsers and Node. Reads the clock of the policy, and the registry where the policy names one.
 *
 * @param bytes - The document, an untagged COSE_Sign1 of at most 16 KiB payload.
 * @throws {NitroAttestationError} with the code and the stage of the first check that fails.
 * @throws {InvalidInputError} for a policy that leaves something open.
 * @example
 * ```ts
 * import { assertNitroAttestation, createNonceLog, type PcrSet } from '@newton/policy-sdk/enclave'
 *
 * declare const measurements: readonly PcrSet[]
 * const nonces = createNonceLog()
 * const nonce = nonces.issue()
 * declare function ask(nonce: Uint8Array): Promise<Uint8Array>
 * const attestation = await assertNitroAttestation(await ask(nonce), {
 *   measurements,
 *   freshness: { kind: 'nonce', nonce, log: nonces },
 *   binding: { userData: 'any', publicKey: 'x25519' },
 * })
 * attestation.publicKey
 * ```
 */
export async function assertNitroAttestation(
  bytes: Uint8Array,
  given: NitroPolicy,
  options: IoOptions = {},
): Promise<VerifiedAttestation> {
  const policy = ownBytesOf(given)
  assertNitroPolicy(policy)
  const { freshness, clock = Date.now, skew = FIVE_MINUTES } = policy
  const now = clock()
  if (typeof now !== 'number' || !Number.isFinite(now)) {
    throw new NitroAttestationError({
      code: 'POLICY',
      stage: 'policy',
      details: 'the clock gives no number',
    })
  }
  let stage: NitroStage = 'policy'
  const deadline = { ...options, onTimeout: (cause: unknown) => lateAnswer(stage, cause) }
  return await withinTime(deadline, async (signal) => {
    const document = await openDocument(bytes, policy, () => ({ at: now, skew, live: true }))
    const { payload } = document
    assertFreshness(payload.timestamp, { now, skew, maxAge: freshness.maxAge ?? FIVE_MINUTES })
    const isDebug = assertNotDebug(document, policy)
    assertMeasurements(payload.pcrs, policy.measurements)
    assertBinding(payload, policy.binding)
    if (freshness.kind === 'nonce') {
      if (payload.nonce === undefined || !bytesEqual(payload.nonce, freshness.nonce)) {
        throw new NitroAttestationError({ code: 'NONCE_MISMATCH', stage: 'binding' })
      }
    }
    stage = 'revocation'
    await assertNotRevoked(document, policy)
    stage = 'registry'
    const registry = await assertRegistry(document, policy.registry, signal)
    stage = 'nonce'
    if (freshness.kind === 'nonce' && freshness.log !== undefined) {
      const first = await freshness.log.consume(freshness.nonce)
      if (first !== true) throw new NitroAttestationError({ code: 'NONCE_REUSED', stage: 'nonce' })
    }
    return toVerified(document, { freshness: 'live', isDebug, registry })
  })
}

/**
 * As {@link assertNitroAttestation}, without throwing.
 *
 * @returns `valid` with the attestation, or `reject` with code and stage. Throws for no document; the caller's
 * own abort and time limit are thrown.
 */
export async function verifyNitroAttestation(
  bytes: Uint8Array,
  policy: NitroPolicy,
  options: IoOptions = {},
): Promise<NitroVerdict> {
  return verdict(options, () => assertNitroAttestation(bytes, policy, options))
}

/**
 * Verifies a document of the past at its own time or at a given one.
 *
 * Says that such a document existed. It does not say when it was made or that it was not replayed:
 * the result carries `freshness: 'archived'`.
 *
 * @throws {NitroAttestationError} with the code and the stage of the first check that fails.
 * @throws {InvalidInputError} for a policy that leaves something open.
 */
export async function assertArchivedNitroAttestation(
  bytes: Uint8Array,
  given: ArchivedNitroPolicy,
  options: IoOptions = {},
): Promise<VerifiedAttestation> {
  const policy = ownBytesOf(given)
  assertArchivedNitroPolicy(policy)
  const { at, skew = FIVE_MINUTES } = policy
  let stage: NitroStage = 'policy'
  const deadline = { ...options, onTimeout: (cause: unknown) => lateAnswer(stage, cause) }
  return await withinTime(deadline, async (signal) => {
    const document = await openDocument(bytes, policy, (timestamp) =>
      at === 'document' ? { at: timestamp, skew: 0, live: false } : { at, skew, live: false },
    )
    const { payload } = document
    if (at !== 'document')
      assertFreshness(payload.timestamp, { now: at, skew, maxAge: Number.POSITIVE_INFINITY })
    const isDebug = assertNotDebug(document, policy)
    assertMeasurements(payload.pcrs, policy.measurements)
    assertBinding(payload, policy.binding)
    stage = 'revocation'
    await assertNotRevoked(document, policy)
    stage = 'registry'
    const registry = await assertRegistry(document, policy.registry, signal)
    return toVerified(document, { freshness: 'archived', isDebug, registry })
  })
}

/** As {@link assertArchivedNitroAttestation}, without throwing. */
export async function verifyArchivedNitroAttestation(
  bytes: Uint8Array,
  policy: ArchivedNitroPolicy,
  options: IoOptions = {},
): Promise<NitroVerdict> {
  return verdict(options, () => assertArchivedNitroAttestation(bytes, policy, options))
}

/** A document whose signature and certificate path hold. */
export type OpenedDocument = {
  bytes: Uint8Array
  sign1: CoseSign1
  payload: NitroPayload
  fingerprints: readonly Hex[]
  certificates: readonly { issuer: Uint8Array; serial: Uint8Array }[]
  leafNotAfter: number
  /** keccak-256 of the root's DER. */
  rootHash: Hex
  pcr0Commitment: Hex
}

async function openDocument(
  input: Uint8Array,
  policy: NitroPolicyBase,
  clockOf: (timestamp: number) => ChainClock,
): Promise<OpenedDocument> {
  const given = asBytes(input)
  if (given === undefined) {
    throw new NitroAttestationError({
      code: 'MALFORMED',
      stage: 'size',
      details: 'expected a Uint8Array',
    })
  }
  // A copy, because the caller could change the bytes between two checks. Of one byte more than the
  // limit at most, so that what is too large is refused as such.
  const bytes = new Uint8Array(given.subarray(0, MAX_DOCUMENT_BYTES + 1))
  const trusted = trustedFingerprints(policy)
  const verify = p384Verifier(policy.backend)
  const sign1 = parseCoseSign1(bytes)
  const payload = parseNitroPayload(sign1.payload)
  const chain = await assertChain({
    cabundle: payload.cabundle,
    certificate: payload.certificate,
    trusted,
    clock: clockOf(payload.timestamp),
    verify,
    signed: { message: signatureStructure(sign1), signature: sign1.signature },
  })
  if (sign1.signature.length !== 96) {
    const details = `${sign1.signature.length} bytes`
    throw new NitroAttestationError({ code: 'SIG_LENGTH', stage: 'signature', details })
  }
  if (!chain.genuine) throw new NitroAttestationError({ code: 'SIGNATURE', stage: 'signature' })
  assertInsideWindows(payload.timestamp, chain)
  return {
    bytes,
    sign1,
    payload,
    fingerprints: chain.fingerprints,
    certificates: chain.certificates,
    leafNotAfter: chain.leaf.notAfter,
    rootHash: keccakHex(payload.cabundle[0] as Uint8Array),
    pcr0Commitment: keccakHex(payload.pcrs.get(0) ?? new Uint8Array(0)),
  }
}

/** The document was signed while every certificate was valid: one AWS clock made all, so no skew. */
function assertInsideWindows(timestamp: number, { leaf, certificates }: NitroChain): void {
  const fail = (code: NitroErrorCode, details: string): NitroAttestationError =>
    new NitroAttestationError({ code, stage: 'time', details })
  const outside = 'the timestamp is outside the validity of the signing certificate'
  if (timestamp < leaf.notBefore) throw fail('STALE', outside)
  if (timestamp > leaf.notAfter) throw fail('TIMESTAMP', outside)
  for (const [index, certificate] of certificates.entries()) {
    if (timestamp < certificate.notBefore)
      throw fail('CERT_NOT_YET_VALID', `cabundle[${index}], at the timestamp`)
    if (timestamp > certificate.notAfter)
      throw fail('CERT_EXPIRED', `cabundle[${index}], at the timestamp`)
  }
}

function assertNotDebug({ payload }: OpenedDocument, policy: NitroPolicyBase): boolean {
  const isDebug = isDebugBank(payload.pcrs)
  if (isDebug && policy.allowDebug !== 'this-keeps-nothing-secret') {
    throw new NitroAttestationError({
      code: 'DEBUG_MODE',
      stage: 'debug',
      metaMessages: ['Start the enclave without --debug-mode.'],
    })
  }
  return isDebug
}

async function assertNotRevoked(document: OpenedDocument, policy: NitroPolicyBase): Promise<void> {
  if (policy.revoked === undefined) return
  for (const [index, certificate] of document.certificates.entries()) {
    const sha256 = document.fingerprints[index] as Hex
    let revoked: unknown
    try {
      revoked = await policy.revoked({
        issuerDer: toHex(certificate.issuer),
        serial: toHex(certificate.serial),
        sha256,
      })
    } catch (cause) {
      throw new NitroAttestationError(
        { code: 'REVOKED', stage: 'revocation', details: 'the list failed' },
        { cause },
      )
    }
    // Anything but a clear no is a yes.
    if (revoked !== false) {
      throw new NitroAttestationError({ code: 'REVOKED', stage: 'revocation', details: sha256 })
    }
  }
}

function toVerified(
  document: OpenedDocument,
  found: Pick<VerifiedAttestation, 'freshness' | 'isDebug' | 'registry'>,
): VerifiedAttestation {
  const { payload, sign1 } = document
  const hexOf = (value: Uint8Array | undefined): Hex | undefined =>
    value === undefined ? undefined : toHex(value)
  return brandVerified({
    ...found,
    assurance: document.fingerprints[0] === AWS_NITRO_ROOT_SHA256 ? 'nitro' : 'simulator',
    moduleId: payload.moduleId,
    timestamp: payload.timestamp,
    pcrs: Object.fromEntries([...payload.pcrs].map(([index, value]) => [index, toHex(value)])),
    pcr0Commitment: document.pcr0Commitment,
    publicKey: hexOf(payload.publicKey),
    userData: hexOf(payload.userData),
    nonce: hexOf(payload.nonce),
    certificateFingerprints: document.fingerprints,
    leafNotAfter: document.leafNotAfter,
    documentHash: keccakHex(document.bytes),
    payloadHash: toHex(sha256(concat(sign1.payload))),
    unknownFields: payload.unknownFields,
  })
}

/** What could not be asked in time is a refusal by the stage that asked. */
function lateAnswer(stage: NitroStage, cause: unknown): unknown {
  const code = (
    { revocation: 'REVOKED', registry: 'REGISTRY_UNAVAILABLE', nonce: 'NONCE_REUSED' } as const
  )[stage as 'registry']
  if (code === undefined) return cause
  return new NitroAttestationError({ code, stage, details: 'no answer in time' }, { cause })
}

/** As `withDeadline`, with the error of a timeout named by its caller. */
async function withinTime<value>(
  { onTimeout, ...options }: IoOptions & { onTimeout: (cause: unknown) => unknown },
  work: (signal: AbortSignal) => Promise<value>,
): Promise<value> {
  try {
    return await withDeadline('The verification of an attestation document', options, work)
  } catch (error) {
    throw error instanceof TimeoutError ? onTimeout(error) : error
  }
}

/** A policy whose bytes are of this realm, and as they were when it was given. */
function ownBytesOf<policy extends NitroPolicyBase & { freshness?: NitroPolicy['freshness'] }>(
  policy: policy,
): policy {
  const binding = policy?.binding
  const freshness = policy?.freshness
  const own = <value>(value: value): value => {
    const bytes = asBytes(value)
    return bytes === undefined ? value : (copyBytes(bytes) as value)
  }
  const measurements: unknown = policy?.measurements
  return {
    ...policy,
    ...(Array.isArray(measurements)
      ? { measurements: measurements.map((set) => (isObject(set) ? { ...set } : set)) }
      : isObject(measurements)
        ? { measurements: { ...measurements } }
        : {}),
    ...(isObject(binding)
      ? {
          binding: {
            ...binding,
            ...{ userData: own(binding.userData), publicKey: own(binding.publicKey) },
          },
        }
      : {}),
    ...(freshness?.kind === 'nonce'
      ? { freshness: { ...freshness, nonce: own(freshness.nonce) } }
      : {}),
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

async function verdict(
  { signal }: IoOptions,
  run: () => Promise<VerifiedAttestation>,
): Promise<NitroVerdict> {
  try {
    return { status: 'valid', attestation: await run() }
  } catch (error) {
    if (isPolicySdkError(error) && error instanceof NitroAttestationError) {
      return { status: 'reject', code: error.code, stage: error.stage }
    }
    // The caller's own abort, and its own time limit on the work itself, say nothing of the document.
    if (signal?.aborted === true) throw signal.reason
    if (error instanceof TimeoutError) throw error
    // A policy that leaves something open, a failing clock: never a permission.
    return { status: 'reject', code: 'POLICY', stage: 'policy' }
  }
}
