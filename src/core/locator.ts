/**
 * Locators: hints, announced on chain, where an artifact's bytes may be.
 *
 * Bytes on chain are `kind(1) ‖ content`, at most 16,384 in all. What a locator leads to is always
 * checked against the artifact's hash; unknown kinds are carried and skipped.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import {
  bytesToUint,
  concat,
  fromHex,
  fromUtf8,
  toHex,
  uintToBytes,
  utf8,
} from '../internal/bytes.js'

/** Most bytes of one locator. */
export const MAX_LOCATOR_BYTES = 16_384

/** Most names in the path of a CID. */
const MAX_PATH_SEGMENTS = 32

/** Kind bytes of locators. */
export const locatorKinds = {
  eigenDa: 0x01,
  eigenDaArchive: 0x02,
  cid: 0x03,
  https: 0x04,
  keccakStore: 0x05,
} as const

/** A locator, decoded. */
export type DaLocator =
  /** EigenDA standard commitments, one for each part of the artifact in order. */
  | { kind: 'eigenDa'; commitments: readonly Hex[] }
  /** The EigenDA proxy's keccak lane: the key is the artifact hash. */
  | { kind: 'eigenDaArchive' }
  /** CIDv1, binary form, and a path in the directory it names, such as `v1/policy.rego`. */
  | { kind: 'cid'; cid: Hex; path?: string | undefined }
  | { kind: 'https'; url: string }
  /** A store addressed by keccak: a file directory, memory, an object store. Name may be empty. */
  | { kind: 'keccakStore'; name: string }
  | { kind: 'unknown'; kindByte: number; content: Hex }

/**
 * Encodes a locator as the bytes that are announced on chain.
 *
 * @throws {InvalidInputError} naming the offending member, or when it is over 16,384 bytes.
 * @example
 * ```ts
 * import { encodeLocator } from '@newton/policy-sdk'
 *
 * encodeLocator({ kind: 'keccakStore', name: '' }) // '0x05'
 * ```
 */
export function encodeLocator(locator: DaLocator): Hex {
  const bytes = locatorBytes(locator)
  if (bytes.length > MAX_LOCATOR_BYTES) {
    throw new InvalidInputError({
      field: 'locator',
      reason: `at most ${MAX_LOCATOR_BYTES} bytes, got ${bytes.length}`,
    })
  }
  return toHex(bytes)
}

/**
 * Decodes a locator as announced on chain. Unknown kinds come back as `kind: 'unknown'`.
 *
 * @throws {InvalidInputError} for malformed content of a known kind.
 */
export function decodeLocator(locator: Hex): DaLocator {
  const bytes = fromHex(locator, 'locator')
  const kindByte = bytes[0]
  if (kindByte === undefined)
    throw new InvalidInputError({ field: 'locator', reason: 'it is empty' })
  if (bytes.length > MAX_LOCATOR_BYTES) {
    throw new InvalidInputError({ field: 'locator', reason: `over ${MAX_LOCATOR_BYTES} bytes` })
  }
  const content = bytes.subarray(1)
  switch (kindByte) {
    case locatorKinds.eigenDa:
      return { kind: 'eigenDa', commitments: decodeCommitments(content) }
    case locatorKinds.eigenDaArchive:
      if (content.length > 0) {
        throw new InvalidInputError({ field: 'locator', reason: 'kind 0x02 has no content' })
      }
      return { kind: 'eigenDaArchive' }
    case locatorKinds.cid:
      return cidLocatorOf(cidBytes(content))
    case locatorKinds.https:
      return { kind: 'https', url: httpsUrl(fromUtf8(content, 'locator')) }
    case locatorKinds.keccakStore:
      return { kind: 'keccakStore', name: fromUtf8(content, 'locator') }
    default:
      return { kind: 'unknown', kindByte, content: toHex(content) }
  }
}

