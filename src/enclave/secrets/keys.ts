/**
 * Keys of an enclave that open sealed envelopes: operations, never the key.
 */
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { concat, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { type HpkeContext, hpkeDeriveKeyPair, hpkeKeyPair, hpkeOpen } from './hpke.js'
import { computeKeyId } from './recipient.js'

/** A key that opens envelopes. The private half stays inside. */
export type DecryptionKey = {
  /** Raw X25519 public key, 32 bytes: what the enclave's document names. */
  readonly publicKey: Hex
  readonly keyId: Hex
  /** 0 for a provisioned key. */
  readonly epoch: bigint
  /** Opens one message. Throws `EnvelopeOpenError`. */
  open(
    sealed: { enc: Uint8Array; ciphertext: Uint8Array },
    context: HpkeContext,
  ): Promise<Uint8Array>
}

/**
 * Makes a key from the provisioned secret of 32 bytes, the raw X25519 private key that all operators
 * share.
 *
 * @throws {InvalidInputError} where `secret` is not 32 bytes.
 * @example
 * ```ts
 * import { createDecryptionKey } from '@newton/policy-sdk/enclave'
 *
 * const key = await createDecryptionKey({ secret: crypto.getRandomValues(new Uint8Array(32)) })
 * key.publicKey
 * ```
 */
export async function createDecryptionKey(parameters: {
  secret: Uint8Array
  epoch?: bigint | undefined
}): Promise<DecryptionKey> {
  return toKey(await hpkeKeyPair(parameters.secret), parameters.epoch ?? 0n)
}

/** What a derived key is bound to. */
export type EnclaveKeyBinding = {
  /** Provisioned secret of 32 bytes or more. All else here is public. */
  masterSecret: Uint8Array
  /** The enclave's PCR0, 48 bytes. */
  pcr0: Uint8Array
  epoch: bigint
  /** What the key is for. Different purposes give unrelated keys. */
  purpose: string
}

/**
 * Derives 32 bytes of key material that only a build with this PCR0, in this epoch and for this purpose
 * gets from a provisioned secret.
 *
 * `HKDF-SHA256(ikm = masterSecret, salt = SHA-256("newton/enclave/v1"), info =
 * "newton/enclave/key/v1" ‖ u8(48) ‖ PCR0 ‖ u64 epoch ‖ u8(32) ‖ keccak256(purpose))` (RFC 5869).
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function deriveEnclaveKey(binding: EnclaveKeyBinding): Uint8Array {
  const { masterSecret, pcr0, epoch, purpose } = binding
  if (!(masterSecret instanceof Uint8Array) || masterSecret.length < 32) {
    throw new InvalidInputError({ field: 'masterSecret', reason: 'expected 32 bytes or more' })
  }
  if (!(pcr0 instanceof Uint8Array) || pcr0.length !== 48) {
    throw new InvalidInputError({ field: 'pcr0', reason: 'expected 48 bytes' })
  }
  if (pcr0.every((byte) => byte === 0)) {
    throw new InvalidInputError({ field: 'pcr0', reason: 'zero is an enclave in debug mode' })
  }
  if (typeof purpose !== 'string' || purpose === '') {
    throw new InvalidInputError({ field: 'purpose', reason: 'expected a text' })
  }
  const info = concat(
    utf8('newton/enclave/key/v1'),
    Uint8Array.of(48),
    pcr0,
    uintToBytes(epoch, 8, 'epoch'),
    Uint8Array.of(32),
    keccak(utf8(purpose)),
  )
  return hkdf(sha256, masterSecret, sha256(utf8('newton/enclave/v1')), info, 32)
}

/**
 * Derives a key that opens envelopes: RFC 9180 `DeriveKeyPair` of {@link deriveEnclaveKey}.
 *
 * A new build has another PCR0 and cannot open what was sealed to this one: the old build re-seals to
 * the new one's attested key while both are active.
 */
export async function deriveDecryptionKey(binding: EnclaveKeyBinding): Promise<DecryptionKey> {
  const ikm = deriveEnclaveKey(binding)
  try {
    return toKey(await hpkeDeriveKeyPair(ikm), binding.epoch)
  } finally {
    ikm.fill(0)
  }
}

function toKey(
  { privateKey, publicKey }: Awaited<ReturnType<typeof hpkeKeyPair>>,
  epoch: bigint,
): DecryptionKey {
  uintToBytes(epoch, 8, 'epoch')
  const hex = toHex(publicKey)
  return Object.freeze({
    publicKey: hex,
    keyId: computeKeyId(hex),
    epoch,
    open: (sealed: { enc: Uint8Array; ciphertext: Uint8Array }, context: HpkeContext) =>
      hpkeOpen(privateKey, sealed, context),
  })
}
