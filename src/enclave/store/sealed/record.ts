/**
 * Records of a sealed store: what leaves the enclave, one after another, each with its sequence and its
 * predecessor in the additional data.
 *
 * Bytes: `"NPSS"(4) ‖ 0x02 ‖ kind(1) ‖ sequence(8) ‖ previousHash(32) ‖ iv(12) ‖ AES-256-GCM ciphertext`;
 * the additional data is everything before `iv`. A record's hash is keccak-256 of all of it. Its name
 * outside is `<sequence, 20 digits>-<hash, 64 hex digits>`, so no record is ever written over another.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../../errors/common.js'
import {
  bytesEqual,
  bytesToUint,
  concat,
  copyBytes,
  fixedFromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { SealedStateError } from '../errors.js'

const magic = concat(utf8('NPSS'), Uint8Array.of(2))
const headerBytes = magic.length + 1 + 8 + 32
const ivBytes = 12
const tagBytes = 16

/** `whole`: all of the content. `changes`: what differs from the record before. `end`: the last of its line. */
export const recordKinds = ['whole', 'changes', 'end'] as const
/** A kind of record. */
export type RecordKind = (typeof recordKinds)[number]

/** A record's place in its history. */
export type StatePlace = { sequence: bigint; stateHash: Hex }

/** Hash that stands for "no state before". */
export const NO_PREVIOUS_STATE: Hex = `0x${'00'.repeat(32)}`

/** A record before it is sealed. */
export type StateRecord = {
  kind: RecordKind
  sequence: bigint
  previousHash: Hex
  content: Uint8Array
}

/** Imports a sealing key. */
export function importSealingKey(key: Uint8Array): Promise<CryptoKey> {
  if (!(key instanceof Uint8Array) || key.length !== 32) {
    throw new InvalidInputError({ field: 'key', reason: 'expected 32 bytes' })
  }
  return crypto.subtle.importKey('raw', copyBytes(key) as BufferSource, 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ])
}

/** Seals a record. */
export async function sealRecord(
  record: StateRecord,
  { key, randomBytes }: { key: CryptoKey; randomBytes: (length: number) => Uint8Array },
): Promise<{ blob: Uint8Array; stateHash: Hex }> {
  const header = concat(
    magic,
    Uint8Array.of(recordKinds.indexOf(record.kind)),
    uintToBytes(record.sequence, 8, 'sequence'),
    fixedFromHex(record.previousHash, 32, 'previousHash'),
  )
  const iv = randomBytes(ivBytes)
  const content = record.content as BufferSource
  const sealed = await crypto.subtle.encrypt(gcm(iv, header), key, content)
  const blob = concat(header, iv, new Uint8Array(sealed))
  return { blob, stateHash: keccakHex(blob) }
}

/**
 * Opens the record that belongs at a place. The bytes are a stranger's until their hash is the expected one.
 *
 * @throws {SealedStateError} for another key, changed bytes, or bytes of another place.
 */
export async function openRecord(
  blob: Uint8Array,
  { key, place }: { key: CryptoKey; place: StatePlace },
): Promise<StateRecord> {
  const least = headerBytes + ivBytes + tagBytes
  if (blob.length < least || !bytesEqual(blob.subarray(0, magic.length), magic)) {
    throw new SealedStateError({ reason: 'it is not one' })
  }
  if (keccakHex(blob) !== place.stateHash) {
    throw new SealedStateError({ reason: `the bytes of record ${place.sequence} were changed` })
  }
  const kind = recordKinds[blob[magic.length] as number]
  const sequence = bytesToUint(blob.subarray(magic.length + 1, magic.length + 9))
  if (kind === undefined || sequence !== place.sequence) {
    throw new SealedStateError({ reason: `record ${place.sequence} is of another place` })
  }
  const header = blob.subarray(0, headerBytes)
  const iv = blob.subarray(headerBytes, headerBytes + ivBytes)
  const sealed = blob.subarray(headerBytes + ivBytes) as BufferSource
  try {
    const content = new Uint8Array(await crypto.subtle.decrypt(gcm(iv, header), key, sealed))
    const previousHash = toHex(blob.subarray(magic.length + 9, headerBytes))
    return { kind, sequence, previousHash, content }
  } catch {
    throw new SealedStateError({ reason: 'it does not open under this key' })
  }
}

/** Name of a record outside. */
export function recordName({ sequence, stateHash }: StatePlace): string {
  return `${sequence.toString().padStart(20, '0')}-${stateHash.slice(2)}`
}

/** The kind of a record, which its bytes tell without a key; `undefined` for bytes that are none. */
export function recordKindOf(blob: Uint8Array): RecordKind | undefined {
  return recordKinds[blob[magic.length] ?? recordKinds.length]
}

/** Name of what a line leaves for its successor, beside its last record. */
export function bequestName(place: StatePlace): string {
  return `${recordName(place)}-b`
}

/** The place that a name tells, or `undefined` where it is none of a record. */
export function placeOfName(name: string): StatePlace | undefined {
  return name.endsWith('-b') ? undefined : placeOfAnyName(name)
}

/** As {@link placeOfName}, of a record or of what stands beside one. */
export function placeOfAnyName(name: string): StatePlace | undefined {
  const match = /^([0-9]{20})-([0-9a-f]{64})(-b)?$/.exec(name)
  if (match === null) return undefined
  return { sequence: BigInt(match[1] as string), stateHash: `0x${match[2] as string}` }
}

function gcm(iv: Uint8Array, additionalData: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: iv as BufferSource, additionalData: additionalData as BufferSource }
}
