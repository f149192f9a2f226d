/** BLS keys of operators. A key object signs; it does not hand out its secret. */
import { bn254 } from '@noble/curves/bn254.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, concat, utf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import { assertFunctions, assertOptions } from '../../internal/options.js'
import type { Bn254Backend } from './backend.js'
import { digestToNobleG1 } from './curve/hashToG1.js'
import {
  assertG1,
  fromNobleG1,
  fromNobleG2,
  type G1Point,
  type G2Point,
  GROUP_ORDER,
} from './curve/points.js'
import { InvalidBlsSecretError } from './errors.js'

/** Both forms of a public key: the same secret times either generator. */
export type BlsPublicKey = {
  readonly pubkey: G1Point
  readonly pubkeyG2: G2Point
}

/**
 * Whoever signs digests with one key: a `BlsKey` of this process, a signer over the network, hardware.
 *
 * Everything that signs takes one, and waits for it.
 */
export type BlsSigner = {
  readonly publicKey: BlsPublicKey
  /** Signs 32 bytes as `BlsKey` does. Rejects where it does not sign. */
  sign(digest: Hex, options?: IoOptions): G1Point | Promise<G1Point>
}

/** A BLS key that signs digests, at once. */
export type BlsKey = {
  readonly publicKey: BlsPublicKey
  /**
   * Signs 32 bytes: `secret · hashToG1(digest)`.
   *
   * For certificates the digest is `computeSignableDigest(…)`, never the bare message hash.
   */
  sign(digest: Hex): G1Point
}

/**
 * Makes a key from its secret.
 *
 * @param secret - 32 big-endian bytes or a bigint, 1 to the group order minus 1. The bytes are
 * copied and never reduced: a secret at or above the order is refused, not wrapped.
 * @param options - `backend` multiplies instead of `@noble/curves`, several times as fast; it is never given
 * the secret, only two random parts of it.
 * @throws {InvalidBlsSecretError} without the secret in its message.
 * @throws {InvalidInputError} for options that are none, also a backend whose product is another, and
 * randomness that would give the backend the secret, which `sign` refuses too.
 * @example
 * ```ts
 * import { createBlsKey } from '@newton/policy-sdk/attestation'
 *
 * createBlsKey(1n).publicKey.pubkey // { X: 1n, Y: 2n }
 * ```
 */
export function createBlsKey(secret: Uint8Array | bigint, options: BlsKeyOptions = {}): BlsKey {
  assertOptions(options, { backend: 'object', randomBytes: 'function' })
  const { backend, randomBytes = platformRandomBytes } = options
  if (backend !== undefined) assertFunctions('options.backend', backend, ['combineG1'])
  const scalar = readSecret(secret)
  const publicKey: BlsPublicKey = Object.freeze({
    pubkey: fromNobleG1(bn254.G1.Point.BASE.multiply(scalar)),
    pubkeyG2: fromNobleG2(bn254.G2.Point.BASE.multiply(scalar)),
  })
  if (backend !== undefined) assertMultiplies(backend, { publicKey, scalar, randomBytes })
  return Object.freeze({
    publicKey,
    sign(digest: Hex): G1Point {
      const point = digestToNobleG1(digest)
      if (backend === undefined) return fromNobleG1(point.multiply(scalar))
      return multiplyInParts(backend, { point: fromNobleG1(point), scalar, randomBytes })
    },
  })
}

