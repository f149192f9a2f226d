/**
 * HPKE (RFC 9180), base mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
 *
 * Every input is copied to its exact length first: handing the `buffer` of a view to an AEAD seals
 * whatever else that buffer holds, which for Node's pooled buffers is unrelated process memory.
 */
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite, HkdfSha256 } from '@hpke/core'
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519'
import { x25519 } from '@noble/curves/ed25519.js'
import { InvalidInputError } from '../../errors/common.js'
import { asBytes } from '../../internal/bytes.js'
import { EnvelopeInvalidError, EnvelopeOpenError, RecipientRefusedError } from './errors.js'

/** Name of the suite, as the current protocol's gateway gives it. */
export const HPKE_SUITE = 'HPKE-Base-X25519-HKDF-SHA256-ChaCha20Poly1305'
/** Bytes that sealing adds: the AEAD's tag. */
export const HPKE_OVERHEAD = 16

/** What one message is sealed with. */
export type HpkeContext = { info?: Uint8Array | undefined; aad: Uint8Array }

/** Private half of a recipient's key; never leaves the closure that opens with it. */
export type HpkePrivateKey = CryptoKey

const kem = new DhkemX25519HkdfSha256()

/** One suite per call: sender contexts are never shared between messages. */
function suite(): CipherSuite {
  return new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })
}

/**
 * Seals `plaintext` to an X25519 public key with a fresh ephemeral key.
 *
 * @returns `enc` (32 bytes) and the ciphertext, 16 bytes longer than the plaintext.
 * @throws {RecipientRefusedError} for a key of low order or of another length.
 */
export async function hpkeSeal(
  publicKey: Uint8Array,
  given: Uint8Array,
  { info, aad }: HpkeContext,
): Promise<{ enc: Uint8Array; ciphertext: Uint8Array }> {
  const plaintext = asBytes(given)
  if (plaintext === undefined) {
    throw new InvalidInputError({ field: 'plaintext', reason: 'expected a Uint8Array' })
  }
  const copy = exact(plaintext)
  try {
    const recipientPublicKey = await kem.deserializePublicKey(exact(publicKey).buffer)
    const sealed = await suite().seal(
      { recipientPublicKey, info: exact(info ?? new Uint8Array()).buffer },
      copy.buffer,
      exact(aad).buffer,
    )
    return { enc: new Uint8Array(sealed.enc), ciphertext: new Uint8Array(sealed.ct) }
  } catch {
    // The library's message is not kept: it could name its input.
    throw new RecipientRefusedError({ reason: 'it is not a usable X25519 public key' })
  } finally {
    copy.fill(0)
  }
}

/**
 * Opens what {@link hpkeSeal} sealed.
 *
 * @throws {EnvelopeInvalidError} for an `enc` of another length, {@link EnvelopeOpenError} for all else.
 */
export async function hpkeOpen(
  privateKey: HpkePrivateKey,
  sealed: { enc: Uint8Array; ciphertext: Uint8Array },
  { info, aad }: HpkeContext,
): Promise<Uint8Array> {
  if (sealed.enc.length !== 32) {
    throw new EnvelopeInvalidError({
      field: 'enc',
      reason: `expected 32 bytes, got ${sealed.enc.length}`,
    })
  }
  if (sealed.ciphertext.length < HPKE_OVERHEAD) {
    throw new EnvelopeInvalidError({ field: 'ciphertext', reason: 'shorter than its tag' })
  }
  try {
    const plaintext = await suite().open(
      {
        recipientKey: privateKey,
        enc: exact(sealed.enc).buffer,
        info: exact(info ?? new Uint8Array()).buffer,
      },
      exact(sealed.ciphertext).buffer,
      exact(aad).buffer,
    )
    return new Uint8Array(plaintext)
  } catch {
    throw new EnvelopeOpenError()
  }
}

/** Key pair of a raw X25519 private key of 32 bytes. */
export async function hpkeKeyPair(
  secret: Uint8Array,
): Promise<{ privateKey: HpkePrivateKey; publicKey: Uint8Array }> {
  // The library keeps the buffer that it is given as the key: it gets one of its own.
  const privateKey = await kem.deserializePrivateKey(exact(fixed(secret)).buffer)
  return { privateKey, publicKey: x25519.getPublicKey(exact(secret)) }
}

/** RFC 9180 `DeriveKeyPair(ikm)`: never a truncation. */
export async function hpkeDeriveKeyPair(
  ikm: Uint8Array,
): Promise<{ privateKey: HpkePrivateKey; publicKey: Uint8Array }> {
  const pair = await kem.deriveKeyPair(exact(fixed(ikm)).buffer)
  return {
    privateKey: pair.privateKey,
    publicKey: new Uint8Array(await kem.serializePublicKey(pair.publicKey)),
  }
}

function fixed(secret: Uint8Array): Uint8Array {
  const bytes = asBytes(secret)
  if (bytes?.length === 32) return bytes
  throw new InvalidInputError({ field: 'secret', reason: 'expected 32 bytes' })
}

/** A copy whose buffer holds these bytes and no others. */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}
