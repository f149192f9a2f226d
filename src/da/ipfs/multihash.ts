/** CIDs and the hashes in them, as far as files of UnixFS use them. */
import { blake2b } from '@noble/hashes/blake2.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, fromHex, toHex } from '../../internal/bytes.js'

/** Codecs of blocks that are read. */
export const codecs = { raw: 0x55, dagPb: 0x70 } as const

const hashCodes = {
  identity: 0x00,
  sha256: 0x12,
  sha512: 0x13,
  blake3: 0x1e,
  blake2b256: 0xb220,
} as const

/** The CID that a locator or text carries. */
export function parseCid(cid: string | DaLocator): CID {
  try {
    if (typeof cid === 'string') return CID.parse(cid)
    if (cid.kind !== 'cid')
      throw new InvalidInputError({ field: 'locator', reason: `kind ${cid.kind} has no CID` })
    return CID.decode(fromHex(cid.cid, 'cid'))
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause
    throw new InvalidInputError({ field: 'cid', reason: 'expected a CID' }, { cause })
  }
}

/**
 * Makes the locator of a CID given as text, with a path after it where the file is in a directory. A
 * `Qm…` becomes the CIDv1 of the same block.
 *
 * @throws {InvalidInputError} when it is no CID.
 * @example
 * ```ts
 * import { cidLocator } from '@newton/policy-sdk/da/ipfs'
 *
 * cidLocator('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
 * ```
 */
export function cidLocator(cid: string): DaLocator {
  const [root = '', ...names] = cid.split('/')
  const locator: DaLocator = { kind: 'cid', cid: toHex(parseCid(root).toV1().bytes) }
  if (names.length === 0) return locator
  // Encoding checks the path.
  const withPath: DaLocator = { ...locator, path: names.join('/') }
  encodeLocator(withPath)
  return withPath
}

/** The text of a locator's CID, version 1, base32, and of its path. */
export function cidText(locator: DaLocator): string {
  const path = pathOf(locator)
  return path === undefined ? `${parseCid(locator)}` : `${parseCid(locator)}/${path}`
}

/**
 * The path of a locator, where it has one.
 *
 * @throws {InvalidInputError} for one that no announced locator can have: each of its names costs a
 * request, so they are counted also where nothing was decoded.
 */
export function pathOf(locator: DaLocator): string | undefined {
  if (locator.kind !== 'cid' || locator.path === undefined) return undefined
  encodeLocator(locator)
  return locator.path
}

/** CIDv1 of one block. */
export function blockCid(codec: number, bytes: Uint8Array): CID {
  return CID.createV1(codec, Digest.create(hashCodes.sha256, sha256(bytes)))
}

/** Whether the hash in a CID is one that can be checked. */
export function isKnownHash({ multihash }: CID): boolean {
  // Any length may be asked of blake3: a shorter one could be met by other bytes.
  if (multihash.code === hashCodes.blake3) return multihash.digest.length === 32
  return (Object.values(hashCodes) as number[]).includes(multihash.code)
}

/** Whether `bytes` are the block that `cid` names. `false` for hashes that are not known. */
export async function isBlockOf(cid: CID, bytes: Uint8Array): Promise<boolean> {
  const { code, digest } = cid.multihash
  switch (code) {
    case hashCodes.identity:
      return bytesEqual(bytes, digest)
    case hashCodes.sha256:
      return bytesEqual(await nativeSha256(bytes), digest)
    case hashCodes.sha512:
      return bytesEqual(sha512(bytes), digest)
    case hashCodes.blake3:
      return bytesEqual(blake3(bytes), digest)
    case hashCodes.blake2b256:
      return bytesEqual(blake2b(bytes, { dkLen: 32 }), digest)
    default:
      return false
  }
}

/** SHA-256 by the platform, many times as fast, or by the library where there is none. */
async function nativeSha256(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle
  if (!subtle || bytes.length < 4_096) return sha256(bytes)
  return new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
}

/** The block inside an identity CID. */
export function inlineBlock({ multihash }: CID): Uint8Array | undefined {
  return multihash.code === hashCodes.identity ? multihash.digest.slice() : undefined
}
