/**
 * Proof of possession of a BLS key, without which an operator could register a key made to cancel
 * the others' (the rogue-key attack).
 *
 * ```
 * digest = keccak256(abi.encode(keccak256("NewtonBN254ProofOfPossessionV1"),
 *                               chainId, verifier, operator, pkG1, pkG2))
 * ```
 * The words of `pkG2` come imaginary part first. Binding chain, verifier and operator keeps a
 * proof from being used elsewhere or by someone else.
 */
import type { Address, Hex } from 'viem'
import { fixedFromHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import { type G1Point, g1Words, g2Words } from './curve/points.js'
import { Bn254BackendError } from './errors.js'
import { type BlsPublicKey, type BlsSigner, signWith } from './keys.js'
import { type BackendOptions, explainSignature, type SignatureFault } from './signature.js'

/** `keccak256("NewtonBN254ProofOfPossessionV1")`. */
export const PROOF_OF_POSSESSION_TAG = 'NewtonBN254ProofOfPossessionV1'

/** Where and for whom a key is registered. */
export type PossessionContext = {
  chainId: bigint | number
  /** The certificate verifier contract that keeps the key. */
  verifier: Address
  operator: Address
}

/**
 * Computes what a proof of possession signs.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computePossessionDigest(context: PossessionContext & BlsPublicKey): Hex {
  return keccakHex(
    keccak(utf8(PROOF_OF_POSSESSION_TAG)),
    uintToBytes(context.chainId, 32, 'chainId'),
    new Uint8Array(12),
    fixedFromHex(context.verifier, 20, 'verifier'),
    new Uint8Array(12),
    fixedFromHex(context.operator, 20, 'operator'),
    g1Words(context.pubkey),
    g2Words(context.pubkeyG2),
  )
}

/**
 * Proves possession of `key` for one operator at one verifier.
 *
 * @throws {InvalidPointError} where the signer answers with no point of the curve.
 * @example
 * ```ts
 * import { blsKeyFromSeed, provePossession, verifyPossession } from '@newton/policy-sdk/attestation'
 *
 * const key = blsKeyFromSeed(new Uint8Array(32))
 * const verifier = `0x${'aa'.repeat(20)}` as const
 * const context = { chainId: 1, verifier, operator: `0x${'bb'.repeat(20)}` as const }
 * const proof = await provePossession(key, context)
 * verifyPossession({ ...context, ...key.publicKey, proof }) // true
 * ```
 */
export async function provePossession(
  key: BlsSigner,
  context: PossessionContext,
  options: IoOptions = {},
): Promise<G1Point> {
  const digest = computePossessionDigest({ ...context, ...key.publicKey })
  return signWith(key, digest, options)
}

/** Verifies a proof of possession and that both keys have one secret. Never throws. */
export function verifyPossession(
  parameters: PossessionContext & BlsPublicKey & { proof: G1Point },
  options: BackendOptions = {},
): boolean {
  return explainPossession(parameters, options) === undefined
}

/** {@link verifyPossession} with the reason of a refusal, `undefined` where it is valid. */
export function explainPossession(
  parameters: PossessionContext & BlsPublicKey & { proof: G1Point },
  options: BackendOptions = {},
): SignatureFault | undefined {
  try {
    const { proof: signature, pubkey, pubkeyG2 } = parameters
    const digest = computePossessionDigest(parameters)
    return explainSignature({ digest, signature, pubkey, pubkeyG2 }, options)
  } catch (error) {
    if (error instanceof Bn254BackendError) throw error
    return 'MALFORMED_DIGEST'
  }
}
