/**
 * Detached timestamp files of OpenTimestamps, version 1:
 *
 * ```
 * magic(31) ‖ 01 ‖ 08 ‖ SHA-256(32) ‖ timestamp
 * timestamp = (ff branch)* branch     branch = 00 ‖ attestation | operation ‖ timestamp
 * attestation = tag(8) ‖ length ‖ payload       length: seven bits a byte, the lowest first
 * ```
 * An operation turns the message so far into the next one; an attestation says when a message existed.
 */
import { ripemd160, sha1 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, concat, fromHex, fromUtf8, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'

const magic = concat(
  utf8('\u0000OpenTimestamps\u0000\u0000Proof\u0000'),
  fromHex('0xbf89e2e884e89294'),
)
const version = 1
const sha256Tag = 0x08
const bitcoinTag = '0588960d73d71901'
const pendingTag = '83dfe30d2ef90c8e'

/** Bounds of what is read: bytes of a file, of a message, of an attestation, operations of one branch. */
const [maxFile, maxMessage, maxPayload, maxDepth] = [100_000, 4_096, 8_192, 256]

/** An attestation in a file, and what it attests. */
export type TimestampAttestation = {
  /** The message that operations lead to from the file's digest. */
  message: Uint8Array
  /** The operations, as the file has them. */
  operations: Uint8Array
} & (
  | { kind: 'bitcoin'; height: bigint }
  /** A calendar promises to come back. */
  | { kind: 'pending'; calendar: string }
  | { kind: 'unknown'; tag: string }
)

/** A file that was read. */
export type TimestampFile = { digest: Uint8Array; attestations: TimestampAttestation[] }

/**
 * Reads a detached timestamp of a SHA-256 digest.
 *
 * @throws {InvalidInputError} for anything else, and for files out of all proportion.
 */
export function readTimestampFile(file: Uint8Array): TimestampFile {
  const reader = byteReader(file)
  if (!bytesEqual(reader.take(magic.length), magic)) throw malformed('it has another beginning')
  if (reader.varint() !== BigInt(version)) throw malformed('it is of another version')
  if (reader.byte() !== sha256Tag) throw malformed('it is not of a SHA-256 digest')
  const digest = reader.take(32)
  const attestations = readTimestamp(reader, digest)
  return { digest, attestations }
}

/** Reads what a calendar answers for a message: a timestamp without the head of a file. */
export function readCalendarAnswer(bytes: Uint8Array, message: Uint8Array): TimestampAttestation[] {
  return readTimestamp(byteReader(bytes), message)
}

/** A file of a digest from timestamps for it, each after the operations that lead to its message. */
export function timestampFile(digest: Uint8Array, branches: readonly Uint8Array[]): Uint8Array {
  const parts = branches.flatMap((branch, at) =>
    at < branches.length - 1 ? [Uint8Array.of(0xff), branch] : [branch],
  )
  const file = concat(magic, Uint8Array.of(version, sha256Tag), digest, ...parts)
  readTimestampFile(file)
  return file
}

type ByteReader = ReturnType<typeof byteReader>

function byteReader(bytes: Uint8Array) {
  if (!(bytes instanceof Uint8Array) || bytes.length > maxFile) throw malformed('it is too long')
  let offset = 0
  const take = (count: number): Uint8Array => {
    if (offset + count > bytes.length) throw malformed('it ends early')
    offset += count
    return bytes.slice(offset - count, offset)
  }
  const byte = (): number => take(1)[0] as number
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 63n; shift += 7n) {
      const next = byte()
      value |= BigInt(next & 0x7f) << shift
      if (next < 0x80) return value
    }
    throw malformed('a number is too long')
  }
  const varbytes = (most: number): Uint8Array => {
    const length = varint()
    if (length > BigInt(most)) throw malformed('a part is too long')
    return take(Number(length))
  }
  return {
    ...{ take, byte, varint, varbytes },
    at: () => offset,
    since: (from: number) => bytes.slice(from, offset),
    isDone: () => offset === bytes.length,
  }
}

type Place = { message: Uint8Array; operations: Uint8Array; depth: number }

/** All attestations of a timestamp. Branches that fork wait on a stack: depth costs no call. */
function readTimestamp(reader: ByteReader, message: Uint8Array): TimestampAttestation[] {
  const found: TimestampAttestation[] = []
  const forks: Place[] = []
  let place: Place = { message, operations: new Uint8Array(), depth: 0 }
  for (;;) {
    const from = reader.at()
    const tag = reader.byte()
    if (tag === 0xff) {
      forks.push(place)
      continue
    }
    if (tag === 0x00) {
      found.push(readAttestation(reader, place))
      const next = forks.pop()
      if (next === undefined) break
      place = next
      continue
    }
    const next = apply(tag, place.message, reader)
    if (place.depth >= maxDepth || next.length > maxMessage) throw malformed('it goes too deep')
    const operations = concat(place.operations, reader.since(from))
    place = { message: next, operations, depth: place.depth + 1 }
  }
  if (!reader.isDone()) throw malformed('bytes follow its end')
  return found
}

function apply(tag: number, message: Uint8Array, reader: ByteReader): Uint8Array {
  switch (tag) {
    case 0x02:
      return sha1(message)
    case 0x03:
      return ripemd160(message)
    case sha256Tag:
      return sha256(message)
    case 0x67:
      return keccak(message)
    case 0xf0:
      return concat(message, reader.varbytes(maxMessage))
    case 0xf1:
      return concat(reader.varbytes(maxMessage), message)
    case 0xf2:
      return message.slice().reverse()
    case 0xf3:
      return utf8(bytesToHex(message))
    default:
      throw malformed(`it has an unknown operation ${tag}`)
  }
}

function readAttestation(reader: ByteReader, { message, operations }: Place): TimestampAttestation {
  const tag = bytesToHex(reader.take(8))
  const payload = byteReader(reader.varbytes(maxPayload))
  const common = { message, operations }
  if (tag === bitcoinTag) {
    const height = payload.varint()
    if (!payload.isDone()) throw malformed('an attestation is too long')
    return { ...common, kind: 'bitcoin', height }
  }
  if (tag === pendingTag) {
    const calendar = fromUtf8(payload.varbytes(1_000), 'calendar')
    if (!payload.isDone()) throw malformed('an attestation is too long')
    return { ...common, kind: 'pending', calendar }
  }
  return { ...common, kind: 'unknown', tag }
}

function malformed(reason: string): InvalidInputError {
  return new InvalidInputError({ field: 'timestamp', reason })
}
