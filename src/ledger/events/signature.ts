/** Keys of actors. They sign the 32 bytes of a `current_hash`, and are used for nothing else. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes, utf8 } from '../../internal/bytes.js'
import { isEd25519Key, verifyEd25519 } from '../log/keys.js'

/** Signs events: a key in memory, or whatever holds one. */
export type EventSigner = {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** Pure Ed25519 (RFC 8032) over the message. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Verifies a signature of 64 bytes by the rules of {@link verifyEd25519}. Never throws. */
export type VerifySignature = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean

/**
 * A signer of events from a 32-byte seed.
 *
 * @throws {InvalidInputError} for a seed of another length.
 * @example
 * ```ts
 * import { ed25519EventSigner, keyIdOf } from '@newton/policy-sdk/ledger'
 *
 * const signer = ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32)))
 * keyIdOf(signer.publicKey) // 'sha256:…'
 * ```
 */
export function ed25519EventSigner(seed: Uint8Array): EventSigner {
  if (!(seed instanceof Uint8Array) || seed.length !== 32) {
    throw new InvalidInputError({ field: 'seed', reason: 'it has 32 bytes' })
  }
  const secret = copyBytes(seed)
  return {
    publicKey: ed25519.getPublicKey(secret),
    sign: (message) => ed25519.sign(message, secret),
  }
}

const order = 2n ** 252n + 27742317777372353535851937790883648493n
const fieldPrime = 2n ** 255n - 19n
/** y of the points whose order divides 8: no honest key and no honest R is among them. */
const smallOrderY: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  fieldPrime - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
])

/**
 * Verifies with a quick implementation (OpenSSL) by the rules of {@link verifyEd25519}: what is
 * refused there and may pass here is looked at first. A key is looked at once; with a key of prime
 * order an implementation without cofactor accepts no R but one of prime order.
 *
 * @param verify - Ed25519 without cofactor, S below the order, encodings of A and R as they are.
 */
export function strictEd25519(verify: VerifySignature, maxKeys = 1_024): VerifySignature {
  const keys = new Map<string, boolean>()
  const isKey = (publicKey: Uint8Array): boolean => {
    const name = publicKey.join()
    const known = keys.get(name)
    if (known !== undefined) return known
    const good = isEd25519Key(publicKey)
    if (keys.size >= maxKeys) keys.clear()
    keys.set(name, good)
    return good
  }
  return (signature, message, publicKey) => {
    try {
      if (signature.length !== 64 || publicKey.length !== 32 || !isKey(publicKey)) return false
      if (littleEndian(signature.subarray(32)) >= order) return false
      const y = littleEndian(signature.subarray(0, 32)) & (2n ** 255n - 1n)
      if (y >= fieldPrime || smallOrderY.has(y)) return false
      return verify(signature, message, publicKey) === true
    } catch {
      return false
    }
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = (value << 8n) | BigInt(bytes[at] ?? 0)
  return value
}

/**
 * What a new key signs to show that whoever adds it holds it, and holds it for this event alone:
 * SHA-256 of five lines.
 */
export function keyProofMessage(parts: {
  ledger: string
  eventId: string
  /** The key that is rotated away. */
  oldKeyId?: string | undefined
  newKeyId: string
}): Uint8Array {
  const { ledger, eventId, oldKeyId = '-', newKeyId } = parts
  return sha256(utf8(`ets.key.proof/1\n${ledger}\n${eventId}\n${oldKeyId}\n${newKeyId}\n`))
}
