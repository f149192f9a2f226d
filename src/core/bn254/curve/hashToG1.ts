/**
 * Hash to G1 by try-and-increment, as EigenLayer's `BN254.hashToG1` does it.
 *
 * ```
 * x = digest mod p; while x³ + 3 has no square root: x = x + 1 mod p
 * y = (x³ + 3)^((p + 1) / 4)
 * ```
 * The number of tries depends on the digest, so the time does: digests are public.
 */
import { bn254 } from '@noble/curves/bn254.js'
import type { Hex } from 'viem'
import { bytesToUint, fixedFromHex } from '../../../internal/bytes.js'
import { FIELD_MODULUS, fromNobleG1, type G1Point, type NobleG1 } from './points.js'

// p ≡ 3 (mod 4), so this power of a square is a root of it.
const rootExponent = (FIELD_MODULUS + 1n) / 4n

/**
 * Maps a 32-byte digest to a point of G1.
 *
 * @throws {InvalidInputError} when `digest` is not 32 bytes of hex.
 * @example
 * ```ts
 * import { hashToG1 } from '@newton/policy-sdk/attestation'
 *
 * hashToG1(`0x${'00'.repeat(32)}`) // { X: 1n, Y: 2n }
 * ```
 */
export function hashToG1(digest: Hex): G1Point {
  return fromNobleG1(digestToNobleG1(digest))
}

/** {@link hashToG1} in the form the curve library computes with. */
export function digestToNobleG1(digest: Hex): NobleG1 {
  const { Fp } = bn254.fields
  let x = bytesToUint(fixedFromHex(digest, 32, 'digest')) % FIELD_MODULUS
  for (;;) {
    const square = Fp.add(Fp.mul(Fp.sqr(x), x), 3n)
    const y = Fp.pow(square, rootExponent)
    if (Fp.sqr(y) === square) return bn254.G1.Point.fromAffine({ x, y })
    x = Fp.add(x, 1n)
  }
}