function locatorBytes(locator: DaLocator): Uint8Array {
  switch (locator.kind) {
    case 'eigenDa': {
      if (locator.commitments.length === 0) {
        throw new InvalidInputError({ field: 'commitments', reason: 'expected at least one' })
      }
      const parts = locator.commitments.flatMap((commitment, index) => {
        const bytes = fromHex(commitment, `commitments[${index}]`)
        if (bytes.length === 0) {
          throw new InvalidInputError({ field: `commitments[${index}]`, reason: 'it is empty' })
        }
        return [uintToBytes(bytes.length, 4), bytes]
      })
      return concat(Uint8Array.of(locatorKinds.eigenDa), ...parts)
    }
    case 'eigenDaArchive':
      return Uint8Array.of(locatorKinds.eigenDaArchive)
    case 'cid':
      return concat(
        Uint8Array.of(locatorKinds.cid),
        cidBytes(fromHex(locator.cid, 'cid')),
        locator.path === undefined ? new Uint8Array(0) : utf8(`/${cidPath(locator.path)}`),
      )
    case 'https':
      return concat(Uint8Array.of(locatorKinds.https), utf8(httpsUrl(locator.url)))
    case 'keccakStore':
      return concat(Uint8Array.of(locatorKinds.keccakStore), utf8(locator.name))
    case 'unknown': {
      const known = (Object.values(locatorKinds) as number[]).includes(locator.kindByte)
      if (known)
        throw new InvalidInputError({ field: 'kindByte', reason: 'this kind has its own form' })
      return concat(
        uintToBytes(locator.kindByte, 1, 'kindByte'),
        fromHex(locator.content, 'content'),
      )
    }
    default:
      throw new InvalidInputError({ field: 'kind', reason: 'unknown kind of locator' })
  }
}

function decodeCommitments(content: Uint8Array): Hex[] {
  const commitments: Hex[] = []
  let offset = 0
  while (offset < content.length) {
    if (content.length - offset < 4) {
      throw new InvalidInputError({ field: 'locator', reason: 'a commitment length is cut short' })
    }
    const length = Number(bytesToUint(content.subarray(offset, offset + 4)))
    const end = offset + 4 + length
    if (length === 0 || end > content.length) {
      throw new InvalidInputError({
        field: 'locator',
        reason: `commitment ${commitments.length} claims ${length} bytes`,
      })
    }
    commitments.push(toHex(content.subarray(offset + 4, end)))
    offset = end
  }
  if (commitments.length === 0) {
    throw new InvalidInputError({ field: 'locator', reason: 'kind 0x01 has no commitment' })
  }
  return commitments
}

// A CIDv1 starts with the version 0x01; CIDv0 has no binary version byte and is not announced.
function cidBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 4 || bytes[0] !== 0x01) {
    throw new InvalidInputError({ field: 'cid', reason: 'expected the binary form of a CIDv1' })
  }
  return bytes
}

/** A CID says itself how long it is; what follows is `/` and a path. */
function cidLocatorOf(content: Uint8Array): DaLocator {
  const length = cidLength(content)
  if (length === undefined || length >= content.length) return { kind: 'cid', cid: toHex(content) }
  const text = fromUtf8(content.subarray(length), 'locator')
  if (!text.startsWith('/'))
    throw new InvalidInputError({ field: 'cid', reason: 'bytes follow it that are no path' })
  const path = cidPath(text.slice(1))
  return { kind: 'cid', cid: toHex(content.subarray(0, length)), path }
}

/** Version, codec, hash and length are varints; `undefined` where the CID is cut short. */
function cidLength(bytes: Uint8Array): number | undefined {
  let at = 0
  let value = 0
  for (let field = 0; field < 4; field++) {
    value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 28) return undefined
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
  }
  return at + value
}

function cidPath(path: string): string {
  const segments = typeof path === 'string' ? path.split('/') : ['']
  const isPlain = segments.every((name) => name !== '' && name !== '.' && name !== '..')
  if (!isPlain || segments.length > MAX_PATH_SEGMENTS) {
    throw new InvalidInputError({
      field: 'path',
      reason: `expected 1 to ${MAX_PATH_SEGMENTS} names with slashes between them`,
    })
  }
  return path
}

function httpsUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    throw new InvalidInputError({
      field: 'url',
      reason: 'expected an https URL without credentials',
    })
  }
  return text
}
