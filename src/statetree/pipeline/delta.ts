/**
 * `DeltaV1`: everything that leads from one committed root to the next.
 *
 * ```
 * "NDL1" ‖ chainId(32) ‖ sequenceNo(8) ‖ prevDeltaHash(32) ‖ cutoffBlock(8) ‖ cutoffBlockHash(32) ‖ queueHash(32)
 * included    count(4) ( namespace(1) ‖ hash(32) ‖ length(4) ‖ bytes )…
 * omitted     count(4) ( namespace(1) ‖ hash(32) )…
 * quarantined count(4) ( namespace(1) ‖ hash(32) )…
 * deleted     count(4) ( namespace(1) ‖ hash(32) )…
 * foreign     count(4) ( namespace(1) ‖ keyHash(32) ‖ op(1) ‖ valueHash(32) )…
 * ```
 */
import type { Hex } from 'viem'
import { type ArtifactNamespace, isArtifactNamespace, ZERO_HASH } from '../../core/artifact.js'
import type { ExternalWrite } from '../../core/interfaces/externalWrites.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { MalformedEncodingError } from '../errors.js'
import { defaultHasher } from '../hash/hasher.js'

/** A place in the tree: an artifact in its namespace. */
export type ArtifactRef = { namespace: ArtifactNamespace; hash: Hex }

/** An artifact with its bytes. */
export type IncludedArtifact = ArtifactRef & { bytes: Uint8Array }

/** The content of one commit. */
export type Delta = {
  chainId: bigint
  sequenceNo: bigint
  /** Zero for the first commit. */
  prevDeltaHash: Hex
  cutoffBlock: bigint
  cutoffBlockHash: Hex
  /** Queue and quarantine after this commit. */
  queueHash: Hex
  /** In selection order. */
  included: readonly IncludedArtifact[]
  /** Walked past because the bytes could not be had, in selection order. */
  omitted: readonly ArtifactRef[]
  /** Moved to quarantine by this commit. */
  quarantined: readonly ArtifactRef[]
  /** Ascending by namespace and hash. */
  deleted: readonly ArtifactRef[]
  /** Writes of the private-data layer, in the order of their source. */
  foreign: readonly ExternalWrite[]
}

const magic = utf8('NDL1')
const headerBytes = 4 + 32 + 8 + 32 + 8 + 32 + 32

/**
 * Encodes a delta.
 *
 * @throws {InvalidInputError} naming the member that does not fit.
 */
export function encodeDelta(delta: Delta): Uint8Array {
  let size = headerBytes + 5 * 4
  for (const { bytes } of delta.included) size += 37 + bytes.length
  size += 33 * (delta.omitted.length + delta.quarantined.length + delta.deleted.length)
  size += 66 * delta.foreign.length
  const out = new Uint8Array(size)
  let at = 0
  const put = (bytes: Uint8Array): void => {
    out.set(bytes, at)
    at += bytes.length
  }
  put(magic)
  put(uintToBytes(delta.chainId, 32, 'delta.chainId'))
  put(uintToBytes(delta.sequenceNo, 8, 'delta.sequenceNo'))
  put(fixedFromHex(delta.prevDeltaHash, 32, 'delta.prevDeltaHash'))
  put(uintToBytes(delta.cutoffBlock, 8, 'delta.cutoffBlock'))
  put(fixedFromHex(delta.cutoffBlockHash, 32, 'delta.cutoffBlockHash'))
  put(fixedFromHex(delta.queueHash, 32, 'delta.queueHash'))
  const ref = ({ namespace, hash }: ArtifactRef, field: string): void => {
    if (!isArtifactNamespace(namespace)) {
      throw new InvalidInputError({ field, reason: `namespace ${namespace} is not 4 to 8` })
    }
    put(Uint8Array.of(namespace))
    put(fixedFromHex(hash, 32, field))
  }
  put(uintToBytes(delta.included.length, 4))
  delta.included.forEach((entry, i) => {
    ref(entry, `delta.included[${i}]`)
    put(uintToBytes(entry.bytes.length, 4))
    put(entry.bytes)
  })
  for (const list of ['omitted', 'quarantined', 'deleted'] as const) {
    put(uintToBytes(delta[list].length, 4))
    delta[list].forEach((entry, i) => {
      ref(entry, `delta.${list}[${i}]`)
    })
  }
  put(uintToBytes(delta.foreign.length, 4))
  delta.foreign.forEach(({ namespace, keyHash, valueHash }, i) => {
    const field = `delta.foreign[${i}]`
    if (![1, 2, 3].includes(namespace)) {
      throw new InvalidInputError({ field, reason: `namespace ${namespace} is not 1 to 3` })
    }
    put(Uint8Array.of(namespace))
    put(fixedFromHex(keyHash, 32, field))
    put(Uint8Array.of(valueHash === null ? 0 : 1))
    put(fixedFromHex(valueHash ?? ZERO_HASH, 32, field))
  })
  return out
}

