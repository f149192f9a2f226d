import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, concat, copyBytes, toHex, utf8 } from '../../internal/bytes.js'
import { fromBase64, toBase64 } from './encoding.js'

const kinds = { 1: 'log', 4: 'witness' } as const

/** A key that signs notes: a log's (`log`, type 0x01) or a cosigner's (`witness`, type 0x04). */
export type NoteKey = {
  readonly name: string
  readonly kind: 'log' | 'witness'
  /** The 4 bytes before a signature of this key, as `0x` hex. */
  readonly id: `0x${string}`
  /** 32 bytes of an Ed25519 public key. */
  readonly publicKey: Uint8Array
}

/** Signs the text of a note with Ed25519. */
export type NoteSigner = { readonly key: NoteKey; sign(text: Uint8Array): Uint8Array }

/** Signs messages of a cosigner, which hold the time and the text of a note. */
export type WitnessSigner = { readonly key: NoteKey; sign(message: Uint8Array): Uint8Array }

/**
 * Reads a verifier key as C2SP signed-note writes it, `name+id+base64(type ‖ key)`, with an Ed25519
 * key of a log or of a cosigner.
 *
 * @throws InvalidInputError for any other text, and for an id that is not that of the key.
 * @example
 * parseNoteKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
 */
export function parseNoteKey(text: string): NoteKey {
  const parts = typeof text === 'string' ? /^([^+]+)\+([0-9a-f]{8})\+([^+].*)$/.exec(text) : null
  const [, name, id, encoded] = parts ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length !== 33) {
    throw invalidKey('it is `name+id+base64` with a type byte and 32 bytes')
  }
  const kind = kinds[bytes[0] as 1 | 4]
  if (kind === undefined) throw invalidKey('its type is neither Ed25519 (1) nor a cosigner’s (4)')
  const publicKey = bytes.slice(1)
  if (pointOf(publicKey) === undefined) throw invalidKey('it is not a point of prime order')
  const key = noteKey(name, kind, publicKey)
  if (key.id !== `0x${id}`) throw invalidKey('its id is not that of the name and key')
  return key
}

/** Writes a verifier key; the inverse of `parseNoteKey`. */
export function formatNoteKey(key: NoteKey): string {
  const type = key.kind === 'log' ? 1 : 4
  return `${key.name}+${key.id.slice(2)}+${toBase64(concat(Uint8Array.of(type), key.publicKey))}`
}

/**
 * The key of another log that is signed with the same Ed25519 key: the logs of one ledger are.
 *
 * @throws InvalidInputError for a name with spaces or `+`, or the key of a cosigner.
 */
export function keyOfLog(key: NoteKey, name: string): NoteKey {
  if (key?.kind !== 'log' || typeof name !== 'string' || !isKeyName(name)) {
    throw new InvalidInputError({ field: 'key', reason: 'it is the key of a log, and a name' })
  }
  return noteKey(name, 'log', key.publicKey)
}

/**
 * A signer of a log's notes from a 32-byte Ed25519 seed. The key name of a log is its origin.
 *
 * @throws InvalidInputError for a name with spaces or `+`, or a seed of another length.
 */
export function noteSigner(parameters: { name: string; seed: Uint8Array }): NoteSigner {
  const { name, secret } = checkSeed(parameters)
  const key = noteKey(name, 'log', ed25519.getPublicKey(secret))
  return { key, sign: (text) => ed25519.sign(text, secret) }
}

/**
 * A cosigner of other logs' checkpoints from a 32-byte Ed25519 seed. A cosignature does not cover the
 * name: a seed is one witness's, and signs nothing else.
 *
 * @throws InvalidInputError for a name with spaces or `+`, or a seed of another length.
 */
export function witnessSigner(parameters: { name: string; seed: Uint8Array }): WitnessSigner {
  const { name, secret } = checkSeed(parameters)
  const key = noteKey(name, 'witness', ed25519.getPublicKey(secret))
  return { key, sign: (message) => ed25519.sign(message, secret) }
}

function checkSeed({ name, seed }: { name: string; seed: Uint8Array }): {
  name: string
  secret: Uint8Array
} {
  if (typeof name !== 'string' || !isKeyName(name)) {
    throw new InvalidInputError({ field: 'name', reason: 'it is not empty, without space or `+`' })
  }
  if (!(seed instanceof Uint8Array) || seed.length !== 32) {
    throw new InvalidInputError({ field: 'seed', reason: 'it has 32 bytes' })
  }
  return { name, secret: copyBytes(seed) }
}

/**
 * Ed25519 as RFC 8032 has it, and stricter: no S at or above the order, no small, mixed or
 * non-canonical A or R. So every implementation that accepts any of them gives the same answer.
 */
export function verifyEd25519(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  try {
    if (signature.length !== 64 || publicKey.length !== 32) return false
    if (pointOf(publicKey) === undefined || pointOf(signature.slice(0, 32)) === undefined) {
      return false
    }
    return ed25519.verify(signature, message, publicKey, { zip215: false }) === true
  } catch {
    return false
  }
}

/** Whether a text can name a key or a log's origin. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return name.length > 0 && name.length <= 255 && !/[\s+\u0000-\u001f\u007f\u0085]/u.test(name)
}

function noteKey(name: string, kind: NoteKey['kind'], publicKey: Uint8Array): NoteKey {
  const type = kind === 'log' ? 1 : 4
  const digest = sha256(concat(utf8(name), Uint8Array.of(0x0a, type), publicKey))
  return Object.freeze({ name, kind, id: toHex(digest.slice(0, 4)), publicKey })
}

/** Whether bytes are the one encoding of a point of prime order, as an honest Ed25519 key is. */
export function isEd25519Key(bytes: Uint8Array): boolean {
  return bytes.length === 32 && pointOf(bytes) === true
}

function pointOf(bytes: Uint8Array): true | undefined {
  try {
    const point = ed25519.Point.fromBytes(bytes, false)
    if (point.isSmallOrder() || !point.isTorsionFree()) return undefined
    return bytesEqual(point.toBytes(), bytes) ? true : undefined
  } catch {
    return undefined
  }
}

function invalidKey(reason: string): InvalidInputError {
  return new InvalidInputError({
    field: 'key',
    reason,
    hint: 'Copy the verifier key as the log or witness publishes it.',
  })
}
