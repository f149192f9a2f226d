/**
 * The value that only the verifier makes. Sealing and evaluating take nothing else.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'

declare const verifiedBrand: unique symbol

/** A verified Nitro attestation. All bytes are hex, so that nothing in it can be changed. */
export type VerifiedAttestation = {
  readonly [verifiedBrand]: true
  /** `nitro` under AWS's root; `simulator` under any other that was trusted by name. */
  readonly assurance: 'nitro' | 'simulator'
  /** `archived` says nothing about when the document was made or whether it was seen before. */
  readonly freshness: 'live' | 'archived'
  readonly moduleId: string
  /** Milliseconds since 1970, by the enclave's hypervisor. */
  readonly timestamp: number
  /** PCRs by index, 48 bytes each. */
  readonly pcrs: Readonly<Record<number, Hex>>
  /** `keccak256(PCR0)`, what the chain calls the measurement. */
  readonly pcr0Commitment: Hex
  readonly publicKey: Hex | undefined
  readonly userData: Hex | undefined
  readonly nonce: Hex | undefined
  /** SHA-256 of each certificate, root first. */
  readonly certificateFingerprints: readonly Hex[]
  /** End of the signing certificate's validity, milliseconds since 1970. */
  readonly leafNotAfter: number
  /** keccak-256 of the document's bytes: its identity on chain. */
  readonly documentHash: Hex
  /** SHA-256 of the signed payload: the same for every encoding of the same statement. */
  readonly payloadHash: Hex
  readonly unknownFields: readonly string[]
  readonly isDebug: boolean
  /** What the registry said, where it was asked. */
  readonly registry: { readonly block: bigint; readonly activeNow: boolean } | undefined
}

const verified = new WeakSet<object>()

/** Marks what the verifier has found valid. Not exported from the package. */
export function brandVerified(
  fields: Omit<VerifiedAttestation, typeof verifiedBrand>,
): VerifiedAttestation {
  const value = Object.freeze({
    ...fields,
    pcrs: Object.freeze({ ...fields.pcrs }),
    certificateFingerprints: Object.freeze([...fields.certificateFingerprints]),
    unknownFields: Object.freeze([...fields.unknownFields]),
    registry: fields.registry === undefined ? undefined : Object.freeze({ ...fields.registry }),
  }) as VerifiedAttestation
  verified.add(value)
  return value
}

/** Whether `value` came out of the verifier in this process. A copy of it is not verified. */
export function isVerifiedAttestation(value: unknown): value is VerifiedAttestation {
  return typeof value === 'object' && value !== null && verified.has(value)
}

/** Refuses anything that the verifier did not make. Throws `InvalidInputError` naming `field`. */
export function assertVerifiedAttestation(
  value: unknown,
  field = 'attestation',
): asserts value is VerifiedAttestation {
  if (isVerifiedAttestation(value)) return
  throw new InvalidInputError({
    field,
    reason: 'this is not the result of a verification',
    hint: 'Pass what assertNitroAttestation returned, not a copy and not a parsed document.',
  })
}

/** The same statement in the form that on-chain verifiers of documents publish. */
export type NitroJournal = {
  timestampMs: number
  moduleId: string
  certificates: readonly Hex[]
  /** PCRs that are not zero, with their indices, ascending. An absent one reads as zero. */
  pcrs: readonly { index: number; value: Hex }[]
  publicKey: Hex
  userData: Hex
  nonce: Hex
}

/** Gives the normalized view that a zero-knowledge proof of the same document is compared with. */
export function nitroJournal(attestation: VerifiedAttestation): NitroJournal {
  assertVerifiedAttestation(attestation)
  const zero = `0x${'00'.repeat(48)}`
  return {
    timestampMs: attestation.timestamp,
    moduleId: attestation.moduleId,
    certificates: attestation.certificateFingerprints,
    pcrs: Object.entries(attestation.pcrs)
      .map(([index, value]) => ({ index: Number(index), value }))
      .filter(({ value }) => value !== zero)
      .sort((a, b) => a.index - b.index),
    publicKey: attestation.publicKey ?? '0x',
    userData: attestation.userData ?? '0x',
    nonce: attestation.nonce ?? '0x',
  }
}
