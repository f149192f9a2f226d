/**
 * BLS signatures on BN254: signatures in G1, public keys in G1 and G2.
 *
 * ```
 * σ = sk · H(m)        pk₁ = sk · G₁        pk₂ = sk · G₂
 * valid iff e(σ + γ·pk₁, -G₂) · e(H(m) + γ·G₁, pk₂) = 1
 * γ = the low 128 bits of keccak256(m ‖ pk₁ ‖ pk₂ ‖ σ)
 * ```
 * One pairing product checks the signature and that both keys have the same secret, as EigenLayer's
 * contracts do it. They take all of γ modulo r; half of it gives the same verdicts except with a
 * chance of 2^-128, at half the cost. Of a key that was found good before, `γ = 0` is enough.
 */
import type { Hex } from 'viem'
import { bytesToUint, fixedFromHex } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { type Bn254Backend, nobleBackend, type PairingProduct } from './backend.js'
import { hashToG1 } from './curve/hashToG1.js'
import {
  G1_GENERATOR,
  type G1Point,
  G2_GENERATOR,
  type G2Point,
  g1Words,
  g2Words,
  negateG1,
  readCurveG2,
  readG1,
} from './curve/points.js'
import type { PointFault } from './errors.js'
import type { BlsPublicKey } from './keys.js'
import { isKnownKey, type KeyName, keyName, rememberKey } from './table/knownKeys.js'

/** What one signature check needs. */
export type SignatureCheck = {
  /** The 32 bytes that were signed: for certificates, the signable digest. */
  digest: Hex
  signature: G1Point
  /** The key in G1, of one signer or the sum of several. */
  pubkey: G1Point
  /** The same key in G2. */
  pubkeyG2: G2Point
}

/** Why a signature is refused. */
export type SignatureFault = PointFault | 'MALFORMED_DIGEST' | 'KEY_MISMATCH' | 'SIGNATURE_INVALID'

/**
 * Verifies a signature under both forms of a key. Never throws.
 *
 * @returns `true` only for valid points, one secret behind both keys, and a valid signature.
 * @example
 * ```ts
 * import { blsKeyFromSeed, verifySignature } from '@newton/policy-sdk/attestation'
 *
 * const key = blsKeyFromSeed(new Uint8Array(32))
 * const digest = `0x${'11'.repeat(32)}` as const
 * verifySignature({ digest, signature: key.sign(digest), ...key.publicKey }) // true
 * ```
 */
export function verifySignature(check: SignatureCheck, options: BackendOptions = {}): boolean {
  return explainSignature(check, options) === undefined
}

/** Whether a signature is a point that may be added to others. Says nothing of what was signed. */
export function isUsableSignature(signature: unknown): signature is G1Point {
  return readG1(signature, { infinity: false }).fault === undefined
}

/** Where pairings are computed. */
export type BackendOptions = {
  /** @default nobleBackend */
  backend?: Bn254Backend | undefined
}

/** {@link verifySignature} with the reason of a refusal, `undefined` where it is valid. */
export function explainSignature(
  check: SignatureCheck,
  { backend = nobleBackend }: BackendOptions = {},
): SignatureFault | undefined {
  if (typeof check !== 'object' || check === null) return 'MALFORMED_POINT'
  const { signature, pubkey, pubkeyG2 } = check
  const { fault } = readG1(signature, { infinity: false })
  if (fault !== undefined) return fault
  const key = readKey(check, backend)
  if (key.fault !== undefined) return key.fault
  let digest: Uint8Array
  try {
    digest = fixedFromHex(check.digest, 32, 'digest')
  } catch {
    return 'MALFORMED_DIGEST'
  }
  const hashed = hashToG1(check.digest)
  if (key.isKnown) {
    const holds = pairingProduct(backend, { left: signature, right: hashed, key: pubkeyG2 }).isOne()
    return holds ? undefined : 'SIGNATURE_INVALID'
  }
  const transcript = keccak(digest, g1Words(pubkey), g2Words(pubkeyG2), g1Words(signature))
  const gamma = bytesToUint(transcript.subarray(16))
  const left = backend.combineG1([
    { point: signature, scalar: 1n },
    { point: pubkey, scalar: gamma },
  ])
  const right = backend.combineG1([
    { point: hashed, scalar: 1n },
    { point: G1_GENERATOR, scalar: gamma },
  ])
  if (pairingProduct(backend, { left, right, key: pubkeyG2 }).isOne()) {
    rememberKey(key.name, { backend, as: 'others' })
    return undefined
  }
  // Only a refusal pays for the second product, which tells a foreign key from a bad signature.
  return isOneSecret({ pubkey, pubkeyG2 }, backend) ? 'SIGNATURE_INVALID' : 'KEY_MISMATCH'
}

type KeyRead =
  | { readonly fault: PointFault }
  | { readonly fault: undefined; readonly name: KeyName; readonly isKnown: boolean }

/** Reads both forms of a key. One that is known to be good needs no check of its subgroup. */
function readKey({ pubkey, pubkeyG2 }: SignatureCheck, backend: Bn254Backend): KeyRead {
  const fault =
    readG1(pubkey, { infinity: false }).fault ?? readCurveG2(pubkeyG2, { infinity: false }).fault
  if (fault !== undefined) return { fault }
  const name = keyName({ pubkey, pubkeyG2 })
  const isKnown = isKnownKey(name, backend)
  if (!isKnown && !backend.isInSubgroup(pubkeyG2)) return { fault: 'POINT_NOT_IN_SUBGROUP' }
  return { fault: undefined, name, isKnown }
}

/** Whether two keys, or two combinations of keys, have one secret. Points are assumed valid. */
export function isOneSecret(keys: BlsPublicKey, backend: Bn254Backend): boolean {
  const { pubkey: left, pubkeyG2: key } = keys
  return pairingProduct(backend, { left, right: G1_GENERATOR, key }).isOne()
}

/** `e(left, -G₂) · e(right, key)` of points that were checked. */
export function pairingProduct(
  backend: Bn254Backend,
  { left, right, key }: { left: G1Point; right: G1Point; key: G2Point },
): PairingProduct {
  return backend.pairingProduct([
    { g1: negateG1(left), g2: G2_GENERATOR },
    { g1: right, g2: key },
  ])
}
