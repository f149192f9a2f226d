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
 * chance of 2^-128, at half the cost.
 */
import { bn254 } from '@noble/curves/bn254.js'
import type { Hex } from 'viem'
import { bytesToUint, fixedFromHex, uintToBytes } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import type { PointFault } from './errors.js'
import { digestToNobleG1 } from './hashToG1.js'
import {
  type G1Point,
  type G2Point,
  g1Words,
  g2Words,
  type NobleG1,
  type NobleG2,
  readG1,
  readG2,
} from './points.js'

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
export function verifySignature(check: SignatureCheck): boolean {
  return explainSignature(check) === undefined
}

/** {@link verifySignature} with the reason of a refusal, `undefined` where it is valid. */
export function explainSignature(check: SignatureCheck): SignatureFault | undefined {
  if (typeof check !== 'object' || check === null) return 'MALFORMED_POINT'
  const signature = readG1(check.signature, { infinity: false })
  if (signature.fault !== undefined) return signature.fault
  const pubkey = readG1(check.pubkey, { infinity: false })
  if (pubkey.fault !== undefined) return pubkey.fault
  const pubkeyG2 = readG2(check.pubkeyG2, { infinity: false })
  if (pubkeyG2.fault !== undefined) return pubkeyG2.fault
  let digest: Uint8Array
  try {
    digest = fixedFromHex(check.digest, 32, 'digest')
  } catch {
    return 'MALFORMED_DIGEST'
  }
  const transcript = keccak(
    digest,
    g1Words(check.pubkey),
    g2Words(check.pubkeyG2),
    g1Words(check.signature),
  )
  const gamma = bytesToUint(transcript.subarray(16))
  const left = signature.point.add(scale(pubkey.point, gamma))
  const right = digestToNobleG1(check.digest).add(scale(bn254.G1.Point.BASE, gamma))
  if (pairingProductIsOne(left, right, pubkeyG2.point)) return undefined
  // Only a refusal pays for the second product, which tells a foreign key from a bad signature.
  return pairingProductIsOne(pubkey.point, bn254.G1.Point.BASE, pubkeyG2.point)
    ? 'SIGNATURE_INVALID'
    : 'KEY_MISMATCH'
}

/** A key in both groups, as the curve library computes with it, and the bytes that commit to it. */
export type NobleKeyPair = { pubkey: NobleG1; pubkeyG2: NobleG2; transcript: Uint8Array }

/**
 * Finds a key whose G1 and G2 forms have different secrets. Points are assumed valid.
 *
 * All at once first: with coefficients drawn by hashing all keys, `Σ cᵢ·pk₁ᵢ` and `Σ cᵢ·pk₂ᵢ` have
 * one secret except with a chance of 2^-128 unless each pair has. Only a failure looks at each.
 *
 * @returns The index of one, `undefined` where there is none.
 */
export function findKeyMismatch(keys: readonly NobleKeyPair[]): number | undefined {
  const seed = keccak(...keys.map(({ transcript }) => transcript))
  let sum: NobleG1 = bn254.G1.Point.ZERO
  let sumG2: NobleG2 = bn254.G2.Point.ZERO
  keys.forEach(({ pubkey, pubkeyG2 }, index) => {
    const coefficient = bytesToUint(keccak(seed, uintToBytes(index, 4)).subarray(0, 16)) + 1n
    sum = sum.add(pubkey.multiplyUnsafe(coefficient))
    sumG2 = sumG2.add(pubkeyG2.multiplyUnsafe(coefficient))
  })
  if (pairingProductIsOne(sum, bn254.G1.Point.BASE, sumG2)) return undefined
  const index = keys.findIndex(({ pubkey, pubkeyG2 }) => {
    return !pairingProductIsOne(pubkey, bn254.G1.Point.BASE, pubkeyG2)
  })
  return index === -1 ? undefined : index
}

// e(a, -G₂) · e(b, key) = 1, for points that were checked: the library's own pairing would check
// the subgroup of both G2 points again and work out the lines of the generator each time.
function pairingProductIsOne(a: NobleG1, b: NobleG1, key: NobleG2): boolean {
  const { Fp12 } = bn254.fields
  const pairs: Parameters<typeof bn254.millerLoopBatch>[0] = []
  // Neutral elements add nothing to the product.
  if (!a.is0()) {
    generatorLines ??= bn254.utils.calcPairingPrecomputes(bn254.G2.Point.BASE)
    const { x, y } = a.negate().toAffine()
    pairs.push([generatorLines, x, y])
  }
  if (!b.is0() && !key.is0()) {
    const { x, y } = b.toAffine()
    pairs.push([bn254.utils.calcPairingPrecomputes(key), x, y])
  }
  return Fp12.eql(Fp12.finalExponentiate(bn254.millerLoopBatch(pairs)), Fp12.ONE)
}

let generatorLines: ReturnType<typeof bn254.utils.calcPairingPrecomputes> | undefined

// `gamma` is public, so the fast multiplication that is not constant-time will do.
function scale(point: NobleG1, gamma: bigint): NobleG1 {
  return gamma === 0n ? bn254.G1.Point.ZERO : point.multiplyUnsafe(gamma)
}