/**
 * Decodes a delta. There is one encoding of each: unknown operations, namespaces outside a list's
 * range, a value under a delete, missing and trailing bytes are refused. Bytes of included
 * artifacts are views into `bytes`; whether they hash to their names is for the caller to check.
 *
 * @throws {MalformedEncodingError} naming the part.
 */
export function decodeDelta(bytes: Uint8Array): Delta {
  let at = 0
  const take = (length: number, field: string): Uint8Array => {
    if (length > bytes.length - at) {
      throw new MalformedEncodingError({ field, reason: `it ends at byte ${bytes.length}` })
    }
    at += length
    return bytes.subarray(at - length, at)
  }
  const word = (field: string): Hex => toHex(take(32, field))
  const uint = (size: number, field: string): bigint => BigInt(toHex(take(size, field)))
  const count = (field: string, entryBytes: number): number => {
    const value = Number(uint(4, field))
    if (value * entryBytes > bytes.length - at) {
      throw new MalformedEncodingError({ field, reason: `${value} entries do not fit in it` })
    }
    return value
  }
  const ref = (field: string): ArtifactRef => {
    const namespace = take(1, field)[0] as number
    if (!isArtifactNamespace(namespace)) {
      throw new MalformedEncodingError({ field, reason: `namespace ${namespace} is not 4 to 8` })
    }
    return { namespace, hash: word(field) }
  }
  if (toHex(take(4, 'delta.magic')) !== toHex(magic)) {
    throw new MalformedEncodingError({ field: 'delta.magic', reason: 'it is no DeltaV1' })
  }
  const header = {
    chainId: uint(32, 'delta.chainId'),
    sequenceNo: uint(8, 'delta.sequenceNo'),
    prevDeltaHash: word('delta.prevDeltaHash'),
    cutoffBlock: uint(8, 'delta.cutoffBlock'),
    cutoffBlockHash: word('delta.cutoffBlockHash'),
    queueHash: word('delta.queueHash'),
  }
  const included: IncludedArtifact[] = []
  for (let i = count('delta.included', 37); i > 0; i--) {
    const entry = ref('delta.included')
    included.push({ ...entry, bytes: take(Number(uint(4, 'delta.included')), 'delta.included') })
  }
  const refs = (field: string): ArtifactRef[] => {
    const list: ArtifactRef[] = []
    for (let i = count(field, 33); i > 0; i--) list.push(ref(field))
    return list
  }
  const omitted = refs('delta.omitted')
  const quarantined = refs('delta.quarantined')
  const deleted = refs('delta.deleted')
  const foreign: ExternalWrite[] = []
  for (let i = count('delta.foreign', 66); i > 0; i--) {
    const field = 'delta.foreign'
    const namespace = take(1, field)[0] as number
    const keyHash = word(field)
    const op = take(1, field)[0] as number
    const valueHash = word(field)
    if (namespace !== 1 && namespace !== 2 && namespace !== 3) {
      throw new MalformedEncodingError({ field, reason: `namespace ${namespace} is not 1 to 3` })
    }
    if (op > 1 || (op === 0 && valueHash !== ZERO_HASH)) {
      throw new MalformedEncodingError({ field, reason: `operation ${op}` })
    }
    foreign.push({ namespace, keyHash, valueHash: op === 1 ? valueHash : null })
  }
  if (at !== bytes.length) {
    throw new MalformedEncodingError({
      field: 'delta',
      reason: `${bytes.length - at} bytes after its end`,
    })
  }
  return { ...header, included, omitted, quarantined, deleted, foreign }
}

/** `deltaHash`: keccak-256 of an encoded delta. */
export function computeDeltaHash(encoded: Uint8Array): Hex {
  return toHex(defaultHasher().hash(encoded))
}
