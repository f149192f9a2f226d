/**
 * A checkpoint in a Rekor log (version 2), verified offline. What Rekor keeps is a `hashedrekord`:
 *
 * ```
 * digest = SHA-256(checkpoint text)
 * entry  = JCS of digest, an ECDSA P-256 signature over it, and the signer's key
 * leaf   = SHA-256(0x00 ‖ entry), under a checkpoint that the Rekor log signed
 * ```
 * The signature is by an anchor key: Rekor takes no plain Ed25519. An entry has no time of its own.
 */
import { p256 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { canonicalJson, type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, concat, fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { type Checkpoint, openCheckpoint, parseCheckpoint } from '../log/checkpoint.js'
import { fromBase64, fromDecimal, toBase64 } from '../log/encoding.js'
import type { NoteKey } from '../log/keys.js'
import { leafHash, verifyInclusion } from '../log/merkle.js'
import type { RekorAnchorReceipt } from './receipts.js'

/** Who is believed about an entry of a Rekor log. */
export type RekorTrust = {
  /** The Rekor log's Ed25519 key, of the shard that the entry is in. */
  log: NoteKey
  /** Origin of its checkpoints, where it is not the key's name. */
  origin?: string | undefined
  /** The anchor key: an uncompressed P-256 point, 65 bytes. */
  anchorKey: Uint8Array
}

/** What a Rekor entry shows. */
export type VerifiedRekorEntry =
  | { status: 'verified'; index: bigint; checkpoint: Checkpoint }
  | { status: 'invalid'; reason: RekorFault }

/** Why a Rekor entry shows nothing. */
export type RekorFault = 'malformed' | 'checkpoint' | 'entry' | 'signature' | 'inclusion' | 'text'

/** What `verifyRekorAnchor` answers: the ledger's checkpoint, and where Rekor has it. */
export type VerifiedRekorAnchor =
  | { status: 'verified'; checkpoint: Checkpoint; rekor: { index: bigint; checkpoint: Checkpoint } }
  | { status: 'invalid'; reason: RekorFault }

/** Before the point of a P-256 key in its SubjectPublicKeyInfo (RFC 5480). */
const spkiPrefix = fromHex('0x3059301306072a8648ce3d020106082a8648ce3d030107034200')

/** The public key as Rekor takes it: SubjectPublicKeyInfo in DER. */
export function anchorKeySpki(anchorKey: Uint8Array): Uint8Array {
  if (!(anchorKey instanceof Uint8Array) || anchorKey.length !== 65 || anchorKey[0] !== 4) {
    throw new InvalidInputError({
      field: 'anchorKey',
      reason: 'expected an uncompressed P-256 point of 65 bytes',
    })
  }
  return concat(spkiPrefix, anchorKey)
}

/**
 * Verifies a Rekor log's answer for a digest, offline. Never throws on hostile JSON.
 *
 * @param parameters.entry - A `TransparencyLogEntry` as JSON text.
 */
export function verifyRekorEntry(
  parameters: { entry: string; digest: Uint8Array },
  trust: RekorTrust,
): VerifiedRekorEntry {
  try {
    const { entry, digest } = parameters
    const { body, index, hashes, envelope } = readEntry(entry)
    const log = { log: trust.log, origin: trust.origin }
    const opened = openCheckpoint(envelope, log)
    if (opened.status !== 'verified') return invalid('checkpoint')
    const signature = signatureOf(body, digest, trust.anchorKey)
    if (signature === undefined) return invalid('entry')
    const checks = { prehash: false, lowS: false, format: 'der' } as const
    if (!p256.verify(signature, digest, trust.anchorKey, checks)) return invalid('signature')
    const { size, root } = opened.checkpoint
    const isIncluded = verifyInclusion({ index, size, root, leaf: leafHash(body), proof: hashes })
    if (!isIncluded) return invalid('inclusion')
    return { status: 'verified', index, checkpoint: opened.checkpoint }
  } catch {
    return invalid('malformed')
  }
}

/**
 * Verifies offline that a checkpoint is in a Rekor log, under the anchor key. Never throws on a hostile
 * receipt.
 *
 * @example
 * const verdict = verifyRekorAnchor(receipt, { log: parseNoteKey(text), anchorKey })
 * if (verdict.status === 'verified') verdict.checkpoint.size
 */
export function verifyRekorAnchor(
  receipt: RekorAnchorReceipt,
  trust: RekorTrust,
): VerifiedRekorAnchor {
  try {
    const { text, entry } = receipt
    const checkpoint = checkpointOfText(receipt)
    if (checkpoint === undefined) return invalid('text')
    const verdict = verifyRekorEntry({ entry, digest: sha256(utf8(text)) }, trust)
    if (verdict.status === 'invalid') return verdict
    return { status: 'verified', checkpoint, rekor: verdict }
  } catch {
    return invalid('malformed')
  }
}

/** The checkpoint that a receipt's text is, where it is the receipt's. */
export function checkpointOfText(receipt: {
  text: string
  origin: string
  size: bigint
  root: string
}): Checkpoint | undefined {
  const checkpoint = parseCheckpoint(receipt.text)
  if (checkpoint === undefined) return undefined
  const { origin, size, root } = checkpoint
  const isSame = origin === receipt.origin && size === receipt.size
  return isSame && bytesEqual(root, fromHex(receipt.root)) ? checkpoint : undefined
}

/** Parts of a `TransparencyLogEntry`; size and root beside the checkpoint are not looked at. */
function readEntry(entry: string): {
  body: Uint8Array
  index: bigint
  hashes: Uint8Array[]
  envelope: string
} {
  const value = parseJson(entry) as JsonObject
  const proof = value['inclusionProof'] as JsonObject
  const envelope = (proof['checkpoint'] as JsonObject)['envelope'] as string
  const hashes = ((proof['hashes'] ?? []) as string[]).map((hash) => bytesOf(hash))
  const index = fromDecimal(String(proof['logIndex'] ?? '0'))
  if (index === undefined) throw new InvalidInputError({ field: 'logIndex', reason: 'no index' })
  return { body: bytesOf(value['canonicalizedBody'] as string), index, hashes, envelope }
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (bytes !== undefined) return bytes
  throw new InvalidInputError({ field: 'entry', reason: 'it is not base64' })
}

/** The signature in a body that is, byte for byte, that of this digest and key. */
function signatureOf(
  body: Uint8Array,
  digest: Uint8Array,
  anchorKey: Uint8Array,
): Uint8Array | undefined {
  const { spec } = parseJson(new TextDecoder().decode(body)) as { spec: JsonObject }
  // Its name changed with the format; what it holds did not.
  const [name] = Object.keys(spec)
  if (name !== 'hashedRekordV002' && name !== 'hashedRekordV0_0_2') return undefined
  const { content } = (spec[name] as JsonObject)['signature'] as { content: string }
  const expected: Json = {
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: { [name]: hashedRekord(digest, { signature: content, anchorKey }) },
  }
  return bytesEqual(utf8(canonicalJson(expected)), body) ? fromBase64(content) : undefined
}

function hashedRekord(
  digest: Uint8Array,
  { signature, anchorKey }: { signature: string; anchorKey: Uint8Array },
): Json {
  return {
    data: { algorithm: 'SHA2_256', digest: toBase64(digest) },
    signature: {
      content: signature,
      verifier: {
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        publicKey: { rawBytes: toBase64(anchorKeySpki(anchorKey)) },
      },
    },
  }
}

function invalid(reason: RekorFault): { status: 'invalid'; reason: RekorFault } {
  return { status: 'invalid', reason }
}

/** A receipt of Rekor, for what was anchored. */
export function rekorReceipt(
  { origin, size, root }: Checkpoint,
  { text, entry }: { text: string; entry: string },
): RekorAnchorReceipt {
  return { kind: 'rekor', origin, size, root: toHex(root), text, entry }
}