/** Options of {@link createBlsKey}. */
export type BlsKeyOptions = {
  /** Multiplies points: such as `mclBackend()`. @default `@noble/curves`, in constant time */
  backend?: Pick<Bn254Backend, 'combineG1'> | undefined
  /** Randomness that hides the secret from the backend's timing. @default the platform's */
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/**
 * `scalar · point` as `r · point + (scalar - r) · point`: a backend's time depends on its scalars, so it
 * gets two that are random each time and say nothing of the secret one by one.
 */
function multiplyInParts(
  backend: Pick<Bn254Backend, 'combineG1'>,
  { point, scalar, randomBytes }: { point: G1Point; scalar: bigint; randomBytes: RandomBytes },
): G1Point {
  const part = drawPart(scalar, randomBytes)
  const rest = (scalar - part + GROUP_ORDER) % GROUP_ORDER
  return backend.combineG1([
    { point, scalar: part },
    { point, scalar: rest },
  ])
}

type RandomBytes = (length: number) => Uint8Array

/** Draws that are made: of true randomness a second one is never needed. */
const DRAWS = 4

/** A part that is neither nothing nor all of the secret: either would leave the secret to the other one. */
function drawPart(scalar: bigint, randomBytes: RandomBytes): bigint {
  for (let draw = 0; draw < DRAWS; draw++) {
    const bytes = randomBytes(64)
    if (!(bytes instanceof Uint8Array) || bytes.length !== 64) break
    const part = bytesToUint(bytes) % GROUP_ORDER
    if (part !== 0n && part !== scalar) return part
  }
  const reason = 'expected 64 random bytes: these would give the backend the secret'
  throw new InvalidInputError({ field: 'options.randomBytes', reason })
}

/** Has the backend multiply once what is known: the generator by the secret is the public key. */
function assertMultiplies(
  backend: Pick<Bn254Backend, 'combineG1'>,
  key: { publicKey: BlsPublicKey; scalar: bigint; randomBytes: RandomBytes },
): void {
  const { pubkey } = key.publicKey
  const product: G1Point | undefined = multiplyInParts(backend, {
    ...{ point: GENERATOR, scalar: key.scalar, randomBytes: key.randomBytes },
  })
  if (product?.X === pubkey.X && product.Y === pubkey.Y) return
  const reason = 'its product is not that of the curve'
  throw new InvalidInputError({ field: 'options.backend', reason })
}

const GENERATOR: G1Point = { X: 1n, Y: 2n }

/**
 * Asks a signer for a signature, and checks that it answers with a point of the curve.
 *
 * @throws {InvalidPointError} where it does not.
 */
export async function signWith(
  signer: Pick<BlsSigner, 'sign'>,
  digest: Hex,
  options: IoOptions = {},
): Promise<G1Point> {
  const signature = await withDeadline('signing', options, async (signal) =>
    signer.sign(digest, { ...options, signal }),
  )
  assertG1(signature, { field: 'signature' })
  return signature
}

/**
 * Derives a key from a seed, the same one each time: for tests, devnets and simulators.
 *
 * `secret = (keccak256(tag ‖ 0 ‖ seed) ‖ keccak256(tag ‖ 1 ‖ seed)) mod (r - 1) + 1`, with 512 bits
 * reduced so that the bias is negligible. As secret as its seed, no more.
 *
 * @throws {InvalidInputError} when the seed is empty.
 */
export function blsKeyFromSeed(seed: Uint8Array): BlsKey {
  if (!(seed instanceof Uint8Array) || seed.length === 0) {
    throw new InvalidInputError({ field: 'seed', reason: 'expected one byte or more' })
  }
  const tag = utf8('NewtonBN254KeyFromSeedV1')
  const wide = concat(keccak(tag, Uint8Array.of(0), seed), keccak(tag, Uint8Array.of(1), seed))
  return createBlsKey((bytesToUint(wide) % (GROUP_ORDER - 1n)) + 1n)
}

/**
 * Makes a new random key.
 *
 * @param randomBytes - Source of randomness; the platform's by default.
 */
export function randomBlsKey(
  randomBytes: (length: number) => Uint8Array = platformRandomBytes,
): BlsKey {
  return createBlsKey((bytesToUint(randomBytes(64)) % (GROUP_ORDER - 1n)) + 1n)
}

function readSecret(secret: Uint8Array | bigint): bigint {
  if (secret instanceof Uint8Array) {
    if (secret.length !== 32) throw new InvalidBlsSecretError({ reason: 'expected 32 bytes' })
  } else if (typeof secret !== 'bigint') {
    throw new InvalidBlsSecretError({ reason: 'expected a Uint8Array or a bigint' })
  }
  const scalar = typeof secret === 'bigint' ? secret : bytesToUint(secret)
  if (scalar <= 0n) throw new InvalidBlsSecretError({ reason: 'it is not positive' })
  if (scalar >= GROUP_ORDER) {
    throw new InvalidBlsSecretError({ reason: 'it is not below the group order' })
  }
  return scalar
}

/** Randomness of the platform. */
export function platformRandomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}
